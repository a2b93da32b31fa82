"""patch: https://hl7.org/fhir/R4/http.html#patch, for a document's status, labels and archive flag (Flux 03, DMP-145).

JSON Patch (RFC 6902), and inside a submission the MHD form of FHIRPath Patch that supersedes a document. Any other
element is 405: documents are immutable once stored (DMP-131).
"""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import jsonpointer

from fhir_server.foundation.problem import Issue, Problem, bad_request, problem, unprocessable
from fhir_server.interactions import bodies, meant, update
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import as_stored
from fhir_server.resources.document_reference import only_patchable_changed, patchable
from fhir_server.resources.facts import IS_ARCHIVED
from fhir_server.resources.references import local_references

Operation = dict[str, Any]
DELETED = "entered-in-error"


def run(visit: Visit) -> FhirResponse:
    """200 with the new version; 404, 403, 405 for another element, 412, 422 for a result that does not hold."""
    operations = _operations(visit)
    if visit.route.row.conditional:
        found = meant.of(visit)
        if found is None:
            raise visit.unseen()
        visit.route = visit.route.at(found.key)
    before = update.current(visit)
    if before is None:
        raise visit.unseen()
    with update.telling(visit, before):
        after = patched(before.resource(), operations)
        whole = as_stored(visit.house, before, visit.unit)
        if whole.body == before.body:
            return update.land(visit, before, after)
        # what is hidden from the asker is mentioned by the document all the same, and stays so
        hidden = frozenset(local_references(whole.resource())) - frozenset(local_references(before.resource()))
        return update.land(visit, whole, _onto(whole.resource(), after), hidden)


def _onto(whole: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The whole document with what a patch may change, as it was made of the part of it that is shown."""
    made = {name: value for name, value in whole.items() if name not in ("status", "securityLabel")}
    made.update({name: after[name] for name in ("status", "securityLabel") if name in after})
    extensions = [
        *(each for each in whole.get("extension", ()) if each.get("url") != IS_ARCHIVED),
        *(each for each in after.get("extension", ()) if each.get("url") == IS_ARCHIVED),
    ]
    made.pop("extension", None)
    return {**made, "extension": extensions} if extensions else made


def patched(resource: dict[str, Any], operations: list[Operation]) -> dict[str, Any]:
    """The resource after the operations, checked. Raises Problem 405, 422."""
    for operation in operations:
        for name in ("path", "from"):
            path = operation.get(name)
            if path is not None and not patchable(resource, str(path)):
                raise problem(405, "not-supported", f"`{path}` cannot be patched", Allow="GET, HEAD, PATCH")
    try:
        after: dict[str, Any] = jsonpatch.JsonPatch([_aliased(resource, each) for each in operations]).apply(
            copy.deepcopy(resource)
        )
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as unfit:
        raise unprocessable((Issue("error", "processing", "the patch does not fit the resource"),)) from unfit
    for name in ("securityLabel", "extension"):
        if after.get(name) == []:
            del after[name]
    # a deletion is the one status that no submission may carry (DMP-135, K6)
    bodies.checked({**after, "status": "superseded"} if after.get("status") == DELETED else after)
    if not only_patchable_changed(resource, after):
        raise problem(405, "not-supported", "only status, securityLabel and the archive flag can be patched")
    return after


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
