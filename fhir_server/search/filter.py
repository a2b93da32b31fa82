"""`_filter`: expressions over parameters (https://hl7.org/fhir/R4/search_filter.html).

May live here: the grammar, and each comparison as the clause that a parameter would make of it. May not know: how a
clause is compiled (`parse.py` says). What cannot be read is refused with the column where it could not.

`not` binds closest, then `and`, then `or`. A path through references (`subject.name`) is a chain, with the limits of
one; a path with a filter of its own (`subject[…].name`) is refused. A comparison with several values does not exist in
the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fhir_server.foundation.predicate import Contains, Has, Not, Predicate, both, either
from fhir_server.foundation.problem import Problem, bad_request
from fhir_server.search import date, string
from fhir_server.search.escapes import escape
from fhir_server.search.nearest import shown

Compile = Callable[[str, str | None, str], Predicate]
"""A parameter's code, a modifier and one value, to its clause; Problem 400 for what the parameter does not take."""

Through = Callable[[str, str], Predicate]
"""A path through references, and what is compared with what it leads to; Problem 400 for what cannot be followed."""

DEEPEST = 20
_PREFIXED = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb"})
# By type of parameter: each operator and the modifier or prefix that means it; "not" in front turns it round.
OPERATORS: Mapping[str, Mapping[str, tuple[bool, str | None]]] = {
    "string": {"co": (False, "contains"), "sw": (False, None)},
    "token": {
        "eq": (False, None),
        "ne": (True, None),
        "in": (False, "in"),
        "ni": (True, "in"),
        "ss": (False, "above"),
        "sb": (False, "below"),
        "co": (False, "text"),
    },
    "reference": {
        "eq": (False, None),
        "ne": (True, None),
        "re": (False, None),
        "ss": (False, "above"),
        "sb": (False, "below"),
    },
    "uri": {"eq": (False, None), "ne": (True, None), "ss": (False, "above"), "sb": (False, "below")},
    "composite": {"eq": (False, None), "ne": (True, None)},
    "phonetic": {"eq": (False, None), "ne": (True, None)},
    "near": {"eq": (False, None), "ne": (True, None)},
}
_KNOWN = (*sorted(_PREFIXED), "co", "sw", "ew", "pr", "po", "ss", "sb", "in", "ni", "re")
_WORD = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[()])|(?P<word>[^\s()"]+))""",
    re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an expression: its text, whether it was quoted, the column it begins at (1 is the first)."""

    text: str
    quoted: bool
    column: int


def read(text: str, kinds: Mapping[str, str], name: str, compile_: Compile, through: Through) -> Predicate:
    """The predicate of an expression; Problem 400 with the column of what cannot be read.

    `kinds` gives the type of each parameter that there is, `name` what index tokens of the type begin with.
    """
    reader = _Reader(_words(text), len(text) + 1, kinds, name, compile_, through)
    found = reader.alternatives(0)
    if reader.at < len(reader.words):
        raise _refused(reader.words[reader.at].column, f"`{shown(reader.words[reader.at].text)}` is one word too many")
    return found


def _words(text: str) -> list[Word]:
    words, at = [], 0
    while text[at:].strip():
        found = _WORD.match(text, at)
        if found is None:
            begin = len(text) - len(text[at:].lstrip())
            raise _refused(begin + 1, "a quoted text has no end")
        kind = found.lastgroup or "word"
        said = found[kind]
        if kind == "string":
            said = _ESCAPED.sub(r"\1", said[1:-1])
        words.append(Word(said, kind == "string", found.start(kind) + 1))
        at = found.end()
    return words


def _refused(column: int, why: str, code: str = "invalid") -> Problem:
    return bad_request(f"`_filter`, column {column}: {why}", code=code)


@dataclass(slots=True)
class _Reader:
    """An expression half read."""

    words: list[Word]
    end: int
    kinds: Mapping[str, str]
    name: str
    compile: Compile
    through: Through
    at: int = 0

    def alternatives(self, depth: int) -> Predicate:
        """`a or b`."""
        found = [self.conjunction(depth)]
        while self._is("or"):
            self.at += 1
            found.append(self.conjunction(depth))
        return either(*found)

    def conjunction(self, depth: int) -> Predicate:
        """`a and b`."""
        found = [self.one(depth)]
        while self._is("and"):
            self.at += 1
            found.append(self.one(depth))
        return both(*found)

    def one(self, depth: int) -> Predicate:
        """`not (…)`, `(…)` or a comparison."""
        if depth > DEEPEST:
            raise _refused(self._column(), f"an expression nests at most {DEEPEST} deep", "too-costly")
        if self._is("not"):
            self.at += 1
            if not self._is("("):
                raise _refused(self._column(), "`not` stands before a bracket")
            return Not(self.one(depth + 1))
        if not self._is("("):
            return self.comparison()
        self.at += 1
        found = self.alternatives(depth + 1)
        if not self._is(")"):
            raise _refused(self._column(), "a bracket is not closed")
        self.at += 1
        return found

    def comparison(self) -> Predicate:
        """`parameter operator value`."""
        code = self._take("a parameter")
        operator = self._take("an operator")
        value = self._take("a value")
        kind = self.kinds.get(code.text)
        if kind is None:
            if "[" in code.text:
                raise _refused(code.column, "a path has no filter of its own", "not-supported")
            if "." in code.text:
                _check(operator)
                return self._led(code, operator, value)
            raise _refused(code.column, f"there is no parameter `{shown(code.text)}`", "not-supported")
        _check(operator)
        try:
            return self._compared(code.text, kind, operator, value)
        except Problem as refused:
            if str(refused).startswith("`_filter`"):
                raise
            raise _refused(value.column, str(refused), refused.issues[0].code) from None

    def _led(self, code: Word, operator: Word, value: Word) -> Predicate:
        """What is compared at the end of a path; what is wrong there is told at the path's own column."""
        said = re.sub(r'(["\\])', r"\\\1", value.text)
        try:
            return self.through(
                code.text, f'{operator.text} "{said}"' if value.quoted else f"{operator.text} {value.text}"
            )
        except Problem as refused:
            why = re.sub(r"^`_filter`, column \d+: ", "", str(refused))
            raise _refused(code.column, why, refused.issues[0].code) from None

    def _compared(self, code: str, kind: str, operator: Word, value: Word) -> Predicate:
        if operator.text == "pr":
            if value.text not in ("true", "false"):
                raise _refused(value.column, "`pr` is `true` or `false`")
            return self.compile(code, "missing", "false" if value.text == "true" else "true")
        written = _value(value, kind)
        if kind in ("date", "number", "quantity", "age") and operator.text in _PREFIXED:
            return self.compile(code, None, operator.text + written)
        if kind == "string" and operator.text in ("eq", "ne"):
            self.compile(code, None, written)  # refuses what has nothing to look for
            equal = Has("token", f"{self.name}.{code}^{string.normal(value.text)}")
            return equal if operator.text == "eq" else Not(equal)
        if kind == "string" and operator.text == "ew":
            self.compile(code, "contains", written)
            return Contains("token", f"{self.name}.{code}^", string.normal(value.text), ends=True)
        if kind == "date" and operator.text == "po":
            self.compile(code, None, written)
            return date.overlaps(code, written)
        known = OPERATORS.get(kind, {}).get(operator.text)
        if known is None:
            raise _refused(operator.column, f"`{operator.text}` is not asked of a {kind}", "not-supported")
        turned, modifier = known
        found = self.compile(code, modifier, written)
        return Not(found) if turned else found

    def _is(self, text: str) -> bool:
        return self.at < len(self.words) and self.words[self.at].text == text and not self.words[self.at].quoted

    def _column(self) -> int:
        return self.words[self.at].column if self.at < len(self.words) else self.end

    def _take(self, what: str) -> Word:
        if self.at >= len(self.words) or (self.words[self.at].text in ("(", ")") and not self.words[self.at].quoted):
            raise _refused(self._column(), f"{what} is missing")
        self.at += 1
        return self.words[self.at - 1]


def _check(operator: Word) -> None:
    if operator.text not in _KNOWN or operator.quoted:
        raise _refused(operator.column, f"`{shown(operator.text)}` is no operator; these are: {' '.join(_KNOWN)}")


def _value(value: Word, kind: str) -> str:
    """The value as a search would write it: what separates there is text here, but for bars and dollars of codes."""
    if kind in ("string", "uri", "phonetic"):
        return escape(value.text)
    return value.text.replace("\\", "\\\\").replace(",", "\\,")
