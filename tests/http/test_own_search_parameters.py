"""Search parameters of one's own: written, indexed by, searched by, taken back (SearchParameter, decisions 6 and 9)."""

from __future__ import annotations

import pytest

from fhir_server.definitions.own_parameters import KINDS
from fhir_server.search import own
from fhir_server.store import own_parameters
from tests.kit import people
from tests.kit.clinical import observation


def definition(code, type_, expression, base=("Observation",), id_=None, **more):
    return {
        "resourceType": "SearchParameter",
        "id": id_ or f"sp-{code}",
        "url": f"http://example.org/fhir/SearchParameter/{code}",
        "name": "Own",
        "status": "active",
        "description": "one's own",
        "code": code,
        "base": list(base),
        "type": type_,
        "expression": expression,
        **more,
    }


def write(world, resource, who=None, **more):
    return world.ask(who or people.operator(), "PUT", f"SearchParameter/{resource['id']}", resource, **more)


def reindexed(world, **more):
    shelf = world.house.shelf
    done = []
    wanted = own_parameters.awaiting(shelf)
    own_parameters.reindex(shelf, world.house.freshness, wanted, done.append, quiet=0, **more)
    return sum(done)


def found(world, query, who=None):
    got = world.ask(who or people.holder(), "GET", query)
    assert 200 == got.status, got.json
    return sorted(each.partition("/")[2] for each in got.ids)


NOTE = definition("note-text", "string", "Observation.note.text")


@pytest.fixture(autouse=True)
def _nothing_is_left():
    yield
    own.put({})


@pytest.fixture
def noted(record):
    """Three observations, of which two have a note; `o2` is rewritten once."""
    record.put(observation("o1", note=[{"text": "Après l'effort"}]))
    record.put(observation("o2", note=[{"text": "au repos"}], effectiveDateTime="2026-02-11"))
    return record


def test_a_parameter_awaits_its_reindex_and_then_finds_what_was_there_before_and_since(noted):
    assert 201 == write(noted, NOTE).status
    waiting = noted.ask(people.holder(), "GET", "Observation?patient=lea&note-text=repos")
    assert 400 == waiting.status
    assert "awaits reindex" in waiting.json["issue"][0]["diagnostics"]
    noted.put(observation("o4", note=[{"text": "Au repos, assise"}]))
    noted.put(observation("o5"))

    done = reindexed(noted)

    assert done >= 5
    assert ["o2", "o4"] == found(noted, "Observation?patient=lea&note-text=au repos")
    assert ["o1"] == found(noted, "Observation?patient=lea&note-text:contains=effort")
    assert ["o3", "o5"] == found(noted, "Observation?patient=lea&note-text:missing=true")
    assert ["o2"] == found(noted, "Observation?patient=lea&note-text:exact=au repos")
    noted.put(observation("o5", note=[{"text": "au repos"}]))
    assert ["o2", "o4", "o5"] == found(noted, "Observation?patient=lea&note-text=au repos")
    assert 0 == len(own_parameters.awaiting(noted.house.shelf))


def test_the_statement_lists_it_once_it_works_and_no_longer_once_it_does_not(noted):
    def listed():
        rest = noted.ask(people.operator(), "GET", "metadata").json["rest"][0]["resource"]
        return {
            each["name"]: each["definition"]
            for row in rest
            if row["type"] == "Observation"
            for each in row["searchParam"]
        }

    assert "note-text" not in listed()
    write(noted, NOTE)
    assert "note-text" not in listed()
    reindexed(noted)
    assert NOTE["url"] == listed()["note-text"]
    assert 200 == write(noted, {**NOTE, "status": "retired"}).status
    assert "note-text" not in listed()
    assert 400 == noted.ask(people.holder(), "GET", "Observation?patient=lea&note-text=x").status


@pytest.mark.parametrize("how", ["DELETE", "retired", "draft"])
def test_one_that_is_taken_back_is_unknown_at_once_and_awaits_when_it_comes_again(noted, how):
    write(noted, NOTE)
    reindexed(noted)
    if how == "DELETE":
        assert 204 == noted.ask(people.operator(), "DELETE", "SearchParameter/sp-note-text").status
    else:
        assert 200 == write(noted, {**NOTE, "status": how}).status
    assert 400 == noted.ask(people.holder(), "GET", "Observation?patient=lea&note-text=repos").status
    noted.put(observation("o4", note=[{"text": "au repos"}]))  # which nothing indexes by it

    assert write(noted, NOTE).status in (200, 201)
    assert 400 == noted.ask(people.holder(), "GET", "Observation?patient=lea&note-text=repos").status
    reindexed(noted)
    assert ["o2", "o4"] == found(noted, "Observation?patient=lea&note-text=au repos")


def test_another_expression_is_another_index(noted):
    write(noted, NOTE)
    reindexed(noted)
    other = {**NOTE, "expression": "Observation.note.where(text='au repos').text"}
    assert 200 == write(noted, other).status
    assert 400 == noted.ask(people.holder(), "GET", "Observation?patient=lea&note-text=x").status
    reindexed(noted)
    assert ["o2"] == found(noted, "Observation?patient=lea&note-text:missing=false")


VALUES = {
    "string": ("Observation.note.text", {"note": [{"text": "bleu"}]}, "bleu", "vert"),
    "token": ("Observation.bodySite.coding", {"bodySite": {"coding": [{"system": "urn:b", "code": "1"}]}}, "urn:b|1", "urn:b|2"),
    "reference": ("Observation.device", {"device": {"reference": "Device/d1"}}, "Device/d1", "Device/d2"),
    "date": ("Observation.issued", {"issued": "2026-03-04T10:00:00Z"}, "2026-03", "2026-04"),
    "number": ("Observation.extension('urn:n').value.ofType(integer)", {"extension": [{"url": "urn:n", "valueInteger": 7}]}, "gt6", "8"),
    "quantity": ("Observation.referenceRange.low", {"referenceRange": [{"low": {"value": 5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}]}, "0.005|http://unitsofmeasure.org|g", "6||mg"),
}  # fmt: skip


@pytest.mark.parametrize("type_", VALUES)
def test_each_type_of_parameter_finds_by_its_own_value_and_not_by_another(world, type_):
    expression, element, value, other = VALUES[type_]
    world.put({"resourceType": "Device", "id": "d1", "patient": {"reference": "Patient/lea"}})
    world.put(observation("with", **element))
    world.put(observation("without"))
    for before in ("_include=Observation:own", "own=x", "_sort=own"):  # and what was remembered of there being none
        assert 400 == world.ask(people.holder(), "GET", f"Observation?patient=lea&{before}").status
    assert 201 == write(world, definition("own", type_, expression)).status
    reindexed(world)
    assert ["with"] == found(world, f"Observation?patient=lea&own={value}")
    assert [] == found(world, f"Observation?patient=lea&own={other}")
    assert ["without"] == found(world, "Observation?patient=lea&own:missing=true")
    if type_ == "reference":
        both = world.ask(people.holder(), "GET", "Observation?patient=lea&_include=Observation:own").json["entry"]
        assert "Device" in {each["resource"]["resourceType"] for each in both}
    if type_ == "date":
        assert ["with", "without"] == found(world, "Observation?patient=lea&_sort=-own")


def test_a_uri_of_a_definition_is_searched(empty):
    body = {"resourceType": "ValueSet", "id": "v", "status": "active", "immutable": True, "url": "http://x.example/v"}
    body["compose"] = {"include": [{"system": "http://x.example/s"}]}
    empty.put(body)
    own_one = definition("included", "uri", "ValueSet.compose.include.system", ("ValueSet",))
    assert 201 == write(empty, own_one).status
    reindexed(empty)
    assert ["v"] == found(empty, "ValueSet?included=http://x.example/s", people.operator())


def test_one_for_several_types(world):
    both = definition("noted", "string", "Observation.note.text | Condition.note.text", ("Observation", "Condition"))
    world.put(observation("o1", note=[{"text": "bleu"}]))
    assert 201 == write(world, both).status
    reindexed(world)
    assert ["o1"] == found(world, "Observation?patient=lea&noted=bleu")
    assert [] == found(world, "Condition?patient=lea&noted=bleu")


BAD = [
    ({"expression": "Observation.nonsense"}, "nonsense"),
    ({"expression": "Observation.note.text.trim()"}, "not a path"),
    ({"expression": "Observation.note | ("}, ""),
    ({"type": "quantity"}, "cannot be searched by"),
    ({"type": "composite"}, "not supported"),
    ({"type": "special"}, "not supported"),
    ({"code": "note_text"}, "a code begins"),
    ({"code": "_note"}, "a code begins"),
    ({"code": "note.text"}, "a code begins"),
    ({"code": "code"}, "published"),
    ({"code": "patient"}, "published"),
    ({"base": ["DomainResource"]}, "concrete"),
    ({"base": ["AuditEvent"], "expression": "AuditEvent.outcomeDesc"}, "cannot be searched"),
    ({"base": ["Observation", "Condition"]}, "nothing in it begins"),
    # what may be withheld from who sees the rest
    ({"expression": "Observation.derivedFrom.display"}, "withheld"),
    ({"expression": "Observation.subject.identifier.value"}, "withheld"),
    ({"expression": "Observation.contained"}, ""),
    ({"expression": "Observation.text.status", "type": "token"}, "withheld"),
    ({"expression": "Observation.meta.security", "type": "token"}, "withheld"),
    ({"expression": "List.entry.date", "type": "date", "base": ["List"]}, "goes away"),
    ({"expression": "List.entry.item", "type": "reference", "base": ["List"]}, "goes away"),
    ({"expression": "Provenance.signature.type", "type": "token", "base": ["Provenance"]}, "goes away"),
    ({"expression": "DocumentReference.content.attachment.url", "type": "uri", "base": ["DocumentReference"]}, "cannot be searched by"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "says"), BAD)
def test_one_that_cannot_be_searched_by_is_422_that_says_why(empty, changes, says):
    answered = write(empty, {**NOTE, **changes})
    assert 422 == answered.status, answered.json
    assert any(says in each["diagnostics"] for each in answered.json["issue"]), answered.json
    assert any(each.get("expression", [""])[0].startswith("SearchParameter.") for each in answered.json["issue"])
    # its answer is not asked for: what is wrong in it is this test's, and no validator's to find (`make interop`)
    draft = write(empty, {**NOTE, **changes, "status": "draft"}, returning="minimal")
    assert 201 == draft.status, "a draft is kept, and nothing more"


def test_what_is_published_alike_is_no_other_parameter(empty):
    published = definition("code", "token", "Observation.code", id_="clinical-code")
    published["url"] = "http://hl7.org/fhir/SearchParameter/clinical-code"
    assert 201 == write(empty, published).status
    assert [] == own_parameters.awaiting(empty.house.shelf)
    assert 200 == empty.ask(people.operator(), "GET", "Observation?code=x").status


def test_two_of_one_code_on_one_type_are_refused(empty):
    assert 201 == write(empty, NOTE).status
    assert 409 == write(empty, {**NOTE, "id": "other", "url": "http://example.org/other"}).status
    elsewhere = definition("note-text", "string", "Condition.note.text", ("Condition",), "elsewhere")
    assert 201 == write(empty, elsewhere).status


@pytest.mark.parametrize("who", [people.holder(), people.doctor(), people.hospital()], ids=["holder", "doctor", "chu"])
def test_nobody_but_an_operator_writes_one(world, who):
    assert world.ask(who, "POST", "SearchParameter", NOTE).status == 403
    assert write(world, NOTE, who).status in (403, 404)
    assert [] == own_parameters.awaiting(world.house.shelf)


def test_a_reindex_that_was_killed_goes_on_where_it_was(noted, monkeypatch):
    monkeypatch.setattr(own_parameters, "BATCH", 2)
    for number in range(7):
        noted.put(observation(f"n{number}", note=[{"text": "au repos"}]))
    write(noted, NOTE)
    shelf, wanted, steps = noted.house.shelf, own_parameters.awaiting(noted.house.shelf), []

    def killed(many):
        steps.append(many)
        if len(steps) == 2:
            raise KeyboardInterrupt

    whole = own_parameters.lacking(shelf, wanted)
    with pytest.raises(KeyboardInterrupt):
        own_parameters.reindex(shelf, noted.house.freshness, wanted, killed, quiet=0)
    assert 400 == noted.ask(people.holder(), "GET", "Observation?patient=lea&note-text=repos").status
    noted.put(observation("n8", note=[{"text": "au repos"}]))
    assert whole - sum(steps) == reindexed(noted)
    assert 9 == len(found(noted, "Observation?patient=lea&note-text=au repos"))


def test_a_reindex_stops_when_another_parameter_is_written_meanwhile(noted):
    write(noted, NOTE)
    shelf = noted.house.shelf
    wanted = own_parameters.awaiting(shelf)
    write(noted, definition("site", "token", "Observation.bodySite"))
    with pytest.raises(own_parameters.Superseded):
        own_parameters.reindex(shelf, noted.house.freshness, wanted, lambda _: None, quiet=0)
    reindexed(noted)
    assert ["o2"] == found(noted, "Observation?patient=lea&note-text=au repos&site:missing=true")


def test_past_versions_are_indexed_too(noted):
    """A granular scope by it asks it of the past as of the present, and grants nothing while it awaits."""
    narrow = people.holder(scopes=("patient/Observation.rs?note-text=repos", "patient/Patient.rs"))
    noted.put(observation("o1", note=[{"text": "repos"}]))
    write(noted, NOTE)
    assert 403 == noted.ask(narrow, "GET", "Observation/o1").status
    reindexed(noted)
    assert 200 == noted.ask(narrow, "GET", "Observation/o1").status
    old = noted.ask(narrow, "GET", "Observation/o1/_history/2")
    assert 404 == old.status, "that version had another note"
    assert 200 == noted.ask(narrow, "GET", "Observation/o1/_history/3").status
    write(noted, {**NOTE, "status": "retired"})
    assert 403 == noted.ask(narrow, "GET", "Observation/o1").status


def test_every_type_that_is_offered_is_tried_here():
    assert set(KINDS) == {*VALUES, "uri"}
