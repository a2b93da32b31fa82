"""`_text`, `_content`, `_filter`, `_list`, `_contained` and `_source` (rows 103 and 108)."""

from __future__ import annotations

import base64

import pytest

from tests.http.test_compartment_searches import lived, observed
from tests.kit import people
from tests.kit.clinical import MASKED
from tests.kit.family import appends, letter_of
from tests.kit.world import patient

OPERATOR = people.operator()
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Hémoglobine&#160;<b>basse</b>, œdème &amp; fièvre</p></div>'


def found(world, url, who=OPERATOR, **more):
    got = world.ask(who, "GET", f"{url}{'&' if '?' in url else '?'}_sort=_id", **more)
    assert 200 == got.status, got.json
    return " ".join(each.partition("/")[2] for each in got.ids)


def refused(world, url, said, who=OPERATOR):
    got = world.ask(who, "GET", url)
    assert (400, True) == (got.status, said in got.json["issue"][0]["diagnostics"]), got.json


@pytest.fixture
def told(world):
    world.put(
        observed("a", text={"status": "generated", "div": DIV}, note=[{"text": "À jeun; contrôle l'été prochain"}])
    )
    world.put(observed("b", code={"text": "Hémoglobine glyquée"}, valueString="12,5"))
    return world


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_text=hemoglobine", "a"),
        ("_text=HÉMOGLOBINE", "a"),
        ("_text=basse hémoglobine", "a"),
        ("_text=oedeme", "a"),
        ("_text=hemoglobine haute", ""),
        ("_text=hemo", ""),
        ("_text=p", ""),
        ("_text=jeun", ""),
        ("_text=haute,fièvre", "a"),
        ("_content=hemoglobine", "a b"),
        ("_content=hemoglobine glyquee", "b"),
        ("_content=été jeun", "a"),
        ("_content=jeun,glyquée", "a b"),
        ("_content=12", "b"),
        ("_content=lea", ""),
        ("_content=xhtml", ""),
        ("_content=loinc", ""),
        ("_content=hemoglobine&_text=fievre", "a"),
        ("_content=a'\"*$.^[ (b", ""),
    ],
)
def test_words_are_found_whatever_their_case_and_accents(told, query, expected):
    """R103."""
    assert expected == found(told, f"Observation?{query}")


@pytest.mark.parametrize(("url", "said"), [("Observation?_text=…", "needs words"), ("Observation?_content:exact=x", "takes no modifier"), ("AuditEvent?_content=x", "keep no words"), ("Observation?_text=", "has no value"), ("Observation?_content=" + "a " * 1001, "at most")])  # fmt: skip
def test_words_that_cannot_be_looked_for_are_refused(world, url, said):
    refused(world, url, said)


def test_what_changes_is_found_by_its_new_words_alone(told):
    told.put(observed("b", code={"text": "Glycémie"}))

    assert ("b", "a") == (found(told, "Observation?_content=glycemie"), found(told, "Observation?_content=hemoglobine"))


def test_nothing_is_found_by_the_words_of_what_it_mentions(world):
    """No oracle: what speaks of something hidden goes away with it, and so do its words (decisions 16)."""
    world.put(letter_of("lea", "hidden", "MASQUE_PS"))
    mention = appends("DocumentReference/hidden")
    mention["relatesTo"][0]["target"]["display"] = "Psychiatrie secrète"
    narrative = DIV.replace("fièvre", "psychiatrie")
    world.put({**letter_of("lea", "d", None), **mention, "text": {"status": "generated", "div": narrative}})
    for who in (people.radiologist(), people.doctor(), OPERATOR):
        for query in ("_content=secrete", "_content=psychiatrie", "_text=psychiatrie", "_text=fievre"):
            assert "" == found(world, f"DocumentReference?patient=lea&{query}", who), (query, who.subject)
    assert "d" == found(world, "DocumentReference?patient=lea&_content=lettre", people.radiologist())
    assert "d hidden" == found(world, "DocumentReference?patient=lea&_content=lettre", people.doctor())


@pytest.fixture
def filtered(world):
    lived(world)
    for id_, family, birth in (
        ("p1", "Éluard", "1990-05-01"),
        ("p2", "Dupont, dit Dupond", "1970"),
        ("p3", "Eluard-Dupont", None),
    ):
        more = {"birthDate": birth} if birth else {}
        identifier = [{"system": "urn:x", "value": id_}]
        made = patient(
            id_, identifier=identifier, name=[{"family": family}], gender="male" if id_ == "p1" else "female"
        )
        world.put({name: each for name, each in {**made, **more}.items() if birth or name != "birthDate"})
    return world


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('family eq "eluard"', "p1"),
        ('family ne "eluard"', "p2 p3"),
        ('family co "dupon"', "p2 p3"),
        ('family sw "dup"', "p2"),
        ('family sw "Dupont, dit"', "p2"),
        ("family sw dup", "p2"),
        ("gender eq male", "p1"),
        ("gender ne male", "p2 p3"),
        ("gender in http://hl7.org/fhir/ValueSet/administrative-gender", "p1 p2 p3"),
        ("gender ni http://hl7.org/fhir/ValueSet/administrative-gender", ""),
        ("gender sb http://hl7.org/fhir/administrative-gender|male", "p1"),
        ("identifier eq urn:x|p2", "p2"),
        ('identifier eq "urn:x|p2"', "p2"),
        ("birthdate gt 1980", "p1"),
        ('family ew "ont"', "p3"),
        ("family ew luard and family ew uard", "p1"),
        ("birthdate po 1990-05", "p1"),
        ("birthdate po 1970-03-01 or birthdate po 1990", "p1 p2"),
        ("_lastUpdated po 2026-11", "p1 p2 p3"),
        ("_lastUpdated po 2025", ""),
        ("birthdate eq 1970", "p2"),
        ("birthdate ne 1970", "p1"),
        ("birthdate le 1990-05-01", "p1 p2"),
        ("birthdate pr true", "p1 p2"),
        ("birthdate pr false", "p3"),
        ('gender eq male or family co "dupon" and birthdate pr true', "p1 p2"),
        ('(gender eq male or family co "dupon") and birthdate pr true', "p1 p2"),
        ('not (gender eq male) and family co "dupon"', "p2 p3"),
        ("not (gender eq male or birthdate pr false)", "p2"),
        ("not ( not ( gender eq male ) )", "p1"),
        ("_id eq p1 or _id eq p2", "p1 p2"),
        ("((((gender eq male))))", "p1"),
    ],
)
def test_expressions_are_read(filtered, expression, expected):
    """https://hl7.org/fhir/R4/search_filter.html."""
    escaped = expression.replace("&", "%26")
    assert expected == found(filtered, f"Patient?_id=p1,p2,p3&_filter={escaped}")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("subject.family eq Martin", "a b"),
        ('subject:Patient.family ew "tin" and code eq a', "a"),
        ("not (encounter.class eq AMB)", "b"),
        ("encounter.class ne AMB", ""),
        ("encounter.subject.birthdate pr true and encounter.class eq AMB", "a"),
        ('encounter.subject:Patient.family eq "Mar\\"tin"', ""),
    ],
)
def test_a_filter_leads_through_references_as_a_chain_does(world, expression, expected):
    """R103, and https://hl7.org/fhir/R4/search_filter.html: paths."""
    world.put(
        {
            "resourceType": "Encounter",
            "id": "e",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/lea"},
        }
    )
    world.put(observed("a", code={"coding": [{"code": "a"}]}, encounter={"reference": "Encounter/e"}))
    world.put(observed("b"))

    assert expected == found(world, f"Observation?_filter={expression}")


def test_a_filter_finds_nothing_by_what_it_may_not_see(world):
    """DMP-52: a path leads through the door, and what is masked is as what was never written."""
    for id_, more in (("hidden", {"meta": MASKED}), ("shown", {})):
        world.put(observed(id_, code={"coding": [{"code": id_}]}, **more))
        world.put(observed(f"of-{id_}", derivedFrom=[{"reference": f"Observation/{id_}"}]))
    world.put(observed("of-absent", derivedFrom=[{"reference": "Observation/absent"}]))
    for who, expected in ((OPERATOR, "of-hidden"), (people.radiologist(), "")):
        assert expected == found(world, "Observation?patient=lea&_filter=derived-from:Observation.code eq hidden", who)
    asked = "Observation?patient=lea&_filter=derived-from pr true and not (derived-from:Observation.code eq hidden)"
    assert "of-absent of-shown" == found(world, asked)
    # of-hidden says of nothing that it is derived from it, to who may not see what it is derived from
    assert "of-absent of-shown" == found(world, asked, people.radiologist())


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("gender", "column 7: an operator is missing"),
        ("gender eq", "column 10: a value is missing"),
        ("gender eq male and", "column 19: a parameter is missing"),
        ("gender is male", "column 8: `is` is no operator"),
        ("sex eq male", "column 1: there is no parameter `sex`"),
        ("gender eq male female", "column 16: `female` is one word too many"),
        ("(gender eq male", "column 16: a bracket is not closed"),
        ("gender eq male)", "column 15: `)` is one word too many"),
        ("not gender eq male", "column 5: `not` stands before a bracket"),
        ('family eq "x', "column 11: a quoted text has no end"),
        ("gender gt male", "column 8: `gt` is not asked of a token"),
        ('gender ew "x"', "column 8: `ew` is not asked of a token"),
        ("birthdate po gt2020", "column 14: `birthdate` takes a date"),
        ("family po 2020", "column 8: `po` is not asked of a string"),
        ("birthdate eq x", "column 14: `birthdate` takes a date"),
        ("birthdate pr maybe", "column 14: `pr` is `true` or `false`"),
        ("gender in http://x.org", "column 11: the value set `http://x.org` is not held here"),
        ("link[type eq seealso].other.name eq x", "column 1: a path has no filter of its own"),
        ("nothing.name eq x", "column 1: there is no parameter `nothing`"),
        ("link.nothing eq x", "column 1: nothing that `link` refers to has a search parameter `nothing`"),
        ('link:Patient.family "eq x or family eq" x', "column 21: `eq x or family eq` is no operator"),
        ("link:Patient.family gt x", "column 1: `gt` is not asked of a string"),
        ("link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient._id eq x", "at most 5 links"),
        ("()", "column 2: a parameter is missing"),
        ("(" * 30 + "gender eq male" + ")" * 30, "nests at most"),
        (" or ".join(["gender eq male"] * 1001), "at most 1000 values"),
        ("and and and", "column 1: there is no parameter `and`"),
    ],
)
def test_what_cannot_be_read_of_an_expression_is_refused_with_its_column(filtered, expression, said):
    refused(filtered, f"Patient?_filter={expression}", said)


def test_numbers_and_references_in_expressions(world):
    lived(world)
    for id_, value in (("m", 5.4), ("n", 6)):
        quantity = {"value": value, "unit": "mg", "code": "mg", "system": "http://unitsofmeasure.org"}
        world.put(observed(id_, valueQuantity=quantity))

    assert "m" == found(world, "Observation?_filter=value-quantity lt 5.5|http://unitsofmeasure.org|mg")
    assert "m n" == found(world, "Observation?_filter=value-quantity ge 0.0054|http://unitsofmeasure.org|g")
    assert "a" == found(world, "Observation?_filter=encounter eq Encounter/e1")
    assert "b m n z" == found(world, "Observation?_filter=encounter ne Encounter/e1")
    assert "n" == found(world, "Observation?_filter=code-value-quantity eq 8867-4$6")


def test_an_expression_tells_nothing_of_what_is_hidden(world):
    """Decisions 16: through a hidden mention nothing is found, and its negation finds what has it."""
    world.put(letter_of("lea", "hidden", "MASQUE_PS"))
    world.put({**letter_of("lea", "d", None), **appends("DocumentReference/hidden")})
    asked = "DocumentReference?patient=lea&_filter="
    for expression, expected in (
        ("relatesto eq DocumentReference/hidden", ""),
        ("not (relatesto eq DocumentReference/hidden)", "d"),
        ("relatesto pr true", ""),
        ("relatesto pr false", "d"),
        ("_id eq hidden or relation eq appends", ""),
    ):
        assert expected == found(world, asked + expression, people.radiologist()), expression


def test_an_expression_is_in_no_trace(world):
    """It may name anybody: the trace of one record says nothing of it (decisions 20)."""
    lived(world)
    found(world, "Observation?patient=lea&_filter=subject eq Patient/zoe or code eq 8867-4", people.doctor())
    traces = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=search-type").json["entry"]
    told = [base64.b64decode(each["query"]) for each in traces[0]["resource"]["entity"] if "query" in each]

    assert [b"Observation?patient=lea&_sort=_id"] == told


def listing(id_, *items, **more):
    entry = [{"item": {"reference": each}} if isinstance(each, str) else each for each in items]
    made = {
        "resourceType": "List",
        "id": id_,
        "status": "current",
        "mode": "working",
        "subject": {"reference": "Patient/lea"},
    }
    return {**made, "entry": entry, **more}


def test_what_stands_in_a_list_is_searched(world):
    """R103: `_list`."""
    lived(world)
    gone = {"item": {"reference": "Observation/b"}, "deleted": True}
    world.put(listing("l", "Observation/a", "Condition/c", gone, mode="changes"))
    world.put(listing("m", "Observation/a", "Observation/b"))

    assert "a" == found(world, "Observation?_list=l")
    assert "a" == found(world, "Observation?_list=List/l&code=8867-4")
    assert "c" == found(world, "Condition?_list=l")
    assert "a b" == found(world, "Observation?_list=m")
    assert "a" == found(world, "Observation?_list=l&_list=m")
    assert "" == found(world, "Observation?_list=none")
    got = world.ask(people.doctor(), "GET", "Observation?_list=m&patient=lea&_summary=count")
    assert (200, 2) == (got.status, got.json["total"])


@pytest.mark.parametrize("query", ["_list=$current-problems", "_list=a/b", "_list:not=l", "_list=a,b"])
def test_a_list_that_is_none_is_refused(world, query):
    assert 400 == world.ask(OPERATOR, "GET", f"Observation?{query}").status


def test_a_list_is_seen_or_as_if_it_were_not_there(world):
    """Decisions 16 and 17: neither a hidden List nor its hidden items help to find anything."""
    world.put(letter_of("lea", "seen", None))
    world.put(letter_of("lea", "hidden", "MASQUE_PS"))
    world.put(listing("mixed", "DocumentReference/seen", "DocumentReference/hidden"))
    world.put(listing("shut", "DocumentReference/hidden"))
    radiologist, stranger = people.radiologist(), people.professional("inconnu", "10000000005")

    assert "seen" == found(world, "DocumentReference?_list=mixed&patient=lea", radiologist)
    assert "hidden seen" == found(world, "DocumentReference?_list=mixed&patient=lea", people.doctor())
    for who in (radiologist, stranger):
        for id_ in ("shut", "none"):
            assert "" == found(world, f"DocumentReference?_list={id_}", who)
    small = people.doctor(scopes=("user/DocumentReference.rs",))
    answers = [world.ask(small, "GET", f"DocumentReference?_list={each}") for each in ("mixed", "none")]
    assert [403, 403] == [each.status for each in answers]
    assert answers[0].json == answers[1].json


def test_contained_resources_are_not_searched_where_nobody_asks_for_them(world):
    """R108."""
    inner = {"resourceType": "Observation", "id": "in", "status": "final", "code": {"text": "dedans"}}
    world.put(observed("out", contained=[inner], hasMember=[{"reference": "#in"}]))

    assert "out" == found(world, "Observation?_contained=false")
    assert "" == found(world, "Observation?_contained=false&code:text=dedans")
    for query in ("_contained=x", "_containedType=x", "_contained:not=true"):
        assert 400 == world.ask(OPERATOR, "GET", f"Observation?{query}").status


def test_a_source_is_searched_by(world):
    """R103: `_source`."""
    world.put(observed("a", meta={"source": "http://lab.example/sys#1"}))

    assert "a" == found(world, "Observation?_source=http://lab.example/sys%231")
    assert "a" == found(world, "Observation?_source:below=http://lab.example")
