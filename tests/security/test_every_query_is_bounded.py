"""Every query of a request may take the database as long as the setting allows, and no longer (issue 4, limits).

The twins' battery asks in every way there is, and fails on a query without a bound; here the ways are few and named.
"""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.family import family_life
from tests.kit.trips import TRIPS
from tests.kit.twin import new_world, tell
from tests.kit.world import label


@pytest.fixture(scope="module")
def family(counting_client):
    """The world of the twins, and what was asked without a bound while it was told."""
    log = family_life()
    world, numbers = new_world(counting_client["bounded"])
    TRIPS.unbounded.clear()
    tell(world, numbers, log.steps)
    written = sorted(set(TRIPS.unbounded))
    TRIPS.unbounded.clear()
    yield world, log.names, written
    world.close()
    counting_client.drop_database("bounded")


def test_no_write_asks_without_a_bound(family):
    """Deposits, updates, patches, deletions, the restamping of what is about them, an opening and Consents."""
    assert [] == family[2]


MASK = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
WAYS = [
    pytest.param("GET", "{d1}", None, id="read"),
    pytest.param("GET", "{d1}/_history/1", None, id="vread"),
    pytest.param("GET", "{d1}/_history", None, id="history"),
    pytest.param("GET", "DocumentReference/_history", None, id="history of a type"),
    pytest.param("GET", "_history", None, id="history of all"),
    pytest.param(
        "GET", "DocumentReference?patient=lea&_revinclude=List:item&_total=accurate&_count=1", None, id="search"
    ),
    pytest.param("GET", "DocumentReference?patient=lea&_sort=description", None, id="order"),
    pytest.param("GET", "List?item:DocumentReference.status=current", None, id="chain"),
    pytest.param("GET", "Patient?_has:DocumentReference:patient:status=current", None, id="has"),
    pytest.param("GET", "?_type=List,DocumentReference", None, id="several types"),
    pytest.param("GET", "DocumentReference?description=lettre", None, id="search without a patient"),
    pytest.param("GET", f"Patient?identifier={people.INS_SYSTEM}|{people.INS}", None, id="search by INS"),
    pytest.param("GET", "DocumentReference?_list=classeur", None, id="list"),
    pytest.param("GET", "Patient/lea/$everything", None, id="everything"),
    pytest.param("GET", "DocumentReference/$docref?patient=lea", None, id="docref"),
    pytest.param("GET", "DocumentReference/$meta", None, id="metadata of a type"),
    pytest.param("GET", "$meta", None, id="metadata of all"),
    pytest.param("GET", "DocumentReference/$explain?patient=lea", None, id="explain"),
    pytest.param("GET", "AuditEvent?patient=lea", None, id="traces"),
    pytest.param("PATCH", "{d1}", MASK, id="patch"),
    pytest.param("DELETE", "DocumentReference?patient=lea&description:exact=nothing", None, id="conditional deletion"),
    pytest.param("DELETE", "{d4}", None, id="deletion"),
]


@pytest.mark.parametrize("who", [people.radiologist(), people.holder(), people.operator()], ids=lambda who: who.subject)
@pytest.mark.parametrize(("method", "url", "body"), WAYS)
def test_no_request_asks_without_a_bound(family, who, method, url, body):
    world, names, _ = family
    TRIPS.forget()
    TRIPS.unbounded.clear()
    world.ask(who, method, url.format(**{name: each for name, each in names.items() if name.isalnum()}), body)

    assert [] == TRIPS.unbounded
    assert TRIPS.names or url.endswith("$explain?patient=lea"), "refused before anything is asked, or not counted"
