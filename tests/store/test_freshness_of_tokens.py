"""What ends outside a transaction of its author is heard of by every worker, whenever that worker looks."""

import threading

import pytest

from fhir_server.store.freshness import Freshness


@pytest.fixture
def workers(database):
    made = [Freshness(database, f"worker-{number}") for number in range(2)]
    made[0].prepare()
    yield made
    for each in made:
        each.stop()


def test_a_token_that_was_revoked_was_still_good_in_a_worker_that_looked_at_that_very_moment(workers):
    """Decisions 19: a number that can be seen without what it stands for is passed over, and never looked at again."""
    ending, working = workers
    heard, done = set(), threading.Event()
    working.on("token", heard.add)
    working.check()
    heard.clear()

    def look():
        while not done.is_set():
            working._catch_up()

    looking = threading.Thread(target=look)
    looking.start()

    def end(place):
        for number in range(40):
            ending.bump("token", f"{place}-{number}")

    ends = [threading.Thread(target=end, args=(place,)) for place in range(3)]
    for each in ends:
        each.start()
    for each in ends:
        each.join()
    done.set()
    looking.join()
    working._catch_up()
    assert {f"{place}-{number}" for place in range(3) for number in range(40)} == heard
