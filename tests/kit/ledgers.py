"""Records for a ledger that nobody asked anything, and what is in it."""

from __future__ import annotations

from datetime import UTC, datetime

from fhir_server.audit_event.event import Deed, envelope

BASE = "https://dmp.example.org/fhir"


def a_record(id_, **more):
    deed = Deed(
        None, "read", "Patient", "lea", "0", datetime.now(UTC), "req", "10.0.0.7", ("Patient/lea/_history/1",), **more
    )
    return envelope(deed, id_, BASE)


def ids(database):
    return {each["_id"] for each in database.ledger.find({}, {"_id": 1})}
