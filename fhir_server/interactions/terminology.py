"""Terminology: the value sets and code systems that a search may ask by, as its asker sees them.

May live here: looking one up, first among what R4 publishes, then among the ValueSets and CodeSystems stored here,
under the asker's own scope and decision. May not know: what is made of one (`search/codes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fhir_server.foundation.predicate import Has, both
from fhir_server.foundation.problem import Problem, bad_request
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.residual import residual_of
from fhir_server.interactions.subject import NO_RECORD
from fhir_server.search.codes import PUBLISHED, Pair, Parents
from fhir_server.search.nearest import shown
from fhir_server.search.reference import local

Resource = Mapping[str, Any]


@dataclass(slots=True)
class Seen:
    """What one asker sees of them, each looked up once."""

    visit: Visit
    known: dict[tuple[str, str], Resource | None] = field(default_factory=dict)

    def value_set(self, url: str) -> Resource | frozenset[Pair] | None:
        """The value set at a canonical URL, with or without a version, or at its address; None where none is seen."""
        return PUBLISHED.value_set(url) or self._stored("ValueSet", url)

    def code_system(self, url: str) -> Resource | Parents | None:
        """The same of a code system."""
        return PUBLISHED.code_system(url) or self._stored("CodeSystem", url)

    def _stored(self, type_: str, url: str) -> Resource | None:
        if (type_, url) not in self.known:
            self.known[type_, url] = self._found(type_, url)
        return self.known[type_, url]

    def _found(self, type_: str, url: str) -> Resource | None:
        asked = replace(self.visit, route=replace(self.visit.route, type=type_), shut={})
        try:
            scope = asked.scoped("r")
        except Problem:
            return None
        permits, denials = asked.decisions(NO_RECORD, "search")
        door = asked.opened(residual_of(NO_RECORD, permits, denials), scope)
        bare, _, version = url.partition("|")
        where = both(
            Has("token", f"{type_}.url={bare}"), *((Has("token", f"{type_}.version={version}"),) if version else ())
        )
        found = door.page(type_, where, (), 2).entries
        if len(found) > 1:
            raise bad_request(f"there are several {type_}s `{shown(url)}`; name a version", code="multiple-matches")
        # an address of this server may be a canonical URL as well, and is that first (docs/adr/0036)
        named, _, id_ = (local(bare, self.visit.request.base) or "").partition("/")
        one = found[0] if found else door.read(type_, id_) if named == type_ else None
        return one.resource() if one else None
