"""JSON text: what was sent is what is returned.

May live here: reading JSON strictly and writing it back with the digits of its numbers and the order of its keys
(https://hl7.org/fhir/R4/json.html). May not know: FHIR elements; `validation.py` does.

Strict means RFC 8259 (https://www.rfc-editor.org/rfc/rfc8259) and what FHIR adds to it: UTF-8 without a byte order
mark, no duplicate name in an object, no NaN, no NUL, no lone surrogate, an object at the root, bounded depth. Whatever
is not so is a Problem 400 that says where.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, Self

import orjson

from fhir_server.foundation.problem import Problem, problem

DEPTH = 64
_DIGITS = 1000
_EXPONENT = 999
_WHOLE = 18
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|[\[\]{}]|-?\d[\d.eE+-]*|-?[A-Za-z]+', re.DOTALL)
_NUL = re.compile(r"\\(u0000)|\\.", re.DOTALL)
_LONE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|\\(u[dD][89a-fA-F])|\\.", re.DOTALL)
_BAD_NUMBERS = frozenset(("NaN", "Infinity"))


class Exact(Decimal):
    """A number that Python would print otherwise than it was sent (`1e2`, `-0`, `0.00000001`); its text is kept."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        """The number of that text."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __str__(self) -> str:
        """The text as sent."""
        return self.text

    def __repr__(self) -> str:
        return f"Exact({self.text!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return (type(self), (self.text,))


class _Duplicate(Exception):
    """An object names an element twice; where, is found afterwards."""


class _OutOfRange(ValueError):
    """A number beyond what anything here computes with."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Duplicate
    return made


def _decimal(text: str) -> Decimal:
    if len(text) > _DIGITS:
        raise _OutOfRange
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise _OutOfRange from error
    if abs(number.adjusted()) > _EXPONENT:
        raise _OutOfRange
    return number if str(number) == text else Exact(text)


def _whole(text: str) -> int | Decimal:
    if len(text) > _DIGITS:
        raise _OutOfRange
    return int(text) if len(text) <= _WHOLE and text != "-0" else Exact(text)


def _constant(_: str) -> NoReturn:
    raise _OutOfRange


def number(text: str) -> int | Decimal:
    """The number of a text that is a JSON number, its digits kept. Raises ValueError where it is out of range."""
    return _whole(text) if text.lstrip("-").isdecimal() else _decimal(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_whole, parse_constant=_constant, strict=True
)


def read(text: bytes | str, depth: int = DEPTH) -> dict[str, Any]:
    """The object that the text says; numbers with a fraction or an exponent are Decimal, keys keep their order.

    Raises Problem 400 with line and column where the text is not strict JSON, holds no object, or nests deeper than
    `depth` arrays and objects.
    """
    found = _read(text, dict, "an object", depth)
    assert isinstance(found, dict)  # noqa: S101 - narrowed for the type checker
    return found


def read_array(text: bytes | str, depth: int = DEPTH) -> list[Any]:
    """The array that the text says (a JSON Patch), read as strictly as an object."""
    found = _read(text, list, "an array", depth)
    assert isinstance(found, list)  # noqa: S101 - narrowed for the type checker
    return found


def _read(text: bytes | str, root: type, named: str, depth: int) -> Any:
    if isinstance(text, bytes):
        text = _decoded(text)
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _refusal(text, error.pos, f"not JSON: {_lower(error.msg)}") from None
    except RecursionError:
        raise _refusal(text, _too_deep_at(text, depth), f"more than {depth} levels deep") from None
    except _Duplicate:
        raise _duplicate(text) from None
    except _OutOfRange:
        raise _bad_number(text) from None
    if not isinstance(found, root):
        raise _refusal(text, len(text) - len(text.lstrip()), f"the root is not {named}")
    if text.count("{") + text.count("[") > depth and _deeper(found, depth):
        raise _refusal(text, _too_deep_at(text, depth), f"more than {depth} levels deep")
    if "\\u" in text:
        _check_escapes(text, found)
    return found


def write(resource: Any) -> str:
    """Compact JSON text of a resource, or of any part of one; Decimals keep their digits, keys their order."""
    return orjson.dumps(resource, default=_fragment).decode()


def _fragment(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"`{type(value).__name__}` has no JSON form")


def _decoded(text: bytes) -> str:
    if text.startswith(b"\xef\xbb\xbf"):
        raise _refusal("", 0, "a byte order mark stands before the text")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8", "replace")
        raise _refusal(before, len(before), "not UTF-8") from None


def _deeper(root: Any, depth: int) -> bool:
    level: list[Any] = [root]
    for _ in range(depth):
        level = [
            child
            for each in level
            for child in (each.values() if each.__class__ is dict else each)
            if child.__class__ is dict or child.__class__ is list
        ]
        if not level:
            return False
    return True


def _check_escapes(text: str, found: Any) -> None:
    if "\\u0000" in text and (at := _at(_NUL, text)) is not None:
        raise _refusal(text, at, "a string holds the character NUL")
    if _SURROGATE.search(text):
        try:
            write(found)
        except TypeError:
            raise _refusal(text, _at(_LONE, text) or 0, "half a character: a lone surrogate") from None


def _at(escape: re.Pattern[str], text: str) -> int | None:
    """Where the first escape stands that the pattern captures; the other escapes are stepped over."""
    return next((each.start() for each in escape.finditer(text) if each[1]), None)


# Below: only after a refusal, to say where. One pass over the tokens.


def _too_deep_at(text: str, depth: int) -> int:
    level = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            level += 1
            if level > depth:
                return token.start()
        elif token[0] in "}]":
            level -= 1
    return 0


def _duplicate(text: str) -> Problem:
    seen: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            seen.append(set())
        elif token[0] in "}]" and seen:
            seen.pop()
        elif token[2] and seen:
            name = json.loads(f'"{token[1]}"', strict=False)
            if name in seen[-1]:
                return _refusal(text, token.start(), f"`{name[:64]}` stands twice in one object")
            seen[-1].add(name)
    return _refusal(text, 0, "an element stands twice in one object")


def _bad_number(text: str) -> Problem:
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word.lstrip("-") in _BAD_NUMBERS:
            return _refusal(text, token.start(), f"`{word}` is not a JSON number")
        if word[0] in "-0123456789" and _beyond(word):
            return _refusal(text, token.start(), "this number is out of range")
    return _refusal(text, 0, "not a JSON number")


def _beyond(word: str) -> bool:
    try:
        _decimal(word)
    except _OutOfRange:
        return True
    return False


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _refusal(text: str, position: int, reason: str) -> Problem:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return problem(400, "structure", f"{reason} (line {line}, column {column})")
