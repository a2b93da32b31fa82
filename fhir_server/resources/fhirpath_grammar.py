"""FHIRPath's grammar: an expression becomes a tree of Nodes.

May live here: reading the part of http://hl7.org/fhirpath/N1/ that R4's invariants use. May not know: what a word
means; `fhirpath.py` compiles the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`]*`)"
    r"|(?P<variable>[%$][A-Za-z]+)|(?P<sign><=|>=|!=|[=<>|&+().,]))"
)
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!="),
    ("<=", ">=", "<", ">"),
    ("|",),
    ("is", "as"),
    ("+", "&"),
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


class Node(NamedTuple):
    """A parsed expression: what it is, its word, its parts. `of` is the expression before the dot."""

    kind: str
    word: Any
    parts: tuple[Node, ...] = ()
    of: Node | None = None


class Unsupported(ValueError):
    """The expression uses what is not compiled here."""


def parse(expression: str) -> Node:
    """The parsed expression. Raises Unsupported."""
    tokens = list(_tokens(expression))
    node, at = _binary(tokens, 0, 0)
    if at != len(tokens):
        raise Unsupported(f"`{expression}` cannot be read after `{tokens[at][1]}`")
    return node


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    at = 0
    text = expression.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found or found.lastgroup is None:
            raise Unsupported(f"`{expression}` cannot be read at {at}")
        yield found.lastgroup, found[found.lastgroup].strip("`")
        at = found.end()


def _binary(tokens: list[tuple[str, str]], at: int, level: int) -> tuple[Node, int]:
    if level == len(_LEVELS):
        return _postfix(tokens, at)
    left, at = _binary(tokens, at, level + 1)
    while at < len(tokens) and tokens[at][1] in _LEVELS[level] and tokens[at][0] in ("sign", "name"):
        operator = tokens[at][1]
        right, at = _binary(tokens, at + 1, level + 1)
        left = Node("operator", operator, (left, right))
    return left, at


def _postfix(tokens: list[tuple[str, str]], at: int) -> tuple[Node, int]:
    node, at = _term(tokens, at, None)
    while at < len(tokens) and tokens[at][1] == "." and tokens[at][0] == "sign":
        node, at = _term(tokens, at + 1, node)
    return node, at


def _term(tokens: list[tuple[str, str]], at: int, of: Node | None) -> tuple[Node, int]:
    kind, word = tokens[at]
    at += 1
    if kind == "text":
        plain = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), word[1:-1])
        return Node("literal", plain), at
    if kind == "number":
        return Node("literal", Decimal(word) if "." in word else int(word)), at
    if kind == "variable":
        return Node("variable", word), at
    if kind == "name" and at < len(tokens) and tokens[at] == ("sign", "("):
        arguments, at = _arguments(tokens, at + 1)
        return Node("call", word, tuple(arguments), of), at
    if kind == "name":
        if of is None and word in ("true", "false"):
            return Node("literal", word == "true"), at
        return Node("step", word, (), of), at
    if word == "(":
        node, at = _binary(tokens, at, 0)
        return node, at + 1
    raise Unsupported(f"`{word}` is not expected")


def _arguments(tokens: list[tuple[str, str]], at: int) -> tuple[list[Node], int]:
    found: list[Node] = []
    while tokens[at] != ("sign", ")"):
        node, at = _binary(tokens, at, 0)
        found.append(node)
        if tokens[at] == ("sign", ","):
            at += 1
    return found, at + 1
