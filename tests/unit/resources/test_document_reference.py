"""What the DMP asks of a document beyond R4: PDSm, labels, class, content, and what may change later (DMP-131)."""

from base64 import b64encode
from hashlib import sha1

import pytest

from fhir_server.resources import binary, document_reference
from fhir_server.resources.document_reference import check_attachment, measured, only_patchable_changed, patchable
from fhir_server.resources.facts import IS_ARCHIVED

from .walking import EXAMPLES, changed, resource_of, told

SUBMISSION = resource_of(EXAMPLES / "pdsm4dmp" / "Bundle-example-td2-iti65-lot-soumission.json")
_, DOCUMENT, CONTENT = (entry["resource"] for entry in SUBMISSION["entry"])
SIMPLE = resource_of(EXAMPLES / "pdsm4dmp" / "DocumentReference-example-td2-iti105-publication-simplifiee.json")
A07 = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
FLAG = {"url": IS_ARCHIVED, "valueBoolean": True}


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


def test_a_type_the_dmp_does_not_know_is_told():
    unknown = changed(DOCUMENT, ["type", "coding", 0, "code"], "nonsense")

    assert "DocumentReference.type" in told(document_reference.check_document(unknown), "warning")


def test_an_entry_uuid_is_a_uuid():
    kind = {"coding": [{"system": document_reference.MHD_IDENTIFIERS, "code": "entryUUID"}]}
    wrong = changed(DOCUMENT, ["identifier"], [{"type": kind, "value": "urn:oid:1.2"}])
    right = changed(DOCUMENT, ["identifier"], [{"type": kind, "value": "urn:uuid:1"}, {"value": "x"}])

    assert ["DocumentReference.identifier[0].value"] == told(document_reference.check_document(wrong))
    assert [] == told(document_reference.check_document(right))


def test_a_document_replaces_one_other():
    targets = [{"code": "replaces", "target": {"reference": f"DocumentReference/{at}"}} for at in range(2)]

    assert ["DocumentReference.relatesTo"] == told(
        document_reference.check_document(changed(DOCUMENT, ["relatesTo"], targets))
    )
    assert [] == told(document_reference.check_document(changed(DOCUMENT, ["relatesTo"], targets[:1])))


def test_a_label_of_nobody_we_know_needs_one_of_ours_beside_it():
    other = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}
    alone = changed(DOCUMENT, ["securityLabel"], [other])
    beside = changed(DOCUMENT, ["securityLabel"], [other, *DOCUMENT["securityLabel"]])

    assert ["DocumentReference.securityLabel"] == told(document_reference.check_document(alone))
    assert [] == told(document_reference.check_document(beside))


def test_a_status_of_another_vocabulary_is_refused():
    assert ["DocumentReference.status"] == told(
        document_reference.check_document(changed(DOCUMENT, ["status"], "draft"))
    )


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


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"hash": measured(b"a")[0], "size": 1}, []),
        ({"hash": measured(b"b")[0]}, ["DocumentReference.content[0].attachment.hash"]),
        ({"size": 2}, ["DocumentReference.content[0].attachment.size"]),
    ],
)
def test_a_content_within_the_document_is_held_against_its_hash_and_size(said, expected):
    """DMP-131, as of a content beside it: the simplified publish brings it inside (ITI-105)."""
    attachment = {"contentType": "text/plain", "data": "YQ ==\n", **said}
    document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}
    assert expected == told(document_reference.check_document(document))

    assert [] == told(document_reference.check_document(changed(document, ["content", 0, "attachment", "data"], "é")))


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
