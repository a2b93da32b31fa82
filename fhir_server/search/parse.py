"""Query strings: names, modifiers, values; strict and lenient handling (https://hl7.org/fhir/R4/search.html).

May live here: from the pairs of a query string to a Query. May not know: how a value is read (the file of its type
does), who asks, what is stored. Strict by default: what is not understood is refused with the nearest known name,
because a parameter that is ignored widens the answer (decisions 9). Lenient handling passes over unknown parameters,
never over modifiers or values, nor over what is known and not supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fhir_server.definitions.compartments import owner_parameters
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.foundation.predicate import Any_, Has, Linked, Not, Predicate, both, either
from fhir_server.foundation.problem import Issue, Problem, bad_request
from fhir_server.search import age, chain, compartment, include, inside, own, reference, special, string, uri, words
from fhir_server.search import filter as filter_
from fhir_server.search.codes import PUBLISHED, Codes
from fhir_server.search.escapes import plain, split
from fhir_server.search.kinds import BY_PRESENCE, CLAUSES, NEGATIONS, is_literal, modifiers_of
from fhir_server.search.nearest import meant, shown
from fhir_server.search.query import Asked, Include, PatientIdentifier, Query
from fhir_server.search.supported import kind_of, known, supported

Pairs = Sequence[tuple[str, str]]

MAXIMUM_VALUES = 500
LONGEST_VALUE = 8_000
"""Bytes of one value, without case and accents: a database looks for no pattern of more than some 32,000."""
LINKS_AT_ONCE = 4
"""How many chains of the greatest length one search may amount to."""


def parse(
    type_: str,
    pairs: Pairs,
    *,
    lenient: bool,
    base: str,
    maximum: int = special.MAXIMUM_COUNT,
    values: int = MAXIMUM_VALUES,
    links: int = chain.LINKS,
    compartment_of: str = "",
    codes: Codes = PUBLISHED,
    now: int | None = None,
) -> Query:
    """The Query that decoded pairs ask of a type; Problem 400 for the first thing in them that cannot be answered.

    `base` is the server's own URL: references that begin with it are local. A page holds `maximum` matches at most,
    one parameter takes `values` at most and all of them twice as many, a chain has `links` links at most.
    `compartment_of` is the `Type/id` in whose compartment it is asked, if it is in one; `codes` tells what value sets
    and code systems hold; `now` is the moment of the question, in microseconds.
    """
    reader = _Reader(
        type_, base.rstrip("/"), lenient, most=values, links=links, compartment=compartment_of, codes=codes, now=now
    )
    if compartment_of:
        reader.confine()
    for name, text in pairs:
        reader.take(name, text)
    return reader.query(maximum)


def criteria(type_: str, pairs: Pairs, base: str = "") -> Predicate:
    """The predicate of criteria alone (those of a SMART scope): nothing unknown, nothing that shapes an answer."""
    shaping = special.SHAPING | include.NAMES
    for name, _ in pairs:
        if name.partition(":")[0] in shaping:
            raise bad_request(f"`{name}` is no criterion of a search")
    query = parse(type_, pairs, lenient=False, base=base)
    if query.lists:
        raise bad_request("`_list` is not supported here", code="not-supported")
    if query.patient_identifier is not None:
        named = f"{query.patient_identifier.parameter}.identifier"
        raise bad_request(f"`{named}` is not supported here", code="not-supported")
    if query.chained:
        raise bad_request("a chain is not supported here: what it leads to cannot be asked for", code="not-supported")
    return query.where


def criterion(
    type_: str, name: str, text: str, base: str, links: int = chain.LINKS
) -> tuple[Predicate, tuple[str, ...]]:
    """What one parameter with its modifier, or one chain, asks of a type; and the records that this confines it to.

    The predicate holds `Linked` nodes where the name is a chain. Raises Problem 400 for what cannot be read, and for
    what is no criterion.
    """
    reader = _Reader(type_, base, lenient=False, links=links)
    return reader.criterion(name, text), tuple(dict.fromkeys(reader.patients))


@dataclass(slots=True)
class _Reader:
    """A query string half read."""

    type: str
    base: str
    lenient: bool
    most: int = MAXIMUM_VALUES
    compartment: str = ""
    codes: Codes = PUBLISHED
    now: int | None = None
    clauses: list[Predicate] = field(default_factory=list)
    once: dict[str, str] = field(default_factory=dict)
    includes: list[Include] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[Issue] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    identifier: PatientIdentifier | None = None
    values: int = 0
    links: int = chain.LINKS
    depth: int = 0
    followed: int = 0

    def take(self, name: str, text: str) -> None:
        """Read one pair."""
        code, colon, rest = name.partition(":")
        modifier = rest if colon else None
        if code in special.PASSED_BY:
            self.asked.append((name, text))
            return
        owner = self._owner_identifier(name, text)
        link = chain.read(self.type, name) if owner is None else None
        if owner is None and link is None and self._is_passed_over(name, code):
            return
        if not text:
            raise bad_request(f"`{shown(name)}` has no value")
        if code != special.PAGE:
            self.asked.append((name, text))
        if code in special.ONCE:
            self._take_once(name, code, text)
        elif code in include.NAMES:
            self.includes.append(include.read(code, modifier, text, (self.type,)))
        elif owner is not None:
            self._take_identifier(owner, text)
        elif code in special.MEANT:
            self._take_meant(name, code, text)
        elif link is not None:
            self.clauses.append(self._linked(link, text))
        else:
            self.clauses.append(self.compiled(code, modifier, text, naming=True))

    def criterion(self, name: str, text: str) -> Predicate:
        """What one pair asks, which is to be a criterion and nothing that shapes an answer."""
        if name.partition(":")[0] in special.SHAPING | include.NAMES | {"_list"}:
            raise bad_request(f"`{shown(name)}` is no criterion of a search")
        self.take(name, text)
        return both(*self.clauses)

    def confine(self) -> None:
        """Keep to the compartment; that of a patient names a record."""
        self.clauses.append(compartment.clause(self.compartment, self.type))
        owner, _, id_ = self.compartment.partition("/")
        if owner == "Patient":
            self.patients.append(id_)

    def query(self, maximum: int) -> Query:
        """What was read, as a Query."""
        count = special.count(self.once.get("_count"), maximum)
        asked_summary = special.summary(self.once.get("_summary"))
        # "If _count has the value 0, this shall be treated the same as _summary=count".
        summary = "count" if count == 0 else asked_summary
        return Query(
            type=self.type,
            where=both(*self.clauses),
            order=special.order(self.type, self.once.get("_sort")),
            count=0 if summary == "count" else count,
            total=special.total(self.once.get("_total")),
            includes=tuple(dict.fromkeys(self.includes)),
            summary=summary,
            asked=tuple((name, str(count) if name == "_count" else text) for name, text in self.asked),
            ignored=tuple(self.ignored),
            cursor=self.once.get(special.PAGE),
            patients=tuple(dict.fromkeys(self.patients)),
            patient_identifier=self.identifier,
            chained=self.followed > 0,
            compartment=self.compartment,
            lists=tuple(dict.fromkeys(self.lists)),
            contained=special.contained(self.once.get("_contained")),
            returns=special.contained_type(self.once.get("_containedType")),
        )

    def _owner_identifier(self, name: str, text: str) -> str | None:
        """The owner parameter in `patient.identifier=system|value`, which names the record asked about (IHE ITI-67).

        Within a chain, by a value without its system or by several of them, it is a chain like any other.
        """
        owner, dot, rest = name.replace(":Patient.", ".").partition(".")
        if self.depth or self.identifier is not None or not dot or rest != "identifier":
            return None
        one = len(split(text, ",")) == 1 and len(split(text, "|")) == 2 and all(split(text, "|"))
        return owner if one and owner in owner_parameters(self.type) else None

    def _is_passed_over(self, name: str, code: str) -> bool:
        """Whether the name is unknown and the caller lenient; Problem 400 for what is unknown or not supported."""
        if code in (*special.ONCE, *special.MEANT, *include.NAMES) or (
            code in supported(self.type) and "." not in name
        ):
            return False
        published = known(self.type).get(code.partition(".")[0])
        if code in special.NOT_HERE:
            raise bad_request(f"`{code}` is not supported", code="not-supported")
        if own.awaits(self.type, code):
            raise bad_request(
                f"`{code}` awaits reindex: `fhir-server reindex` makes it searchable", code="not-supported"
            )
        if published is not None:
            raise bad_request(f"`{code}` is a {published.type} parameter that is not supported", code="not-supported")
        near = meant(code, (*supported(self.type), *special.ONCE, *special.MEANT, *include.NAMES))
        text = f"{self.type} has no search parameter `{shown(code)}`{near}"
        if not self.lenient:
            raise bad_request(text, code="not-supported")
        self.ignored.append(Issue("warning", "not-supported", f"{text}; it was ignored"))
        return True

    def _take_once(self, name: str, code: str, text: str) -> None:
        if name != code:
            raise bad_request(f"`{code}` takes no modifier")
        if code in self.once:
            raise bad_request(f"`{code}` is said twice")
        self.once[code] = text

    def _take_identifier(self, owner: str, text: str) -> None:
        system, value = (plain(each) for each in split(text, "|"))
        self.identifier = PatientIdentifier(owner, system, value)

    def _linked(self, link: chain.Link, text: str) -> Predicate:
        """What a chain asks: of each type that its first link may lead to, what the rest of its name asks there."""
        found: list[Predicate] = []
        refused: list[Problem] = []
        for type_ in link.types:
            try:
                found.append(self._through(link, type_, text))
            except Problem as problem:
                if any(issue.code == "too-costly" for issue in problem.issues):
                    raise
                refused.append(problem)
        if not found:
            raise refused[0]
        return either(*found)

    def _through(self, link: chain.Link, type_: str, text: str) -> Predicate:
        if self.depth >= self.links:
            raise bad_request(f"a chain has at most {self.links} links", code="too-costly")
        self._follow(1)
        inner = _Reader(type_, self.base, False, self.most, codes=self.codes, now=self.now, links=self.links)
        inner.depth, inner.values, inner.followed = self.depth + 1, self.values, self.followed
        try:
            asked = inner.criterion(link.rest, text)
        finally:
            self.values, self.followed = inner.values, inner.followed
        linked = Linked(
            link.token,
            type_,
            asked,
            back=link.back,
            of=link.source,
            records=tuple(dict.fromkeys(inner.patients)),
            certain=len(link.types) == 1,
        )
        return linked if link.back else either(linked, inside.clause(link.token, type_, asked))

    def _compared(self, path: str, comparison: str) -> Predicate:
        """What `_filter` compares at the end of a path through references: a chain that ends in a filter."""
        link = chain.read(self.type, path)
        if link is None:
            raise bad_request(f"there is no parameter `{shown(path.partition('.')[0])}`", code="not-supported")
        return self._linked(replace(link, rest="_filter"), f"{link.rest} {comparison}")

    def _follow(self, links: int) -> None:
        self.followed += links
        if self.followed > self.links * LINKS_AT_ONCE:
            raise bad_request(f"a search follows at most {self.links * LINKS_AT_ONCE} links", code="too-costly")

    def _take_meant(self, name: str, code: str, text: str) -> None:
        if name != code:
            raise bad_request(f"`{code}` takes no modifier")
        if code == "_list":
            self.lists.append(special.list_id(text))
        elif code == "_filter":
            kinds = {each: kind_of(found) for each, found in supported(self.type).items()}
            self.clauses.append(filter_.read(text, kinds, self.type, self.compiled, self._compared))
        elif self.type == "AuditEvent":
            raise bad_request(f"`{code}` is not asked of traces, which keep no words", code="not-supported")
        else:
            self._count(len(text.split()))
            self.clauses.append(words.clause(code, text))

    def compiled(self, code: str, modifier: str | None, text: str, *, naming: bool = False) -> Predicate:
        """What a parameter with a modifier asks, its values as a query writes them; Problem 400 for what it is not.

        `naming`: it confines the whole search, and so may name the record it is about.
        """
        parameter = supported(self.type)[code]
        values = split(text, ",")
        if len(values) > self.most:
            raise bad_request(f"`{code}` takes at most {self.most} values", code="too-costly")
        self._count(len(values))
        if not all(values):
            raise bad_request(f"`{code}` has an empty value among its values")
        if any(len(string.normal(each).encode()) > LONGEST_VALUE for each in values):
            raise bad_request(f"`{code}` takes a value of at most {LONGEST_VALUE} bytes", code="too-costly")
        self._check_modifier(parameter, modifier)
        asked = Asked(self.type, parameter, modifier, self.base, self.codes, self.now)
        if naming:
            self._name_patients(asked, values)
        clause = self._clause(asked, values)
        # an id alone stands for as many references as there are types it may be of
        self._count(len(clause.of) - len(values) if isinstance(clause, Any_) else 0)
        return clause

    def _count(self, more: int) -> None:
        self.values += max(more, 0)
        if self.values > 2 * self.most:
            raise bad_request(f"a search asks for at most {2 * self.most} values", code="too-costly")

    def _clause(self, asked: Asked, values: list[str]) -> Predicate:
        code = asked.parameter.code
        if asked.modifier == "missing":
            return self._missing(asked, values)
        if code == "_id":
            return either(*(special.id_clause(self.type, each) for each in values))
        if code == "_lastUpdated":
            return either(*(special.updated_clause(each) for each in values))
        kind = kind_of(asked.parameter)
        if asked.modifier in uri.HIERARCHY and kind == "reference" and is_literal(asked):
            found = reference.hierarchy(asked, values)
            for _ in found.of if isinstance(found, Any_) else (found,):
                self._follow(self.links)
            return found
        clause = CLAUSES[kind]
        found = either(*(clause(asked, each) for each in values)) if len(values) > 1 else clause(asked, values[0])
        if kind in BY_PRESENCE:
            return both(Has("token", f"{asked.name}!"), found)
        return Not(found) if asked.modifier in NEGATIONS else found

    def _missing(self, asked: Asked, values: list[str]) -> Predicate:
        if values not in (["true"], ["false"]):
            raise bad_request(f"`{asked.parameter.code}:missing` is `true` or `false`")
        if asked.parameter.code == "_lastUpdated":
            return special.updated_missing(values == ["true"])
        there = age.known() if kind_of(asked.parameter) == "age" else Has("token", f"{asked.name}!")
        return Not(there) if values == ["true"] else there

    def _check_modifier(self, parameter: SearchParameter, modifier: str | None) -> None:
        if modifier is None:
            return
        offered = modifiers_of(self.type, parameter)
        if modifier not in offered:
            near = meant(modifier, sorted(offered), ":")
            text = f"`{parameter.code}` takes no modifier `:{shown(modifier)}`{near}"
            raise bad_request(text, code="not-supported")

    def _name_patients(self, asked: Asked, values: list[str]) -> None:
        """Remember the records that a clause confines the query to: all its values must name one."""
        code = asked.parameter.code
        if self.type == "Patient" and code == "_id":
            self.patients.extend(special.logical_id(each) for each in values)
        if code not in owner_parameters(self.type) or asked.modifier not in (None, "Patient"):
            return
        named = [
            [each.removeprefix("Patient/") for each in reference.named(asked, value) if each.startswith("Patient/")]
            for value in values
        ]
        if all(named):
            self.patients.extend(each for ids in named for each in ids)
