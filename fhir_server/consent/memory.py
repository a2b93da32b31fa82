"""Memory: what was decided of a question about a record, for as long as nothing could have changed the answer.

May live here: for how long a decision holds, and keeping it that long. May not know: the store, any rule. Writes are
decided anew each time: their answer hangs on the resource that is proposed.

INVARIANT (as if decided anew): a decision is a function of the question, the directives and the moment, and of the
moment only through the periods that directives name and through the day, by which ages and windows are counted; for
the holder and who represents him through the minute, by which what was hidden from them is shown. So it is the same
throughout a span in which no period begins or ends and no such step does (tests/unit/consent/test_memory.py).
Directives are one value for as long as the record is remembered (`directives.py`): a new value is a new question.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable

from fhir_server.consent.case import MINUTE
from fhir_server.consent.decision import Decision, Deny, decide
from fhir_server.consent.directive import Directives
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.foundation.moment import Interval
from fhir_server.foundation.predicate import BEGINNING, END
from fhir_server.foundation.principal import Kind

REMEMBERED = 4_096
NO_DIRECTIVES = Directives()
_DAY = 86_400_000_000


class Memory:
    """What one process remembers of its decisions over reading, under one matrix."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._known: dict[Hashable, tuple[Interval, Decision]] = {}

    def decide(self, request: AccessRequest, directives: Directives = NO_DIRECTIVES) -> Decision:
        """What `decide` says, remembered or not."""
        if request.writes:
            return decide(request, directives, self._matrix)
        question = _question(request, directives)
        known = self._known.get(question)
        if known is not None and known[0].lo <= request.at <= known[0].hi:
            return known[1]
        decision = decide(request, directives, self._matrix)
        if decision != Deny(("rule.failed",)):  # what went wrong once need not go wrong again
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[question] = (span_of(request.at, directives, step_of(request)), decision)
        return decision


def step_of(request: AccessRequest) -> int:
    """In which steps the moment counts for who asks, in microseconds."""
    return MINUTE if request.principal.kind in (Kind.HOLDER, Kind.REPRESENTATIVE) else _DAY


def span_of(at: int, directives: Directives, step: int = _DAY) -> Interval:
    """The longest span around a moment in which neither a period of the directives nor a step begins or ends."""
    turns = directives.turns
    place = bisect_right(turns, at)
    since = at // step * step
    begin = turns[place - 1] if place else BEGINNING
    end = turns[place] - 1 if place < len(turns) else END
    return Interval(max(begin, since), min(end, since + step - 1))


def _question(asked: AccessRequest, directives: Directives) -> Hashable:
    """Everything a decision over reading may use, the moment apart."""
    return (
        directives,
        asked.principal,
        asked.verb,
        asked.type,
        asked.operation,
        asked.patient,
        asked.standing,
        asked.birth,
        asked.representatives,
        asked.existence_check,
    )
