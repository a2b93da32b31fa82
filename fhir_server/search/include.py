"""Includes: what an answer brings along (https://hl7.org/fhir/R4/search.html#include).

May live here: reading `_include` and `_revinclude`, and what each leads to as reference sets. May not know: how a set
is fetched; whoever fetches it does so through the guard. A versioned reference brings the current version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import Has, Predicate, both, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.search.extract import extractor
from fhir_server.search.nearest import meant, shown
from fhir_server.search.query import Include
from fhir_server.search.reference import local, written
from fhir_server.search.supported import supported

NAMES = frozenset({"_include", "_revinclude"})


def read(name: str, modifier: str | None, text: str, type_: str) -> Include:
    """`Type:parameter[:Target]`; Problem 400 for `:iterate`, wildcards, and what leads nowhere from or to the type."""
    if modifier is not None:
        raise bad_request(f"`{name}:{shown(modifier)}` is not supported", code="not-supported")
    source, _, rest = text.partition(":")
    code, _, target = rest.partition(":")
    if "*" in (source, code):
        raise bad_request(f"`{name}` does not take `*`; name the parameters to follow", code="not-supported")
    if not source or not code:
        raise bad_request(f"`{name}` takes `Type:parameter` or `Type:parameter:Target`")
    reverse = name == "_revinclude"
    if not load().is_type(source):
        raise bad_request(
            f"`{name}` begins with a resource type, and `{shown(source)}` is none{meant(source, load().types)}"
        )
    if not reverse and source != type_:
        raise bad_request(f"`{name}` follows references of {type_}, the type searched, not of `{shown(source)}`")
    offered = {each.code: each for each in supported(source).values() if each.type == "reference"}
    if code not in offered:
        raise bad_request(f"`{name}` knows no reference parameter `{shown(code)}` of {source}{meant(code, offered)}")
    targets = offered[code].targets
    if target and targets and target not in targets:
        raise bad_request(f"`{source}:{code}` does not refer to `{shown(target)}`{meant(target, targets)}")
    if reverse and ((target and target != type_) or (targets and type_ not in targets)):
        raise bad_request(f"`{name}={shown(text)}` does not lead to {type_}")
    return Include(source, code, target or None, reverse)


def targets(resource: Mapping[str, Any], include: Include, base: str = "") -> list[str]:
    """The local resources (`Type/id`, each once) that a resource refers to by an include's parameter."""
    if resource.get("resourceType") != include.source:
        return []
    found = (
        local(written(each.value) or "", base) for each in extractor(include.source, include.parameter)(dict(resource))
    )
    wanted = f"{include.target}/" if include.target else ""
    return list(dict.fromkeys(each for each in found if each and each.startswith(wanted)))


def reverse_clause(include: Include, ids: Iterable[str]) -> Predicate:
    """What refers to one of the resources (`Type/id`) by a reverse include's parameter; NOTHING when there is none."""
    name = f"{include.source}.{include.parameter}"
    return both(Has("resource", include.source), one_of("token", [f"{name}={each}" for each in ids]))
