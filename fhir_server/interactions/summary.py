"""Summaries: `_summary` and `_elements`, the parts of a resource that are asked for.

https://hl7.org/fhir/R4/search.html#summary and #elements; which element is part of a summary is said by its definition.
May live here: reading the two parameters, and cutting the stored text down to them. May not know: what may be seen; a
version is cut after its obligations are applied, and nothing is cut where nothing was asked.

What is mandatory stays in every form, and so does what changes the meaning of the rest (`isModifier`). The text of what
is kept is not touched, and whatever was cut is tagged SUBSETTED.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from fhir_server.definitions.elements import Element, TypeRef, children, properties
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions.request import Pairs
from fhir_server.resources import json_text
from fhir_server.search.nearest import meant, shown
from fhir_server.search.special import SUMMARIES as FORMS
from fhir_server.store.documents import Stored

NAMES = frozenset({"_summary", "_elements"})
SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "Resource encoded in summary mode",
}
_ALWAYS = frozenset({"resourceType", "id", "meta"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked of each resource: a form of summary, or of some types these elements and no others."""

    form: str = ""
    elements: tuple[tuple[str, frozenset[str]], ...] = ()


def of(types: Sequence[str], asked: Pairs, *, counted: bool = False) -> Shape | None:
    """The shape that the pairs of a query of these types ask for; None for whole resources, and for the count where it
    is `counted`.

    Raises Problem 400 for a form there is not, an element that none of the types has, and for both at once.
    """  # noqa: D205 - the sentence is the summary
    said: dict[str, str] = {}
    for name, value in asked:
        if name not in NAMES:
            continue
        if name in said:
            raise bad_request(f"`{name}` is said twice", name)
        said[name] = value
    form = said.get("_summary", "false")
    if form not in FORMS:
        raise bad_request(f"`_summary` is {_or(FORMS)}, not `{shown(form)}`{meant(form, FORMS)}", "_summary")
    if form == "count" and not counted:
        raise bad_request("`_summary=count` is asked of a search", "_summary", "not-supported")
    if "_elements" not in said:
        return None if form in ("false", "count") else Shape(form)
    if not types:
        raise bad_request("`_elements` is asked of types that are named", "_elements", "not-supported")
    if form != "false":
        raise bad_request("`_elements` and `_summary` are not asked for together", "_elements")
    return Shape("", tuple(_elements(types, said["_elements"]).items()))


def cut(shape: Shape | None, version: Stored) -> Stored:
    """The version as it is asked for; the same object where it is asked for whole."""
    if shape is None or (not shape.form and version.type not in dict(shape.elements)):
        return version  # "the list of elements does not apply to included resources"
    return replace(version, body=json_text.write(subset(shape, version.resource())))


def declared(version: Stored) -> Stored:
    """The version as it is shown beside others, or to who wrote it: a Binary whose content is left out says so."""
    if version.blob is None:
        return version
    return replace(version, body=json_text.write(_tagged(version.resource())))


def subset(shape: Shape, resource: dict[str, Any]) -> dict[str, Any]:
    """The part of a resource that is asked for, tagged SUBSETTED."""
    type_ = resource["resourceType"]
    match shape.form:
        case "true":
            kept = _summarised(resource, type_)
        case "data":
            kept = {name: value for name, value in resource.items() if name != "text"}
        case _:
            asked = frozenset({"text"}) if shape.form == "text" else dict(shape.elements).get(type_, frozenset())
            wanted = _mandatory(type_) | asked
            kept = {name: value for name, value in resource.items() if name.removeprefix("_") in wanted}
    return _tagged(kept)


def is_subset(resource: dict[str, Any]) -> bool:
    """Whether a resource says of itself that it is not whole."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return isinstance(tags, list) and any(
        isinstance(each, dict) and all(each.get(name) == SUBSETTED[name] for name in ("system", "code"))
        for each in tags
    )


def _elements(types: Sequence[str], text: str) -> dict[str, frozenset[str]]:
    """By type, the properties of the elements that are named: `name` of all types that have it, `Type.name` of one."""
    found: dict[str, frozenset[str]] = dict.fromkeys(types, frozenset())
    for each in text.split(","):
        owner, dot, rest = each.strip().rpartition(".")
        if dot and owner not in types:
            raise bad_request(
                f"`_elements` names elements of {types[0]} as `name` or `{types[0]}.name`, not `{shown(each)}`",
                "_elements",
            )
        name = rest.removesuffix("[x]")
        having = {type_: _properties(type_, name) for type_ in ((owner,) if dot else types)}
        if not any(having.values()):
            near = meant(name, {one for type_ in having for one in children(type_)})
            raise bad_request(f"{_or(tuple(having), '')} has no element `{shown(rest)}`{near}", "_elements")
        for type_, properties_ in having.items():
            found[type_] |= properties_
    return found


def _properties(type_: str, name: str) -> frozenset[str]:
    """The properties that an element's name stands for; none where the type has no such element."""
    known = children(type_)
    element = known.get(name) or next((one for one in known.values() if name in one.properties), None)
    if element is None:
        return frozenset()
    return frozenset([name] if name in element.properties else element.properties)


@cache
def _mandatory(type_: str) -> frozenset[str]:
    """The properties at the top of a type that stay in every form."""
    kept = [each for each in children(type_).values() if each.min or each.modifier]
    return _ALWAYS.union(*(each.properties for each in kept))


def _summarised(value: dict[str, Any], place: str) -> dict[str, Any]:
    known = properties(place)
    kept: dict[str, Any] = {}
    for name, each in value.items():
        found = known.get(name.removeprefix("_"))
        if name == "resourceType":
            kept[name] = each
        elif found is not None and (found.element.summary or found.element.min or found.element.modifier):
            kept[name] = each if name.startswith("_") else _below(each, found.element, found.type)
    return kept


def _below(value: Any, element: Element, type_: TypeRef) -> Any:
    if isinstance(value, list):
        return [_below(each, element, type_) for each in value]
    # an extension has its meaning in its value, and another resource is a whole of its own
    if not isinstance(value, dict) or type_.code in ("Extension", "Resource"):
        return value
    return _summarised(value, element.place(type_)) or value


def _tagged(resource: dict[str, Any]) -> dict[str, Any]:
    if is_subset(resource):
        return resource
    meta = resource.get("meta", {})
    tagged = {**meta, "tag": [*meta.get("tag", ()), SUBSETTED]}
    if "meta" in resource:
        return {**resource, "meta": tagged}
    head: dict[str, Any] = {name: resource[name] for name in ("resourceType", "id") if name in resource}
    return {**head, "meta": tagged, **{name: value for name, value in resource.items() if name not in head}}


def _or(words: Sequence[str], quote: str = "`") -> str:
    *others, last = (f"{quote}{each}{quote}" for each in words)
    return f"{', '.join(others)} or {last}" if others else last
