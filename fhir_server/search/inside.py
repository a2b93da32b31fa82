"""Inside: who a resource brings in itself, asked for through the reference to it (IHE ITI-67, `author.given`).

https://hl7.org/fhir/R4/search.html#chaining. Both halves: a document's authors are contained in it as often as they are
in the directory. Of a contained resource that a reference parameter names, names and identifiers leave the tokens
`Source.parameter:Type.code…`; a chain that ends in one of these asks for them too. They are part of the resource, seen
by whoever sees it. May not know: other chains, for which what is contained is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import NOTHING, All, Any_, Contains, Has, Predicate, Prefix, rewrite
from fhir_server.search import string, token
from fhir_server.search.extract import extractor
from fhir_server.search.reference import written
from fhir_server.search.supported import supported

_INDEX = {"string": string.index, "token": token.index}
CODES = ("family", "given", "identifier", "name")


def index(name: str, values: Iterable[Any], resource: Mapping[str, Any]) -> list[str]:
    """The tokens of what a reference parameter (`Type.code`) names among the contained resources."""
    contained = {
        f"#{each.get('id')}": each
        for each in resource.get("contained") or ()
        if isinstance(each, dict) and load().is_type(str(each.get("resourceType")))
    }
    found: dict[str, None] = {}
    for value in values if contained else ():
        one = contained.get(written(value) or "")
        if one is None:
            continue
        type_ = one["resourceType"]
        for code in CODES:
            parameter = supported(type_).get(code)
            if parameter is None or parameter.type not in _INDEX:
                continue
            for each, kind, _ in extractor(type_, code)(dict(one)):
                forms = _INDEX[parameter.type](each, kind)
                found.update(dict.fromkeys(f"{name}:{type_}.{code}{form}" for form in forms if form[0] in "=^"))
    return list(found)


def clause(name: str, type_: str, asked: Predicate) -> Predicate:
    """What a chain from a reference parameter asks of contained resources; NOTHING where it asks for another thing."""
    begins = tuple(f"{type_}.{code}{sign}" for code in CODES for sign in "=^")
    foreign = False

    def change(node: Predicate) -> Predicate | None:
        nonlocal foreign
        match node:
            case Has("token", str(value)) if value.startswith(begins):
                return Has("token", f"{name}:{value}")
            case Prefix("token", text) if text.startswith(begins):
                return Prefix("token", f"{name}:{text}")
            case Contains("token", start) if start.startswith(begins):
                return replace(node, start=f"{name}:{start}")
            case All() | Any_():
                return None
        foreign = True
        return node

    changed = rewrite(asked, change)
    return NOTHING if foreign else changed
