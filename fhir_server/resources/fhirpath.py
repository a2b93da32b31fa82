"""FHIRPath: the invariants of R4, compiled to Python closures.

May live here: the part of http://hl7.org/fhirpath/N1/ that the invariants of https://hl7.org/fhir/R4/ are written in.
May not know: which invariants there are (`invariants.py`). Expressions that users send are not for this module: it
knows what it compiles, and refuses to compile the rest.

An expression is compiled for the places (types or backbone elements) it is asked of, so that a step is a look into a
dict under names known beforehand. Collections are lists of JSON values; `BARE` stands for a primitive that has
extensions and no value. An empty result is None where a truth is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from fhir_server.definitions.elements import children
from fhir_server.definitions.library import load
from fhir_server.resources.fhirpath_grammar import Node, Unsupported, parse
from fhir_server.resources.fhirpath_words import (
    BARE,
    LOGIC,
    OPERATORS,
    SINGLE,
    WHOLE,
    Items,
    Scope,
    Truth,
    combine,
    intersect,
    is_of,
    listed,
)

UCUM = "http://unitsofmeasure.org"
# Types or backbone elements the values may be of; None where nobody knows (descendants).
Places: TypeAlias = tuple[str, ...] | None


class Compiled(NamedTuple):
    """An expression as a function from `$this` to a list, and where the values of the list stand."""

    items: Items
    places: Places


def compile_truth(expression: str, place: str, resource: str) -> Truth:
    """The expression as a function that answers True, False, or None for an empty result.

    `place` is what `$this` is, `resource` the type of %resource. Raises Unsupported.
    """
    return _Compiler(resource, place).truth(parse(expression), (place,))


class _Compiler:
    """Compiles nodes for one invariant of one place."""

    def __init__(self, resource: str, context: str) -> None:
        self.resource = resource
        self.context = context

    def truth(self, node: Node, places: Places) -> Truth:
        """The node as a truth."""
        if node.kind == "operator" and node.word in LOGIC:
            left, right = (self.truth(part, places) for part in node.parts)
            return LOGIC[node.word](left, right)
        if node.kind == "call" and node.word == "not" and node.of is not None:
            inner = self.truth(node.of, places)
            return lambda this, scope: None if (found := inner(this, scope)) is None else not found
        if node.kind == "call" and node.word in ("exists", "empty") and not node.parts:
            return self._presence(node, places)
        items = self.items(node, places).items

        def truth(this: Any, scope: Scope) -> bool | None:
            found = items(this, scope)
            if len(found) == 1:
                return found[0] if isinstance(found[0], bool) else True
            return None if not found else True

        return truth

    def _presence(self, node: Node, places: Places) -> Truth:
        wanted = node.word == "exists"
        of = node.of
        if of is not None and of.kind == "step" and of.of is None and not self._is_root(of.word, places):
            names, _ = _step(of.word, places)
            both = frozenset((*names, *(f"_{name}" for name in names)))
            return lambda this, _: (this.__class__ is dict and not both.isdisjoint(this)) is wanted
        items = self.items(of, places).items if of is not None else _this
        return lambda this, scope: bool(items(this, scope)) is wanted

    def items(self, node: Node, places: Places) -> Compiled:
        """The node as a collection."""
        match node.kind:
            case "literal":
                constant = [node.word]
                return Compiled(lambda _, __: constant, ())
            case "variable":
                return self._variable(node.word, places)
            case "step":
                return self._steps(node, places)
            case "call":
                return self._call(node, places)
        return self._operator(node, places)

    def _is_root(self, word: str, places: Places) -> bool:
        return word == self.resource and places == (self.resource,)

    def _variable(self, word: str, places: Places) -> Compiled:
        match word:
            case "$this":
                return Compiled(_this, places)
            case "%ucum":
                return Compiled(lambda _, __: [UCUM], ())
            case "%resource":
                return Compiled(lambda _, scope: [scope.resource], (self.resource,))
            case "%context":
                return Compiled(lambda _, scope: [scope.context], (self.context,))
        raise Unsupported(f"`{word}` is not known")

    def _steps(self, node: Node, places: Places) -> Compiled:
        if node.of is None and self._is_root(node.word, places):
            return Compiled(_this, places)
        before = Compiled(_this, places) if node.of is None else self.items(node.of, places)
        names, after = _step(node.word, before.places)
        look = _looker(names)
        if node.of is None:
            return Compiled(lambda this, _: look(this), after)
        items = before.items
        return Compiled(lambda this, scope: [each for value in items(this, scope) for each in look(value)], after)

    def _operator(self, node: Node, places: Places) -> Compiled:
        if node.word in LOGIC:
            truth = self.truth(node, places)
            return Compiled(lambda this, scope: listed(truth(this, scope)), ())
        if node.word in ("is", "as"):
            return self._typed(node.word, self.items(node.parts[0], places), node.parts[1].word)
        left, right = (self.items(part, places) for part in node.parts)
        operate = OPERATORS[node.word]
        joined = _joined(left.places, right.places) if node.word == "|" else ()
        return Compiled(lambda this, scope: operate(left.items(this, scope), right.items(this, scope)), joined)

    def _typed(self, word: str, of: Compiled, type_: str) -> Compiled:
        if word == "is":
            return Compiled(lambda this, scope: [is_of(each, type_) for each in of.items(this, scope)], ())
        return Compiled(lambda this, scope: [each for each in of.items(this, scope) if is_of(each, type_)], (type_,))

    def _call(self, node: Node, places: Places) -> Compiled:
        of = Compiled(_this, places) if node.of is None else self.items(node.of, places)
        word, items = node.word, of.items
        if word in ("is", "as", "ofType"):
            return self._typed("is" if word == "is" else "as", of, node.parts[0].word)
        if word in ("where", "all", "select"):
            return self._iteration(word, of, node.parts[0])
        if word in WHOLE:
            kept = of.places if word in ("first", "tail", "trace") else ()
            whole = WHOLE[word]
            return Compiled(lambda this, scope: whole(items(this, scope)), kept)
        if word in ("combine", "intersect"):
            other = self.items(node.parts[0], places)
            join = combine if word == "combine" else intersect
            return Compiled(
                lambda this, scope: join(items(this, scope), other.items(this, scope)), _joined(of.places, other.places)
            )
        if word in ("children", "descendants"):
            spread = _children if word == "children" else _descendants
            under = _places_under(of.places) if word == "children" else None
            return Compiled(lambda this, scope: [each for value in items(this, scope) for each in spread(value)], under)
        if word == "iif":
            return self._choice(node, places)
        if word in SINGLE:
            return self._single(node, of, places)
        raise Unsupported(f"`{word}()` is not known")

    def _iteration(self, word: str, of: Compiled, argument: Node) -> Compiled:
        items = of.items
        if word == "select":
            chosen = self.items(argument, of.places)
            return Compiled(
                lambda this, scope: [each for value in items(this, scope) for each in chosen.items(value, scope)],
                chosen.places,
            )
        truth = self.truth(argument, of.places)
        if word == "all":
            return Compiled(
                lambda this, scope: [all(truth(each, scope) is True for each in items(this, scope))],
                (),
            )
        return Compiled(
            lambda this, scope: [each for each in items(this, scope) if truth(each, scope) is True], of.places
        )

    def _choice(self, node: Node, places: Places) -> Compiled:
        condition = self.truth(node.parts[0], places)
        branches = [self.items(part, places).items for part in node.parts[1:]]

        def chosen(this: Any, scope: Scope) -> list[Any]:
            if condition(this, scope) is True:
                return branches[0](this, scope)
            return branches[1](this, scope) if len(branches) > 1 else []

        return Compiled(chosen, None)

    def _single(self, node: Node, of: Compiled, places: Places) -> Compiled:
        """A function of one value and of texts, which may be expressions; a pattern is compiled beforehand."""
        function, items = SINGLE[node.word], of.items
        if all(part.kind == "literal" for part in node.parts):
            constants = [re.compile(part.word) if node.word == "matches" else part.word for part in node.parts]

            def of_constants(this: Any, scope: Scope) -> list[Any]:
                found = (function(each, *constants) for each in items(this, scope))
                return [each for each in found if each is not None]

            return Compiled(of_constants, ())
        computed = [self.items(part, places).items for part in node.parts]

        def of_computed(this: Any, scope: Scope) -> list[Any]:
            arguments = [found[0] for each in computed if (found := each(this, scope))]
            if len(arguments) < len(computed):
                return []
            results = (function(each, *arguments) for each in items(this, scope))
            return [each for each in results if each is not None]

        return Compiled(of_computed, ())


# --- moving ---


def _this(this: Any, _: Scope) -> list[Any]:
    return [this]


def _step(word: str, places: Places) -> tuple[tuple[str, ...], Places]:
    """The JSON names that a step may go by from those places, and the places it comes to."""
    if places is None:
        return (word,), None
    names: dict[str, None] = {}
    after: dict[str, None] = {}
    for place in places:
        element = children(place).get(word)
        if element is not None:
            for name, type_ in element.properties.items():
                names[name] = None
                after[element.place(type_)] = None
    if not names and any(children(place) for place in places):
        raise Unsupported(f"`{word}` is no element of {' or '.join(places)}")
    return tuple(names), tuple(after)


def _looker(names: tuple[str, ...]) -> Callable[[Any], list[Any]]:
    if len(names) == 1:
        name, twin = names[0], f"_{names[0]}"

        def look(node: Any) -> list[Any]:
            if node.__class__ is not dict:
                return []
            value = node.get(name)
            if value is None:
                return [BARE] if twin in node else []
            if value.__class__ is list:
                return [BARE if each is None else each for each in value]
            return [value]

        return look
    known = frozenset(names)
    twins = frozenset(f"_{name}" for name in names)

    def look_for_any(node: Any) -> list[Any]:
        if node.__class__ is not dict:
            return []
        found = [value for name, value in node.items() if name in known]
        return found or [BARE for name in node if name in twins]

    return look_for_any


def _children(node: Any) -> list[Any]:
    if not isinstance(node, dict):
        return []
    values = (value for name, value in node.items() if name != "resourceType")
    return [each for value in values for each in (value if isinstance(value, list) else [value]) if each is not None]


def _descendants(node: Any) -> list[Any]:
    found: list[Any] = []
    for each in _children(node):
        found.append(each)
        found.extend(_descendants(each))
    return found


def _places_under(places: Places) -> Places:
    if places is None:
        return None
    return tuple(
        dict.fromkeys(
            element.place(type_)
            for place in places
            for element in children(place).values()
            for type_ in element.properties.values()
            if not (load().definitions.get(type_.code) and load().definitions[type_.code].kind == "primitive-type")
        )
    )


def _joined(left: Places, right: Places) -> Places:
    return None if left is None or right is None else tuple(dict.fromkeys((*left, *right)))
