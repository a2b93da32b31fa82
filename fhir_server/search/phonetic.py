"""Phonetic parameters: names as they sound (https://hl7.org/fhir/R4/patient.html#search, `phonetic`).

Both halves. R4 leaves the algorithm open. Here a word is first rid of what French spells and nobody hears (`Dupont`,
`Lefebvre`, `Gauthier`, `Thibault`), by the rules below, and then coded by Metaphone, of the library jellyfish. The
words of a name leave `^CODE` each, and all the words of what is asked are needed, in any order. What is found sounds
alike, and may be somebody else: it is for looking a person up, never for telling that it is them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from jellyfish import metaphone

from fhir_server.foundation.predicate import Predicate, both, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.search import string
from fhir_server.search.escapes import plain
from fhir_server.search.query import Asked

MODIFIERS: frozenset[str] = frozenset()

_WORD = re.compile(r"[^\W\d_]+")
_APOSTROPHE = re.compile("['’]")
_SPELLED = tuple(
    (re.compile(before), after)
    for before, after in (
        ("ph", "f"),
        ("sch", "ch"),
        ("ch(?=[lnr])", "k"),
        ("th", "t"),
        ("(?<![cs])h", ""),
        ("w", "v"),
        ("y", "i"),
        ("bv", "v"),
        ("m(?=[bp])", "n"),
        ("e?au(?:l?[dtx]s?|[sz])?$", "o"),
        ("eau|^au", "o"),
        # what ends a word and is not heard, as long as a vowel is left before it
        ("(?<=[aeiou])([lnr]?)[dtsxz]+$", r"\1"),
        ("(?<=[aeiou])([lnr]?)[dtsxz]*es?$", lambda found: found[0].rstrip("s")),
    )
)


def index(value: Any, kind: str) -> list[str]:
    """`^CODE` of each word of a name, each once; [] for what holds no text."""
    return list(
        dict.fromkeys(f"^{code}" for text in string.texts(value, kind) for word in _words(text) for code in codes(word))
    )


def clause(asked: Asked, text: str) -> Predicate:
    """All the words sound as words of the name do; Problem 400 for a text without any."""
    words = _words(plain(text))
    if not words:
        raise bad_request(f"`{asked.parameter.code}` needs a name")
    return both(*(one_of("token", [f"{asked.name}^{code}" for code in codes(word)]) for word in words))


@lru_cache(maxsize=16_384)
def codes(word: str) -> tuple[str, ...]:
    """How a word may sound: once, or twice where a cedilla is commonly left out (`François`, `Francois`)."""
    spellings = dict.fromkeys((word.casefold().replace("ç", "ss"), word))
    return tuple(dict.fromkeys(code for each in spellings if (code := _coded(each))))


def _coded(word: str) -> str:
    """Metaphone of the word as French sounds it; a word that has no code stands for itself."""
    said = string.normal(word)
    for before, after in _SPELLED:
        said = before.sub(after, said)
    return metaphone(said) or said.upper()


def _words(text: str) -> list[str]:
    """The words: `Jean-Pierre` is two, `d'Aubigné` is one."""
    return [each for each in _WORD.findall(_APOSTROPHE.sub("", string.composed(text))) if string.normal(each)]
