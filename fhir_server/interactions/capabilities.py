"""capabilities: https://hl7.org/fhir/R4/http.html#capabilities. Made from the tables the server itself obeys.

May live here: turning ROUTES, the search parameters and the discovery table into a CapabilityStatement.
May not know: anything that is not in those tables; what it says works, and what it does not say is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from fhir_server import __version__
from fhir_server.definitions.compartments import names
from fhir_server.definitions.library import load
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import answers, routes, summary
from fhir_server.interactions import operation_table as table
from fhir_server.interactions.operations import published
from fhir_server.interactions.request import FhirRequest, FhirResponse
from fhir_server.interactions.summary import Shape
from fhir_server.search import own, special, words
from fhir_server.search.supported import known, supported

_OF_EVERY_TYPE = {"_list": "special", "_type": "special"}
"""What R4 gives no SearchParameter for: https://hl7.org/fhir/R4/search.html#all."""
CODE = {"capabilities": None, "bundle": None, "operation": None}
PATCH_FORMATS = ["application/json-patch+json", "application/fhir+json"]
ACTORS = (
    "https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentRecipient.Comprehensive",
    "https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentResponder",
)
"""The actors of IHE MHD that this server plays: ITI-65 with comprehensive metadata; ITI-66, ITI-67 and ITI-68."""
PUBLISHED = "2026-11-23"


def run(visit: Any) -> FhirResponse:
    """The statement, for a visit that got here with a token; `answer` serves everybody."""
    return answer(visit.request, visit.house.canonical)


def answer(request: FhirRequest, canonical: str) -> FhirResponse:
    """200 with the CapabilityStatement, or the part of it that is asked for; `mode` is full or normative.

    No token is needed. Raises Problem 400 for another mode, and for a part that there is not.
    """
    mode = dict(request.query).get("mode", "full")
    if mode not in ("full", "normative"):
        raise bad_request(f"`mode={mode}` is not supported; use full", "mode", "not-supported")
    shape = summary.of(("CapabilityStatement",), request.query)
    return FhirResponse(200, statement_bytes(request.base, canonical, shape), answers.JSON)


@lru_cache(maxsize=8)
def statement_bytes(base: str, canonical: str, shape: Shape | None = None) -> bytes:
    """The statement, or the part of it that is asked for, as JSON.

    It does not change while the search parameters do not.
    """
    made = statement(base, canonical)
    return orjson.dumps(made if shape is None else summary.subset(shape, made))


own.forgets(statement_bytes.cache_clear)


def statement(base: str, canonical: str) -> dict[str, Any]:
    """The CapabilityStatement of this server at `base`."""
    origin = base.rsplit("/", 1)[0]
    return {
        "resourceType": "CapabilityStatement",
        "id": "server",
        "url": f"{canonical}/CapabilityStatement/server",
        "version": __version__,
        "name": "DmpOnFhir",
        "title": "DMP on FHIR",
        "status": "active",
        "date": PUBLISHED,
        "publisher": "DMP on FHIR",
        "kind": "instance",
        "instantiates": list(ACTORS),
        "software": {"name": "DMP on FHIR", "version": __version__},
        "implementation": {"description": "Dossier médical partagé", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json", "xml", "application/fhir+xml"],
        "patchFormat": PATCH_FORMATS,
        "rest": [
            {
                "mode": "server",
                "security": _security(origin),
                "resource": [_resource(type_, canonical) for type_ in load().endpoints],
                "interaction": [{"code": code} for code in ("transaction", "batch", *routes.of_the_system())],
                "searchParam": [{"name": name, "type": kind} for name, kind in _OF_EVERY_TYPE.items()],
                "operation": _operations("", canonical),
                "compartment": [f"http://hl7.org/fhir/CompartmentDefinition/{each.lower()}" for each in names()],
            }
        ],
    }


def _security(origin: str) -> dict[str, Any]:
    return {
        "cors": True,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [
                    {"url": "authorize", "valueUri": f"{origin}/auth/authorize"},
                    {"url": "token", "valueUri": f"{origin}/auth/token"},
                    {"url": "introspect", "valueUri": f"{origin}/auth/introspect"},
                    {"url": "revoke", "valueUri": f"{origin}/auth/revoke"},
                ],
            }
        ],
    }


def _resource(type_: str, canonical: str) -> dict[str, Any]:
    offered = routes.interactions_of(type_)
    optional = {
        "searchInclude": _includes(type_),
        "searchRevInclude": _reverse_includes().get(type_),
        "searchParam": [
            _parameter(code, found) for code, found in sorted({**_of_words(type_), **supported(type_)}.items())
        ],
        "operation": _operations(type_, canonical),
    }
    return {
        "type": type_,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type_}",
        "interaction": [{"code": code} for code in offered],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": "update" in offered,
        "conditionalCreate": "create" in offered,
        "conditionalRead": "not-supported" if type_ == "Patient" else "full-support",
        "conditionalUpdate": "update" in offered,
        "conditionalDelete": "single" if "delete" in offered else "not-supported",
        "referencePolicy": ["literal", "logical"],
        **{name: values for name, values in optional.items() if values},
    }


def _parameter(code: str, found: Any) -> dict[str, str]:
    return {"name": code, "definition": found.url, "type": found.type}


def _of_words(type_: str) -> dict[str, SearchParameter]:
    """What is published of a type, and asked of more than an element of it."""
    left_out = words.NAMES if type_ == "AuditEvent" else frozenset[str]()
    return {code: each for code, each in known(type_).items() if code in special.MEANT - left_out}


def _operations(type_: str, canonical: str) -> list[dict[str, str]]:
    return [{"name": each.name, "definition": published.url(each, canonical)} for each in table.of_type(type_)]


def _includes(type_: str) -> list[str]:
    """What `_include` takes, beside `:iterate` and the third part that names a target."""
    named = [f"{type_}:{code}" for code, found in sorted(supported(type_).items()) if found.type == "reference"]
    return ["*", f"{type_}:*", *named]


@own.remembered
def _reverse_includes() -> Mapping[str, list[str]]:
    """What may point at each type, by `_revinclude`."""
    found: dict[str, dict[str, None]] = {type_: {"*": None} for type_ in load().endpoints}
    for source in load().endpoints:
        for code, parameter in sorted(supported(source).items()):
            if parameter.type == "reference":
                for target in parameter.targets or load().endpoints:
                    found.setdefault(target, {}).update({f"{source}:*": None, f"{source}:{code}": None})
    return {target: list(named) for target, named in found.items()}
