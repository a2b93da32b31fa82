"""What single types need beyond R4: submission sets, holders, consents, contents."""

import pytest

from fhir_server.definitions.library import load
from fhir_server.resources import binary, consent, kind_of, list_, patient
from fhir_server.resources.kind import ALL, READING

from .walking import EXAMPLES, changed, resource_of, told

SUBMISSION = resource_of(EXAMPLES / "pdsm4dmp" / "Bundle-example-td2-iti65-lot-soumission.json")
SET = SUBMISSION["entry"][0]["resource"]
HOLDER = resource_of(EXAMPLES / "frcore" / "Patient-FRCorePatientINSExample.json")
BASIC = resource_of(EXAMPLES / "pcf" / "Consent-ex-consent-basic-treat.json")


# --- the table ---


def test_every_type_has_a_kind_and_the_default_does_everything():
    for type_ in load().types:
        assert type_ == kind_of(type_).name
    assert ALL == kind_of("Observation").interactions
    assert [] == kind_of("Observation").check({"resourceType": "Observation"})
    with pytest.raises(KeyError):
        kind_of("Foo")


def test_nobody_writes_an_audit_event():
    assert READING == kind_of("AuditEvent").interactions


# --- submission sets and folders ---


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["source"], None, "List.source"),
        (["subject"], None, "List.subject"),
        (["date"], None, "List.date"),
        (["contained"], None, "List.contained"),
        (["extension"], SET["extension"][1:], "List.extension"),
        (["extension"], SET["extension"][:1], "List.extension"),
        (["encounter"], {"reference": "Encounter/1"}, "List.encounter"),
        (["entry", 0, "flag"], {"text": "x"}, "List.entry.flag"),
        (["status"], "retired", "List.status"),
        (["mode"], "snapshot", "List.mode"),
        (["code", "coding", 0, "code"], "folder", "List.code"),
        (
            ["identifier"],
            [{"type": {"coding": [{"code": "uniqueId"}]}, "value": "urn:uuid:1"}],
            "List.identifier[0].value",
        ),
    ],
)
def test_a_submission_set_has_what_pdsm_requires(path, value, expected):
    assert [] == list_.check_list(SET)

    assert expected in told(list_.check_list(changed(SET, path, value)))


def test_a_folder_has_a_title_and_no_source():
    folder = {
        **SET,
        "meta": {"profile": [list_.FOLDER]},
        "code": {"coding": [{"system": list_.LIST_TYPES, "code": "folder"}]},
    }

    assert ["List.title", "List.source"] == told(list_.check_list(folder))
    assert "folder" == list_.kind_of_list(folder)


def test_another_list_is_left_alone():
    assert [] == list_.check_list({"resourceType": "List"})
    assert list_.kind_of_list({"resourceType": "List", "code": {"coding": [{"code": "folder"}]}}) is None


# --- holders (DMP-150) ---


def with_status(code):
    return changed(HOLDER, ["extension", 0, "extension", 0, "valueCoding", "code"], code)


@pytest.mark.parametrize(("code", "expected"), [("QUAL", True), ("VALI", True), ("PROV", False), ("RECUP", False)])
def test_an_identity_is_qualified_by_its_status(code, expected):
    assert expected is patient.identity_is_qualified(with_status(code))


def test_an_identity_of_which_nothing_is_said_is_neither():
    assert patient.identity_is_qualified({"resourceType": "Patient"}) is None


def test_only_a_qualified_identity_carries_an_ins():
    assert [] == told(patient.check_patient(HOLDER))
    assert ["Patient.identifier"] == told(patient.check_patient(with_status("PROV")))
    assert [] == told(patient.check_patient(changed(with_status("PROV"), ["identifier"], None)))


def test_the_ins_profile_says_the_status():
    assert ["Patient.extension"] == told(patient.check_patient(changed(HOLDER, ["extension"], None)))


def test_a_wrong_control_key_is_what_the_rules_say():
    assert ["Patient.identifier[0].value"] == told(patient.check_patient(HOLDER), "warning")
    assert [] == told(patient.check_patient(changed(HOLDER, ["identifier", 0, "value"], ins())), "warning")


def ins():
    number = "1741275012345"
    return f"{number}{97 - int(number) % 97:02d}"


def test_the_number_for_billing_is_no_ins():
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NH"}]}
    billing = changed(with_status("PROV"), ["identifier", 0, "type"], kind)

    assert [] == patient.ins_of(billing)
    assert [] == patient.check_patient(billing)


def test_what_the_consent_of_the_treating_physician_says_is_ignored_on_input():
    extension = {"url": patient.TREATING_PHYSICIAN, "valueReference": {"reference": "Practitioner/1"}}
    sent = {
        "resourceType": "Patient",
        "extension": [extension],
        "generalPractitioner": [{"reference": "Practitioner/1"}],
        "active": True,
    }
    other = {"url": "u", "valueCode": "x"}

    assert {"resourceType": "Patient", "active": True} == patient.without_computed(sent)
    assert [other] == patient.without_computed({**sent, "extension": [extension, other]})["extension"]
    assert patient.without_computed(HOLDER) is HOLDER


# --- consents (PCF) ---


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["patient"], None, "Consent.patient"),
        (["dateTime"], None, "Consent.dateTime"),
        (["performer"], None, "Consent.performer"),
        (["organization"], None, "Consent.organization"),
        (["policy"], None, "Consent.policy"),
        (["provision"], None, "Consent.provision"),
        (["provision", "type"], None, "Consent.provision.type"),
        (["verification"], [{"verified": True}], "Consent.verification"),
        (["provision", "code"], [{"text": "x"}], "Consent.provision.code"),
        (["provision", "class"], [{"code": "x"}], "Consent.provision.class"),
        (["provision", "action"], [{"text": "x"}], "Consent.provision.action"),
        (["provision", "provision"], [{"type": "deny"}], "Consent.provision.provision"),
        (["provision", "securityLabel"], [{"code": "R"}], "Consent.provision.securityLabel"),
        (["provision", "data"], [{"meaning": "instance", "reference": {"reference": "DocumentReference/1"}}], "Consent.provision.data"),
        (["provision", "actor"], [{"role": {"text": "x"}, "reference": {"reference": "Practitioner/1"}}], "Consent.provision.actor.role"),
        (["scope", "coding", 0, "code"], "research", "Consent.scope"),
    ],
)  # fmt: skip
def test_a_basic_consent_satisfies_pcf(path, value, expected):
    assert [] == consent.check_consent(BASIC)

    assert expected in told(consent.check_consent(changed(BASIC, path, value)))


def test_a_consent_of_our_own_category_satisfies_pcf_whatever_it_claims():
    ours = {"coding": [{"system": "https://dmp-on-fhir.example/CodeSystem/dmp-consent-type", "code": "ps-blocage"}]}
    bare = {key: value for key, value in BASIC.items() if key != "meta"}

    assert ["Consent.policy"] == told(consent.check_consent({**bare, "category": [ours], "policy": []}))[:1]
    assert consent.is_ours({**bare, "category": [ours]})
    assert not consent.is_ours(BASIC)


def test_a_foreign_consent_about_privacy_is_only_warned():
    foreign = {key: value for key, value in BASIC.items() if key not in ("meta", "policy")}

    issues = consent.check_consent(foreign)

    assert [] == told(issues)
    assert "Consent.policy" in told(issues, "warning")


def test_a_consent_about_something_else_is_left_alone():
    research = {"resourceType": "Consent", "scope": {"coding": [{"system": consent.SCOPES, "code": "research"}]}}

    assert [] == consent.check_consent(research)


@pytest.mark.parametrize("meaning", ["dependents"])
def test_an_intermediate_consent_names_data_as_pcf_allows(meaning):
    data = [{"meaning": meaning, "reference": {"reference": "DocumentReference/1"}}]
    made = {**BASIC, "meta": {"profile": [consent.INTERMEDIATE]}, "provision": {"type": "permit", "data": data}}

    assert ["Consent.provision.data.meaning"] == told(consent.check_consent(made))


def test_a_nested_provision_names_each_kind_of_data_once():
    data = [{"meaning": "instance", "reference": {"reference": f"DocumentReference/{at}"}} for at in range(2)]
    provision = {"type": "permit", "provision": [{"type": "deny", "data": data}]}

    issues = consent.check_consent({**BASIC, "meta": {"profile": [consent.INTERMEDIATE]}, "provision": provision})

    assert ["Consent.provision.provision[0].data"] == told(issues)


# --- contents ---


def test_a_binary_brings_its_content():
    made = binary.binary_of(b"abc", "application/pdf")

    assert b"abc" == binary.content_of(made)
    assert [] == binary.check_binary(made)
    assert ["Binary.data"] == told(binary.check_binary({"resourceType": "Binary", "contentType": "application/pdf"}))
