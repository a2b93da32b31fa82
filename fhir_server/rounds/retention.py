"""Conservation: what was closed ten years ago is destroyed (DMP-104).

May live here: the round. May not know: what is due and how it is destroyed (`interactions/retention.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.foundation.problem import Problem
from fhir_server.interactions import retention
from fhir_server.rounds.act import Means

_DONE = (404, 409)
"""Another was quicker, or it was opened again: there is nothing to destroy any more."""


def due(means: Means) -> Iterator[str]:
    """The patients (ids) whose record is to be destroyed, or was in part."""
    yield from retention.due(means.house)


def destroy(means: Means, patient: str) -> bool:
    """Destroy it, and what the rounds noted of it."""
    try:
        retention.destroy(means.house, patient, means.base)
    except Problem as refused:
        if refused.status in _DONE:
            return False
        raise
    means.turn.forget(patient)
    return True
