"""Token parameters: codes, identifiers, flags (https://hl7.org/fhir/R4/search.html#token).

Both halves. A value leaves one token for each form it can be asked by: `code`, `system|code` (`|code` where it has no
system) and `system|`. The match is exact, save that "if the underlying data type is string then the search is not case
sensitive"; the implicit system of an element of type `code` is known from its binding
when it is asked for, and not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from fhir_server.definitions.code_lists import codes, system_of
from fhir_server.foundation.predicate import Contains, Has, Predicate, either, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.search import string
from fhir_server.search.codes import above, below, members
from fhir_server.search.escapes import escape, plain, split
from fhir_server.search.query import Asked
from fhir_server.search.supported import elements

BY_WORDS = frozenset({"text", "of-type"})
BY_CODES = frozenset({"in", "not-in", "above", "below"})
MODIFIERS = frozenset({"not", *BY_WORDS, *BY_CODES})
WORDED = frozenset({"Coding", "CodeableConcept", "Identifier"})
"""The data types that say in words what they mean."""

# "The implicit system for boolean values is http://hl7.org/fhir/special-values".
SPECIAL_VALUES = "http://hl7.org/fhir/special-values"


def index(value: Any, kind: str) -> list[str]:
    """The forms of a Coding, CodeableConcept, Identifier, ContactPoint, boolean or text; [] for what has no code."""
    if isinstance(value, str):
        code = value.casefold() if kind == "string" else value
        return [f"={code}", f"=|{code}"]
    if isinstance(value, bool):
        return ["=true", "=|true"] if value else ["=false", "=|false"]
    if not isinstance(value, dict):
        return []
    found = _FORMS.get(kind)
    return found(value) if found else []


def worded(value: Any, kind: str) -> list[str]:
    """What is asked for by `:text` and `:of-type`: `:text^normalised` of each word, `:of-type=system|code|value`."""
    if kind not in WORDED or not isinstance(value, dict):
        return []
    type_ = value.get("type") if kind == "Identifier" else None
    concept = value if kind != "Identifier" else type_ if isinstance(type_, dict) else {}
    codings = (
        [concept] if kind == "Coding" else [each for each in concept.get("coding") or () if isinstance(each, dict)]
    )
    words = [concept.get("text"), *[each.get("display") for each in codings]]
    forms = [f":text^{string.normal(each)}" for each in words if isinstance(each, str)]
    if type_ and isinstance(value.get("value"), str):
        forms += [f":of-type={each.get('system', '')}|{each.get('code')}|{value['value']}" for each in codings]
    return list(dict.fromkeys(forms))


def clause(asked: Asked, text: str) -> Predicate:
    """One value in one of its four forms, or as its modifier means it.

    Problem 400 for a flag that is neither true nor false, for no value, and for codes that are not held here.
    """
    match asked.modifier:
        case "text":
            return _said(asked, text)
        case "of-type":
            return _of_type(asked, text)
        case "in" | "not-in":
            return _any_of(asked, members(asked.codes, plain(text)))
        case "above" | "below":
            return _in_hierarchy(asked, text)
    return _value(asked, text)


def _said(asked: Asked, text: str) -> Predicate:
    """`:text`: "a partial search on the text portion of a CodeableConcept or the display portion of a Coding"."""
    words = string.normal(plain(text))
    if not words:
        raise bad_request(f"`{asked.parameter.code}:text` needs a text")
    return Contains("token", f"{asked.name}:text^", words)


def _of_type(asked: Asked, text: str) -> Predicate:
    """`:of-type`: "[system]|[code]|[value], where the system and code refer to an Identifier.type.coding"."""
    parts = [plain(each) for each in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise bad_request(f"`{asked.parameter.code}:of-type` takes `system|code|value`")
    return Has("token", f"{asked.name}:of-type={'|'.join(parts)}")


def _in_hierarchy(asked: Asked, text: str) -> Predicate:
    parts = [plain(each) for each in split(text, "|")]
    if len(parts) != 2 or not all(parts):
        raise bad_request(f"`{asked.parameter.code}:{asked.modifier}` takes `system|code`")
    system, code = parts
    found = below(asked.codes, system, code) if asked.modifier == "below" else above(asked.codes, system, code)
    return _any_of(asked, ((system, each) for each in found))


def _any_of(asked: Asked, pairs: Iterable[tuple[str, str]]) -> Predicate:
    """Any of these codes, in whatever form they are stored."""
    return either(
        *(
            _value(asked, f"{escape(system)}|{escape(code)}" if system else escape(code))
            for system, code in sorted(pairs)
        )
    )


def _value(asked: Asked, text: str) -> Predicate:
    kinds = {kind for kind, _ in elements(asked.type, asked.parameter)}
    parts = split(text, "|")
    if len(parts) == 2 and parts[0] and not parts[1] and kinds and kinds <= {"code", "boolean"}:
        return one_of("token", [f"{asked.name}={code}" for code in sorted(_codes_of(asked, plain(parts[0])))])
    if kinds == {"boolean"} and plain(parts[-1]) not in ("true", "false"):
        raise bad_request(f"`{asked.parameter.code}` is `true` or `false`")
    found = pair(asked.name, asked.parameter.code, text, lambda system, code: _implied(asked, system, code))
    if "string" not in kinds:
        return found
    folded = pair(asked.name, asked.parameter.code, text.casefold())
    return folded if kinds == {"string"} else either(found, folded)


def pair(
    name: str, code: str, text: str, implied: Callable[[str, str], bool] = lambda _system, _code: False
) -> Predicate:
    """The clause of `[system]|[code]` under an index name; `implied` tells that a code's system goes unwritten."""
    match [plain(each) for each in split(text, "|")]:
        case [value] if value:
            return Has("token", f"{name}={value}")
        case [system, value] if system and value and implied(system, value):
            return Has("token", f"{name}={value}")
        case [system, value] if system or value:
            return Has("token", f"{name}={system}|{value}")
    raise bad_request(f"`{code}` takes `code`, `system|code`, `|code` or `system|`")


def _implied(asked: Asked, system: str, code: str) -> bool:
    """Whether every element behind the parameter is a bare value, and one of them has this system for this code."""
    bound = elements(asked.type, asked.parameter)
    if any(kind not in ("code", "boolean") for kind, _ in bound):
        return False
    return any(_system_of(kind, value_set, code) == system for kind, value_set in bound)


def _codes_of(asked: Asked, system: str) -> set[str]:
    """What may stand, as a bare value, behind the parameter when its unwritten system is this one."""
    if system == SPECIAL_VALUES:
        return {"true", "false"}
    value_sets = [value_set for _, value_set in elements(asked.type, asked.parameter) if value_set]
    return {code for each in value_sets for named, code in codes(each) or () if named == system}


@lru_cache(maxsize=1024)
def _system_of(kind: str, value_set: str | None, code: str) -> str | None:
    if kind == "boolean":
        return SPECIAL_VALUES
    return system_of(value_set, code) if value_set else None


def _coding(coding: dict[str, Any]) -> list[str]:
    return _forms(coding.get("system"), coding.get("code"))


def _concept(concept: dict[str, Any]) -> list[str]:
    return [form for coding in concept.get("coding") or () if isinstance(coding, dict) for form in _coding(coding)]


def _identifier(identifier: dict[str, Any]) -> list[str]:
    return _forms(identifier.get("system"), identifier.get("value"))


def _contact(contact: dict[str, Any]) -> list[str]:
    """A telephone is asked for as it is, or by what it is (`phone|…`) or is for (`home|…`)."""
    value = contact.get("value")
    if not isinstance(value, str):
        return []
    spaces = [space for space in (contact.get("system"), contact.get("use")) if isinstance(space, str)]
    return [f"={value}", *(f"={space}|{value}" for space in spaces or [""])]


def _forms(system: Any, code: Any) -> list[str]:
    if not isinstance(code, str):
        return [f"={system}|"] if isinstance(system, str) else []
    if isinstance(system, str):
        return [f"={code}", f"={system}|{code}", f"={system}|"]
    return [f"={code}", f"=|{code}"]


_FORMS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "Coding": _coding,
    "CodeableConcept": _concept,
    "Identifier": _identifier,
    "ContactPoint": _contact,
}
