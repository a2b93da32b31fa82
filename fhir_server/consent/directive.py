"""Directives: what a record's Consents say, as values that are quick to ask.

May live here: reading one Consent into a Directive, and the index of a record's Directives, built once and cached with
them. May not know: the store, who asks. Patterns: https://profiles.ihe.net/ITI/PCF (Basic, Intermediate, Advanced).

A Consent of one of our types (`profiles/dmp/consent-types.json`) means what its type says and no more; any other is
`foreign` and is read as PCF has it. A Consent we cannot read is kept, as unreadable: it refuses (rules.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from fhir_server.consent.provision import ALWAYS, Json, Members, Provision, Unreadable, named, read, takes_back
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import Interval, interval
from fhir_server.foundation.predicate import BEGINNING, END

_WORDS = profile_json("dmp/rules.json")
_TYPES = _WORDS["consents"]
CREATION: str = _TYPES["creation"]
FEEDING: str = _TYPES["feeding"]
AUTHORISATION: str = _TYPES["authorisation"]
BLOCK: str = _TYPES["block"]
ESTABLISHMENT: str = _TYPES["establishment"]
TREATING: str = _TYPES["treatingPhysician"]
REPRESENTATION: str = _TYPES["representation"]
FOREIGN = "foreign"
UNREADABLE = "unreadable"
PRIVACY = ("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")
# the types whose provisions speak of consultation; the others speak of opening, feeding, one mode or one person
CONSULTING = frozenset({AUTHORISATION, BLOCK, ESTABLISHMENT, TREATING, FOREIGN})


@dataclass(frozen=True, slots=True)
class Directive:
    """One Consent. `kind` is a code of our consent types, "foreign" or "unreadable" (then `unread` says why).

    `performers` are the references of those who consented, `sourced` whether a source document is cited.
    """

    id: str
    kind: str
    root: Provision | None
    nested: tuple[Provision, ...] = ()
    performers: frozenset[str] = frozenset()
    sourced: bool = False
    active: bool = True
    unread: str | None = None

    @property
    def permit(self) -> bool:
        """Whether its root permits; an unreadable one does not."""
        return self.root is not None and self.root.permit

    def serves(self, purpose: str) -> bool:
        """Whether its root speaks of this purpose of use."""
        return self.root is not None and self.root.serves(purpose)

    def in_force(self, at: int) -> bool:
        """Active, and within its period."""
        return self.active and self.root is not None and self.root.in_force(at)


def parse(consent: Json, members: Members | None = None) -> Directive | None:
    """The directive of a Consent; None when it is no privacy consent (research, treatment, advance directives).

    `members` gives, for each reference of `actors_named`, the keys it stands for.
    """
    id_ = f"Consent/{consent.get('id', '')}"
    try:
        if not _of_privacy(consent):
            return None
        return _parse(id_, consent, members or {})
    except (Unreadable, AttributeError, TypeError, KeyError, ValueError) as unread:
        why = str(unread) if isinstance(unread, Unreadable) else "the consent is not shaped as R4 has it"
        return Directive(id_, UNREADABLE, None, active=consent.get("status") == "active", unread=why)


def actors_named(consent: Json) -> frozenset[str]:
    """References (`CareTeam/x`, `Group/x`, `PractitionerRole/x`, `Organization/x`, `Practitioner/x`) to be expanded."""
    try:
        return named(consent.get("provision") or {})
    except (Unreadable, AttributeError, TypeError):
        return frozenset()


def _parse(id_: str, consent: Json, members: Members) -> Directive:
    if "modifierExtension" in consent:
        raise Unreadable("a modifier extension is not known")
    provision = consent.get("provision")
    if not isinstance(provision, Mapping):
        raise Unreadable("there is no provision")
    nested: list[Provision] = []
    for each in provision.get("provision") or ():
        if "provision" in each:
            raise Unreadable("provisions are nested deeper than two levels")
        nested.append(read(each, members))
    root = read(provision, members)
    if any(takes_back(root, each) for each in nested):
        raise Unreadable("a nested provision says the contrary of all that its root says")
    return Directive(
        id=id_,
        kind=_kind(consent),
        root=root,
        nested=tuple(nested),
        performers=frozenset(each["reference"] for each in consent.get("performer") or () if each.get("reference")),
        sourced="sourceAttachment" in consent or "sourceReference" in consent,
        active=consent.get("status") == "active",
    )


def _of_privacy(consent: Json) -> bool:
    codings = consent["scope"].get("coding") or ()
    return any((each.get("system"), each.get("code")) == PRIVACY for each in codings)


def _kind(consent: Json) -> str:
    system, known = _types()
    codings = [coding for each in consent.get("category") or () for coding in each.get("coding") or ()]
    ours = {coding.get("code") for coding in codings if coding.get("system") == system}
    if not ours:
        return FOREIGN
    if len(ours) > 1 or not ours <= known:
        raise Unreadable("the type of the consent is none of ours, or is several")
    return str(ours.pop())


@cache
def _types() -> tuple[str, frozenset[str]]:
    types = profile_json("dmp/consent-types.json")
    return types["url"], frozenset(each["code"] for each in types["concept"])


@dataclass(frozen=True, slots=True, eq=False)
class Directives:
    """Every active directive of one record, indexed by kind, by actor, and by both.

    `terms` limits representatives in time; `turns` are the moments, in order, at which a period that any of them names
    begins or has just ended.
    """

    all: tuple[Directive, ...] = ()
    terms: Mapping[str, Interval] = field(default_factory=dict)
    kinds: Mapping[str, tuple[Directive, ...]] = field(init=False, repr=False)
    actors: Mapping[str, tuple[Directive, ...]] = field(init=False, repr=False)
    anyone: tuple[Directive, ...] = field(init=False, repr=False)
    of_actor: Mapping[tuple[str, str | None], tuple[Directive, ...]] = field(init=False, repr=False)
    nested_actors: Mapping[str, tuple[tuple[Directive, Provision], ...]] = field(init=False, repr=False)
    nested: bool = field(init=False, repr=False)
    roles: bool = field(init=False, repr=False)
    turns: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        active = [each for each in self.all if each.active]
        kinds: dict[str, list[Directive]] = {}
        actors: dict[str, list[Directive]] = {}
        of_actor: dict[tuple[str, str | None], list[Directive]] = {}
        nested: dict[str, list[tuple[Directive, Provision]]] = {}
        for each in active:
            kinds.setdefault(each.kind, []).append(each)
            if each.root is not None:
                for key in (*(each.root.actors or ()), *each.root.members):
                    actors.setdefault(key, []).append(each)
                    of_actor.setdefault((each.kind, key), []).append(each)
                if each.root.actors is None:
                    of_actor.setdefault((each.kind, None), []).append(each)
            for inner in each.nested:
                for key in (*(inner.actors or ()), *inner.members):
                    nested.setdefault(key, []).append((each, inner))
        anyone = tuple(each for each in active if each.root is not None and each.root.actors is None)
        object.__setattr__(self, "kinds", {kind: tuple(group) for kind, group in kinds.items()})
        object.__setattr__(self, "actors", {key: tuple(group) for key, group in actors.items()})
        object.__setattr__(self, "of_actor", {key: tuple(group) for key, group in of_actor.items()})
        object.__setattr__(self, "nested_actors", {key: tuple(group) for key, group in nested.items()})
        object.__setattr__(self, "anyone", anyone)
        object.__setattr__(self, "nested", any(each.nested for each in active))
        object.__setattr__(self, "roles", any("@" in key for key in (*actors, *nested)))
        object.__setattr__(self, "turns", tuple(sorted(_turns(self.all, self.terms))))

    def of_kind(self, kind: str) -> tuple[Directive, ...]:
        """The directives of one kind."""
        return self.kinds.get(kind, ())

    def speaking_of(self, kind: str, keys: Iterable[str]) -> Iterator[Directive]:
        """The directives of one kind that name one of the keys, perhaps more than once, or nobody."""
        for key in (None, *keys):
            yield from self.of_actor.get((kind, key), ())

    def naming(self, keys: frozenset[str], at: int) -> tuple[Directive, ...]:
        """The directives whose root names one of the keys, or a team they belong to at that moment, each once."""
        found = {id(each): each for key in keys for each in self.actors.get(key, ())}
        return tuple(each for each in found.values() if each.root is not None and each.root.names(keys, at))

    def nested_naming(self, keys: Iterable[str]) -> tuple[tuple[Directive, Provision], ...]:
        """Nested provisions that name one of the keys, with their directive, each once."""
        if not self.nested_actors:
            return ()
        found = {id(inner): (outer, inner) for key in keys for outer, inner in self.nested_actors.get(key, ())}
        return tuple(found.values())


def _turns(directives: Iterable[Directive], terms: Mapping[str, Interval]) -> set[int]:
    spans = [*terms.values()]
    for each in directives:
        for provision in (each.root, *each.nested):
            if provision is not None:
                spans += (provision.period, *provision.members.values())
    return {turn for span in spans for turn in (span.lo, span.hi + 1)}


def role_keys(identities: Iterable[str], organizations: Iterable[str]) -> frozenset[str]:
    """The keys of a person in an organisation, by which a PractitionerRole is named."""
    places = tuple(organizations)
    return frozenset(f"{person}@{place}" for person in identities for place in places)


def kinds() -> frozenset[str]:
    """The codes of our consent types."""
    return _types()[1]


def is_guardian(person: Json) -> bool:
    """Whether a RelatedPerson is a legal representative (GUARD, Responsable légal)."""
    codings = (coding for each in person.get("relationship") or () for coding in each.get("coding") or ())
    return any(
        coding.get("code") == _WORDS["guardian"] and coding.get("system") in _role_systems() for coding in codings
    )


def one_too_many(person: Json, terms: Mapping[str, Interval], most: int) -> bool:
    """Whether a RelatedPerson would be a legal representative beside as many others as there may be at once (K8)."""
    if person.get("active") is False or not is_guardian(person):
        return False
    mine = term_of(person.get("period"))
    return sum(mine.lo <= each.hi and each.lo <= mine.hi for each in terms.values()) >= most


def term_of(period: object) -> Interval:
    """The span of a representation; one that cannot be read is over."""
    if not isinstance(period, Mapping):
        return ALWAYS
    try:
        start = interval(period["start"]).lo if "start" in period else BEGINNING
        end = interval(period["end"]).hi if "end" in period else END
    except (ValueError, TypeError):
        return Interval(END, END)
    return Interval(start, end)


@cache
def _role_systems() -> frozenset[str]:
    return frozenset(profile_json("dmp/related-person-roles.json")["accepted"])
