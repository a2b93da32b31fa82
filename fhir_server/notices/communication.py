"""Avis au titulaire: a notice as the Communication that stands in the record (DMP-81, DMP-107).

May live here: building it. May not know: whether there is a notice, how it travels (`occasion.py`, `outbox.py`).
https://hl7.org/fhir/R4/communication.html; it says what a text message says, and no health data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.foundation.moment import instant
from fhir_server.notices.occasion import Happening, Notice, text_of

_CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
_MODE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
_MEDIA = {"mail": "EMAILWRIT", "text": "SMSWRIT", "post": "MAILWRIT"}


def communication(happening: Happening, notices: Iterable[Notice]) -> dict[str, Any]:
    """What the holder is told of a happening, without an id; `notices` are those on their way, there may be none."""
    media = sorted({_MEDIA[each.channel] for each in notices if each.channel in _MEDIA})
    holder = {"reference": f"Patient/{happening.patient}"}
    return {
        "resourceType": "Communication",
        "language": "fr",
        "status": "completed",
        "category": [{"coding": [{"system": _CATEGORY, "code": "notification"}]}],
        **({"medium": [{"coding": [{"system": _MODE, "code": each}]} for each in media]} if media else {}),
        "subject": holder,
        **({"about": [{"reference": happening.about}]} if happening.about else {}),
        "sent": instant(happening.at),
        "recipient": [holder],
        "payload": [{"contentString": text_of(happening)}],
    }
