"""Limits of the OAuth addresses: what is too deep, too large, too slow or not offered is refused, and breaks nothing."""

import base64
import json
import socket
import threading
import time

import pytest
import requests
from joserfc.jwk import ECKey

from fhir_server.smart import key_sets
from fhir_server.smart.key_sets import KeySets
from tests.kit.smart import World

DEEP = b"[" * 2_900 + b"]" * 2_900
JWKS = "https://chu.example/jwks"


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    yield made
    made.smart.close()


def compact(header, payload):
    parts = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, payload, b"x"))
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts)


@pytest.mark.parametrize(
    "assertion",
    [
        compact({"alg": "ES384", "kid": "x"}, DEEP),
        compact(b'{"alg":' + DEEP + b"}", {"sub": "chu"}),
        compact({"alg": "ES384", "kid": "x"}, b'{"sub":"chu","x":' + DEEP + b"}"),
        "x" * 9_000,
    ],
    ids=["payload", "header", "claim", "too long"],
)
def test_an_assertion_that_is_too_deep_or_too_long_is_none(world, assertion):
    """SMART-K3: 400 or 401, and nothing else."""
    world.a_system()
    answer = world.system_token(assertion)
    assert (401, "invalid_client") == (answer.status_code, answer.json["error"])
    assert "client_assertion_type" not in answer.json["error_description"]


def test_a_key_set_that_is_too_deep_is_none(world):
    """SMART-K12."""
    key = ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)
    world.wire.answers[JWKS] = lambda _: (200, b"[" * 90_000 + b"]" * 90_000, {})
    world.a_system(key=key, jwks_uri=JWKS)
    answer = world.system_token(world.assertion(key))
    assert (401, "invalid_client") == (answer.status_code, answer.json["error"])


@pytest.mark.parametrize("path", ["/auth/token", "/auth/introspect", "/auth/revoke"])
def test_a_form_is_not_read_without_end(world, path):
    answer = world.http.post(path, data={"grant_type": "client_credentials", "x": "x" * 1_000_000})
    assert (413, "invalid_request", "no-store") == (
        answer.status_code,
        answer.json["error"],
        answer.headers["Cache-Control"],
    )


@pytest.mark.parametrize("path", ["/auth/authorize", "/auth/password", "/auth/approve"])
def test_a_page_takes_no_endless_form(world, path):
    person = world.browser().get("/auth/who")
    answer = person.client.post(path, data={"client_id": "app", "x": "x" * 1_000_000})
    assert (413, "text/html") == (answer.status_code, answer.mimetype)


@pytest.mark.parametrize("mode", ["fragment", "form_post", "query.jwt"])
def test_a_way_back_that_is_not_offered_is_refused(world, mode):
    """Discovery offers `query` alone: another one is not answered as if it had not been asked for."""
    world.an_app()
    assert "invalid_request" == world.browser().authorize(response_mode=mode).back["error"]
    assert "Qui êtes-vous ?" == world.browser().authorize(response_mode="query").title


@pytest.fixture
def dripping():
    """An address whose server sends one byte now and then, for as long as somebody waits; and how often it was asked."""
    listening, asked, done = socket.create_server(("127.0.0.1", 0)), [], threading.Event()

    def drip(wire):
        with wire:
            asked.append(wire.recv(4096))
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n" if b"/body" in asked[-1] else b"HTTP/1.1 200 OK\r\n"
            )
            wire.sendall(head)
            while not done.wait(0.2):
                try:
                    wire.sendall(b" " if b"/body" in asked[-1] else b"x")
                except OSError:
                    return

    def accept():
        while True:
            try:
                wire, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(wire,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    done.set()
    listening.close()


@pytest.mark.parametrize("part", ["body", "head"])
def test_a_key_set_that_comes_byte_by_byte_is_given_up_after_two_seconds_and_asked_by_one_at_a_time(dripping, part):
    """SMART-K12: whoever serves a key set slowly holds none of the threads that answer for longer than that."""
    origin, asked = dripping
    sets, url = KeySets(requests.Session), f"{origin}/{part}"
    found, began = [], time.monotonic()

    def look():
        found.append(sets.candidates("k", "ES384", jwks=None, jwks_uri=url))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    look()
    assert ([[]] * 5, True) == (found, time.monotonic() - began < key_sets.PATIENCE + 1)
    assert 1 == len(asked)
