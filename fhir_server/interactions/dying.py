"""Décès: a Patient that the operator says has died has no open record any more (DMP-104, DMP-105).

May live here: what a change of a Patient, told by the source of identities, makes of its record. May not know: steps
that somebody takes (`operations/`).
"""

from __future__ import annotations

from typing import Any

from fhir_server.foundation.principal import Kind
from fhir_server.interactions import announce, life
from fhir_server.interactions.pipeline import Visit
from fhir_server.resources import closing
from fhir_server.store.documents import Stored

DEATH = "deces"


def held(visit: Visit, before: Stored, resource: dict[str, Any]) -> dict[str, Any]:
    """The Patient as it is to be kept: a record whose holder has died is closed, and a closing is not forgotten.

    A source of identities knows nothing of closings: what it leaves out it does not take back.
    """
    if resource["resourceType"] != "Patient" or visit.principal.kind is not Kind.OPERATOR:
        return resource
    known = [each for each in before.resource().get("extension", ()) if each.get("url") == closing.CLOSING]
    open_ = resource.get("active") is True
    if known and closing.of(resource) is None and (not open_ or closing.is_dead(resource)):
        return {**resource, "active": False, "extension": [*resource.get("extension", ()), *known]}
    if open_ and closing.is_dead(resource):
        return closing.closed(resource, life.today(visit), DEATH)
    return resource


def ends(visit: Visit, before: Stored, resource: dict[str, Any]) -> None:
    """Stage what ends with a record that a death closes, and tell who represented the holder."""
    if resource["resourceType"] != "Patient" or visit.principal.kind is not Kind.OPERATOR:
        return
    if closing.is_dead(resource) and closing.of(resource) is not None and before.resource().get("active") is True:
        life.ended(visit, before.key)
        told = announce.of_life(visit.house, visit.principal, before.key, "closed", [resource])
        visit.entry.notices.extend(told)
