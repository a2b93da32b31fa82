"""Changes: everything one request writes, in one MongoDB transaction.

May live here: staging writes, composing their envelopes, superseding versions, binding Binaries, and carrying the
ledger's entry until the ledger has it; `restamp.py` spreads changed access facts.
May not know: who may write; each write brings the predicate its result must satisfy (decisions 18).

https://www.mongodb.com/docs/manual/core/transactions/
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from fhir_server.foundation.moment import from_micros, micros
from fhir_server.foundation.predicate import EVERYTHING, Predicate, matches
from fhir_server.foundation.problem import Problem, conflict, forbidden
from fhir_server.resources import facts as access
from fhir_server.resources.reach import Voice
from fhir_server.store import along, claims, designations, restamp, unguarded
from fhir_server.store.blobs import Blobs
from fhir_server.store.documents import Envelope, Stored, about_facts, envelope, stored
from fhir_server.store.freshness import Freshness
from fhir_server.store.naming import FREELY, Naming
from fhir_server.store.own_parameters import CHANGED
from fhir_server.store.shelf import Shelf
from fhir_server.store.write import (
    MILLISECOND,
    Write,
    dated,
    named_in,
    own_facts,
    referenced_first,
    said_by,
    stamped,
    tombstone,
    unique_of,
    version_of,
)

Answer = TypeVar("Answer")

KEPT = (
    *("type", "version", "updated", "method", "facts", "index", "dates", "numbers", "together"),
    *("own", "set_by", "deposited", "blob", "body"),
)
Restamped = tuple[str, Mapping[str, Any], Mapping[str, Any]]
"""`Type/id`, and its facts before and after."""


@dataclass(slots=True)
class Unit:
    """One attempt at a transaction. `now` is microseconds of the domain clock, by which all it writes is dated.

    `alone`: it is one new resource and nothing depends on what was read before. Then the resource may be `apart`: not
    written here, but to go along with its ledger record.
    """

    shelf: Shelf
    session: ClientSession
    now: int
    freshness: Freshness
    ids: Callable[[], str]
    staged: list[Write] = field(default_factory=list)
    written: list[Stored] = field(default_factory=list)
    bumped: int | None = None
    copied: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    restamped: list[Restamped] = field(default_factory=list)
    alone: bool = False
    apart: list[Envelope] = field(default_factory=list)

    def create(
        self,
        resource: dict[str, Any],
        *,
        submitter: Iterable[str],
        after: Predicate,
        naming: Naming = FREELY,
        id_: str | None = None,
        fresh: str | None = None,
        voice: Voice | None = None,
    ) -> Write:
        """Stage a new resource under a new id (`fresh`, if it was made before), or under `id_` of the asker's choice.

        Under a chosen id the version goes on from a deleted one's.
        """
        name = f"{resource['resourceType']}/{id_ or fresh or self.ids()}"
        version, last = 1, 0
        if id_ is not None:
            gone = self.shelf.history.find_one(
                {"id": name}, {"version": 1, "updated": 1}, sort=[("version", -1)], session=self.session
            )
            version, last = (gone["version"] + 1, gone["updated"]) if gone else (1, 0)
        method = "PUT" if id_ else "POST"
        write = Write(method, name, version, resource, None, after, tuple(submitter), naming)
        write.deposited, write.voice = self.now, voice
        return self._stage(write, last)

    def replace(
        self,
        before: Stored,
        resource: dict[str, Any],
        *,
        method: str,
        by: Iterable[str],
        after: Predicate,
        naming: Naming = FREELY,
        voice: Voice | None = None,
    ) -> Write:
        """Stage the next version of a resource, by who has these keys; its submitter stays who first deposited it."""
        submitter, version = tuple(before.facts.get("submitter", ())), before.version + 1
        write = Write(method, before.id, version, resource, before, after, submitter, naming, before.blob)
        write.by, write.deposited, write.voice = tuple(by), before.deposited, voice
        return self._stage(write, before.updated)

    def remove(self, before: Stored) -> Write:
        """Stage a deletion."""
        return self._stage(Write("DELETE", before.id, before.version + 1, None, before, EVERYTHING, ()), before.updated)

    def flush(self) -> None:
        """Compose and write what is staged, so that reads in the same session see it. Raises Problem 403, 409, 412."""
        if not self.staged:
            return
        pending, self.staged = self.staged, []
        if self.alone and len(pending) == 1 and along.may_go_along(pending[0]):
            made = self._compose(pending[0], {})
            if along.small_enough(made):
                self.apart.append(made)
                self.written.append(stored(made))
                return
        self.join()
        self._bind_binaries(pending)
        # what is referred to in a circle is known by its own facts before it is composed
        circle = pending if len(pending) > 1 else []
        done: dict[str, Mapping[str, Any]] = {}
        done |= {write.id: own_facts(write, self.shelf.base) for write in circle if write.resource}
        for write in referenced_first(pending, self.shelf.base):
            if write.resource is None:
                self._supersede(write)
                self.shelf.resources.delete_one({"_id": write.id}, session=self.session)
                if write.id.startswith("DocumentReference/"):  # its versions as well: nobody reads them (DMP-135)
                    ended = {"$set": {"facts.state": [restamp.ENDED]}}
                    self.shelf.history.update_many({"id": write.id}, ended, session=self.session)
                self._tombstone(write)
                facts = write.before.facts if write.before else {}
                self._restamp(write.id, facts, {**facts, "state": [restamp.ENDED]})
            else:
                made = self._compose(write, done)
                done[write.id] = made["facts"]
                self._put(write, made)
            self._tell_listeners(write, done.get(write.id))
        for patient in designations.concerned(pending):
            designations.refresh(self.shelf, patient, self.session)

    def preview(self, write: Write) -> Stored:
        """The version a write makes: as stored once flushed, else as it will be, with the facts it has of itself."""
        for version in reversed(self.written):
            if version.id == write.id and version.version == write.version:
                return version
        if write.resource is None:
            raise LookupError("a deletion makes no version to show")
        facts = own_facts(write, self.shelf.base)
        about = access.about_of(write.resource)
        if write.before is not None:
            facts |= designations.kept(write.before.facts)
        if about:
            known = {each.id: own_facts(each, self.shelf.base) for each in self.staged if each.resource}
            neighbours = self._neighbours(access.names_of(write.resource, self.shelf.base), known)
            sources = {name: neighbours[name] for name in about if name in neighbours}
            facts = about_facts(write.resource, facts, sources, write.deposited)
        return version_of(write, facts)

    def join(self) -> None:
        """Write in this transaction after all what was to go along with its record: more than that is to be written."""
        self.alone = False
        for made in self.apart:
            self.shelf.resources.insert_one(made, session=self.session)
        self.apart.clear()

    def carry(self, key: str, envelopes: Sequence[Envelope]) -> None:
        """Keep the ledger's entry beside what it tells of, until the ledger has it (decisions 20)."""
        if envelopes:
            self.shelf.carried.insert_one(
                {"_id": key, "at": from_micros(self.now), "envelopes": list(envelopes)}, session=self.session
            )

    def claim(self, key: str) -> None:
        """Make what a condition did not find as the only one: who claims the same at once begins again."""
        claims.claim(self.shelf.database, key, datetime.now(UTC), self.session)

    def bump(self, kind: str, key: str) -> None:
        """End, with this transaction, what workers remember of something."""
        self.bumped = self.freshness.bump(kind, key, self.session)

    def _stage(self, write: Write, last: int) -> Write:
        if any(each.id == write.id for each in self.staged):
            raise conflict("the same resource is written twice in one transaction")
        write.updated = dated(self.now, last)
        if write.resource is not None:
            write.resource = stamped(write.resource, write.id.partition("/")[2], write.version, write.updated)
            if write.id.startswith("Binary/"):
                write.resource, write.blob = self._shelve_content(write.resource)
        self.staged.append(write)
        return write

    def _shelve_content(self, binary: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        text = binary.get("data")
        if text is None:
            return binary, None
        key = Blobs(self.shelf.database).write(b64decode(text))
        return {name: value for name, value in binary.items() if name != "data"}, key

    def _bind_binaries(self, pending: list[Write]) -> None:
        """Bind each unbound Binary to the first document of its own submitter that points to it (decisions 14)."""
        binaries = {write.id: write for write in pending if write.id.startswith("Binary/")}
        for write in pending:
            if not write.id.startswith("DocumentReference/") or write.resource is None:
                continue
            for id_ in access.attachments_of(write.resource):
                staged = binaries.get(id_)
                if staged is not None and not staged.about and staged.submitter == write.submitter:
                    staged.about = (write.id,)
                elif staged is None:
                    self._bind_stored(id_, write, pending)

    def _bind_stored(self, id_: str, write: Write, pending: list[Write]) -> None:
        found = self.shelf.resources.find_one({"_id": id_}, session=self.session)
        if found is None or found["facts"].get("about") or found["facts"].get("submitter") != list(write.submitter):
            return
        binary = stored(found)
        version, updated = binary.version + 1, dated(self.now, binary.updated)
        resource = stamped(binary.resource(), binary.key, version, updated)
        bound = Write("PUT", id_, version, resource, binary, write.after, write.submitter, blob=binary.blob)
        bound.about, bound.deposited, bound.updated = (write.id,), binary.deposited, updated
        pending.append(bound)

    def _compose(self, write: Write, done: Mapping[str, Mapping[str, Any]]) -> Envelope:
        assert write.resource is not None  # noqa: S101 - a deletion composes nothing
        # a patch keeps mentions that its asker does not see: it takes as many round trips where there are none
        named = named_in(write, self.shelf.base)
        names = {*access.names_of(write.resource, named=named), *write.about}
        neighbours = self._neighbours(names, done, always=write.method == "PATCH")
        write.naming.check(write.resource, neighbours, {*done, *(each.id for each in self.written)})
        made = envelope(
            write.resource,
            named=named,
            version=write.version,
            updated=write.updated,
            submitter=write.submitter,
            neighbours=neighbours,
            unique=unique_of(write.resource),
            method=write.method,
            blob=write.blob,
            about=write.about,
            **said_by(write),
            deposited=write.deposited,
        )
        if write.id.startswith("Patient/") and write.method != "POST":
            designations.add(made, designations.of(self.shelf, write.id.removeprefix("Patient/"), self.session))
        if not matches(write.after, made):
            raise forbidden()
        return made

    def _neighbours(
        self, names: AbstractSet[str], known: Mapping[str, Mapping[str, Any]], *, always: bool = False
    ) -> dict[str, Mapping[str, Any]]:
        """The facts of what a resource is about or mentions: as stored, or as far as they are `known` in this unit."""
        here = {name: known[name] for name in names if name in known}
        there = unguarded.facts_of(self.shelf, names - here.keys(), self.session, always=always)
        self.copied.update(there)
        return {**there, **here}

    def _restamp(self, id_: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        restamp.spread(self.shelf, id_, before, after, self.session)
        if restamp.changed(id_, before, after):
            self.restamped.append((id_, before, after))

    def _put(self, write: Write, made: Envelope) -> None:
        try:
            if write.before is None:
                self.shelf.resources.insert_one(made, session=self.session)
                # under an id of the asker's choice it may have been named before it came
                if write.method == "PUT" and restamp.is_named(self.shelf, write.id, self.session):
                    self._restamp(write.id, {}, made["facts"])
            else:
                self._supersede(write)
                replaced = self.shelf.resources.replace_one(
                    {"_id": write.id, "version": write.before.version}, made, session=self.session
                )
                if replaced.matched_count != 1:
                    raise Problem(412, conflict("the resource has changed meanwhile").issues)
                self._restamp(write.id, write.before.facts, made["facts"])
        except DuplicateKeyError as taken:
            raise conflict("an identifier of this resource is already in use") from taken
        if write.blob and (write.before is None or write.blob != write.before.blob):
            Blobs(self.shelf.database).bind(write.blob, write.id, self.session)
        self.written.append(stored(made))

    def _supersede(self, write: Write) -> None:
        assert write.before is not None  # noqa: S101 - only what stood before is superseded
        old = self.shelf.resources.find_one({"_id": write.id, "version": write.before.version}, session=self.session)
        if old is None:
            raise Problem(412, conflict("the resource has changed meanwhile").issues)
        kept: Envelope = {name: old[name] for name in KEPT if name in old}
        self.shelf.history.insert_one(
            {"_id": f"{write.id}/{old['version']}", "id": write.id, **kept}, session=self.session
        )

    def _tombstone(self, write: Write) -> None:
        assert write.before is not None  # noqa: S101 - only what stood before is deleted
        gone = tombstone(write.before, write.version, write.updated)
        self.shelf.history.insert_one(gone, session=self.session)
        self.written.append(stored(gone))

    def _tell_listeners(self, write: Write, facts: Mapping[str, Any] | None) -> None:
        type_ = write.id.partition("/")[0]
        if type_ in along.RECORD_TYPES:
            before = write.before.facts.get("patients", []) if write.before else []
            for patient in dict.fromkeys([*before, *(facts or {}).get("patients", [])]):
                self.bump("record", patient)
        elif type_ in along.GROUP_TYPES or (type_ == "Practitioner" and write.before is not None):
            self.bump("record", "")
        elif type_ == "SearchParameter":
            self.bump(CHANGED, "")


class Changes:
    """Opens units; one per process."""

    def __init__(
        self, shelf: Shelf, freshness: Freshness, clock: Callable[[], datetime], ids: Callable[[], str]
    ) -> None:
        self._shelf = shelf
        self._freshness = freshness
        self._clock = clock
        self._ids = ids

    def atomically(self, work: Callable[[Unit], Answer], landed: Callable[[], None] = lambda: None) -> Answer:
        """What `work` answers, once all it staged is majority-committed; it is run again after a write conflict.

        `landed` is called after the commit, and writes what goes along. Returns only when every worker has taken note
        of what the transaction ended (decisions 19).
        """
        last: list[Unit] = []

        def attempt(session: ClientSession) -> Answer:
            unit = Unit(
                self._shelf, session, micros(self._clock()) // MILLISECOND * MILLISECOND, self._freshness, self._ids
            )
            last[:] = [unit]
            answer = work(unit)
            unit.flush()
            return answer

        with self._shelf.database.client.start_session() as session:
            answer = session.with_transaction(
                attempt,
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern("majority", j=True),
                read_preference=ReadPreference.PRIMARY,
            )
        landed()
        self._catch_up(last[0])
        bumped = last[0].bumped
        if bumped is not None:
            self._freshness.settle(bumped)
        return answer

    def _catch_up(self, unit: Unit) -> None:
        """Restamp what two transactions at once hid from each other (write skew), before either is answered.

        Whoever commits last sees what the other did: who changed facts looks again for copies of them, who copied facts
        looks whether they are still so.
        """
        for id_, before, after in unit.restamped:
            restamp.spread(self._shelf, id_, before, after, None)
        patched = any(each.method == "PATCH" for each in unit.written)
        now = unguarded.facts_of(self._shelf, unit.copied, always=patched)
        for id_, copied in unit.copied.items():
            restamp.spread(self._shelf, id_, copied, now.get(id_) or {**copied, "state": [restamp.ENDED]}, None)
