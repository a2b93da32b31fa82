"""Managed: what was done to a client, as a deed. May live here: that. May not know: the ledger, who asked how."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from fhir_server.audit_event.deed import Deed
from fhir_server.foundation.principal import Principal


def managed(
    principal: Principal, what: str, client: str, recorded: datetime, entry: str, *, failed: bool = False
) -> Deed:
    """The deed of `what` (add, register, rotate, disable, enable, rotate-key, withdraw-key) done to a client or key.

    Whoever asks puts it on record before it is done, and again, as failed, where it then cannot be done.
    """
    return Deed(
        principal=principal,
        interaction="operation",
        type=f"client/{what}",
        patient=None,
        outcome="4" if failed else "0",
        recorded=recorded,
        request_id=entry,
        address="",
        query=urlencode({"id": client}),
        granted=("operator",) if principal.kind == "operator" else (),
        entry=entry,
    )
