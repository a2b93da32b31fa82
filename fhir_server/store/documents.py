"""The envelope: the only shape MongoDB sees of a FHIR resource, its collections and its indexes.

May live here: how a resource becomes an envelope, what a stored one looks like to the floors above, the indexes.
May not know: who may see it. `body` is the JSON text as it was sent, but for `id` and `meta` (decisions 7 and 12).

resources  what is current          {_id: "Type/id", type, version, updated, method, facts, index, dates, first, last,
                                     numbers, together, place, contained, words, unique, own, set_by, reach, deposited,
                                     blob, body}
history    superseded and deleted   {_id: "Type/id/version", id, type, version, updated, method, facts, index, dates,
                                     numbers, together, own, set_by, deposited, blob, body}

`first` and `last` are the least and the greatest beginning of each date parameter: what a sort goes by.

`facts.mentions` holds, for each resource of a record that this one only mentions, a copy of that one's access facts
and the index tokens that exist through it alone, so that a hidden one can be taken away with all its traces.
`facts.names` are their addresses, and those that what it is about names. `facts.held`, and `held` of such a copy, are
the copies of what a List names, kept by what is about that List or mentions it: a List of which nothing may be seen is
hidden, and they with it.
`own` keeps the labels that are the resource's own, apart from those it inherits from what it is about; `set_by`, for
each of these that hides something, the keys of who set it (docs/adr/0012); `reach`, of a Patient, on whose word its
addresses stand (docs/adr/0035). `deposited` is when its first version came, in microseconds of the domain clock;
`facts.hidden` the span in which it is hidden from the holder (docs/adr/0030).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, fields
from functools import cache
from typing import Any

from pymongo import ASCENDING, DESCENDING

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.light import light
from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Exists, Has, Not, Predicate, Some, both, either
from fhir_server.foundation.problem import problem
from fhir_server.resources import facts as access
from fhir_server.resources import json_text, references
from fhir_server.resources.patient import believed
from fhir_server.resources.reach import Reach
from fhir_server.search import contained
from fhir_server.search.index import index_of
from fhir_server.search.words import words_of
from fhir_server.store.announcement import hidden_spans

Envelope = dict[str, Any]

INHERITED = ("class", "type", "author", "organization", "submitter", "state", "period", "encounter")
MENTIONED = ("patient", "patients", "joint", "label", "hidden", "about", "names", *INHERITED)
CAME_OF = {"data_author": "author", "encounter": "encounter", "names": "names"}
"""By which name a trace keeps which fact of what it is about; its own `author` is who did the deed."""
LISTS = ("List", "DocumentManifest")

STRUCTURES = 30_000
"""How many numbers and elements a resource may leave: some 10 MB of the 16 that a document of MongoDB may have."""
OF_A_RECORD = [("facts.patient", ASCENDING), ("type", ASCENDING), ("updated", DESCENDING), ("_id", DESCENDING)]
WITHIN_A_RECORD = [("facts.patient", ASCENDING), ("index", ASCENDING), ("updated", DESCENDING), ("_id", DESCENDING)]
"""The indexes of what is of a type, and what carries a token, within a record, the latest first."""


@light(frozen=True, slots=True)
class Stored:
    """A version of a resource as the store gives it: `id` is `Type/id`, `updated` microseconds, `body` JSON text."""

    id: str
    type: str
    version: int
    updated: int
    facts: Mapping[str, Any] = field(repr=False)
    body: str = field(repr=False)
    method: str = "PUT"
    blob: str | None = None
    set_by: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    reach: Reach = field(default_factory=dict, repr=False)
    deposited: int | None = None

    @property
    def key(self) -> str:
        """The logical id alone."""
        return self.id.partition("/")[2]

    def envelope(self) -> dict[str, Any]:
        """What a predicate is asked of: the envelope without its index."""
        named = {"_id": self.id, "type": self.type, "version": self.version}
        return {**named, "updated": self.updated, "facts": self.facts, "set_by": self.set_by}

    def resource(self) -> dict[str, Any]:
        """The resource, parsed anew."""
        return json_text.read(self.body)


WANTED = dict.fromkeys((each.name for each in fields(Stored)), 1)
"""What is only searched by stays in the database. Fields of the first level, named as wanted, are MongoDB's simple
projection: 120 µs less for a page of twenty than naming what is not wanted (docs/performance.md)."""


def stored(document: Mapping[str, Any]) -> Stored:
    """The Stored value of a document of `resources`, `ledger` or `history`."""
    get = document.get
    return Stored(  # by place: names take half as long again, and there are twenty on a page
        get("id") or document["_id"],
        document["type"],
        document["version"],
        document["updated"],
        get("facts", {}),
        get("body", ""),
        get("method", "PUT"),
        get("blob"),
        get("set_by", {}),
        get("reach", {}),
        get("deposited"),
    )


def envelope(
    resource: dict[str, Any],
    *,
    version: int,
    updated: int,
    submitter: Sequence[str],
    neighbours: Mapping[str, Mapping[str, Any]],
    unique: Sequence[str] = (),
    method: str = "PUT",
    blob: str | None = None,
    about: Sequence[str] = (),
    set_by: Mapping[str, Sequence[str]] | None = None,
    reach: Reach | None = None,
    deposited: int | None = None,
    base: str = "",
    named: Sequence[str] | None = None,
) -> Envelope:
    """The envelope of a resource whose `id` and `meta` are final.

    `neighbours` gives the envelopes' facts of every local resource it is about or mentions, by `Type/id`; `set_by` who
    set each label that hides, the submitter where nothing else is said; `reach` on whose word a Patient's addresses
    stand; `deposited` is when its first version came; `base` is the address of this server, `named` the local
    references, if they are known.
    """
    if named is None:
        named = references.local_references(resource, base)
    facts = access.facts_of(resource, submitter=frozenset(submitter), named=named)
    if len(facts.get("patients", ())) > 1:
        facts["joint"] = True
    indexed = index_of(resource)
    own = list(facts.get("label", []))
    hidden = hidden_spans(own, deposited)
    if hidden:
        facts["hidden"] = hidden
    mentioned = facts.get("names", [])
    tokens, through = indexed.apart(mentioned)
    tokens += access.tokens_of_owner(resource["resourceType"], facts, tokens)
    items = frozenset(access.items_of(resource))
    mentions = [mention(id_, neighbours.get(id_, {}), through.get(id_, []), item=id_ in items) for id_ in mentioned]
    made: Envelope = {
        "_id": f"{resource['resourceType']}/{resource['id']}",
        "type": resource["resourceType"],
        "version": version,
        "updated": updated,
        "method": method,
        "facts": facts,
        "index": tokens,
        "dates": indexed.dates,
        **sort_keys(indexed.dates),
        "own": own,
        "body": json_text.write(resource),
    }
    # INVARIANT (words of its own): what speaks of something else, or goes away with it, is nobody's to find this by
    alone = references.drop(resource, mentioned) if mentioned else resource
    held = contained.index(believed(alone))
    tokens += contained.tokens(held)
    structures = {"numbers": indexed.numbers, "together": indexed.together, "contained": held}
    inner = sum(len(part) for each in held for part in each.values() if isinstance(part, list))
    if sum(map(len, structures.values())) + inner > STRUCTURES:
        raise problem(413, "too-costly", "the resource has too many numbers and coded values to be searched by")
    made.update({name: several for name, several in structures.items() if several})
    if indexed.place:
        made["place"] = indexed.place
    words = words_of(alone)
    if words:
        made["words"] = words
    if mentions:
        facts["mentions"] = mentions
    sources = list(about or access.about_of(resource))
    if sources:
        facts["about"] = sources
        inherit(made, {id_: neighbours[id_] for id_ in sources if id_ in neighbours})
    hiding = {label: list((set_by or {}).get(label, submitter)) for label in own if label in hiding_labels()}
    if hiding:
        made["set_by"] = hiding
    if reach:
        made["reach"] = dict(reach)
    if deposited is not None:
        made["deposited"] = deposited
    if unique:
        made["unique"] = list(unique)
    if blob:
        made["blob"] = blob
    return made


@cache
def hiding_labels() -> frozenset[str]:
    """The codes by which something is hidden from somebody (TRE_A07)."""
    table = profile_json("dmp/labels.json")
    return frozenset(table["codes"]) - frozenset(table["confidentiality"])


def about_facts(
    resource: Mapping[str, Any],
    facts: Mapping[str, Any],
    sources: Mapping[str, Mapping[str, Any]],
    deposited: int | None = None,
) -> dict[str, Any]:
    """The facts of a resource with those it takes from what it is about (`sources`, by `Type/id`)."""
    if not sources:
        return dict(facts)
    made: Envelope = {
        "type": resource["resourceType"],
        "own": list(facts.get("label", [])),
        "deposited": deposited,
        "facts": {**facts, "about": list(sources)},
    }
    inherit(made, sources)
    joined: dict[str, Any] = made["facts"]
    return joined


def sort_keys(dates: Mapping[str, Sequence[Mapping[str, int]]]) -> Envelope:
    """`first` and `last` of an envelope's dates; MongoDB cannot page by key over an array."""
    return {
        "first": {name: min(each["lo"] for each in spans) for name, spans in dates.items() if spans},
        "last": {name: max(each["lo"] for each in spans) for name, spans in dates.items() if spans},
    }


def mention(id_: str, facts: Mapping[str, Any], tokens: Sequence[str], *, item: bool = False) -> dict[str, Any]:
    """What a resource keeps of one that it mentions; `absent` where nothing of a record stands there (yet).

    `item`: it is what a List lists, and not only named by it.
    """
    kept: dict[str, Any] = {name: facts[name] for name in MENTIONED if name in facts}
    kept |= {} if facts.get("patients") else {"absent": True}
    kept |= {"item": True} if item else {}
    held = held_of(id_, facts)
    if held:
        kept["held"] = held
    return {"id": id_, "resource": id_.partition("/")[0], **kept, "token": list(tokens)}


def held_of(id_: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Copies of what is shown for the sake of something alone: what a List names, or what this is about holds."""
    if id_.partition("/")[0] in LISTS:
        held = [each for each in facts.get("mentions", ()) if each.get("item")]
    else:
        held = facts.get("held", ())
    return [{name: value for name, value in each.items() if name != "token"} for each in held] if held else []


def came_of(sources: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Whose is, of which stay, and what is named by, what a trace is about: a Consent may speak of these."""
    known = list(sources)
    joined: dict[str, list[str]] = {}
    for kept, name in CAME_OF.items():
        values: list[str] = []
        for each in known:
            values += each.get(kept) or each.get(name, ())
        if values:
            joined[kept] = list(dict.fromkeys(values))
    return joined


def nameable(residual: Predicate) -> Predicate:
    """What, among the copies of facts that a resource keeps, speaks of something the residual lets be seen.

    What several records own is named by none of them: each owner would have to permit it. A List is seen by what it
    holds. What is absent hides nothing; it is restamped should it come.
    """
    if residual in (EVERYTHING, NOTHING):
        return residual
    alone = either(Has("absent", True), both(residual, Not(Has("joint", True))))
    return both(alone, either(Not(Exists("held")), Some("held", alone)))


def inherit(made: Envelope, about: Mapping[str, Mapping[str, Any]]) -> None:
    """Give an envelope the access facts of what it is about, by `Type/id`: all their labels, and the rest joined
    (decisions 16).
    """  # noqa: D205 - the sentence is the summary
    facts, sources = made["facts"], about.values()
    labels = [*made["own"], *(label for source in sources for label in source.get("label", []))]
    if labels:
        facts["label"] = list(dict.fromkeys(labels))
    hidden = [
        *hidden_spans(made["own"], made.get("deposited")),
        *(span for source in sources for span in source.get("hidden", [])),
    ]
    if hidden:
        facts["hidden"] = hidden
    else:
        facts.pop("hidden", None)
    if made["type"] == "AuditEvent":
        for name in CAME_OF:
            facts.pop(name, None)
        facts.update(came_of(sources))
        return
    names = [*facts.get("names", ()), *came_of(sources).get("names", ())]
    facts.pop("names", None)
    if names:
        facts["names"] = list(dict.fromkeys(names))
    held = [each for id_, source in about.items() for each in held_of(id_, source)]
    facts.pop("held", None)
    if held:
        facts["held"] = held
    if not facts.get("patients"):
        facts.update({name: source[name] for source in sources for name in ("patient", "patients") if name in source})
    for name in INHERITED:
        joined = [value for source in sources for value in source.get(name, [])]
        if joined:
            facts[name] = joined
