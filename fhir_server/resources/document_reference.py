"""Fiche: what the DMP asks of a DocumentReference beyond R4.

May live here: the rules of the profiles PDSm comprehensive and simplified publish
(https://interop.esante.gouv.fr/ig/fhir/pdsm/), of the DMP's labels and classes, of an attachment and its content, and
which elements may change later. May not know: who deposits it, where contents are kept, which patient it concerns.

The drafts that others deposit are older than the profile: what they cannot know yet (`custodian`,
`masterIdentifier.type`) is a warning. A deleted document stays as `entered-in-error`, which MHD lacks (DMP-135).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha1
from typing import Any

from fhir_server.definitions.identifiers import label_key
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.problem import Issue, Severity
from fhir_server.resources.binary import content_of
from fhir_server.resources.facts import IS_ARCHIVED, class_of
from fhir_server.resources.shape import Row, claims, codings, issues_of, nodes, text, values

Resource = Mapping[str, Any]

_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
COMPREHENSIVE = f"{_PDSM}pdsm-comprehensive-document-reference"
SIMPLIFIED = f"{_PDSM}pdsm-simplified-publish"
MHD_IDENTIFIERS = "https://profiles.ihe.net/ITI/MHD/CodeSystem/IHE.MHD.MHDIdentifierType"
STATUSES = ("current", "superseded", "entered-in-error")
_SHA1_BYTES = 20
_BASE64_SHA1 = re.compile(r"[A-Za-z0-9+/]{27}=")

_BOTH = (
    Row("modifierExtension", 0, 0),
    Row("masterIdentifier", 1, 1),
    Row("masterIdentifier.system", 1, 1),
    Row("masterIdentifier.value", 1, 1),
    Row("docStatus", 0, 0),
    Row("subject", 1, 1),
    Row("date", 1, 1),
    Row("author", 1, None),
    Row("authenticator", 0, 1),
    Row("custodian", 1, 1, "warning"),
    Row("content", 1, 1),
    Row("content.attachment.contentType", 1, 1),
    Row("content.attachment.title", 1, 1),
)
_COMPREHENSIVE_ROWS = (
    *_BOTH,
    Row("masterIdentifier.type", 1, 1, "warning"),
    Row("contained", 1, None),
    Row("type", 1, 1),
    Row("category", 1, 1),
    Row("securityLabel", 1, None),
    Row("content.attachment.language", 1, 1),
    Row("content.attachment.url", 1, 1),
    Row("content.attachment.data", 0, 0),
    Row("content.attachment.size", 1, 1),
    Row("content.attachment.hash", 1, 1),
    Row("content.attachment.creation", 1, 1),
    Row("content.format", 1, 1),
    Row("context", 1, 1),
    Row("context.period", 1, 1),
    Row("context.period.start", 1, 1),
    Row("context.facilityType", 1, 1),
    Row("context.practiceSetting", 1, 1),
    Row("context.sourcePatientInfo", 1, 1),
)
# `content.attachment.url` is for the server: it moves `data` to a Binary and keeps the claim.
_SIMPLIFIED_ROWS = (
    *_BOTH,
    Row("content.attachment.data content.attachment.url", 1, 1),
    Row("context.event", 0, 1),
)


def check_document(resource: Resource) -> list[Issue]:
    """What the DMP and the profiles that the document claims find wrong with it; R4 is checked elsewhere.

    Shapes: `meta.profile` says which rows apply; labels, class and attachment form are checked in every document.
    """
    issues = [*_labels(resource), *_class(resource), *_attachments(resource)]
    if claims(resource, COMPREHENSIVE):
        issues += [*issues_of(resource, _COMPREHENSIVE_ROWS, "pdsm-comprehensive-document-reference")]
        issues += [*_status(resource), *_unique_ids(resource), *_authors(resource), *_replaces(resource)]
    if claims(resource, SIMPLIFIED):
        issues += [*issues_of(resource, _SIMPLIFIED_ROWS, "pdsm-simplified-publish")]
        issues += [*_status(resource), *_unique_ids(resource), *_replaces(resource)]
    return issues


def measured(content: bytes) -> tuple[str, int]:
    """Hash (SHA-1, base64) and size (bytes) of a content, as Attachment has them."""
    return b64encode(sha1(content, usedforsecurity=False).digest()).decode(), len(content)


def check_attachment(attachment: Mapping[str, Any], content: bytes) -> list[Issue]:
    """Whether the attachment tells the truth of its content (DMP-131); what it does not say is not wrong.

    The expressions are relative to the attachment.
    """
    hash_, size = measured(content)
    found = []
    if "hash" in attachment and attachment["hash"] != hash_:
        found.append(Issue("error", "value", "`hash` is not the SHA-1 of the content", "hash"))
    if "size" in attachment and attachment["size"] != size:
        found.append(Issue("error", "value", f"`size` is not that of the content, {size} bytes", "size"))
    return found


# --- what may change (DMP-131, DMP-145) ---

_POINTER = re.compile(r"/(?P<name>status|securityLabel|extension)(?:/(?P<index>\d+|-)(?P<rest>(?:/[^/]+)*))?")
_URL_POINTER = re.compile(rf"/extension\[url:(?P<quote>['\"]?){re.escape(IS_ARCHIVED)}(?P=quote)\]/valueBoolean")
_FHIRPATH = re.compile(
    r"DocumentReference\.(?:status|securityLabel(?:\[\d+\])?(?:\.[A-Za-z\[\]\d]+)*"
    rf"|extension(?:\('{re.escape(IS_ARCHIVED)}'\)|\.where\(url\s*=\s*'{re.escape(IS_ARCHIVED)}'\))(?:\.value(?:Boolean)?)?)"
)


def patchable(resource: Resource, path: str) -> bool:
    """Whether a patch may touch what `path` names: status, security labels, the archive flag, and nothing else.

    `path` is a JSON Pointer, the ANS draft's `/extension[url:'…']/valueBoolean`, or a FHIRPath. A pointer into
    `extension` is judged by the extension that stands there; a new one by `only_patchable_changed` afterwards.
    """
    if _URL_POINTER.fullmatch(path) or _FHIRPATH.fullmatch(path):
        return True
    found = _POINTER.fullmatch(path)
    if found is None:
        return False
    if found["name"] == "status":
        return found["index"] is None
    if found["name"] == "securityLabel":
        return True
    present = nodes(resource, "extension")
    if found["index"] is None:
        return not present
    if found["index"] == "-":
        return True
    index = int(found["index"])
    return index >= len(present) or present[index].get("url") == IS_ARCHIVED


def only_patchable_changed(before: Resource, after: Resource) -> bool:
    """Whether two versions of a document differ in nothing but status, labels, archive flag, `meta` and narrative."""
    return _fixed(before) == _fixed(after)


def _fixed(resource: Resource) -> dict[str, Any]:
    kept = {name: each for name, each in resource.items() if name not in ("meta", "status", "securityLabel", "text")}
    rest = [each for each in nodes(resource, "extension") if each.get("url") != IS_ARCHIVED]
    kept.pop("extension", None)
    return {**kept, "extension": rest}


# --- single rules ---


def _status(resource: Resource) -> Iterator[Issue]:
    if resource.get("status") not in STATUSES:
        yield Issue("error", "code-invalid", "status is `current` or `superseded`", "DocumentReference.status")


def _labels(resource: Resource) -> Iterator[Issue]:
    """JDV_J58: what the rules of masking read, so a label they would not understand is refused."""
    known = profile_json("dmp/labels.json")
    claimed = claims(resource, COMPREHENSIVE)
    labels = codings(resource, "securityLabel")
    for at, concept in enumerate(nodes(resource, "securityLabel")):
        place = f"DocumentReference.securityLabel[{at}]"
        for coding in codings({"label": concept}, "label"):
            key = label_key(coding.get("system"), str(coding.get("code")))
            if key in known["dmp"]:
                continue
            ours = coding.get("system") in known["systems"]
            severity: Severity = "error" if ours and (claimed or key in known["codes"]) else "warning"
            yield Issue(severity, "code-invalid", "a label of JDV_J58 is expected", place)
        if not nodes(concept, "coding"):
            yield Issue("error", "required", "a label has a coding", place)
    if claimed and labels:
        keys = {label_key(each.get("system"), str(each.get("code"))) for each in labels}
        if keys.isdisjoint(known["dmp"]):
            yield Issue("error", "code-invalid", "one label of JDV_J58 is required", "DocumentReference.securityLabel")


def _class(resource: Resource) -> Iterator[Issue]:
    """The category must be the class that ASS_X16 derives from the type; the rules go by the derived one anyway."""
    classes = {found for coding in codings(resource, "type") if (found := class_of(coding))}
    if codings(resource, "type") and not classes and claims(resource, COMPREHENSIVE, SIMPLIFIED):
        text_ = "this type is not in JDV_J66: only the holder can read the document"
        yield Issue("warning", "code-invalid", text_, "DocumentReference.type")
    table = profile_json("dmp/document-classes.json")
    said = {
        coding.get("code")
        for coding in codings(resource, "category")
        if coding.get("system") in (table["system"], f"urn:oid:{table['oid']}")
    }
    if classes and said and said.isdisjoint(classes):
        severity: Severity = (
            "error" if profile_json("dmp/rules.json")["switches"]["wrong_category"] == "error" else "warning"
        )
        text_ = f"the category does not fit the type, which is of class `{'`, `'.join(sorted(classes))}`"
        yield Issue(severity, "business-rule", text_, "DocumentReference.category")


def _attachments(resource: Resource) -> Iterator[Issue]:
    for at, attachment in enumerate(nodes(resource, "content.attachment")):
        hash_ = attachment.get("hash")
        if hash_ is not None and not (isinstance(hash_, str) and _BASE64_SHA1.fullmatch(hash_)):
            place = f"DocumentReference.content[{at}].attachment.hash"
            yield Issue("error", "value", f"`hash` is a SHA-1: {_SHA1_BYTES} bytes in base64", place)
        try:
            wrong = check_attachment(attachment, content_of(attachment)) if "data" in attachment else []
        except ValueError:
            continue  # R4 names what is no base64
        for each in wrong:
            yield replace(each, expression=f"DocumentReference.content[{at}].attachment.{each.expression}")


def _unique_ids(resource: Resource) -> Iterator[Issue]:
    for at, identifier in enumerate(nodes(resource, "identifier")):
        kinds = {each.get("code") for each in codings(identifier, "type") if each.get("system") == MHD_IDENTIFIERS}
        if "entryUUID" not in kinds:
            continue
        place = f"DocumentReference.identifier[{at}]"
        if claims(resource, SIMPLIFIED):
            yield Issue("error", "structure", "the server assigns the entryUUID", place)
        elif not str(identifier.get("value")).startswith("urn:uuid:"):
            yield Issue("error", "value", "an entryUUID begins with `urn:uuid:`", f"{place}.value")


def _authors(resource: Resource) -> Iterator[Issue]:
    contained = {f"#{each.get('id')}": each.get("resourceType") for each in nodes(resource, "contained")}
    for at, author in enumerate(nodes(resource, "author")):
        reference = text(author, "reference") or ""
        kind = contained.get(reference) or reference.partition("/")[0]
        if kind == "Organization":
            yield Issue("error", "business-rule", "an author is a person or device", f"DocumentReference.author[{at}]")


def _replaces(resource: Resource) -> Iterator[Issue]:
    """One other is replaced, and there is one document that stands for it (DMP-136)."""
    if values(resource, "relatesTo.code").count("replaces") > 1:
        yield Issue("error", "business-rule", "a document replaces one other", "DocumentReference.relatesTo")
