"""Durations of `rules.json` that sign-in and opening read: each turned over alone changes what people meet."""

from datetime import timedelta

import pytest

from fhir_server.interactions.directory import StoredDirectory
from tests.kit.changed_law import changed, everywhere
from tests.kit.smart import INS, World
from tests.kit.world import World as Served


@pytest.fixture
def under(mongo_uri, database):
    """A world under another law, for as long as the test."""
    made = []

    def build(path, value):
        law = everywhere(changed(path, value))
        law.__enter__()
        world = World(mongo_uri, database.name)
        made.append((law, world))
        world.an_app()
        return world

    yield build
    for law, world in reversed(made):
        world.smart.close()
        law.__exit__(None, None, None)


def at_the_code(world):
    world.a_holder()
    person = world.browser().authorize().submit(who="person")
    return person.submit(identifier="lea", password="mot de passe")


@pytest.mark.parametrize(("minutes", "good"), [(10, True), (9, False)])
def test_a_one_time_code_is_good_as_long_as_the_law_says(under, minutes, good):
    # DMP-30
    world = under(("access", "oneTimeCodeMinutes"), minutes)
    person = at_the_code(world)
    world.clock.ahead = timedelta(minutes=9, seconds=30)
    assert good == ("Autoriser « L’app » ?" == person.submit(code=world.sent[-1][1]).title)


@pytest.mark.parametrize(("failures", "locked"), [(3, True), (4, False)])
def test_an_account_is_locked_after_as_many_failures_as_the_law_says(under, failures, locked):
    world = under(("access", "failuresBeforeLock"), failures)
    world.a_holder()
    person = world.browser().authorize().submit(who="person")
    for _ in range(3):
        person.submit(identifier="lea", password="faux")
    assert locked == (429 == person.submit(identifier="lea", password="faux").response.status_code)


@pytest.mark.parametrize(("days", "good"), [(60, True), (59, False)])
def test_a_creation_code_is_good_as_long_as_the_law_says(under, days, good):
    # DMP-24
    world = under(("creation", "codeDays"), days)
    world.browser().get("/auth/creation-code").submit(number=INS, way="mail")
    world.clock.ahead = timedelta(days=59, hours=1)
    opened = world.browser().get("/auth/opening").submit(number=INS, code=world.sent[-1][1], contact="a@b.example")
    assert good == ("Vos identifiants" == opened.title)


@pytest.mark.parametrize("at_once", [3, 2])
def test_as_many_creation_codes_are_on_their_way_as_the_law_says(under, at_once):
    world = under(("creation", "codesAtOnce"), at_once)
    for _ in range(3):
        world.browser().get("/auth/creation-code").submit(number=INS, way="mail")
    assert at_once == sum(recipient.channel == "mail" for recipient, _ in world.sent)


@pytest.mark.parametrize(
    ("name", "told"), [("mailHours", "31 heures"), ("postDays", "31 jours"), ("codeDays", "31 jours")]
)
def test_people_are_told_the_delays_of_the_law(under, name, told):
    # DMP-24
    world = under(("creation", name), 31)
    person = world.browser().get("/auth/creation-code")
    assert (told in person.page) or told in person.submit(number=INS, way="mail").page


@pytest.mark.parametrize(("url", "online"), [("dmp-not-online", False), ("autre", True)])
def test_who_is_kept_from_opening_online_is_told_by_the_extension_the_law_names(database, url, online):
    """DMP-90, K12: an adult whom the scheme keeps to a third party; what a Patient says is what the directory reads."""
    base = "https://dmp-on-fhir.example/StructureDefinition/"
    world = Served(database)
    world.put(
        {
            "resourceType": "Patient",
            "id": "lea",
            "active": False,
            "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.10", "value": INS}],
            "birthDate": "1984-05-12",
            "extension": [{"url": f"{base}dmp-not-online", "valueBoolean": True}],
        }
    )
    try:
        with everywhere(changed(("creation", "notOnline"), f"{base}{url}")):
            assert online == StoredDirectory(world.house.shelf).insured(INS).online
    finally:
        world.close()
