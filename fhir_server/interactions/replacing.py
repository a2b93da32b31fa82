"""Replacing: a new document makes the one that it replaces `superseded`, in its own transaction (DMP-136, TD2.1).

May live here: what a new document replaces, and the patch of it that was not sent along. May not know: who may
supersede. The patch is the entry that MHD has for it (IHE.MHD.Patch.Parameters) and goes through `pipeline.handle` as
if it had been sent: under the same scope, decided, refused and noted alike, and in as many round trips (decisions 17).
https://profiles.ihe.net/ITI/MHD/ITI-65.html and, for a document that comes alone, ITI-105
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fhir_server.foundation.problem import Issue, Problem, unprocessable
from fhir_server.interactions import pipeline
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirRequest
from fhir_server.interactions.routes import match
from fhir_server.interactions.subject import of_instance
from fhir_server.resources.facts import owners_of
from fhir_server.resources.references import here
from fhir_server.resources.shape import nodes
from fhir_server.store.changes import Unit
from fhir_server.store.write import Write

TYPE = "DocumentReference"
SUPERSEDED = "superseded"
_PARTS = (
    ("type", "valueCode", "replace"),
    ("path", "valueString", f"{TYPE}.status"),
    ("value", "valueCode", SUPERSEDED),
)
SUPERSEDING: dict[str, Any] = {
    "resourceType": "Parameters",
    "parameter": [{"name": "operation", "part": [{"name": name, kind: value} for name, kind, value in _PARTS]}],
}
"""IHE.MHD.Patch.Parameters."""


def supersede(visit: Visit, id_: str, where: str = TYPE) -> None:
    """Supersede what the new document `id_` replaces, which is staged and stands at `where` in what was sent.

    What the same transaction leaves superseded already, and what was so before, stays as it is. What an operator puts
    under an id of his choice is no deposit, but stands as he says. Raises Problem as the patch would, and 422 where
    what is replaced is several, is not named by an address here, is of another patient, or is left otherwise by
    another entry.
    """
    unit = visit.unit
    made = _staged(unit, id_) if unit is not None and id_.startswith(f"{TYPE}/") else None
    if unit is None or made is None or made.method != "POST" or made.resource is None:
        return
    relations = enumerate(nodes(made.resource, "relatesTo"))
    replaced = [(at, each) for at, each in relations if each.get("code") == "replaces"]
    if len(replaced) > 1:
        raise _wrong("a document replaces one other", f"{where}.relatesTo[{replaced[1][0]}]")
    for at, relation in replaced:
        place = f"{where}.relatesTo[{at}].target"
        try:
            _supersede(visit, unit, made.resource, _target(relation, visit.request.base))
        except Problem as refused:
            # whatever it says is of the document that is replaced, which its asker knows by this name alone
            issues = tuple(replace(each, expression=place) for each in refused.issues)
            raise Problem(refused.status, issues, refused.headers) from refused


def _target(relation: Mapping[str, Any], base: str) -> str:
    """`Type/id` of the document that is named. Raises Problem 422."""
    target = here((relation.get("target") or {}).get("reference"), base)
    if target is None or not target.startswith(f"{TYPE}/"):
        # an identifier that names something hidden reads as one that names nothing (docs/adr/0017): neither is followed
        raise _wrong(f"name what is replaced by its address here, `{TYPE}/id`, or by `{TYPE}?identifier=…`")
    return target


def _supersede(visit: Visit, unit: Unit, document: dict[str, Any], target: str) -> None:
    request, standing = _patch(visit.request, target), _staged(unit, target)
    if standing is None:
        pipeline.handle(request, visit.principal, visit.house, visit.entry, unit)
        standing = _staged(unit, target)
    after = standing.resource if standing is not None else None
    if standing is not None and (after is None or after.get("status") != SUPERSEDED):
        raise _wrong("another entry leaves what is replaced otherwise than `superseded`")
    # it may be seen and was patched, or is superseded already: that it is of somebody else tells nothing any more
    owners = owners_of(after) if after is not None else of_instance(match(request), visit.house, unit).patients
    if set(owners) != set(owners_of(document)):
        raise _wrong("what a document replaces is of the same patient")


def _patch(request: FhirRequest, target: str) -> FhirRequest:
    """The entry that was not sent, of the request that replaces something."""
    return request.about(
        "PATCH",
        target,
        resource=SUPERSEDING,
        returning="minimal",
        native=False,
        if_match=None,
        if_none_match=None,
        if_modified_since=None,
        if_none_exist=None,
        entry="transaction",
        assigned=None,
        owner=None,
        meant=None,
        names=None,
    )


def _staged(unit: Unit, id_: str) -> Write | None:
    return next((each for each in unit.staged if each.id == id_), None)


def _wrong(text: str, where: str | None = None) -> Problem:
    return unprocessable((Issue("error", "business-rule", text, where),))
