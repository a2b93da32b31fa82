"""Chained: the links of a search, followed through the guard (https://hl7.org/fhir/R4/search.html#chaining).

May live here: which records a link is asked in, asking the door for what it leads through, and what must stay on
record of that. May not know: how a chain is written (`search/chain.py`), MongoDB.

Links are followed from the far end, each by one query behind the door that its own type, right and records open; what
is hidden there finds nothing, as what is absent does. INVARIANT (as many): how many queries are made depends on what
was asked alone; none is left out because the one before it found nothing (decisions 17).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.foundation.predicate import EVERYTHING, Any_, Linked, Predicate, Under, either, one_of, rewrite
from fhir_server.foundation.problem import Problem, bad_request
from fhir_server.interactions.led import Led
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.subject import of_search
from fhir_server.search import canonical
from fhir_server.search.query import Query
from fhir_server.store.documents import Stored
from fhir_server.store.visible import Said

Passed = list[tuple[Stored, Said]]
"""What a link led through, and what that says of where the link leads to."""
Known = dict[tuple[Any, ...], Passed]
"""What a link led through, by all that decides it: types of one search that have a parameter in common ask it once."""


def follow(visit: Visit, where: Predicate, records: tuple[str, ...], known: Known) -> Predicate:
    """The predicate with what each link found in its place; `records` are those the search is confined to, if any.

    What was asked on the way is kept in `visit.led`, and in `known`. Raises Problem 403 insufficient_scope for a type
    that the token may not search, 400 too-costly where a link leads through more than the limit.
    """
    return rewrite(where, _Following(visit, records, known).change)


@dataclass(frozen=True, slots=True)
class _Following:
    visit: Visit
    records: tuple[str, ...]
    known: Known

    def change(self, node: Predicate) -> Predicate | None:
        match node:
            case Linked():
                return self._found(node)
            case Under():
                return self._level_by_level(node)
            case Any_(of):
                links = [each for each in of if isinstance(each, Linked) and not each.certain]
                if links:
                    others = [rewrite(each, self.change) for each in of if each not in links]
                    return either(self._any(links), *others)
        return None

    def _any(self, links: list[Linked]) -> Predicate:
        """Of the types that a link may mean, those the token may search; refused when it may search none."""
        found: list[Predicate] = []
        refused: list[Problem] = []
        for each in links:
            try:
                found.append(self._found(each))
            except Problem as problem:
                if problem.status != 403:
                    raise
                refused.append(problem)
        if not found:
            raise refused[0]
        return either(*found)

    def _level_by_level(self, node: Under) -> Predicate:
        """What stands under something, or above it: as many queries as a chain may have links, whatever is found.

        Raises Problem 400 too-costly where there is another level: a part would be a narrower answer.
        """
        visit = self.visit
        subject = of_search(
            Query(node.type, EVERYTHING, (), 0, "none", patients=self.records), visit.principal, visit.house
        )
        door, shut = visit.beyond(node.type, subject)
        most = visit.house.limits.linked
        found = dict.fromkeys(node.ids)
        level, passed = list(node.ids), []
        for _ in range(visit.house.limits.chain_depth + 1):
            # nobody has the id "": a level without any is asked for by the index, as any other
            asking = level or [f"{node.type}/"]
            where = one_of("id", asking) if node.up else one_of("token", [f"{node.by}={each}" for each in asking])
            stood = door.linked(node.type, where, (node.by,) if node.up else (), most + 1)
            passed += [each for each, _ in stood]
            named = [name for _, said in stood for name in said[node.by]] if node.up else [each.id for each, _ in stood]
            level = [each for each in dict.fromkeys(named) if each not in found]
            if len(found) + len(level) > most:
                raise bad_request(f"more than {most} resources of {node.type} stand in one another", code="too-costly")
            before = len(found)
            found.update(dict.fromkeys(level))
        if len(found) > before:
            levels = visit.house.limits.chain_depth
            raise bad_request(f"`{node.token}` is followed through at most {levels} levels", code="too-costly")
        visit.led.append(Led(subject.patients, frozenset(), subject.written, shut, passed))
        return one_of("token", [f"{node.token}={each}" for each in found])

    def _found(self, node: Linked) -> Predicate:
        where = rewrite(node.inner, self.change)
        return self._back(node, where) if node.back else self._forward(node, where)

    def _forward(self, node: Linked, where: Predicate) -> Predicate:
        """What refers to something that was found, by its address or by its URL."""
        defines = (f"{node.type}.url", f"{node.type}.version") if canonical.may_name(node.token, node.type) else ()
        passed = self._passed(node, where, defines)
        by_address = one_of("token", [f"{node.token}={each.id}" for each, _ in passed])
        by_url = (canonical.naming(node.token, canonical.defined(said, *defines)) for _, said in passed if defines)
        return either(by_address, *by_url)

    def _back(self, node: Linked, where: Predicate) -> Predicate:
        """What something that was found refers to, by address or by URL."""
        passed = self._passed(node, where, (node.token,))
        names = [said[node.token] for _, said in passed]
        local = (name for each in names for name in each if name.startswith(f"{node.of}/"))
        by_address = one_of("id", dict.fromkeys(local))
        if not canonical.may_name(node.token, node.of):
            return by_address
        return either(by_address, canonical.clause(one for each in names for one in canonical.said(each, node.of)))

    def _passed(self, node: Linked, where: Predicate, names: tuple[str, ...]) -> Passed:
        """What a link leads through, with what that says under some names."""
        visit = self.visit
        asked = (node.type, where, names, node.records or self.records)
        if asked in self.known:
            return self.known[asked]
        query = Query(node.type, where, (), 0, "none", patients=node.records or self.records)
        subject = of_search(query, visit.principal, visit.house)
        door, shut = visit.beyond(node.type, subject)
        most = visit.house.limits.linked
        passed = door.linked(node.type, where, names, most + 1)
        if len(passed) > most:
            raise bad_request(
                f"`{node.token}` leads through more than {most} resources of {node.type}; ask for fewer of them",
                code="too-costly",
            )
        visit.led.append(
            Led(subject.patients, frozenset(node.records), subject.written, shut, [each for each, _ in passed])
        )
        self.known[asked] = passed
        return passed
