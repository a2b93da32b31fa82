"""Contained: resources that stand within others, searched for themselves (https://hl7.org/fhir/R4/search.html#contained).

Both halves. Each contained resource leaves one small document of what it would leave by itself, in the envelope of the
one that holds it, and that one a token for its type, `#Type`: an index serves that. What is asked of a type is asked of
one such document, unchanged. A contained resource has no life and no label of its own: it is seen by whoever sees what
holds it, and found through that one's door alone.

INVARIANT (nothing by mention): what is contained is indexed without the references to other resources of a record that
its holder mentions, hidden or not; nothing is found by them, whoever asks. May not know: which of the holders are seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import Has, Predicate, Some, both, matches
from fhir_server.search.index import index_of

FIELD = "contained"
_TRACES = "AuditEvent"


def index(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`{id, resource, token, dates, numbers, together, place}` of each contained resource; [] of a trace.

    The resource has lost its mentions already.
    """
    if "contained" not in resource or resource["resourceType"] == _TRACES:
        return []
    return [document for document, _ in _each(resource)]


def tokens(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The tokens of what holds these: of which types they are."""
    return list(dict.fromkeys(_holds(each["resource"]) for each in documents))


def clause(type_: str, where: Predicate) -> Predicate:
    """What holds a resource of a type of which all of `where` is true."""
    return both(Has("token", _holds(type_)), Some(FIELD, both(Has("resource", type_), where)))


def found(resource: Mapping[str, Any], type_: str, where: Predicate) -> list[str]:
    """The ids of the contained resources of a type of which `where` is true, in the order they stand.

    The resource has lost its mentions already, as when it was indexed.
    """
    return [
        one["id"]
        for document, one in _each(resource)
        if document["resource"] == type_ and matches(where, document, inside=True)
    ]


def _each(resource: Mapping[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    several = resource.get("contained")
    return [
        (_document(one), one)
        for one in (several if isinstance(several, list) else ())
        if isinstance(one, dict) and isinstance(one.get("id"), str) and load().is_type(str(one.get("resourceType")))
    ]


def _document(one: dict[str, Any]) -> dict[str, Any]:
    left = index_of(one)
    made: dict[str, Any] = {"id": f"{one['resourceType']}/{one['id']}", "resource": one["resourceType"]}
    parts = {"token": left.tokens, "dates": left.dates, "numbers": left.numbers, "together": left.together}
    made.update({name: part for name, part in parts.items() if part})
    return {**made, "place": left.place} if left.place else made


def _holds(type_: str) -> str:
    return f"#{type_}"
