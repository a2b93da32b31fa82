"""FHIRPath Patch: a Parameters resource whose operations change another (https://hl7.org/fhir/R4/fhirpatch.html).

May live here: the operations, and where their paths lead in a resource; each is said as JSON Patch, which does it. May
not know: who patches, what stands in the store. A path is made of element names, `[n]`, `.first()`, `.last()`,
`.extension('url')` and `.where(element = literal and …)`: a part of FHIRPath that names places and can compute nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.definitions.elements import children, properties
from fhir_server.foundation.problem import Issue, Problem, problem, unprocessable
from fhir_server.interactions import patched
from fhir_server.interactions.patched import Operation

_STEP = re.compile(
    r"""\.?(?:where\((?P<where>[^()]*)\)|extension\((?P<url>'[^']*')\)|(?P<end>first|last)\(\)
        |(?P<name>[A-Za-z][A-Za-z0-9]*)|\[(?P<index>\d{1,9})\])""",
    re.VERBOSE,
)
_CLAUSE = re.compile(r"\s*([A-Za-z][A-Za-z0-9.]*)\s*=\s*('[^']*'|true|false|-?\d+(?:\.\d+)?)\s*")
_PATH = 1_000


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a resource: the keys and indexes that lead there, and the definition of what stands below it."""

    keys: tuple[str | int, ...]
    place: str

    def pointer(self, *more: str | int) -> str:
        """As a JSON Pointer."""
        return "".join(f"/{each}" for each in (*self.keys, *more))


def applied(resource: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The resource after the operations, one after the other. Raises Problem 413, 422."""
    said = [each for each in parameters.get("parameter", []) if each.get("name") == "operation"]
    if not said or len(said) != len(parameters.get("parameter", [])):
        raise _wrong("a FHIRPath Patch is made of parameters named `operation`")
    if len(said) > patched.OPERATIONS:
        raise problem(413, "too-costly", f"a patch has at most {patched.OPERATIONS} operations")
    for each in said:
        resource = patched.applied(resource, _as_json(resource, _parts(each)))
    return resource


def _parts(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an operation by name; of `value` the whole part."""
    found: dict[str, Any] = {}
    for part in operation.get("part", []):
        if part["name"] in found:
            raise _wrong(f"an operation says `{part['name']}` once")
        value = next((each for name, each in part.items() if name.startswith("value")), None)
        found[part["name"]] = part if part["name"] == "value" else value
    return found


def _as_json(resource: dict[str, Any], parts: dict[str, Any]) -> list[Operation]:
    path = parts.get("path")
    if not isinstance(path, str) or len(path) > _PATH:
        raise _wrong("an operation has a `path`")
    match parts.get("type"):
        case "add":
            return _add(resource, path, parts)
        case "insert":
            spots = _found(resource, path)
            first = spots[0] if spots else None
            if first is None or not first.keys or not isinstance(first.keys[-1], int):
                raise _wrong(f"`{path}` is no list of the resource")
            at = Spot(_alone(resource, first).keys[:-1], first.place).pointer(_number(parts, "index", len(spots)))
            return [{"op": "add", "path": at, "value": _plain(parts, first.place)}]
        case "delete":
            found = _found(resource, path)
            if len(found) > 1:
                raise _wrong(f"`{path}` is more than one element")
            return [operation for spot in found for operation in _removal(resource, spot)]
        case "replace":
            spot = _one(resource, path)
            return _replacement(resource, spot, parts)
        case "move":
            spots = _found(resource, path)
            if not spots or not spots[0].keys or not isinstance(spots[0].keys[-1], int):
                raise _wrong(f"`{path}` is no list of the resource")
            many = len(spots) - 1
            source, target = (_number(parts, name, many) for name in ("source", "destination"))
            list_ = Spot(_alone(resource, spots[0]).keys[:-1], spots[0].place)
            return [{"op": "move", "from": list_.pointer(source), "path": list_.pointer(target)}]
    raise _wrong("the type of an operation is add, insert, delete, replace or move")


def _add(resource: dict[str, Any], path: str, parts: dict[str, Any]) -> list[Operation]:
    spot, name = _one(resource, path), parts.get("name")
    element = children(spot.place).get(str(name))
    if element is None:
        raise _wrong(f"`{str(name)[:64]}` is no element of `{path}`")
    key, value = _valued(parts, spot.place, element.name)
    node = _at(resource, spot.keys)
    if not element.repeats:
        if any(each in node for each in element.properties):
            raise _wrong(f"`{path}.{name}` is there already")
        return [{"op": "add", "path": spot.pointer(key), "value": value}]
    if key in node:
        return [{"op": "add", "path": spot.pointer(key, "-"), "value": value}]
    return [{"op": "add", "path": spot.pointer(key), "value": [value]}]


def _replacement(resource: dict[str, Any], spot: Spot, parts: dict[str, Any]) -> list[Operation]:
    if not spot.keys:
        raise _wrong("a resource is not replaced by a patch")
    *outer, last = spot.keys
    if isinstance(last, int):
        return [{"op": "replace", "path": spot.pointer(), "value": _plain(parts, spot.place)}]
    parent = Spot(tuple(outer), _place_of(resource, tuple(outer)))
    found = properties(parent.place).get(last)
    key, value = _valued(parts, parent.place, found.element.name) if found else (last, _plain(parts, spot.place))
    if key == last:
        return [{"op": "replace", "path": spot.pointer(), "value": value}]
    return [*_removal(resource, spot), {"op": "add", "path": parent.pointer(key), "value": value}]


def _alone(resource: dict[str, Any], spot: Spot) -> Spot:
    """The place, of which no list of extensions (`_name`) keeps count as well."""
    *outer, key, at = (*spot.keys, "") if isinstance(spot.keys[-1], str) else spot.keys
    if isinstance(at, int) and f"_{key}" in _at(resource, tuple(outer)):
        raise _wrong(f"`{key}` has extensions beside its values, and is replaced as a whole by an update")
    return spot


def _removal(resource: dict[str, Any], spot: Spot) -> list[Operation]:
    """Take away an element, and what stands beside a primitive (`_name`) with it."""
    if not spot.keys:
        raise _wrong("a resource is not deleted by a patch")
    *outer, last = _alone(resource, spot).keys
    made = [{"op": "remove", "path": spot.pointer()}]
    node = _at(resource, tuple(outer))
    if isinstance(last, str) and f"_{last}" in node:
        made.append({"op": "remove", "path": Spot(tuple(outer), "").pointer(f"_{last}")})
    return made


# --- values


def _plain(parts: dict[str, Any], place: str) -> Any:
    """The value of an operation, of a data type or made of parts."""
    part = parts.get("value")
    if not isinstance(part, dict):
        raise _wrong("an operation of this type has a `value`")
    value = next((each for name, each in part.items() if name.startswith("value")), None)
    return value if value is not None else _made(part.get("part", []), place)


def _valued(parts: dict[str, Any], place: str, name: str) -> tuple[str, Any]:
    """The JSON name and the value of an element: `valueQuantity` for the element `value` of type Quantity."""
    part = parts.get("value")
    if not isinstance(part, dict):
        raise _wrong("an operation of this type has a `value`")
    return _named(part, place, name)


def _named(part: Mapping[str, Any], place: str, name: str) -> tuple[str, Any]:
    element = children(place)[name]
    typed = next((each for each in part if each.startswith("value")), None)
    if typed is None:
        inner = next(iter(element.properties.values()))
        return next(iter(element.properties)), _made(part.get("part", []), element.place(inner))
    if not element.is_choice:
        return next(iter(element.properties)), part[typed]
    key = f"{name}{typed.removeprefix('value')}"
    if key not in element.properties:
        raise _wrong(f"`{name}` has no such type")
    return key, part[typed]


def _made(parts: list[Mapping[str, Any]], place: str) -> dict[str, Any]:
    """A backbone element of its named parts."""
    made: dict[str, Any] = {}
    for part in parts:
        element = children(place).get(str(part.get("name")))
        if element is None:
            raise _wrong(f"`{str(part.get('name'))[:64]}` is no element of `{place}`")
        key, value = _named(part, place, element.name)
        if element.repeats:
            made.setdefault(key, []).append(value)
        elif key in made:
            raise _wrong(f"`{key}` is said twice")
        else:
            made[key] = value
    return made


def _number(parts: dict[str, Any], name: str, most: int) -> int:
    found = parts.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
        raise _wrong(f"`{name}` is a place in the list")
    return found


# --- paths


def _one(resource: dict[str, Any], path: str) -> Spot:
    found = _found(resource, path)
    if len(found) != 1:
        raise _wrong(f"`{path}` is {'more than one element' if found else 'nothing'} of the resource")
    return found[0]


def _found(resource: dict[str, Any], path: str) -> list[Spot]:
    """The places a path leads to. Raises Problem 422 for what is no path of elements."""
    type_ = str(resource["resourceType"])
    rest = path.strip()
    if rest.partition(".")[0] != type_:
        raise _wrong(f"the path begins with `{type_}`")
    rest = rest.removeprefix(type_)
    spots = [Spot((), type_)]
    while rest:
        step = _STEP.match(rest)
        if step is None or not (rest.startswith((".", "["))):
            raise _wrong(f"`{path}` cannot be followed: elements, `[n]`, where, extension, first and last")
        spots = list(_steps(resource, spots, step))
        rest = rest[step.end() :]
    return spots


def _steps(resource: dict[str, Any], spots: list[Spot], step: re.Match[str]) -> Iterator[Spot]:
    if step["name"] is not None:
        yield from (each for spot in spots for each in _below(resource, spot, step["name"]))
    elif step["index"] is not None:
        yield from spots[int(step["index"]) :][:1]
    elif step["end"] is not None:
        yield from spots[:1] if step["end"] == "first" else spots[-1:]
    elif step["url"] is not None:
        for spot in (each for every in spots for each in _below(resource, every, "extension")):
            if _at(resource, spot.keys).get("url") == step["url"][1:-1]:
                yield spot
    else:
        clauses = [_CLAUSE.fullmatch(each) for each in re.split(r"\band\b", step["where"])]
        if not all(clauses):
            raise _wrong("`where` compares elements with literals")
        for spot in spots:
            if all(_holds(resource, spot, each[1], each[2]) for each in clauses if each):
                yield spot


def _holds(resource: dict[str, Any], spot: Spot, path: str, literal: str) -> bool:
    spots = [spot]
    for name in path.split("."):
        spots = [each for every in spots for each in _below(resource, every, name)]
    values = [_at(resource, each.keys) for each in spots]
    if literal.startswith("'"):
        return literal[1:-1] in values
    if literal in ("true", "false"):
        return any(each is (literal == "true") for each in values)
    return any(str(each) == literal for each in values if not isinstance(each, bool | str))


def _below(resource: dict[str, Any], spot: Spot, name: str) -> Iterator[Spot]:
    node = _at(resource, spot.keys)
    if not isinstance(node, dict):
        return
    place = str(node.get("resourceType", spot.place)) if spot.keys else spot.place
    element = children(place).get(name)
    if element is None:
        raise _wrong(f"`{name}` is no element of `{place}`")
    for key, type_ in element.properties.items():
        if key not in node:
            continue
        if isinstance(node[key], list):
            yield from (Spot((*spot.keys, key, at), element.place(type_)) for at in range(len(node[key])))
        else:
            yield Spot((*spot.keys, key), element.place(type_))


def _place_of(resource: dict[str, Any], keys: tuple[str | int, ...]) -> str:
    """The definition of what stands below a place."""
    place, node = str(resource["resourceType"]), resource
    for key in keys:
        node = node[key]  # type: ignore[index]
        if isinstance(key, str):
            found = properties(place)[key]
            place = found.element.place(found.type)
        if isinstance(node, dict) and "resourceType" in node:
            place = str(node["resourceType"])
    return place


def _at(resource: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        resource = resource[key]
    return resource


def _wrong(text: str) -> Problem:
    return unprocessable((Issue("error", "processing", text[:300]),))
