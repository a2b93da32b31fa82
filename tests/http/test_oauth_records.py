"""Records: what is kept forgets itself in time, and what may be used once is used once whoever comes together."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import OperationFailure

from fhir_server.foundation.problem import Problem
from fhir_server.smart.records import fingerprint
from tests.kit.smart import World


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    made.an_app()
    yield made
    made.smart.close()


def together(times, act):
    """What `act` returns for each of several threads that begin at once."""
    barrier, found = threading.Barrier(times), []

    def run():
        barrier.wait()
        found.append(act())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def test_of_several_who_bring_one_code_at_most_one_gets_a_token_and_none_keeps_it(world):
    """SMART-T14."""
    world.a_holder()
    code = world.browser().code()
    answers = together(6, lambda: world.app.test_client().post("/auth/token", data=world.exchange_form(code)))
    given = [each.json["access_token"] for each in answers if each.status_code == 200]
    assert len(given) <= 1 and {200, 400} >= {each.status_code for each in answers}
    for token in given:
        with pytest.raises(Problem):
            world.principal(token)


def test_of_several_who_bring_one_assertion_one_is_believed(world):
    """SMART-K11."""
    key = world.a_system()
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": world.assertion(key),
        "scope": "system/*.rs",
    }
    answers = together(6, lambda: world.app.test_client().post("/auth/token", data=form).status_code)
    assert [200, 401, 401, 401, 401, 401] == sorted(answers)


def test_attempts_are_counted_whoever_comes_together(world):
    counted = together(
        8, lambda: world.smart.records.attempts.put("k", inc__count=1, set__expires=datetime.now(UTC)).count
    )
    assert list(range(1, 9)) == sorted(counted)


def test_what_has_a_time_is_removed_by_the_database(world, database):
    timed = {
        kind._get_collection_name(): "expires" if "expires" in kind._fields else "ends"
        for kind in world.smart.records.kinds()
        if {"expires", "ends"} & set(kind._fields) and kind is not world.smart.records.signing_keys
    }
    assert 10 == len(timed)
    for collection, field in timed.items():
        assert 0 == database[collection].index_information()[f"{field}_1"]["expireAfterSeconds"]


def test_secrets_are_kept_as_hashes(world, database):
    world.a_holder()
    world.an_app("symmetric", client_id="confidential", secret="the-secret-of-the-app")
    person = world.browser()
    code = person.code()
    told = world.exchange(code).json
    kept = str([list(database[name].find()) for name in database.list_collection_names() if name != "smart_keys"])
    cookie = person.client.get_cookie("dmp").value
    secrets = (code, told["refresh_token"], told["access_token"], cookie, "mot de passe", "the-secret-of-the-app")
    assert [] == [each for each in secrets if each in kept]
    assert fingerprint(code) in kept


def test_a_key_is_drawn_once_by_workers_that_start_together(world):
    world.smart.records.signing_keys.drop()
    world.smart.keys._forget("")
    together(4, lambda: world.smart.keys.signing("ES256"))
    assert 1 == len(world.smart.records.signing_keys.all(alg="ES256"))


def test_a_fault_of_the_database_is_told_as_such(world, database):
    database.command("collMod", "smart_launches", validator={"absent": {"$exists": True}}, validationLevel="strict")
    with pytest.raises(OperationFailure):
        world.smart.launches.create("app", world.a_doctor(), "p1")


def test_what_the_sandbox_forgets(world):
    world.a_holder()
    world.smart.records.empty()
    assert world.smart.clients.list() == [] and world.smart.accounts.find("lea") is None
    assert world.smart.keys.published()["keys"]


def test_a_session_without_a_word_ends(world):
    session, secret = world.smart.sessions.begin()
    assert session.key == world.smart.sessions.find(secret).key
    world.clock.ahead = timedelta(minutes=29)
    assert world.smart.sessions.find(secret) is not None
    world.clock.ahead = timedelta(minutes=58)
    assert world.smart.sessions.find(secret) is not None, "it was seen in between"
    world.clock.ahead = timedelta(minutes=61)
    assert world.smart.sessions.find(secret) is None, "nobody stays anonymous for longer than an hour"
