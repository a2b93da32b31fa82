"""The access request: every fact a decision may use, and nothing else.

May live here: who asks what of which record, in which mode, when; for a write, what stands there and what is proposed.
May not know: how these facts were found. https://profiles.ihe.net/ITI/PCF/volume-1.html (Consent Authorization Server).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from fhir_server.consent.provision import Members
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import Any_, Exists, Has, Not, Predicate, both, one_of
from fhir_server.foundation.principal import Kind, Principal, Purpose

Verb: TypeAlias = Literal["read", "vread", "search", "history", "create", "update", "patch", "delete", "operation"]
Standing: TypeAlias = Literal["none", "open", "closed"]

# who records these for the holder has no more right to them for it
_NOBODYS = ("AuditEvent", "Communication", "Consent", "Patient", "RelatedPerson")
WRITES = frozenset({"create", "update", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Life:
    """What a Patient says of the life of its record: the day (FHIR date) and motive of a closing, None where unsaid.

    `deceased`: the holder has died. `offline`: the insurance scheme rules out that the record is opened online.
    """

    closed: str | None = None
    motive: str | None = None
    deceased: bool = False
    offline: bool = False


UNTOLD = Life()


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who asks what. `type` is a FHIR type, "" for the whole system; `patient` the record's id, None for no record.

    `standing`: "none" for an identity that never had a record, "closed" for one that was closed. `birth` is a FHIR
    date. `representatives` are the record's active legal representatives (`RelatedPerson/x`).

    For a write: `current` is the envelope of what stands at the address (its facts are enough), `proposed` the resource
    to be put there, `changes` the top-level elements that differ between the two, and `members` what the teams of a
    proposed Consent stand for, None where they were not looked up. A write that is a step in the life of the record
    has the `operation` it belongs to; `demanded` says that the holder asks for what is done.
    """

    principal: Principal
    verb: Verb
    type: str
    patient: str | None
    now: datetime
    operation: str | None = None
    standing: Standing = "none"
    birth: str | None = None
    representatives: frozenset[str] = frozenset()
    existence_check: bool = False
    current: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    proposed: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    changes: frozenset[str] | None = None
    members: Members | None = field(default=None, compare=False, repr=False)
    life: Life = UNTOLD
    demanded: bool = False
    at: int = field(init=False, compare=False, repr=False, default=0)
    keys: frozenset[str] = field(init=False, compare=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", micros(self.now))
        own = (self.principal.reference,) if self.principal.reference else ()
        object.__setattr__(self, "keys", self.principal.identities.union(self.principal.organizations, own))

    @property
    def writes(self) -> bool:
        """Whether something is to be written."""
        return self.verb in WRITES

    @property
    def checks_existence(self) -> bool:
        """Test d'existence (TD02): a search of Patient by INS and nothing else (DMP-101)."""
        return self.existence_check and self.verb == "search" and self.type == "Patient"

    @property
    def by_professional(self) -> bool:
        """Professionnel de santé, in any mode."""
        return self.principal.kind is Kind.PROFESSIONAL

    @property
    def by_system(self) -> bool:
        """The system of an establishment or of the insurance, which deposits and never consults."""
        return self.principal.kind in (Kind.ESTABLISHMENT, Kind.INSURANCE_FEED)

    @property
    def normal(self) -> bool:
        """Accès normal (DMP-116): neither bris de glace nor centre 15."""
        return self.principal.purpose is Purpose.TREATMENT

    @property
    def by_holder(self) -> bool:
        """The holder, of this very record."""
        return (
            self.principal.kind is Kind.HOLDER
            and self.patient is not None
            and f"Patient/{self.patient}" in (self.principal.reference, *self.principal.identities)
        )

    @property
    def representing(self) -> str | None:
        """The `RelatedPerson/x` under which the asker represents this holder, or None."""
        if self.principal.kind is not Kind.REPRESENTATIVE:
            return None
        own = {self.principal.reference, *self.principal.identities}
        return next((each for each in sorted(self.representatives) if each in own), None)


def wrote(request: AccessRequest) -> Predicate:
    """What the asker wrote or deposited, by any of the keys that name this person or system.

    What only comes along with a document (a Provenance, a trace) inherits its author, and is not the asker's for that;
    the content of a document is.
    """
    return written_by(request.principal.identities)


@lru_cache(maxsize=4096)
def written_by(identities: frozenset[str]) -> Predicate:
    """The same of somebody's keys."""
    keys = sorted(identities)
    theirs = Any_((*one_or_more("author", keys), *one_or_more("submitter", keys)))
    own_right = Any_((Not(Exists("about")), one_of("resource", ("Binary", "Bundle"))))
    return both(theirs, own_right, Not(one_of("resource", _NOBODYS)))


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """The top-level elements in which two versions differ; of extensions which ones do: `extension:<url>`."""
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if "extension" in names:
        names = (names - {"extension"}) | _extensions(before.get("extension"), after.get("extension"))
    return frozenset(names)


def _extensions(before: Any, after: Any) -> set[str]:
    """Which extensions differ; all of them (`extension`) where the rest does not stand as it was, in its order."""
    sides: list[list[Any]] = [
        each if isinstance(each, list) else [] if each is None else [None] for each in (before, after)
    ]
    if not all(isinstance(each, Mapping) and isinstance(each.get("url"), str) for side in sides for each in side):
        return {"extension"}
    told = [{url: [each for each in side if each["url"] == url] for url in _urls(sides)} for side in sides]
    differ = {url for url in _urls(sides) if told[0][url] != told[1][url]}
    rest = [[each for each in side if each["url"] not in differ] for side in sides]
    return {f"extension:{url}" for url in differ} if rest[0] == rest[1] else {"extension"}


def _urls(sides: list[list[Any]]) -> set[str]:
    return {each["url"] for side in sides for each in side}


def one_or_more(name: str, values: list[str]) -> tuple[Predicate, ...]:
    """`one_of` as the members of a disjunction."""
    return tuple(Has(name, value) for value in values)
