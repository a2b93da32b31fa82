"""What single types need beyond R4: documents, submission sets, holders, consents, contents."""

import copy
from base64 import b64encode
from hashlib import sha1

import pytest

from fhir_server.definitions.library import load
from fhir_server.resources import binary, consent, document_reference, kind_of, list_, patient
from fhir_server.resources.document_reference import check_attachment, measured, only_patchable_changed, patchable
from fhir_server.resources.facts import IS_ARCHIVED
from fhir_server.resources.kind import ALL, READING

from .walking import EXAMPLES, resource_of

SUBMISSION = resource_of(EXAMPLES / "pdsm4dmp" / "Bundle-example-td2-iti65-lot-soumission.json")
SET, DOCUMENT, CONTENT = (entry["resource"] for entry in SUBMISSION["entry"])
SIMPLE = resource_of(EXAMPLES / "pdsm4dmp" / "DocumentReference-example-td2-iti105-publication-simplifiee.json")
HOLDER = resource_of(EXAMPLES / "frcore" / "Patient-FRCorePatientINSExample.json")
BASIC = resource_of(EXAMPLES / "pcf" / "Consent-ex-consent-basic-treat.json")
A07 = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
FLAG = {"url": IS_ARCHIVED, "valueBoolean": True}


def changed(resource, path, value):
    made = copy.deepcopy(resource)
    node = made
    *before, last = path
    for step in before:
        node = node[step]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return made


def told(issues, severity="error"):
    return [issue.expression for issue in issues if issue.severity == severity]


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


# --- documents ---


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["masterIdentifier"], "DocumentReference.masterIdentifier"),
        (["type"], "DocumentReference.type"),
        (["category"], "DocumentReference.category"),
        (["subject"], "DocumentReference.subject"),
        (["date"], "DocumentReference.date"),
        (["author"], "DocumentReference.author"),
        (["securityLabel"], "DocumentReference.securityLabel"),
        (["content", 0, "attachment", "hash"], "DocumentReference.content.attachment.hash"),
        (["content", 0, "attachment", "size"], "DocumentReference.content.attachment.size"),
        (["content", 0, "attachment", "title"], "DocumentReference.content.attachment.title"),
        (["content", 0, "attachment", "creation"], "DocumentReference.content.attachment.creation"),
        (["content", 0, "attachment", "language"], "DocumentReference.content.attachment.language"),
        (["content", 0, "attachment", "url"], "DocumentReference.content.attachment.url"),
        (["content", 0, "format"], "DocumentReference.content.format"),
        (["context"], "DocumentReference.context"),
        (["context", "period", "start"], "DocumentReference.context.period.start"),
        (["context", "facilityType"], "DocumentReference.context.facilityType"),
        (["context", "practiceSetting"], "DocumentReference.context.practiceSetting"),
        (["context", "sourcePatientInfo"], "DocumentReference.context.sourcePatientInfo"),
    ],
)
def test_a_document_that_claims_pdsm_has_what_pdsm_requires(path, expected):
    assert [] == told(document_reference.check_document(DOCUMENT))

    assert expected in told(document_reference.check_document(changed(DOCUMENT, path, None)))


def test_a_document_that_claims_nothing_needs_nothing_of_pdsm():
    bare = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"url": "Binary/1"}}]}

    assert [] == document_reference.check_document(bare)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["docStatus"], "final", "DocumentReference.docStatus"),
        (["content"], [DOCUMENT["content"][0]] * 2, "DocumentReference.content"),
        (["content", 0, "attachment", "data"], "AAAA", "DocumentReference.content.attachment.data"),
        (["author"], [{"reference": "Organization/1"}], "DocumentReference.author[0]"),
        (
            ["securityLabel", 0, "coding", 0],
            {"system": A07, "code": "MASQUE_PSOCIAL"},
            "DocumentReference.securityLabel[0]",
        ),
        (["securityLabel", 0], {"text": "x"}, "DocumentReference.securityLabel[0]"),
        (["content", 0, "attachment", "hash"], "QUFB", "DocumentReference.content[0].attachment.hash"),
    ],
)
def test_a_document_that_claims_pdsm_has_nothing_that_pdsm_forbids(path, value, expected):
    assert expected in told(document_reference.check_document(changed(DOCUMENT, path, value)))


def test_what_the_drafts_cannot_know_is_a_warning():
    expressions = told(document_reference.check_document(DOCUMENT), "warning")

    assert {"DocumentReference.custodian", "DocumentReference.masterIdentifier.type"} < set(expressions)


def test_a_category_that_does_not_fit_the_type_is_what_the_rules_say():
    right = changed(DOCUMENT, ["category", 0, "coding", 0, "code"], "10")

    assert "DocumentReference.category" in told(document_reference.check_document(DOCUMENT), "warning")
    assert "DocumentReference.category" not in told(document_reference.check_document(right), "warning")


@pytest.mark.parametrize("code", ["N", "R", "V"])
def test_every_confidentiality_of_jdv_j58_is_accepted(code):
    labelled = changed(DOCUMENT, ["securityLabel", 0, "coding", 0, "code"], code)

    assert "DocumentReference.securityLabel[0]" not in told(document_reference.check_document(labelled))


def test_a_label_the_masking_rules_would_not_understand_is_refused_even_without_a_profile():
    document = {
        "resourceType": "DocumentReference",
        "securityLabel": [{"coding": [{"system": A07, "code": "MASQUE_PSOCIAL"}]}],
    }

    assert ["DocumentReference.securityLabel[0]"] == told(document_reference.check_document(document))


def test_a_simplified_publication_brings_its_content_or_has_been_moved():
    attachment = ["content", 0, "attachment"]
    moved = changed(changed(SIMPLE, [*attachment, "data"], None), [*attachment, "url"], "Binary/1")
    both = changed(SIMPLE, [*attachment, "url"], "Binary/1")
    neither = changed(SIMPLE, [*attachment, "data"], None)

    assert [] == told(document_reference.check_document(SIMPLE)) == told(document_reference.check_document(moved))
    assert ["DocumentReference.content.attachment.data"] == told(document_reference.check_document(both))
    assert ["DocumentReference.content.attachment.data"] == told(document_reference.check_document(neither))


def test_the_server_assigns_the_entry_uuid_of_a_simplified_publication():
    kind = {"coding": [{"system": document_reference.MHD_IDENTIFIERS, "code": "entryUUID"}]}
    document = changed(SIMPLE, ["identifier"], [{"type": kind, "system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}])

    assert ["DocumentReference.identifier[0]"] == told(document_reference.check_document(document))


def test_a_deleted_document_stays_valid():
    deleted = changed(DOCUMENT, ["status"], "entered-in-error")

    assert [] == told(document_reference.check_document(deleted))


def test_hash_and_size_are_those_of_the_content():
    content = b"un compte rendu"

    assert (b64encode(sha1(content).digest()).decode(), len(content)) == measured(content)


@pytest.mark.parametrize(
    ("attachment", "expected"),
    [
        ({}, []),
        ({"hash": measured(b"a")[0], "size": 1}, []),
        ({"hash": measured(b"b")[0], "size": 1}, ["hash"]),
        ({"size": 2}, ["size"]),
        ({"hash": "", "size": 0}, ["hash", "size"]),
    ],
)
def test_an_attachment_tells_the_truth_of_its_content(attachment, expected):
    assert expected == told(check_attachment(attachment, b"a"))


def test_the_submission_of_the_ans_tells_the_truth_of_its_content():
    assert [] == check_attachment(DOCUMENT["content"][0]["attachment"], binary.content_of(CONTENT))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/status", True),
        ("/status/0", False),
        ("/securityLabel", True),
        ("/securityLabel/0", True),
        ("/securityLabel/-", True),
        ("/securityLabel/0/coding/0/code", True),
        ("/extension/-", True),
        ("/extension/0/valueBoolean", True),
        ("/extension/1/valueString", False),
        ("/extension", False),
        (f"/extension[url:'{IS_ARCHIVED}']/valueBoolean", True),
        ("/extension[url:'http://x.example/a']/valueBoolean", False),
        ("DocumentReference.status", True),
        ("DocumentReference.securityLabel[0]", True),
        (f"DocumentReference.extension('{IS_ARCHIVED}').value", True),
        (f"DocumentReference.extension.where(url = '{IS_ARCHIVED}').valueBoolean", True),
        ("DocumentReference.subject", False),
        ("/subject", False),
        ("/content/0/attachment/url", False),
        ("/statusX", False),
        ("", False),
        ("/", False),
        ("/meta/security", False),
    ],
)
def test_only_status_labels_and_the_archive_flag_can_be_patched(path, expected):
    document = {"extension": [FLAG, {"url": "http://x.example/b", "valueString": "x"}]}

    assert expected == patchable(document, path)


def test_a_patch_is_judged_by_what_it_changed():
    archived = {
        **DOCUMENT,
        "status": "superseded",
        "securityLabel": [],
        "extension": [FLAG],
        "meta": {"versionId": "2"},
    }

    assert only_patchable_changed(DOCUMENT, archived)
    assert not only_patchable_changed(DOCUMENT, {**archived, "extension": [FLAG, {"url": "u", "valueCode": "x"}]})
    assert not only_patchable_changed(DOCUMENT, {**archived, "date": "2020-01-01T00:00:00Z"})


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
