"""Visibilité: where the labels by which something is hidden may stand.

May live here: that rule, for every type. May not know: what a label hides from whom (`consent/`).

A document carries them in `securityLabel`, where whoever may lift them finds them (DMP-132, DMP-133); data of a
document class in `meta.security`. A Patient or a Consent that hid from the holder would be out of the holder's hands,
so nothing else carries one. A label whose code is ours in a system that the rules do not read is refused: it would be
taken for a mask and hide nothing (DMP-62).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from fhir_server.definitions.identifiers import label_key
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.problem import Issue
from fhir_server.resources.shape import is_coding, nodes


def check_visibility(resource: Mapping[str, Any]) -> list[Issue]:
    """An error for each label of visibility that stands where it may not, or in a system that is not read."""
    type_ = resource["resourceType"]
    found: list[Issue] = []
    meta = resource.get("meta")
    if meta is not None and not (isinstance(meta, dict) and "security" not in meta):
        found += _issues(resource, "meta.security", f"{type_}.meta.security", _why_not(type_))
    if type_ == "DocumentReference":
        for at, concept in enumerate(nodes(resource, "securityLabel")):
            found += _issues(concept, "coding", f"{type_}.securityLabel[{at}]", None)
    return found


def _why_not(type_: str) -> str | None:
    if type_ == "DocumentReference":
        return "the visibility of a document stands in its `securityLabel`"
    word = profile_json("dmp/access-matrix.json")["resourceTypes"].get(type_, "")
    return None if word.isdigit() else f"a {type_} carries no label of visibility"


@cache
def _visibility() -> frozenset[str]:
    table = profile_json("dmp/labels.json")
    return frozenset(table["codes"]) - frozenset(table["confidentiality"])


def _issues(node: Mapping[str, Any], path: str, place: str, why_not: str | None) -> Iterator[Issue]:
    visibility = _visibility()
    for coding in nodes(node, path):
        code = coding.get("code")
        if not is_coding(coding) or code not in visibility:
            continue
        if label_key(coding.get("system"), str(code)) != code:
            yield Issue("error", "code-invalid", f"`{code}` is not a code of this system", place)
        elif why_not is not None:
            yield Issue("error", "business-rule", why_not, place)
