"""JSON Patch and FHIRPath Patch of every type that may be updated (rows 42, 47, 49 and 50)."""

from __future__ import annotations

import base64

import pytest

from tests.kit import people
from tests.kit.world import label, submission

OPERATOR = people.operator()
WHERE = "Observation/a"
OBSERVED = {
    "resourceType": "Observation",
    "id": "a",
    "status": "final",
    "category": [{"text": "x"}, {"text": "y"}, {"text": "z"}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    "subject": {"reference": "Patient/lea"},
    "valueString": "1",
    "component": [{"code": {"text": "c"}, "valueInteger": 1}],
}


@pytest.fixture
def there(world):
    world.put(OBSERVED)
    return world


def part(name, **value):
    return {"name": name, **value}


def operation(type_, path, *parts):
    return {
        "name": "operation",
        "part": [part("type", valueCode=type_), part("path", valueString=path), *parts],
    }


def parameters(*operations):
    return {"resourceType": "Parameters", "parameter": list(operations)}


def categories(answered):
    return [each["text"] for each in answered.json["category"]]


def test_every_type_is_patched_as_it_is_updated(there):
    """Row 49."""
    got = there.ask(OPERATOR, "PATCH", WHERE, [
        {"op": "test", "path": "/status", "value": "final"},
        {"op": "replace", "path": "/status", "value": "amended"},
        {"op": "remove", "path": "/category/1"},
        {"op": "move", "from": "/category/1", "path": "/category/0"},
        {"op": "copy", "from": "/category/0", "path": "/category/-"},
        {"op": "add", "path": "/note", "value": [{"text": "n"}]},
        {"op": "remove", "path": "/component/0"},
    ])  # fmt: skip

    assert (200, 'W/"2"', "amended", ["z", "x", "z"]) == (
        got.status, got.headers["ETag"], got.json["status"], categories(got)
    )  # fmt: skip
    assert ("n", False) == (got.json["note"][0]["text"], "component" in got.json)
    assert "PATCH" == there.ask(OPERATOR, "GET", f"{WHERE}/_history").json["entry"][0]["request"]["method"]


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "test", "path": "/status", "value": "amended"}],
        [{"op": "remove", "path": "/nothing"}],
        [{"op": "remove", "path": "/status"}],
        [{"op": "replace", "path": "/status", "value": "nonsense"}],
        [{"op": "replace", "path": "/id", "value": "b"}],
        [{"op": "replace", "path": "/meta/versionId", "value": "7"}],
        [{"op": "replace", "path": "/meta/lastUpdated", "value": "2020-01-01T00:00:00Z"}],
        [{"op": "replace", "path": "/resourceType", "value": "Basic"}],
        [{"op": "replace", "path": "", "value": {}}],
        [{"op": "replace", "path": "", "value": 7}],
        [{"op": "nonsense", "path": "/status"}],
        [{"op": "add", "path": "/category/x", "value": {}}],
        [{"op": "add", "path": "/subject", "value": {"reference": "Patient?identifier=urn:x|none"}}],
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused_and_changes_nothing(there, patch):
    """Row 49."""
    assert there.ask(OPERATOR, "PATCH", WHERE, patch).status in (400, 404, 422)
    assert 'W/"1"' == there.ask(OPERATOR, "GET", WHERE).headers["ETag"]


def test_a_patch_that_grows_without_end_is_refused(there):
    twice = [{"op": "copy", "from": "/category", "path": "/category/-"}] * 60
    for patch in (twice, [{"op": "test", "path": "/status", "value": "final"}] * 1001):
        assert 413 == there.ask(OPERATOR, "PATCH", WHERE, patch).status


def test_if_match_and_a_patch_that_changes_nothing(there):
    """Rows 40 and 42."""
    patch = [{"op": "replace", "path": "/status", "value": "final"}]
    tags = [there.ask(OPERATOR, "PATCH", WHERE, patch, if_match=f'W/"{each}"') for each in (2, 1)]

    assert ([412, 200], 'W/"1"') == ([each.status for each in tags], tags[1].headers["ETag"])


def test_a_condition_finds_what_is_patched(there):
    """Row 47."""
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    found, none = (there.ask(OPERATOR, "PATCH", f"Observation?_id={each}", patch) for each in "ab")

    assert (200, 404) == (found.status, none.status)


def test_a_fhirpath_patch(there):
    """Row 50: add, insert, delete, replace and move."""
    got = there.ask(OPERATOR, "PATCH", WHERE, parameters(
        operation("replace", "Observation.status", part("value", valueCode="amended")),
        operation("replace", "Observation.value", part("value", valueQuantity={"value": 5, "unit": "mg"})),
        operation("delete", "Observation.category.where(text = 'y')"),
        operation("delete", "Observation.issued"),
        operation("insert", "Observation.category", part("index", valueInteger=1), part("value", valueCodeableConcept={"text": "i"})),
        operation("move", "Observation.category", part("source", valueInteger=2), part("destination", valueInteger=0)),
        operation("add", "Observation", part("name", valueString="note"), part("value", valueAnnotation={"text": "n"})),
        operation("add", "Observation.component[0]", part("name", valueString="interpretation"), part("value", valueCodeableConcept={"text": "h"})),
        operation("add", "Observation", part("name", valueString="component"), part("value", part=[
            part("code", valueCodeableConcept={"text": "d"}), part("value", valueInteger=2),
        ])),
    ))  # fmt: skip

    assert (200, 'W/"2"') == (got.status, got.headers.get("ETag")), got.json
    assert ("amended", {"value": 5, "unit": "mg"}, False) == (
        got.json["status"], got.json["valueQuantity"], "valueString" in got.json
    )  # fmt: skip
    assert ["z", "x", "i"] == categories(got)
    assert ["n", "h", 2] == [
        got.json["note"][0]["text"],
        got.json["component"][0]["interpretation"][0]["text"],
        got.json["component"][1]["valueInteger"],
    ]


@pytest.mark.parametrize(
    "said",
    [
        parameters(),
        parameters({"name": "other"}),
        parameters(operation("nonsense", "Observation.status")),
        parameters(operation("replace", "Observation.issued", part("value", valueInstant="2026-01-01T00:00:00Z"))),
        parameters(operation("replace", "Observation.nothing", part("value", valueCode="x"))),
        parameters(operation("replace", "Patient.active", part("value", valueBoolean=True))),
        parameters(operation("replace", "Observation.id", part("value", valueId="b"))),
        parameters(operation("replace", "Observation.status.lower()", part("value", valueCode="x"))),
        parameters(operation("replace", "Observation.value", part("value", valueAddress={"city": "x"}))),
        parameters(operation("delete", "Observation")),
        parameters(operation("insert", "Observation", part("index", valueInteger=0), part("value", valueCode="x"))),
        parameters(operation("move", "Observation", part("source", valueInteger=0), part("destination", valueInteger=0))),
        parameters(operation("delete", "Observation.category")),
        parameters(operation("delete", "Observation.status")),
        parameters(operation("add", "Observation", part("name", valueString="status"), part("value", valueCode="final"))),
        parameters(operation("add", "Observation", part("name", valueString="nothing"), part("value", valueCode="x"))),
        parameters(operation("move", "Observation.category", part("source", valueInteger=3), part("destination", valueInteger=0))),
        parameters(operation("insert", "Observation.status", part("index", valueInteger=0), part("value", valueCode="x"))),
    ],
)  # fmt: skip
def test_a_fhirpath_patch_that_does_not_fit_is_refused(there, said):
    """Row 50."""
    got = there.ask(OPERATOR, "PATCH", WHERE, said)

    assert (422, True) == (got.status, bool(got.json["issue"])), got.json
    assert 'W/"1"' == there.ask(OPERATOR, "GET", WHERE).headers["ETag"]


def test_who_may_not_update_may_not_patch(there):
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]

    assert 403 == there.ask(people.doctor(), "PATCH", WHERE, patch).status
    assert 404 == there.ask(people.professional("inconnu", "10000000005"), "PATCH", WHERE, patch).status


def test_what_a_patch_does_not_touch_keeps_what_its_author_does_not_see(world):
    """Decisions 16."""
    world.ask(people.hospital(), "POST", "", submission())
    hidden = world.ask(people.holder(), "GET", "DocumentReference?patient=lea").ids[0]
    world.ask(
        people.holder(), "PATCH", hidden, [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    )
    mine = {**OBSERVED, "derivedFrom": [{"reference": hidden}], "performer": [{"reference": "Practitioner/diallo"}]}
    world.put(mine)
    got = world.ask(people.radiologist(), "PATCH", WHERE, [{"op": "replace", "path": "/status", "value": "amended"}])

    assert (200, False) == (got.status, hidden.encode() in got.body)
    assert hidden == world.ask(OPERATOR, "GET", WHERE).json["derivedFrom"][0]["reference"]


def test_a_transaction_patches_by_fhirpath(there):
    """Rows 50 and 56."""
    said = parameters(operation("replace", "Observation.status", part("value", valueCode="amended")))
    entry = {"resource": said, "request": {"method": "PATCH", "url": WHERE}}
    got = there.ask(OPERATOR, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})

    assert (200, "amended") == (got.status, there.ask(OPERATOR, "GET", WHERE).json["status"]), got.json


def test_a_document_is_patched_by_fhirpath_where_it_may_be(world):
    """Row 50; DMP-145."""
    world.ask(people.hospital(), "POST", "", submission())
    where = world.ask(people.holder(), "GET", "DocumentReference?patient=lea").ids[0]
    masks = operation(
        "add", "DocumentReference", part("name", valueString="securityLabel"), part("value", valueCodeableConcept=label("MASQUE_PS"))
    )  # fmt: skip
    tells = operation("replace", "DocumentReference.description", part("value", valueString="x"))
    adds = operation(
        "add", "DocumentReference", part("name", valueString="description"), part("value", valueString="x")
    )

    assert [405, 422, 200] == [
        world.ask(people.holder(), "PATCH", where, parameters(each)).status for each in (adds, tells, masks)
    ]
    assert 0 == world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea").json["total"]


def test_a_document_keeps_its_id_and_counts_its_versions(world):
    """K7: the id is stable however often its metadata change; each change is a version."""
    world.ask(people.hospital(), "POST", "", submission())
    where = world.ask(people.holder(), "GET", "DocumentReference?patient=lea").ids[0]
    for mask in (True, False):
        now = world.ask(people.holder(), "GET", where).json
        labels = [label("N"), label("MASQUE_PS")] if mask else [label("N")]
        patch = [{"op": "replace" if "securityLabel" in now else "add", "path": "/securityLabel", "value": labels}]
        assert 200 == world.ask(people.holder(), "PATCH", where, patch).status
    history = world.ask(people.holder(), "GET", f"{where}/_history").json["entry"]

    assert [("3", where), ("2", where), ("1", where)] == [
        (each["resource"]["meta"]["versionId"], f"DocumentReference/{each['resource']['id']}") for each in history
    ]


@pytest.mark.parametrize(
    ("patch", "told", "where"),
    [
        ({"op": "test", "path": "/status", "value": "amended"}, "another value stands there", ".status"),
        ({"op": "test", "path": "/issued", "value": "x"}, "nothing stands at `/issued`", ".issued"),
        ({"op": "remove", "path": "/componnet/0"}, "at `/componnet`; did you mean `component`", ".componnet[0]"),
        ({"op": "add", "path": "/category/9", "value": {}}, "no place `9` in `/category/9`", ".category[9]"),
        ({"op": "add", "path": "/category/x", "value": {}}, "is no place of a list", ".category.x"),
        ({"op": "replace", "path": "/status/code", "value": "x"}, "into what holds no elements", ".status.code"),
        ({"op": "replase", "path": "/status", "value": "x"}, "no such operation; did you mean `replace`", ".status"),
        ({"op": "replace", "path": "/status"}, "it has no `value`", ".status"),
        ({"op": "remove"}, "it has no `path`", ""),
        ({"op": "move", "from": "/issued", "path": "/note"}, "nothing stands at `/issued`", ".note"),
        ({"op": "move", "from": "/code", "path": "/code/coding"}, "it does not fit", ".code.coding"),
        ({"op": "remove", "path": "status"}, "is no JSON Pointer", ""),
    ],
)
def test_a_json_patch_is_told_which_operation_failed_and_why(there, patch, told, where):
    """Row 49: number, operation, path and reason, and no value that stands there."""
    got = there.ask(OPERATOR, "PATCH", WHERE, [{"op": "test", "path": "/status", "value": "final"}, patch])
    (issue,) = got.json["issue"]

    assert (422, [f"Observation{where}"]) == (got.status, issue["expression"])
    assert issue["diagnostics"].startswith(f"operation 2 of 2 (`{patch['op']}`"), issue
    assert told in issue["diagnostics"]
    assert ("path" not in patch or f"of `{patch['path']}`" in issue["diagnostics"]) and "final" not in str(issue)


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        (operation("replase", "Observation.status", part("value", valueCode="x")), "did you mean `replace`"),
        (operation("replace", "Observation.issued", part("value", valueInstant="x")), "is nothing of the resource"),
        (operation("delete", "Observation.categroy"), "no element of Observation; did you mean `category`"),
        (operation("delete", "Observation.category"), "is more than one element"),
        (operation("delete", "Observation.status.lower()"), "cannot be followed from `.lower()` on"),
        (operation("delete", "Observation.component[7].nothing"), "is no element of Observation.component"),
    ],
)
def test_a_fhirpath_patch_is_told_which_operation_failed_and_why(there, failing, told):
    """Row 50."""
    if "valueInstant" in str(failing):
        failing["part"][2]["valueInstant"] = "2026-01-01T00:00:00Z"
    got = there.ask(OPERATOR, "PATCH", WHERE, parameters(operation("delete", "Observation.issued"), failing))
    (issue,) = got.json["issue"]

    assert (422, ["Parameters.parameter[1]"]) == (got.status, issue["expression"])
    type_, path = failing["part"][0]["valueCode"], failing["part"][1]["valueString"]
    assert issue["diagnostics"].startswith(f"operation 2 of 2 (`{type_}` of `{path}`): "), issue
    assert told in issue["diagnostics"]


def test_a_failing_patch_of_a_transaction_is_named_in_its_bundle(there):
    """Rows 49, 50 and 57."""
    data = base64.b64encode(b'[{"op":"remove","path":"/nothing"}]').decode()
    sent = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    said = parameters(operation("delete", "Observation.nothing"))
    for resource, where in ((sent, "Bundle.entry[0].resource"), (said, "Bundle.entry[0].resource.parameter[0]")):
        entry = {"resource": resource, "request": {"method": "PATCH", "url": WHERE}}
        got = there.ask(OPERATOR, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})

        assert (422, [where]) == (got.status, got.json["issue"][0]["expression"])
        assert "operation 1 of 1" in got.json["issue"][0]["diagnostics"]


def test_a_failing_patch_of_a_document_says_which_operation(world):
    """Row 49; DMP-145."""
    world.ask(people.hospital(), "POST", "", submission())
    where = world.ask(people.holder(), "GET", "DocumentReference?patient=lea").ids[0]
    patch = [{"op": "test", "path": "/status", "value": "current"}, {"op": "remove", "path": "/securityLabel/4"}]
    got = world.ask(people.holder(), "PATCH", where, patch)

    assert (422, ["DocumentReference.securityLabel[4]"]) == (got.status, got.json["issue"][0]["expression"])
    assert "operation 2 of 2 (`remove` of `/securityLabel/4`): the list has" in got.json["issue"][0]["diagnostics"]
