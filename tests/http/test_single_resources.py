"""create, read, vread, update, delete and history of one resource, as the operator; rows are of rest.md's duties."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_server.interactions import pipeline
from fhir_server.interactions.request import FhirRequest
from tests.kit import people
from tests.kit.world import BASE, patient

OPERATOR = people.operator()


def observed(**more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/lea"},
        "valueString": "1",
        **more,
    }


def made(world, **more):
    answered = world.ask(OPERATOR, "POST", "Observation", observed(**more))
    assert answered.status == 201, answered.json
    return f"Observation/{answered.json['id']}"


# --- create (34 to 37)


def test_a_creation_answers_where_it_landed(world):
    """Row 34."""
    answered = world.ask(OPERATOR, "POST", "Observation", observed())

    assert (201, 'W/"1"') == (answered.status, answered.headers["ETag"])
    assert f"{BASE}/Observation/{answered.json['id']}/_history/1" == answered.headers["Location"]
    assert answered.headers["Last-Modified"].endswith("GMT")


def test_the_id_and_version_a_client_sends_are_not_taken(world):
    """Row 35; decisions 10."""
    sent = observed(id="mine", meta={"versionId": "9", "lastUpdated": "1999-01-01T00:00:00Z"})
    answered = world.ask(OPERATOR, "POST", "Observation", sent)

    assert answered.json["id"] != "mine"
    assert ("1", "2026") == (answered.json["meta"]["versionId"], answered.json["meta"]["lastUpdated"][:4])


def test_the_id_in_a_new_patient_names_no_record(world):
    """Row 35: such an id is ignored, and nobody is refused because of the record that has it or has not."""
    for id_ in ("lea", "nobody", "n_t-an id"):
        answered = world.ask(OPERATOR, "POST", "Patient", {"resourceType": "Patient", "id": id_})

        assert 201 == answered.status, answered.json
        assert answered.json["id"] != id_


def test_what_was_sent_is_what_is_returned(world):
    """Row 36; decisions 7."""
    extension = [{"url": "https://example.org/unknown", "valueDecimal": 1.0}]
    sent = observed(extension=extension, meta={"tag": [{"system": "urn:x", "code": "y"}], "profile": ["urn:p"]})
    got = world.ask(OPERATOR, "GET", made(world, **{k: sent[k] for k in ("extension", "meta")})).json

    assert (extension, "urn:p", "y") == (got["extension"], got["meta"]["profile"][0], got["meta"]["tag"][0]["code"])


def test_a_binary_is_read_as_a_resource_whatever_numbers_it_holds(world):
    """Rows 36 and 109: a decimal in an extension of its meta, to the last digit."""
    meta = {"extension": [{"url": "urn:x", "valueDecimal": Decimal("1.00")}]}
    sent = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="}
    where = f"Binary/{world.ask(OPERATOR, 'POST', 'Binary', sent).json['id']}"
    changed = FhirRequest("PUT", where, BASE, resource={**sent, "id": where[7:], "meta": meta}, request_id="r2")
    assert 200 == pipeline.answer(changed, OPERATOR, world.house).status

    got = world.ask(OPERATOR, "GET", where)
    assert (200, "aGk=") == (got.status, got.json["data"])
    assert b'"valueDecimal":1.00}' in got.body


def test_a_binary_says_where_its_content_is_left_out(world):
    """Rows 76 and 109: SUBSETTED wherever its data is kept back, and nowhere else."""
    sent = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk=", "meta": {"tag": [{"code": "x"}]}}
    made = world.ask(OPERATOR, "POST", "Binary", sent)
    where = f"Binary/{made.json['id']}"
    entry = {"resource": sent, "request": {"method": "POST", "url": "Binary"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    told = [
        made.json,
        world.ask(OPERATOR, "PUT", where, {**sent, "id": where[7:]}).json,
        world.ask(OPERATOR, "PUT", where, {**sent, "id": where[7:], "data": "aGkh"}).json,
        world.ask(OPERATOR, "POST", "", bundle).json["entry"][0]["resource"],
        *(each["resource"] for each in world.ask(OPERATOR, "GET", f"{where}/_history").json["entry"]),
        *(each["resource"] for each in world.ask(OPERATOR, "GET", "Binary/_history").json["entry"]),
        *(each["resource"] for each in world.ask(OPERATOR, "GET", f"Binary?_id={where[7:]}").json["entry"]),
    ]

    assert 10 == len(told)
    for each in told:
        assert (False, ["x", "SUBSETTED"]) == ("data" in each, [tag["code"] for tag in each["meta"]["tag"]])
    refused = world.ask(OPERATOR, "PUT", where, told[2])
    assert (422, ["meta.tag"]) == (refused.status, refused.json["issue"][0]["expression"])
    whole = world.ask(OPERATOR, "GET", where).json
    assert ("aGkh", ["x"]) == (whole["data"], [each["code"] for each in whole["meta"]["tag"]])


@pytest.mark.parametrize(
    ("returning", "type_"), [("minimal", None), ("representation", "Observation"), ("OperationOutcome",) * 2]
)
def test_a_writer_gets_back_what_he_prefers(world, returning, type_):
    """Row 37."""
    answered = world.ask(OPERATOR, "POST", "Observation", observed(), returning=returning)

    assert 201 == answered.status
    assert type_ == (answered.json["resourceType"] if answered.json else None)


def test_a_body_of_another_type_is_refused(world):
    """Row 10."""
    assert 400 == world.ask(OPERATOR, "POST", "Patient", observed()).status


def test_an_invalid_body_is_refused_by_the_name_of_its_element(world):
    """Row 9."""
    answered = world.ask(OPERATOR, "POST", "Observation", observed(status="wrong"))

    assert (422, ["Observation.status"]) == (answered.status, answered.json["issue"][0]["expression"])


# --- read, vread (21 to 25)


def test_a_read_and_its_headers_agree(world):
    """Rows 20 and 21."""
    answered = world.ask(OPERATOR, "GET", made(world))

    assert f'W/"{answered.json["meta"]["versionId"]}"' == answered.headers["ETag"]


@pytest.mark.parametrize("path", ["Observation/none", "Foo/1", "patient/lea", "Observation/a_b"])
def test_an_address_where_nothing_is_answers_404(world, path):
    """Rows 11 and 22."""
    assert 404 == world.ask(OPERATOR, "GET", path).status


def test_each_version_is_read_as_it_was(world):
    """Row 24."""
    where = made(world)
    world.ask(OPERATOR, "PUT", where, observed(id=where.partition("/")[2], valueString="2"))

    got = [world.ask(OPERATOR, "GET", f"{where}/_history/{each}") for each in (1, 2, 3)]
    assert [200, 200, 404] == [each.status for each in got]
    assert ["1", "2"] == [each.json["valueString"] for each in got[:2]]
    assert ['W/"1"', 'W/"2"'] == [each.headers["ETag"] for each in got[:2]]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"if_none_match": 'W/"1"'}, 304),
        ({"if_none_match": '"1"'}, 304),
        ({"if_none_match": 'W/"7", W/"1"'}, 304),
        ({"if_none_match": 'W/"2"'}, 200),
        ({"if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"if_modified_since": "Fri, 01 Jan 1999 00:00:00 GMT"}, 200),
    ],
)
def test_a_conditional_read_spares_the_body(world, condition, status):
    """Row 25."""
    answered = world.ask(OPERATOR, "GET", made(world), **condition)

    assert (status, status == 304) == (answered.status, answered.body == b"")


# --- update (38 to 43)


def test_an_update_makes_the_next_version(world):
    """Row 38."""
    where = made(world)
    answered = world.ask(OPERATOR, "PUT", where, observed(id=where.partition("/")[2], valueString="2"))

    assert (200, 'W/"2"', "2") == (answered.status, answered.headers["ETag"], answered.json["valueString"])


@pytest.mark.parametrize("url", ["{}?_count=1", "{}?_summary=count", "{}?foo=1", "{}/_history/1?_id=x"])
def test_a_read_that_asks_for_less_is_not_given_everything(world, url):
    """R26: what is not there is refused; decisions 9."""
    answered = world.ask(OPERATOR, "GET", url.format(made(world)))

    assert (400, "not-supported") == (answered.status, answered.json["issue"][0]["code"])
    assert "`_" in answered.json["issue"][0]["diagnostics"] or "`foo`" in answered.json["issue"][0]["diagnostics"]
    lenient = [
        world.ask(OPERATOR, "GET", f"{made(world)}?{each}", lenient=True).status for each in ("foo=1", "_count=1")
    ]
    assert [200, 400] == lenient


@pytest.mark.parametrize(
    ("method", "url"), [("POST", "Observation?status=final"), ("PUT", "{}?x=1"), ("DELETE", "{}?x=1")]
)
def test_a_write_with_a_condition_nobody_reads_is_refused(world, method, url):
    """Rows 44 to 46: conditional writes are not there, and none is done without its condition."""
    where = made(world)
    body = observed(id=where.partition("/")[2]) if method != "DELETE" else None

    assert 400 == world.ask(OPERATOR, method, url.format(where), body).status
    assert 'W/"1"' == world.ask(OPERATOR, "GET", where).headers["ETag"]


@pytest.mark.parametrize("id_", [None, "other"])
def test_an_update_whose_id_is_not_the_address_is_refused(world, id_):
    """Row 38."""
    where = made(world)

    assert 400 == world.ask(OPERATOR, "PUT", where, observed(**({"id": id_} if id_ else {}))).status


def test_an_id_is_taken_from_an_operator_and_from_nobody_else(world):
    """Row 39; decisions 10."""
    assert 201 == world.ask(OPERATOR, "PUT", "Observation/mine", observed(id="mine")).status
    assert 404 == world.ask(people.doctor(), "PUT", "Observation/yours", observed(id="yours")).status


@pytest.mark.parametrize(("tag", "status"), [('W/"1"', 200), ("*", 200), ('W/"2"', 412), ('W/"x"', 412), ("1", 400)])
def test_an_update_is_held_to_the_version_it_names(world, tag, status):
    """Row 41."""
    where = made(world)
    body = observed(id=where.partition("/")[2], valueString="2")

    assert status == world.ask(OPERATOR, "PUT", where, body, if_match=tag).status


def test_who_means_to_make_something_new_overwrites_nothing(world):
    """Row 43: `If-None-Match: *` (RFC 7232, 3.2)."""
    where = made(world)
    body = observed(id=where.partition("/")[2], valueString="2")

    assert 412 == world.ask(OPERATOR, "PUT", where, body, if_none_match="*").status
    assert "1" == world.ask(OPERATOR, "GET", where).json["valueString"]
    assert 201 == world.ask(OPERATOR, "PUT", "Observation/new", observed(id="new"), if_none_match="*").status
    assert 400 == world.ask(OPERATOR, "PUT", where, body, if_none_match='W/"1"').status


# --- delete, history (23, 27, 29, 30, 32, 42)


def test_what_was_deleted_is_gone_and_its_versions_stay(world):
    """Rows 23 and 27."""
    where = made(world)

    assert 204 == world.ask(OPERATOR, "DELETE", where).status
    assert 204 == world.ask(OPERATOR, "DELETE", where).status
    assert [410, 200, 410] == [
        world.ask(OPERATOR, "GET", f"{where}{each}").status for each in ("", "/_history/1", "/_history/2")
    ]
    assert 0 == world.ask(OPERATOR, "GET", f"Observation?_id={where.partition('/')[2]}").json["total"]


def test_a_deletion_is_held_to_the_version_it_names(world):
    """Row 42."""
    where = made(world)

    assert [412, 204] == [world.ask(OPERATOR, "DELETE", where, if_match=tag).status for tag in ('W/"4"', 'W/"1"')]


def test_what_is_made_again_goes_on_with_its_versions(world):
    """Row 29."""
    where = made(world)
    world.ask(OPERATOR, "DELETE", where)

    again = world.ask(OPERATOR, "PUT", where, observed(id=where.partition("/")[2]))
    assert (201, 'W/"3"') == (again.status, again.headers["ETag"])


def test_a_history_is_newest_first_and_tells_of_the_deletion(world):
    """Rows 30 and 32."""
    where = made(world)
    world.ask(OPERATOR, "PUT", where, observed(id=where.partition("/")[2], valueString="2"))
    world.ask(OPERATOR, "DELETE", where)
    got = world.ask(OPERATOR, "GET", f"{where}/_history").json

    assert ("history", 3) == (got["type"], got["total"])
    assert ["DELETE", "PUT", "POST"] == [each["request"]["method"] for each in got["entry"]]
    assert ["204", "200", "201"] == [each["response"]["status"] for each in got["entry"]]
    assert [False, True, True] == ["resource" in each for each in got["entry"]]
    assert {f"{BASE}/{where}"} == {each["fullUrl"] for each in got["entry"]}
    assert 404 == world.ask(OPERATOR, "GET", "Observation/none/_history").status


def test_a_history_is_walked_page_by_page(world):
    """Row 31, as far as `_count` goes."""
    where = made(world)
    for value in "23":
        world.ask(OPERATOR, "PUT", where, observed(id=where.partition("/")[2], valueString=value))
    seen, url = [], f"{where}/_history?_count=1"
    while url:
        got = world.ask(OPERATOR, "GET", url).json
        seen += [each["resource"]["valueString"] for each in got["entry"]]
        url = next((each["url"].partition("/fhir/")[2] for each in got["link"] if each["relation"] == "next"), None)

    assert ["3", "2", "1"] == seen


def versions(answered):
    return [each["response"]["etag"][3:-1] for each in answered.json.get("entry", ())]


def test_a_history_since_a_moment_begins_with_it(world):
    """Row 31: "created at or after the given instant"; an empty one is no error."""
    where = made(world)
    for value in "234":
        world.pass_time(seconds=10)
        world.ask(OPERATOR, "PUT", where, observed(id=where.partition("/")[2], valueString=value))
    third = world.ask(OPERATOR, "GET", f"{where}/_history/3").json["meta"]["lastUpdated"]

    got = world.ask(OPERATOR, "GET", f"{where}/_history?_since={third}")
    assert (["4", "3"], 2) == (versions(got), got.json["total"])
    assert f"_since={third}" in got.json["link"][0]["url"]
    first = world.ask(OPERATOR, "GET", f"{where}/_history?_since={third}&_count=1")
    rest = world.ask(OPERATOR, "GET", first.json["link"][1]["url"].partition("/fhir/")[2])
    assert (["4"], ["3"], 2, 2) == (versions(first), versions(rest), first.json["total"], rest.json["total"])
    assert 1 == len(rest.json["link"])
    empty = world.ask(OPERATOR, "GET", f"{where}/_history?_since=2099-01-01T00:00:00%2B01:00")
    assert (200, 0, []) == (empty.status, empty.json["total"], versions(empty))
    assert 404 == world.ask(OPERATOR, "GET", "Observation/none/_history?_since=2099-01-01T00:00:00Z").status


def test_a_history_at_a_time_holds_what_was_current_then(world):
    """Row 31: "current at some point during the time period specified"."""
    where = made(world)
    for value in "23":
        world.pass_time(days=10)
        world.ask(OPERATOR, "PUT", where, observed(id=where.partition("/")[2], valueString=value))

    for at, expected in {
        "2026-11-22": [],
        "2026-11-23": ["1"],
        "2026-11-24": ["1"],
        "2026-12-03": ["2", "1"],
        "2026-12": ["3", "2", "1"],
        "2026-12-14": ["3"],
        "2030": ["3"],
    }.items():
        assert expected == versions(world.ask(OPERATOR, "GET", f"{where}/_history?_at={at}")), at


@pytest.mark.parametrize("query", ["_since=2026", "_since=x", "_since=2026-11-23T10:00:00", "_at=x", "_since=2026-11-23T10:00:00+01:00", "_at=2026&_at=2027", "_list=x"])  # fmt: skip
def test_a_history_asked_for_in_a_way_that_cannot_be_read_is_refused(world, query):
    assert 400 == world.ask(OPERATOR, "GET", f"{made(world)}/_history?{query}").status


def test_a_history_says_which_updates_made_something(world):
    """Row 30: the status is the one that was answered."""
    world.put(observed(id="new"))
    world.put(observed(id="new", valueString="2"))
    world.ask(OPERATOR, "DELETE", "Observation/new")
    world.put(observed(id="new", valueString="4"))

    for query in ("", "?_count=1"):
        told, url = [], f"Observation/new/_history{query}"
        while url:
            got = world.ask(OPERATOR, "GET", url).json
            told += [each["response"]["status"] for each in got["entry"]]
            url = next((each["url"].partition("/fhir/")[2] for each in got["link"] if each["relation"] == "next"), None)
        assert ["201", "204", "200", "201"] == told


@pytest.mark.parametrize(("method", "path"), [("PATCH", "Binary/x"), ("PUT", "Patient"), ("DELETE", "Patient")])
def test_a_verb_that_is_not_offered_says_which_are(world, method, path):
    """Rows 12 and 15."""
    answered = world.ask(OPERATOR, method, path, patient() if method == "PUT" else None)

    assert 405 == answered.status
    assert "GET" in answered.headers["Allow"]
