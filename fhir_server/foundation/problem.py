"""Problems: every refusal, as a value.

May live here: the shape of a refusal and the constructors of the common ones.
May not know: HTTP frameworks, FHIR resources. `http/errors.py` turns a Problem into an OperationOutcome
(https://hl7.org/fhir/R4/operationoutcome.html); the codes are those of http://hl7.org/fhir/issue-type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing to tell: how bad, an issue-type code, a lower-case sentence, and where (a FHIRPath) if known."""

    severity: Severity
    code: str
    text: str
    expression: str | None = None


@dataclass(slots=True, eq=False)
class Problem(Exception):
    """A refusal: an HTTP status (int), at least one Issue, and headers the answer must carry."""

    status: int
    issues: tuple[Issue, ...]
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "; ".join(issue.text for issue in self.issues)

    def at(self, where: str) -> Problem:
        """The same refusal; what says of no element where it is, is there."""
        issues = tuple(each if each.expression else replace(each, expression=where) for each in self.issues)
        return Problem(self.status, issues, self.headers)


def problem(status: int, code: str, text: str, expression: str | None = None, **headers: str) -> Problem:
    """A Problem of one error Issue; `headers` are given with underscores for dashes."""
    return Problem(
        status,
        (Issue("error", code, text, expression),),
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


def bad_request(text: str, expression: str | None = None, code: str = "invalid") -> Problem:
    """400: what was asked cannot be read."""
    return problem(400, code, text, expression)


def not_found() -> Problem:
    """404, the same words whether the thing is absent or hidden (decisions 17)."""
    return problem(404, "not-found", "no such resource")


def forbidden(text: str = "not allowed") -> Problem:
    """403, without the reason: reasons go to the ledger and the holder, never to the refused asker."""
    return problem(403, "forbidden", text)


def unprocessable(issues: tuple[Issue, ...]) -> Problem:
    """422: readable, but against the definitions or our rules; each Issue names its element."""
    return Problem(422, issues)


def conflict(text: str) -> Problem:
    """409: another resource or version stands in the way."""
    return problem(409, "conflict", text)
