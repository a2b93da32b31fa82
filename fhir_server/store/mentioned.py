"""Mentioned: which tokens a resource may have only because it names another (`facts.mentions`, store/documents.py).

May live here: a question to the vocabulary of tokens (search/index.py). May not know: who asks, what may be seen.
"""

from __future__ import annotations

from functools import cache

from fhir_server.definitions.library import load
from fhir_server.resources import facts as access
from fhir_server.search.index import may_come_by_reference


def may_be_mentioned(token: str) -> bool:
    """Whether a token that is asked for can stand under a mention: it speaks of a reference to what has an owner."""
    said, _, value = token.partition("=")
    type_, _, code = (
        said.removesuffix(":identifier").removesuffix(":of-type").removesuffix("!").partition("^")[0].partition(".")
    )
    target = value.partition("/")[0]
    if type_ != "Patient" and target in _shared_types() and target != value:
        # what belongs to no record is no mention (resources/facts.py), save who a Patient says is his médecin traitant,
        # for the sake of the Consent that designates him (designations.py)
        return False
    return may_come_by_reference(type_, code, value)


@cache
def _shared_types() -> frozenset[str]:
    return frozenset(type_ for type_ in load().types if not access.is_of_record(type_))
