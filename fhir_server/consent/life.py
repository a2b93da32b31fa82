"""Life: the steps in the life of a record, from its opening to its destruction (DMP-20 to DMP-22, DMP-103 to DMP-106).

May live here: rules about who takes which step, and when. May not know: the store, the clock, HTTP, what a step writes
(`interactions/operations`). A step is a write that has the name of its operation; parties, motives and durations are
data (`rules.json`, `closing-reasons.json`). The law of the table is in `rules.py`.
"""

from __future__ import annotations

from fhir_server.consent.case import Case
from fhir_server.consent.directive import CREATION
from fhir_server.consent.recording import is_grown, is_yes
from fhir_server.consent.verdict import Forbid, Grant, Verdict, Way
from fhir_server.foundation.moment import from_micros, interval
from fhir_server.foundation.predicate import Has
from fhir_server.foundation.principal import Kind
from fhir_server.resources import closing as closings

ONLINE, AUTOMATIC = "open-record", "open-automatically"
CLOSE, REOPEN, DESTROY = "close-record", "reopen-record", "destroy-record"


def step_taken(case: Case) -> Verdict | None:
    """Étapes de la vie du DMP: each by the parties the law names for it, in normal mode.

    DMP-20, DMP-21, DMP-103, DMP-105.
    """
    request, kind = case.request, case.request.principal.kind
    parties = case.settings.steps.get(request.operation or "")
    if parties is None or not request.writes:
        return None
    own = {
        Kind.HOLDER: request.by_holder,
        Kind.REPRESENTATIVE: case.represents,
        Kind.PROFESSIONAL: request.normal,
    }.get(kind, True)
    return None if own and kind.value in parties else Forbid("life.not-theirs")


def step_seen(case: Case) -> Verdict | None:
    """Étapes de la vie du DMP: what a step changes is seen by who takes it, the Patient and nothing else.

    DMP-21, DMP-105.
    """
    request = case.request
    if not request.writes or request.patient is None or request.operation not in case.settings.steps:
        return None
    return Grant(Has("id", f"Patient/{request.patient}"), "life.step")


def online_opening(case: Case) -> Verdict | None:
    """Ouverture en ligne: by a grown holder whom the insurance scheme does not rule out, and by nobody else.

    DMP-20, DMP-90, K12.
    """
    request = case.request
    said = (request.verb, request.type) == ("create", "Consent")
    step = (request.verb, request.type, request.operation) == ("update", "Patient", ONLINE)
    if request.standing != "none" or not case.patient_side or not (said or step):
        return None
    online = request.by_holder and is_grown(case) and not request.life.offline and not request.life.deceased
    if not online:
        return Forbid("opening.not-online")
    return Way("write.opening") if step else None


def automatic_opening(case: Case) -> Verdict | None:
    """Ouverture automatique: of an identity that has no record and is alive, with a notice and without a Consent.

    DMP-103, K5.
    """
    request = case.request
    if request.operation != AUTOMATIC or not request.writes:
        return None
    if request.standing != "none" or request.life.deceased:
        return Forbid("life.not-new")
    return Way("write.automatic") if request.type != "Consent" else Forbid("life.no-consent")


def closing(case: Case) -> Verdict | None:
    """Fermeture: of an open record, for a motive that is the asker's to give; who consented does not oppose.

    DMP-103 to DMP-106.
    """
    request = case.request
    if request.operation != CLOSE or not request.writes:
        return None
    if request.standing != "open":
        return Forbid("life.not-open")
    if request.type == "Consent":
        return None  # an opposition is a Consent that the holder's side says itself
    told = closings.of(request.proposed or {})
    motive = case.settings.motives.get(told.motive or "") if told else None
    if motive is None or request.principal.kind.value not in motive.parties:
        return Forbid("life.motive")
    consented = any(each.permit for each in case.directives.of_kind(CREATION))
    return Forbid("life.consented") if motive.opposes and consented else Way("write.closing")


def reopening(case: Case) -> Verdict | None:
    """Réouverture: of a closed record, within its retention, with a new consent; not after a death.

    DMP-104, DMP-105.
    """
    request = case.request
    if request.operation != REOPEN or not request.writes:
        return None
    if request.standing != "closed":
        return Forbid("life.not-closed")
    motive = case.settings.motives.get(request.life.motive or "")
    if request.life.deceased or (motive is not None and not motive.reopens):
        return Forbid("life.ended")
    if retention_is_over(case):
        return Forbid("life.retention-over")
    return Way("write.reopening") if request.type != "Consent" or is_yes(case) else None


def destruction(case: Case) -> Verdict | None:
    """Destruction: of a closed record, once its retention is over, or earlier at its living holder's demand.

    DMP-104, DMP-105.
    """
    request = case.request
    if request.operation != DESTROY or not request.writes:
        return None
    if request.standing != "closed":
        return Forbid("life.not-closed")
    demanded = request.demanded and not request.life.deceased
    return Way("write.destruction") if demanded or retention_is_over(case) else Forbid("life.kept")


def retention_is_over(case: Case) -> bool:
    """Whether the years after the closing have passed; where its day is not known, they have not."""
    return is_over(case.request.life.closed, case.request.at, case.settings.retention_years)


def is_over(closed: str | None, at: int, years: int) -> bool:
    """Whether, at a moment (microseconds), so many years have passed since a day (FHIR date); None never passes.

    A date that is known in part counts from its last day: doubt keeps a record.
    """
    try:
        day = from_micros(interval(closed).hi).date() if closed else None
    except ValueError:
        day = None
    today = from_micros(at).date()
    return day is not None and (today.year - years, today.month, today.day) >= (day.year, day.month, day.day)


LIFE = (step_taken, step_seen, online_opening, automatic_opening, closing, reopening, destruction)
