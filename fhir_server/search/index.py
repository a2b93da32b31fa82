"""The index: a resource as what clauses are asked of.

May live here: from the values of a type's parameters to tokens, intervals, and the tokens that are there only because
of a reference. May not know: the envelope that holds them, the store, how a clause is written.

INVARIANT (one vocabulary): a token is `Type.code` and then `=value`, `^normalised`, `:identifier=value`, `:text^words`,
`:of-type=system|code|value`, `:Type.code` with one of these for what is contained, or `!` for a parameter that has any
value; or `#Type` for what holds a resource of a type. `search/{string,token,reference,uri,phonetic,inside}.py` and
`search/contained.py` ask for nothing else. Dates and numbers are intervals, and ask for their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from fhir_server.definitions.compartments import may_be_owned
from fhir_server.definitions.elements import Element, children
from fhir_server.definitions.expressions import spots_of
from fhir_server.definitions.paths import Extractor, needs, visitor
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search import composite, number, own, reference, rows
from fhir_server.search.extract import extractor
from fhir_server.search.own import remembered
from fhir_server.search.rows import Leave, Left
from fhir_server.search.supported import indexed, kind_of, profiled

# What the envelope answers by itself.
OF_THE_ENVELOPE = frozenset({"_id", "_lastUpdated"})


@dataclass(frozen=True, slots=True)
class Indexed:
    """What can be asked of a resource.

    `tokens` are distinct; `dates` holds `{lo, hi}` in microseconds by parameter; `numbers` holds `{key, lo, hi}`, whose
    keys begin with `Type.code`; `together` holds what stands within one element (`search/composite.py`); `place` is a
    point, where the resource has a position. `by_reference` gives for each reference that may be a mention (`Type/id`,
    `reference.mentioned`) the tokens that nothing but such references accounts for, presence tokens included: a token
    that two references account for stands under both.
    """

    tokens: list[str]
    dates: dict[str, list[dict[str, int]]] = field(default_factory=dict)
    by_reference: dict[str, list[str]] = field(default_factory=dict)
    numbers: number.Spans = field(default_factory=list)
    together: list[dict[str, Any]] = field(default_factory=list)
    place: dict[str, Any] | None = None

    def apart(self, mentioned: Collection[str]) -> tuple[list[str], dict[str, list[str]]]:
        """The tokens the resource has by itself, and those it has only through each of the `mentioned` (`Type/id`).

        A token goes to mentions only when nothing else accounts for it; then it stands under each of them, so that
        it is found as long as one of them may be seen.
        """
        through = {each: self.by_reference[each] for each in mentioned if each in self.by_reference}
        kept = {each for name, tokens in self.by_reference.items() if name not in through for each in tokens}
        moved = {each for tokens in through.values() for each in tokens} - kept
        own = [each for each in self.tokens if each not in moved]
        return own, {name: [each for each in tokens if each in moved] for name, tokens in through.items()}


def index_of(resource: dict[str, Any], base: str = "") -> Indexed:
    """The index of a resource whose `resourceType` R4 knows; a reference that begins with `base` is a local one."""
    type_ = resource["resourceType"]
    plan = _plan(type_)
    left = Left(resource, base, plan.markers)
    for needed, compose in plan.composites:
        if _has(resource, needed):
            compose(left)
    for extract, leave in plan.apart:
        for value, kind, _ in extract(resource):
            leave([value], kind, left)
    plan.walk(resource, left)
    for falling in plan.falling:
        if falling.property in resource:
            _fallen(falling, resource, left.sources)
            _stays(falling, resource, left.sources)
    tokens, sources = left.tokens, left.sources
    tokens.update(dict.fromkeys(sources))
    return Indexed(list(tokens), left.dates, _by_reference(sources), left.numbers, left.together, left.place)


def markers(type_: str) -> list[str]:
    """The tokens that say by which of one's own parameters an envelope was indexed."""
    return [each.marker for each in own.of(type_).values()]


def may_come_by_reference(type_: str, code: str, value: str = "") -> bool:
    """Whether `by_reference` can hold tokens of a parameter (of this value, if one is given).

    It finds references, URIs that read as one, or what cannot stand without one.
    """
    parameter = indexed(type_).get(code)
    if parameter is None:
        return False
    return (
        parameter.type == "reference"
        or (parameter.type == "uri" and not (value and reference.mentioned(value) is None))
        or composite.refers(parameter)
        or any(code in each.codes for each in _falling(type_))
    )


def _by_reference(sources: Mapping[str, set[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each, references in sources.items():
        if "" not in references:
            for here in references:
                found.setdefault(here, []).append(each)
    return found


def _fallen(falling: _Falling, resource: dict[str, Any], sources: dict[str, set[str]]) -> None:
    """The tokens of values that stand in an item with a reference it cannot do without: they go where it goes."""
    type_ = resource["resourceType"]
    items = resource[falling.property]
    for item in items if isinstance(items, list) else [items]:
        held = [item.get(name) for name in falling.references] if isinstance(item, dict) else []
        here = next((found for each in held if (found := reference.mentioned(reference.written(each) or ""))), "")
        alone = {"resourceType": type_, falling.property: [item]}
        for code in falling.codes:
            index, name = rows.forms(type_, kind_of(indexed(type_)[code])), f"{type_}.{code}"
            for value, datatype, _ in extractor(type_, code)(alone):
                for form in ("!", *index(value, datatype)):
                    sources.setdefault(name + form, set()).add(here)


def _stays(falling: _Falling, resource: dict[str, Any], sources: dict[str, set[str]]) -> None:
    """What a parameter of one's own finds besides in what falls with nothing: a union may look at both."""
    type_ = resource["resourceType"]
    codes = [code for code in falling.codes if code in own.of(type_)]
    if not codes:
        return
    gone = {each.property for each in _falling(type_)}
    rest = {name: each for name, each in resource.items() if name not in gone}
    for code in codes:
        index, name = rows.forms(type_, kind_of(indexed(type_)[code])), f"{type_}.{code}"
        for value, datatype, _ in extractor(type_, code)(rest):
            for form in ("!", *index(value, datatype)):
                sources.setdefault(name + form, set()).add("")


def _not_alone(resource: dict[str, Any], code: str, base: str) -> Iterator[tuple[str, list[str]]]:
    """What a reference leaves that stands in an item which falls with another one: nothing where both may be hidden.

    A token stands under one mention or another, and cannot stand under two at once.
    """
    type_ = resource["resourceType"]
    element = _beside(type_)[code]
    items = resource.get(element.name)
    for item in items if isinstance(items, list) else [items]:
        needed = _needed(item, element)
        for value, kind, _ in extractor(type_, code)({"resourceType": type_, element.name: [item]}):
            here, forms = rows.of_reference(value, kind, base)
            besides = needed - {here}
            if not besides:
                yield here, forms
            elif len(besides) == 1 and not _may_be_hidden(here):
                yield next(iter(besides)), forms


def _needed(item: Any, element: Element) -> set[str]:
    """What an item names and cannot stand without, as far as it may be hidden."""
    found: set[str] = set()
    for part in _parts(element) if isinstance(item, dict) else ():
        for name, ref in part.properties.items() if part.min else ():
            several = item.get(name)
            for each in several if isinstance(several, list) else [several]:
                if ref.code == "Reference":
                    found.add(reference.mentioned(reference.written(each) or "") or "")
                else:
                    found |= _needed(each, part)
    return set(filter(_may_be_hidden, found))


def _may_be_hidden(name: str) -> bool:
    """Whether something may be of a record; what is of none is hidden from nobody."""
    return may_be_owned(name.partition("/")[0])


@dataclass(frozen=True, slots=True)
class _Falling:
    """A repeated element that cannot stand without a reference in it, and the parameters that look inside it."""

    property: str
    references: tuple[str, ...]
    codes: tuple[str, ...]


@remembered
def _falling(type_: str) -> tuple[_Falling, ...]:
    """Such elements of a type: `relatesTo` of a DocumentReference, whose `target` is required, for `relation`.

    And `signature` of a Provenance, whose `who` is required, for `signature-type`.
    """
    found = []
    for element in children(type_).values():
        required = [
            name
            for each in _parts(element)
            if each.min and any(ref.code == "Reference" for ref in each.types)
            for name, ref in each.properties.items()
            if ref.code == "Reference"
        ]
        codes = [
            code
            for code, each in indexed(type_).items()
            if each.type in rows.TOKENS and _goes_through(element, code, each, type_)
        ]
        if required and codes:
            found.append(_Falling(element.name, tuple(required), tuple(codes)))
    return tuple(found)


@remembered
def _beside(type_: str) -> Mapping[str, Element]:
    """The reference parameters that look into an element which falls with another reference than theirs.

    `procedure-udi` of a Claim, whose `procedure` may be one that is hidden.
    """
    return {
        code: element
        for element in children(type_).values()
        for code, each in indexed(type_).items()
        if each.type == "reference"
        and code not in own.of(type_)
        and all(part.strip(" ()").startswith(f"{element.path}.") for part in each.expression.split("|"))
        and _requires(element) - {spot.element for spot in spots_of(each.expression, type_)}
    }


def _requires(element: Element) -> set[str]:
    """The paths of the references that an element cannot stand without."""
    found: set[str] = set()
    for part in _parts(element):
        if part.min and any(ref.code == "Reference" for ref in part.types):
            found.add(part.path)
        elif part.min:
            found |= _requires(part)
    return found


def _parts(element: Element) -> list[Element]:
    """What stands in an element of the type's own, or in a Signature."""
    return [
        part
        for each in element.types
        if each.code in ("BackboneElement", "Signature")
        for part in children(element.place(each)).values()
    ]


def _goes_through(element: Element, code: str, parameter: SearchParameter, type_: str) -> bool:
    if code not in own.of(type_):
        return parameter.expression.startswith(f"{element.path}.")
    return any(element.path in spot.trail for spot in spots_of(parameter.expression, type_))


Needed: TypeAlias = tuple[tuple[frozenset[str], ...], ...]


def _has(resource: dict[str, Any], needed: Needed) -> bool:
    """Whether of one of these the resource has a property of each set."""
    for each in needed:
        for names in each:
            if names.isdisjoint(resource):
                break
        else:
            return True
    return False


class _Plan(NamedTuple):
    """How resources of a type are indexed.

    `walk` goes through a resource once for the parameters that are plain paths; those of `composites` and those `apart`
    look for themselves.
    """

    walk: Callable[[dict[str, Any], Left], None]
    composites: tuple[tuple[Needed, Callable[[Left], None]], ...]
    apart: tuple[tuple[Extractor, Leave], ...]
    markers: tuple[str, ...]
    falling: tuple[_Falling, ...]


@remembered
def _plan(type_: str) -> _Plan:
    every = [each for code, each in indexed(type_).items() if code not in OF_THE_ENVELOPE and kind_of(each) != "age"]
    made = {each.code: _row(type_, each) for each in every if each.type != "composite"}
    walk, rest = visitor(
        type_,
        [code for code in made if code not in profiled(type_) and code not in own.of(type_)],
        lambda ends: rows.taking((made[code], kind) for code, kind, _ in ends),
    )
    rest += [code for code in made if code in profiled(type_) or code in own.of(type_)]
    return _Plan(
        walk,
        tuple((needs(type_, each.code), rows.composed(type_, each)) for each in every if each.type == "composite"),
        tuple((extractor(type_, code), made[code].leave()) for code in rest),
        tuple(markers(type_)),
        _falling(type_),
    )


def _row(type_: str, parameter: SearchParameter) -> rows.Row:
    code, name = parameter.code, f"{type_}.{parameter.code}"
    if code in _beside(type_):
        return rows.Row(name, rows.beside, lambda left: _not_alone(left.resource, code, left.base))
    return rows.row(type_, parameter)
