"""Lot de soumission et classeur: what PDSm asks of a List beyond R4.

May live here: the rules of pdsm-submissionset-comprehensive and pdsm-folder-comprehensive
(https://interop.esante.gouv.fr/ig/fhir/pdsm/). May not know: the documents listed, who submits them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.foundation.problem import Issue
from fhir_server.resources.shape import Row, claims, codings, extensions, issues_of, nodes

Resource = Mapping[str, Any]

_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
_MHD = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
SUBMISSION_SET = f"{_PDSM}pdsm-submissionset-comprehensive"
FOLDER = f"{_PDSM}pdsm-folder-comprehensive"
LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
DESIGNATION = f"{_MHD}ihe-designationType"
SOURCE_ID = f"{_MHD}ihe-sourceId"

_BOTH = (
    Row("subject", 1, 1),
    Row("date", 1, 1),
    Row("encounter", 0, 0),
    Row("orderedBy", 0, 0),
    Row("emptyReason", 0, 0),
    Row("entry.flag", 0, 0),
    Row("entry.deleted", 0, 0),
    Row("entry.date", 0, 0),
)
_SUBMISSION_SET_ROWS = (*_BOTH, Row("contained", 1, None), Row("source", 1, 1), Row("note", 0, 1))
_FOLDER_ROWS = (*_BOTH, Row("title", 1, 1), Row("source", 0, 0), Row("entry", 1, None))


def kind_of_list(resource: Resource) -> str | None:
    """`submissionset` or `folder` by the List's code (MHDlistTypes), None for any other List."""
    found = [each.get("code") for each in codings(resource, "code") if each.get("system") == LIST_TYPES]
    return next((code for code in ("submissionset", "folder") if code in found), None)


def check_list(resource: Resource) -> list[Issue]:
    """What the PDSm profile that the List claims finds wrong with it."""
    if claims(resource, SUBMISSION_SET):
        rows = issues_of(resource, _SUBMISSION_SET_ROWS, "pdsm-submissionset-comprehensive")
        return [*rows, *_common(resource, "submissionset"), *_once(resource, SOURCE_ID), *_unique_ids(resource)]
    if claims(resource, FOLDER):
        return [*issues_of(resource, _FOLDER_ROWS, "pdsm-folder-comprehensive"), *_common(resource, "folder")]
    return []


def _common(resource: Resource, code: str) -> Iterator[Issue]:
    if kind_of_list(resource) != code:
        yield Issue("error", "code-invalid", f"the code is `{code}` of `{LIST_TYPES}`", "List.code")
    if resource.get("status") != "current" and code == "submissionset":
        yield Issue("error", "code-invalid", "the status of a submission set is `current`", "List.status")
    if resource.get("mode") != "working":
        yield Issue("error", "code-invalid", "the mode is `working`", "List.mode")
    yield from _once(resource, DESIGNATION)


def _once(resource: Resource, url: str) -> Iterator[Issue]:
    if len(extensions(resource, url)) != 1:
        yield Issue("error", "required", f"the extension `{url}` stands exactly once", "List.extension")


def _unique_ids(resource: Resource) -> Iterator[Issue]:
    starts = {"uniqueId": "urn:oid:", "entryUUID": "urn:uuid:"}
    for at, identifier in enumerate(nodes(resource, "identifier")):
        for coding in codings(identifier, "type"):
            start = starts.get(str(coding.get("code")))
            if start and not str(identifier.get("value")).startswith(start):
                yield Issue("error", "value", f"it begins with `{start}`", f"List.identifier[{at}].value")
