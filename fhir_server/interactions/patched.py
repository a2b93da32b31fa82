"""Patched: what a resource becomes by JSON Patch (RFC 6902, https://hl7.org/fhir/R4/http.html#patch).

May live here: operations upon JSON, what they may not touch, and how far they may make it grow. May not know: who
patches, what stands in the store. What a patch empties is gone: FHIR knows no empty array or object
(https://hl7.org/fhir/R4/json.html).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonpatch
import jsonpointer

from fhir_server.foundation.problem import Issue, Problem, problem, unprocessable
from fhir_server.search.nearest import meant, shown

Operation = dict[str, Any]
OPERATIONS = 1_000
NODES = 200_000
DEPTH = 64
_OURS = (("resourceType",), ("id",), ("meta", "versionId"), ("meta", "lastUpdated"))
"""What the server owns of a resource."""
MEMBERS: dict[Any, tuple[str, ...]] = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}
"""The operations of RFC 6902, and what each has beside its `path`."""
_INDEX = re.compile(r"0|[1-9]\d{0,8}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_UNFIT = (
    jsonpatch.JsonPatchException,
    jsonpointer.JsonPointerException,
    TypeError,
    KeyError,
    ValueError,
    IndexError,
    AttributeError,
)


@dataclass(frozen=True, slots=True)
class Told:
    """Which operation of a patch is spoken of: its place from 0, of how many, what it does and where."""

    index: int
    many: int
    op: Any
    path: Any

    def __str__(self) -> str:
        op = f"`{shown(self.op)}`" if isinstance(self.op, str) else "it does not say what it does"
        where = f" of `{shown(self.path)}`" if isinstance(self.path, str) else ""
        return f"operation {self.index + 1} of {self.many} ({op}{where})"


def applied(resource: dict[str, Any], operations: list[Operation], where: str = "") -> dict[str, Any]:
    """The resource after the operations, one after the other.

    Raises Problem 422 where one of them does not fit or touches what the server owns, 413 where there are too many or
    they would make it too large. A refusal names the element, or `where` the patch itself is if that is given.
    """
    return finished(resource, stepped(resource, operations, where))


def stepped(resource: dict[str, Any], operations: list[Operation], where: str = "") -> Any:
    """What the operations make of the resource. Raises Problem 413, 422; of what stands there it tells no value."""
    if len(operations) > OPERATIONS:
        raise problem(413, "too-costly", f"a patch has at most {OPERATIONS} operations")
    after: Any = copy.deepcopy(resource)
    for index, each in enumerate(operations):
        told = Told(index, len(operations), each.get("op"), each.get("path"))
        element = where or pointed(str(resource["resourceType"]), each.get("path"))
        why = misfit(after, each)
        if why is not None:
            raise refused(told, why, element)
        try:
            after = jsonpatch.JsonPatch([each]).apply(after, in_place=True)
        except jsonpatch.JsonPatchTestFailed as unfit:
            raise refused(told, "another value stands there", element) from unfit
        except _UNFIT as unfit:
            raise refused(told, "it does not fit the resource", element) from unfit
        if each.get("op") == "copy" and not _is_small(after):
            raise problem(413, "too-costly", "the patch makes the resource too large")
    return after


def finished(resource: dict[str, Any], after: Any) -> dict[str, Any]:
    """The patched resource without what is empty in it. Raises Problem 422 where what the server owns was touched."""
    type_ = str(resource["resourceType"])
    if not isinstance(after, dict):
        raise unprocessable((Issue("error", "processing", "the patch leaves no resource", type_),))
    for path in _OURS:
        if _at(resource, path) != _at(after, path):
            name = ".".join(path)
            told = f"`{name}` is the server's and cannot be patched"
            raise unprocessable((Issue("error", "business-rule", told, f"{type_}.{name}"),))
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


def refused(told: Told, why: str, expression: str) -> Problem:
    """422 for an operation that does not fit the resource it is sent for."""
    return unprocessable((Issue("error", "processing", f"{told}: {why}", expression),))


def misfit(node: Any, operation: Operation) -> str | None:
    """Why an operation of JSON Patch cannot be done upon this; None where nothing is found against it.

    It says which member it lacks, or where a pointer ends: in the words of who sent it, never a value that stands here.
    """
    op = operation.get("op")
    if op not in MEMBERS:
        return f"there is no such operation{meant(str(op), MEMBERS)}; JSON Patch has {', '.join(MEMBERS)}"
    lacking = next((each for each in ("path", *MEMBERS[op]) if each not in operation), None)
    if lacking is not None:
        return f"it has no `{lacking}`"
    makes = op in ("add", "copy", "move")
    return (_astray(node, operation["from"]) if "from" in MEMBERS[op] else None) or _astray(
        node, operation["path"], makes=makes
    )


def _astray(node: Any, pointer: Any, *, makes: bool = False) -> str | None:
    """Where a JSON Pointer (RFC 6901) leaves what stands; what an operation `makes` need not be there before."""
    try:
        steps = jsonpointer.JsonPointer(pointer).parts
    except _UNFIT:
        return f"`{shown(str(pointer))}` is no JSON Pointer: it is empty or begins with `/`"
    for at, step in enumerate(steps):
        last = at == len(steps) - 1
        here = "/" + "/".join(_escaped(each) for each in steps[: at + 1])
        if isinstance(node, dict):
            if step not in node and not (makes and last):
                return f"nothing stands at `{shown(here)}`{meant(step, node)}"
            node = node.get(step)
        elif isinstance(node, list):
            if makes and last and step == "-":
                return None
            if not _INDEX.fullmatch(step):
                return f"`{shown(step)}` in `{shown(here)}` is no place of a list"
            if int(step) >= len(node) + (makes and last):
                return f"the list has no place `{shown(step)}` in `{shown(here)}`"
            node = node[int(step)] if int(step) < len(node) else None
        else:
            return f"`{shown(here)}` leads into what holds no elements"
    return None


def pointed(type_: str, pointer: Any) -> str:
    """The FHIRPath of the element that a JSON Pointer names, as far as it names one."""
    path = type_
    for step in str(pointer).split("/")[1:]:
        if _INDEX.fullmatch(step):
            path += f"[{step}]"
        elif _NAME.fullmatch(step):
            path += f".{step}"
        else:
            break
    return path


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


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
