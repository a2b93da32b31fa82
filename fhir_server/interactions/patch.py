"""patch: https://hl7.org/fhir/R4/http.html#patch, by JSON Patch (RFC 6902) or FHIRPath Patch.

A patch is an update said otherwise, and is decided as one. A document is patched in its status, labels and archive flag
alone (Flux 03, DMP-145), and inside a submission by the MHD form of FHIRPath Patch that supersedes it. Anything else
is 405: documents are immutable once stored (DMP-131).
"""

from __future__ import annotations

from typing import Any

from fhir_server.foundation.problem import Issue, Problem, bad_request, problem, unprocessable
from fhir_server.interactions import bodies, fhirpath_patch, meant, update
from fhir_server.interactions.patched import applied, stepped
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import as_stored
from fhir_server.resources.document_reference import only_patchable_changed, patchable
from fhir_server.resources.facts import IS_ARCHIVED, names_of
from fhir_server.resources.references import local_references
from fhir_server.store.documents import Stored
from fhir_server.store.naming import unseen

Operation = dict[str, Any]
DELETED = "entered-in-error"


def run(visit: Visit) -> FhirResponse:
    """200 with the new version; 404, 403, 405 for another element, 412, 422 for a result that does not hold."""
    document = visit.route.type == "DocumentReference"
    parameters = _parameters(visit) if document else None
    operations = _operations(visit) if document and parameters is None else []
    if visit.route.row.conditional:
        found = meant.of(visit)
        if found is None:
            raise visit.unseen()
        visit.route = visit.route.at(found.key)
    before = update.current(visit)
    if before is None:
        raise visit.unseen()
    shown = before.resource()
    with update.telling(visit, before):
        if parameters is not None:
            after = _finished(shown, fhirpath_patch.applied(shown, parameters))
        else:
            after = patched(shown, operations, _where(visit)) if document else _changed(visit, shown)
        return _landed(visit, before, after)


def landed(visit: Visit, before: Stored, after: dict[str, Any]) -> FhirResponse:
    """What is shown of a resource, changed otherwise than by a patch, lands as if one had changed it."""
    if before.type == "DocumentReference":
        return _landed(visit, before, _finished(before.resource(), after))
    return _landed(visit, before, update.ready(visit, after))


def _landed(visit: Visit, before: Stored, after: dict[str, Any]) -> FhirResponse:
    document, shown = before.type == "DocumentReference", before.resource()
    whole = as_stored(visit.house, before, visit.unit)
    if whole.body == before.body:
        return update.land(visit, before, after)
    # what is hidden from the asker is mentioned by the resource all the same, and stays so
    base = visit.request.base
    hidden = frozenset(local_references(whole.resource(), base)) - frozenset(local_references(shown, base))
    # a name that he guessed is refused as that of what is absent, though it stands there already
    for name in sorted((names_of(after, base) - names_of(shown, base)) & hidden):
        raise unseen(after, name, visit.request.where, base)
    made = _onto(whole.resource(), after) if document else _kept_of(whole.resource(), shown, after)
    # the order of its elements is the one it has where nothing is hidden, or it would tell that something is
    ordered = {name: made[name] for name in after if name in made} | made
    return update.land(visit, whole, ordered, hidden)


def _changed(visit: Visit, shown: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a resource, as the patch leaves it and an update would have it. Raises Problem 400 to 422."""
    operations, parameters = visit.request.patch, visit.request.resource
    if operations is not None:
        if not all(isinstance(each, dict) and isinstance(each.get("op"), str) for each in operations):
            raise bad_request("a JSON Patch is an array of operations")
        return update.ready(visit, _linked(visit, shown, applied(shown, operations, _where(visit))))
    if parameters is None or parameters.get("resourceType") != "Parameters":
        raise problem(415, "not-supported", "send `application/json-patch+json`, or Parameters as a FHIRPath Patch")
    bodies.checked(parameters)
    return update.ready(visit, _linked(visit, shown, fhirpath_patch.applied(shown, parameters)))


def _linked(visit: Visit, shown: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What a patch in a transaction leaves, with the links it brings to other entries put in place. Raises Problem 400.

    What says where a link stands is the resource alone: a JSON Patch may bring it in pieces.
    """
    names = visit.request.names
    return after if names is None else bodies.linked(after, names, shown)


def _where(visit: Visit) -> str:
    """Where a JSON Patch stands in a transaction, whose entry has it as a Binary; "" for one that came alone."""
    return f"{visit.request.where}.resource" if visit.request.where else ""


def _kept_of(whole: dict[str, Any], shown: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The whole resource with every element that the patch changed of the part of it that is shown."""
    kept = {name: each for name, each in whole.items() if name not in shown or name in after}
    return kept | {name: each for name, each in after.items() if each != shown.get(name)}


def _onto(whole: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The whole document with what a patch may change, as it was made of the part of it that is shown."""
    made = {name: value for name, value in whole.items() if name not in ("status", "securityLabel")}
    made.update({name: after[name] for name in ("status", "securityLabel", "meta") if name in after})
    extensions = [
        *(each for each in whole.get("extension", ()) if each.get("url") != IS_ARCHIVED),
        *(each for each in after.get("extension", ()) if each.get("url") == IS_ARCHIVED),
    ]
    made.pop("extension", None)
    return {**made, "extension": extensions} if extensions else made


def patched(resource: dict[str, Any], operations: list[Operation], where: str = "") -> dict[str, Any]:
    """The document after the operations, checked. Raises Problem 405, 413, 422."""
    for operation in operations:
        for name in ("path", "from"):
            path = operation.get(name)
            if path is not None and not patchable(resource, str(path)):
                raise problem(405, "not-supported", f"`{path}` cannot be patched", Allow="GET, HEAD, PATCH")
    after = stepped(resource, [_aliased(resource, each) for each in operations], where)
    if not isinstance(after, dict):
        raise unprocessable((Issue("error", "processing", "the patch leaves no resource", "DocumentReference"),))
    return _finished(resource, after)


def _finished(resource: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """A patched document, checked. Raises Problem 405, 422."""
    for name in ("securityLabel", "extension"):
        if after.get(name) == []:
            del after[name]
    # a deletion is the one status that no submission may carry (DMP-135, K6)
    bodies.checked({**after, "status": "superseded"} if after.get("status") == DELETED else after)
    if not only_patchable_changed(resource, after):
        raise problem(405, "not-supported", "only status, securityLabel and the archive flag can be patched")
    return after


def _parameters(visit: Visit) -> dict[str, Any] | None:
    """The FHIRPath Patch of a document, which in a transaction is MHD's alone."""
    resource = visit.request.resource
    if visit.request.patch is not None or visit.request.entry == "transaction" or resource is None:
        return None
    if resource.get("resourceType") != "Parameters":
        return None
    bodies.checked(resource)
    return resource


def _operations(visit: Visit) -> list[Operation]:
    if visit.request.patch is not None:
        if not all(isinstance(each, dict) and isinstance(each.get("op"), str) for each in visit.request.patch):
            raise bad_request("a JSON Patch is an array of operations")
        return visit.request.patch
    resource = visit.request.resource
    if visit.request.entry == "transaction" and resource and resource.get("resourceType") == "Parameters":
        bodies.checked(resource)
        return [_superseding(resource)]
    raise Problem(415, problem(415, "not-supported", "send `application/json-patch+json`").issues)


def _superseding(parameters: dict[str, Any]) -> Operation:
    """IHE.MHD.Patch.Parameters: one replacement of DocumentReference.status by superseded (TD2.1)."""
    found = [each for each in parameters.get("parameter", []) if each.get("name") == "operation"]
    parts = {
        part.get("name"): next((value for name, value in part.items() if name.startswith("value")), None)
        for each in found[:1]
        for part in each.get("part", [])
    }
    if len(found) != 1 or (parts.get("type"), parts.get("path")) != ("replace", "DocumentReference.status"):
        raise problem(
            405, "not-supported", "only DocumentReference.status may be patched here", Allow="GET, HEAD, PATCH"
        )
    return {"op": "replace", "path": "/status", "value": parts.get("value")}


def _aliased(resource: dict[str, Any], operation: Operation) -> Operation:
    """The draft's `/extension[url:'…']/valueBoolean` as the pointer it means."""
    path = str(operation.get("path", ""))
    if not path.startswith("/extension[url:"):
        return operation
    url = path[len("/extension[url:") :].partition("]")[0].strip("'\"")
    extensions = resource.get("extension", [])
    index = next((at for at, each in enumerate(extensions) if each.get("url") == url), None)
    if index is not None:
        return {**operation, "path": f"/extension/{index}/valueBoolean"}
    value = {"url": url, "valueBoolean": operation.get("value")}
    if not extensions:
        return {"op": "add", "path": "/extension", "value": [value]}
    return {"op": "add", "path": "/extension/-", "value": value}
