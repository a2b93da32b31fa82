"""Operations that show several: rows R111 to R113 of rest.md, `$docref`, and what is published of them all."""

from __future__ import annotations

import pytest

from fhir_server.interactions.operation_table import TABLE
from fhir_server.interactions.operations import published
from fhir_server.resources import validation
from fhir_server.store import laid
from tests.kit import people
from tests.kit.clinical import MASKED, composition, observation, parameters, references
from tests.kit.world import BASE, FRENCH, patient, practitioner, submission

# --- published ---


def test_each_operation_has_a_definition_that_is_read_and_searched(empty):
    """R113."""
    for each in TABLE:
        got = empty.ask(people.operator(), "GET", f"OperationDefinition/{each.id}")
        assert 200 == got.status, each.id
        assert [] == validation.check(got.json)
        assert (each.name, each.affects) == (got.json["code"], got.json["affectsState"])
        assert got.json["url"] == published.url(each, empty.house.canonical)
        found = empty.ask(people.operator(), "GET", f"OperationDefinition?_id={each.id}")
        assert [f"OperationDefinition/{each.id}"] == found.ids


def test_a_definition_is_read_by_who_signed_in_and_written_by_nobody(empty):
    url = "OperationDefinition/Patient-everything"
    assert 200 == empty.ask(people.doctor(), "GET", url).status
    body = empty.ask(people.operator(), "GET", url).json
    assert 405 == empty.ask(people.operator(), "PUT", url, body).status
    assert 405 == empty.ask(people.operator(), "DELETE", url).status
    assert 405 == empty.ask(people.operator(), "DELETE", "OperationDefinition?_id=Patient-everything").status
    assert 405 == empty.ask(people.operator(), "PATCH", url, [{"op": "remove", "path": "/base"}]).status
    meta = parameters(meta={"valueMeta": {"tag": [{"code": "x"}]}})
    assert 405 == empty.ask(people.operator(), "POST", f"{url}/$meta-add", meta).status


def test_a_definition_that_a_new_release_brings_is_the_next_version(empty):
    whole = published.definitions(empty.house.canonical)
    shelf = empty.house.shelf
    laid.lay(shelf, [{**whole[0], "title": "otherwise"}, *whole[1:]], 1_900_000_000_000_000)

    url = f"OperationDefinition/{whole[0]['id']}"
    got = empty.ask(people.operator(), "GET", url)
    assert ("otherwise", "2") == (got.json["title"], got.json["meta"]["versionId"])
    assert whole[0]["title"] == empty.ask(people.operator(), "GET", f"{url}/_history/1").json["title"]
    assert 2 == empty.ask(people.operator(), "GET", f"{url}/_history").json["total"]


# --- asking ---


def test_an_unknown_operation_is_404_with_the_nearest_name(world):
    """R113."""
    for url in ("Patient/lea/$everthing", "Patient/$macth", "Organization/chu/$metta"):
        answered = world.ask(people.holder(), "GET", url)
        assert 404 == answered.status
        assert "did you mean `$" in answered.json["issue"][0]["diagnostics"], url
    assert 404 == world.ask(people.holder(), "GET", "$everything").status
    assert 404 == world.ask(people.holder(), "POST", "Observation/$everything", parameters()).status


@pytest.mark.parametrize("url", ["Patient/lea/$open-record", "Patient/lea/$meta-add", "Observation/o1/$meta-delete"])
def test_what_affects_state_is_not_asked_by_get(world, url):
    """R113."""
    answered = world.ask(people.holder(), "GET", url)
    assert (405, "POST") == (answered.status, answered.headers["Allow"])


@pytest.mark.parametrize(
    "url",
    [
        "Patient/lea/$everything?unheard=1",
        "Patient/lea/$everything?_count=many",
        "Patient/lea/$everything?_count=0",
        "Patient/lea/$everything?_count=-1",
        "Patient/lea/$everything?_since=yesterday",
        "Patient/lea/$everything?start=2026-99",
        "Patient/lea/$everything?_type=Observatoin",
        "Patient/lea/$everything?_type=AuditEvent",
        "Patient/lea/$everything?_page=x",
        "Patient/lea/$everything?_count=1&_count=2",
        "Patient/lea/$meta?x=1",
        "DocumentReference/$docref",
        "DocumentReference/$docref?patient=lea&on-demand=true",
        "DocumentReference/$docref?patient=lea&start=tomorrow",
        "Composition/$document",
        "Composition/$document?id=Patient/lea",
        "Patient/$validate",
        "Patient/lea/$validate?mode=replace",
    ],
)
def test_a_parameter_that_is_unknown_or_of_another_type_is_400(world, url):
    answered = world.ask(people.holder(), "GET", url)
    assert 400 == answered.status, answered.json
    assert answered.json["issue"][0]["diagnostics"]


def test_parameters_of_a_body_are_held_to_the_definition(world):
    for body in (
        parameters(_count={"valueString": "3"}),
        parameters(_count={"valueInteger": "3"}),
        parameters(unheard={"valueInteger": 3}),
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": [7]},
        {"resourceType": "Patient"},
    ):
        answered = world.ask(people.holder(), "POST", "Patient/lea/$everything", body)
        assert 400 == answered.status, body
    assert 400 == world.ask(people.holder(), "POST", "Patient/lea/$everything?_count=1", parameters()).status
    assert 200 == world.ask(people.holder(), "POST", "Patient/lea/$everything").status


@pytest.mark.parametrize(
    ("url", "forms"),
    [
        ("Patient/$everything", "`Patient/[id]/$everything`"),
        ("Patient/lea/$explain", "`Patient/$explain`"),
        ("Observation/o1/$meta-add/x", None),
        ("$everything", "`Patient/[id]/$everything` or `Encounter/[id]/$everything`"),
        ("$validate", "`[type]/$validate` or `[type]/[id]/$validate`"),
    ],
)
def test_an_operation_asked_at_another_level_is_told_where_it_is(world, url, forms):
    answered = world.ask(people.operator(), "GET", url)
    told = answered.json["issue"][0]["diagnostics"]

    assert (404, forms is not None) == (answered.status, forms is not None and f"is asked as {forms}" in told), told
    assert "did you mean" not in told


# --- $everything ---


def test_everything_of_a_record_is_what_may_be_seen_and_what_that_points_to(record):
    """R111."""
    record.put(observation("other", subject={"reference": "Patient/paul"}))
    own = record.ask(people.holder(), "GET", "Patient/lea/$everything?_count=100")
    assert (200, "searchset") == (own.status, own.json["type"])
    seen = references(own)
    assert {"Observation/o1", "Observation/o2", "Observation/o3", "Patient/lea", "Practitioner/bernard"} <= set(seen)
    assert len(seen) == len(set(seen))
    assert "Observation/other" not in seen
    modes = {each["fullUrl"]: each["search"]["mode"] for each in own.json["entry"]}
    assert ("match", "include") == (modes[f"{BASE}/Patient/lea"], modes[f"{BASE}/Practitioner/bernard"])

    hers = set(references(record.ask(people.radiologist(), "GET", "Patient/lea/$everything?_count=100")))
    assert {"Observation/o1", "Observation/o2"} <= hers
    assert "Observation/o3" not in hers


def test_everything_goes_page_by_page_each_resource_once(record):
    """R111."""
    whole = record.ask(people.holder(), "GET", "Patient/lea/$everything?_count=100")
    matches = {each["fullUrl"] for each in whole.json["entry"] if each["search"]["mode"] == "match"}
    url, found = "Patient/lea/$everything?_count=2", []
    while url:
        page = record.ask(people.holder(), "GET", url)
        assert 200 == page.status, page.json
        got = [each["fullUrl"] for each in page.json["entry"] if each["search"]["mode"] == "match"]
        assert len(got) <= 2
        found += got
        url = next(
            (each["url"].removeprefix(f"{BASE}/") for each in page.json["link"] if each["relation"] == "next"), ""
        )
    assert matches == set(found)
    assert len(found) == len(set(found))


def test_a_page_of_everything_is_nobody_elses_and_of_no_other_question(record):
    first = record.ask(people.holder(), "GET", "Patient/lea/$everything?_count=1")
    url = first.json["link"][1]["url"].removeprefix(f"{BASE}/")
    assert 200 == record.ask(people.holder(), "GET", url).status
    assert 400 == record.ask(people.doctor(), "GET", url).status
    assert 400 == record.ask(people.holder(), "GET", url.replace("_count=1", "_count=2")).status
    assert 400 == record.ask(people.holder(), "GET", f"Patient/lea/$everything?{url.rpartition('&')[2]}").status


def test_everything_since_of_a_type_and_within_dates_of_care(record):
    """R111."""

    def asked(query):
        got = record.ask(people.holder(), "GET", f"Patient/lea/$everything?_count=100&{query}")
        assert 200 == got.status, got.json
        return {each for each in references(got) if each.startswith(("Observation/", "Patient/", "Consent/"))}

    assert {"Observation/o1", "Observation/o2", "Observation/o3"} == asked("_type=Observation")
    assert {"Patient/lea"} == asked("_type=Patient,Practitioner")
    kept = asked("start=2026-02-01&end=2026-02-28")
    assert ("Observation/o2" in kept, "Observation/o1" in kept, "Observation/o3" in kept) == (True, False, False)
    assert "Patient/lea" in kept
    record.pass_time(hours=1)
    record.put(observation("o4"))
    assert {"Observation/o4"} == asked("_since=2026-11-23T10:30:00Z")


def test_everything_gives_each_type_to_a_token_that_may_search_it(record):
    small = people.holder(scopes=("patient/Patient.r", "patient/Observation.s", "patient/Consent.r"))
    seen = references(record.ask(small, "GET", "Patient/lea/$everything?_count=100"))
    assert {"Patient", "Observation"} == {each.partition("/")[0] for each in seen}
    assert 403 == record.ask(small, "GET", "Patient/lea/$everything?_type=Consent").status
    none = people.holder(scopes=("patient/Observation.rs",))
    assert 403 == record.ask(none, "GET", "Patient/lea/$everything").status


def test_everything_of_a_record_that_stays_shut_is_as_of_none(record):
    stranger = people.professional("noel", "10000000009")
    answers = [record.ask(stranger, "GET", f"Patient/{each}/$everything") for each in ("lea", "nobody")]
    assert [404, 404] == [each.status for each in answers]
    assert answers[0].json == answers[1].json


def test_everything_is_on_record_with_all_that_it_showed(record):
    """DMP-80."""
    record.ask(people.doctor(), "GET", "Patient/lea/$everything?_count=100")
    found = record.house.shelf.ledger.find_one(
        {"facts.patient": "lea", "entry.disclosed": "Observation/o1"}, sort=[("updated", -1), ("_id", -1)]
    )
    assert {"Observation/o1", "Observation/o2", "Patient/lea"} <= set(found["entry"]["disclosed"])
    assert '"code":"operation"' in found["body"]
    seen = record.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=operation")
    assert 2 == len(seen.json["entry"])  # the opening of the record is one as well


def test_everything_of_an_encounter(record):
    """R111."""
    encounter = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/lea"},
    }
    record.put(encounter)
    within = {"encounter": {"reference": "Encounter/e1"}}
    record.put(observation("in", **within))
    record.put(observation("masked", **within, meta=MASKED))
    assert {"Encounter/e1", "Observation/in", "Observation/masked", "Practitioner/bernard"} == set(
        references(record.ask(people.holder(), "GET", "Encounter/e1/$everything"))
    )
    seen = references(record.ask(people.radiologist(), "GET", "Encounter/e1/$everything"))
    assert {"Encounter/e1", "Observation/in", "Practitioner/bernard"} == set(seen)
    assert 404 == record.ask(people.professional("noel", "10000000009"), "GET", "Encounter/e1/$everything").status


# --- $document ---


def test_a_document_is_the_composition_and_what_it_names_of_what_may_be_seen(record):
    """R112."""
    record.put(composition("Observation/o1", "Observation/o3"))
    own = record.ask(people.holder(), "GET", "Composition/cr/$document")
    assert (200, "document") == (own.status, own.json["type"])
    assert [] == [each for each in validation.check(own.json) if each.severity == "error"]
    named = references(own)
    assert "Composition/cr" == named[0]
    assert {"Observation/o1", "Observation/o3", "Patient/lea", "Practitioner/bernard"} == set(named[1:])

    hers = record.ask(people.radiologist(), "GET", "Composition/cr/$document")
    assert {"Observation/o1", "Patient/lea", "Practitioner/bernard"} == set(references(hers)[1:])
    assert b"o3" not in hers.body


def test_a_document_is_asked_for_by_its_id_and_never_stored(record):
    """R112."""
    record.put(composition("Observation/o1"))
    before = record.house.shelf.resources.count_documents({})
    for url in ("Composition/$document?id=cr", "Composition/$document?id=Composition/cr", f"Composition/$document?id={BASE}/Composition/cr&persist=false"):  # fmt: skip
        assert "Composition/cr" == references(record.ask(people.holder(), "GET", url))[0]
    assert 400 == record.ask(people.holder(), "GET", "Composition/cr/$document?persist=true").status
    assert 404 == record.ask(people.holder(), "GET", "Composition/none/$document").status
    assert before == record.house.shelf.resources.count_documents({})


def test_the_trace_of_a_document_names_it_and_hides_with_it(record):
    record.put(composition("Observation/o1", meta={"security": [{"system": FRENCH, "code": "INVISIBLE_PATIENT"}]}))
    assert 200 == record.ask(people.doctor(), "GET", "Composition/cr/$document").status
    got = record.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=operation&_summary=count")
    assert 1 == got.json["total"], "the opening alone"
    assert 2 == record.ask(people.operator(), "GET", "AuditEvent?patient=lea&subtype=operation").json["total"]


# --- $docref ---


def test_docref_finds_the_current_documents_of_a_patient(world):
    assert 200 == world.ask(people.hospital(), "POST", "", submission()).status
    for url in (
        "DocumentReference/$docref?patient=lea",
        "DocumentReference/$docref?patient=lea&type=http://loinc.org|11490-0&start=2026-11-01&end=2027-01-01",
    ):
        got = world.ask(people.holder(), "GET", url)
        assert (200, 1) == (got.status, len(got.ids)), got.json
    none = world.ask(people.holder(), "GET", "DocumentReference/$docref?patient=lea&type=http://loinc.org|34133-9")
    assert [] == none.ids
    body = parameters(
        patient={"valueId": "lea"}, type={"valueCoding": {"system": "http://loinc.org", "code": "11490-0"}}
    )
    assert 1 == len(world.ask(people.holder(), "POST", "DocumentReference/$docref", body).ids)


def test_docref_gives_as_many_documents_a_page_as_are_asked_for(world):
    """Its next page is the search's own, of as many."""
    for unique in ("urn:oid:1.2.250.1.999.1", "urn:oid:1.2.250.1.999.2", "urn:oid:1.2.250.1.999.3"):
        assert 200 == world.ask(people.hospital(), "POST", "", submission(unique)).status
    seen, url = [], "DocumentReference/$docref?patient=lea&_count=1"
    while url:
        got = world.ask(people.holder(), "GET", url)
        assert (200, 1, 3) == (got.status, len(got.ids), got.json["total"]), got.json
        seen += got.ids
        link = next((each["url"] for each in got.json["link"] if each["relation"] == "next"), None)
        url = link and link.removeprefix(f"{BASE}/")
    assert 3 == len(set(seen))
    for wrong in ("-1", "x"):
        url = f"DocumentReference/$docref?patient=lea&_count={wrong}"
        assert 400 == world.ask(people.holder(), "GET", url).status


def test_docref_of_a_record_that_stays_shut_is_403_as_of_none(world):
    stranger = people.professional("noel", "10000000009")
    answers = [world.ask(stranger, "GET", f"DocumentReference/$docref?patient={each}") for each in ("lea", "nobody")]
    assert [403, 403] == [each.status for each in answers]
    assert answers[0].json == answers[1].json


def test_operations_are_entries_of_a_batch(record):
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": "Patient/lea/$everything?_count=100"}},
            {"request": {"method": "GET", "url": "Observation/o3/$meta"}},
            {
                "request": {"method": "POST", "url": "Observation/$validate"},
                "resource": parameters(resource={"resource": observation("x")}),
            },
        ],
    }
    got = record.ask(people.radiologist(), "POST", "", bundle)
    assert ["200", "404", "200"] == [each["response"]["status"][:3] for each in got.json["entry"]]
    assert b"o3" not in got.body.replace(b"Observation/o3/$meta", b"")


def test_a_patient_that_others_share_is_not_given_through_one_of_them(record):
    """Decisions 13: what several records own is asked for by its address, where all of them permit."""
    record.put({**patient("paul"), "identifier": [{"system": "urn:x", "value": "paul"}]})
    record.put(practitioner("x", "10000000077", "X"))
    both = {"resourceType": "Appointment", "id": "both", "status": "booked"}
    both["participant"] = [
        {"actor": {"reference": f"Patient/{each}"}, "status": "accepted"} for each in ("lea", "paul")
    ]
    record.ask(people.operator(), "PUT", "Appointment/both", both)
    assert "Appointment/both" not in references(
        record.ask(people.holder(), "GET", "Patient/lea/$everything?_count=200")
    )
