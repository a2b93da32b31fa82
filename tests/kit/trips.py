"""Round trips, counted: what the requests of this thread ask of MongoDB, as the driver itself reports it.

Left out is what does not depend on what was asked: the lease of a worker, which runs by the clock, and the end of a
session.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient, monitoring

BY_THE_CLOCK = frozenset({"invalidations", "leases"})
BY_KEY = frozenset({"blobs.files", "blobs.chunks", "connections"})
"""What is looked up by its key alone: the bytes of a Binary, who connected to a record before."""
QUESTIONS = frozenset({"find", "aggregate", "count", "distinct", "explain"})
NO_QUESTION = frozenset({"endSessions", "hello", "ping", "saslStart", "saslContinue", "authenticate"})


class Trips(monitoring.CommandListener):
    """The commands that this thread sent since the last `forget`: each with the collection it is about.

    `unbounded` are the questions among them, of all time, that the database may take as long as it likes over.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.unbounded: list[str] = []
        self._thread = threading.get_ident()

    def forget(self) -> None:
        """Begin anew, with the thread that asks."""
        self.names = []
        self._thread = threading.get_ident()

    def told(self) -> list[str]:
        """`command collection`, sorted: the order of a batch's entries is the asker's own."""
        return sorted(self.names)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if threading.get_ident() != self._thread or event.command_name in NO_QUESTION:
            return
        name = event.command_name
        about = event.command.get("collection" if name == "getMore" else name, "")
        if isinstance(about, dict):  # what is explained is a command itself
            about = about.get("find", "")
        if about in BY_THE_CLOCK:
            return
        self.names.append(f"{name} {about}")
        if name in QUESTIONS and "maxTimeMS" not in event.command and about not in BY_KEY:
            self.unbounded.append(f"{name} {about}")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


TRIPS = Trips()
"""Hears the clients that `counted` makes."""


@contextmanager
def counted(uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client as the server's own; TRIPS hears what is asked through it."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        uri, w="majority", journal=True, readConcernLevel="majority", tz_aware=True, event_listeners=[TRIPS]
    )
    try:
        yield client
    finally:
        client.close()
