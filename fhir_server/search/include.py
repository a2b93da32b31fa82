"""Includes: what an answer brings along (https://hl7.org/fhir/R4/search.html#include).

May live here: reading `_include` and `_revinclude`, and what each leads to as reference sets. May not know: how a set
is fetched; whoever fetches it does so through the guard. A versioned reference brings the current version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_server.definitions.library import load
from fhir_server.definitions.paths import Found
from fhir_server.foundation.predicate import Has, Predicate, both, either, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.search import canonical
from fhir_server.search.canonical import Canonical
from fhir_server.search.extract import extractor, finder
from fhir_server.search.nearest import meant, shown
from fhir_server.search.own import remembered
from fhir_server.search.query import Include
from fhir_server.search.reference import local, written
from fhir_server.search.supported import supported

NAMES = frozenset({"_include", "_revinclude"})
MOST = 5_000
"""How many references `_revinclude=*` looks for on a page: resources, times the parameters that may name each."""
_TRACES = "AuditEvent."
ANY = "*"
"""In place of a parameter, or of a type and its parameter: all that refer to something."""


def read(name: str, modifier: str | None, text: str, types: Sequence[str]) -> Include:
    """`Type:parameter[:Target]`, `Type:*[:Target]` or `*`; Problem 400 for what leads nowhere from or to the types.

    With `:iterate` it is asked of what was included too, and may begin with any type.
    """
    if modifier not in (None, "iterate"):
        raise bad_request(
            f"`{name}` takes no modifier `:{shown(str(modifier))}`, only `:iterate`", code="not-supported"
        )
    iterate, reverse = modifier == "iterate", name == "_revinclude"
    source, _, rest = text.partition(":")
    code, _, target = rest.partition(":")
    if text == ANY:
        if reverse and iterate:
            raise bad_request(
                f"`{name}:iterate` needs a type, as in `{name}:iterate=Provenance:*`", code="not-supported"
            )
        return Include(ANY, ANY, reverse=reverse, iterate=iterate)
    if not source or not code:
        raise bad_request(f"`{name}` takes `Type:parameter` or `Type:parameter:Target`")
    if not load().is_type(source):
        raise bad_request(
            f"`{name}` begins with a resource type, and `{shown(source)}` is none{meant(source, load().types)}"
        )
    if not reverse and not iterate and source not in types:
        searched = f"{types[0]}, the type" if len(types) == 1 else "the types"
        raise bad_request(f"`{name}` follows references of {searched} searched, not of `{shown(source)}`")
    offered = _references(source)
    if code != ANY and code not in offered:
        raise bad_request(f"`{name}` knows no reference parameter `{shown(code)}` of {source}{meant(code, offered)}")
    if target and not load().is_type(target):
        raise bad_request(f"`{source}:{code}` does not refer to `{shown(target)}`{meant(target, load().types)}")
    targets = offered[code] if code != ANY else ()
    if target and targets and target not in targets:
        raise bad_request(f"`{source}:{code}` does not refer to `{shown(target)}`{meant(target, targets)}")
    include = Include(source, code, target or None, reverse, iterate)
    if reverse and not iterate and not any(_leading(include, each) for each in types):
        searched = types[0] if len(types) == 1 else "any of the types searched"
        raise bad_request(f"`{name}={shown(text)}` does not lead to {searched}")
    return include


def targets(resource: Mapping[str, Any], include: Include, base: str = "") -> list[str]:
    """The local resources (`Type/id`, each once) that a resource refers to by an include's parameters."""
    found = (local(written(each.value) or "", base) for _, values in _values(resource, include) for each in values)
    wanted = f"{include.target}/" if include.target else ""
    return list(dict.fromkeys(each for each in found if each and each.startswith(wanted)))


def canonicals(resource: Mapping[str, Any], include: Include) -> list[Canonical]:
    """What a resource refers to by URL, by an include's parameters, each once."""
    wanted = (include.target,) if include.target else ()
    type_ = str(resource.get("resourceType"))
    found = (
        canonical.read(each, wanted or _references(type_)[code])
        for code, values in _values(resource, include)
        for each in values
    )
    return list(dict.fromkeys(each for each in found if each is not None))


def _values(resource: Mapping[str, Any], include: Include) -> list[tuple[str, Sequence[Found]]]:
    """What a resource has under each of an include's parameters."""
    type_ = str(resource.get("resourceType"))
    if include.source not in (ANY, type_):
        return []
    if include.parameter != ANY:
        return [(include.parameter, list(extractor(type_, include.parameter)(dict(resource))))]
    by_code = finder(type_)(dict(resource))
    return [(code, by_code[code]) for code in _references(type_) if code in by_code]


def reverse_clause(include: Include, ids: Iterable[str], defined: Iterable[Mapping[str, Any]] = ()) -> Predicate:
    """What refers to one of the resources (`Type/id`) by a reverse include's parameters; NOTHING when there is none.

    Those that are `defined` at a URL are referred to by that as well.
    """
    tokens = [
        f"{include.source}.{code}={each}" for each in ids for code in _leading(include, str(each).partition("/")[0])
    ]
    by_url = (
        canonical.naming(f"{include.source}.{code}", each)
        for each in defined
        for code in _leading(include, str(each["resourceType"]))
        if canonical.is_one(include.source, code)
    )
    return both(Has("resource", include.source), either(one_of("token", tokens), *by_url))


def everything_clause(ids: Sequence[str], *, traces: bool, defined: Iterable[Mapping[str, Any]] = ()) -> Predicate:
    """What refers to one of the resources by any parameter of any type, or (`traces`) what AuditEvents do.

    Those that are `defined` at a URL are referred to by that as well. Raises Problem 400 too-costly for so many
    resources that the question would be too long.
    """
    wanted = [
        f"{name}={each}"
        for each in ids
        for name in _all_leading(each.partition("/")[0])
        if name.startswith(_TRACES) == traces
    ]
    by_url = [
        (name, each)
        for each in ([] if traces else defined)
        for name in _all_leading(each["resourceType"])
        if canonical.is_one(*name.split("."))
    ]
    if len(wanted) + len(by_url) > MOST:
        raise bad_request(
            "`_revinclude=*` asks too much of so many matches; name a type, or ask for fewer at a time by `_count`",
            code="too-costly",
        )
    return either(one_of("token", wanted), *(canonical.naming(*each) for each in by_url))


@remembered
def _all_leading(type_: str) -> tuple[str, ...]:
    """The tokens of all parameters by which a type may be referred to, each without its value."""
    return tuple(
        f"{source}.{code}"
        for source in load().endpoints
        for code, targets in _references(source).items()
        if not targets or type_ in targets
    )


def _leading(include: Include, type_: str) -> list[str]:
    """The parameters of a reverse include that may refer to a type."""
    if include.target not in (None, type_):
        return []
    offered = _references(include.source)
    codes = offered if include.parameter == ANY else (include.parameter,)
    return [code for code in codes if not offered[code] or type_ in offered[code]]


@remembered
def _references(type_: str) -> Mapping[str, tuple[str, ...]]:
    """The reference parameters of a type, each with the types it may refer to, () for any."""
    return {each.code: each.targets for each in supported(type_).values() if each.type == "reference"}
