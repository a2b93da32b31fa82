"""Patched: what a resource becomes by JSON Patch (RFC 6902, https://hl7.org/fhir/R4/http.html#patch).

May live here: operations upon JSON, what they may not touch, and how far they may make it grow. May not know: who
patches, what stands in the store. What a patch empties is gone: FHIR knows no empty array or object
(https://hl7.org/fhir/R4/json.html).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import jsonpatch
import jsonpointer

from fhir_server.foundation.problem import Issue, Problem, problem, unprocessable

Operation = dict[str, Any]
OPERATIONS = 1_000
NODES = 200_000
DEPTH = 64
_OURS = (("resourceType",), ("id",), ("meta", "versionId"), ("meta", "lastUpdated"))
"""What the server owns of a resource."""
_UNFIT = (
    jsonpatch.JsonPatchException,
    jsonpointer.JsonPointerException,
    TypeError,
    KeyError,
    ValueError,
    IndexError,
    AttributeError,
)


def applied(resource: dict[str, Any], operations: list[Operation]) -> dict[str, Any]:
    """The resource after the operations, one after the other.

    Raises Problem 422 where one of them does not fit or touches what the server owns, 413 where there are too many or
    they would make it too large.
    """
    if len(operations) > OPERATIONS:
        raise problem(413, "too-costly", f"a patch has at most {OPERATIONS} operations")
    after: Any = copy.deepcopy(resource)
    for each in operations:
        try:
            after = jsonpatch.JsonPatch([each]).apply(after, in_place=True)
        except _UNFIT as unfit:
            raise unfitting() from unfit
        if each.get("op") == "copy" and not _is_small(after):
            raise problem(413, "too-costly", "the patch makes the resource too large")
    if not isinstance(after, dict):
        raise unfitting()
    for path in _OURS:
        if _at(resource, path) != _at(after, path):
            told = f"`{'.'.join(path)}` is the server's and cannot be patched"
            raise unprocessable((Issue("error", "business-rule", told),))
    return _without_empty(after)


def texts(operations: Iterable[Any]) -> Iterator[str]:
    """Every string in the values of the operations."""
    left = [each.get("value") for each in operations if isinstance(each, dict)]
    while left:
        node = left.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict | list):
            left += node.values() if isinstance(node, dict) else node


def unfitting() -> Problem:
    """422 for a patch that does not fit the resource it is sent for."""
    return unprocessable((Issue("error", "processing", "the patch does not fit the resource"),))


def _at(node: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        node = node.get(step) if isinstance(node, dict) else None
    return node


def _is_small(root: Any) -> bool:
    """Whether it has so many nodes and is so deep as a body may be: a copy of a copy grows fast."""
    seen, level = 0, [root]
    for _ in range(DEPTH):
        seen += len(level)
        if seen > NODES:
            return False
        level = [
            each
            for node in level
            for each in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
        ]
        if not level:
            return True
    return False


def _without_empty(node: dict[str, Any]) -> dict[str, Any]:
    """The object without what is empty in it; a place in an array is kept, for what stands beside it."""
    made: dict[str, Any] = {}
    for name, each in node.items():
        kept = _kept(each)
        if kept not in ({}, []):
            made[name] = kept
    return made


def _kept(node: Any) -> Any:
    if isinstance(node, dict):
        return _without_empty(node)
    return [_kept(each) for each in node] if isinstance(node, list) else node
