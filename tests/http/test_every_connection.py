"""K1, DMP-82: who wants to be told of each connection says so in the record, and is told of each, once a sign-in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pymongo.errors import OperationFailure

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Purpose
from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.online import online
from tests.kit.world import label, patient

WISH = {"url": profile_json("dmp/notices.json")["every_connection"], "valueBoolean": True}
OTHER = {"url": "https://example.org/autre", "valueBoolean": True}
MOTHER = people.representative("lea")
FIRST, AGAIN, URGENT = "Première connexion", "Connexion", "Accès en urgence"


@pytest.fixture
def there(world):
    world.put(observation("o1"))
    world.put(observation("o2", meta={"security": label("INVISIBLE_PATIENT")["coding"]}))
    return world


def record(world, who=None):
    return world.ask(who or people.holder(), "GET", "Patient/lea").json


def written(world, who, extension, **more):
    changed = {**record(world, who), **more, "extension": extension}
    return world.ask(who, "PUT", "Patient/lea", changed).status


def wishes(world, who=None):
    """Each connection is to be told: the holder says so, or who is given."""
    who = who or people.holder()
    assert 200 == written(world, who, [*record(world, who)["extension"], WISH])


def signed_in(number, who=None, part="1"):
    """A doctor with the token of one sign-in; `part` counts those it was refreshed for."""
    return replace(who or people.doctor(), token=f"grant{number}.{part}")


def reads(world, who, what="Observation/o1"):
    assert 200 == world.ask(who, "GET", what).status


def elsewhere(world):
    """The next request is answered by another process, which knows nothing of what this one remembers."""
    world.house.announced.clear()
    world.house.outbox.forget()


def told(world, to="lea@example.org"):
    """What was told of connections, the oldest first: the subject, as far as it says which."""
    subjects = [each["subject"] for each in reversed(world.house.outbox.recent(to))]
    return [each.partition(" à ")[0] for each in subjects if "connexion" in each.lower() or "urgence" in each]


def test_three_sign_ins_sent_one_notice_to_a_holder_who_wants_each_k1(there):
    wishes(there)
    for number in range(3):
        reads(there, signed_in(number))

    assert [FIRST, AGAIN, AGAIN] == told(there)


def test_who_does_not_ask_for_it_is_told_of_the_first_alone_k1(there):
    for number in range(3):
        reads(there, signed_in(number))

    assert [FIRST] == told(there)


def test_a_sign_in_is_told_once_however_many_requests_tokens_and_processes_it_takes(there):
    wishes(there)
    for number in range(2):
        for part in ("1", "2"):
            for _ in range(2):
                reads(there, signed_in(number, part=part))
                elsewhere(there)

    assert [FIRST, AGAIN] == told(there)


def test_an_emergency_is_told_as_one_and_not_beside_it_as_a_connection(there):
    wishes(there)
    roux = people.professional("roux", "10000000009", purpose=Purpose.BREAK_GLASS, reason="coma", patient="lea")
    for number in range(2):
        reads(there, signed_in(number, roux))

    assert [FIRST, URGENT, URGENT] == told(there)


def test_a_connection_that_showed_only_what_is_not_announced_yet_is_not_told(there):
    """Decisions 16: never about what is hidden from its reader; as soon as something else is shown, it is."""
    reads(there, signed_in(0))
    wishes(there)
    reads(there, signed_in(1), "Observation/o2")
    assert [FIRST] == told(there)

    reads(there, signed_in(1))
    assert [FIRST, AGAIN] == told(there)


def test_the_notice_of_a_connection_and_its_trace_come_together_or_not_at_all(there, monkeypatch):
    wishes(there)
    reads(there, signed_in(0))
    traces = there.house.shelf.ledger.count_documents({})

    def unreachable(*_, **__):
        raise OperationFailure("down")

    with monkeypatch.context() as broken:
        broken.setattr(type(there.house.outbox), "add", unreachable)
        with pytest.raises(OperationFailure):
            there.ask(signed_in(1), "GET", "Observation/o1")
    assert (traces, [FIRST]) == (there.house.shelf.ledger.count_documents({}), told(there))

    reads(there, signed_in(1))
    assert [FIRST, AGAIN] == told(there)


def test_a_system_and_the_holder_do_not_connect(there):
    wishes(there)
    there.ask(people.hospital(), "GET", "DocumentReference?patient=lea")
    reads(there, people.holder())

    assert [] == told(there)


# --- who says so, and what else he may change ---


@pytest.fixture
def minor(there):
    """Léa is fourteen, and her mother represents her."""
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUARD"}
    mail = [{"system": "email", "value": "anne@example.org"}]
    anne = {"resourceType": "RelatedPerson", "id": "anne", "active": True, "patient": {"reference": "Patient/lea"}}
    there.put({**record(there), "birthDate": "2012-05-05"})
    there.put({**anne, "relationship": [{"coding": [kind]}], "telecom": mail})
    return there


def test_a_mother_asks_for_it_and_is_told_but_of_what_her_child_does_in_secret(minor):
    wishes(minor, MOTHER)
    for number in range(2):
        reads(minor, signed_in(number))
    reads(minor, signed_in(2, replace(people.doctor(), secret_session=True)))

    assert [FIRST, AGAIN] == told(minor, "anne@example.org")
    assert [FIRST, AGAIN, AGAIN] == told(minor)


def test_a_sign_in_shown_to_the_holder_alone_first_is_told_to_the_mother_when_it_shows_her_something(minor):
    wishes(minor, MOTHER)
    hidden = label("INVISIBLE_REPRESENTANTS_LEGAUX")["coding"]
    minor.put(observation("o3", meta={"security": hidden}))
    reads(minor, signed_in(0), "Observation/o3")
    reads(minor, signed_in(1))
    reads(minor, signed_in(1))
    reads(minor, signed_in(2))

    assert [FIRST, AGAIN, AGAIN] == told(minor)
    assert [FIRST, AGAIN] == told(minor, "anne@example.org")


def test_the_wish_is_taken_back_as_it_was_made(there):
    kept = record(there)["extension"]
    wishes(there)
    assert 200 == written(there, people.holder(), [*kept, {**WISH, "valueBoolean": False}])
    assert 200 == written(there, people.holder(), kept)
    for number in range(2):
        reads(there, signed_in(number))

    assert [FIRST] == told(there)


def test_a_patch_says_so_as_well(there):
    assert (
        200
        == there.ask(
            people.holder(), "PATCH", "Patient/lea", [{"op": "add", "path": "/extension/-", "value": WISH}]
        ).status
    )
    assert WISH in record(there)["extension"]


REST = patient()["extension"]


@pytest.mark.parametrize("who", [people.holder(), MOTHER], ids=["holder", "mother"])
@pytest.mark.parametrize(
    "extension",
    [
        [*REST, OTHER],
        [*REST, WISH, OTHER],
        [WISH],
        [],
        [{**REST[0], "extension": []}, WISH],
        [{**REST[0], "extension": [*REST[0]["extension"], WISH]}],
    ],
    ids=["another", "another beside", "the rest gone", "all gone", "the rest changed", "within the rest"],
)
def test_no_other_extension_changes_with_it(minor, who, extension):
    """DMP-25: how reliable an identity is, or who is not to open online, is not for the holder to say."""
    assert written(minor, who, extension) in (403, 422)
    assert REST == record(minor)["extension"]


def test_nor_does_anything_else(there):
    assert 403 == written(there, people.holder(), [*REST, WISH], birthDate="2001-01-01")


@pytest.mark.parametrize(
    "who", [people.doctor(), people.hospital(), people.representative("lea", "nobody")], ids=lambda who: who.subject
)
def test_nobody_else_says_so(there, who):
    changed = {**record(there), "extension": [*REST, WISH]}
    assert there.ask(who, "PUT", "Patient/lea", changed).status in (403, 404)


@pytest.mark.parametrize(
    "wrong",
    [[{"url": WISH["url"], "valueString": "oui"}], [WISH, WISH], [{"url": WISH["url"], "extension": [OTHER]}]],
    ids=["no boolean", "twice", "complex"],
)
def test_a_wish_that_would_not_be_read_is_refused(there, wrong):
    assert 422 == written(there, people.holder(), [*REST, *wrong])


def test_over_http_three_sign_ins_are_told_three_times(mongo_uri, mongo_client):
    with online(mongo_uri, mongo_client) as served:
        paul = served.quick("paul", "patient/*.rs patient/Patient.u", client_id="patient-app").json()["access_token"]
        own = served.get("fhir/Patient/paul-martin", paul).json()
        changed = {**own, "extension": [*own["extension"], WISH]}
        assert 200 == served.send("PUT", "fhir/Patient/paul-martin", paul, changed).status_code
        for _ in range(3):
            token = served.quick("dr-moreau", "user/*.rs", client_id="doctor-app").json()["access_token"]
            for _ in range(2):
                assert 200 == served.get("fhir/DocumentReference?patient=paul-martin", token).status_code
        sent = served.get("/sandbox/outbox.json", params={"to": "paul.martin@example.org"}).json()

    assert [AGAIN, AGAIN, FIRST] == [each["subject"].partition(" à ")[0] for each in sent]
