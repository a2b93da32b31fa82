"""Operations upon one resource or none: R53 of rest.md, `$match`, `$meta` and its changes, `$explain`."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.clinical import MASKED, observation, parameters
from tests.kit.world import BASE, label, submission

# --- $match ---


def known(**more):
    return parameters(resource={"resource": {"resourceType": "Patient", **more}})


LEA = {"name": [{"family": "Martin", "given": ["Lea"]}], "birthDate": "1979-03-12", "gender": "female"}
INS = {"identifier": [{"system": people.INS_SYSTEM, "value": people.INS}]}


def grades(answered):
    assert 200 == answered.status, answered.json
    return {
        each["resource"]["id"]: each["search"]["extension"][0]["valueCode"] for each in answered.json.get("entry", ())
    }


def test_a_match_says_how_sure_it_is(world):
    who = people.holder()
    assert {"lea": "certain"} == grades(world.ask(who, "POST", "Patient/$match", known(**LEA, **INS)))
    assert {"lea": "probable"} == grades(world.ask(who, "POST", "Patient/$match", known(**LEA)))
    assert {"lea": "probable"} == grades(world.ask(who, "POST", "Patient/$match", known(**INS)))
    other = {"name": [{"family": "Durand"}], "birthDate": "1980-01-01", "gender": "male"}
    assert {"lea": "possible"} == grades(world.ask(who, "POST", "Patient/$match", known(**other, **INS)))
    assert {} == grades(world.ask(who, "POST", "Patient/$match", known(**other)))
    partly = {"name": [{"family": "MARTIN"}], "birthDate": "1979-03-12"}
    assert {"lea": "possible"} == grades(world.ask(who, "POST", "Patient/$match", known(**partly)))


def test_another_matricule_is_another_person(world):
    """DMP-150."""
    other = {"identifier": [{"system": people.INS_SYSTEM, "value": "180017512345695"}]}
    assert {} == grades(world.ask(people.holder(), "POST", "Patient/$match", known(**LEA, **other)))


def test_only_certain_matches_are_one_or_none(world):
    sure = parameters(
        resource={"resource": {"resourceType": "Patient", **LEA}}, onlyCertainMatches={"valueBoolean": True}
    )
    assert {} == grades(world.ask(people.holder(), "POST", "Patient/$match", sure))
    sure["parameter"][0]["resource"] |= INS
    assert {"lea": "certain"} == grades(world.ask(people.holder(), "POST", "Patient/$match", sure))


def test_a_match_finds_none_but_whom_the_asker_may_see(world):
    stranger = people.professional("noel", "10000000009")
    body = known(**LEA, **INS)
    assert {} == grades(world.ask(stranger, "POST", "Patient/$match", body))
    assert {} == grades(world.ask(people.hospital(), "POST", "Patient/$match", body))
    assert {"lea": "certain"} == grades(world.ask(people.doctor(), "POST", "Patient/$match", body))
    assert (
        1
        == world.ask(
            people.holder(), "GET", "AuditEvent?patient=lea&subtype=operation&agent=Practitioner/bernard"
        ).json["total"]
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (known(), 400),
        (known(gender="female"), 400),
        (known(name=[{"family": "Martin"}]), 400),
        (known(birthDate=7, name="x"), 422),
        (known(name=[{"family": "M", "given": 7}], birthDate="1979-03-12"), 422),
        ({"resourceType": "Patient", "identifier": [{"value": "x"}]}, 400),
        (parameters(resource={"resource": {"resourceType": "Person"}}), 400),
    ],
)
def test_a_match_needs_something_to_go_by(world, body, status):
    assert status == world.ask(people.holder(), "POST", "Patient/$match", body).status


# --- $validate ---


def outcome(answered):
    assert (200, "OperationOutcome") == (answered.status, answered.json["resourceType"]), answered.json
    return [each["severity"] for each in answered.json["issue"]]


def test_validate_answers_200_for_what_holds_and_for_what_does_not(world):
    """R53."""
    who, good = people.holder(), observation("x")
    assert ["information"] == outcome(world.ask(who, "POST", "Observation/$validate", good))
    bad = {**good, "status": "nonsense", "surplus": 1}
    got = world.ask(who, "POST", "Observation/$validate", bad)
    assert {"error"} == set(outcome(got))
    assert {"Observation.status", "Observation.surplus"} & {each["expression"][0] for each in got.json["issue"]}
    assert "error" in outcome(world.ask(who, "POST", "Patient/$validate", good))
    whole = parameters(resource={"resource": bad}, mode={"valueCode": "create"})
    assert "error" in outcome(world.ask(who, "POST", "Observation/$validate", whole))
    assert 0 == world.house.shelf.resources.count_documents({"type": "Observation"})


def test_validate_of_what_stands(record):
    """R53."""
    who = people.holder()
    assert ["information"] == outcome(record.ask(who, "GET", "Observation/o1/$validate"))
    assert 404 == record.ask(people.radiologist(), "GET", "Observation/o3/$validate").status
    assert "error" in outcome(record.ask(who, "POST", "Observation/o1/$validate", observation("o2")))
    body = parameters(resource={"resource": {**observation("o1"), "id": "o1"}}, mode={"valueCode": "update"})
    assert ["information"] == outcome(record.ask(who, "POST", "Observation/o1/$validate", body))
    nameless = observation("o1")
    del nameless["id"]
    body = parameters(resource={"resource": nameless}, mode={"valueCode": "update"})
    assert ["error"] == outcome(record.ask(who, "POST", "Observation/$validate", body))


def test_validate_takes_the_bare_resource_and_the_rest_by_its_address(record):
    """https://hl7.org/fhir/R4/operations.html#executing: what is no resource may stand in the query beside it."""
    who, base = people.holder(), "http://hl7.org/fhir/StructureDefinition/Observation"
    told = record.ask(who, "POST", f"Observation/$validate?profile={base}", observation("o2"))
    assert (200, ["information"]) == (told.status, outcome(told))
    assert "error" in outcome(record.ask(who, "POST", "Observation/$validate?profile=urn:other", observation("o2")))
    assert "error" in outcome(record.ask(who, "POST", "Observation/o1/$validate?mode=update", observation("o2")))
    assert 400 == record.ask(who, "POST", "Observation/$validate?mode=replace", observation("o2")).status
    assert 400 == record.ask(who, "POST", "Observation/$validate?moode=create", observation("o2")).status
    assert 400 == record.ask(who, "POST", "Observation/$validate?resource=x", observation("o2")).status


def test_validate_of_a_deletion_says_what_a_deletion_would(record):
    """R53."""
    url = "Observation/o1/$validate?mode=delete"
    assert ["information"] == outcome(record.ask(people.operator(), "GET", url))
    assert ["error"] == outcome(record.ask(people.holder(), "GET", url))
    assert 404 == record.ask(people.radiologist(), "GET", "Observation/o3/$validate?mode=delete").status
    assert 200 == record.ask(people.operator(), "GET", "Observation/o1").status


def test_validate_by_a_profile(world):
    """R53."""
    known_, other = "http://hl7.org/fhir/StructureDefinition/Observation", "http://example.org/other"
    for profile, expected in ((known_, ["information"]), (other, ["error"])):
        body = parameters(resource={"resource": observation("x")}, profile={"valueUri": profile})
        got = world.ask(people.holder(), "POST", "Observation/$validate", body)
        assert expected == outcome(got)
    assert "not-supported" == got.json["issue"][0]["code"]


# --- $meta ---


def meta_of(answered):
    assert 200 == answered.status, answered.json
    return answered.json["parameter"][0]["valueMeta"]


def test_metadata_is_read_added_and_taken_away(record):
    who, url = people.operator(), "Observation/o1"
    tag = {"system": "http://x.example", "code": "a"}
    added = meta_of(record.ask(who, "POST", f"{url}/$meta-add", parameters(meta={"valueMeta": {"tag": [tag]}})))
    assert ([tag], "2") == (added["tag"], added["versionId"])
    assert added == meta_of(record.ask(who, "GET", f"{url}/$meta"))
    again = record.ask(who, "POST", f"{url}/$meta-add", parameters(meta={"valueMeta": {"tag": [tag]}}))
    assert "2" == meta_of(again)["versionId"]
    gone = meta_of(record.ask(who, "POST", f"{url}/$meta-delete", parameters(meta={"valueMeta": {"tag": [tag]}})))
    assert ("tag" in gone, gone["versionId"]) == (False, "3")
    assert [f"{url}"] == record.ask(who, "GET", "Observation?_id=o1&_tag:missing=true").ids


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (parameters(), 422),
        (parameters(meta={"valueString": "x"}), 400),
        (parameters(meta={"valueMeta": {"source": "http://x.example"}}), 400),
        (parameters(meta={"valueMeta": {"tag": "x"}}), 400),
        (None, 400),
    ],
)
def test_metadata_that_cannot_be_read_changes_nothing(record, body, status):
    assert status == record.ask(people.operator(), "POST", "Observation/o1/$meta-add", body).status
    assert "1" == record.ask(people.operator(), "GET", "Observation/o1").json["meta"]["versionId"]


def test_a_label_that_is_added_masks_and_one_taken_away_shows_again(record):
    masked = parameters(meta={"valueMeta": MASKED})
    url, who = "Observation/o1", people.radiologist()
    assert 200 == record.ask(who, "GET", url).status
    meta_of(record.ask(people.operator(), "POST", f"{url}/$meta-add", masked))
    assert [404, 404] == [record.ask(who, "GET", each).status for each in (url, f"{url}/$meta")]
    meta_of(record.ask(people.operator(), "POST", f"{url}/$meta-delete", masked))
    assert 200 == record.ask(who, "GET", url).status


def test_who_may_not_change_a_resource_lifts_no_mask_of_it(record):
    """A label is lifted by who might patch it away, and is as invisible to others."""
    record.put(observation("o4", meta=MASKED, performer=[{"reference": "Organization/chu"}]))
    masked = parameters(meta={"valueMeta": MASKED})
    away = [{"op": "remove", "path": "/meta/security"}]
    for who in (people.radiologist(), people.doctor(), people.holder(), people.professional("noel", "10000000009")):
        for url in ("Observation/o3", "Observation/o4"):
            lifted = record.ask(who, "POST", f"{url}/$meta-delete", masked)
            patched = record.ask(who, "PATCH", url, away)
            if who.subject == "bernard" and url.endswith("o3"):
                assert (200, 422) == (lifted.status, patched.status), "her own; it is gone already"
                record.put(observation("o3", meta=MASKED))
                continue
            assert (patched.status, patched.json) == (lifted.status, lifted.json)
            assert lifted.status == (403 if who.subject in ("bernard", "holder-lea") else 404)
    assert 404 == record.ask(people.radiologist(), "GET", "Observation/o3").status
    assert 403 == record.ask(people.radiologist(), "POST", "Observation/o1/$meta-add", masked).status


def test_the_visibility_of_a_document_is_not_set_through_its_metadata(world):
    """DMP-132: whoever may lift a mask finds it in `securityLabel`."""
    made = world.ask(people.hospital(), "POST", "", submission()).json["entry"][1]["response"]["location"]
    url = made.partition("/_history")[0].removeprefix(f"{BASE}/")
    masked = parameters(meta={"valueMeta": {"security": label("MASQUE_PS")["coding"]}})
    for who in (people.holder(), people.operator()):
        assert 422 == world.ask(who, "POST", f"{url}/$meta-add", masked).status
    assert 200 == world.ask(people.radiologist(), "GET", url).status


def test_a_change_of_metadata_is_held_to_the_version_it_is_of(record):
    more = parameters(meta={"valueMeta": {"tag": [{"code": "x"}]}})
    assert 412 == record.ask(people.operator(), "POST", "Observation/o1/$meta-add", more, if_match='W/"9"').status
    assert 200 == record.ask(people.operator(), "POST", "Observation/o1/$meta-add", more, if_match='W/"1"').status


# --- $explain ---


def explained(answered):
    assert 200 == answered.status, answered.json
    return {each["name"]: each.get("valueString", each.get("valueInteger")) for each in answered.json["parameter"]}


def test_a_search_is_explained_to_an_operator(record):
    told = explained(record.ask(people.operator(), "GET", "Observation/$explain?patient=lea&date=ge2026-02"))
    assert told["documentsExamined"] <= 3
    assert told["index"].startswith("facts.patient")
    assert "Observation?patient=lea&date=ge2026-02" == told["query"]
    posted = parameters(query={"valueString": "patient=lea&date=ge2026-02"})
    assert told == explained(record.ask(people.operator(), "POST", "Observation/$explain", posted))
    assert told == explained(
        record.ask(people.operator(), "GET", "Observation/$explain?query=patient%3Dlea%26date%3Dge2026-02")
    )
    assert 400 == record.ask(people.operator(), "GET", "Observation/$explain?unheard=1").status


@pytest.mark.parametrize("who", [people.holder(), people.doctor(), people.hospital()], ids=["holder", "doctor", "chu"])
def test_a_search_is_explained_to_nobody_else(record, who):
    answers = [record.ask(who, "GET", f"Observation/$explain?patient={each}") for each in ("lea", "nobody")]
    assert [403, 403] == [each.status for each in answers]
    assert answers[0].json == answers[1].json


def test_an_explanation_holds_no_value_of_a_resource(record):
    got = record.ask(people.operator(), "GET", "Observation/$explain?patient=lea")
    assert b"8867" not in got.body
    assert b"bernard" not in got.body
