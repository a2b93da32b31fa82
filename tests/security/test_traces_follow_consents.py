"""What a Consent says of data it says of the traces of that data: one's own trace of a 404 tells of nothing (DMP-51).

Each request is asked once of something the asker may not see and once of nothing at all; then he looks into the ledger.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from fhir_server.audit_event.seals import verify
from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.family import letter_of, provenance
from tests.kit.world import practitioner
from tests.security import test_holes

NOW = "2026-11-23T10:00:00Z"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
AUTHORISED, OTHER = people.radiologist(), people.professional("noel", "10000000043")
LIST = {"resourceType": "List", "id": "classeur", "status": "current", "mode": "working"}
LIST |= {"subject": {"reference": "Patient/lea"}}
LETTER = "DocumentReference/courrier"

world = test_holes.world


def data(meaning, reference):
    return {"data": [{"meaning": meaning, "reference": {"reference": reference}}]}


def consent(type_, who, **limits):
    """A Consent of IHE PCF that speaks of some data, to one professional."""
    made = consent_patterns.consent("ps-autorisation", "Patient/lea", NOW, actor=who.reference)
    del made["meta"]
    made["provision"] |= {"type": type_, **limits}
    return {**made, "id": "limite", "category": made["category"][:1]}


def letter(id_="courrier", author="bernard", **more):
    return {**letter_of("lea", id_, None), "author": [{"reference": f"Practitioner/{author}"}], **more}


@pytest.fixture
def record(world):
    """Bernard's letter of a stay, another's letter, a list of both, a note that mentions the first, and who said so."""
    stay = {"resourceType": "Encounter", "id": "sejour", "status": "finished", "subject": {"reference": "Patient/lea"}}
    world.put({**stay, "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}})
    for id_, rpps in (("bernard", "10000000041"), ("interne", "10000000042"), ("noel", "10000000043")):
        world.put(practitioner(id_, rpps, id_.capitalize()))
    restricted = [{"coding": [{"system": CONFIDENTIALITY, "code": "R"}]}]
    world.put(letter(securityLabel=restricted, context={"encounter": [{"reference": "Encounter/sejour"}]}))
    world.put(letter("autre", "interne"))
    items = [{"item": {"reference": f"DocumentReference/{each}"}} for each in ("courrier", "autre")]
    world.put({**LIST, "entry": items})
    relates = [{"code": "appends", "target": {"reference": LETTER}}]
    world.put(letter("suite", "interne", relatesTo=relates))
    return world


def own_traces(world, who):
    """How many he finds in Léa's record, those of his searches for them apart."""
    found = world.ask(who, "GET", "AuditEvent?patient=lea&subtype:not=search-type&_summary=count")
    assert 200 == found.status
    return found.json["total"]


DENIED = [
    pytest.param(data("instance", LETTER), id="itself"),
    pytest.param(data("related", LETTER), id="what has to do with it"),
    pytest.param(data("related", "Encounter/sejour"), id="what came of a stay"),
    pytest.param(data("authoredby", "Practitioner/bernard"), id="what somebody wrote"),
    pytest.param({"securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}, id="what is restricted"),
]
GIVEN = [
    pytest.param(data("instance", "DocumentReference/autre"), id="another alone"),
    pytest.param(data("authoredby", "Practitioner/interne"), id="what another wrote"),
    pytest.param(data("authoredby", OTHER.reference), id="what he wrote himself"),
    pytest.param({"securityLabel": [{"system": CONFIDENTIALITY, "code": "N"}]}, id="what is normal"),
]
WAYS = ["{}", "{}/_history/1", "{}/_history", "{}/$meta", "{}/$validate"]


def told_of(world, who, way):
    """How many traces more he finds after he asked for what he may not see, and after he asked for nothing."""
    counts = [own_traces(world, who)]
    for name in (LETTER, "DocumentReference/absent"):
        assert 404 == world.ask(who, "GET", way.format(name)).status
        counts.append(own_traces(world, who))
    return [after - before for before, after in pairwise(counts)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limits", DENIED)
def test_ones_own_trace_of_what_a_consent_denies_told_that_it_is_there(record, limits, way):
    record.put(consent("deny", AUTHORISED, **limits))

    there, absent = told_of(record, AUTHORISED, way)

    assert there == absent


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limits", GIVEN)
def test_ones_own_trace_of_what_no_consent_gives_told_that_it_is_there(record, limits, way):
    record.put(consent("permit", OTHER, **limits))

    there, absent = told_of(record, OTHER, way)

    assert there == absent


@pytest.mark.parametrize("limits", DENIED)
def test_what_was_read_before_it_was_denied_stayed_in_ones_own_traces(record, limits):
    """What is denied later takes its traces along, as what is masked does (decisions 16)."""
    assert 200 == record.ask(AUTHORISED, "GET", LETTER).status
    assert 200 == record.ask(AUTHORISED, "GET", "DocumentReference/autre").status
    assert 2 == own_traces(record, AUTHORISED)

    record.put(consent("deny", AUTHORISED, **limits))

    assert 1 == own_traces(record, AUTHORISED)


def test_a_trace_did_not_follow_whose_its_document_became(record):
    """It is by another, and of another stay, than when it was read."""
    assert 200 == record.ask(AUTHORISED, "GET", LETTER).status
    record.put(consent("deny", AUTHORISED, **data("authoredby", "Practitioner/interne")))
    assert 1 == own_traces(record, AUTHORISED)

    record.put(letter(author="interne"))

    assert 404 == record.ask(AUTHORISED, "GET", LETTER).status
    assert 0 == own_traces(record, AUTHORISED)
    assert [] == verify(record.house.shelf.database)


def test_the_provenance_of_what_mentions_something_was_not_related_to_that(record):
    """DMP-44: what came of a letter is what names it, and what is about that."""
    record.put(provenance("w-suite", "DocumentReference/suite"))
    assert 200 == record.ask(AUTHORISED, "GET", "Provenance/w-suite").status

    record.put(consent("deny", AUTHORISED, **data("related", LETTER)))

    assert 404 == record.ask(AUTHORISED, "GET", "DocumentReference/suite").status
    assert 404 == record.ask(AUTHORISED, "GET", "Provenance/w-suite").status


def test_a_list_named_what_a_consent_hides_because_of_what_that_names(record):
    """DMP-44, decisions 16."""
    items = [{"item": {"reference": f"DocumentReference/{each}"}} for each in ("suite", "autre")]
    record.put({**LIST, "id": "suites", "entry": items})

    record.put(consent("deny", AUTHORISED, **data("related", LETTER)))

    shown = record.ask(AUTHORISED, "GET", "List/suites").json
    assert ["DocumentReference/autre"] == [each["item"]["reference"] for each in shown["entry"]]
