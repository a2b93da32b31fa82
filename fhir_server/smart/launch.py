"""Launch: apps started from within a professional's software, with a patient in context.

May live here: handles (https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch): who made
one, for which app, what it carries; one use, five minutes. May not know: how the person signs in, what is granted.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fhir_server.foundation.principal import Principal
from fhir_server.smart.records import Launch, Records, fingerprint

LIFE = timedelta(minutes=5)


class Launches:
    """One per process."""

    def __init__(self, records: Records, clock: Callable[[], datetime]) -> None:
        self._kept, self._clock = records.launches, clock

    def create(
        self,
        client: str,
        person: Principal,
        patient: str,
        *,
        encounter: str | None = None,
        intent: str | None = None,
        context: Sequence[Mapping[str, Any]] = (),
        banner: bool = True,
        secret: bool = False,
    ) -> str:
        """A handle for the app: `patient` and `encounter` are ids, `context` is SMART's fhirContext.

        `secret`: what is launched is a secret session (DMP-141).
        """
        handle = secrets.token_urlsafe(24)
        told = {
            "encounter": encounter,
            "intent": intent,
            "fhirContext": [dict(each) for each in context],
            "need_patient_banner": banner,
        }
        self._kept.insert(
            key=fingerprint(handle),
            client=client,
            subject=person.subject,
            patient=patient,
            context={name: value for name, value in told.items() if value not in (None, [])},
            secret=secret,
            expires=self._clock() + LIFE,
        )
        return handle

    def waits(self, handle: str, client: str) -> bool:
        """Whether a handle of this app can still be taken."""
        found = self._kept.find(fingerprint(handle), client=client, used=False)
        return found is not None and found.expires > self._clock()

    def take(self, handle: str, client: str) -> Launch | None:
        """What a handle of this app carries; None if it is unknown, used, too old, or of another app."""
        taken = self._kept.change(fingerprint(handle), {"client": client, "used": False}, set__used=True)
        return taken if taken is not None and taken.expires > self._clock() else None
