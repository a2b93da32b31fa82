"""Rows: what the values of each parameter leave in an index.

May live here: of each kind of parameter, from values to tokens, intervals and the reference that a token comes from;
the vocabulary is that of `index.py`. May not know: where in a resource the values stand.

Parameters that look at the same values leave what they leave under several names: a value is read once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from fhir_server.definitions.paths import Take
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search import composite, date, inside, near, number, phonetic, reference, token, uri
from fhir_server.search.supported import kind_of

TOKENS = {**composite.TOKENS, "phonetic": phonetic.index}
Sources: TypeAlias = dict[str, set[str]]
"""By token the references it comes from (`Type/id`), "" for anything else."""
Forms: TypeAlias = Callable[[Any, str], list[str]]
Naming: TypeAlias = Callable[[Any, str, str], tuple[str, list[str]]]
"""Of a value, its kind and the address of this server: the local reference it names, "" for none, and its forms."""


class Left:
    """What the parameters have left so far of a resource, whose references begin with `base` where they are local."""

    __slots__ = ("base", "dates", "numbers", "place", "resource", "sources", "together", "tokens")

    def __init__(self, resource: dict[str, Any], base: str, tokens: Iterable[str]) -> None:
        self.resource = resource
        self.base = base
        self.tokens: dict[str, None] = dict.fromkeys(tokens)
        self.dates: dict[str, list[dict[str, int]]] = {}
        self.numbers: number.Spans = []
        self.together: list[dict[str, Any]] = []
        self.sources: Sources = {}
        self.place: dict[str, Any] | None = None


Leave: TypeAlias = Callable[[list[Any], str, Left], None]
"""Adds what values of one kind leave."""


class Row(NamedTuple):
    """One parameter: its name (`Type.code`), what makes its `Leave` for it and others alike, and what that goes by."""

    name: str
    make: Callable[[tuple[str, ...], Any], Leave]
    by: Any = None

    def leave(self) -> Leave:
        """That of this parameter alone."""
        return self.make((self.name,), self.by)


def row(type_: str, parameter: SearchParameter) -> Row:
    """The row of a parameter that is no composite."""
    name, kind = f"{type_}.{parameter.code}", kind_of(parameter)
    if kind == "near":
        return Row(name, _placed)
    if kind == "date":
        return Row(name, _dated)
    if kind in _NAMING:
        return Row(name, _named, _NAMING[kind])
    if kind in composite.NUMBERS:
        return Row(name, _numbered, composite.NUMBERS[kind])
    return Row(name, _worded, forms(type_, kind))


def taking(ends: Iterable[tuple[Row, str]]) -> Take:
    """What is done with values that several parameters look at, each as of a kind; a value is read once for those
    that read it alike.
    """  # noqa: D205 - the sentence is the summary
    alike: dict[tuple[Any, Any, str], list[str]] = {}
    for each, kind in ends:
        alike.setdefault((each.make, each.by, kind), []).append(each.name)
    all_ = tuple((make(tuple(names), by), kind) for (make, by, kind), names in alike.items())
    if len(all_) == 1:
        ((only, of),) = all_
        return lambda values, left: only(values, of, left)

    def take(values: list[Any], left: Left) -> None:
        for leave, kind in all_:
            leave(values, kind, left)

    return take


@cache
def forms(type_: str, kind: str) -> Forms:
    """What a value leaves of itself; of a trace only what it is commonly asked by (`parse.modifiers_of`)."""
    index = TOKENS[kind]
    if kind != "token" or type_ == "AuditEvent":
        return index
    return lambda value, datatype: [*index(value, datatype), *token.worded(value, datatype)]


def composed(type_: str, parameter: SearchParameter) -> Callable[[Left], None]:
    """Adds what a composite leaves: it is there when an element has all its components."""
    index, presence = composite.indexer(type_, parameter), f"{type_}.{parameter.code}!"

    def compose(left: Left) -> None:
        together, sources = index(left.resource, left.base)
        if together:
            left.together += together
            left.tokens[presence] = None
        for said, references in sources.items():
            left.sources.setdefault(said, set()).update(references)

    return compose


def beside(names: tuple[str, ...], named: Callable[[Left], Iterable[tuple[str, list[str]]]]) -> Leave:
    """Of a parameter that is read from the resource and not from its values; it is there where that finds something."""

    def leave(_: list[Any], __: str, left: Left) -> None:
        _note(names, named(left), left.sources)

    return leave


def of_reference(value: Any, kind: str, base: str) -> tuple[str, list[str]]:
    """The `Type/id` it may mention, and its forms; a resource in its place is no mention."""
    here, left = reference.index(value, kind, base)
    return "" if isinstance(value, dict) and kind != "Reference" else here, left


def _of_uri(value: Any, kind: str, _: str) -> tuple[str, list[str]]:
    """A URI that reads as a resource of this server is shown to nobody who does not see that."""
    return (isinstance(value, str) and reference.mentioned(value)) or "", uri.index(value, kind)


_NAMING: dict[str, Naming] = {"reference": of_reference, "uri": _of_uri}
"""The kinds of parameters whose values may name a resource: which, and the tokens."""


def _named(names: tuple[str, ...], naming: Naming) -> Leave:
    is_reference = naming is of_reference

    def leave(values: list[Any], kind: str, left: Left) -> None:
        _note(names, [naming(value, kind, left.base) for value in values], left.sources)
        if is_reference and "contained" in left.resource:
            for name in names:
                left.tokens.update(dict.fromkeys(inside.index(name, values, left.resource)))

    return leave


def _note(names: tuple[str, ...], named: Iterable[tuple[str, list[str]]], sources: Sources) -> None:
    """The tokens of parameters by what each comes from: the local reference that was `named`, "" for any other."""
    for here, left in named:
        for name in names:
            for said in (f"{name}!", *[name + form for form in left]):
                if said in sources:
                    sources[said].add(here)
                else:
                    sources[said] = {here}


def _placed(names: tuple[str, ...], _: None) -> Leave:
    def leave(values: list[Any], __: str, left: Left) -> None:
        at = near.point(values[0])
        if at:
            left.place = {"type": "Point", "coordinates": at}
            left.tokens.update(dict.fromkeys(f"{name}!" for name in names))

    return leave


def _dated(names: tuple[str, ...], _: None) -> Leave:
    codes = tuple((f"{name}!", name.partition(".")[2]) for name in names)

    def leave(values: list[Any], kind: str, left: Left) -> None:
        spans = [span for value in values for span in date.index(value, kind)]
        for presence, code in codes:
            left.tokens[presence] = None
            if spans:
                left.dates[code] = [*left.dates.get(code, ()), *spans]

    return leave


def _numbered(names: tuple[str, ...], index: Callable[[Any, str], number.Spans]) -> Leave:
    def leave(values: list[Any], kind: str, left: Left) -> None:
        spans = [span for value in values for span in index(value, kind)]
        for name in names:
            left.tokens[f"{name}!"] = None
            left.numbers += number.named(name, spans)

    return leave


def _worded(names: tuple[str, ...], index: Forms) -> Leave:
    said = tuple((name, f"{name}!") for name in names)

    def leave(values: list[Any], kind: str, left: Left) -> None:
        tokens = left.tokens
        found = [form for value in values for form in index(value, kind)]
        for name, presence in said:
            tokens[presence] = None
            for form in found:
                tokens[name + form] = None

    return leave
