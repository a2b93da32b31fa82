"""Search parameters of one's own are guarded as those of R4: what is hidden is not found by them, nor told of."""

from __future__ import annotations

import pytest

from fhir_server.search import own
from fhir_server.store import own_parameters
from tests.kit import people
from tests.kit.family import begun, letter_of, masked
from tests.kit.twin import NOTHING, Letter, Step, apart, told

HIDDEN = frozenset({"d1"})
PARAMETERS = {
    "relcode": ("token", "DocumentReference.relatesTo.code"),
    "relbare": ("token", "relatesTo.code"),
    "relmix": ("token", "DocumentReference.status | (DocumentReference.relatesTo).code"),
    "relword": ("string", "DocumentReference.relatesTo.extension('urn:word').value.ofType(string)"),
    "ctx": ("reference", "DocumentReference.context.related"),
    "ext": ("reference", "DocumentReference.extension('urn:see').value.ofType(Reference)"),
}


@pytest.fixture(autouse=True)
def _nothing_is_left():
    yield
    own.put({})


def one(code, type_, expression):
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": f"http://example.org/{code}",
        "name": code,
        "status": "active",
        "description": code,
        "code": code,
        "base": ["DocumentReference"],
        "type": type_,
        "expression": expression,
    }


def a_log(first):
    """Letters that refer to one that is masked, and to one that is not; the parameters come `first` or last."""
    log = begun()
    defined = [one(code, *each) for code, each in PARAMETERS.items()]
    for each in defined if first else ():
        log.put(each)
    log.deposit(Letter("d1"), Letter("d2"))
    word = [{"url": "urn:word", "valueString": "bleu"}]

    def letter(id_, **names):
        def made(without):
            shown = {name: code for name, code in names.items() if name not in without}
            targets = [{"reference": log.names[name]} for name in shown]
            relates = [
                {"code": code, "target": {"reference": log.names[name]}, "extension": word}
                for name, code in shown.items()
            ]
            context = {"context": {"related": targets}, "relatesTo": relates} if targets else {}
            see = [{"url": "urn:see", "valueReference": each} for each in targets]
            return {**letter_of("lea", id_, None), **context, **({"extension": see} if see else {})}

        return made

    log.put(letter("both", d1="appends", d2="transforms"), at="DocumentReference/both")
    log.put(letter("same", d1="appends", d2="appends"), at="DocumentReference/same")
    log.put(letter("lone", d1="signs"), at="DocumentReference/lone")
    masked(log, "d1")
    for each in () if first else defined:
        log.put(each)
    return log


def probes(log, who):
    d1, d2 = log.names["d1"], log.names["d2"]
    asked = [f"{code}:missing={said}" for code in PARAMETERS for said in ("true", "false")]
    asked += [
        f"{code}{modifier}={word}"
        for code in ("relcode", "relbare", "relmix")
        for modifier in ("", ":not")
        for word in ("appends", "transforms", "signs", "current", "replaces")
    ]
    asked += [f"relword{each}=bleu" for each in ("", ":exact", ":contains")]
    asked += [f"{code}={name}" for code in ("ctx", "ext") for name in (d1, d2, d1.partition("/")[2], f"{d1},{d2}")]
    asked += [f"_include=DocumentReference:{code}" for code in ("ctx", "ext")]
    asked += [f"_revinclude=DocumentReference:{code}&_id=d2,{d2.partition('/')[2]}" for code in ("ctx", "ext")]
    made = []
    for each in asked:
        for more in ("", "&_summary=count", "&_count=1"):
            made.append(Step(who, "GET", f"DocumentReference?patient=lea&{each}{more}", pages=True))
        made.append(Step(who, "GET", f"DocumentReference?{each}"))
    made.append(Step(who, "GET", f"DocumentReference?_id={d1.partition('/')[2]}&_revinclude=DocumentReference:ctx"))
    return [*made, Step(who, "GET", "AuditEvent?patient=lea", pages=True)]


def indexed(world):
    shelf = world.house.shelf
    own_parameters.load(shelf)
    wanted = own_parameters.awaiting(shelf)
    assert len(PARAMETERS) == len(wanted)
    own_parameters.reindex(shelf, world.house.freshness, wanted, lambda _: None, quiet=0)


@pytest.mark.parametrize("first", [True, False], ids=["known when it was written", "known later"])
def test_what_is_masked_is_found_by_none_of_them_as_if_it_had_never_been_written(databases, first):
    log = a_log(first)
    worlds = []
    try:
        for without in (NOTHING, HIDDEN):
            worlds.append(told(databases(), log.steps, without))
            indexed(worlds[-1][0])
        found = apart(worlds, probes(log, people.radiologist()), len(log.steps))
        assert [] == found, "\n\n".join(found)

        world, d1 = worlds[0][0], log.names["d1"]
        seen = {"DocumentReference/both", "DocumentReference/same", "DocumentReference/lone"}
        for code in ("ctx", "ext"):
            assert seen == set(world.ask(people.doctor(), "GET", f"DocumentReference?patient=lea&{code}={d1}").ids)
        assert ["DocumentReference/lone"] == world.ask(
            people.doctor(), "GET", "DocumentReference?patient=lea&relbare=signs"
        ).ids
        shown = world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea&relcode=appends").ids
        assert ["DocumentReference/same"] == shown
    finally:
        for world, _ in worlds:
            world.close()


def test_a_mask_that_is_lifted_after_the_reindex_brings_back_what_is_found(databases):
    log = a_log(first=False)
    world, _ = told(databases(), log.steps)
    try:
        indexed(world)
        asked = "DocumentReference?patient=lea&relcode=signs"
        assert [] == world.ask(people.radiologist(), "GET", asked).ids
        unmask = [{"op": "remove", "path": "/securityLabel/1"}]
        assert 200 == world.ask(people.holder(), "PATCH", log.names["d1"], unmask).status
        assert ["DocumentReference/lone"] == world.ask(people.radiologist(), "GET", asked).ids
    finally:
        world.close()
