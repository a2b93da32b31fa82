"""Bindings: whether a coded value stays within the value set its element requires.

May live here: required bindings and maximum value sets of https://hl7.org/fhir/R4/terminologies.html#required, for
code, Coding, CodeableConcept, Quantity and strings. May not know: elements; weaker bindings refuse nothing. What
cannot be enumerated is checked by its form where it has one (media types, language tags), else not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from fhir_server.definitions.code_lists import bare_codes, codes
from fhir_server.definitions.elements import Binding

Check: TypeAlias = Callable[[Any], bool]

_FORMS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        # RFC 6838 and 2045 (a Binary is answered under this name, and a header is ASCII), and the short names that
        # CapabilityStatement.format has beside it
        "http://hl7.org/fhir/ValueSet/mimetypes": re.compile(
            r"(?:[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+"
            r"(?:[ \t]*;[ \t]*[!-:<>-~]+=(?:[!-:<-~]+|\"[ !#-~]*\"))*|xml|json|ttl)"
        ),
        # RFC 5646
        "http://hl7.org/fhir/ValueSet/all-languages": re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*"),
    }
)


def binding_checks(binding: Binding | None, type_: str) -> tuple[tuple[str, Check], ...]:
    """The value sets that bind a value of this type, each with a function that says whether the value is within."""
    if binding is None:
        return ()
    sets = [binding.value_set if binding.strength == "required" else None, binding.maximum]
    found = ((url, _check(url, type_)) for url in sets if url)
    return tuple((url, check) for url, check in found if check is not None)


def bare_codes_of(binding: Binding | None) -> frozenset[str] | None:
    """The codes of a required, enumerable binding that nothing else narrows: any of them is right as it stands."""
    if binding is None or binding.strength != "required" or binding.maximum is not None:
        return None
    return binding.codes()


def _check(url: str, type_: str) -> Check | None:
    if type_ in ("code", "string", "uri"):
        return _text_check(url)
    pairs = codes(url)
    form = _FORMS.get(url)
    if pairs is None and form is None:
        return None

    def known(coding: Any) -> bool:
        if not isinstance(coding, dict):
            return False
        system, code = coding.get("system"), coding.get("code")
        if not isinstance(code, str):
            return False
        if pairs is not None:
            return isinstance(system, str) and (system, code) in pairs
        return form is not None and form.fullmatch(code) is not None

    match type_:
        case "Coding":
            return lambda value: known(value) or _without_code(value)
        case "CodeableConcept":
            return lambda value: not isinstance(value, dict) or _concept_known(value, known)
        case "Quantity" | "Age" | "Duration" | "Count" | "Distance" | "SimpleQuantity" | "MoneyQuantity":
            return lambda value: known(value) or _without_code(value)
    return None


def _text_check(url: str) -> Check | None:
    held = bare_codes(url)
    if held is not None:
        return held.__contains__
    form = _FORMS.get(url)
    if form is None:
        return None
    return lambda value: not isinstance(value, str) or form.fullmatch(value) is not None


def _without_code(value: Any) -> bool:
    return isinstance(value, dict) and "code" not in value


def _concept_known(value: Mapping[str, Any], known: Check) -> bool:
    """One of the codings must be from the value set; text alone is not enough."""
    codings = value.get("coding")
    return isinstance(codings, list) and any(known(each) for each in codings)
