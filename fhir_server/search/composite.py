"""Composite parameters (https://hl7.org/fhir/R4/search.html#composite): values joined by `$`, of one element.

Both halves. "Allows joining of search parameters that must be met by the same element": every element that holds the
components leaves one small document of what they leave, `{name, token, dates, numbers}`, and the components ask of it
what they would ask of the resource. So a code of one component never meets the value of another.

A composite with a reference among its components (`DocumentReference?relationship=…`) leaves tokens instead, one for
each pair, `Type/id$code`: what is there through a mention alone must go with it, and tokens do (docs/adr/0007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple, TypeAlias

from fhir_server.definitions.paths import Found, composite
from fhir_server.definitions.search_parameters import Component, SearchParameter
from fhir_server.foundation.predicate import NOTHING, Any_, Has, Predicate, Some, both, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.search import date, number, quantity, reference, string, token, uri
from fhir_server.search.escapes import escape, split
from fhir_server.search.query import Asked
from fhir_server.search.supported import supported

MODIFIERS: frozenset[str] = frozenset()

# What a component may be: every type but a composite.
CLAUSES: Mapping[str, Callable[[Asked, str], Predicate]] = {
    "string": string.clause,
    "token": token.clause,
    "reference": reference.clause,
    "date": date.clause,
    "uri": uri.clause,
    "number": number.clause,
    "quantity": quantity.clause,
}
TOKENS: Mapping[str, Callable[[Any, str], list[str]]] = {
    "string": string.index,
    "token": token.index,
    "uri": uri.index,
}
NUMBERS: Mapping[str, Callable[[Any, str], number.Spans]] = {"number": number.index, "quantity": quantity.index}


class Composed(NamedTuple):
    """What a composite leaves of a resource: small documents, or tokens with the local references they come from."""

    together: list[dict[str, Any]]
    sources: dict[str, set[str]]


def refers(parameter: SearchParameter) -> bool:
    """Whether a reference is among the components, so that elements may stand through a mention alone."""
    return any(each.type == "reference" for each in parameter.components)


def indexer(type_: str, parameter: SearchParameter) -> Callable[[dict[str, Any], str], Composed]:
    """What each element of a resource leaves in which every component has something that can be asked for.

    A function of the resource and of the address of this server.
    """
    find, name = composite(type_, parameter.code), f"{type_}.{parameter.code}"
    if refers(parameter):

        def paired(resource: dict[str, Any], base: str) -> Composed:
            left = Composed([], {})
            for held in find(resource):
                _joined(type_, parameter, held, base, left.sources)
            return left

        return paired
    parts = tuple(_part(type_, each) for each in parameter.components)

    def together(resource: dict[str, Any], _: str) -> Composed:
        return Composed([made for held in find(resource) if (made := _document(name, parts, held))], {})

    return together


def clause(asked: Asked, text: str) -> Predicate:
    """One value of the form `component$component`; Problem 400 for another number of them, or what one refuses.

    The clause of a first component that goes by tokens is asked of the resource as well: that is what an index serves.
    """
    pieces, components = split(text, "$"), asked.parameter.components
    if len(pieces) != len(components) or not all(pieces):
        names = "$".join(each.code for each in components)
        raise bad_request(f"`{asked.parameter.code}` takes `{names}`, one value for each, joined by `$`")
    clauses = [
        CLAUSES[each.type](_component(asked, each), piece) for each, piece in zip(components, pieces, strict=True)
    ]
    if refers(asked.parameter):
        return _pairs(asked, clauses)
    within = both(Has("name", asked.name), *clauses)
    if within == NOTHING:
        return NOTHING
    return both(*(each for each in clauses[:1] if _by_token(each)), Some("together", within))


def _component(asked: Asked, component: Component) -> Asked:
    """The component as if it were asked for alone; it has no modifier."""
    return replace(asked, parameter=supported(asked.type)[component.code], modifier=None)


def _by_token(clause: Predicate) -> bool:
    several = clause.of if isinstance(clause, Any_) else (clause,)
    return all(isinstance(each, Has) and each.field == "token" for each in several)


def _pairs(asked: Asked, clauses: Iterable[Predicate]) -> Predicate:
    """The tokens of every pairing of what the components ask for: of tokens alone, by exact value."""
    values = []
    for component, each in zip(asked.parameter.components, clauses, strict=True):
        several = each.of if isinstance(each, Any_) else (each,)
        begins = f"{asked.type}.{component.code}="
        values.append([str(one.value).removeprefix(begins) for one in several if isinstance(one, Has)])
    return one_of("token", [f"{asked.name}={_pair(each)}" for each in product(*values)])


def _pair(values: Iterable[str]) -> str:
    return "$".join(map(escape, values))


def _joined(
    type_: str, parameter: SearchParameter, held: Iterable[list[Found]], base: str, sources: dict[str, set[str]]
) -> None:
    """The tokens of one element, each with the local reference it comes from and "" for any other."""
    heres, values = {""}, []
    for component, found in zip(parameter.components, held, strict=True):
        forms: list[str] = []
        for value, kind, _ in found:
            if component.type == "reference":
                here, left = reference.index(value, kind, base)
                heres = {here}
            else:
                left = TOKENS[component.type](value, kind)
            forms += [each[1:] for each in left if each[0] == "="]
        values.append(forms)
    name = f"{type_}.{parameter.code}"
    for each in product(*values):
        for said in (f"{name}!", f"{name}={_pair(each)}"):
            sources.setdefault(said, set()).update(heres)


class _Left:
    """What the components leave of one element."""

    __slots__ = ("dates", "numbers", "tokens")

    def __init__(self) -> None:
        self.tokens: dict[str, None] = {}
        self.dates: dict[str, list[dict[str, int]]] = {}
        self.numbers: number.Spans = []


_Part: TypeAlias = Callable[[list[Found], _Left], bool]
"""Adds what one component leaves of what was found of it, and says whether that is anything."""


def _part(type_: str, component: Component) -> _Part:
    code, name = component.code, f"{type_}.{component.code}"
    if component.type in TOKENS:
        forms = TOKENS[component.type]

        def by_token(found: list[Found], left: _Left) -> bool:
            tokens = [name + form for value, kind, _ in found for form in forms(value, kind)]
            left.tokens.update(dict.fromkeys(tokens))
            return bool(tokens)

        return by_token
    if component.type in NUMBERS:
        spans = NUMBERS[component.type]

        def by_number(found: list[Found], left: _Left) -> bool:
            numbers = [each for value, kind, _ in found for each in number.named(name, spans(value, kind))]
            left.numbers += numbers
            return bool(numbers)

        return by_number

    def by_date(found: list[Found], left: _Left) -> bool:
        dates = [each for value, kind, _ in found for each in date.index(value, kind)]
        if dates:
            left.dates[code] = dates
        return bool(dates)

    return by_date


def _document(name: str, parts: tuple[_Part, ...], held: tuple[list[Found], ...]) -> dict[str, Any] | None:
    """The small document of one element; None where a component leaves nothing."""
    left = _Left()
    for part, found in zip(parts, held, strict=True):
        if not part(found, left):
            return None
    made: dict[str, Any] = {"name": name}
    if left.tokens:
        made["token"] = list(left.tokens)
    if left.dates:
        made["dates"] = left.dates
    if left.numbers:
        made["numbers"] = left.numbers
    return made
