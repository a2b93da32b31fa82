"""Own search parameters: what a SearchParameter that somebody writes here makes searchable.

May live here: reading https://hl7.org/fhir/R4/searchparameter.html, and what of it is not accepted. May not know: which
there are at the moment (`search/own.py`), how a value is indexed.

INVARIANT (no new way in): nothing is searchable by what may be taken out of sight while the resource is shown. So a
path goes through no Reference, and into no element that falls with one, save where its tokens fall with it
(`search/index.py`); a link written as a uri is searched in definitions alone, which belong to no record.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fhir_server.definitions.elements import Element, children, element
from fhir_server.definitions.expressions import PathError, Spot, spots_of
from fhir_server.definitions.library import load, profile_json
from fhir_server.definitions.search_parameters import SearchParameter, parameters
from fhir_server.foundation.problem import Issue

LINKS = frozenset({"uri", "url", "canonical", "oid", "uuid"})
KINDS: Mapping[str, frozenset[str]] = {
    "string": frozenset({"string", "markdown", "HumanName", "Address"}),
    "token": frozenset(
        {"code", "boolean", "Coding", "CodeableConcept", "Identifier", "ContactPoint", "string", "id"} | LINKS
    ),
    "reference": frozenset({"Reference", "canonical"}),
    "date": frozenset({"date", "dateTime", "instant", "Period", "Timing"}),
    "number": frozenset({"integer", "decimal", "positiveInt", "unsignedInt"}),
    "quantity": frozenset({"Quantity", "Money", "Age", "Duration", "Count", "Distance", "Range", "SimpleQuantity"}),
    "uri": LINKS,
}
"""The types of the values that a parameter of each type can be searched by."""
FALLING = frozenset({"string", "token"})
"""The types of parameters whose tokens can go away with a reference."""
WITHOUT = frozenset({"AuditEvent", "Parameters"})
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9\-]{0,63}")
_PROFILED = "dmp/search-parameters.json"


def in_effect(resource: Mapping[str, Any]) -> bool:
    """Whether a SearchParameter is meant to be searched by: a draft or a retired one is kept, and nothing more."""
    return resource.get("status") == "active"


def kinds_of(type_: str, *, of_record: bool) -> frozenset[str]:
    """The types of the values that a parameter is searched by, upon a type of a record or one of none."""
    return KINDS[type_] - LINKS if of_record else KINDS[type_]


def faults(resource: Mapping[str, Any], of_record: Callable[[str], bool]) -> list[Issue]:
    """Why an active SearchParameter cannot be searched by here; [] for one that can, and for a draft or retired one.

    `of_record` says whether resources of a type belong to somebody's record.
    """
    if not in_effect(resource):
        return []
    code, type_ = resource.get("code", ""), resource.get("type", "")
    if type_ not in KINDS:
        return [_fault("type", f"`{type_}` parameters of one's own are not supported; {', '.join(KINDS)} are")]
    found: list[Issue] = []
    if not _CODE.fullmatch(code):
        found.append(_fault("code", "a code begins with a letter and has letters, digits and `-`, at most 64 of them"))
    if not resource.get("expression"):
        found.append(_fault("expression", "there is nothing to search by without an expression"))
        return found
    for at, base in enumerate(resource.get("base", ())):
        text = _why_not(resource, base, of_record)
        if text:
            found.append(_fault(f"base[{at}]" if text[0] == "base" else text[0], text[1]))
    return found


def parameters_of(resource: Mapping[str, Any]) -> Iterator[tuple[str, SearchParameter]]:
    """The parameter on each type it is for, of one without faults; what is published alike is there already."""
    for base in resource.get("base", ()) if in_effect(resource) else ():
        if _published(base, resource["code"]) is None:
            yield base, _parameter(resource, base)


def fingerprint(parameter: SearchParameter) -> str:
    """What an index made by a parameter depends on, as a short word."""
    said = json.dumps([parameter.code, parameter.type, parameter.expression, parameter.bases])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _why_not(resource: Mapping[str, Any], base: str, of_record: Callable[[str], bool]) -> tuple[str, str] | None:
    """The element that is at fault for a type, and what is wrong with it."""
    code, type_ = resource.get("code", ""), resource["type"]
    if not load().is_type(base) or base in WITHOUT:
        return "base", f"`{base}` cannot be searched by a parameter of one's own; name concrete resource types"
    published = _published(base, code)
    if published is not None:
        same = (published.url, published.type) == (resource.get("url"), type_)
        return None if same else ("code", f"{base} has a published search parameter `{code}`, which is another")
    expression = _part(resource["expression"], base, alone=len(resource["base"]) == 1)
    if not expression:
        return "expression", f"nothing in it begins with `{base}.`"
    try:
        spots = spots_of(expression, base)
    except PathError as unread:
        return "expression", str(unread)
    if not all(spot.first for spot in spots):
        return "expression", f"`{expression}` is no path from {base}"
    wanted = kinds_of(type_, of_record=of_record(base))
    if not any(spot.kind in wanted for spot in spots):
        kinds = ", ".join(sorted({spot.kind for spot in spots})[:5])
        return "type", f"a {type_} parameter cannot be searched by {kinds}"
    for spot in spots:
        if spot.kind in wanted:
            text = _hides(spot, type_, base)
            if text:
                return "expression", text
    return None


def _hides(spot: Spot, type_: str, base: str) -> str | None:
    """Why what stands at a spot could be found though it is taken out of sight, or None."""
    for path in spot.trail:
        if path.startswith(("Reference.", f"{base}.contained", f"{base}.text", f"{base}.meta")):
            return f"`{path}` cannot be searched by: what it is in may be withheld"
    for at, path in enumerate(spot.trail[:-1]):
        step = element(path)
        if step is None or not _falls(step):
            continue
        if at or type_ not in FALLING or not _falls_plainly(step):
            return f"`{path}` goes away with what it refers to, and a {type_} parameter within it would tell of that"
    return None


def _falls(step: Element, depth: int = 8) -> bool:
    """Whether an element cannot stand without a reference somewhere in it."""
    parts = [part for each in step.types if each.code != "Reference" for part in children(step.place(each)).values()]
    return any(part.min and (_refers(part) or (depth > 0 and _falls(part, depth - 1))) for part in parts)


def _falls_plainly(step: Element) -> bool:
    """Whether it falls with one reference directly in it, and nothing within it by itself: what the index knows."""
    if [each.code for each in step.types] != ["BackboneElement"]:
        return False
    parts = list(children(step.path).values())
    return sum(bool(part.min) and _refers(part) for part in parts) == 1 and not any(map(_falls, parts))


def _refers(part: Element) -> bool:
    return any(each.code == "Reference" for each in part.types)


def _published(base: str, code: str) -> SearchParameter | None:
    found = parameters(base).get(code)
    if found is not None:
        return found
    rows = (entry["resource"] for entry in profile_json(_PROFILED)["entry"])
    row = next((each for each in rows if base in each["base"] and each["code"] == code), None)
    if row is None:
        return None
    return SearchParameter(code, row["url"], row["type"], row["expression"], (), row["description"], (base,), ())


def _parameter(resource: Mapping[str, Any], base: str) -> SearchParameter:
    expression = _part(resource["expression"], base, alone=len(resource["base"]) == 1)
    spots = spots_of(expression, base)
    referred = [target for spot in spots if spot.kind == "Reference" for target in spot.targets]
    targets = resource.get("target") or dict.fromkeys(each for each in referred if load().is_type(each))
    return SearchParameter(
        code=resource["code"],
        url=resource["url"],
        type=resource["type"],
        expression=expression,
        targets=tuple(targets),
        description=resource.get("description", ""),
        bases=(base,),
        components=(),
    )


def _part(expression: str, base: str, *, alone: bool) -> str:
    """Of a union the operands that are of a type; all of it where there is no other type."""
    if alone:
        return expression
    own = re.compile(rf"\(*{base}\.")
    return " | ".join(each for each in map(str.strip, _operands(expression)) if own.match(each))


def _operands(expression: str) -> Iterator[str]:
    """What stands between the bars that are in no brackets and no text."""
    depth, quoted, begin = 0, False, 0
    for at, sign in enumerate(expression):
        if sign == "'":
            quoted = not quoted
        elif not quoted:
            depth += (sign == "(") - (sign == ")")
            if sign == "|" and not depth:
                yield expression[begin:at]
                begin = at + 1
    yield expression[begin:]


def _fault(where: str, text: str) -> Issue:
    return Issue("error", "not-supported", text, f"SearchParameter.{where}")
