"""Conditional create, update, patch and delete; rows are of rest.md's duties (44 to 48, 52, 62 to 64)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from tests.kit import people
from tests.kit.people import holder, radiologist
from tests.kit.world import BASE, label, submission

OPERATOR = people.operator()
AT_ONCE = 20


def observed(number="1", **more):
    return {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:x", "value": number}],
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/lea"},
        **more,
    }


def make(world, number="1", who=OPERATOR, **how):
    return world.ask(
        who, "POST", "Observation", observed(number), **{"if_none_exist": f"identifier=urn:x|{number}", **how}
    )


def total(world, query="identifier=urn:x|1", type_="Observation"):
    return world.ask(OPERATOR, "GET", f"{type_}?{query}&_summary=count").json["total"]


def versions(world, reference):
    return world.ask(OPERATOR, "GET", f"{reference}/_history").json["total"]


def all_at_once(many, ask):
    """The answers of that many threads that begin together."""
    together = Barrier(many)

    def one(number):
        together.wait()
        return ask(number)

    with ThreadPoolExecutor(many) as threads:
        return list(threads.map(one, range(many)))


# --- create (44, 48, 52)


def test_a_conditional_create_makes_what_is_not_there_and_finds_what_is(world):
    """Row 44."""
    first, again = make(world), make(world)

    where = f"{BASE}/Observation/{first.json['id']}/_history/1"
    assert (201, where, 200, where) == (
        first.status,
        first.headers["Location"],
        again.status,
        again.headers["Location"],
    )
    assert ('W/"1"', first.json) == (again.headers["ETag"], again.json)
    assert (1, 1) == (total(world), versions(world, f"Observation/{first.json['id']}"))


def test_a_conditional_create_says_what_is_preferred_of_what_it_finds(world):
    """Rows 37 and 44."""
    make(world)
    minimal, outcome = make(world, returning="minimal"), make(world, returning="OperationOutcome")

    assert (200, b"", 200, "OperationOutcome") == (
        minimal.status, minimal.body, outcome.status, outcome.json["resourceType"]
    )  # fmt: skip


def test_a_conditional_create_is_refused_where_several_are_found(world):
    """Row 44; that there are several stays on record."""
    for _ in range(2):
        world.ask(OPERATOR, "POST", "Observation", observed())
    refused = make(world)

    assert (412, "multiple-matches") == (refused.status, refused.json["issue"][0]["code"])
    assert 2 == total(world)
    told = world.ask(holder(), "GET", "AuditEvent?patient=lea&outcome=4").json
    assert 1 == told["total"]


@pytest.mark.parametrize("condition", ["", "nonsense=1", "_count=1", "identifier=urn:x|1&_sort=date", "_summary=count"])
def test_a_condition_that_says_nothing_or_cannot_be_read_is_refused(world, condition):
    """Rows 44 to 46 and 48: lenient handling as well."""
    answers = [make(world, if_none_exist=condition), make(world, if_none_exist=condition, lenient=True)]
    assert {400} == {each.status for each in answers}
    for method, body in {"PUT": observed(), "PATCH": [], "DELETE": None}.items():
        type_ = "DocumentReference" if method == "PATCH" else "Observation"
        for lenient in (False, True):
            answered = world.ask(OPERATOR, method, f"{type_}?{condition}", body, lenient=lenient)
            # rows 12 and 45: without any query it is a verb that the address does not take
            assert (400 if condition else 405) == answered.status

    assert 0 == total(world)


def test_of_twenty_conditional_creates_at_once_one_makes_the_resource(world):
    """Row 52; the others are answered with what it made."""
    answers = all_at_once(AT_ONCE, lambda _: make(world))

    assert [200] * (AT_ONCE - 1) + [201] == sorted(each.status for each in answers), [each.json for each in answers]
    assert 1 == len({each.headers["Location"] for each in answers})
    assert 1 == total(world)


def test_twenty_conditional_creates_of_twenty_conditions_at_once_all_succeed(world):
    """Row 52."""
    answers = all_at_once(AT_ONCE, lambda number: make(world, str(number)))

    assert {201} == {each.status for each in answers}


def test_of_twenty_transactions_with_one_condition_at_once_one_makes_the_resource(world):
    """Rows 52, 63 and 64."""
    entry = {
        "resource": observed(),
        "request": {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=urn:x|1"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answers = all_at_once(AT_ONCE, lambda _: world.ask(OPERATOR, "POST", "", bundle))

    assert {200} == {each.status for each in answers}
    told = sorted(each.json["entry"][0]["response"]["status"] for each in answers)
    assert (["200 OK"] * (AT_ONCE - 1) + ["201 Created"], 1) == (told, total(world))


def test_of_twenty_conditional_updates_of_what_is_not_there_one_makes_it(world):
    """Rows 45 and 51: the others change what it made; what was said is the same, so it has one version."""
    answers = all_at_once(AT_ONCE, lambda _: world.ask(OPERATOR, "PUT", "Observation?identifier=urn:x|1", observed()))

    assert [200] * (AT_ONCE - 1) + [201] == sorted(each.status for each in answers)
    assert 1 == total(world)


# --- update (45)


def test_a_conditional_update_makes_or_changes(world):
    """Row 45: none, then one, without an id and with the same."""
    made = world.ask(OPERATOR, "PUT", "Observation?identifier=urn:x|1", observed())
    changed = world.ask(OPERATOR, "PUT", "Observation?identifier=urn:x|1", observed(status="amended"))
    id_ = made.json["id"]
    again = world.ask(OPERATOR, "PUT", "Observation?identifier=urn:x|1", observed(id=id_, status="final"))

    assert (201, 200, 200) == (made.status, changed.status, again.status)
    assert f"{BASE}/Observation/{id_}/_history/3" == again.headers["Location"]
    assert 3 == versions(world, f"Observation/{id_}")


def test_a_conditional_update_with_an_id_that_is_not_there_is_an_update_as_create(world):
    """Rows 39 and 45; decisions 10: an operator's."""
    made = world.ask(OPERATOR, "PUT", "Observation?identifier=urn:x|1", observed(id="mine"))
    other = world.ask(people.doctor(), "PUT", "Observation?identifier=urn:x|2", observed("2", id="other"))

    assert (201, f"{BASE}/Observation/mine/_history/1", 404) == (made.status, made.headers["Location"], other.status)


def test_a_conditional_update_whose_id_is_another_s_is_refused(world):
    """Row 45: 400 when one is found, 409 when none is and something else has the id; 412 for several."""
    world.ask(OPERATOR, "PUT", "Observation/a", observed(id="a"))
    world.ask(OPERATOR, "PUT", "Observation/b", observed("2", id="b"))
    found = world.ask(OPERATOR, "PUT", "Observation?identifier=urn:x|1", observed(id="b"))
    taken = world.ask(OPERATOR, "PUT", "Observation?identifier=urn:x|3", observed("3", id="b"))
    several = world.ask(OPERATOR, "PUT", "Observation?patient=lea", observed())

    assert (400, 409, 412) == (found.status, taken.status, several.status)
    assert 1 == versions(world, "Observation/b")


def test_if_match_is_held_against_what_a_condition_finds(world):
    """Rows 41, 42 and 45."""
    url = "Observation?identifier=urn:x|1"
    nothing = world.ask(OPERATOR, "PUT", url, observed(), if_match='W/"1"')
    world.ask(OPERATOR, "PUT", url, observed())
    old = world.ask(OPERATOR, "PUT", url, observed(status="amended"), if_match='W/"2"')
    right = world.ask(OPERATOR, "PUT", url, observed(status="amended"), if_match='W/"1"')
    gone = [world.ask(OPERATOR, "DELETE", url, if_match=each).status for each in ('W/"1"', 'W/"2"', 'W/"2"')]

    assert (412, 412, 200, [412, 204, 412]) == (nothing.status, old.status, right.status, gone)


# --- delete (46)


def test_a_conditional_delete_deletes_one_and_not_several(world):
    """Row 46: none and again none is 204, several are 412 and stay."""
    url = "Observation?identifier=urn:x|1"
    none = world.ask(OPERATOR, "DELETE", url)
    one = make(world)
    deleted, again = world.ask(OPERATOR, "DELETE", url), world.ask(OPERATOR, "DELETE", url)
    assert (204, 204, 204) == (none.status, deleted.status, again.status)
    assert ('W/"2"', 410) == (
        deleted.headers["ETag"], world.ask(OPERATOR, "GET", f"Observation/{one.json['id']}").status
    )  # fmt: skip

    for _ in range(2):
        world.ask(OPERATOR, "POST", "Observation", observed())
    assert (412, 2) == (world.ask(OPERATOR, "DELETE", url).status, total(world))


# --- patch (47)


ARCHIVE = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]


def test_a_document_is_patched_by_its_unique_id(world):
    """Row 47; DMP-145, as the draft's `PATCH DocumentReference?identifier=system|uniqueId`."""
    deposited = world.ask(people.hospital(), "POST", "", submission())
    assert 200 == deposited.status
    url = "DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.1"
    patched = world.ask(holder(), "PATCH", url, ARCHIVE)
    hidden = world.ask(radiologist(), "PATCH", url, ARCHIVE)
    absent = world.ask(radiologist(), "PATCH", url.replace("999.1", "999.9"), ARCHIVE)

    assert (200, 'W/"2"', "MASQUE_PS") == (
        patched.status, patched.headers["ETag"], patched.json["securityLabel"][1]["coding"][0]["code"]
    )  # fmt: skip
    assert (404, hidden.json, hidden.headers) == (absent.status, absent.json, absent.headers)


def test_several_documents_are_not_patched_at_once(world):
    """Row 47."""
    for number in (1, 2):
        world.ask(people.hospital(), "POST", "", submission(f"urn:oid:1.2.250.1.999.{number}"))

    assert 412 == world.ask(holder(), "PATCH", "DocumentReference?patient=lea", ARCHIVE).status


# --- in the asker's view


def test_a_condition_asks_for_the_right_to_search(world):
    """A token that may only create learns of nothing that is there (SMART 2: `c` is not `s`)."""
    for scopes, status in ((("system/Observation.c",), 403), (("system/Observation.cs",), 201)):
        assert status == make(world, who=replace(OPERATOR, scopes=scopes)).status


def test_what_is_hidden_is_not_found_by_a_condition(world):
    """House rules: inside the asker's view; who sees it finds it, who does not makes another."""
    world.ask(people.hospital(), "POST", "", submission(), returning="minimal")
    world.ask(holder(), "PATCH", "DocumentReference?patient=lea", ARCHIVE)
    sent = {
        "resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/lea"},
        "author": [{"reference": "Practitioner/diallo"}],
        "category": [{"coding": [{"system": "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument", "code": "11"}]}],
        "type": {"coding": [{"system": "http://loinc.org", "code": "18748-4"}]},
        "content": [{"attachment": {"contentType": "text/plain", "title": "x", "data": "aGk="}}],
    }  # fmt: skip
    condition = "patient=lea&type=http://loinc.org|11490-0"
    seen = world.ask(people.doctor(), "POST", "DocumentReference", sent, if_none_exist=condition)
    unseen = world.ask(radiologist(), "POST", "DocumentReference", sent, if_none_exist=condition)

    assert (200, 201) == (seen.status, unseen.status), (seen.json, unseen.json)


def test_a_collision_with_a_hidden_unique_id_is_the_one_fixed_409(world):
    """Decisions 16, the named exception: the same words as without a condition."""
    world.ask(people.hospital(), "POST", "", submission())
    world.ask(holder(), "PATCH", "DocumentReference?patient=lea", ARCHIVE)
    sent = submission()["entry"][1]["resource"]
    sent |= {"author": [{"reference": "Practitioner/diallo"}], "subject": {"reference": "Patient/lea"}}
    sent["content"][0]["attachment"] = {**sent["content"][0]["attachment"], "url": "https://example.org/x"}
    condition = "identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.1"
    answers = [
        world.ask(radiologist(), "POST", "DocumentReference", sent, if_none_exist=each) for each in (condition, None)
    ]

    assert [409, 409] == [each.status for each in answers], [each.json for each in answers]
    assert answers[0].json == answers[1].json


# --- in bundles (62 to 64)


def entry(method, url, resource=None, full_url=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    made |= {"resource": resource} if resource else {}
    return made | ({"fullUrl": full_url} if full_url else {})


def sent(world, *entries, kind="transaction", who=OPERATOR):
    return world.ask(who, "POST", "", {"resourceType": "Bundle", "type": kind, "entry": list(entries)})


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_entries_have_conditions(world, kind):
    """Row 64."""
    world.ask(OPERATOR, "PUT", "Observation/a", observed("a", id="a"))
    world.ask(OPERATOR, "PUT", "Observation/d", observed("d", id="d"))
    got = sent(
        world,
        entry("POST", "Observation", observed("a"), ifNoneExist="identifier=urn:x|a"),
        entry("POST", "Observation", observed("b"), ifNoneExist="identifier=urn:x|b"),
        entry("PUT", "Observation?identifier=urn:x|c", observed("c")),
        entry("DELETE", "Observation?identifier=urn:x|d"),
        entry("DELETE", "Observation?identifier=urn:x|e"),
        kind=kind,
    )

    assert 200 == got.status, got.json
    told = [each["response"]["status"][:3] for each in got.json["entry"]]
    assert ["200", "201", "201", "204", "204"] == told
    assert f"{BASE}/Observation/a/_history/1" == got.json["entry"][0]["response"]["location"]
    assert [1, 1, 1, 0] == [total(world, f"identifier=urn:x|{each}") for each in "abcd"]


def test_what_refers_to_a_conditional_entry_refers_to_what_it_found_or_made(world):
    """Rows 59 and 64."""
    world.ask(OPERATOR, "PUT", "Observation/a", observed("a", id="a"))
    found, made, put = (f"urn:uuid:00000000-0000-4000-8000-00000000000{each}" for each in "123")
    got = sent(
        world,
        entry("POST", "Observation", observed("z", derivedFrom=[{"reference": each} for each in (found, made, put)])),
        entry("POST", "Observation", observed("a"), found, ifNoneExist="identifier=urn:x|a"),
        entry("POST", "Observation", observed("b"), made, ifNoneExist="identifier=urn:x|b"),
        entry("PUT", "Observation?identifier=urn:x|c", observed("c"), put),
    )

    assert 200 == got.status, got.json
    where = [each["response"]["location"].removeprefix(f"{BASE}/").partition("/_")[0] for each in got.json["entry"]]
    told = world.ask(OPERATOR, "GET", where[0]).json["derivedFrom"]
    assert [*where[1:]] == [each["reference"] for each in told]
    assert "Observation/a" == where[1]


SUPERSEDING = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "DocumentReference.status"},
                {"name": "value", "valueCode": "superseded"},
            ],
        }
    ],
}


@pytest.mark.parametrize(
    ("entries", "status"),
    [
        (lambda: [entry("POST", "Observation", observed(), ifNoneExist="identifier=urn:x|1")] * 2, 400),
        (lambda: [entry("PUT", "Observation?identifier=urn:x|1", observed())] * 2, 400),
        (lambda: [entry("PUT", "Observation?identifier=urn:x|a", observed("a")), entry("PUT", "Observation/a", observed("a", id="a"))], 400),
        (lambda: [entry("DELETE", "Observation/a"), entry("POST", "Observation", observed("a"), ifNoneExist="identifier=urn:x|a")], 400),
        (lambda: [entry("POST", "Observation", observed()), entry("POST", "Observation", observed(), ifNoneExist="identifier=urn:x|1")], 412),
        (lambda: [entry("POST", "Observation", observed(), ifNoneExist="identifier=urn:x|1"),
                  entry("POST", "Observation", observed(), ifNoneExist="identifier=urn:x|1&status=final")], 412),
        (lambda: [entry("POST", "Observation", observed(), ifNoneExist="")], 422),
        (lambda: [entry("POST", "Observation", observed("2")), entry("PATCH", "DocumentReference?identifier=urn:x|9", SUPERSEDING)], 404),
    ],
)  # fmt: skip
def test_a_transaction_that_means_one_thing_twice_is_refused_whole(world, entries, status):
    """Rows 57, 62 and 63."""
    world.ask(OPERATOR, "PUT", "Observation/a", observed("a", id="a"))
    got = sent(world, *entries())

    assert (status, "OperationOutcome") == (got.status, got.json["resourceType"]), got.json
    assert 1 == total(world, "patient=lea")
    assert 1 == versions(world, "Observation/a")
