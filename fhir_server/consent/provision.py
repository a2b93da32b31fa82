"""Provisions: one `Consent.provision` as a value, its limits compiled to a predicate once.

May live here: how actors, purposes, periods, labels and data of a provision are read
(https://hl7.org/fhir/R4/consent.html, https://profiles.ihe.net/ITI/PCF). May not know: the store, who asks.
What cannot be read raises Unreadable: an element we do not understand may narrow a permit or widen a deny.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from fhir_server.definitions.identifiers import key_of, label_key
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import Interval, interval
from fhir_server.foundation.predicate import (
    BEGINNING,
    END,
    EVERYTHING,
    Exists,
    Has,
    Not,
    Predicate,
    Some,
    Span,
    both,
    either,
    one_of,
)

Json: TypeAlias = Mapping[str, Any]
Members: TypeAlias = Mapping[str, Mapping[str, Interval]]

TEAMS = ("CareTeam/", "Group/")
EXPANDED = (*TEAMS, "PractitionerRole/")
ACTOR_TYPES = ("CareTeam/", "Group/", "PractitionerRole/", "Organization/", "Practitioner/")
ALWAYS = Interval(BEGINNING, END)
What: TypeAlias = tuple[frozenset[str], Predicate, Interval]
EVERYTHING_SAID: What = (frozenset(), EVERYTHING, ALWAYS)
# PCF forbids them (0..0); each would narrow what a permit gives, so none may be passed over.
_LOCAL = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_UNKNOWN_LIMITS = ("action", "class", "code", "modifierExtension")


class Unreadable(ValueError):
    """A directive says something we cannot read; the text is a lower-case sentence."""


@dataclass(frozen=True, slots=True)
class Provision:
    """Permit or deny, to whom, for what, when, over what.

    `actors` are the keys named, None when the element is absent (whoever asks); `members` those of the teams named,
    with the time in which each belongs to them.
    `purposes` empty means all. `reach` is what of the record it speaks of, `limited` whether that is less than all;
    `what` is that as it is said: labels, data and their time, which a permit and a deny reach differently.
    """

    permit: bool
    actors: frozenset[str] | None
    members: Mapping[str, Interval]
    purposes: frozenset[str]
    period: Interval
    labels: frozenset[str]
    reach: Predicate
    limited: bool
    what: What = EVERYTHING_SAID

    @property
    def named(self) -> tuple[frozenset[str], frozenset[str]] | None:
        """The keys it names, and those of the teams it names; None where it speaks to everybody."""
        return None if self.actors is None else (self.actors, frozenset(self.members))

    def in_force(self, at: int) -> bool:
        """Whether its period covers the moment (microseconds); a date lasts until the end of its day."""
        return self.period.lo <= at <= self.period.hi

    def names(self, keys: frozenset[str], at: int) -> bool:
        """Whether it names one of the keys, itself or through a team they belong to at that moment."""
        if self.actors is None:
            return False
        return not self.actors.isdisjoint(keys) or self.names_team_of(keys, at)

    def names_team_of(self, keys: frozenset[str], at: int) -> bool:
        """Whether one of the keys belongs, at that moment, to a team it names."""
        spans = [self.members[key] for key in keys if key in self.members] if self.members else []
        return any(span.lo <= at <= span.hi for span in spans)

    def serves(self, purpose: str) -> bool:
        """Whether it speaks of this purpose of use; codes match exactly."""
        return not self.purposes or purpose in self.purposes

    def covers(self, other: Provision) -> bool:
        """Whether it reaches beyond doubt what another does: labels, data and time are compared as they are said."""
        (labels, about, dated), (fewer, part, days) = self.what, other.what
        by_label = not labels or (bool(fewer) and fewer <= labels)
        return by_label and about in (EVERYTHING, part) and dated in (ALWAYS, days)


def read(provision: Json, members: Members) -> Provision:
    """The provision itself, without those nested in it. Raises Unreadable."""
    if provision.get("type") not in ("permit", "deny"):
        raise Unreadable("a provision neither permits nor denies")
    for name in _UNKNOWN_LIMITS:
        if name in provision:
            raise Unreadable(f"a provision is limited by `{name}`, which this server does not read")
    permit = provision["type"] == "permit"
    actors, team = _actors(provision, permit, members)
    labels = frozenset(_label(each) for each in _list(provision, "securityLabel"))
    about = _about(provision, members)
    reach = both(_labelled(labels, permit), about, _dated(provision, permit))
    if permit and any(name in provision for name in ("data", "dataPeriod")):
        reach = either(reach, Has("resource", "Patient"))  # whoever may see a part knows whose it is
    return Provision(
        permit=permit,
        actors=actors,
        members=team,
        purposes=frozenset(_purpose(each) for each in _list(provision, "purpose")),
        period=_period(provision.get("period")),
        labels=labels,
        reach=reach,
        limited=reach != EVERYTHING,
        what=(labels, about, _period(provision.get("dataPeriod"))),
    )


def takes_back(root: Provision, nested: Provision) -> bool:
    """Whether a nested provision leaves nothing of its root."""
    return (
        root.permit is not nested.permit
        and _as_many(root, nested)
        and (not nested.purposes or (bool(root.purposes) and root.purposes <= nested.purposes))
        and nested.period.lo <= root.period.lo
        and root.period.hi <= nested.period.hi
        and nested.what in (EVERYTHING_SAID, root.what)
    )


def _as_many(root: Provision, nested: Provision) -> bool:
    """Whether whoever the root speaks to is spoken to by what is nested in it."""
    if nested.named is None:
        return True
    return root.named is not None and all(some <= more for some, more in zip(root.named, nested.named, strict=True))


def named(provision: Json) -> frozenset[str]:
    """References in the provision and in those nested in it that stand for others: teams, roles, authors."""
    found: set[str] = set()
    for each in _list(provision, "actor"):
        found.add(target(each.get("reference")))
    for each in _list(provision, "data"):
        if each.get("meaning") == "authoredby":
            found.add(target(each.get("reference")))
    for each in _list(provision, "provision"):
        found |= named(each)
    return frozenset(reference for reference in found if reference.startswith(ACTOR_TYPES))


def _actors(provision: Json, permit: bool, members: Members) -> tuple[frozenset[str] | None, Mapping[str, Interval]]:
    if "actor" not in provision:
        return None, {}
    actors: set[str] = set()
    team: dict[str, Interval] = {}
    for each in _list(provision, "actor"):
        reference, keys = _keys(each.get("reference"))
        known = members.get(reference, {})
        if not permit:
            _must_be_found(reference, keys, reference in members)
            known = {key.partition("@")[0]: span for key, span in known.items()}  # denied in a role, denied in all
        if reference.startswith(TEAMS):
            team.update(known)
        else:
            actors |= keys | known.keys()
    if not provision["actor"]:
        raise Unreadable("an actor is not named")
    return frozenset(actors), team


def _must_be_found(reference: str, keys: frozenset[str], expanded: bool) -> None:
    """A deny that names somebody we cannot find would block nobody. Raises Unreadable."""
    if reference.startswith(EXPANDED) and not expanded:
        raise Unreadable("a deny names a team or a role this server does not know")
    if keys == {reference} and not _LOCAL.fullmatch(reference):
        raise Unreadable("a deny names somebody who cannot be found here")


def _keys(reference: Any) -> tuple[str, frozenset[str]]:
    """The relative text of a Reference, and all its keys. Raises Unreadable when it has neither text nor identifier."""
    text = target(reference)
    keys = {text} if text else set()
    identifier = reference.get("identifier") if isinstance(reference, Mapping) else None
    if isinstance(identifier, Mapping) and identifier.get("value"):
        keys.add(key_of(identifier.get("system"), str(identifier["value"])))
    if not keys:
        raise Unreadable("an actor is not named")
    return text, frozenset(keys)


def target(reference: Any) -> str:
    """`Type/id` of a Reference, whatever version it names; "" when it names none."""
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    return text.partition("/_history/")[0] if isinstance(text, str) else ""


def _labelled(labels: frozenset[str], permit: bool) -> Predicate:
    """Any value of the element. Confidentiality is a high-water mark: a permit goes up to it, a deny begins there.

    https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html; what carries no code of it counts as normal.
    """
    if not labels:
        return EVERYTHING
    order, normal = _confidentiality()
    levels = sorted(order.index(each) for each in labels if each in order)
    parts: list[Predicate] = [Has("label", each) for each in sorted(labels) if each not in order]
    if levels and permit:
        parts.append(Not(one_of("label", order[levels[-1] + 1 :])))
        if levels[-1] < order.index(normal):
            parts[-1] = both(parts[-1], one_of("label", order[: levels[-1] + 1]))
    elif levels:
        parts.append(one_of("label", order[levels[0] :]))
        if levels[0] <= order.index(normal):
            parts.append(Not(one_of("label", order)))
    return either(*parts)


def _about(provision: Json, members: Members) -> Predicate:
    parts: list[Predicate] = []
    if "data" not in provision:
        return EVERYTHING
    if not provision["data"]:
        raise Unreadable("the data a provision speaks of are not named")
    for each in _list(provision, "data"):
        about = target(each.get("reference"))
        if not about or "://" in about or about.startswith("#"):
            raise Unreadable("the data a provision speaks of are not found here")
        match each.get("meaning"):
            case "instance":
                parts.append(either(Has("id", about), Has("about", about)))
            case "related":
                inside = either(Has("names", about), Some("mentions", Has("id", about)))
                parts.append(either(Has("encounter", about), Has("id", about), Has("about", about), inside))
            case "authoredby":
                parts.append(_authored(sorted({about, *members.get(about, {})})))
            case _:
                raise Unreadable("the meaning of a provision's data is none this server reads")
    return either(*parts)


def _authored(keys: list[str]) -> Predicate:
    """By one of these; a trace, where what it is about is by one of them: its own author only looked at that."""
    return either(both(one_of("author", keys), Not(Has("resource", "AuditEvent"))), one_of("data_author", keys))


def _dated(provision: Json, permit: bool) -> Predicate:
    if "dataPeriod" not in provision:
        return EVERYTHING
    span = _period(provision["dataPeriod"])
    if permit:
        return either(
            Span("period", lo_min=span.lo, hi_max=span.hi),
            Span("period", lo_min=span.lo, lo_max=span.hi, hi_min=END),
        )
    undated = both(Not(Exists("period")), Not(Has("resource", "Patient")))
    return either(Span("period", lo_max=span.hi, hi_min=span.lo), undated)


def _period(period: Any) -> Interval:
    if period is None:
        return ALWAYS
    if not isinstance(period, Mapping) or not set(period) <= {"start", "end", "id"}:
        raise Unreadable("a period cannot be read")
    try:
        start = interval(period["start"]).lo if "start" in period else BEGINNING
        end = interval(period["end"]).hi if "end" in period else END
    except (ValueError, TypeError) as unread:
        raise Unreadable("a period cannot be read") from unread
    if end < start:
        raise Unreadable("a period ends before it begins")
    return Interval(start, end)


def _purpose(coding: Any) -> str:
    """The bare code in either spelling of v3-ActReason, else `system|code`."""
    if not isinstance(coding, Mapping) or not coding.get("code") or not coding.get("system"):
        raise Unreadable("a purpose has no code or no system")
    code: str = coding["code"]
    return code if coding["system"] in _purpose_systems() else f"{coding['system']}|{code}"


def _label(coding: Any) -> str:
    if not isinstance(coding, Mapping) or not coding.get("code"):
        raise Unreadable("a security label has no code")
    return label_key(coding.get("system"), coding["code"])


def _list(element: Json, name: str) -> list[Any]:
    value = element.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise Unreadable(f"`{name}` cannot be read")
    return value


@cache
def _confidentiality() -> tuple[tuple[str, ...], str]:
    labels = profile_json("dmp/labels.json")
    return tuple(labels["confidentiality"]), labels["unlabelled"]


@cache
def _purpose_systems() -> frozenset[str]:
    return frozenset(profile_json("dmp/access-modes.json")["purposeSystems"])
