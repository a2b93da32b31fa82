"""Outbox: notices wait here until they are sent, at least once, and are told once however often they happen.

May live here: the collections `outbox` and `connections`, and the thread that sends. May not know: what is told.

outbox        {_id: key, patient, occasion, to, channel, subject, text, code?, labels, about?, sign_in?, reader, made,
               due, lease, attempts, state: waiting|sent|withheld|failed, sent?, expires}
connections   {_id: "patient|identity", at}

A notice is added in the transaction of what it tells of. It is claimed under a lease and sent, so a crash between the
two sends it again after the lease: at least once. MongoDB deletes it when `expires` has passed, and a one-time code
is out of it as soon as it is sent.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, get_args

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.write_concern import WriteConcern

from fhir_server.foundation.moment import instant
from fhir_server.notices.mail import Undeliverable
from fhir_server.notices.occasion import Notice, Occasion, hidden
from fhir_server.store.collections import make_collections

log = logging.getLogger(__name__)

INDEXES = (
    IndexModel([("state", ASCENDING), ("channel", ASCENDING), ("due", ASCENDING)]),
    IndexModel([("to", ASCENDING), ("made", DESCENDING)]),
    IndexModel([("made", DESCENDING)]),
    IndexModel([("about", ASCENDING)], sparse=True),
    IndexModel([("expires", ASCENDING)], expireAfterSeconds=0),
)
POLL = 1.0
LEASE = timedelta(seconds=60)
LONGEST_PAUSE = 3_600
KNOWN = 50_000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Way(Protocol):
    """A way out. Raises Undeliverable when trying again is of no use, OSError when it may be tried again."""

    def __call__(self, to: str, subject: str, text: str, key: str) -> None: ...  # noqa: D102


def kept(to: str, subject: str, text: str, key: str) -> None:
    """The sandbox's way out: the notice stays in the outbox, marked sent, for `/sandbox/outbox` to show."""


class Outbox:
    """One per process. `ways` are the ways out by channel; a channel without one keeps its notices waiting.

    In a sandbox what is sent stays readable, codes included, until it expires. `clock` is the protocol clock.
    """

    def __init__(
        self,
        database: Database[dict[str, Any]],
        ways: Mapping[str, Way] | None = None,
        *,
        sandbox: bool = False,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        majority = WriteConcern("majority", j=True)
        self._database = database
        self._outbox = database.get_collection("outbox", write_concern=majority)
        self._connections = database.get_collection("connections", write_concern=majority)
        self._ways: dict[str, Way] = {
            **(dict.fromkeys(("mail", "text", "post"), kept) if sandbox else {}),
            **(ways or {}),
        }
        self._sandbox = sandbox
        self._clock = clock or (lambda: datetime.now(UTC))
        self._known: set[str] = set()
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """The collections and indexes, before the first request."""
        make_collections(self._database, ("outbox", "connections"))
        self._outbox.create_indexes(list(INDEXES))

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._send_forever, name="outbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way and end."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def add(self, notices: Iterable[Notice], session: ClientSession | None = None) -> None:
        """Put notices in, in the session's transaction if there is one; one that is there already is left as it is."""
        now = self._clock()
        puts = [UpdateOne({"_id": each.key}, {"$setOnInsert": _document(each, now)}, upsert=True) for each in notices]
        if not puts:
            return
        self._outbox.bulk_write(puts, ordered=False, session=session)
        if session is None:
            self._wake.set()

    def relabel(self, about: str, labels: Iterable[str], session: ClientSession | None = None) -> None:
        """The labels of `Type/id` have changed: what waits to be told of it is withheld where it is hidden now."""
        every = list(labels)
        for reader in ("holder", "representative"):
            state = "withheld" if hidden(reader, every) else "waiting"
            self._outbox.update_many(
                {"about": about, "reader": reader, "state": {"$in": ["waiting", "withheld"]}},
                {"$set": {"labels": every, "state": state}},
                session=session,
            )

    def recent(self, to: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Notices newest first: `{to, channel, subject, text, code?, sent}`; `sent` is an instant, or None yet.

        For the sandbox (decisions 4); elsewhere codes and the texts that held them are gone once sent.
        """
        hidden_ones = [{"state": "withheld"}, {"channel": "nobody"}]
        where: dict[str, Any] = {"expires": {"$gt": self._clock()}, "$nor": hidden_ones}
        if to is not None:
            where["to"] = to
        return [_shown(each) for each in self._outbox.find(where).sort("made", DESCENDING).limit(limit)]

    def first_connection(self, patient: str, identity: str, tell: Callable[[], Iterable[Notice]] = tuple) -> bool:
        """Whether this identity never connected to this record before; from now on it has.

        `tell` gives the notices of it, which are added before that is remembered: a crash between the two tells of it
        at the next connection, never not at all. What this process knows costs no round trip.
        """
        key = f"{patient}|{identity}"
        if key in self._known:
            return False
        first = self._connections.find_one({"_id": key}, {"_id": 1}) is None
        if first:
            self.add(tell())
            try:
                done = self._connections.update_one({"_id": key}, {"$setOnInsert": {"at": self._clock()}}, upsert=True)
                first = done.upserted_id is not None
            except DuplicateKeyError:
                first = False
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known.add(key)
        return first

    def told_in(self, sign_in: str, keys: Iterable[str]) -> frozenset[str]:
        """Which of these notices (keys) were made in this sign-in."""
        found = self._outbox.find({"_id": {"$in": list(keys)}, "sign_in": sign_in}, {"_id": 1})
        return frozenset(each["_id"] for each in found)

    def forget_record(self, patient: str) -> None:
        """Forget what was told of a record that is destroyed, but that it is (DMP-107), and who connected to it."""
        told = [each for each in get_args(Occasion) if each != "destroyed"]
        self._outbox.delete_many({"patient": patient, "occasion": {"$in": told}})
        begins = re.compile(f"^{re.escape(patient)}\\|")
        self._connections.delete_many({"_id": begins})

    def forget(self) -> None:
        """Forget which connections are known: the database was emptied (sandbox)."""
        self._known.clear()

    def send_due(self) -> int:
        """Send what is due now; how many were claimed."""
        claimed = 0
        while not self._stopped and (notice := self._claim()) is not None:
            claimed += 1
            self._send(notice)
        return claimed

    def _send_forever(self) -> None:
        while not self._stopped:
            try:
                self.send_due()
            except PyMongoError as cause:
                log.warning("the outbox cannot be reached: %s", type(cause).__name__)
            self._wake.wait(POLL)
            self._wake.clear()

    def _claim(self) -> dict[str, Any] | None:
        now = self._clock()
        return self._outbox.find_one_and_update(
            {
                "state": "waiting",
                "channel": {"$in": sorted(self._ways)},
                "due": {"$lte": now},
                "lease": {"$lte": now},
                "expires": {"$gt": now},
            },
            {"$set": {"lease": now + LEASE}, "$inc": {"attempts": 1}},
            sort=[("due", ASCENDING)],
            return_document=True,
        )

    def _send(self, notice: dict[str, Any]) -> None:
        mine = {"_id": notice["_id"], "state": "waiting", "lease": notice["lease"]}
        if hidden(notice["reader"], notice["labels"]):
            self._outbox.update_one(mine, {"$set": {"state": "withheld"}})
            return
        try:
            self._ways[notice["channel"]](notice["to"], notice["subject"], notice["text"], notice["_id"])
        except Undeliverable as cause:
            log.warning("a notice cannot be delivered: %s", cause)
            self._outbox.update_one(mine, self._without_code(notice, {"state": "failed"}))
        except Exception as cause:  # noqa: BLE001 - whatever the way out raised, the notice must be tried again
            log.warning("a notice was not sent, it is tried again: %s", type(cause).__name__)
            pause = timedelta(seconds=min(2 ** min(notice["attempts"], 12), LONGEST_PAUSE))
            self._outbox.update_one(mine, {"$set": {"due": self._clock() + pause, "lease": _LONG_AGO}})
        else:
            self._outbox.update_one(mine, self._without_code(notice, {"state": "sent", "sent": self._clock()}))

    def _without_code(self, notice: Mapping[str, Any], done: dict[str, Any]) -> dict[str, Any]:
        """The update that ends a notice, and with it the one-time code in clear; the sandbox shows it still."""
        if "code" not in notice or self._sandbox:
            return {"$set": done}
        return {"$set": {**done, "text": ""}, "$unset": {"code": ""}}


def _document(notice: Notice, now: datetime) -> dict[str, Any]:
    document = {
        "patient": notice.patient,
        "occasion": notice.occasion,
        "to": notice.to,
        "channel": notice.channel,
        "subject": notice.subject,
        "text": notice.text,
        "labels": sorted(notice.labels),
        "reader": notice.reader,
        "made": time.time_ns() // 1_000,
        "due": notice.due or now,
        "lease": _LONG_AGO,
        "attempts": 0,
        "state": "waiting",
        "expires": (notice.due or now) + notice.life,
    }
    if notice.code is not None:
        document["code"] = notice.code
    if notice.about is not None:
        document["about"] = notice.about
    if notice.sign_in is not None:
        document["sign_in"] = notice.sign_in
    return document


def _shown(document: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: document[name] for name in ("to", "channel", "subject", "text", "code") if name in document}
    sent = document.get("sent")
    aware = sent.replace(tzinfo=UTC) if sent is not None and sent.tzinfo is None else sent
    return {**shown, "sent": instant(aware) if aware is not None else None}
