"""Ids: of version 7, in the order of their moments, and never twice, whoever makes them."""

from __future__ import annotations

import os
import threading
import time
import uuid

from fhir_server.foundation.uuid7 import random_bytes, uuid7


def test_an_id_is_a_uuid_of_version_7_and_its_moment():
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(uuid7())

    assert (7, uuid.RFC_4122, str(made)) == (made.version, made.variant, str(made).lower())
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_no_bytes_are_given_twice_to_threads_that_ask_at_once():
    given = [[] for _ in range(8)]

    def take(mine):
        mine.extend(random_bytes() for _ in range(2_000))

    threads = [threading.Thread(target=take, args=(mine,)) for mine in given]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    every = [each for mine in given for each in mine]
    assert {12} == {len(each) for each in every}
    assert len(every) == len(set(every))


def test_a_process_that_was_forked_makes_ids_of_its_own():
    random_bytes()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"".join(random_bytes() for _ in range(255)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 12 * 255)
    os.close(read)
    os.close(write)

    assert {random_bytes() for _ in range(255)}.isdisjoint(theirs[place : place + 12] for place in range(0, 3060, 12))


def test_all_that_is_drawn_stands_in_the_id_but_for_version_and_variant(monkeypatch):
    for drawn, expected in ((b"\xff" * 12, "7fff-bfff-ffffffffffff"), (bytes(12), "7000-8000-000000000000")):
        monkeypatch.setattr("fhir_server.foundation.uuid7.random_bytes", lambda drawn=drawn: drawn)
        assert expected == uuid7()[14:]
