"""Approval: what a person, or a system, may grant a client, decided once for every way to a token.

May live here: which purposes a kind of party may have, what an emergency needs (DMP-115 to 118), whose record is in
context, which scopes remain, and the refusal of forbidden parties (DMP-46, DMP-47). May not know: codes, tokens, HTTP.
Refusals are OAuth errors (RFC 6749 sections 4.1.2.1 and 5.2) that never say what the record is like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError, InvalidScopeError, UnauthorizedClientError

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.predicate import NOTHING
from fhir_server.foundation.principal import Kind, Principal, Purpose, is_said
from fhir_server.smart.clients import OAuthClient
from fhir_server.smart.directory import Directory
from fhir_server.smart.scope import REFRESH, Compile, Scope, grantable, parse, reach, wants_patient

LONGEST_REASON = 500
DEFAULT_PURPOSES: Mapping[Kind, Purpose] = {
    Kind.HOLDER: Purpose.PATIENT_REQUEST,
    Kind.REPRESENTATIVE: Purpose.PATIENT_REQUEST,
    Kind.PROFESSIONAL: Purpose.TREATMENT,
    Kind.ESTABLISHMENT: Purpose.TREATMENT,
    Kind.INSURANCE_FEED: Purpose.TREATMENT,
    Kind.RECEPTION: Purpose.TREATMENT,
    Kind.OPERATOR: Purpose.ADMINISTRATION,
}
ALLOWED_PURPOSES: Mapping[Kind, frozenset[Purpose]] = {
    Kind.PROFESSIONAL: frozenset({Purpose.TREATMENT, Purpose.BREAK_GLASS, Purpose.EMERGENCY_DISPATCH}),
    Kind.OPERATOR: frozenset({Purpose.ADMINISTRATION, Purpose.OPERATIONS}),
}
_OWN = (Kind.HOLDER, Kind.REPRESENTATIVE)

Refuses = Callable[[Principal], str | None]
Sees = Callable[[Principal, str], bool]
Issued = Callable[[Principal, str, str | None], None]


@dataclass(frozen=True, slots=True)
class Approval:
    """What may be issued: `principal` has its client, scopes, patient, purpose and reason; `launch` what else to tell.

    `launch` keys: `encounter`, `intent`, `fhirContext`, `need_patient_banner`.
    """

    principal: Principal
    launch: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scope(self) -> tuple[str, ...]:
        """What is granted."""
        return self.principal.scopes

    @property
    def refreshes(self) -> bool:
        """Whether a refresh token comes with it."""
        return any(each in REFRESH for each in self.scope)


class Approver:
    """One per process. `refuses` is asked before anything is issued; `issued` is told of refusals (outcome `8`).

    `sees` says whether somebody may read what else a launch names.
    """

    def __init__(  # noqa: PLR0917 - what it asks, of each its own
        self, directory: Directory, refuses: Refuses, sees: Sees, issued: Issued, compile_: Compile, issuer: str
    ) -> None:
        self._directory, self._refuses, self._sees, self._issued = directory, refuses, sees, issued
        self._compile, self._issuer = compile_, issuer

    def approve(
        self,
        person: Principal,
        client: OAuthClient,
        scope: str,
        *,
        patient: str | None = None,
        purpose: str | None = None,
        reason: str | None = None,
        secret: bool = False,
        launch: Mapping[str, Any] | None = None,
    ) -> Approval:
        """What this person may grant this client of what was asked. Raises OAuth2Error.

        `patient` is the id of the record asked for, None for the person's own, or for none; `secret` asks for a secret
        session, which professionals have for minors (DMP-141).
        """
        if secret and person.kind is not Kind.PROFESSIONAL:
            raise InvalidRequestError("a secret session is for professionals")
        if secret:
            person = replace(person, secret_session=True)
        purpose_, reason = self.mode(person, client, purpose, reason, patient)
        granted = self.scopes(person, client, scope, purpose_)
        told = dict(launch or {})
        # a context that nobody gave is not granted
        absent = {"launch"} if launch is None else set()
        absent |= set() if told.get("encounter") else {"launch/encounter"}
        granted = tuple(each for each in granted if each not in absent)
        asker = replace(
            person,
            client=client.id,
            scopes=granted,
            patient=patient,
            purpose=purpose_,
            reason=reason,
            issuer=self._issuer,
        )
        if person.kind in _OWN and patient not in (None, person.patient):
            raise self._refusal(asker, "record.not-in-context")
        in_context = _context(person, patient, wants_patient(granted) or "launch" in granted, purpose_)
        principal = replace(asker, patient=in_context)
        self.check(principal)
        if in_context and person.kind not in _OWN and not self._directory.patient_exists(in_context):
            raise self._refusal(principal, "record.unknown")
        if not in_context:
            return Approval(principal)
        if told.get("encounter") and not self._sees(principal, f"Encounter/{told['encounter']}"):
            # hidden, of another record, or absent: as if the launch had named none
            del told["encounter"]
            principal = replace(principal, scopes=tuple(each for each in granted if each != "launch/encounter"))
        if told.get("fhirContext"):
            told["fhirContext"] = [
                each
                for each in told["fhirContext"]
                if "reference" not in each or self._sees(principal, each["reference"].partition("/_history/")[0])
            ]
        return Approval(principal, told)

    def mode(
        self,
        person: Principal,
        client: OAuthClient,
        purpose: str | None,
        reason: str | None,
        patient: str | None = None,
    ) -> tuple[Purpose, str | None]:
        """The purpose of use, and the reason to keep of an emergency. Raises as `purpose_of` and `check_mode`.

        A mode that this person may not have is on record, as every refusal is.
        """
        try:
            chosen = purpose_of(person, purpose)
            return chosen, check_mode(person, chosen, reason)
        except AccessDeniedError:
            wanted = Purpose(str(purpose).rpartition("|")[2])
            asker = replace(person, client=client.id, patient=patient, purpose=wanted, issuer=self._issuer)
            raise self._refusal(asker, "emergency.no-right" if wanted.emergency else "grant.none") from None

    def scopes(self, person: Principal, client: OAuthClient, scope: str, purpose: Purpose) -> tuple[str, ...]:
        """The scopes that remain of what was asked. Raises InvalidScopeError when none does."""
        system = "client_credentials" in client.kind.grants
        granted = grantable(scope, client.record.scope, person.kind, system=system)
        if purpose.emergency:
            granted = tuple(each for each in granted if each not in REFRESH)
        granted = tuple(each for each in granted if self._readable(each, person))
        if not any(parse(each) or each in ("openid", "fhirUser") for each in granted):
            raise InvalidScopeError("nothing of what was asked may be granted")
        return granted

    def check(self, principal: Principal) -> None:
        """Raise the refusal of a forbidden party, or of one that may not have this patient."""
        refused = self._refuses(principal)
        if refused is not None:
            raise self._refusal(principal, refused)

    def forbidden(self, person: Principal) -> str | None:
        """Why this person may have no token at all, whatever the record, or None."""
        return self._refuses(replace(person, patient=None))

    def _refusal(self, principal: Principal, reason: str) -> AccessDeniedError | UnauthorizedClientError:
        """One answer for a refused and for an unknown patient (decisions 17); the reason goes to the ledger alone."""
        self._issued(principal, "8", reason)
        if principal.subject == principal.client:
            return UnauthorizedClientError("this client may not have a token")
        return AccessDeniedError("this access is not allowed")

    def _readable(self, scope: str, person: Principal) -> bool:
        """Whether the search compiler understands the criteria of a granular scope."""
        found = parse(scope)
        if found is None or not found.criteria:
            return True
        return _compiles(found, person, self._compile)


def _context(person: Principal, patient: str | None, wanted: bool, purpose: Purpose) -> str | None:
    """The patient in context: one's own, or the one named; None where no scope speaks of one."""
    if person.kind in _OWN:
        return person.patient if wanted else None
    if purpose.emergency and not patient:
        raise InvalidRequestError("an emergency access is to one patient, who must be named")
    if wanted and not patient:
        raise InvalidRequestError("these scopes need a patient")
    return patient if wanted or purpose.emergency else None


def _compiles(scope: Scope, person: Principal, compile_: Compile) -> bool:
    asker = replace(person, patient=person.patient or "any", purpose=Purpose.TREATMENT)
    readable = replace(scope, rights="r", text="")
    return reach((readable.write(),), asker, compile_) != NOTHING


def purpose_of(person: Principal, asked: str | None) -> Purpose:
    """The purpose of use of this person. Raises InvalidRequestError or AccessDeniedError."""
    default = DEFAULT_PURPOSES.get(person.kind, Purpose.TREATMENT)
    if not asked:
        return default
    try:
        purpose = Purpose(asked.rpartition("|")[2])
    except ValueError as cause:
        raise InvalidRequestError("this purpose of use is not known") from cause
    allowed = ALLOWED_PURPOSES.get(person.kind, frozenset({default}))
    if purpose in allowed:
        return purpose
    if purpose is Purpose.TREATMENT:
        return default
    raise AccessDeniedError("this access is not allowed")


def check_mode(person: Principal, purpose: Purpose, reason: str | None) -> str | None:
    """The reason to keep of an emergency, None in a normal mode.

    Raises InvalidRequestError without the reason that bris de glace needs (DMP-117), AccessDeniedError without the
    right that centre 15 needs (DMP-118).
    """
    mode = profile_json("dmp/rules.json")["emergency"].get(purpose.value)
    if mode is None:
        return None
    if mode.get("regulation") and not person.regulation:
        raise AccessDeniedError("this access is not allowed")
    if mode.get("professions") and person.profession not in mode["professions"]:
        raise AccessDeniedError("this access is not allowed")
    told = " ".join((reason or "").split())[:LONGEST_REASON]
    if mode["reason"] and not is_said(told):
        raise InvalidRequestError(
            "a reason is needed: say in words why this access cannot wait; the patient reads them"
        )
    return told if is_said(told) else None


def secret_of(asked: str | None) -> bool:
    """Whether a secret session is asked for (DMP-141). Raises InvalidRequestError for a word that is neither."""
    if asked not in (None, "", "true", "false"):
        raise InvalidRequestError("secret_session must be true or false")
    return asked == "true"
