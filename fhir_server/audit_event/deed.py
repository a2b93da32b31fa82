"""Deed: one thing done, or refused, as a value. May live here: its shape. May not know: what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from fhir_server.foundation.light import light
from fhir_server.foundation.principal import Principal


@light(frozen=True, slots=True)
class Deed:
    """One thing done, or refused, by one request, to at most one record.

    `interaction` is a restful-interaction code, or `operation`, `transaction`, `token`, `authorization`, `login`,
    `logout`. `whats` are the versions touched, or disclosed by a read (`Type/id/_history/v`); `query` the raw query
    string of a search or token request. `granted` are the reason codes of the grant. Beside the FHIR body only:
    `refused` (reason codes), `disclosed` (`Type/id` of all that was in the answer), `about` (access facts, with `id`,
    of the resources concerned). `entry` is one id per HTTP request; `submission` makes it the one event of ITI-65.
    """

    principal: Principal | None
    interaction: str
    type: str
    patient: str | None
    outcome: Literal["0", "4", "8", "12"]
    recorded: datetime
    request_id: str
    address: str
    whats: tuple[str, ...] = ()
    query: str | None = None
    granted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    disclosed: tuple[str, ...] = ()
    about: tuple[Mapping[str, Any], ...] = ()
    submission: bool = False
    entry: str = ""
