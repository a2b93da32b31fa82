"""The modifiers that R4 gives each type, over real resources (rows 80, 90, 91, 100 and 102)."""

from __future__ import annotations

import pytest

from tests.http.test_compartment_searches import lived, observed
from tests.kit import people
from tests.kit.world import BASE

OPERATOR = people.operator()
CODES = "http://example.org/codes"
LOINC = "http://loinc.org"


def coded(id_, code, system=CODES, **more):
    return observed(id_, code={"coding": [{"system": system, "code": code, **more}]})


def system(content="complete"):
    """An animal and what is one."""
    concept = [{"code": "animal", "concept": [{"code": "dog", "concept": [{"code": "beagle"}]}, {"code": "cat"}]}]
    return {
        "resourceType": "CodeSystem",
        "id": "codes",
        "url": CODES,
        "status": "active",
        "content": content,
        "concept": concept,
    }


def value_set(id_="set", **compose):
    return {
        "resourceType": "ValueSet",
        "id": id_,
        "url": f"http://example.org/{id_}",
        "status": "active",
        "compose": compose or {"include": [{"system": CODES, "concept": [{"code": "dog"}, {"code": "cat"}]}]},
    }


@pytest.fixture
def animals(world):
    for each in ("animal", "dog", "beagle", "cat"):
        world.put(coded(each, each))
    world.put(coded("other", "dog", LOINC, display="Hémoglobine glyquée"))
    world.put(observed("words", code={"text": "Fréquence cardiaque"}))
    world.put(system())
    world.put(value_set())
    return world


def found(world, query, who=OPERATOR, type_="Observation"):
    got = world.ask(who, "GET", f"{type_}?{query}&_sort=_id")
    assert 200 == got.status, got.json
    return " ".join(each.partition("/")[2] for each in got.ids)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"code:below={CODES}|dog", "beagle dog"),
        (f"code:below={CODES}|animal", "animal beagle cat dog"),
        (f"code:below={CODES}|absent", ""),
        (f"code:above={CODES}|beagle", "animal beagle dog"),
        (f"code:above={CODES}|beagle,{CODES}|cat", "animal beagle cat dog"),
        ("code:in=http://example.org/set", "cat dog"),
        ("code:in=ValueSet/set", "cat dog"),
        (f"code:in={BASE}/ValueSet/set", "cat dog"),
        (f"code:not-in={BASE}/ValueSet/set", "animal beagle other words"),
        ("code:not-in=http://example.org/set", "animal beagle other words"),
        ("code:not=dog", "animal beagle cat words"),
        ("code:text=frequence", "words"),
        ("code:text=HEMOGLOBINE", "other"),
        ("code:text=cardiaque", "words"),
        ("code:text=absent", ""),
        ("code:missing=true", ""),
        ("performer:missing=true&code:in=http://example.org/set", "cat dog"),
        ("status:in=http://hl7.org/fhir/ValueSet/observation-status", "animal beagle cat dog other words"),
        ("status:not-in=http://hl7.org/fhir/ValueSet/observation-status|4.0.1", ""),
        ("status:below=http://hl7.org/fhir/observation-status|final", "animal beagle cat dog other words"),
    ],
)
def test_codes_are_found_by_what_is_known_of_them(animals, query, expected):
    """R90."""
    assert expected == found(animals, query)


@pytest.mark.parametrize(
    ("compose", "expected"),
    [
        ({"include": [{"system": CODES}]}, "animal beagle cat dog"),
        (
            {"include": [{"system": CODES, "filter": [{"property": "concept", "op": "is-a", "value": "dog"}]}]},
            "beagle dog",
        ),
        (
            {
                "include": [
                    {"system": CODES, "filter": [{"property": "concept", "op": "descendent-of", "value": "dog"}]}
                ]
            },
            "beagle",
        ),
        (
            {"include": [{"system": CODES, "filter": [{"property": "concept", "op": "is-not-a", "value": "dog"}]}]},
            "animal cat",
        ),
        (
            {"include": [{"system": CODES}], "exclude": [{"system": CODES, "concept": [{"code": "cat"}]}]},
            "animal beagle dog",
        ),
        ({"include": [{"valueSet": ["http://example.org/set"]}]}, "cat dog"),
        ({"include": [{"valueSet": ["http://example.org/set"], "system": CODES, "concept": [{"code": "cat"}]}]}, "cat"),
    ],
)
def test_a_stored_value_set_is_composed(animals, compose, expected):
    """R90."""
    animals.put(value_set("made", **compose))

    assert expected == found(animals, "code:in=http://example.org/made")


def test_an_address_of_this_server_that_is_a_canonical_url_is_that_one(animals):
    """Another resource may stand there."""
    one = {"include": [{"system": CODES, "concept": [{"code": "beagle"}]}]}
    animals.put({**value_set("beagles", **one), "url": f"{BASE}/ValueSet/set"})

    assert "beagle" == found(animals, f"code:in={BASE}/ValueSet/set")
    assert "beagle" == found(animals, f"code:in={BASE}/ValueSet/beagles")
    assert "cat dog" == found(animals, "code:in=ValueSet/set")


def test_a_stored_expansion_is_taken_where_it_is_whole(animals):
    made = value_set("made", include=[{"system": LOINC}])
    contains = [{"system": CODES, "code": "cat", "contains": [{"system": CODES, "code": "dog"}]}]
    expansion = {"timestamp": "2026-01-01", "total": 2, "contains": contains}
    animals.put({**made, "expansion": expansion})

    assert "cat dog" == found(animals, "code:in=http://example.org/made")
    animals.put({**made, "expansion": {**expansion, "offset": 0}})
    assert 400 == animals.ask(OPERATOR, "GET", "Observation?code:in=http://example.org/made").status


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("code:in=http://example.org/none", "`http://example.org/none` is not held here"),
        ("code:not-in=http://example.org/none", "is not held here"),
        ("code:in=ValueSet/none", "is not held here"),
        ("code:below=http://example.org/none|x", "code system `http://example.org/none` is not held here"),
        ("code:not-in=http://example.org/foreign", "code system `http://loinc.org` is not held here"),
        ("code:in=http://example.org/strange", "filters by `parent ="),
        ("code:in=http://example.org/circle", "in a circle"),
        ("code:in=http://example.org/empty", "says neither"),
        ("code:below=x", "takes `system|code`"),
        ("code:of-type=x", "takes no modifier `:of-type`"),
        ("code:text=", "has no value"),
        ("status:text=x", "takes no modifier `:text`"),
        ("code:exact=x", "takes no modifier `:exact`"),
        ("subject:below=Patient/lea", "only these stand in one another"),
        ("date:not=2020", "takes no modifier `:not`"),
        ("_id:not=x", "takes no modifier"),
    ],
)
def test_what_cannot_be_told_is_refused_and_never_answered_empty_or_in_full(animals, query, said):
    """R80 and R90."""
    animals.put(value_set("foreign", include=[{"system": LOINC}]))
    strange = [{"property": "parent", "op": "=", "value": "x"}]
    animals.put(value_set("strange", include=[{"system": CODES, "filter": strange}]))
    animals.put(value_set("circle", include=[{"valueSet": ["http://example.org/circle"]}]))
    animals.put({name: each for name, each in value_set("empty").items() if name != "compose"})
    got = animals.ask(OPERATOR, "GET", f"Observation?{query}")

    assert (400, True) == (got.status, said in got.json["issue"][0]["diagnostics"]), got.json


def test_a_code_system_that_is_not_whole_has_no_hierarchy(animals):
    animals.put(system("fragment"))
    got = animals.ask(OPERATOR, "GET", f"Observation?code:below={CODES}|dog")

    assert (400, True) == (got.status, "not all codes" in got.json["issue"][0]["diagnostics"])


def test_a_value_set_that_the_token_does_not_reach_is_as_one_that_is_not_there(animals):
    """No oracle: a scope for observations alone tells nothing of definitions."""
    small = people.doctor(scopes=("user/Observation.rs",))
    answers = [
        animals.ask(small, "GET", f"Observation?patient=lea&code:in=http://example.org/{each}")
        for each in ("set", "nil")
    ]

    assert [400, 400] == [each.status for each in answers]
    assert 1 == len({str(each.json).replace("nil", "set") for each in answers})
    whole = people.doctor(scopes=("user/Observation.rs", "user/ValueSet.r"))
    assert "cat dog" == found(animals, "patient=lea&code:in=http://example.org/set", whole)


def test_several_versions_of_a_value_set_must_be_told_apart(animals):
    for version in ("1", "2"):
        made = value_set(
            f"v{version}", include=[{"system": CODES, "concept": [{"code": ("dog", "cat")[int(version) - 1]}]}]
        )
        animals.put({**made, "url": "http://example.org/v", "version": version})

    assert 400 == animals.ask(OPERATOR, "GET", "Observation?code:in=http://example.org/v").status
    assert "cat" == found(animals, "code:in=http://example.org/v|2")


def test_an_identifier_is_found_by_its_type(world):
    """R90: `:of-type`."""
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}], "text": "dossier"}
    world.put(observed("a", identifier=[{"type": kind, "system": "urn:x", "value": "1"}, {"value": "2"}]))
    v2 = "http://terminology.hl7.org/CodeSystem/v2-0203"

    assert "a" == found(world, f"identifier:of-type={v2}|MR|1")
    assert "" == found(world, f"identifier:of-type={v2}|MR|2")
    assert "" == found(world, f"identifier:of-type={v2}|SS|1")
    assert "a" == found(world, "identifier:text=dossier")
    assert 400 == world.ask(OPERATOR, "GET", "Observation?identifier:of-type=MR|1").status


def test_urls_have_what_is_above_and_below_them(world):
    """R100 and R102."""
    for id_, url in (
        ("a", "http://x.org/f"),
        ("b", "http://x.org/f/g"),
        ("c", "http://x.org/fg"),
        ("d", "urn:oid:1.2"),
    ):
        world.put({**value_set(id_), "url": url})

    assert "a b" == found(world, "url:below=http://x.org/f", type_="ValueSet")
    assert "a b c" == found(world, "url:below=http://x.org/", type_="ValueSet")
    assert "a b" == found(world, "url:above=http://x.org/f/g", type_="ValueSet")
    assert "a" == found(world, "url:above=http://x.org/f/h/i", type_="ValueSet")
    assert "d" == found(world, "url=urn:oid:1.2", type_="ValueSet")
    for wrong in ("url:below=urn:oid:1.2", "url:above=x", "url:in=http://x.org"):
        assert 400 == world.ask(OPERATOR, "GET", f"ValueSet?{wrong}").status


def test_canonicals_have_versions_above_and_below_them(world):
    """R102."""
    for id_, version in (("a", "|1"), ("b", "|1.2"), ("c", "|1.20"), ("d", "")):
        made = {
            "resourceType": "QuestionnaireResponse",
            "id": id_,
            "status": "completed",
            "subject": {"reference": "Patient/lea"},
        }
        world.put({**made, "questionnaire": f"http://x.org/q{version}"})

    def asked(query):
        return found(world, query, type_="QuestionnaireResponse")

    assert "a b c" == asked("questionnaire:below=http://x.org/q|1")
    assert "a b" == asked("questionnaire:above=http://x.org/q|1.2")
    assert "a b c d" == asked("questionnaire:below=http://x.org")
    assert "a b c d" == asked("questionnaire=http://x.org/q")
    assert "b" == asked("questionnaire=http://x.org/q|1.2")


def test_words_of_a_trace_are_not_asked_for(world):
    """The ledger is written with each request: it keeps no words of its codes."""
    lived(world)

    assert 400 == world.ask(OPERATOR, "GET", "AuditEvent?type:text=rest").status
    assert (
        200
        == world.ask(OPERATOR, "GET", "AuditEvent?type:not-in=http://hl7.org/fhir/ValueSet/audit-event-action").status
    )
