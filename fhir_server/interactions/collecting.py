"""Collecting: what follows of a Consent in the transaction that wrote it, once it is written.

May live here: that a designation begins now, and the Provenance that names who collected the holder's word (DMP-53,
DMP-54, DMP-110). May not know: who may write a Consent, which others it ends (`consents.py`). All of it is on record as
what it is, in the ledger's entry of the request.
"""

from __future__ import annotations

from typing import Any

from fhir_server.foundation.moment import from_micros, instant, interval
from fhir_server.foundation.predicate import EVERYTHING
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.foundation.problem import Issue, unprocessable
from fhir_server.interactions.entry import Entry
from fhir_server.resources.designation import designated
from fhir_server.store.changes import Unit
from fhir_server.store.documents import Stored

AGENT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
ACTIVITY = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
AHEAD = 600_000_000
"""How far the clock of who writes may be ahead of ours, in microseconds."""


def settle(entry: Entry, unit: Unit) -> None:
    """Do what follows of the Consents that were written. Raises Problem 422 for a designation that begins later."""
    consents = [each for each in unit.written if each.type == "Consent" and each.body]
    # a step in the life of a record says of the whole of it who took it (`life.py`)
    traced = [each.resource() for each in unit.written if each.type == "Provenance" and each.body]
    told = {target.get("reference") for each in traced for target in each.get("target", ())}
    for each in consents:
        if designated(each.resource()):
            _begun(each, unit)
        named = {each.id, f"Patient/{each.facts.get('patient')}"}
        if entry.principal.kind is Kind.PROFESSIONAL and each.version == 1 and told.isdisjoint(named):
            _collected(each, entry, unit)


def _begun(written: Stored, unit: Unit) -> None:
    """A designation holds from now on: who is not yet médecin traitant is not said to be."""
    start = ((written.resource().get("provision") or {}).get("period") or {}).get("start")
    if start is not None and interval(start).lo > unit.now + AHEAD:
        said = "a designation begins when it is written, not later"
        raise unprocessable((Issue("error", "business-rule", said, "Consent.provision.period.start"),))


def _collected(consent: Stored, entry: Entry, unit: Unit) -> None:
    """Who put the holder's word on record: the performer consented, the agent wrote it down."""
    write = unit.create(
        provenance(consent, entry.principal, instant(from_micros(unit.now))),
        submitter=entry.principal.submits_as,
        after=EVERYTHING,
    )
    unit.flush()
    made = unit.preview(write)
    entry.add(
        "create",
        made.type,
        patient=made.facts.get("patient"),
        whats=(f"{made.id}/_history/{made.version}",),
        granted=("write.collected-consent",),
        about=({"id": made.id, **made.facts},),
    )


def provenance(consent: Stored, collector: Principal, recorded: str) -> dict[str, Any]:
    """The Provenance of a Consent whose performer said it to a professional."""
    performer = next(iter(consent.resource().get("performer", ())), None)
    who = {"reference": collector.reference} if collector.reference else {"display": collector.name}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": consent.id}],
        "recorded": recorded,
        "activity": {"coding": [{"system": ACTIVITY, "code": "CREATE"}]},
        "agent": [
            {
                "type": {"coding": [{"system": AGENT, "code": "enterer"}]},
                "who": who,
                **({"onBehalfOf": performer} if performer else {}),
            }
        ],
    }
