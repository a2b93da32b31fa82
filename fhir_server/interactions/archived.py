"""Archivé: what a list of documents leaves out unless it is asked for (DMP-137, ITI-67).

May live here: whether a search asks for what is archived, and leaving it out. May not know: who may see what. It hides
nothing: what is archived is found by `isArchived`, by its id or identifier, and read at its address; a condition of a
write is no list. The self link says what was left out, so that a search that is followed is the one that was made.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from fhir_server.consent.writing import ARCHIVED
from fhir_server.foundation.predicate import Not, both
from fhir_server.search.query import Query

DOCUMENT = "DocumentReference"
FLAG = "isArchived"
_NAMING = frozenset({"_id", "identifier"})


@lru_cache(256)
def left_out(query: Query) -> Query:
    """The search without what is archived, where it lists documents and does not ask for it; else as it is."""
    if query.type != DOCUMENT or any(_asks(name, text) for name, text in query.asked):
        return query
    said = (f"{FLAG}:not", "true")
    return replace(query, where=both(query.where, Not(ARCHIVED)), asked=(*query.asked, said))


def _asks(name: str, text: str) -> bool:
    return name.partition(":")[0] == FLAG or name in _NAMING or (name == "_filter" and FLAG in text)
