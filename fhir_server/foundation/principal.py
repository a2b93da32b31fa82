"""Principals: who asks, as what, why, and the words for why.

May live here: what a verified token says of its bearer, as a value. May not know: how a token is made or checked
(`smart/`), what the bearer may see (`consent/`).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

# letters by their category, and nothing to the eye: Unicode's Hangul fillers and hieroglyphic blanks
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\U00013441\U00013442")


class Kind(StrEnum):
    """What the bearer is to the record; UNKNOWN is nobody we know and is refused everywhere."""

    HOLDER = "holder"
    REPRESENTATIVE = "representative"
    PROFESSIONAL = "professional"
    ESTABLISHMENT = "establishment"
    INSURANCE_FEED = "insurance-feed"
    RECEPTION = "reception"
    OPERATOR = "operator"
    UNKNOWN = "unknown"


class Purpose(StrEnum):
    """Purpose of use, in the codes of R4's v3-ActReason (DMP-116: normal, bris de glace, centre 15)."""

    TREATMENT = "TREAT"
    BREAK_GLASS = "BTG"
    EMERGENCY_DISPATCH = "ETREAT"
    PATIENT_REQUEST = "PATRQT"
    OPERATIONS = "HOPERAT"
    ADMINISTRATION = "HSYSADMIN"

    @property
    def emergency(self) -> bool:
        """Whether this is one of the two emergency modes."""
        return self in (Purpose.BREAK_GLASS, Purpose.EMERGENCY_DISPATCH)


class _Hashed:
    """What is looked up by at every request: its hash is worked out once, and is no part of what it says."""

    __slots__ = ("_hash",)
    _hash: int


@dataclass(frozen=True, slots=True)
class Principal(_Hashed):
    """The bearer of a verified token.

    `identities` are all the keys that name this person or system: FHIR references (`Practitioner/x`) and national
    ids normalised by `definitions.identifiers.key_of`. `organizations` likewise: the organisation signed in at, and
    those it is part of. `patient` is the id of the launch context's Patient. `scopes` are SMART scope texts.
    """

    kind: Kind
    subject: str
    client: str
    name: str = ""
    token: str = ""
    reference: str | None = None
    identities: frozenset[str] = frozenset()
    organization: str | None = None
    organization_name: str = ""
    organizations: frozenset[str] = frozenset()
    profession: str | None = None
    specialties: frozenset[str] = frozenset()
    sector: str | None = None
    regulation: bool = False
    purpose: Purpose = Purpose.TREATMENT
    reason: str | None = field(default=None, repr=False)
    patient: str | None = None
    scopes: tuple[str, ...] = ()
    secret_session: bool = False
    issuer: str = ""

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            found = hash((self.kind, self.subject, self.client, self.token, self.purpose, self.patient, self.scopes))
            object.__setattr__(self, "_hash", found)
            return found

    @property
    def submits_as(self) -> tuple[str, ...]:
        """The keys under which a deposit is remembered: the organisation for its system, the person for a person."""
        systems = (Kind.ESTABLISHMENT, Kind.INSURANCE_FEED, Kind.RECEPTION)
        return tuple(sorted(self.identities if self.kind not in systems else self.organizations or self.identities))


def is_said(reason: str | None) -> bool:
    """Whether a reason says anything to who reads it: a letter or a digit that can be seen (DMP-117).

    Controls, marks of direction, spaces of any width and the like (categories C and Z) say nothing, nor do signs alone.
    """
    return any(each not in _UNSEEN and unicodedata.category(each)[0] in "LN" for each in reason or "")
