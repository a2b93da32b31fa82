"""An update that changes nothing makes no version, and of several at once with `If-Match` one wins (rows 40, 41, 51)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest

from fhir_server.foundation.problem import Problem
from fhir_server.interactions import pipeline
from fhir_server.interactions.request import FhirRequest
from fhir_server.resources import json_text
from tests.kit import people
from tests.kit.world import BASE, label, submission

OPERATOR = people.operator()
AT_ONCE = 20
OBSERVED = {
    "resourceType": "Observation",
    "id": "a",
    "meta": {"tag": [{"system": "urn:x", "code": "y"}]},
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "x"}]},
    "subject": {"reference": "Patient/lea"},
    "valueQuantity": {"value": Decimal("1.00")},
}


def put(world, resource, who=OPERATOR, **how):
    where = f"{resource['resourceType']}/{resource['id']}"
    request = FhirRequest(
        "PUT", where, BASE, resource=json_text.read(json_text.write(resource)), request_id="r2", **how
    )
    return pipeline.answer(request, who, world.house)


def versions(world, reference):
    return world.ask(OPERATOR, "GET", f"{reference}/_history").json["total"]


def test_an_identical_update_is_answered_with_the_version_there_is(world):
    """Row 40: same ETag, Last-Modified and body; no version, and nothing that search would sort anew."""
    first = put(world, OBSERVED)
    world.pass_time(hours=1)
    again = put(world, OBSERVED)

    assert (201, 200) == (first.status, again.status)
    assert (first.headers, first.body) == (again.headers, again.body)
    assert 1 == versions(world, "Observation/a")


def test_what_comes_back_as_it_was_read_changes_nothing(world):
    """Row 40: with the id, version and date that the server gave, and its elements in another order."""
    put(world, OBSERVED)
    read = world.ask(OPERATOR, "GET", "Observation/a").body.decode()
    turned = dict(reversed(json_text.read(read).items()))
    got = put(world, turned)

    assert (200, 'W/"1"') == (got.status, got.headers["ETag"])


@pytest.mark.parametrize(
    "change",
    [
        {"valueQuantity": {"value": Decimal("1.0")}},
        {"meta": {"tag": [{"system": "urn:x", "code": "z"}]}},
        {"meta": {"tag": [{"system": "urn:x", "code": "y"}], "profile": ["urn:z"]}},
        {"status": "amended"},
        {"language": "fr"},
    ],
)
def test_whatever_differs_makes_a_version(world, change):
    """Rows 36 and 40: the last digit of a number as well."""
    put(world, OBSERVED)

    assert 'W/"2"' == put(world, {**OBSERVED, **change}).headers["ETag"]


def test_an_identical_binary_is_one_with_the_same_bytes(world):
    """Rows 40 and 109."""
    sent = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "aGk="}
    tags = [put(world, {**sent, "data": each}).headers["ETag"] for each in ("aGk=", "aGk=", "aGo=", "aGo=")]

    assert ['W/"1"', 'W/"1"', 'W/"2"', 'W/"2"'] == tags


def test_an_identical_update_is_on_record_and_nobody_is_told(world):
    """Row 40; decisions 20: each access is on record, an access that changes nothing as well."""
    world.ask(people.hospital(), "POST", "", submission())
    where = world.ask(people.holder(), "GET", "DocumentReference?patient=lea").ids[0]
    world.pass_time(minutes=1)
    told = world.house.shelf.outbox.count_documents({})
    patch = [{"op": "replace", "path": "/status", "value": "current"}]
    same = world.ask(people.holder(), "PATCH", where, patch)

    assert (200, 'W/"1"') == (same.status, same.headers["ETag"])
    assert told == world.house.shelf.outbox.count_documents({})
    noted = world.ask(people.holder(), "GET", f"AuditEvent?patient=lea&entity={where}&subtype=patch").json
    assert (1, "0") == (noted["total"], noted["entry"][0]["resource"]["outcome"])


def test_an_identical_update_that_is_not_allowed_is_refused(world):
    """A refusal does not depend upon whether anything would change."""
    put(world, OBSERVED)
    read = json_text.read(world.ask(people.doctor(), "GET", "Observation/a").body.decode())

    with pytest.raises(Problem) as refused:
        put(world, read, people.doctor())
    assert 403 == refused.value.status


def test_what_an_asker_does_not_see_is_kept_by_an_identical_update(world):
    """Decisions 16: who is shown a document less its mentions and sends it back changes nothing."""
    world.ask(people.hospital(), "POST", "", submission())
    hidden = world.ask(people.holder(), "GET", "DocumentReference?patient=lea").ids[0]
    world.ask(
        people.holder(), "PATCH", hidden, [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    )
    mine = {**OBSERVED, "derivedFrom": [{"reference": hidden}], "performer": [{"reference": "Practitioner/diallo"}]}
    put(world, mine)
    shown = json_text.read(world.ask(people.radiologist(), "GET", "Observation/a").body.decode())
    got = put(world, shown, people.radiologist())

    assert ("derivedFrom" in shown, 200, 'W/"1"') == (False, got.status, got.headers["ETag"])
    assert hidden == world.ask(OPERATOR, "GET", "Observation/a").json["derivedFrom"][0]["reference"]


def test_if_match_is_held_against_the_version_that_is_kept(world):
    """Rows 40 and 41."""
    put(world, OBSERVED)

    assert [200, 200] == [put(world, OBSERVED, if_match='W/"1"').status for _ in range(2)]


def test_an_identical_update_in_a_transaction_and_a_batch(world):
    """Rows 40 and 55."""
    put(world, {**OBSERVED, "valueQuantity": {"value": 1}})
    entry = {
        "resource": {**OBSERVED, "valueQuantity": {"value": 1}},
        "request": {"method": "PUT", "url": "Observation/a"},
    }
    for kind in ("batch", "transaction"):
        got = world.ask(OPERATOR, "POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
        assert ("200 OK", 'W/"1"') == (
            got.json["entry"][0]["response"]["status"],
            got.json["entry"][0]["response"]["etag"],
        )


# --- at once (41, 51)


def all_at_once(ask):
    together = Barrier(AT_ONCE)

    def one(number):
        together.wait()
        return ask(number)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, range(AT_ONCE)))


def changed(number):
    return {**OBSERVED, "valueQuantity": {"value": number}}


def test_of_twenty_updates_at_once_with_if_match_one_wins(world):
    """Rows 41 and 51: the others are 412, and what stands is what the winner sent."""
    put(world, OBSERVED)
    answers = all_at_once(lambda number: world.ask(OPERATOR, "PUT", "Observation/a", changed(number), if_match='W/"1"'))

    assert [200] + [412] * (AT_ONCE - 1) == sorted(each.status for each in answers)
    winner = next(each for each in answers if each.status == 200)
    assert winner.json == world.ask(OPERATOR, "GET", "Observation/a").json
    assert 2 == versions(world, "Observation/a")


def test_of_twenty_updates_at_once_without_if_match_none_is_lost(world):
    """Row 51: every one makes a version of its own, and the history has them all."""
    put(world, OBSERVED)
    answers = all_at_once(lambda number: world.ask(OPERATOR, "PUT", "Observation/a", changed(number + 2)))

    assert {200} == {each.status for each in answers}
    assert AT_ONCE == len({each.headers["ETag"] for each in answers})
    assert AT_ONCE + 1 == versions(world, "Observation/a")


def test_of_twenty_deletions_at_once_with_if_match_none_goes_wrong(world):
    """Rows 27 and 42: one deletes; the others find it gone, or another version."""
    put(world, OBSERVED)
    answers = all_at_once(lambda _: world.ask(OPERATOR, "DELETE", "Observation/a", if_match='W/"1"'))

    assert {each.status for each in answers} <= {204, 412}
    assert 2 == versions(world, "Observation/a")
