"""Links followed in memory: what a chain means among a handful of envelopes, without a guard or a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.foundation.predicate import Linked, Predicate, matches, one_of, rewrite


def followed(where: Predicate, envelopes: Sequence[Mapping[str, Any]]) -> Predicate:
    """The predicate with what each link finds among the envelopes in its place."""

    def change(node: Predicate) -> Predicate | None:
        if not isinstance(node, Linked):
            return None
        inner = rewrite(node.inner, change)
        others = [each for each in envelopes if each["type"] == node.type and matches(inner, each)]
        if not node.back:
            return one_of("token", [f"{node.token}={each['_id']}" for each in others])
        said = [token for each in others for token in each["index"] if token.startswith(f"{node.token}=")]
        return one_of("id", [token.partition("=")[2] for token in said])

    return rewrite(where, change)
