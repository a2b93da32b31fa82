"""What can be searched by: of R4's parameters and those of the profiles, the ones that really work.

May live here: the table of what is offered and of what is left out, and which elements stand behind a parameter. The
CapabilityStatement, the index and the parser all read this one table, so that what is advertised works and what is not
is refused (https://hl7.org/fhir/R4/search.html#Summary). May not know: values.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from fhir_server.definitions.elements import element
from fhir_server.definitions.expressions import PathError, spots_of
from fhir_server.definitions.library import profile_json
from fhir_server.definitions.search_parameters import SearchParameter, parameters
from fhir_server.search import own

TYPES = frozenset({"string", "token", "reference", "date", "uri", "number", "quantity", "composite", "special"})
PROFILED = "dmp/search-parameters.json"

# Published, of a type we have, and yet not what their name says here.
LEFT_OUT = {
    "_query": "it names a query that a server has made, and there is none here",
}

_R4 = "http://hl7.org/fhir/SearchParameter/"
# Of a published type, and yet read in a way of their own, by URL.
APART: Mapping[str, str] = {
    f"{_R4}Location-near": "near",
    f"{_R4}patient-extensions-Patient-age": "age",
    **dict.fromkeys((f"{_R4}{each}-phonetic" for each in ("individual", "Organization", "InsurancePlan")), "phonetic"),
}


def kind_of(parameter: SearchParameter) -> str:
    """How values of a parameter are indexed and asked for: by its type, or in a way of its own."""
    return APART.get(parameter.url, parameter.type)


@own.remembered
def supported(type_: str) -> Mapping[str, SearchParameter]:
    """What a type can be searched by, by code: exactly what is advertised; empty for what is no resource type."""
    return MappingProxyType({code: each for code, each in indexed(type_).items() if not own.awaits(type_, code)})


@own.remembered
def indexed(type_: str) -> Mapping[str, SearchParameter]:
    """What a resource of a type is indexed by: what it can be searched by, and what awaits its reindex."""
    return MappingProxyType(
        {
            code: each
            for code, each in known(type_).items()
            if each.type in TYPES and each.expression and code not in LEFT_OUT
        }
    )


@own.remembered
def known(type_: str) -> Mapping[str, SearchParameter]:
    """Every parameter of a type that R4 or a profile publishes, offered or not, and one's own."""
    published = parameters(type_)
    added = {code: each.parameter for code, each in own.of(type_).items()}
    return MappingProxyType({**added, **published, **profiled(type_)} if published else {})


@cache
def profiled(type_: str) -> Mapping[str, SearchParameter]:
    """The parameters that PDSm and MHD add to a type, by code."""
    rows = (entry["resource"] for entry in profile_json(PROFILED)["entry"])
    return MappingProxyType({row["code"]: _parameter(row, type_) for row in rows if type_ in row["base"]})


@own.remembered
def elements(type_: str, parameter: SearchParameter) -> tuple[tuple[str, str | None], ...]:
    """What stands behind the parameter: the data type of each place it looks at, and the value set bound to it.

    () where that is not known: an expression that computes its value.
    """
    try:
        spots = spots_of(parameter.expression, type_)
    except PathError:
        return ()
    return tuple((spot.kind, _value_set(spot.element)) for spot in spots)


def _value_set(path: str) -> str | None:
    found = element(path)
    return found.binding.value_set if found and found.binding else None


def _parameter(row: Mapping[str, Any], type_: str) -> SearchParameter:
    own = [part for part in row["expression"].split(" | ") if part.startswith(f"{type_}.")]
    return SearchParameter(
        code=row["code"],
        url=row["url"],
        type=row["type"],
        expression=" | ".join(own),
        targets=tuple(row.get("target", ())),
        description=row["description"],
        bases=(type_,),
        components=(),
    )
