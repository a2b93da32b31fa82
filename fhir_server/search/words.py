"""Words: what `_text` and `_content` find (https://hl7.org/fhir/R4/search.html#content).

Both halves. The words of the narrative, and those of every text of the resource, without case and accents; all the
words of a value are needed, in any order. What identifies or locates is no word: ids, references, systems, data.
May not know: what the resource mentions; whoever keeps the words takes mentions away before (`store/documents.py`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from fhir_server.foundation.predicate import Has, Predicate, both, either
from fhir_server.foundation.problem import bad_request
from fhir_server.search.escapes import plain, split
from fhir_server.search.string import normal

NAMES = frozenset({"_text", "_content"})
MOST = 2_000
"""How many different words are kept of one resource, the first of them."""
_LONGEST = 64
_ENOUGH = 500_000
"""How many characters of a resource are looked at for words."""
_SHORT = 64
_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<[^>]*>")
_NO_WORDS = frozenset(
    {"resourceType", "id", "meta", "reference", "system", "url", "data", "contentType", "hash", "div"}
)


def words_of(resource: Mapping[str, Any]) -> dict[str, list[str]]:
    """`{text, content}`: the words of the narrative and of the whole, each once; {} where there is none."""
    narrative = resource.get("text")
    div = narrative.get("div") if isinstance(narrative, Mapping) else None
    text = _words([html.unescape(_TAG.sub(" ", div))]) if isinstance(div, str) else []
    texts: list[str] = []
    _gather(resource, texts)
    rest = _words(texts)
    content = list(dict.fromkeys((*text, *rest)))[:MOST]
    return {name: each for name, each in (("text", text), ("content", content)) if each}


def clause(name: str, text: str) -> Predicate:
    """All the words of one of the values; Problem 400 for a value without any."""
    field = name.removeprefix("_")
    return either(*(_all(name, field, plain(each)) for each in split(text, ",")))


def _all(name: str, field: str, text: str) -> Predicate:
    wanted = _words([text])
    if not wanted:
        raise bad_request(f"`{name}` needs words to look for")
    return both(*(Has(field, each) for each in wanted))


def _words(texts: Iterable[str]) -> list[str]:
    """The different words of texts, in the order they come; what they begin with, where there are very many."""
    found: list[str] = []
    left = _ENOUGH
    for text in texts:
        if len(text) <= _SHORT <= left:
            found += _of_short(text)
        else:
            found += _WORD.findall(normal(text[:left]))
        left -= len(text) + 1  # no word reaches from one text into the next
        if left <= 0:
            break
    return [word for word in dict.fromkeys(found) if len(word) <= _LONGEST][:MOST]


@lru_cache(maxsize=4096)
def _of_short(text: str) -> tuple[str, ...]:
    """The words of a short text: what a code says comes again and again."""
    return tuple(_WORD.findall(normal(text)))


def _gather(node: Mapping[str, Any], texts: list[str]) -> None:
    """Adds the texts of an object, in the order they stand."""
    for name, each in node.items():
        if name in _NO_WORDS:
            continue
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, dict):
            _gather(each, texts)
        elif isinstance(each, list):
            _gather_all(each, texts)


def _gather_all(several: list[Any], texts: list[str]) -> None:
    for each in several:
        if isinstance(each, dict):
            _gather(each, texts)
        elif isinstance(each, str):
            texts.append(each)
        elif isinstance(each, list):
            _gather_all(each, texts)
