"""FHIRPath Patch: a Parameters resource whose operations change another (https://hl7.org/fhir/R4/fhirpatch.html).

May live here: the operations, and what each does at the places its path leads to (`fhirpath_places.py`). May not know:
who patches, what stands in the store.

A primitive is changed with what stands beside it (`_name`), in arrays index by index. What is left of neither goes, and
what is beside none: https://hl7.org/fhir/R4/json.html#primitive.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fhir_server.definitions.elements import Element, primitive
from fhir_server.foundation.problem import Problem, problem
from fhir_server.interactions import patched
from fhir_server.interactions.fhirpath_places import Spot, at, found, list_of, offered, place_of, wrong
from fhir_server.search.nearest import meant, shown

_PATH = 1_000
TYPES = ("add", "insert", "delete", "replace", "move")


class Value(NamedTuple):
    """A value and what stands beside it, None for nothing of either."""

    value: Any
    beside: Any = None


def applied(resource: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The resource after the operations, one after the other. Raises Problem 413, 422."""
    said = [each for each in parameters.get("parameter", []) if each.get("name") == "operation"]
    if not said or len(said) != len(parameters.get("parameter", [])):
        raise wrong("a FHIRPath Patch is made of parameters named `operation`")
    if len(said) > patched.OPERATIONS:
        raise problem(413, "too-costly", f"a patch has at most {patched.OPERATIONS} operations")
    after = copy.deepcopy(resource)
    for index, each in enumerate(said):
        parts: dict[str, Any] = {}
        try:
            _gather(each, parts)
            _apply(after, parts)
        except Problem as unfit:
            what = patched.Told(index, len(said), parts.get("type"), parts.get("path"))
            raise patched.refused(what, str(unfit), f"Parameters.parameter[{index}]") from unfit
    return patched.finished(resource, after)


def _gather(operation: Mapping[str, Any], parts: dict[str, Any]) -> None:
    """The parts of an operation by name; of `value` the whole part."""
    for part in operation.get("part", []):
        if part["name"] in parts:
            raise wrong(f"an operation says `{shown(part['name'])}` once")
        value = next((each for name, each in part.items() if name.startswith("value")), None)
        parts[part["name"]] = part if part["name"] == "value" else value


def _apply(after: dict[str, Any], parts: dict[str, Any]) -> None:
    path = parts.get("path")
    if not isinstance(path, str) or len(path) > _PATH:
        raise wrong("an operation has a `path`")
    match parts.get("type"):
        case "add":
            _add(after, path, parts)
        case "insert":
            spot, element, key = list_of(after, path)
            items = _items(at(after, spot.beside), key)
            items.insert(_number(parts, "index", len(items)), _named(parts.get("value"), element)[1])
            _keep(_holder(after, spot), key, items)
        case "delete":
            _delete(after, path)
        case "replace":
            _replace(after, path, parts)
        case "move":
            spot, _, key = list_of(after, path)
            items = _items(at(after, spot.beside), key)
            source, target = (_number(parts, name, len(items) - 1) for name in ("source", "destination"))
            items.insert(target, items.pop(source))
            _keep(_holder(after, spot), key, items)
        case type_:
            near = meant(str(type_), TYPES) if type_ else ""
            raise wrong(f"the type of an operation is add, insert, delete, replace or move{near}")


def _add(after: dict[str, Any], path: str, parts: dict[str, Any]) -> None:
    spot, name = _one(after, path), str(parts.get("name"))
    known = offered(place_of(after, spot))
    element = known.get(name)
    if element is None:
        raise wrong(f"`{shown(name)}` is no element of `{path}`{meant(name, known)}")
    key, value = _named(parts.get("value"), element)
    node = at(after, spot.beside) or {}
    if element.repeats:
        _keep(_holder(after, spot), key, [*_items(node, key), value])
        return
    if any(each in node or f"_{each}" in node for each in element.properties):
        raise wrong(f"`{path}.{name}` is there already")
    _set(_holder(after, spot), key, value)


def _delete(after: dict[str, Any], path: str) -> None:
    spots = found(after, path)
    if len(spots) > 1:
        raise wrong(f"`{path}` is more than one element")
    for spot in spots:
        if not spot.keys:
            raise wrong("a resource is not deleted by a patch")
        _put(after, spot, Value(None))
        _tidy(after, spot.keys)


def _replace(after: dict[str, Any], path: str, parts: dict[str, Any]) -> None:
    spot = _one(after, path)
    if spot.element is None:
        raise wrong("a resource is not replaced by a patch")
    key, value = _named(parts.get("value"), spot.element)
    if isinstance(spot.keys[-1], str) and key != spot.keys[-1]:  # of another type: `valueString` for `valueQuantity`
        _put(after, spot, Value(None))
        spot = Spot((*spot.keys[:-1], key), "")
    _put(after, spot, value)


# --- what stands in JSON


def _one(resource: dict[str, Any], path: str) -> Spot:
    spots = found(resource, path)
    if len(spots) != 1:
        raise wrong(f"`{path}` is {'more than one element' if spots else 'nothing'} of the resource")
    return spots[0]


def _holder(after: dict[str, Any], spot: Spot) -> dict[str, Any]:
    """The object that holds what is below a spot; beside a primitive it is made where there is none."""
    if not spot.is_primitive:
        return _object(after, spot.keys)
    *outer, last = spot.keys
    if isinstance(last, int):
        holder, key = _object(after, outer[:-1]), str(outer[-1])
        items = _items(holder, key)
        items[last] = items[last]._replace(beside=items[last].beside or {})
        _keep(holder, key, items, tidy=False)
    else:
        _object(after, outer).setdefault(f"_{last}", {})
    return _object(after, spot.beside)


def _object(after: dict[str, Any], keys: Iterable[str | int]) -> dict[str, Any]:
    """The object at the keys, which a path was found to lead through."""
    node = at(after, keys)
    if not isinstance(node, dict):
        raise wrong("the path leads through what holds no elements")
    return node


def _put(after: dict[str, Any], spot: Spot, value: Value) -> None:
    """Have a value, and what is beside it, stand at a spot in place of what is there."""
    *outer, last = spot.keys
    if isinstance(last, str):
        _set(_object(after, outer), last, value)
        return
    holder, key = _object(after, outer[:-1]), str(outer[-1])
    items = _items(holder, key)
    items[last] = value
    _keep(holder, key, items)


def _set(holder: dict[str, Any], key: str, value: Value) -> None:
    for name, each in ((key, value.value), (f"_{key}", value.beside)):
        if each in (None, {}, []):
            holder.pop(name, None)
        else:
            holder[name] = each


def _items(node: Any, key: str) -> list[Value]:
    """The items of a list, each with what is beside it."""
    values, beside = (at(node, (name,)) or [] for name in (key, f"_{key}"))
    return [Value(at(values, (index,)), at(beside, (index,))) for index in range(max(len(values), len(beside)))]


def _keep(holder: dict[str, Any], key: str, items: Iterable[Value], *, tidy: bool = True) -> None:
    """Have these be the items of a list: two arrays as long as each other, or one where the other is all nulls."""
    kept = [Value(each.value, each.beside or None) for each in items] if tidy else list(items)
    kept = [each for each in kept if each != (None, None)]
    for name, array in ((key, [each.value for each in kept]), (f"_{key}", [each.beside for each in kept])):
        if all(each is None for each in array):
            holder.pop(name, None)
        else:
            holder[name] = array


def _tidy(after: dict[str, Any], keys: tuple[str | int, ...]) -> None:
    """Take away what stood beside a primitive and was emptied by a deletion further down, the innermost first."""
    for depth in range(len(keys) - 1, -1, -1):
        key, holder = keys[depth], at(after, keys[:depth])
        if not isinstance(key, str) or not key.startswith("_") or not isinstance(holder, dict):
            continue
        name = key[1:]
        if isinstance(holder.get(key), list):
            _keep(holder, name, _items(holder, name))
        else:
            _set(holder, name, Value(holder.get(name), holder.get(key)))


# --- values


def _named(part: Any, element: Element) -> tuple[str, Value]:
    """The JSON name and the value of an element: `valueQuantity` for the element `value` of type Quantity."""
    if not isinstance(part, dict):
        raise wrong("an operation of this type has a `value`")
    typed = next((name for each in part if (name := each.removeprefix("_")).startswith("value")), None)
    key, type_ = next(iter(element.properties.items()))
    if typed is None:
        if not part.get("part"):
            raise wrong("a `value` is of a data type, or made of parts")
        return key, Value(_made(part["part"], element.place(type_)))
    if element.is_choice:
        key = f"{element.name}{typed.removeprefix('value')}"
        if key not in element.properties:
            raise wrong(f"`{element.name}` has no such type{meant(key, element.properties)}")
    value = Value(part.get(typed), part.get(f"_{typed}"))
    if value.beside is not None and primitive(element.properties[key].code) is None:
        raise wrong(f"`{key}` is no primitive")
    return key, value


def _made(parts: list[Mapping[str, Any]], place: str) -> dict[str, Any]:
    """A backbone element of its named parts."""
    made: dict[str, Any] = {}
    known = offered(place)
    for part in parts:
        name = str(part.get("name"))
        element = known.get(name)
        if element is None:
            raise wrong(f"`{shown(name)}` is no element of `{place}`{meant(name, known)}")
        key, value = _named(part, element)
        if element.repeats:
            _keep(made, key, [*_items(made, key), value])
        elif any(each in made or f"_{each}" in made for each in element.properties):
            raise wrong(f"`{element.name}` is said twice")
        else:
            _set(made, key, value)
    return made


def _number(parts: dict[str, Any], name: str, most: int) -> int:
    number = parts.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
        raise wrong(f"`{name}` is a place in the list" + (f", from 0 to {most}" if most >= 0 else ", which is empty"))
    return number
