"""Sorting by any parameter that has an order (row 84)."""

from __future__ import annotations

import pytest

from fhir_server.search.parse import parse
from fhir_server.search.query import in_order
from tests.http.test_compartment_searches import lived, observed
from tests.kit import people
from tests.kit.world import BASE, patient

OPERATOR = people.operator()


def named(id_, *names, **more):
    identifier = [{"system": "urn:x", "value": id_}]
    return patient(id_, identifier=identifier, name=[{"family": each} for each in names], **more)


def measured(id_, value=None, unit="mm", **more):
    quantity = {} if value is None else {"valueQuantity": {"value": value, "unit": unit}}
    return observed(id_, **quantity, **more)


@pytest.fixture
def people_there(world):
    world.put(named("a", "Éluard", "Zola", gender="male", birthDate="1990-01-01"))
    world.put(named("b", "eluard"))
    world.put(named("c", "Dupont", birthDate="1950"))
    world.put({name: each for name, each in named("d").items() if name not in ("name", "gender", "birthDate")})
    return world


def walked(world, url, who=OPERATOR):
    seen = []
    while url:
        got = world.ask(who, "GET", url)
        assert 200 == got.status, got.json
        seen += [each.partition("/")[2] for each in got.ids]
        url = next((each["url"][len(BASE) + 1 :] for each in got.json["link"] if each["relation"] == "next"), None)
        assert len(seen) < 99
    return " ".join(seen)


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("family,_id", "c a b d"),
        ("-family,_id", "a b c d"),
        ("family,-_id", "c b a d"),
        ("birthdate", "c b a d"),
        ("-birthdate", "a b c d"),
        ("gender", "b c a d"),
        ("-gender", "a c b d"),
        ("gender,-birthdate,family", "b c a d"),
        ("-identifier", "d c b a"),
        ("-_lastUpdated,family", "c a b d"),
    ],
)
def test_what_is_missing_comes_last_and_pages_hold_on(people_there, sort, expected, count):
    """R84."""
    assert expected == walked(people_there, f"Patient?_id=a,b,c,d&_sort={sort}&_count={count}")


def test_numbers_quantities_uris_and_references(world):
    """R84."""
    world.put(
        {
            "resourceType": "Encounter",
            "id": "e1",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/lea"},
        }
    )
    for id_, value in (("a", 10), ("b", 9), ("c", -3), ("d", None), ("e", 0.5), ("f", 9.0)):
        world.put(measured(id_, value))
    assert "c e b f a d" == walked(world, "Observation?_sort=value-quantity,_id&_count=1")
    assert "a b f e c d" == walked(world, "Observation?_sort=-value-quantity,_id&_count=2")
    for id_, url in (("x", "http://b.org"), ("y", "http://a.org")):
        world.put({"resourceType": "ValueSet", "id": id_, "status": "active", "url": url})
    assert "y x" == walked(world, "ValueSet?_sort=url&_count=1")
    for id_, who in (("a", "noel"), ("b", "bernard")):
        world.put(measured(id_, 1, performer=[{"reference": f"Practitioner/{who}"}]))
    assert "b a c d e f" == walked(world, "Observation?_sort=performer,_id&_count=2")
    for id_, probability in (("x", 0.8), ("y", 0.1)):
        world.put(
            {
                "resourceType": "RiskAssessment",
                "id": id_,
                "status": "final",
                "subject": {"reference": "Patient/lea"},
                "prediction": [{"probabilityDecimal": probability}],
            }
        )
    assert "y x" == walked(world, "RiskAssessment?_sort=probability&_count=1")


def test_memory_and_store_sort_alike(world):
    """The order's two interpreters."""
    lived(world)
    for id_, value in (("m", 2), ("n", 1), ("o", None)):
        world.put(measured(id_, value, issued=f"2026-01-0{1 + len(str(value))}T00:00:00Z"))
    documents = list(world.house.shelf.resources.find({"type": "Observation"}))
    for sort in (
        "code",
        "-value-quantity",
        "date,status",
        "performer,-_lastUpdated",
        "-subject,_id",
        "encounter,-date,-_id",
    ):
        order = parse("Observation", [("_sort", sort)], lenient=False, base=BASE).order
        expected = [each["_id"] for each in in_order(order, documents)]
        assert expected == world.ask(OPERATOR, "GET", f"Observation?_sort={sort}&_count=50").ids, sort
        assert " ".join(each.partition("/")[2] for each in expected) == walked(
            world, f"Observation?_sort={sort}&_count=2"
        )


@pytest.mark.parametrize("sort", ["code-value-quantity", "nonsense", "-", "code:missing", "a,b,c,d,e", "_text", "_has"])
def test_what_has_no_order_is_refused(world, sort):
    """R84."""
    assert 400 == world.ask(OPERATOR, "GET", f"Observation?_sort={sort}").status


def test_a_sort_that_reads_too_much_is_too_costly(world):
    """No index serves it: it reads every match, within the time that a query may take."""
    world.put(measured("m", 1))
    kept = world.house.shelf.resources.find_one({"_id": "Observation/m"})
    world.house.shelf.resources.insert_many({**kept, "_id": f"Observation/m{number}"} for number in range(20_000))
    world.house.shelf.max_time_ms = 1
    sort = ",".join(f"{each}" for each in ("value-quantity", "performer", "-code", "status"))
    got = world.ask(OPERATOR, "GET", f"Observation?_sort={sort}")

    assert (400, "too-costly") == (got.status, got.json["issue"][0]["code"])


def test_a_hidden_document_orders_nothing_of_what_mentions_it(world):
    """No oracle: a reference that is not to be seen must not order anything (decisions 16)."""
    from tests.kit.family import appends, letter_of

    for id_ in ("t1", "t2"):
        world.put(letter_of("lea", id_, "MASQUE_PS"))
    for id_, target in (("x", "t2"), ("y", "t1"), ("z", None)):
        body = letter_of("lea", id_, None)
        world.put({**body, **(appends(f"DocumentReference/{target}") if target else {})})
    for sort in ("relatesto", "-relatesto", "relation", "-relation"):
        for who in (people.radiologist(), people.doctor()):
            got = world.ask(who, "GET", f"DocumentReference?patient=lea&_id=x,y,z&_sort={sort},_id")
            assert ["DocumentReference/x", "DocumentReference/y", "DocumentReference/z"] == got.ids, (sort, who.subject)


def test_one_key_twice_is_that_key_and_no_page_is_lost(world):
    """https://hl7.org/fhir/R4/search.html#sort: the second breaks no tie that the first leaves."""
    for number in range(6):
        world.ask(people.doctor(), "GET", "Patient/lea")
        world.pass_time(minutes=number + 1)
    for sort in ("-_lastUpdated", "_lastUpdated", "-date", "date"):
        other = sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"
        about = "AuditEvent?patient=lea&subtype=read&_count=2&_sort="
        once, twice = (
            walked(world, about + sort, people.holder()),
            walked(world, f"{about}{sort},{other}", people.holder()),
        )
        assert once == twice
        assert 6 == len(once.split())


def test_traces_and_documents_are_sorted_together_by_their_date(world):
    world.ask(people.doctor(), "GET", "Patient/lea")
    got = world.ask(people.holder(), "GET", "Patient/lea/*?_type=AuditEvent,Observation&_sort=-date")
    assert 200 == got.status, got.json
    assert got.ids
