"""Parting: the people of a record that is destroyed have no sign-in any more, and nothing issued to them holds.

May live here: which of this room's records name a Patient, and their end. May not know: why a record is destroyed.
"""

from __future__ import annotations

from fhir_server.smart.records import Records
from fhir_server.smart.revocation import Revocation


def forget(kept: Records, revocation: Revocation, patient: str) -> None:
    """End and forget accounts, sessions, grants, codes and launches of a record (patient id); may be repeated."""
    accounts = {
        each.key: each
        for where in ({"patient": patient}, {"reference": f"Patient/{patient}"})
        for each in kept.accounts.all(**where)
    }
    for key in accounts:
        for session in kept.sessions.all(account=key):
            revocation.end_session(session.key)
            kept.one_time_codes.drop(session=session.key)
        kept.one_time_codes.drop(key=key)
    grants = {
        each.key
        for where in ({"patient": patient}, {"person__patient": patient}, {"person__reference": f"Patient/{patient}"})
        for each in kept.grants.all(**where)
    }
    for key in sorted(grants):
        revocation.end_grant(key)
        kept.codes.drop(grant=key)
        kept.refresh_tokens.drop(grant=key)
        kept.grants.drop(key=key)
    kept.creation_codes.drop(patient=patient)
    kept.launches.drop(patient=patient)
    kept.requests.drop(patient=patient)
    for key in accounts:
        kept.accounts.drop(key=key)
