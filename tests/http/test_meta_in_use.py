"""`$meta` of a type and of the server: what is told of metadata is what the same asker reads of it, and nothing else.

https://hl7.org/fhir/R4/resource-operations.html#meta; a search of the same by the same asker is the other witness.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_server.definitions.library import load
from fhir_server.resources import validation
from tests.kit import people
from tests.kit.application import application
from tests.kit.cast import opened
from tests.kit.clinical import MASKED, observation, parameters
from tests.kit.copies import copy_of
from tests.kit.family import emergency
from tests.kit.steps import closed, outbox
from tests.kit.world import FRENCH, label, patient, submission

OPERATOR = people.operator()
STRANGER = people.professional("inconnu", "10000000005")
PROFILE = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
CUT = "SUBSETTED"


def tagged(*codes, **more):
    return {"tag": [{"system": "urn:x-tags", "code": each} for each in codes], **more}


def observed(id_, patient_, meta):
    by = [{"reference": "Practitioner/elsewhere"}]
    return observation(id_, subject={"reference": f"Patient/{patient_}"}, performer=by, meta=meta)


@pytest.fixture(scope="module")
def lived_once(mongo_client):
    return copy_of(mongo_client, several_records)


@pytest.fixture
def lived(lived_once, database):
    """A server beside `several_records`."""
    made = lived_once.world(database)
    yield made
    made.close()


def several_records(world):
    """Léa's record and those of two others, each resource with a tag of its own; some of them hidden from somebody."""
    opened(world)
    world.put(observation("o1", meta=tagged("plain", profile=[PROFILE, f"{PROFILE}|4.0.1"])))
    world.put(observation("o2", meta=tagged("masked", **MASKED)))
    world.put(observation("o3", meta=tagged("untold", security=[{"system": FRENCH, "code": "INVISIBLE_PATIENT"}])))
    world.put(observation("o4", meta={"tag": [{"code": "bare"}, {"system": "urn:x-tags"}]}))
    world.put(observation("o5", subject={"reference": "Group/x"}, meta=tagged("nobodys")))
    world.put(observation("o6", performer=[{"reference": "Practitioner/noel"}], meta=tagged("by another")))
    for name, more in (("paul", {}), ("zoe", {"birthDate": "2012-05-05"})):
        world.put({**patient(name, **more), "identifier": [{"system": "urn:x", "value": name}], "meta": tagged(name)})
        world.put(observed(f"of-{name}", name, tagged(f"of {name}")))
    guard = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUARD"}
    world.put(
        {
            "resourceType": "RelatedPerson",
            "id": "anne",
            "active": True,
            "patient": {"reference": "Patient/zoe"},
            "relationship": [{"coding": [guard]}],
            "period": {"start": "2012-05-05"},
            "meta": tagged("guardian"),
        }
    )
    young = {**patient("zoe", birthDate="2012-05-05", active=True), "meta": tagged("zoe")}
    world.put({**young, "identifier": [{"system": "urn:x", "value": "zoe"}]})
    hidden = tagged("hidden by zoe", security=[{"system": FRENCH, "code": "INVISIBLE_REPRESENTANTS_LEGAUX"}])
    world.put(observed("hidden-by-zoe", "zoe", hidden))
    both = [{"actor": {"reference": f"Patient/{each}"}, "status": "accepted"} for each in ("lea", "paul")]
    joint = {"resourceType": "Appointment", "id": "both", "status": "proposed", "meta": tagged("joint")}
    world.put({**joint, "participant": both})
    world.put({"resourceType": "Location", "id": "ward", "name": "x", "meta": tagged("directory")})
    world.put({"resourceType": "List", "id": "l", "status": "current", "mode": "working", "meta": tagged("list"),
               "subject": {"reference": "Patient/lea"}, "entry": [{"item": {"reference": "Observation/o2"}}]})  # fmt: skip
    for number, labels in enumerate(([], ["MASQUE_PS"], ["INVISIBLE_PATIENT"])):
        sent = submission(f"urn:oid:1.2.3.{number}", content=f"%PDF-1.4 {number}".encode())
        document = sent["entry"][1]["resource"]
        document["meta"] |= tagged(f"letter {number}")
        document["securityLabel"] += [label(each) for each in labels]
        assert 200 == world.ask(people.hospital(), "POST", "", sent).status


ASKERS = [
    pytest.param(OPERATOR, id="operator"),
    pytest.param(people.holder(), id="holder"),
    pytest.param(people.doctor(), id="médecin traitant"),
    pytest.param(people.radiologist(), id="authorised"),
    pytest.param(people.radiologist(patient="lea"), id="authorised, in a launch"),
    pytest.param(people.professional("noel", "10000000004"), id="author of one"),
    pytest.param(STRANGER, id="nobody of the record"),
    pytest.param(people.representative("zoe"), id="representative"),
    pytest.param(people.holder("zoe"), id="the minor"),
    pytest.param(people.hospital(), id="hospital"),
    pytest.param(emergency(), id="bris de glace"),
    pytest.param(people.radiologist(scopes=("user/Observation.rs", "user/List.r")), id="small token"),
    pytest.param(
        people.doctor(scopes=("user/Observation.s?_tag=urn:x-tags|plain", "user/Patient.s", "user/AuditEvent.s")),
        id="granular token",
    ),
]


def key(each):
    """A coding as the index knows it."""
    return (each.get("system"), each.get("code")) if isinstance(each, dict) else each


def told(answered):
    """What `$meta` tells: the values of each list, as a set."""
    assert 200 == answered.status, answered.json
    assert [] == [each for each in validation.check(answered.json) if each.severity in ("fatal", "error")]
    assert ["return"] == [each["name"] for each in answered.json["parameter"]]
    meta = answered.json["parameter"][0]["valueMeta"]
    assert not {"versionId", "lastUpdated", "source"} & set(meta)
    lists = {name: [key(each) for each in meta.get(name, ())] for name in ("profile", "security", "tag")}
    for values in lists.values():
        assert len(values) == len(set(values))
    return {name: set(values) for name, values in lists.items()}


def read_of(answered):
    """The union of the metadata of all that a search shows.

    Without what the server says of the answer itself, and what is said twice within one resource.
    """
    assert 200 == answered.status, answered.json
    assert "next" not in [each["relation"] for each in answered.json["link"]]
    found = {"profile": set(), "security": set(), "tag": set()}
    for each in answered.json.get("entry", ()):
        meta = each["resource"].get("meta", {})
        profiles = set(meta.get("profile", ()))
        found["profile"] |= profiles - {one.partition("|")[0] for one in profiles if "|" in one}
        for name in ("security", "tag"):
            said = {key(one) for one in meta.get(name, ()) if one.get("code") != CUT}
            found[name] |= said - {(system, None) for system, code in said if code}
    return found


def searchable(world, who):
    """The types that a token may search."""
    return [each for each in load().endpoints if 403 != world.ask(who, "GET", f"{each}?_summary=count").status]


@pytest.mark.parametrize("who", ASKERS)
def test_a_type_is_told_as_a_search_of_it_shows(lived, who):
    for type_ in ("Observation", "Patient", "DocumentReference", "List", "RelatedPerson", "Appointment", "Location"):
        searched = lived.ask(who, "GET", f"{type_}?_count=1000")
        asked = lived.ask(who, "GET", f"{type_}/$meta")
        assert searched.status == asked.status, (type_, asked.json)
        if searched.status == 200:
            assert read_of(searched) == told(asked), type_


@pytest.mark.parametrize("who", ASKERS)
def test_all_types_are_told_as_a_search_of_them_shows(lived, who):
    """Traces are among them: what the search leaves is like what one before it left."""
    url = f"?_type={','.join(searchable(lived, who))}&_count=1000"
    assert 200 == lived.ask(who, "GET", url).status
    searched = lived.ask(who, "GET", url)
    asked = lived.ask(who, "GET", "$meta")

    assert read_of(searched) == told(asked)
    assert told(asked) == told(lived.ask(who, "POST", "$meta", {"resourceType": "Parameters"}))


def test_what_is_told_differs_by_who_asks(lived):
    def codes(who, url="Observation/$meta"):
        return {code for _, code in told(lived.ask(who, "GET", url))["tag"] if code}

    assert {"plain", "bare", "by another", "untold", "masked"} == codes(people.doctor()), "her own, masked from others"
    assert {"plain", "bare", "by another", "untold"} == codes(people.radiologist())
    assert {"plain", "bare", "by another", "masked"} == codes(people.holder())
    assert {"by another"} == codes(people.professional("noel", "10000000004"))
    assert {"of zoe"} == codes(people.representative("zoe"))
    assert set() == codes(STRANGER)
    assert {"directory"} == codes(STRANGER, "Location/$meta") == codes(STRANGER, "$meta")
    every = {"plain", "masked", "untold", "bare", "nobodys", "by another", "of paul", "of zoe", "hidden by zoe"}
    assert every == codes(OPERATOR)
    assert set() == codes(people.radiologist(), "List/$meta"), "a List whose every item is hidden"
    assert {"list"} == codes(people.holder(), "List/$meta")


def test_a_coding_is_told_by_what_it_has(lived):
    meta = lived.ask(people.holder(), "GET", "Observation/$meta").json["parameter"][0]["valueMeta"]

    assert [f"{PROFILE}|4.0.1"] == meta["profile"]
    assert {"code": "bare"} == meta["tag"][0]
    assert {"system": "urn:x-tags", "code": "plain"} in meta["tag"]
    assert MASKED["security"] == meta["security"]
    assert [{"code": "bare"}, {"system": "urn:x-tags"}] == (
        lived.ask(
            people.holder(scopes=("patient/Observation.s?_id=o4",)), "GET", "Observation/$meta"
        ).json["parameter"][0]["valueMeta"]["tag"]
    )  # fmt: skip


def test_where_there_is_nothing_the_answer_says_so_and_is_valid(world):
    for url in ("Observation/$meta", "Basic/$meta", "Patient/$meta"):
        asked = world.ask(STRANGER, "GET", url)
        assert {"profile": set(), "security": set(), "tag": set()} == told(asked)
        assert "not-applicable" == asked.json["parameter"][0]["valueMeta"]["extension"][0]["valueCode"]


# --- scopes ---


def test_each_type_needs_its_own_right_to_search(lived):
    small = people.doctor(scopes=("user/Observation.s", "user/Location.r"))

    for method in ("GET", "POST"):
        refused = lived.ask(small, method, "Location/$meta")
        assert (403, True) == (refused.status, "insufficient_scope" in refused.headers["WWW-Authenticate"])
    assert told(lived.ask(small, "GET", "Observation/$meta")) == told(lived.ask(small, "GET", "$meta"))
    nothing = lived.ask(people.doctor(scopes=("user/Observation.r", "launch")), "GET", "$meta")
    assert (403, True) == (nothing.status, "insufficient_scope" in nothing.headers["WWW-Authenticate"])
    assert 403 == lived.ask(small, "GET", "Observation/o1/$meta").status, "of one it is a read"


def test_a_granular_scope_narrows_its_type_alone(lived):
    some = people.doctor(scopes=("user/Observation.s?_tag=urn:x-tags|plain", "user/Location.s"))

    assert {("urn:x-tags", "plain")} == told(lived.ask(some, "GET", "Observation/$meta"))["tag"]
    assert {("urn:x-tags", "plain"), ("urn:x-tags", "directory")} == told(lived.ask(some, "GET", "$meta"))["tag"]


# --- refusals ---


@pytest.mark.parametrize("url", ["Observation/$meta?x=1", "$meta?x=1", "$meta?_type=Observation", "Observation/$meta?_tag=a"])  # fmt: skip
def test_it_takes_no_parameter(lived, url):
    assert 400 == lived.ask(OPERATOR, "GET", url).status
    body = parameters(x={"valueString": "1"})
    assert 400 == lived.ask(OPERATOR, "POST", url.partition("?")[0], body).status
    assert 400 == lived.ask(OPERATOR, "POST", url.partition("?")[0], {"resourceType": "Patient"}).status


def test_what_changes_metadata_is_of_one_resource_alone(lived):
    body = parameters(meta={"valueMeta": tagged("x")})
    for url in ("$meta-add", "Observation/$meta-add", "$meta-delete", "$validate", "$metta"):
        assert 404 == lived.ask(OPERATOR, "POST", url, body).status
    assert "did you mean `$meta`" in lived.ask(OPERATOR, "GET", "$metta").json["issue"][0]["diagnostics"]


def test_who_stands_with_too_many_records_names_one_elsewhere(lived):
    lived.house = replace(lived.house, limits=replace(lived.house.limits, records=0))

    for url in ("Observation/$meta", "$meta"):
        refused = lived.ask(people.radiologist(), "GET", url)
        assert (400, "too-costly") == (refused.status, refused.json["issue"][0]["code"])


def test_a_closed_record_is_told_of_as_it_is_searched(lived):
    assert 200 == closed(lived).status
    for who in (people.holder(), people.doctor(), emergency(), people.hospital()):
        for type_ in ("Observation", "Patient", "AuditEvent", "DocumentReference"):
            searched = lived.ask(who, "GET", f"{type_}?_count=1000")
            asked = lived.ask(who, "GET", f"{type_}/$meta")
            assert searched.status == asked.status, (who.subject, type_, asked.json)
            if asked.status == 200:
                assert read_of(searched) == told(asked), (who.subject, type_)


def test_it_is_an_entry_of_a_bundle(lived):
    entries = [{"request": {"method": "GET", "url": url}} for url in ("$meta", "Observation/$meta", "$meta?x=1")]
    got = lived.ask(people.radiologist(), "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries})

    assert ["200", "200", "400"] == [each["response"]["status"][:3] for each in got.json["entry"]]
    alone = lived.ask(people.radiologist(), "GET", "Observation/$meta").json
    assert alone == got.json["entry"][1]["resource"]
    whole = {"resourceType": "Bundle", "type": "transaction", "entry": entries[:2]}
    got = lived.ask(people.radiologist(), "POST", "", whole)
    assert (200, alone) == (got.status, got.json["entry"][1]["resource"])


def test_it_is_asked_over_the_network_without_a_body_and_in_xml(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True) as app:
        client = app.test_client()
        for url in ("/fhir/$meta", "/fhir/Patient/$meta", "/fhir/%24meta"):
            assert client.get(url).json == client.post(url).json
            assert 200 == client.head(url).status_code
            assert b"<valueMeta>" in client.get(url, query_string={"_format": "xml"}).data


# --- on record ---


def on_record(world, who, url):
    """The traces and the notices that a question leaves, without what says when and which of them."""
    world.house.announced.clear()
    shelf, before = world.house.shelf, len(outbox(world))
    known = {each["_id"] for each in shelf.ledger.find({}, {"_id": 1})}
    answered = world.ask(who, "GET", url)
    left = [each for each in shelf.ledger.find({}) if each["_id"] not in known]
    traces = [
        (each["facts"], {name: value for name, value in each["entry"].items() if name != "id"}, each["own"])
        for each in sorted(left, key=lambda each: str(each["facts"]))
    ]
    return answered.status, traces, [each["subject"] for each in outbox(world)[before:]]


@pytest.mark.parametrize("who", ASKERS)
def test_it_is_put_on_record_and_told_as_a_search_that_counts(lived, who):
    """DMP-80, DMP-72."""
    has = "_tag:missing=false"
    lived.ask(who, "GET", "$meta")  # a first access is announced as such, whatever is asked
    for type_ in ("Observation", "Patient", "DocumentReference", "Location"):
        assert on_record(lived, who, f"{type_}?_summary=count&{has}") == on_record(lived, who, f"{type_}/$meta"), type_
    types = ",".join(searchable(lived, who))
    counted = on_record(lived, who, f"?_type={types}&_summary=count&_filter=_tag pr true or _profile pr true")
    assert counted == on_record(lived, who, "$meta")


def test_the_trace_says_what_was_asked(lived):
    for url in ("Observation/$meta", "$meta"):
        lived.ask(people.doctor(), "GET", url)
    by = "AuditEvent?patient=lea&subtype=operation&agent=Practitioner/bernard&_sort=_lastUpdated"
    entries = [each["resource"]["entity"][0] for each in lived.ask(people.holder(), "GET", by).json["entry"]]

    assert ["T2JzZXJ2YXRpb24vJG1ldGE/", "JG1ldGE/cGF0aWVudD1sZWE="] == [each["query"] for each in entries]


@pytest.mark.parametrize("url", ["Observation?_summary=count", "Observation/$meta", "$meta"])
def test_who_breaks_the_glass_is_told_of(lived, url):
    """DMP-72."""
    status, traces, notices = on_record(lived, emergency(), url)

    assert (200, "Accès en urgence à votre dossier médical partagé") == (status, notices[-1])
    assert {"lea"} == {facts["patient"] for facts, *_ in traces if "patient" in facts}
