"""Kinds: what is particular to a resource type beyond its definition.

May live here: the table of types that have a module, and the default for all others. May not know: what an
interaction does; codes are those of http://hl7.org/fhir/restful-interaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from fhir_server.definitions.library import load
from fhir_server.foundation.problem import Issue
from fhir_server.resources import binary, consent, document_reference, list_, patient, search_parameter

Resource = Mapping[str, Any]

READING = ("read", "vread", "history-instance", "history-type", "search-type")
ALL = (*READING, "create", "update", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Kind:
    """One type: the interactions it can have, rules beyond its definition, and what the server makes of what is sent.

    `check` answers issues for a resource that is already valid R4; `derive` answers the resource as it is to be kept.
    """

    name: str
    interactions: tuple[str, ...]
    check: Callable[[Resource], list[Issue]]
    derive: Callable[[dict[str, Any]], dict[str, Any]]


def _nothing(_: Resource) -> list[Issue]:
    return []


def _as_sent(resource: dict[str, Any]) -> dict[str, Any]:
    return resource


# A Binary is replaced whole; Parameters have no endpoint; nobody writes an AuditEvent (decisions 6).
_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        each.name: each
        for each in (
            Kind("AuditEvent", READING, _nothing, _as_sent),
            Kind("Binary", (*READING, "create", "update", "delete"), binary.check_binary, _as_sent),
            Kind("Consent", ALL, consent.check_consent, _as_sent),
            Kind("DocumentReference", ALL, document_reference.check_document, _as_sent),
            Kind("List", ALL, list_.check_list, _as_sent),
            Kind("Parameters", (), _nothing, _as_sent),
            Kind("SearchParameter", ALL, search_parameter.check_search_parameter, _as_sent),
            Kind("Patient", ALL, patient.check_patient, patient.without_computed),
        )
    }
)


def kind_of(type_: str) -> Kind:
    """The Kind of a resource type. Raises KeyError for what is no concrete resource type."""
    return _KINDS.get(type_) or _plain()[type_]


@cache
def _plain() -> Mapping[str, Kind]:
    return {type_: Kind(type_, ALL, _nothing, _as_sent) for type_ in load().types if type_ not in _KINDS}
