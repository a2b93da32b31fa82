"""Metadata: the stages that tell what matches say of their profiles, tags and labels, without reading the matches.

May live here: which tokens of an envelope these are (`search/metadata.py` reads them), each list of them told once. May
not know: who may see what they are of; the door puts its guard before these stages.
https://www.mongodb.com/docs/manual/reference/operator/aggregation/group/
"""

from __future__ import annotations

from typing import Any

from fhir_server.search.metadata import PARAMETERS


def stages() -> list[dict[str, Any]]:
    """From envelopes to `{_id: tokens}`: what one of them has under one parameter, each such list once."""
    any_of_them = _of("$index", "|".join(PARAMETERS))
    return [
        {"$group": {"_id": any_of_them}},  # most resources say what others say, and are parted no further
        {"$project": {"said": [_of("$_id", name) for name in PARAMETERS]}},
        {"$unwind": "$said"},
        {"$group": {"_id": "$said"}},
    ]


def _of(tokens: str, names: str) -> dict[str, Any]:
    """Those of the tokens that are of a parameter, `Type._tag=…`."""
    begins = {"$regexMatch": {"input": "$$each", "regex": f"^[A-Za-z]+[.]({names})="}}
    return {"$filter": {"input": {"$ifNull": [tokens, []]}, "as": "each", "cond": begins}}
