"""Memory: what was decided of a question about a record, for as long as nothing could have changed the answer.

May live here: for how long a decision holds, and keeping it that long. May not know: the store, any rule. Writes are
decided anew each time, for their answer hangs on what is proposed and on what stands; all but those of new data.

INVARIANT (no more than is asked): of new data of a document class the rules are shown that part alone by which it is
remembered, who wrote it. So what is remembered cannot hang on anything else (docs/adr/0042).

INVARIANT (as if decided anew): a decision is a function of the question, the directives and the moment, and of the
moment only through the periods that directives name and through the day, by which ages and windows are counted; for
the holder and who represents him through the minute, by which what was hidden from them is shown. So it is the same
throughout a span in which no period begins or ends and no such step does (tests/unit/consent/test_memory.py).
Directives are one value for as long as the record is remembered (`directives.py`): a new value is a new question.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

from fhir_server.consent.case import MINUTE
from fhir_server.consent.decision import Decision, Deny, decide
from fhir_server.consent.directive import Directives
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.foundation.moment import Interval
from fhir_server.foundation.predicate import BEGINNING, END
from fhir_server.foundation.principal import Kind
from fhir_server.resources import json_text
from fhir_server.resources.authors import part_of_writers

REMEMBERED = 4_096
LONGEST = 1_000
"""Characters of what says who wrote something: longer ones are not kept."""
NO_DIRECTIVES = Directives()
_DAY = 86_400_000_000


class Memory:
    """What one process remembers of its decisions over reading and over new data, under one matrix."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._known: dict[Hashable, tuple[Interval, Decision]] = {}
        self._created: dict[Hashable, tuple[Interval, Decision]] = {}

    def decide(self, request: AccessRequest, directives: Directives = NO_DIRECTIVES) -> Decision:
        """What `decide` says, remembered or not."""
        if not request.writes:
            return self._remembered(self._known, _question(request, directives), request, directives)
        part = self._part(request)
        said = "" if part is None else json_text.write(part)
        if part is None or len(said) > LONGEST:
            return decide(request, directives, self._matrix)
        question = (_question(request, directives), request.life, said)
        return self._remembered(self._created, question, request, directives, part)

    def _remembered(
        self,
        known: dict[Hashable, tuple[Interval, Decision]],
        question: Hashable,
        request: AccessRequest,
        directives: Directives,
        part: Mapping[str, Any] | None = None,
    ) -> Decision:
        found = known.get(question)
        if found is not None and found[0].lo <= request.at <= found[0].hi:
            return found[1]
        asked = request
        if part is not None:
            asked = replace(request, proposed=part, current=None, changes=None, members=None)
        decision = decide(asked, directives, self._matrix)
        if decision != Deny(("rule.failed",)):  # what went wrong once need not go wrong again
            if len(known) >= REMEMBERED:
                known.clear()
            known[question] = (span_of(request.at, directives, step_of(request)), decision)
        return decision

    def _part(self, asked: AccessRequest) -> Mapping[str, Any] | None:
        """What of new data a decision may use; None for any other write.

        A secret session is asked for the labels besides; a step in the life of a record, for much else.
        """
        proposed = asked.proposed
        if asked.verb != "create" or proposed is None or proposed.get("resourceType") != asked.type:
            return None
        if asked.operation is not None or asked.demanded or asked.principal.secret_session:
            return None
        if asked.type == "DocumentReference" or not self._matrix.is_clinical(asked.type):
            return None
        return part_of_writers(proposed)


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
    """Everything a decision over reading may use, and of what is asked over new data all but that; the moment apart."""
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
