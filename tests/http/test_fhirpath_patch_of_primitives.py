"""FHIRPath Patch of what stands beside primitives, and by literals of any text (row 50).

https://hl7.org/fhir/R4/json.html#primitive: a value and its extensions are one element in two places.
"""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.world import patient

OPERATOR = people.operator()
WHERE = "Patient/p"


def beside(value="y", url="http://x"):
    return {"extension": [{"url": url, "valueString": value}]}


PERSON = {
    **patient("p"),
    "identifier": [{"system": "http://s(1)", "value": "a and b"}, {"value": 'it\'s \\ "é"'}],
    "birthDate": "2000",
    "_birthDate": {"id": "d", **beside()},
    "name": [
        {"_family": beside(), "given": ["a", "b", "c"], "_given": [beside("1"), None, beside("3")]},
        {"family": "research and dev", "given": ["e"]},
        {"_given": [beside("f"), beside("g")]},
    ],
}


@pytest.fixture
def there(world):
    world.put(PERSON)
    return world


def operation(type_, path, name=None, value=None, **numbers):
    said = [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path}]
    if name:
        said.append({"name": "name", "valueString": name})
    if value is not None:
        said.append({"name": "value", **value})
    return {"name": "operation", "part": [*said, *({"name": each, "valueInteger": n} for each, n in numbers.items())]}


def text(value):
    return {"valueString": value}


def extension(value, url="http://x"):
    return {"part": [{"name": "url", "valueUri": url}, {"name": "value", "valueString": value}]}


def patched(world, *operations):
    return world.ask(OPERATOR, "PATCH", WHERE, {"resourceType": "Parameters", "parameter": list(operations)})


def first_of(answered):
    return answered.json["name"][0]


GIVEN = PERSON["name"][0]["_given"]


@pytest.mark.parametrize(
    ("said", "element", "expected"),
    [
        (operation("delete", "Patient.birthDate.extension('http://x')"), "_birthDate", {"id": "d"}),
        (operation("delete", "Patient.birthDate.extension[0]"), "_birthDate", {"id": "d"}),
        (operation("delete", "Patient.birthDate.id"), "_birthDate", beside()),
        (operation("delete", "Patient.birthDate"), "_birthDate", None),
        (operation("delete", "Patient.birthDate"), "birthDate", None),
        (operation("replace", "Patient.birthDate.extension('http://x').value", value=text("z")), "_birthDate", {"id": "d", **beside("z")}),
        (operation("replace", "Patient.birthDate.id", value=text("e")), "_birthDate", {"id": "e", **beside()}),
        (operation("replace", "Patient.birthDate.extension[0]", value=extension("z")), "_birthDate", {"id": "d", **beside("z")}),
        (operation("replace", "Patient.birthDate", value={"valueDate": "2001", "_valueDate": beside("z")}), "_birthDate", beside("z")),
        (operation("replace", "Patient.birthDate", value={"valueDate": "2001"}), "_birthDate", None),
        (operation("add", "Patient.gender", "extension", extension("z")), "_gender", beside("z")),
        (operation("add", "Patient.gender", "id", text("g")), "_gender", {"id": "g"}),
        (operation("insert", "Patient.gender.extension", value=extension("z"), index=0), "_gender", beside("z")),
        (operation("add", "Patient.birthDate", "extension", extension("z")), "_birthDate", {"id": "d", "extension": [*beside()["extension"], *beside("z")["extension"]]}),
        (operation("insert", "Patient.birthDate.extension", value=extension("z"), index=0), "_birthDate", {"id": "d", "extension": [*beside("z")["extension"], *beside()["extension"]]}),
    ],
)  # fmt: skip
def test_what_is_beside_a_primitive_is_changed(there, said, element, expected):
    """Row 50."""
    got = patched(there, said)

    assert (200, 'W/"2"', expected) == (got.status, got.headers.get("ETag"), got.json.get(element)), got.json
    assert got.json == there.ask(OPERATOR, "GET", WHERE).json


@pytest.mark.parametrize(
    ("said", "given", "beside_it"),
    [
        (operation("delete", "Patient.name[0].given[0].extension[0]"), ["a", "b", "c"], [None, None, beside("3")]),
        (operation("delete", "Patient.name[0].given[0]"), ["b", "c"], [None, beside("3")]),
        (operation("delete", "Patient.name[0].given[1]"), ["a", "c"], [beside("1"), beside("3")]),
        (operation("replace", "Patient.name[0].given[1]", value=text("B")), ["a", "B", "c"], GIVEN),
        (operation("replace", "Patient.name[0].given[0]", value=text("A")), ["A", "b", "c"], [None, None, beside("3")]),
        (operation("replace", "Patient.name[0].given[1]", value={"_valueString": beside("2")}), ["a", None, "c"], [beside("1"), beside("2"), beside("3")]),
        (operation("insert", "Patient.name[0].given", value=text("n"), index=1), ["a", "n", "b", "c"], [beside("1"), None, None, beside("3")]),
        (operation("add", "Patient.name[0]", "given", text("n")), ["a", "b", "c", "n"], [*GIVEN, None]),
        (operation("move", "Patient.name[0].given", source=2, destination=0), ["c", "a", "b"], [beside("3"), beside("1"), None]),
        (operation("add", "Patient.name[0].given[1]", "extension", extension("2")), ["a", "b", "c"], [beside("1"), beside("2"), beside("3")]),
        (operation("add", "Patient.name[0].given.where(extension.value = '3')", "id", text("i")), ["a", "b", "c"], [beside("1"), None, {**beside("3"), "id": "i"}]),
    ],
)  # fmt: skip
def test_what_is_beside_a_list_stays_with_its_values(there, said, given, beside_it):
    """Row 50."""
    got = patched(there, said)

    assert 200 == got.status, got.json
    assert (given, beside_it) == (first_of(got)["given"], first_of(got)["_given"])


def test_what_has_extensions_alone_is_an_element_too(there):
    """Row 50."""
    got = patched(
        there,
        operation("delete", "Patient.name[0].family"),
        operation("delete", "Patient.name[0].given[2].extension"),
        operation("delete", "Patient.name[0].given[0].extension"),
        operation("delete", "Patient.name[2].given[0].extension('http://x')"),
        operation("add", "Patient.name[1].given[0]", "extension", extension("e")),
    )

    assert 200 == got.status, got.json
    assert [
        {"given": ["a", "b", "c"]},
        {"family": "research and dev", "given": ["e"], "_given": [beside("e")]},
        {"_given": [beside("g")]},
    ] == got.json["name"]
    assert 422 == patched(there, operation("add", "Patient.name[2].given[0]", "nothing", text("x"))).status
    got = patched(there, operation("replace", "Patient.name[2].given[0]", value=text("G")))
    assert {"given": ["G"]} == got.json["name"][2]


@pytest.mark.parametrize(
    "said",
    [
        operation("add", "Patient.name[0]", "family", text("F")),
        operation("add", "Patient.birthDate", "value", text("2001")),
        operation("add", "Patient.birthDate", "id", text("x")),
        operation("delete", "Patient.birthDate.value"),
        operation("delete", "Patient.birthDate.year"),
        operation("delete", "Patient.contact.nothing"),
        operation("delete", "Patient.name[9].nothing"),
        operation("delete", "Patient.where(nothing = 'x')"),
        operation("delete", "Patient.extension('a' or 'b')"),
        operation("replace", "Patient.gender.extension('http://x').value", value=text("z")),
        operation("insert", "Patient.name.given", value=text("n"), index=0),
        operation("insert", "Patient.name[1].given[0]", value=text("n"), index=0),
        operation("insert", "Patient.name[1].given", value=text("n"), index=2),
        operation("move", "Patient.name[1].given", source=0, destination=1),
        operation("move", "Patient.identifier.where(value = 'a and b')", source=0, destination=0),
        operation("move", "Patient.contact", source=0, destination=0),
        operation("add", "Patient", "name", {"_valueHumanName": {"id": "x"}}),
        operation("replace", "Patient.text.div.id", value=text("x")),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_never_passed_over(there, said):
    """Row 50."""
    got = patched(there, said)

    assert 422 == got.status, got.json
    assert 'W/"1"' == there.ask(OPERATOR, "GET", WHERE).headers["ETag"]


@pytest.mark.parametrize(
    ("path", "element"),
    [
        ("Patient.identifier.where(system='http://s(1)').value", "identifier"),
        ("Patient.identifier.where(value = 'a and b' and system = 'http://s(1)').value", "identifier"),
        (r"Patient.identifier.where(value = 'it\'s \\ \"\u00e9\"').value", "identifier"),
        ("Patient.name.where(family='research and dev').given[0]", "name"),
        ("Patient.name.where(family='research and dev').given.first()", "name"),
    ],
)
def test_a_condition_holds_any_text(there, path, element):
    """Row 50: https://hl7.org/fhirpath/N1/#string."""
    got = patched(there, operation("replace", path, value=text("new")))

    assert (200, True) == (got.status, "new" in str(got.json[element])), got.json


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("system = 'http://s' or value = '2'", "`system = 'http://s' or value = '2'` does not"),
        ("system = 'x' and", "`` does not"),
        ("system", "`system` does not"),
        ("system != 'x'", "`system != 'x'` does not"),
        (r"system = '\x'", r"`\x` is no escape"),
        ("sistem = 'x'", "did you mean `system`"),
    ],
)
def test_a_condition_that_cannot_be_read_is_quoted(there, where, told):
    """Row 50."""
    got = patched(there, operation("delete", f"Patient.identifier.where({where})"))

    assert 422 == got.status
    assert told in got.json["issue"][0]["diagnostics"]
