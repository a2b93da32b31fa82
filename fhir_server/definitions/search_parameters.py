"""Search parameters: what each type can be searched by.

May live here: the SearchParameters that R4 publishes (https://hl7.org/fhir/R4/searchparameter-registry.html), as they
stand on one type. May not know: how a value is found (`paths.py`), indexed or asked for (`search/`).

What is a parameter of search but no SearchParameter (`_has`, `_list`, `_type`, `_sort`…) is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from fhir_server.definitions.library import load, table

Kind: TypeAlias = Literal["string", "token", "reference", "date", "uri", "number", "quantity", "composite", "special"]

# R4 has the places of these two components the wrong way round: the reference in `code`, the code in `target`
# (https://hl7.org/fhir/R4/documentreference.html#search).
_MISPLACED: Mapping[str, Mapping[str, str]] = {
    "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship": {"code": "target", "target": "code"}
}

# R4 gives no expression for two of these; that of the third names an extension that is not there, where HL7 has another
# for the same (http://hl7.org/fhir/R4/extension-patient-mothersmaidenname.html).
_EXPRESSED: Mapping[str, str] = {
    f"http://hl7.org/fhir/SearchParameter/patient-extensions-Patient-{name}": expression
    for name, expression in (
        ("age", "Patient.birthDate"),
        ("birthOrderBoolean", "Patient.multipleBirth.select($this != false)"),
        (
            "mothersMaidenName",
            "Patient.extension('http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName').value.as(string)",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite: the parameter it is like, and where it is under each value of the composite."""

    code: str
    url: str
    type: Kind
    expression: str


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One parameter on one type. `expression` is the part that concerns the type, "" where R4 gives none.

    `bases` are the type and, for what it inherits, the abstract type that defines the parameter. `targets` are the
    resource types its references may name, as narrow as the elements behind it allow; () where R4 names none.
    """

    code: str
    url: str
    type: Kind
    expression: str
    targets: tuple[str, ...]
    description: str
    bases: tuple[str, ...]
    components: tuple[Component, ...]


def parameters(type_: str) -> Mapping[str, SearchParameter]:
    """The parameters of a resource type by code, inherited ones included; empty for what is no resource type."""
    return _parameters(type_) if load().is_type(type_) else MappingProxyType({})


def parameter(type_: str, code: str) -> SearchParameter | None:
    """The parameter of that code on that type, or None."""
    return parameters(type_).get(code)


@cache
def unplaced() -> Mapping[str, str]:
    """The published parameters that belong to no type, by URL, with the reason why."""
    return {url: row["reason"] for url, row in table("unplaced_search_parameters").items()}


@cache
def _parameters(type_: str) -> Mapping[str, SearchParameter]:
    library, known = load(), table("search_parameters")
    rows = {
        code: (base, row)
        for base in (*reversed(library.ancestors(type_)), type_)
        if base in known
        for code, row in known[base].items()
    }
    by_url = {row["url"]: (code, row["type"]) for code, (_, row) in rows.items()}
    return MappingProxyType(
        {code: _parameter(code, row, tuple(dict.fromkeys((type_, base))), by_url) for code, (base, row) in rows.items()}
    )


def _parameter(
    code: str, row: Mapping[str, Any], bases: tuple[str, ...], by_url: Mapping[str, tuple[str, Kind]]
) -> SearchParameter:
    places = _MISPLACED.get(row["url"], {})
    return SearchParameter(
        code=code,
        url=row["url"],
        type=row["type"],
        expression=_EXPRESSED.get(row["url"], row.get("expression", "")),
        targets=tuple(row.get("targets", ())),
        description=row.get("description", ""),
        bases=bases,
        components=tuple(
            Component(
                by_url[each["url"]][0],
                each["url"],
                by_url[each["url"]][1],
                places.get(each["expression"], each["expression"]),
            )
            for each in row.get("components", ())
        ),
    )
