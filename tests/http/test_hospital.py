"""A hospital over the whole pipeline: authorised for a stay, with what is part of it, and never its system or its desk.

DMP-45, DMP-46, DMP-152, and feeding as K11 has it (mapping 3.2b, 3.4).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fhir_server.interactions.directory import StoredDirectory
from fhir_server.resources import consent_patterns
from fhir_server.smart.directory import recognised
from tests.kit import people
from tests.kit.family import letter_of
from tests.kit.treating import NOW, by
from tests.kit.world import practitioner, submission

HOLDER, DOCTOR, SYSTEM = people.holder(), people.doctor(), people.hospital()
LETTERS = "DocumentReference?patient=lea"
PLACES = {"chu": None, "site": "chu", "pole": "site", "unite": "pole", "clinique": None}


@pytest.fixture
def stay(world):
    """The CHU with what is part of it at three levels, another clinic, and a letter of the family doctor's."""
    for name, whole in PLACES.items():
        part = {"partOf": {"reference": f"Organization/{whole}"}} if whole else {}
        world.put({"resourceType": "Organization", "id": name, "name": name, **part})
    world.put(letter_of("lea", "l1", None))
    return world


def at(world, place, name="urgentiste", profession="10"):
    """Somebody who practises there, as the sign-in knows him."""
    person = people.professional(name, "10000000007", profession)
    there = replace(person, organization=f"Organization/{place}")
    return recognised(there, StoredDirectory(world.house.shelf))


def authorised(world, **more):
    consent = consent_patterns.consent("etablissement", "Patient/lea", NOW, actor="Organization/chu", **more)
    return made(world, consent)


def made(world, consent, who=HOLDER):
    answered = world.ask(who, "POST", "Consent", consent)
    assert 201 == answered.status, answered.json
    return answered.json


def sees(world, who):
    """The status of a search, and of a read of the letter."""
    return [world.ask(who, "GET", url).status for url in (LETTERS, "DocumentReference/l1")]


@pytest.mark.parametrize("place", ["chu", "site", "pole", "unite"])
def test_who_practises_there_consults_at_every_level(stay, place):
    """DMP-45: by partOf, three levels down."""
    who = at(stay, place)
    assert [403, 404] == sees(stay, who)

    authorised(stay)

    assert [200, 200] == sees(stay, who)
    assert [403, 404] == sees(stay, at(stay, "clinique"))


def test_what_is_authorised_is_a_part_and_not_the_whole(stay):
    """DMP-45: the unit is not the hospital."""
    consent = consent_patterns.consent("etablissement", "Patient/lea", NOW, actor="Organization/pole")
    made(stay, consent)

    assert [[200, 200], [403, 404]] == [sees(stay, at(stay, place)) for place in ("unite", "site")]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ((2026, 11, 19, 23, 59, 59), [403, 404]),
        ((2026, 11, 20, 0, 0, 0), [200, 200]),
        ((2026, 11, 27, 23, 59, 59), [200, 200]),
        ((2026, 11, 28, 0, 0, 0), [403, 404]),
    ],
    ids=["the day before", "the first day", "the last day", "the day after"],
)
def test_it_is_for_the_days_of_the_stay(stay, now, expected):
    """DMP-45: to the second."""
    authorised(stay, period={"start": "2026-11-20", "end": "2026-11-27"})

    stay.now = datetime(*now, tzinfo=UTC)

    assert expected == sees(stay, at(stay, "chu"))


def test_one_practitioner_is_left_out(stay):
    """DMP-45: by a nested deny."""
    stay.put(practitioner("voisin", "10000000008", "Voisin"))
    consent = consent_patterns.consent("etablissement", "Patient/lea", NOW, actor="Organization/chu")
    consent["meta"]["profile"] = ["https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentIntermediate"]
    consent["provision"]["provision"] = [{"type": "deny", "actor": by("Practitioner/voisin")}]
    made(stay, consent)

    assert [200, 200] == sees(stay, at(stay, "pole"))
    answered = stay.ask(at(stay, "pole", "voisin"), "GET", LETTERS)
    assert [] == answered.json.get("entry", []), answered.json
    assert 404 == stay.ask(at(stay, "pole", "voisin"), "GET", "DocumentReference/l1").status


def test_a_withdrawal_takes_effect_on_the_next_request(stay):
    """DMP-44."""
    consent, who = authorised(stay), at(stay, "pole")
    assert [200, 200] == sees(stay, who)

    ended = stay.ask(HOLDER, "PUT", f"Consent/{consent['id']}", {**consent, "status": "inactive"})

    assert 200 == ended.status, ended.json
    assert [403, 404] == sees(stay, who)


def test_who_practises_there_deposits_and_consults(stay):
    """DMP-45."""
    authorised(stay)
    who = at(stay, "pole")
    author = {"author": [{"reference": "Practitioner/urgentiste"}], "subject": {"reference": "Patient/lea"}}
    stay.put({"resourceType": "Practitioner", "id": "urgentiste"})
    letter = {name: value for name, value in letter_of("lea", "x", None).items() if name != "id"}

    deposited = stay.ask(who, "POST", "DocumentReference", {**letter, **author})

    assert 201 == deposited.status, deposited.json
    assert 2 == stay.ask(who, "GET", LETTERS).json["total"]


def test_its_system_deposits_and_never_consults_what_is_anothers(stay):
    """DMP-152, DMP-113: authorised or not."""
    for _ in range(2):
        assert [] == stay.ask(SYSTEM, "GET", LETTERS).ids
        assert [404, 404] == [stay.ask(SYSTEM, "GET", each).status for each in ("DocumentReference/l1", "Patient/lea")]
        authorised(stay)
    deposited = stay.ask(SYSTEM, "POST", "", submission())
    assert 200 == deposited.status, deposited.json
    own = next(
        each["response"]["location"].partition("/fhir/")[2].partition("/_history")[0]
        for each in deposited.json["entry"]
        if "DocumentReference/" in each["response"]["location"]
    )
    assert [200, 404] == [stay.ask(SYSTEM, "GET", each).status for each in (own, "DocumentReference/l1")]
    assert [own] == stay.ask(SYSTEM, "GET", "DocumentReference?status=current").ids


@pytest.mark.parametrize("role", ["331", "336", "338", "341", "SECRETARIAT_MEDICAL"])
def test_who_receives_administers_or_serves_there_never_consults(stay, role):
    """DMP-46: whoever authorises the hospital, or them by name."""
    authorised(stay)
    made(stay, consent_patterns.consent("ps-autorisation", "Patient/lea", NOW, actor="Practitioner/accueil"))

    assert [403, 404] == sees(stay, at(stay, "chu", "accueil", role))


# --- feeding


def feeding(world, who=HOLDER, **more):
    consent = consent_patterns.consent("alimentation", "Patient/lea", NOW, **more)
    return made(world, consent, who)


def deposits(world, who=SYSTEM, unique="urn:oid:1.2.250.1.999.7"):
    return world.ask(who, "POST", "", submission(unique=unique)).status


def answers(world):
    """What the holder's Consents about feeding say."""
    found = world.ask(HOLDER, "GET", "Consent?patient=lea&category=alimentation&status=active").json["entry"]
    return [each["resource"]["provision"]["type"] for each in found]


def test_the_question_is_asked_at_the_opening_and_the_answer_is_on_record(stay):
    """K11."""
    assert ["permit"] == answers(stay)


def test_a_deposit_needs_no_right_to_consult_and_gives_none(stay):
    """K11, DMP-111, DMP-113."""
    assert 200 == deposits(stay)
    who = at(stay, "clinique")
    letter = {name: value for name, value in letter_of("lea", "x", None).items() if name != "id"}
    stay.put({"resourceType": "Practitioner", "id": "urgentiste"})

    own = stay.ask(who, "POST", "DocumentReference", {**letter, "author": [{"reference": "Practitioner/urgentiste"}]})

    assert 201 == own.status, own.json
    assert [403, 404] == sees(stay, who)


def test_the_holder_opposes_it_for_one_or_for_all_at_any_time_and_changes_his_mind(stay):
    """K11, DMP-60: from the next deposit on."""
    assert 200 == deposits(stay, unique="urn:oid:1.2.250.1.999.1")
    one = feeding(stay, permit=False, actor="Organization/chu")
    assert 403 == deposits(stay, unique="urn:oid:1.2.250.1.999.2")
    assert 200 == stay.ask(HOLDER, "PUT", f"Consent/{one['id']}", {**one, "status": "inactive"}).status
    assert 200 == deposits(stay, unique="urn:oid:1.2.250.1.999.2")
    every = feeding(stay, permit=False)
    assert 403 == deposits(stay, unique="urn:oid:1.2.250.1.999.3")
    assert [200, 200] == sees(stay, DOCTOR), "an opposition to feeding takes nothing from who consults"
    assert 204 == stay.ask(HOLDER, "DELETE", f"Consent/{every['id']}").status
    assert 200 == deposits(stay, unique="urn:oid:1.2.250.1.999.3")
