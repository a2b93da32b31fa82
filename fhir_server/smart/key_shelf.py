"""The key shelf: where `keys.py` keeps its keys. May live here: that and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from fhir_server.smart.records import Records


class KeyRecords:
    """Our keys in the database."""

    def __init__(self, records: Records, clock: Callable[[], datetime]) -> None:
        self._keys, self._clock = records.signing_keys, clock

    def published_keys(self) -> list[Mapping[str, Any]]:
        """Every key, oldest first."""
        now = self._clock()
        return [
            {"kid": each.key, "alg": each.alg, "jwk": dict(each.jwk), "ends": each.ends}
            for each in self._keys.all("made")
            if each.ends is None or each.ends > now
        ]

    def keep_key(self, slot: str, kid: str, alg: str, jwk: dict[str, Any], made: datetime) -> None:
        """Keep a key under a slot, unless another worker has filled it meanwhile."""
        self._keys.insert(key=kid, slot=slot, alg=alg, jwk=jwk, made=made)

    def end_key(self, kid: str, ends: datetime) -> None:
        """Publish a key until `ends` and sign no more with it."""
        self._keys.change(kid, set__ends=ends)

    def drop_key(self, kid: str) -> None:
        """Forget a key."""
        self._keys.drop(key=kid)
