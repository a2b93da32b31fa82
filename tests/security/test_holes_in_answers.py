"""Holes that were found by what answers tell of the hidden: each test fails while one is open."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from fhir_server.foundation.predicate import Has, Not
from fhir_server.store.changes import Unit
from fhir_server.store.visible import VisibleStore
from tests.kit import people
from tests.kit.family import begun, letter_of, provenance
from tests.kit.twin import Letter, Step, differences
from tests.kit.world import BASE, label, patient, submission
from tests.security import test_holes
from tests.security.test_holes import deposit, observation
from tests.security.test_holes_in_writing import consent, posted

world = test_holes.world
IRCP = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
STAY = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    "subject": {"reference": "Patient/lea"},
}
MASK = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
UNTOLD = [{"op": "add", "path": "/securityLabel/-", "value": label("INVISIBLE_PATIENT")}]


def about(id_, *targets):
    named = [{"reference": each} for each in (*targets, "Patient/lea")]
    return {**provenance(id_, targets[0]), "target": named}


def listing(id_, *items):
    return {
        "resourceType": "List",
        "id": id_,
        "status": "current",
        "mode": "working",
        "subject": {"reference": "Patient/lea"},
        "entry": [{"item": {"reference": each}} for each in items],
    }


def denying(meaning, reference):
    """The radiologist's authorisation, less some data."""
    made = consent("ps-autorisation", "Practitioner/diallo")
    del made["meta"]
    data = [{"meaning": meaning, "reference": {"reference": reference}}]
    actor = [{"role": IRCP, "reference": {"reference": "Practitioner/diallo"}}]
    made["provision"]["provision"] = [{"type": "deny", "actor": actor, "data": data}]
    return made


def seen(world, *names, who=None):
    return [each for each in names if world.ask(who or people.radiologist(), "GET", each).status == 200]


@pytest.mark.parametrize(
    ("element", "found"),
    [
        ("instantiatesUri", ["instantiates-uri={}", "instantiates-uri:missing=false"]),
        ("instantiatesCanonical", ["instantiates-canonical:missing=false"]),
    ],
)
@pytest.mark.parametrize("spelt", ["{}", f"{BASE}/{{}}"])
def test_what_names_the_masked_document_by_a_uri_was_found_by_its_name(world, element, found, spelt):
    """Decisions 16: it is shown without that name, however that is spelt, so nobody finds it by that."""
    path = deposit(world, submission())[1]
    document = spelt.format(path)
    named = {"resourceType": "ServiceRequest", "id": "s", "status": "active", "intent": "order", element: [document]}
    world.put({**named, "subject": {"reference": "Patient/lea"}})
    searches = [f"ServiceRequest?patient=lea&{each.format(document)}" for each in found]
    missing = f"ServiceRequest?patient=lea&{found[-1].replace('false', 'true')}"
    for search in searches:
        assert ["ServiceRequest/s"] == world.ask(people.radiologist(), "GET", search).ids

    assert 200 == world.ask(people.holder(), "PATCH", path, MASK).status

    assert path.encode() not in world.ask(people.radiologist(), "GET", "ServiceRequest/s").body
    assert element not in world.ask(people.radiologist(), "GET", "ServiceRequest/s").json
    for search in searches:
        assert [] == world.ask(people.radiologist(), "GET", search).ids
        assert ["ServiceRequest/s"] == world.ask(people.holder(), "GET", search).ids
    assert ["ServiceRequest/s"] == world.ask(people.radiologist(), "GET", missing).ids
    assert [] == world.ask(people.holder(), "GET", missing).ids


def test_what_has_the_masked_document_for_a_profile_was_found_by_it(world):
    """Decisions 16: what it mentions anyhow is taken away wherever it stands, in `meta.profile` too."""
    _, document, _ = deposit(world, submission())
    named = {"meta": {"profile": [document]}, "derivedFrom": [{"reference": document}]}
    world.put(observation("lea", id="o", **named))
    search = f"Observation?patient=lea&_profile={document}"
    assert ["Observation/o"] == world.ask(people.radiologist(), "GET", search).ids

    assert 200 == world.ask(people.holder(), "PATCH", document, MASK).status

    assert "profile" not in world.ask(people.radiologist(), "GET", "Observation/o").json["meta"]
    assert [] == world.ask(people.radiologist(), "GET", search).ids
    assert ["Observation/o"] == world.ask(people.holder(), "GET", search).ids


@pytest.mark.parametrize("end", ["masked", "deleted"])
def test_what_is_about_the_content_of_a_document_outlived_it(world, end):
    """Decisions 16, DMP-135: Provenance about the Binary of a document, and about a Provenance of it."""
    _, document, binary = deposit(world, submission())
    world.put(about("w1", document))
    world.put(about("w2", binary))
    world.put(about("w3", "Provenance/w1"))
    every = (document, binary, "Provenance/w1", "Provenance/w2", "Provenance/w3")
    assert list(every) == seen(world, *every)

    if end == "masked":
        assert 200 == world.ask(people.holder(), "PATCH", document, MASK).status
    else:
        assert 204 == world.ask(people.hospital(), "DELETE", document).status
    assert [] == seen(world, *every)


def test_what_was_written_before_the_masked_document_it_names_went_on_naming_it(world):
    """Decisions 16, ADR 11: operators load things that refer to what comes later."""
    world.put(listing("l", "DocumentReference/d1", "DocumentReference/d9"))
    world.put(about("w9", "DocumentReference/d9"))
    world.put(letter_of("lea", "d1", None))
    world.put(letter_of("lea", "d9", "MASQUE_PS"))

    who = people.radiologist()
    assert b"d9" not in world.ask(who, "GET", "List/l").body
    assert [] == world.ask(who, "GET", "List?patient=lea&item=DocumentReference/d9").ids
    assert 404 == world.ask(who, "GET", "Provenance/w9").status


def test_a_report_named_the_hidden_content_by_its_url(world):
    """Decisions 16: a mention is a mention, whatever element holds it."""
    _, document, binary = deposit(world, submission(securityLabel=[label("MASQUE_PS")]))
    form = [{"contentType": "application/pdf", "url": binary}]
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "x"}}
    world.put({**report, "subject": {"reference": "Patient/lea"}, "presentedForm": form})
    world.put({**observation("lea", id="o"), "extension": [{"url": "urn:x", "valueUri": document}]})

    who = people.radiologist()
    assert binary.encode() not in world.ask(who, "GET", "DiagnosticReport/r").body
    assert document.encode() not in world.ask(who, "GET", "Observation/o").body


def test_a_scope_with_criteria_let_older_versions_through(world):
    """Decisions 5 and 16: criteria are asked of the index, which past versions do not have; `:not` of nothing holds."""
    made = observation("lea", category=[{"coding": [{"system": "urn:x", "code": "social"}]}])
    name = f"Observation/{posted(world, people.hospital(), made).json['id']}"
    changed = {**made, "id": name.partition("/")[2], "category": [{"coding": [{"system": "urn:x", "code": "vital"}]}]}
    assert 200 == world.ask(people.hospital(), "PUT", name, changed).status
    app = people.holder(scopes=("patient/Observation.rs?category:not=social",))

    assert [200, 404] == [world.ask(app, "GET", f"{name}/_history/{each}").status for each in (2, 1)]
    assert 1 == world.ask(app, "GET", f"{name}/_history").json["total"]


def test_a_scope_with_criteria_was_read_otherwise_by_a_read_than_by_a_search(world):
    """A clause on a reference is asked of mentions as well: of the scope too, whatever the interaction."""
    world.put(letter_of("lea", "d1", None))
    world.put({**observation("lea", id="o"), "derivedFrom": [{"reference": "DocumentReference/d1"}]})
    app = people.holder(scopes=("patient/Observation.rs?derived-from:missing=true",))

    assert [] == world.ask(app, "GET", "Observation?patient=lea").ids
    assert 404 == world.ask(app, "GET", "Observation/o").status


@pytest.mark.parametrize("type_", ["List", "Provenance"])
def test_a_document_masked_while_something_that_names_it_was_written_was_named_ever_after(world, monkeypatch, type_):
    """Decisions 16: a snapshot sees no concurrent mask, and the mask does not see what is not yet committed."""
    _, document, _ = deposit(world, submission())
    compose, masked = Unit._compose, []

    def meanwhile(unit, write, known):
        made = compose(unit, write, known)
        if write.id.startswith(type_) and not masked:
            masked.append(world.ask(people.holder(), "PATCH", document, MASK).status)
        return made

    monkeypatch.setattr(Unit, "_compose", meanwhile)
    resource = {"List": listing("", document), "Provenance": about("", document)}[type_]
    made = posted(world, people.hospital(), {name: value for name, value in resource.items() if name != "id"})

    assert ([200], 404) == (masked, world.ask(people.radiologist(), "GET", document).status)
    assert 201 != made.status or 404 == world.ask(people.radiologist(), "GET", f"{type_}/{made.json['id']}").status


def stay(world):
    """An Encounter, a letter in it and one that names it, what is about them and lists them; all of it read."""
    world.put(STAY)
    world.put({**letter_of("lea", "in", None), "context": {"encounter": [{"reference": "Encounter/e"}]}})
    world.put({**letter_of("lea", "by", None), "context": {"related": [{"reference": "Encounter/e"}]}})
    world.put(about("w-in", "DocumentReference/in"))
    world.put(about("w-by", "DocumentReference/by"))
    world.put(listing("l", "DocumentReference/in", "DocumentReference/by"))
    assert 2 == len(seen(world, "DocumentReference/in", "DocumentReference/by"))
    assert 201 == posted(world, people.holder(), denying("related", "Encounter/e")).status
    assert [] == seen(world, "Encounter/e", "DocumentReference/in", "DocumentReference/by")


@pytest.mark.parametrize("name", ["Provenance/w-in", "Provenance/w-by", "List/l"])
def test_what_is_about_a_letter_of_a_denied_stay_told_of_it(world, name):
    """DMP-44, decisions 16: whatever hides a letter hides what is about it, and its mention."""
    stay(world)
    assert 404 == world.ask(people.radiologist(), "GET", name).status


def test_a_consent_that_lost_what_it_denies_told_of_it(world):
    """Decisions 16: a nested provision that was about the hidden document alone goes with its mention."""
    _, document, _ = deposit(world, submission())
    name = f"Consent/{posted(world, people.holder(), denying('instance', document)).json['id']}"
    shown = world.ask(people.radiologist(), "GET", name)

    assert (404, 200) == (world.ask(people.radiologist(), "GET", document).status, shown.status)
    assert "provision" not in shown.json["provision"]


def test_a_document_that_its_author_deleted_was_read_by_its_version(world):
    """DMP-135, K6: what was deleted is seen by nobody; as what was deleted by its status already is."""
    _, document, _ = deposit(world, submission())
    assert 204 == world.ask(people.hospital(), "DELETE", document).status

    assert 404 == world.ask(people.radiologist(), "GET", f"{document}/_history/1").status
    assert b"Lettre de liaison" not in world.ask(people.radiologist(), "GET", f"{document}/_history").body


def test_a_letter_whose_content_another_hidden_one_took_told_of_it(world):
    """Decisions 14 and 16: bound to the first that names it; so a second one in the same bundle is refused, or reads."""
    bundle = submission(securityLabel=[label("MASQUE_PS")])
    second = deepcopy(bundle["entry"][1])
    second["fullUrl"] = "urn:uuid:00000000-0000-4000-8000-000000000009"
    second["resource"]["masterIdentifier"]["value"] = "urn:oid:1.2.3.5"
    normal = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}
    second["resource"]["securityLabel"] = [{"coding": [normal]}]
    bundle["entry"].append(second)
    made = world.ask(people.hospital(), "POST", "", bundle)

    assert (422, ["Bundle.entry[3].resource.content.attachment.url"]) == (
        made.status,
        made.json["issue"][0]["expression"],
    )
    del bundle["entry"][3]
    assert 200 == world.ask(people.hospital(), "POST", "", bundle).status


def test_a_bundle_names_the_masked_document_by_its_address(world):
    """Decisions 16: what a stored Bundle holds stays as it was sent, and is shown without that name all the same."""
    _, document, _ = deposit(world, submission(securityLabel=[label("MASQUE_PS")]))
    held = {**observation("lea"), "derivedFrom": [{"reference": f"{BASE}/{document}"}]}
    entry = {"fullUrl": f"{BASE}/{document}", "resource": held}
    kept = {"resourceType": "Bundle", "id": "b", "type": "collection", "entry": [entry]}
    assert kept["entry"] == world.put(kept).json["entry"]

    facts = world.house.shelf.resources.find_one({"_id": "Bundle/b"})["facts"]
    assert [document] == [each["id"] for each in facts["mentions"]]
    shown = VisibleStore(world.house.shelf, Not(Has("label", "MASQUE_PS"))).read("Bundle", "b")
    assert (True, False) == (document in world.put(kept).body.decode(), document in shown.body)


@pytest.mark.parametrize("spelt", ["{}", f"{BASE}/{{}}"])
def test_a_profile_that_is_the_address_of_the_masked_document(world, spelt):
    """Decisions 16: canonicals are kept as they are, and name it nevertheless."""
    _, document, _ = deposit(world, submission(securityLabel=[label("MASQUE_PS")]))
    named = {"meta": {"profile": [spelt.format(document)]}, "derivedFrom": [{"reference": document}]}
    world.put(observation("lea", id="o", **named))

    assert document.encode() not in world.ask(people.radiologist(), "GET", "Observation/o").body
    assert document.encode() not in world.ask(people.radiologist(), "GET", "Observation/$meta").body
    search = f"Observation?patient=lea&_profile={spelt.format(document)}"
    assert [] == world.ask(people.radiologist(), "GET", search).ids
    assert ["Observation/o"] == world.ask(people.doctor(), "GET", search).ids


def test_who_guesses_an_address_is_told_the_same_of_the_masked_and_of_the_absent(world):
    """docs/adr/0011: a write names what its asker sees, in whatever spelling."""
    _, document, _ = deposit(world, submission(securityLabel=[label("MASQUE_PS")]))
    absent = "DocumentReference/00000000-0000-7000-8000-999999999999"

    def told(name):
        made = {**observation("lea"), "extension": [{"url": "urn:x", "valueUri": f"{BASE}/{name}"}]}
        got = world.ask(people.radiologist(), "POST", "Observation", made)
        return got.status, str(got.json).replace(name, "")

    assert told(absent) == told(document)
    assert 422 == told(document)[0]


def test_a_folder_of_the_masked_alone_was_read_because_it_names_a_stay(world):
    """Decisions 16: a List is left empty when its items are hidden, whatever else it names."""
    _, document, _ = deposit(world, submission(securityLabel=[label("MASQUE_PS")]))
    world.put(STAY)
    world.put({**listing("l", document), "encounter": {"reference": "Encounter/e"}, "title": "dépistage"})

    assert 404 == world.ask(people.radiologist(), "GET", "List/l").status


@pytest.mark.parametrize("href", ["./{}", "/fhir/{}", " {}", "{}?_format=json", "HTTP://127.0.0.1:8080/fhir/{}"])
def test_a_narrative_linked_to_the_masked_document_in_another_spelling(world, href):
    """Decisions 16: what a browser takes for a link to it is one."""
    _, document, _ = deposit(world, submission(securityLabel=[label("MASQUE_PS")]))
    link = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{href.format(document)}">x</a></div>'
    world.put({**observation("lea", id="o"), "text": {"status": "generated", "div": link}})

    assert document.encode() not in world.ask(people.radiologist(), "GET", "Observation/o").body


def test_a_count_took_longer_for_who_works_where_a_letter_of_a_shut_record_was_deposited(databases):
    """Decisions 16 and 17: what a hospital's system deposited gives none of its professionals a standing (DMP-152)."""
    log = begun()
    log.deposit(Letter("d1"))
    who = people.professional("interne", "10000000007", organizations=people.hospital().organizations)
    urls = (
        "DocumentReference?_summary=count",
        "?_type=DocumentReference,List,Practitioner&_summary=count",
        "List/_history",
    )

    found = differences(databases, log.steps, frozenset({"d1"}), [Step(who, "GET", each) for each in urls])

    assert [] == found, "\n\n".join(found)


def test_a_professional_could_not_search_because_his_hospital_had_deposited_in_many_records(world):
    """Decisions 9: a search spans the records in which he has standing, and those alone."""
    world.house = replace(world.house, limits=replace(world.house.limits, records=1))
    deposit(world, submission())
    world.put({**patient("paul", active=True), "identifier": [{"system": "urn:x", "value": "paul"}]})
    assert 201 == posted(world, people.hospital(), observation("paul")).status
    who = people.professional("interne", "10000000007", organizations=people.hospital().organizations)

    found = world.ask(who, "GET", "?_type=DocumentReference,Observation")
    assert (200, 0) == (found.status, found.json.get("total"))
