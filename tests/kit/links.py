"""Links followed in memory: what a chain means among a handful of envelopes, without a guard or a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.foundation.predicate import Linked, Predicate, Under, matches, one_of, rewrite


def followed(where: Predicate, envelopes: Sequence[Mapping[str, Any]]) -> Predicate:
    """The predicate with what each link finds among the envelopes in its place."""

    def change(node: Predicate) -> Predicate | None:
        if isinstance(node, Under):
            return one_of("token", [f"{node.token}={each}" for each in _levels(node, envelopes)])
        if not isinstance(node, Linked):
            return None
        inner = rewrite(node.inner, change)
        others = [each for each in envelopes if each["type"] == node.type and matches(inner, each)]
        if not node.back:
            return one_of("token", [f"{node.token}={each['_id']}" for each in others])
        said = [token for each in others for token in each["index"] if token.startswith(f"{node.token}=")]
        return one_of("id", [token.partition("=")[2] for token in said])

    return rewrite(where, change)


def _levels(node: Under, envelopes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is named, with all that stands under it or above."""
    said = {each["_id"]: [token for token in each["index"] if token.startswith(f"{node.by}=")] for each in envelopes}
    found, level = dict.fromkeys(node.ids), list(node.ids)
    while level:
        if node.up:
            more = [token.partition("=")[2] for each in level for token in said.get(each, ())]
        else:
            more = [id_ for id_, tokens in said.items() if any(f"{node.by}={each}" in tokens for each in level)]
        level = [each for each in more if each not in found]
        found.update(dict.fromkeys(level))
    return list(found)
