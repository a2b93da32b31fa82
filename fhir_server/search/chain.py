"""Chains: criteria of what a resource refers to, or of what refers to it.

https://hl7.org/fhir/R4/search.html#chaining and https://hl7.org/fhir/R4/search.html#has.

May live here: one link of such a name, forward (`subject:Patient.name`) or back (`_has:Observation:patient:code`), and
at which parameters a chain ends. May not know: how the criterion at its end is read (`parse.py`, link by link), what is
stored, who asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_server.definitions.library import load
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.foundation.problem import bad_request
from fhir_server.search.nearest import meant, shown
from fhir_server.search.supported import known, supported

HAS = "_has"
LINKS = 5
"""How many links a chain has at most, where nothing else is said."""
BRANCHES = 8
"""How many types a link may lead to when it names none."""
_OFFERED = 24


@dataclass(frozen=True, slots=True)
class Link:
    """One link from `source`: its reference parameter, the types of what it leads to, and what is asked of these.

    Forward, `token` begins the index tokens of `source` that name the other; `back`, those of the other that name the
    source. `rest` is a name as in a query string: a parameter with its modifier, or the next link.
    """

    source: str
    token: str
    types: tuple[str, ...]
    rest: str
    back: bool = False


def read(type_: str, name: str) -> Link | None:
    """The first link of a name; None for what is no chain, or begins with no parameter of the type.

    Raises Problem 400 for a chain that cannot be followed, and names the types to choose from when it needs one.
    """
    if name == HAS or name.startswith((f"{HAS}:", f"{HAS}.")):
        return _back(type_, name)
    first, dot, rest = name.partition(".")
    code, colon, wanted = first.partition(":")
    published = known(type_).get(code)
    if not dot or published is None:
        return None
    if not rest:
        raise bad_request(f"`{shown(name)}` ends before its last parameter")
    parameter = _reference(type_, code, published)
    types = (_target(parameter, wanted),) if colon else _leading(parameter, rest)
    return Link(type_, f"{type_}.{code}", types, rest)


def ends(type_: str, name: str) -> tuple[tuple[str, str], ...]:
    """The types and names of parameters in which a chain may end: the name itself for what is no chain.

    Raises Problem 400 for a chain that cannot be followed.
    """
    link = read(type_, name)
    if link is None:
        return ((type_, name),)
    return tuple(end for each in link.types for end in ends(each, link.rest))


def _back(type_: str, name: str) -> Link:
    parts = name.split(":", 3)
    if len(parts) < 4 or not all(parts):
        raise bad_request(f"`{HAS}` is written `{HAS}:Type:parameter:criterion`")
    _, source, code, rest = parts
    if not load().is_type(source):
        near = meant(source, load().types)
        raise bad_request(f"`{HAS}` goes by a resource type, and `{shown(source)}` is none{near}")
    published = known(source).get(code)
    if published is None:
        offered = [each.code for each in supported(source).values() if each.type == "reference"]
        raise bad_request(
            f"`{HAS}` knows no reference parameter `{shown(code)}` of {source}{meant(code, offered)}",
            code="not-supported",
        )
    parameter = _reference(source, code, published)
    if parameter.targets and type_ not in parameter.targets:
        raise bad_request(f"`{source}:{code}` does not refer to {type_}, but to {_listed(parameter.targets)}")
    return Link(type_, f"{source}.{code}", (source,), rest, back=True)


def _reference(type_: str, code: str, published: SearchParameter) -> SearchParameter:
    """The parameter, if resources can be reached by it."""
    if published.type != "reference":
        raise bad_request(f"`{code}` of {type_} is a {published.type} parameter and leads to no other resource")
    parameter = supported(type_).get(code)
    if parameter is None:
        raise bad_request(f"`{code}` of {type_} cannot be searched through", code="not-supported")
    return parameter


def _target(parameter: SearchParameter, wanted: str) -> str:
    if not load().is_type(wanted) or (parameter.targets and wanted not in parameter.targets):
        offered = parameter.targets or load().types
        raise bad_request(
            f"`{parameter.code}` does not refer to `{shown(wanted)}`{meant(wanted, offered)}; it refers to "
            f"{_listed(parameter.targets) if parameter.targets else 'any type'}"
        )
    return wanted


def _leading(parameter: SearchParameter, rest: str) -> tuple[str, ...]:
    """The types that have the parameter asked for next, where the link does not say which it means."""
    targets = parameter.targets or load().endpoints
    if len(targets) == 1:
        return tuple(targets)
    following = rest.partition(".")[0].partition(":")[0]
    found = tuple(each for each in targets if following == HAS or following in supported(each))
    if not found:
        offered = sorted({code for each in targets for code in supported(each)})
        raise bad_request(
            f"nothing that `{parameter.code}` refers to has a search parameter `{shown(following)}`"
            f"{meant(following, offered)}",
            code="not-supported",
        )
    if len(found) > BRANCHES:
        raise bad_request(f"`{parameter.code}` needs a type, as in `{parameter.code}:{found[0]}.`: {_listed(found)}")
    return found


def _listed(types: Iterable[str]) -> str:
    names = sorted(types)
    return ", ".join(names) if len(names) <= _OFFERED else f"{', '.join(names[:_OFFERED])} and others"
