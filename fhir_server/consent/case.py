"""The case: one request with what the rules keep asking about it, worked out once.

May live here: facts of a request taken together with the record's directives. May not know: any verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from fhir_server.consent.directive import REPRESENTATION, TREATING, Directive, Directives, role_keys
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.consent.settings import Settings
from fhir_server.foundation.moment import from_micros, interval
from fhir_server.foundation.principal import Kind, Purpose

MINUTE = 60_000_000
"""The steps in which the calendar shows to the holder what waited for an announcement (DMP-134)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request, its record's directives, the matrix and the settings; the rest is worked out by `case_of`.

    `keys` name the asker and where he signed in; `person` the asker alone; `named` are the directives that name either
    now, and `permits` those of them that permit, in force, for the purpose. `treating`: the asker is the médecin
    traitant DMP. `represents`: a legal representative whose time has not run out.
    """

    request: AccessRequest
    directives: Directives
    matrix: Matrix
    settings: Settings
    purpose: str
    professional: bool
    normal: bool
    keys: frozenset[str]
    person: frozenset[str]
    named: tuple[Directive, ...]
    permits: tuple[Directive, ...]
    treating: bool
    represents: bool

    @property
    def patient_side(self) -> bool:
        """The holder, or who represents the holder."""
        return self.represents or self.request.by_holder


def case_of(request: AccessRequest, directives: Directives, matrix: Matrix, settings: Settings) -> Case:
    """The case of a request."""
    principal, keys, at = request.principal, request.keys, request.at
    person = keys - principal.organizations
    if directives.roles:
        roles = role_keys(principal.identities, principal.organizations)
        person, keys = person | roles, keys | roles
    purpose = principal.purpose.value
    professional = principal.kind is Kind.PROFESSIONAL
    named = directives.naming(keys, at)
    return Case(
        request=request,
        directives=directives,
        matrix=matrix,
        settings=settings,
        purpose=purpose,
        professional=professional,
        normal=principal.purpose is Purpose.TREATMENT,
        keys=keys,
        person=person,
        named=named,
        permits=tuple([each for each in named if each.permit and each.in_force(at) and each.serves(purpose)]),
        treating=professional
        and principal.profession in settings.treating_professions
        and any(_designates(each, person, at) for each in named),
        represents=_may_represent(request, directives, settings),
    )


def designations(case: Case) -> list[Directive]:
    """The Consents that make the asker the médecin traitant DMP; none when he is not."""
    if not case.treating:
        return []
    return [each for each in case.named if _designates(each, case.person, case.request.at)]


def _designates(each: Directive, person: frozenset[str], at: int) -> bool:
    """Whether it makes who has these keys the médecin traitant DMP; a team or a place cannot be."""
    actors = each.root.actors if each.kind == TREATING and each.root else None
    return actors is not None and each.permit and each.in_force(at) and not actors.isdisjoint(person)


def _may_represent(request: AccessRequest, directives: Directives, settings: Settings) -> bool:
    reference = request.representing
    return reference is not None and may_represent(reference, directives, request.birth, request.at, settings)


def may_represent(reference: str, directives: Directives, birth: str | None, at: int, settings: Settings) -> bool:
    """Whether a legal representative (`RelatedPerson/x`) still is one: in his term, and until the holder's majority
    (DMP-142), or as long as an active Consent cites a protection measure.

    Of more than there may be at once (K8) the first by id are, so that the record does not hang on who asks.
    """  # noqa: D205 - the sentence is the summary
    term = directives.terms.get(reference)
    if term is not None:
        now = sorted(each for each, other in directives.terms.items() if other.lo <= at <= other.hi)
        if reference not in now[: settings.most_representatives]:
            return False
    if birth and not of_age(birth, at, settings.majority):
        return True
    return any(
        each.kind == REPRESENTATION and each.permit and each.sourced and each.in_force(at)
        for each in directives.actors.get(reference, ())
    )


def of_age(birth: str, at: int, majority: int) -> bool:
    """Whether somebody born on a FHIR date is of age; a partial date counts from its first day: doubt ends access."""
    try:
        born = from_micros(interval(birth).lo).date()
    except ValueError:
        return True
    today = from_micros(at).date()
    return (today.year - born.year, today.month, today.day) >= (majority, born.month, born.day)


def months_before(at: int, months: int) -> date:
    """The day some months before a moment; the last of the month where that day does not exist."""
    today = from_micros(at).date()
    month = today.year * 12 + today.month - 1 - months
    year, index = divmod(month, 12)
    for day in range(today.day, 27, -1):
        try:
            return date(year, index + 1, day)
        except ValueError:
            continue
    return date(year, index + 1, min(today.day, 28))
