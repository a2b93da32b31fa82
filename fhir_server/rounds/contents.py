"""Contenus: bytes that were sent and that no write came to keep are not kept either (decisions 14).

May live here: the round. May not know: where bytes are, and how they are bound (`store/blobs.py`). Nothing of a record
is touched, so nothing is traced: what was refused left its trace when it was refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.rounds.act import Means
from fhir_server.store.blobs import Blobs


def due(means: Means) -> Iterator[str]:
    """The keys of what is to be removed. By the clock of the machine: how long a write takes is nothing of a record."""
    yield from Blobs(means.house.shelf.database).unbound()


def remove(means: Means, key: str) -> bool:
    """Remove them; INVARIANT (kept): not what a version of a Binary holds."""
    blobs = Blobs(means.house.shelf.database)
    if blobs.adopted(key):
        return False
    blobs.remove(key)
    return True
