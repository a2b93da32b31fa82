"""The facts of a resource: owner, class, labels, authors and what else a decision may know (DMP-46, DMP-62, DMP-121)."""

import json

import pytest

from fhir_server.definitions.library import load
from fhir_server.foundation.moment import interval
from fhir_server.foundation.predicate import BEGINNING, END
from fhir_server.resources import facts as room
from fhir_server.resources.authors import AUTHORS, part_of_writers, writers_of
from fhir_server.resources.facts import (
    IS_ARCHIVED,
    about_of,
    attachments_of,
    class_of,
    facts_of,
    is_archived,
    is_of_record,
    mentions_of,
    owners_of,
)
from fhir_server.resources.references import local

from .walking import examples, resource_of

A07 = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
IDNPS = "urn:oid:1.2.250.1.71.4.2.1"
IDNST = "urn:oid:1.2.250.1.71.4.2.2"
CLOSED = {
    "patient", "patients", "type", "class", "label", "author", "organization", "submitter", "encounter", "names", "period", "state",
}  # fmt: skip


def document(**more):
    return {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "subject": {"reference": "Patient/p"},
        "type": {"coding": [{"system": "http://loinc.org", "code": "11490-0"}]},
        "content": [{"attachment": {"url": "Binary/b"}}],
        **more,
    }


def facts(resource, submitter=()):
    return facts_of(resource, submitter=frozenset(submitter))


def span(start, end=None):
    return {"lo": interval(start).lo, "hi": interval(end or start).hi}


def test_a_document_has_the_facts_of_the_closed_list_and_no_other():
    resource = document(
        author=[{"reference": "Practitioner/1"}],
        custodian={"reference": "Organization/o"},
        securityLabel=[{"coding": [{"system": A07, "code": "MASQUE_PS"}]}],
        context={"encounter": [{"reference": "Encounter/e"}], "period": {"start": "2024-01-01"}},
    )

    found = facts(resource, {"org:1750", "org:1100"})

    assert found.keys() == CLOSED
    assert ("p", ["p"]) == (found["patient"], found["patients"])
    assert ["http://loinc.org|11490-0", "11490-0"] == found["type"]
    assert ["MASQUE_PS"] == found["label"]
    assert ["org:1100", "org:1750"] == found["submitter"]
    assert ["Encounter/e"] == found["encounter"] == found["names"]
    assert ["Organization/o"] == found["organization"]


def test_what_has_nothing_to_say_has_no_fact():
    assert {"class"} == facts({"resourceType": "Observation"}).keys()


def test_every_published_example_gives_facts_that_json_can_hold():
    for path in examples("r4"):
        resource = resource_of(path)
        found = facts(resource, {"a|b"})
        assert found.keys() <= CLOSED
        assert found == json.loads(json.dumps(found))


# --- owners (decisions 13) ---


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"resourceType": "Patient", "id": "p"}, ["p"]),
        ({"resourceType": "Patient"}, []),
        ({"resourceType": "Observation", "subject": {"reference": "Patient/p"}}, ["p"]),
        ({"resourceType": "Observation", "subject": {"reference": "Patient/p/_history/2"}}, ["p"]),
        ({"resourceType": "Observation", "subject": {"reference": "Group/g"}}, []),
        ({"resourceType": "Observation", "subject": {"reference": "https://x.example/Patient/p"}}, []),
        ({"resourceType": "Observation", "subject": {"reference": "#p"}}, []),
        ({"resourceType": "Observation", "performer": [{"reference": "Patient/p"}]}, []),
        ({"resourceType": "DocumentReference", "author": [{"reference": "Patient/p"}]}, []),
        ({"resourceType": "Coverage", "beneficiary": {"reference": "Patient/p"}, "subscriber": {"reference": "Patient/q"}}, ["p"]),
        ({"resourceType": "Communication", "subject": {"reference": "Patient/p"}, "recipient": [{"reference": "Patient/q"}]}, ["p"]),
        ({"resourceType": "Consent", "patient": {"reference": "Patient/p"}}, ["p"]),
        ({"resourceType": "Group", "member": [{"entity": {"reference": "Patient/p"}}]}, []),
        ({"resourceType": "Patient", "id": "p", "link": [{"other": {"reference": "Patient/q"}}]}, ["p"]),
        ({"resourceType": "Practitioner", "id": "x"}, []),
        (
            {"resourceType": "Appointment", "participant": [{"actor": {"reference": "Patient/p"}}, {"actor": {"reference": "Patient/q"}}]},
            ["p", "q"],
        ),
    ],
)  # fmt: skip
def test_the_owner_is_subject_patient_or_beneficiary_and_nobody_else(resource, expected):
    assert expected == owners_of(resource)


def test_which_types_belong_to_a_record():
    for type_ in ("DocumentReference", "Observation", "Consent", "RelatedPerson", "AuditEvent", "Binary", "Provenance"):
        assert is_of_record(type_)
    for type_ in (
        "Patient",
        "Practitioner",
        "Organization",
        "Location",
        "Medication",
        "ValueSet",
        "Bundle",
        "Nonsense",
    ):
        assert not is_of_record(type_)


# --- class and type ---


@pytest.mark.parametrize(
    ("coding", "expected"),
    [
        ({"system": "http://loinc.org", "code": "11490-0"}, "10"),
        ({"system": "https://mos.esante.gouv.fr/NOS/TRE_A04-Loinc/FHIR/TRE-A04-Loinc", "code": "11490-0"}, "10"),
        ({"system": "http://loinc.org", "code": "18748-4"}, "31"),
        ({"system": "http://loinc.org", "code": "nonsense"}, None),
        ({"system": "urn:oid:1.2.3", "code": "11490-0"}, None),
        ({"code": "11490-0"}, None),
    ],
)
def test_the_class_is_derived_from_type_and_system_by_ass_x16(coding, expected):
    assert expected == class_of(coding)


def test_a_category_never_makes_the_class():
    lying = document(category=[{"coding": [{"code": "90"}]}])
    unknown = document(type={"coding": [{"system": "urn:x", "code": "y"}]}, category=[{"coding": [{"code": "10"}]}])

    assert ["10"] == facts(lying)["class"]
    assert "class" not in facts(unknown)


def test_another_type_has_the_word_of_the_matrix():
    assert ["consent"] == facts({"resourceType": "Consent"})["class"]
    assert ["shared"] == facts({"resourceType": "Practitioner"})["class"]
    assert ["42"] == facts({"resourceType": "MedicationRequest"})["class"]


# --- labels ---


def test_labels_come_from_security_label_and_meta_and_keep_unknown_systems():
    resource = document(
        meta={"security": [{"system": A07, "code": "INVISIBLE_PATIENT"}]},
        securityLabel=[
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]},
            {"coding": [{"system": "urn:other", "code": "MASQUE_PS"}, {"system": A07, "code": "INVISIBLE_PATIENT"}]},
        ],
    )

    assert ["INVISIBLE_PATIENT", "R", "urn:other|MASQUE_PS"] == facts(resource)["label"]


@pytest.mark.parametrize("type_", ["Observation", "Consent", "List"])
def test_any_resource_may_be_labelled_in_meta(type_):
    assert ["MASQUE_PS"] == facts(
        {"resourceType": type_, "meta": {"security": [{"system": A07, "code": "MASQUE_PS"}]}}
    )["label"]


OWNED = sorted(type_ for type_ in load().types if room._owner_element(type_))
REFERENCES = (
    *("Patient/a", "Patient/a/_history/2", "Patient/a#part", "#a", "Group/g", "https://elsewhere.example/Patient/a"),
    *("Patient/", "patient/a", "", 7, None),
)


@pytest.mark.parametrize("type_", OWNED)
def test_owners_that_stand_in_one_element_are_those_that_its_parameters_find(type_):
    name = room._owner_element(type_)
    values = [{"reference": each} for each in REFERENCES]
    values += [{**each, "type": "Patient"} for each in values]
    values += [None, {}, [], "Patient/a", {"identifier": {"value": "1"}}, *([one] for one in values), values]
    contained = [{"resourceType": "Patient", "id": "a"}]

    for value in values:
        resource = {"resourceType": type_, "id": "x", "contained": contained, name: value}
        found = (
            local(each.value["reference"])
            for walk in room._owner_walks(type_)
            for each in walk(resource)
            if isinstance(each.value, dict) and "reference" in each.value
        )
        patients = [each.removeprefix("Patient/") for each in found if each and each.startswith("Patient/")]
        assert list(dict.fromkeys(patients)) == owners_of(resource), value
    assert [] == owners_of({"resourceType": type_})


def test_most_owners_stand_in_one_element():
    assert len(OWNED) > 50
    assert {"AppointmentResponse", "AuditEvent", "Patient", "Person", "Provenance"}.isdisjoint(OWNED)


def test_a_composition_has_its_confidentiality_as_a_label():
    assert ["R"] == facts({"resourceType": "Composition", "confidentiality": "R"})["label"]


# --- authors and organisations ---


def test_a_contained_author_is_named_by_its_national_id():
    resource = document(
        contained=[
            {"resourceType": "Practitioner", "id": "a", "identifier": [{"system": IDNPS, "value": "810000000001"}]}
        ],
        author=[{"reference": "#a"}],
    )

    assert ["ps:810000000001"] == facts(resource)["author"]


def test_rpps_and_idnps_are_one_author():
    by_rpps = document(author=[{"identifier": {"system": "https://rpps.esante.gouv.fr", "value": "10000000001"}}])
    by_idnps = document(author=[{"identifier": {"system": IDNPS, "value": "810000000001"}}])

    assert ["ps:810000000001"] == facts(by_rpps)["author"] == facts(by_idnps)["author"]


def test_a_contained_role_stands_for_its_person_and_its_organisation():
    resource = document(
        contained=[
            {
                "resourceType": "PractitionerRole",
                "id": "r",
                "practitioner": {"reference": "#p"},
                "organization": {"reference": "#o"},
            },
            {"resourceType": "Practitioner", "id": "p", "identifier": [{"system": IDNPS, "value": "810000000001"}]},
            {"resourceType": "Organization", "id": "o", "identifier": [{"system": IDNST, "value": "1750000001"}]},
        ],
        author=[{"reference": "#r"}],
    )

    found = facts(resource)

    assert "ps:810000000001" in found["author"]
    assert ["org:1750000001"] == found["organization"]


def test_the_authenticator_is_an_author_and_the_custodian_is_not():
    resource = document(authenticator={"reference": "Practitioner/2"}, custodian={"reference": "Organization/o"})

    assert ["Practitioner/2"] == facts(resource)["author"]


def test_a_value_without_a_system_names_nobody():
    assert "author" not in facts(document(author=[{"identifier": {"value": "810000000001"}}]))


def test_a_patient_who_consents_is_no_author_of_the_consent():
    assert "author" not in facts({"resourceType": "Consent", "performer": [{"reference": "Patient/p"}]})


def test_the_organisation_of_a_submission_set_is_that_of_its_source():
    url = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-authorOrg"
    source = {
        "reference": "Practitioner/1",
        "extension": [{"url": url, "valueReference": {"reference": "Organization/o"}}],
    }

    found = facts({"resourceType": "List", "source": source})

    assert ["Organization/o"] == found["organization"]


def test_every_path_of_the_table_of_authors_exists():
    from fhir_server.definitions.elements import element

    for type_, paths in AUTHORS.items():
        assert type_ in load().types
        for path in paths:
            assert any(each.code == "Reference" for each in element(f"{type_}.{path}").types), (type_, path)


@pytest.mark.parametrize("path", examples("r4"), ids=lambda path: path.stem)
def test_the_part_that_says_who_wrote_a_resource_says_all_of_it(path):
    resource = resource_of(path)
    part = part_of_writers(resource)

    assert writers_of(resource) == writers_of(part)
    assert part == {name: resource[name] for name in part}
    assert not {"status", "subject", "code", "meta", "id"} & part.keys()


# --- when, state ---


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (document(context={"period": {"start": "2024-01-01", "end": "2024-02"}}, date="2020-01-01T00:00:00Z"), [span("2024-01-01", "2024-02")]),
        (document(context={"period": {"start": "2024"}}), [{"lo": interval("2024").lo, "hi": END}]),
        (document(context={"period": {"end": "2024"}}), [{"lo": BEGINNING, "hi": interval("2024").hi}]),
        (document(date="2024-01-01T10:00:00Z"), [span("2024-01-01T10:00:00Z")]),
        ({"resourceType": "Observation", "effectiveDateTime": "2024-02", "issued": "2025-01-01T00:00:00Z"}, [span("2024-02")]),
        ({"resourceType": "Observation", "effectiveTiming": {"event": ["2024", "2025"]}}, [span("2024"), span("2025")]),
        ({"resourceType": "Encounter", "period": {"start": "2024", "end": "2024"}}, [span("2024")]),
        ({"resourceType": "MedicationRequest", "authoredOn": "2024-03-01"}, [span("2024-03-01")]),
        ({"resourceType": "Observation", "effectiveDateTime": "nonsense"}, None),
    ],
)  # fmt: skip
def test_the_period_is_when_it_happened(resource, expected):
    assert expected == facts(resource).get("period")


def test_state_is_the_status_and_whether_it_is_archived():
    archived = document(extension=[{"url": IS_ARCHIVED, "valueBoolean": True}])
    not_archived = document(extension=[{"url": IS_ARCHIVED, "valueBoolean": False}])

    assert ["current", "archived"] == facts(archived)["state"]
    assert ["current"] == facts(not_archived)["state"]
    assert is_archived(archived)
    assert not is_archived(not_archived)


def test_a_condition_entered_in_error_says_so():
    resource = {"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "entered-in-error"}]}}

    assert ["entered-in-error"] == facts(resource)["state"]


def test_an_encounter_is_its_own():
    assert ["Encounter/e"] == facts({"resourceType": "Encounter", "id": "e"})["encounter"]


# --- about and mentions (decisions 16) ---


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"resourceType": "Provenance", "target": [{"reference": "DocumentReference/d/_history/1"}, {"reference": "Practitioner/x"}]}, ["DocumentReference/d"]),
        ({"resourceType": "Communication", "about": [{"reference": "AuditEvent/a"}], "payload": [{"contentReference": {"reference": "DocumentReference/d"}}]}, ["AuditEvent/a"]),
        ({"resourceType": "AuditEvent", "entity": [{"what": {"reference": "DocumentReference/d"}}, {"what": {"reference": "Patient/p"}}]}, ["DocumentReference/d"]),
        ({"resourceType": "Binary", "securityContext": {"reference": "DocumentReference/d"}}, ["DocumentReference/d"]),
        ({"resourceType": "ImmunizationEvaluation", "immunizationEvent": {"reference": "Immunization/i"}}, ["Immunization/i"]),
        ({"resourceType": "List", "entry": [{"item": {"reference": "DocumentReference/d"}}]}, []),
        ({"resourceType": "Patient", "id": "p"}, []),
    ],
)  # fmt: skip
def test_what_a_resource_is_about(resource, expected):
    assert expected == about_of(resource)


def test_what_a_resource_mentions_is_every_other_local_reference_into_a_record():
    resource = document(
        relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/old"}}],
        author=[{"reference": "Practitioner/1"}],
        context={"encounter": [{"reference": "Encounter/e"}], "related": [{"reference": "https://x.example/DocumentReference/f"}]},
        extension=[{"url": "u", "valueReference": {"reference": "Observation/o"}}, {"url": "v", "valueReference": {"reference": "DocumentReference/d"}}],
        contained=[{"resourceType": "Device", "id": "x", "owner": {"reference": "Organization/o"}, "note": [{"authorReference": {"reference": "RelatedPerson/r"}}]}],
    )  # fmt: skip

    assert {"DocumentReference/old", "Encounter/e", "Observation/o", "RelatedPerson/r"} == set(mentions_of(resource))


def test_what_it_is_about_is_no_mention():
    resource = {
        "resourceType": "Communication",
        "about": [{"reference": "DocumentReference/d"}],
        "payload": [{"contentReference": {"reference": "DocumentReference/e"}}],
    }

    assert ["DocumentReference/e"] == mentions_of(resource)


def test_the_local_contents_of_a_document():
    resource = document(
        content=[{"attachment": {"url": url}} for url in ("Binary/b", "https://x.example/Binary/c", "urn:uuid:1")]
    )

    assert ["Binary/b"] == attachments_of(resource)
