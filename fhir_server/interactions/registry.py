"""The registry: which function runs which interaction of `routes.ROUTES`. One line each; nothing else lives here."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.interactions import (
    bundle,
    capabilities,
    create,
    delete,
    history,
    history_system,
    history_type,
    patch,
    read,
    search_contained,
    search_system,
    update,
    vread,
)
from fhir_server.interactions.operations import running
from fhir_server.interactions.pipeline import Run

RUN: Mapping[str, Run] = {
    "capabilities": capabilities.run,
    "bundle": bundle.run,
    "read": read.run,
    "vread": vread.run,
    "history-instance": history.run,
    "history-type": history_type.run,
    "history-system": history_system.run,
    "search-type": search_contained.run,
    "search-system": search_system.run,
    "create": create.run,
    "update": update.run,
    "patch": patch.run,
    "delete": delete.run,
    "operation": running.run,
}
