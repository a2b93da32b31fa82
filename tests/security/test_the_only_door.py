"""The only door: the floors hold, no method answers without the guard, and a page gives nothing but a place in an order."""

from __future__ import annotations

import ast
import inspect
import logging.config
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

import fhir_server
from fhir_server.definitions.library import load
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Has
from fhir_server.foundation.principal import Principal
from fhir_server.resources.consent_patterns import consent
from fhir_server.search.query import NEWEST_FIRST, Order
from fhir_server.store.documents import Stored
from fhir_server.store.given import Given
from fhir_server.store.ordering import keys_of
from fhir_server.store.pages import Page, Snapshot
from fhir_server.store.visible import VisibleStore
from tests.kit import people
from tests.kit.world import World, label, opening, patient, practitioner, submission

PACKAGE = Path(fhir_server.__file__).parent
CONTRACTS = {
    "each floor imports downwards only",
    "nobody on a floor knows who wires the house",
    "below http nobody imports the web framework",
    "a decision, a search and a definition are computed",
    "only the store, the ledger and the outbox speak to MongoDB",
    "mongoengine keeps our own records",
    "what is read before a decision is read by those a decision needs",
}


def test_the_import_contracts_hold(capsys, monkeypatch):
    from importlinter.cli import lint_imports

    # it would put its own logging in place of that of the tests that come after it, whose loggers it turns off
    monkeypatch.setattr(logging.config, "dictConfig", lambda _: None)
    monkeypatch.chdir(PACKAGE.parent)
    broken = lint_imports(config_filename="setup.cfg", no_cache=True)
    said = " ".join(capsys.readouterr().out.split())

    assert 0 == broken, said
    assert set() == {each for each in CONTRACTS if each not in said}


def test_who_is_given_the_shelf_does_not_reach_into_it():
    """A shelf passes through the house to the door; its collections are taken down in the store alone."""
    reached = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0]
        in ("http", "interactions", "consent", "smart", "notices", "search", "resources")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute | ast.Name)
        and (node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id) in ("shelf", "_shelf")
        and node.attr in ("resources", "history", "of", "ledger", "collections")
    ]

    assert [] == reached


def test_a_store_keeps_its_collections_to_itself(world):
    assert [] == [name for name in vars(VisibleStore(world.house.shelf, NOTHING)) if not name.startswith("_")]


@pytest.fixture
def world(database):
    numbers = count(1)
    # as ids of a process are: in order of time
    made = World(database, ids=lambda: f"00000000-0000-7000-8000-{next(numbers):012d}")
    made.put(
        {
            "resourceType": "Organization", "id": "chu", "name": "CHU",
            "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "750712184"}],
        }
    )  # fmt: skip
    made.put(practitioner("bernard", "10000000001", "Bernard"))
    made.put(practitioner("diallo", "10000000002", "Diallo"))
    made.put(patient())
    answered = made.ask(
        people.holder(), "POST", "Patient/lea/$open-record",
        opening(treatingPhysician="Practitioner/bernard", authorized=["Practitioner/diallo"]),
    )  # fmt: skip
    assert 200 == answered.status, answered.json
    yield made
    made.close()


@pytest.fixture
def documents(world):
    """Five documents, each with its List and its content; the documents' addresses."""
    found = []
    for number in range(5):
        world.pass_time(seconds=1)
        bundle = submission(f"urn:oid:1.2.250.1.999.{number}", content=f"letter {number}".encode())
        answered = world.ask(people.hospital(), "POST", "", bundle)
        assert 200 == answered.status, answered.json
        found.append(answered.json["entry"][1]["response"]["location"].split("/fhir/")[1].split("/_history")[0])
    return found


def corrected(world, document):
    """A document that is masked the day after it came."""
    world.pass_time(days=1)
    patch = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    assert 200 == world.ask(people.holder(), "PATCH", document, patch).status


EVENING = Snapshot.begun(micros(datetime(2026, 11, 23, 22, tzinfo=UTC)), micros(datetime(2026, 11, 24, tzinfo=UTC)))
"""A walk that began before that."""
# Each public method, asked for what is there: what it gives under a guard that lets nothing through.
UNDER_NOTHING = {
    "read": (lambda door, type_, id_, _: door.read(type_, id_), None),
    "gone": (lambda door, type_, id_, _: door.gone(type_, id_), None),
    "vread": (lambda door, type_, id_, _: door.vread(type_, id_, 1), None),
    "history": (lambda door, type_, id_, _: door.history(type_, id_, 10), ([], 0)),
    "versions": (lambda door, type_, _id, _: list(door.versions(type_, None, None, 50)), []),
    "recreated": (
        lambda door, type_, id_, _: door.recreated(type_, [Stored(f"{type_}/{id_}", type_, each, 0, {}, "") for each in (2, 3)]),
        set(),
    ),
    "page": (lambda door, type_, _id, _: door.page(type_, EVERYTHING, (Order("id", descending=False),), 10), Page()),
    "moved": (lambda door, type_, _id, _: door.moved(type_, EVERYTHING, keys_of(NEWEST_FIRST), 10, EVENING), Page()),
    "count": (lambda door, type_, _id, _: door.count(type_, EVERYTHING), 0),
    "follow": (lambda door, type_, id_, _: door.follow([f"{type_}/{id_}"]), []),
    "newest": (lambda door, *_: door.newest(EVERYTHING, 10), []),
    "sees": (lambda door, _t, _id, envelope: door.sees(envelope), False),
    "shows": (lambda door, _t, _id, envelope: door.shows(envelope), False),
    "explain": (
        lambda door, type_, _id, _: door.explain(type_, EVERYTHING, (Order("id", descending=False),), 10)["executionStats"]["nReturned"],
        0,
    ),
    "within": (lambda door, type_, id_, _: door.within(EVERYTHING).read(type_, id_), None),
    "lasting": (lambda door, type_, id_, _: door.lasting(Given(1_000_000)).read(type_, id_), None),
    "metadata": (lambda door, type_, _id, _: door.metadata(type_, EVERYTHING), []),
    "linked": (lambda door, type_, _id, _: door.linked(type_, EVERYTHING, (), 10), []),
    "guard": (lambda door, *_: door.guard, NOTHING),
}  # fmt: skip
# What takes a version that is at hand: handed out by a door before, or written by who asks.
OF_WHAT_WAS_HANDED_OUT = {"content", "shown", "as_if_unnamed"}


def test_every_public_method_of_the_door_is_known_here():
    public = {name for name, _ in inspect.getmembers(VisibleStore) if not name.startswith("_")}

    assert set(UNDER_NOTHING) | OF_WHAT_WAS_HANDED_OUT == public


@pytest.mark.parametrize("method", UNDER_NOTHING)
def test_under_a_guard_that_lets_nothing_through_no_method_gives_anything(world, documents, method):
    ask, nothing = UNDER_NOTHING[method]
    shelf = world.house.shelf
    world.ask(people.operator(), "DELETE", documents[0])
    corrected(world, documents[1])
    kept = [*shelf.resources.find({}), *shelf.database["ledger"].find({})]
    types = {each["_id"].partition("/")[0] for each in kept}
    assert {"Patient", "Consent", "DocumentReference", "List", "Binary", "Organization", "AuditEvent"} <= types

    for residual, scope in ((NOTHING, EVERYTHING), (EVERYTHING, NOTHING), (NOTHING, NOTHING)):
        door = VisibleStore(shelf, residual, scope)
        for each in kept:
            type_, _, id_ = each["_id"].partition("/")
            if method == "sees" and residual == EVERYTHING and scope == EVERYTHING:
                continue
            assert nothing == ask(door, type_, id_, each), (method, each["_id"], residual, scope)
        assert nothing == ask(door, *documents[0].split("/"), kept[0])


@pytest.mark.parametrize("method", sorted(set(UNDER_NOTHING) - {"guard", "gone", "vread", "history", "recreated"}))
def test_under_a_guard_that_lets_everything_through_each_method_gives_something(world, documents, method):
    """So that the test above can fail."""
    ask, nothing = UNDER_NOTHING[method]
    corrected(world, documents[1])
    envelope = world.house.shelf.resources.find_one({"_id": documents[1]})

    assert nothing != ask(VisibleStore(world.house.shelf, EVERYTHING), *documents[1].split("/"), envelope)


def test_a_door_can_only_be_narrowed(world, documents):
    door = VisibleStore(world.house.shelf, Has("patients", "somebody-else"))

    for wider in (EVERYTHING, Has("patients", "lea"), Has("resource", "DocumentReference")):
        assert None is door.within(wider).read(*documents[0].split("/"))
        assert 0 == door.within(wider).count("DocumentReference", EVERYTHING)


# --- pages

SEARCH = "DocumentReference?patient=lea&_count=2&_sort=_id"


def following(answered):
    """The next link, as an address under the base."""
    link = next((each["url"] for each in answered.json["link"] if each["relation"] == "next"), None)
    return link.split("/fhir/")[1] if link else None


def first_page(world, who, url=SEARCH):
    answered = world.ask(who, "GET", url)
    assert 200 == answered.status, answered.json
    return answered


def test_pages_lead_through_everything_that_may_be_seen_once(world, documents):
    seen, url = [], SEARCH
    while url:
        answered = first_page(world, people.radiologist(), url)
        seen += answered.ids
        url = following(answered)

    assert sorted(documents) == seen


ASKERS: dict[str, Principal] = {
    "the treating physician": people.doctor(),
    "the holder": people.holder(),
    "the operator": people.operator(),
    "the same person in another application": Principal(
        **{name: getattr(people.radiologist(), name) for name in Principal.__dataclass_fields__ if name != "client"},
        client="another",
    ),
}


@pytest.mark.parametrize("who", ASKERS.values(), ids=ASKERS)
def test_another_askers_page_is_refused(world, documents, who):
    page = following(first_page(world, people.radiologist()))

    assert 200 == world.ask(people.radiologist(), "GET", page).status
    assert 400 == world.ask(who, "GET", page).status


def changed(page, **parameters):
    path, _, query = page.partition("?")
    pairs = [(name, value) for name, value in parse_qsl(query) if name not in parameters]
    return f"{path}?{urlencode([*pairs, *((n, v) for n, v in parameters.items() if v is not None)])}"


@pytest.mark.parametrize(
    "change",
    [
        {"patient": "nobody"}, {"patient": None}, {"status": "current"}, {"_sort": "date"}, {"_sort": None}, {"_count": "3"},
        {"_include": "DocumentReference:subject"}, {"_revinclude": "List:item"}, {"_total": "accurate"},
        {"security-label": "MASQUE_PS"},
    ],
    ids=str,
)  # fmt: skip
def test_a_page_of_a_changed_query_is_refused(world, documents, change):
    page = following(first_page(world, people.radiologist()))

    assert world.ask(people.radiologist(), "GET", changed(page, **change)).status in (400, 403)


def test_a_page_of_one_type_is_no_page_of_another(world, documents):
    page = following(first_page(world, people.radiologist()))

    assert 400 == world.ask(people.radiologist(), "GET", page.replace("DocumentReference", "List", 1)).status


def test_a_page_that_was_tampered_with_is_refused(world, documents):
    page = following(first_page(world, people.radiologist()))
    token = dict(parse_qsl(page.partition("?")[2]))["_page"]
    for at in range(0, len(token), 3):
        other = "A" if token[at] != "A" else "B"
        bad = token[:at] + other + token[at + 1 :]
        assert 400 == world.ask(people.radiologist(), "GET", changed(page, _page=bad)).status, bad
    for bad in ("x", token[:-4], token + "AAAA", token[::-1], "A" * 5000):
        assert 400 == world.ask(people.radiologist(), "GET", changed(page, _page=bad)).status, bad


def test_a_page_does_not_show_where_it_leads(world, documents):
    page = following(first_page(world, people.radiologist()))

    assert documents[1].partition("/")[2] not in page


def test_after_a_block_the_next_page_is_403(world, documents):
    page = following(first_page(world, people.radiologist()))
    blocked = consent("ps-blocage", "Patient/lea", "2026-11-23T10:00:10Z", actor="Practitioner/diallo")
    assert 201 == world.ask(people.holder(), "POST", "Consent", blocked).status

    assert 403 == world.ask(people.radiologist(), "GET", page).status
    assert 200 == world.ask(people.doctor(), "GET", following(first_page(world, people.doctor()))).status


def test_after_the_end_of_an_authorisation_the_next_page_is_403(world, documents):
    page = following(first_page(world, people.radiologist()))
    given = [
        each["resource"]
        for each in world.ask(people.holder(), "GET", "Consent?patient=lea&_count=50").json["entry"]
        if "Practitioner/diallo" in str(each["resource"].get("provision"))
    ]
    assert given
    for each in given:
        ended = world.ask(people.holder(), "PUT", f"Consent/{each['id']}", {**each, "status": "inactive"})
        assert 200 == ended.status, ended.json

    assert 403 == world.ask(people.radiologist(), "GET", page).status


def test_a_document_masked_between_pages_is_on_none_that_follows(world, documents):
    page = following(first_page(world, people.radiologist()))
    masked = sorted(documents)[2]
    patch = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    assert 200 == world.ask(people.holder(), "PATCH", masked, patch).status

    seen = []
    while page:
        answered = first_page(world, people.radiologist(), page)
        seen += answered.ids
        page = following(answered)
    assert sorted(documents)[3:] == seen


def test_a_record_that_was_shut_between_pages_is_shut_to_includes_and_history_alike(world, documents):
    url = "DocumentReference?patient=lea&_count=1&_include=DocumentReference:subject&_revinclude=List:item"
    page = following(first_page(world, people.radiologist(), url))
    blocked = consent("ps-blocage", "Patient/lea", "2026-11-23T10:00:10Z", actor="Practitioner/diallo")
    assert 201 == world.ask(people.holder(), "POST", "Consent", blocked).status

    assert 403 == world.ask(people.radiologist(), "GET", page).status
    for each in documents:
        assert 404 == world.ask(people.radiologist(), "GET", f"{each}/_history").status
        assert 404 == world.ask(people.radiologist(), "GET", f"{each}/_history/1").status


def test_no_type_opens_without_a_decision(world, documents):
    """Somebody who is nobody to anybody: every search of a record is 403 or empty, of whatever type."""
    stranger = people.professional("nobody", "10000000077", profession="60")
    for type_ in load().endpoints:
        answered = world.ask(stranger, "GET", f"{type_}?_count=1")
        if answered.status == 200:
            shown = [each["resource"] for each in answered.json.get("entry", ())]
            assert all(each["resourceType"] in world.house.matrix.shared_types for each in shown), type_
