"""Who may not supersede a document does not replace it, and what is no replacement supersedes nothing.

DMP-136: by the same author; decisions 17; mapping 6.3.
"""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.replacing import WAYS, alone, deposited, events, patching, replaces, sent, standing, with_patch
from tests.kit.world import BASE, label, opening, patient

HOSPITAL, HOLDER, RADIOLOGIST, OPERATOR = people.hospital(), people.holder(), people.radiologist(), people.operator()
DIALLO = "810000000002"


def documents(world):
    return world.house.shelf.resources.count_documents({"type": "DocumentReference"})


# --- who may not


def refused(answer):
    """What an answer says, but for where."""
    return answer.status, [{**each, "expression": None} for each in answer.json["issue"]], answer.headers


WHOSE = {
    "another's letter": (RADIOLOGIST, 403),
    "a letter there is not": (HOSPITAL, 404),
    "by a token that may create and not update": (
        people.hospital(tuple(f"system/{type_}.cs" for type_ in ("DocumentReference", "List", "Binary", "Patient"))),
        403,
    ),
    "a holder, the letter of the hospital": (HOLDER, 403),
}


@pytest.mark.parametrize("whose", WHOSE)
def test_who_may_not_supersede_is_answered_as_if_the_patch_had_been_sent(world, whose):
    """DMP-136: by the same author; decisions 17."""
    who, status = WHOSE[whose]
    old = deposited(world)
    target = "DocumentReference/nobody" if whose == "a letter there is not" else old
    before = documents(world)
    patched = world.ask(who, "POST", "", with_patch(sent(replaces(target), DIALLO), patching(target)))
    without = world.ask(who, "POST", "", sent(replaces(target), DIALLO))
    lone = world.ask(who, "POST", "DocumentReference", alone(replaces(target), DIALLO))

    assert status == patched.status, patched.json
    assert refused(patched) == refused(without) == refused(lone)
    assert (before, ("1", "current")) == (documents(world), standing(world, old))
    if status == 404:
        assert ["Bundle.entry[1].resource.relatesTo[0].target"] == without.json["issue"][0]["expression"]
        assert ["DocumentReference.relatesTo[0].target"] == lone.json["issue"][0]["expression"]


def test_a_refusal_to_supersede_is_on_record_as_if_the_patch_had_been_sent(world):
    """Decisions 20."""
    old, told = deposited(world), []
    for entries in ((), (patching(old),)):
        world.pass_time(hours=1)
        assert 403 == world.ask(RADIOLOGIST, "POST", "", with_patch(sent(replaces(old), DIALLO), *entries)).status
        told.append(events(world, world.now))

    assert told[0] == told[1]
    assert ("patch", "U", "4", [old]) in [each[1:] for each in told[0]]
    assert "8" in [each[3] for each in told[0]]


def test_a_mask_of_the_holder_stays_on_what_is_superseded(world):
    """Decisions 18, DMP-132."""
    old = deposited(world)
    mask = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    assert 200 == world.ask(HOLDER, "PATCH", old, mask).status
    deposited(world, sent(replaces(old)))

    assert ("3", "superseded") == standing(world, old)
    assert 404 == world.ask(RADIOLOGIST, "GET", old).status


# --- what is no replacement, or one that cannot be carried out


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", ["transforms", "appends", "signs"])
def test_only_replaces_replaces(world, way, code):
    old = deposited(world)
    assert WAYS[way](world, HOSPITAL, replaces(old, code=code)).status in (200, 201)
    assert ("1", "current") == standing(world, old)


def pauls(world):
    """A letter of the same hospital in another's record."""
    ins = "181096912300276"
    world.put(patient("paul", identifier=[{"system": people.INS_SYSTEM, "value": ins}]))
    assert 200 == world.ask(people.holder("paul"), "POST", "Patient/paul/$open-record", opening()).status
    return deposited(world, sent(ins=ins))


UNFIT = {
    "by its identifier": [{"code": "replaces", "target": {"identifier": {"system": "urn:x", "value": "1"}}}],
    "elsewhere": replaces("https://elsewhere.example/fhir/DocumentReference/a"),
    "what it contains": replaces("#p"),
    "no document": replaces("Observation/o1"),
    "by its name": [{"code": "replaces", "target": {"display": "la lettre"}}],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("unfit", UNFIT)
def test_what_is_replaced_is_named_by_an_address_of_a_document_here(world, way, unfit):
    """ADR 17: an identifier leads nowhere, so nothing could be superseded by it; who asks is told how to name it."""
    told = WAYS[way](world, HOSPITAL, UNFIT[unfit])

    assert (422, 0) == (told.status, documents(world)), told.json
    assert "relatesTo[0].target" in told.json["issue"][0]["expression"][0]
    if unfit not in ("no document", "what it contains"):  # these are no references to a document in R4
        assert "DocumentReference?identifier=" in told.json["issue"][0]["diagnostics"]


@pytest.mark.parametrize("way", WAYS)
def test_it_may_be_named_by_a_condition_a_version_or_a_whole_url(world, way):
    bundle = sent()
    key = bundle["entry"][1]["resource"]["masterIdentifier"]
    old = deposited(world, bundle)
    asked = f"DocumentReference?identifier={key['system']}|{key['value']}"
    for name in (asked, f"{old}/_history/1", f"{BASE}/{old}"):
        assert WAYS[way](world, HOSPITAL, replaces(name)).status in (200, 201)
        assert ("2", "superseded") == standing(world, old)
        assert 404 == WAYS[way](world, HOSPITAL, replaces(asked.replace("998", "997"))).status


@pytest.mark.parametrize("profile", [True, False], ids=["profile", "no profile"])
@pytest.mark.parametrize("way", WAYS)
def test_a_document_replaces_one_other(world, way, profile):
    """mapping 6.3; and what is no code of R4 is refused as such."""
    one, two = deposited(world), deposited(world)
    changes = {} if profile else {"meta": {"tag": [{"code": "plain"}]}}
    for relates in (replaces(one, two), replaces(one, one), replaces(one, code="transforms_replace")):
        told = WAYS[way](world, HOSPITAL, relates, **changes)
        assert (422, True) == (told.status, "relatesTo" in told.json["issue"][0]["expression"][0])
        assert ("1", "current") == standing(world, one) == standing(world, two)
    unsaid = [{"_code": {"extension": [{"url": "urn:x", "valueCode": "replaces"}]}, "target": {"reference": one}}]
    assert WAYS[way](world, HOSPITAL, unsaid, **changes).status in (200, 201)
    assert ("1", "current") == standing(world, one)
    signing = [*replaces(one), *replaces(two, code="signs")]
    assert WAYS[way](world, HOSPITAL, signing, **changes).status in (200, 201)
    assert (("2", "superseded"), ("1", "current")) == (standing(world, one), standing(world, two))


@pytest.mark.parametrize("who", [HOSPITAL, OPERATOR], ids=["chu", "operator"])
@pytest.mark.parametrize("sending", [with_patch, lambda bundle, _: bundle], ids=["patch", "no patch"])
def test_a_document_replaces_one_of_the_same_patient(world, who, sending):
    other = pauls(world)
    told = world.ask(who, "POST", "", sending(sent(replaces(other)), patching(other)))
    lone = world.ask(who, "POST", "DocumentReference", alone(replaces(other)))

    said = "what a document replaces is of the same patient"
    for answer in (told, lone):
        assert (422, said) == (answer.status, answer.json["issue"][0]["diagnostics"]), answer.json
    assert ("1", "current") == standing(world, other)
