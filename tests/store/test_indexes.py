"""Every query is an index scan that examines at most twice what it returns (decisions on speed: docs/performance.md).

MongoDB's own profiler says so, of whatever a request really asked, in a town of many records.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from bench import town
from fhir_server.foundation.predicate import EVERYTHING, Has
from fhir_server.search.query import Order
from fhir_server.store.visible import VisibleStore
from tests.kit import people
from tests.kit.world import BASE, World, label, opening, patient, practitioner, submission

RECORDS = 40
ONE = 7
ASKED = ("resources", "history", "ledger")
NEWEST = (Order("updated", descending=True), Order("id", descending=True))
HELD = town.patient_id(ONE)
DOCUMENT = f"DocumentReference/{town.document_id(ONE, 3)}"


def physician(**more):
    return people.professional(town.practitioner_id(ONE), town.rpps(ONE % town.PRACTITIONERS), **more)


@pytest.fixture(scope="module")
def town_database(mongo_client):
    name = "town"
    yield mongo_client[name]
    mongo_client.drop_database(name)


@pytest.fixture(scope="module")
def world(town_database):
    made = World(town_database)
    town.found_the_town(made.house)
    town.fill(made.house, 0, RECORDS)
    yield made
    made.close()


@contextmanager
def profiled(database):
    """The queries that MongoDB ran meanwhile on the collections that grow, as its profiler tells them.

    Plans are made anew: what it remembers by the shape of a query depends on what was asked before.
    """
    found = []
    database.command("profile", 0)
    for name in ASKED:
        database.command("planCacheClear", name)
    database["system.profile"].drop()
    database.command("profile", 2)
    try:
        yield found
    finally:
        database.command("profile", 0)
        for each in database["system.profile"].find():
            ours = each.get("ns", "").partition(".")[2] in ASKED
            if ours and each.get("planSummary") and each["op"] in ("query", "command"):
                found.append(each)


def told(each):
    return f"{each['ns']} {each['planSummary']} examined {each.get('docsExamined')} returned {returned(each)}"


def counts(each):
    """An exact total reads every match, by an index."""
    return "aggregate" in each["command"]


def returned(each):
    return each.get("nreturned", 0)


def following(world, who, url):
    """The address of the page after the first."""
    link = world.ask(who, "GET", url).json["link"][-1]
    assert "next" == link["relation"]
    return link["url"].removeprefix(f"{BASE}/")


SHAPES = {
    "a document by id, in its record's context": (physician(patient=HELD), DOCUMENT),
    "a document by id, in no context": (physician(), DOCUMENT),
    "a page of twenty documents": (physician(patient=HELD), f"DocumentReference?patient={HELD}"),
    "a page by subject": (physician(), f"DocumentReference?subject=Patient/{HELD}"),
    "a page in the order of the documents' dates": (physician(), f"DocumentReference?patient={HELD}&_sort=-date"),
    "a short page": (physician(), f"DocumentReference?patient={HELD}&_count=5&_total=none"),
    "the documents of a type": (physician(), f"DocumentReference?patient={HELD}&type=http://loinc.org|34133-9"),
    "one document by its identifier": (
        people.operator(),
        f"DocumentReference?identifier=urn:ietf:rfc:3986|{town.master_identifier(ONE, 3)}",
    ),
    "what is contained in a record": (
        physician(patient=HELD),
        f"DocumentReference?patient={HELD}&_contained=both&_sort=-_lastUpdated",
    ),
    "one document by its identifier, with a token for its record": (
        physician(patient=HELD, scopes=("patient/*.rs",)),
        f"DocumentReference?identifier=urn:ietf:rfc:3986|{town.master_identifier(ONE, 3)}",
    ),
    "a record by an organization and all within it": (
        physician(patient=HELD),
        f"DocumentReference?patient={HELD}&custodian:below=Organization/cabinet",
    ),
    "the holder's consents": (people.holder(HELD), f"Consent?patient={HELD}"),
    "a holder by INS": (physician(), f"Patient?identifier={town.INS}|{town.ins(ONE)}"),
    "a record by INS": (physician(), f"DocumentReference?patient.identifier={town.INS}|{town.ins(ONE)}"),
    "a professional by RPPS": (physician(), f"Practitioner?identifier={town.RPPS}|{town.rpps(2)}"),
    "who opened the record": (people.holder(HELD), f"AuditEvent?patient={HELD}&_sort=-date"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_bench_and_of_consultation_is_an_index_scan(world, town_database, shape):
    who, url = SHAPES[shape]
    world.ask(who, "GET", url)  # what decides over the record is remembered from here on
    with profiled(town_database) as found:
        answered = world.ask(who, "GET", url)

    assert 200 == answered.status, answered.json
    assert answered.json.get("total") != 0
    assert found
    assert [] == [told(each) for each in found if "COLLSCAN" in each["planSummary"]]
    assert [] == [told(each) for each in found if not counts(each) and each["docsExamined"] > 2 * returned(each)]


def test_whatever_refers_to_a_document_is_found_by_an_index(world, town_database):
    """`_revinclude=*`; of the ledger, which is all but empty here, only that it is not scanned."""
    who, url = (
        physician(patient=HELD),
        f"DocumentReference?patient={HELD}&_id={DOCUMENT.partition('/')[2]}&_revinclude=*",
    )
    world.ask(who, "GET", url)
    with profiled(town_database) as found:
        assert 200 == world.ask(who, "GET", url).status

    assert [] == [told(each) for each in found if "COLLSCAN" in each["planSummary"]]
    kept = [each for each in found if each["ns"] == "town.resources"]
    assert kept
    assert [] == [told(each) for each in kept if not counts(each) and each["docsExamined"] > 2 * returned(each)]


def test_a_chain_that_finds_nobody_on_its_way_examines_nothing(world, town_database):
    url = "DocumentReference?author:Practitioner.family=nobody"
    world.ask(people.operator(), "GET", url)
    with profiled(town_database) as found:
        answered = world.ask(people.operator(), "GET", url)
    assert (200, 0) == (answered.status, answered.json["total"])
    kept = [each for each in found if each["ns"] == "town.resources"]
    assert kept
    assert [] == [told(each) for each in kept if each["docsExamined"]]


def test_a_read_in_context_and_a_page_are_one_round_trip_each(world, town_database):
    who = physician(patient=HELD)
    for url in (DOCUMENT, f"DocumentReference?patient={HELD}"):
        world.ask(who, "GET", url)
        with profiled(town_database) as found:
            world.ask(who, "GET", url)
        assert ["town.resources"] == [each["ns"] for each in found]


@pytest.mark.parametrize(
    ("who", "url"),
    [
        (physician(patient=HELD), f"DocumentReference?patient={HELD}&_count=5&_total=none"),
        (
            physician(patient=HELD),
            f"DocumentReference?patient={HELD}&type=http://loinc.org|34133-9&_count=1&_total=none",
        ),
        (people.operator(), "DocumentReference?_count=5&_total=none"),
        (people.operator(), "?_type=DocumentReference,Consent&_count=5&_total=none"),
    ],
)
def test_a_page_that_follows_asks_once_more_by_an_index_and_examines_nothing_where_nothing_was_updated(
    world, town_database, who, url
):
    """Row 73; the town was filled just now, so that nothing in it is settled: what was made is not looked at."""
    updated = town_database.resources.count_documents({"version": {"$gt": 1}})
    url = following(world, who, url)
    world.ask(who, "GET", url)
    with profiled(town_database) as found:
        assert 200 == world.ask(who, "GET", url).status

    kept = [each for each in found if each["ns"] == "town.resources"]
    page, moved = sorted(kept, key=counts)
    assert ["IXSCAN", "IXSCAN"] == [each["planSummary"].partition(" ")[0] for each in (page, moved)]
    # each that another test updated, and its versions
    assert moved["docsExamined"] <= 4 * updated
    assert moved["keysExamined"] <= 4 * updated + 5


def test_what_was_updated_between_two_pages_is_all_that_the_next_one_examines_besides(world, town_database):
    who, url = physician(patient=HELD), f"DocumentReference?patient={HELD}&_count=2&_total=none"
    url = following(world, who, url)
    world.pass_time(minutes=1)
    mask = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    for document in (DOCUMENT, f"DocumentReference/{town.document_id(ONE + 1, 3)}"):
        for patch in (mask, [{"op": "remove", "path": "/securityLabel/1"}]):
            assert 200 == world.ask(people.operator(), "PATCH", document, patch).status
    world.ask(who, "GET", url)
    with profiled(town_database) as found:
        assert 200 == world.ask(who, "GET", url).status

    (moved,) = (each for each in found if each["ns"] == "town.resources" and counts(each))
    assert [] == [told(each) for each in found if "COLLSCAN" in each["planSummary"]]
    assert 0 < moved["docsExamined"] <= 4 * town_database.resources.count_documents({"version": {"$gt": 1}})


def test_hidden_and_absent_take_the_same_round_trips_in_context(world, town_database):
    """In the context of another record the door is tried once for both, and then the owners are asked for both."""
    who = physician(patient=town.patient_id(ONE + town.PRACTITIONERS))
    hidden = f"DocumentReference/{town.document_id(ONE + 3, 0)}"
    for url in (hidden, "DocumentReference/nobody-s"):
        world.ask(who, "GET", url)
        with profiled(town_database) as found:
            answered = world.ask(who, "GET", url)
        assert 404 == answered.status
        assert 2 <= sum(each["ns"] == "town.resources" for each in found)


def test_a_page_of_a_record_never_sorts_what_it_read(world):
    door = VisibleStore(world.house.shelf, Has("patient", HELD))
    for order in (NEWEST, (Order("date:date", descending=True),)):
        plan = door.explain("DocumentReference", EVERYTHING, order, 20)

        assert "SORT" not in stages(plan["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in stages(plan["queryPlanner"]["winningPlan"])
        assert plan["executionStats"]["totalDocsExamined"] <= 2 * plan["executionStats"]["nReturned"]


def stages(plan):
    inner = [plan[name] for name in ("inputStage", "queryPlan") if name in plan] + plan.get("inputStages", [])
    return [plan.get("stage"), *(stage for each in inner for stage in stages(each))]


def test_no_step_of_the_demonstration_scans_a_collection(world, town_database):
    world.put(
        {
            "resourceType": "Organization",
            "id": "chu",
            "name": "CHU",
            "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "750712184"}],
        }
    )
    world.put(practitioner("bernard", "10000000001", "Bernard"))
    world.put(practitioner("diallo", "10000000002", "Diallo"))
    world.put(patient())
    answers = opening(treatingPhysician="Practitioner/bernard", authorized=["Practitioner/diallo"])
    mask = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    with profiled(town_database) as found:
        assert 200 == world.ask(people.holder(), "POST", "Patient/lea/$open-record", answers).status
        deposited = world.ask(people.hospital(), "POST", "", submission())
        assert 200 == deposited.status, deposited.json
        list_, document, binary = (
            each["response"]["location"].split("/fhir/")[1].split("/_history")[0] for each in deposited.json["entry"]
        )
        for who in (people.doctor(), people.radiologist(), people.holder()):
            assert (
                200 == world.ask(who, "GET", "DocumentReference?patient=lea&_include=DocumentReference:subject").status
            )
            for path in (document, list_):
                assert 200 == world.ask(who, "GET", path).status
        assert 200 == world.ask(people.doctor(), "GET", binary, native=True).status
        assert 200 == world.ask(people.holder(), "PATCH", document, mask).status
        assert 404 == world.ask(people.radiologist(), "GET", document).status
        assert 200 == world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea&_summary=count").status
        assert 200 == world.ask(people.doctor(), "GET", "AuditEvent?patient=lea&_sort=-date").status

    assert found
    assert [] == [told(each) for each in found if "COLLSCAN" in each["planSummary"]]
