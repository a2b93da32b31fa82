"""Every other parameter of R4, too, finds a resource by its own value, and not by another.

As `test_every_number_and_composite.py` has it: an official example that has a value, or one made from the definitions.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from fhir_server.definitions.library import load, table
from fhir_server.definitions.search_parameters import parameters, unplaced
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import matches
from fhir_server.interactions.capabilities import statement
from fhir_server.search import string
from fhir_server.search.escapes import escape
from fhir_server.search.extract import extractor
from fhir_server.search.parse import parse
from fhir_server.search.reference import written
from fhir_server.search.supported import LEFT_OUT, kind_of, supported
from tests.conformance.test_every_number_and_composite import KINDS, UNTOLD, candidates
from tests.kit.alone import assert_found_by_its_own_alone

NOW = micros(datetime(2026, 11, 24, tzinfo=UTC))
# What the envelope answers itself, or what is asked of all words, has tests of its own.
OWN_WAYS = ("_id", "_lastUpdated")
ALL = [
    (type_, code)
    for type_ in load().types
    for code, each in supported(type_).items()
    if kind_of(each) not in KINDS and code not in OWN_WAYS and code in parameters(type_)
]
_EXTENSION = re.compile(r"(\w+)\.(item\.where\(hasExtension\()?(?:extension\()?'([^']+)'\)(?:\.value\.as\((\w+)\))?")
_OF_A_TYPE = {
    "ContactDetail": {"name": "Ada"},
    "date": "2024-02-29",
    "dateTime": "2024-02-29",
    "string": "final",
    "Reference": {"reference": "Condition/x"},
    "CodeableConcept": {"coding": [{"system": "http://x.example/codes", "code": "c"}]},
}
_BY_TYPE = {"reference": "Reference", "token": "CodeableConcept", "string": "string"}
META = {
    "profile": ["http://x.example/profile"],
    "security": [{"system": "http://x.example/labels", "code": "R"}],
    "tag": [{"system": "http://x.example/tags", "code": "t"}],
    "source": "http://x.example/source",
}


def resources(type_, code):
    """What may have a value: with an extension where the parameter is of one."""
    parameter = supported(type_)[code]
    found = _EXTENSION.search(parameter.expression)
    if found:
        _, item, url, kind = found.groups()
        kind = kind or _BY_TYPE[parameter.type]
        extended = {"extension": [{"url": url, f"value{kind[0].upper()}{kind[1:]}": _OF_A_TYPE[kind]}]}
        yield {"item": [{**extended, "answer": [{"valueReference": {"reference": "Patient/x"}}]}]} if item else extended
    yield {"multipleBirthInteger": 2, "birthDate": "1990-11-25", "deceasedBoolean": False} if type_ == "Patient" else {}
    yield from candidates(type_)


def of_value(kind, value, datatype):
    """A search value that means this value, or None."""
    match kind:
        case "string" | "phonetic":
            texts = [each for each in string.texts(value, datatype) if each.strip()]
            return escape(texts[0]) if texts else None
        case "uri":
            return escape(value) if isinstance(value, str) else None
        case "reference":
            text = written(value)
            return escape(re.split(r"\||/_history/", text)[0]) if text and text[0] != "#" else None
        case "date":
            if isinstance(value, str):
                return value
            held = value.get("boundsPeriod", value)
            return f"ge{held['start']}" if "start" in held else (value.get("event") or [None])[0]
        case "near":
            return f"{value['latitude']}|{value['longitude']}|1|m"
        case "age":
            return "35"
    return of_a_token(value)


def may_name(type_, code, text):
    """Whether a reference is to what the parameter may refer to, or to somewhere else."""
    targets = supported(type_)[code].targets
    return not targets or "/" not in text or ":" in text or text.partition("/")[0] in targets


def of_a_token(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return escape(value)
    for each in (*value.get("coding", ()), value):
        if code := each.get("code", each.get("value")):
            system = each.get("system", "")
            return f"{escape(system)}|{escape(code)}" if system else escape(code)
    return None


def others(kind, datatype, text):
    """Search values that mean another value of that kind."""
    match kind:
        case "date":
            return ["1791-01-01", "eb1791"]
        case "reference":
            return [f"https://elsewhere.example/{UNTOLD}"]
        case "near":
            latitude = float(text.partition("|")[0])
            return [f"{-latitude or 50}|{float(text.split('|')[1]) / 2 + 7}|1|m"]
        case "age":
            return ["36", "lt35", "gt35", "120"]
        case "token" if datatype == "boolean":
            return ["false" if text == "true" else "true"]
    return [UNTOLD]


def asked_for(type_, code):
    """A resource with a value, a search that means it, and searches that mean others."""
    kind = kind_of(supported(type_)[code])
    for made in resources(type_, code):
        resource = {**made, "id": "one", "resourceType": type_, "meta": META}
        for value, datatype, _ in extractor(type_, code)(resource):
            text = of_value(kind, value, datatype)
            if text and (kind != "reference" or may_name(type_, code, text)):
                return resource, text, others(kind, datatype, text)
    return None


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
            lambda asked, code=code: parse(type_, [(code, asked)], lenient=False, base="", now=NOW).where,
        )
        for missing in ("true", "false"):
            where = parse(type_, [(f"{code}:missing", missing)], lenient=False, base="").where
            assert (missing == "false") == matches(where, stored), code


def test_at_least_1390_of_the_1400_that_r4_publishes_are_advertised():
    placed = {row["url"] for base in table("search_parameters") for row in table("search_parameters")[base].values()}
    told = statement("https://server.example/fhir", "https://server.example")["rest"][0]["resource"]
    advertised = {each["definition"] for type_ in told for each in type_["searchParam"]}

    assert 1400 == len(placed | unplaced().keys())
    assert 1396 == len(placed & advertised)
    left = {
        code
        for rows in table("search_parameters").values()
        for code, row in rows.items()
        if row["url"] not in advertised
    }
    assert set(LEFT_OUT) == left
