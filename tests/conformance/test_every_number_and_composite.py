"""Every number, quantity and composite parameter of R4 finds a resource by its own value, and not by another.

The resource is an official example that has a value for it, or one made from the definitions where none has. Both
interpreters are asked: the envelope in memory, and MongoDB.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from fhir_server.definitions.library import load
from fhir_server.definitions.paths import composite
from fhir_server.definitions.search_parameters import parameters
from fhir_server.foundation.predicate import matches
from fhir_server.resources.json_text import read
from fhir_server.search.escapes import escape
from fhir_server.search.extract import extractor
from fhir_server.search.parse import parse
from fhir_server.search.supported import kind_of, supported
from tests.kit.alone import assert_found_by_its_own_alone
from tests.unit.definitions.r4_populated import populated

EXAMPLES = Path(__file__).parents[1] / "examples" / "r4"
KINDS = ("number", "quantity", "composite")
FAR = "987654321"
UNTOLD = "nothing-has-this-code"
ALL = [
    (type_, code)
    for type_ in load().types
    for code, each in parameters(type_).items()
    if kind_of(each) in KINDS and each.expression
]
UCUM = {"system": "http://unitsofmeasure.org", "code": "mg", "unit": "milligrammes"}


@cache
def candidates(type_):
    found = [read(path.read_text("utf-8")) for path in sorted(EXAMPLES.glob("*.json"))]
    return [each for each in found if each["resourceType"] == type_] + [
        with_units(populated(type_, variant)) for variant in range(12)
    ]


def with_units(node):
    """What the definitions made, with units of UCUM and limits of ranges in order."""
    if isinstance(node, list):
        return [with_units(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: with_units(each) for name, each in node.items() if name != "comparator"}
    if isinstance(node.get("value"), Decimal) and "unit" in node:
        node |= UCUM
    if isinstance(node.get("low"), dict) and isinstance(node.get("high"), dict):
        node["high"] = {**node["high"], "value": node["low"]["value"] + 1}
    return node


def own(kind, value, datatype):
    """A search value that means this value; None for what has none."""
    match kind, datatype:
        case ("number", "Range") | ("quantity", "Range"):
            low = value.get("low") or {}
            return own(kind, low if kind == "quantity" else low.get("value"), "Quantity") and "ap" + own(
                kind, low if kind == "quantity" else low.get("value"), "Quantity"
            )
        case "number", _:
            return None if value is None else f"{value}"
        case "quantity", "SampledData":
            return f"ap{value['origin']['value']}" if "origin" in value else None
        case "quantity", "Money":
            return f"{value['value']}|urn:iso:std:iso:4217|{value['currency']}" if "value" in value else None
        case "quantity", _:
            if "value" not in value:
                return None
            sign = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}.get(value.get("comparator"), "")
            system, code = value.get("system", ""), value.get("code", "")
            unit = f"|{escape(system)}|{escape(code)}" if system and code else f"||{escape(value.get('unit', ''))}"
            return f"{sign}{value['value']}{unit}"
        case "string", _:
            return escape(value) if isinstance(value, str) else escape(value.get("text", "")) or None
        case "date", _:
            return value if isinstance(value, str) else f"ge{value['start']}" if "start" in value else None
        case "reference", _:
            return escape(value["reference"]) if "reference" in value else None
    return of_a_token(value)


def of_a_token(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return escape(value)
    for coding in value.get("coding", [value]):
        if "code" in coding:
            return f"{escape(coding.get('system', ''))}|{escape(coding['code'])}"
    return None


def others(kind, text):
    """Search values that mean another value of that type."""
    match kind:
        case "number":
            return [FAR, f"gt{FAR}", f"-{FAR}"]
        case "quantity":
            number, _, unit = text.lstrip("abcdefghijklmnopqrstuvwxyz").partition("|")
            left = f"|{unit}" if unit else ""
            return [f"{FAR}{left}", f"gt{FAR}{left}", f"{number}|http://unitsofmeasure.org|cd.rad"]
        case "date":
            return ["1791-01-01", "gt3000"]
        case "reference":
            return [f"https://elsewhere.example/{UNTOLD}"]
    return [UNTOLD]


def asked_for(type_, code):
    """A resource with a value, a search that means it, and searches that mean others."""
    parameter = parameters(type_)[code]
    for resource in candidates(type_):
        resource = {**resource, "id": "one", "resourceType": type_}
        if parameter.type != "composite":
            for value, datatype, _ in extractor(type_, code)(resource):
                if text := own(parameter.type, value, datatype):
                    return resource, text, others(parameter.type, text)
            continue
        for held in composite(type_, code)(resource):
            kinds = [each.type for each in parameter.components]
            texts = [
                next((text for value, datatype, _ in found if (text := own(kind, value, datatype))), None)
                for kind, found in zip(kinds, held, strict=True)
            ]
            if all(texts):
                rest = [
                    "$".join([*texts[:place], other, *texts[place + 1 :]])
                    for place, kind in enumerate(kinds)
                    for other in others(kind, texts[place])
                ]
                return resource, "$".join(texts), rest
    return None


def test_they_are_all_offered():
    assert [] == [(type_, code) for type_, code in ALL if code not in supported(type_)]
    assert 118 == len(ALL)


@pytest.mark.parametrize("type_", sorted({type_ for type_, _ in ALL}))
def test_each_finds_by_its_own_value_and_not_by_another(database, type_):
    collection = database["every"]
    for code in [code for each, code in ALL if each == type_]:
        found = asked_for(type_, code)
        assert found, f"no resource has a value for {type_}.{code}"
        resource, text, rest = found
        stored = assert_found_by_its_own_alone(
            collection,
            resource,
            text,
            rest,
            lambda asked, code=code: parse(type_, [(code, asked)], lenient=False, base="").where,
        )
        for missing in ("true", "false"):
            where = parse(type_, [(f"{code}:missing", missing)], lenient=False, base="").where
            assert (missing == "false") == matches(where, stored), code
