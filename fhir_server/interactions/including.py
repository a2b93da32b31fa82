"""Including: what a page of a search brings along, round by round (https://hl7.org/fhir/R4/search.html#include).

May live here: following includes from the matches, and from what they brought, until nothing new comes or a bound is
reached. May not know: how an include is written (`search/include.py`), what may be seen: that is the door's.

INVARIANT (told): what is left out because of a bound is said in the answer. What is hidden counts for no bound, and
leads nowhere: the rounds are those of a store that never held it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.foundation.predicate import NOTHING
from fhir_server.foundation.problem import Issue
from fhir_server.search import canonical
from fhir_server.search.canonical import Canonical
from fhir_server.search.include import ANY, canonicals, everything_clause, reverse_clause, targets
from fhir_server.search.query import Include
from fhir_server.store.documents import Stored
from fhir_server.store.visible import VisibleStore

ROUNDS = 10
"""How often `:iterate` goes on from what it brought."""


Part = tuple[VisibleStore, Sequence[Stored]]
"""Matches, and the door that showed them."""


def bring(
    parts: Sequence[Part], includes: Sequence[Include], most: int, base: str
) -> tuple[list[Stored], tuple[Issue, ...]]:
    """What the includes bring along, each once and no match again; and what to say of what they left out.

    At most `most` resources. Of each part with a match, one query a round for what is referred to by address, one for
    what is by URL, and one for each reverse include.
    """
    gathering = _Gathering(most, base, {each.id for _, matches in parts for each in matches})
    left_out: dict[Issue, None] = {}
    for door, matches in parts if includes else ():
        if matches and not gathering.full:
            left_out.update(dict.fromkeys(gathering.all(door, includes, matches)))
    return gathering.found, tuple(left_out)


def _defined(some: Iterable[Stored]) -> list[dict[str, Any]]:
    """Those that have a canonical URL, if their type gives them one."""
    return [each.resource() for each in some if each.type in canonical.defining()]


def _left_out(why: str) -> Issue:
    return Issue("warning", "too-costly", f"{why}; what is missing was left out")


@dataclass(slots=True)
class _Gathering:
    most: int
    base: str
    seen: set[str]
    found: list[Stored] = field(default_factory=list)
    full: bool = False

    def all(self, door: VisibleStore, includes: Sequence[Include], matches: Sequence[Stored]) -> tuple[Issue, ...]:
        """Follow the includes to their end; what to say of what was left out."""
        fresh, asked = list(matches), list(includes)
        for _ in range(ROUNDS):
            fresh = self.round(door, asked, fresh)
            asked = [each for each in asked if each.iterate]
            if self.full:
                return (_left_out(f"more than {self.most} resources would come with these matches"),)
            if not asked or not fresh:
                return ()
        return (_left_out(f"`:iterate` was followed {ROUNDS} times, and what came last no further"),)

    def round(self, door: VisibleStore, includes: Iterable[Include], of: Sequence[Stored]) -> list[Stored]:
        """What these includes bring along of these resources and was not there before."""
        before = len(self.found)
        forward: dict[str, None] = {}
        by_url: dict[Canonical, None] = {}
        resources = None
        for include in includes:
            if include.reverse and include.source == ANY:
                self._everything(door, of)
                continue
            if include.reverse:
                clause = reverse_clause(include, [each.id for each in of], _defined(of))
                if clause != NOTHING:
                    limit = self.most + len(self.seen) + 1 - len(self.found)
                    self._take(door.page(include.source, clause, (), limit).entries)
                continue
            resources = [each.resource() for each in of] if resources is None else resources
            forward.update(dict.fromkeys(id_ for each in resources for id_ in targets(each, include, self.base)))
            by_url.update(dict.fromkeys(named for each in resources for named in canonicals(each, include)))
        wanted = [each for each in forward if each not in self.seen]
        self._take(door.follow(wanted, self.most - len(self.found) + 1))
        self._defining(door, list(by_url))
        return self.found[before:]

    def _defining(self, door: VisibleStore, named: Sequence[Canonical]) -> None:
        """What is referred to by URL: one query, of which each version that is not meant is put aside again."""
        limit = self.most + len(self.seen) + 1 - len(self.found)
        some = {each.id: each for each in door.newest(canonical.clause(named), limit)}
        means = canonical.chosen(named, [(id_, each.resource()) for id_, each in some.items()])
        self._take(some[id_] for id_ in means)
        # there may be older ones behind so many
        self.full = self.full or (len(some) == limit and len(means) < len(named))

    def _everything(self, door: VisibleStore, of: Sequence[Stored]) -> None:
        """Whatever refers to these, kept with the others or a trace: two queries, whatever is found."""
        for type_ in ("", "AuditEvent"):
            limit = self.most + len(self.seen) + 1 - len(self.found)
            clause = everything_clause([each.id for each in of], traces=bool(type_), defined=_defined(of))
            self._take(door.page(type_, clause, (), limit).entries)

    def _take(self, some: Iterable[Stored]) -> None:
        for each in some:
            if each.id in self.seen:
                continue
            if len(self.found) >= self.most:
                self.full = True
                return
            self.seen.add(each.id)
            self.found.append(each)
