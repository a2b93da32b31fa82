"""String parameters: names, addresses, titles (https://hl7.org/fhir/R4/search.html#string).

Both halves: `index` says which tokens a value leaves, `clause` which token a text asks for. By default "the value of
the parameter equals or starts with the supplied parameter value, after both have been normalized by case and accents".
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

from fhir_server.foundation.predicate import Contains, Has, Predicate, Prefix
from fhir_server.foundation.problem import bad_request
from fhir_server.search.escapes import plain
from fhir_server.search.query import Asked

MODIFIERS = frozenset({"exact", "contains"})

_PARTS = {
    "HumanName": ("family", "given", "text", "prefix", "suffix"),
    "Address": ("city", "postalCode", "line", "text", "district", "state", "country"),
    "CodeableConcept": ("text",),
    "Coding": ("display",),
    "Identifier": ("value",),
    "ContactPoint": ("value",),
    "Annotation": ("text",),
    "ContactDetail": ("name",),
}
# What Unicode does not take apart and a reader does: ligatures, letters with a stroke, the curly apostrophe.
_ALIKE = str.maketrans(
    {
        "œ": "oe",
        "Œ": "oe",
        "æ": "ae",
        "Æ": "ae",
        "þ": "th",
        "Þ": "th",
        "’": "'",
        **dict(zip("łŁøØđĐðÐħĦŧŦı", "llooddddhhtti", strict=True)),
    }
)


def index(value: Any, kind: str) -> list[str]:
    """`^normalised` and `=exact` of each part that has text; [] for what holds none."""
    tokens = []
    for text in texts(value, kind):
        tokens.append("^" + normal(text))
        tokens.append("=" + composed(text))
    return tokens


def clause(asked: Asked, text: str) -> Predicate:
    """One text: starts-with by default, `:exact`, `:contains`; Problem 400 when nothing is left to look for."""
    wanted = plain(text)
    if asked.modifier == "exact":
        return Has("token", f"{asked.name}={composed(wanted)}")
    folded = normal(wanted)
    if not folded:
        raise bad_request(f"`{asked.parameter.code}` needs a text")
    if asked.modifier == "contains":
        return Contains("token", f"{asked.name}^", folded)
    return Prefix("token", f"{asked.name}^{folded}")


def normal(text: str) -> str:
    """The text without case, accents, ligatures and doubled spaces: what two spellings of a name share."""
    return _remembered(text) if len(text) <= _SHORT else _normal(text)


_SHORT = 64
"""Characters: what is no longer is a name or what a code says, and comes again."""


def _normal(text: str) -> str:
    if text.isascii():
        folded = text.lower()
    else:
        letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.translate(_ALIKE)).casefold())
        folded = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(folded.split())


_remembered = lru_cache(maxsize=4096)(_normal)


def composed(text: str) -> str:
    """The text with each accent on its letter: two encodings of one text are one text (Unicode form C)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def texts(value: Any, kind: str) -> list[str]:
    """The texts that a value is searched by, as they are."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, dict):
        return []
    texts = []
    for name in _PARTS.get(kind, ()):
        part = value.get(name)
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, list):
            texts.extend(each for each in part if isinstance(each, str))
    return texts
