"""Conservation: which closed records are due to be destroyed, and their destruction, one by one (DMP-104).

May live here: what a nightly round needs, and nothing about when it runs. May not know: how a record is destroyed: that
is the operation's, which is asked here as anybody asks it, so that rules, ledger and notices are the same.
"""

from __future__ import annotations

from fhir_server.consent.life import is_over
from fhir_server.consent.settings import settings
from fhir_server.foundation.moment import micros
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.interactions import pipeline
from fhir_server.interactions.house import House
from fhir_server.interactions.request import FhirRequest
from fhir_server.resources import closing
from fhir_server.store import destruction

KEEPER = Principal(
    Kind.OPERATOR,
    "retention",
    "fhir-server",
    name="Conservation",
    purpose=Purpose.OPERATIONS,
    scopes=("system/*.cruds",),
)
"""As whom the round asks."""


def due(house: House) -> list[str]:
    """Ids of the Patients whose records are to be destroyed now: the years have passed, or it was cut half-way."""
    at, years = micros(house.clock()), settings().retention_years
    over = []
    for patient in destruction.closed(house.shelf):
        told = closing.of(patient)
        if told is not None and is_over(told.day, at, years):
            over.append(str(patient["id"]))
    return [*destruction.unfinished(house.shelf), *over]


def destroy(house: House, patient: str, base: str) -> None:
    """Destroy one record, or go on with it; `base` is the FHIR base URL, as the trace of it names it.

    Raises Problem 403 while it is to be kept, 404 for one there is not, 409 for one that is not closed.
    """
    asked = FhirRequest("POST", f"Patient/{patient}/$destroy-record", base, request_id=house.ids())
    pipeline.answer(asked, KEEPER, house)
