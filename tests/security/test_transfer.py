"""Below the FHIR API: bodies in chunks, lengths that lie, clients that dawdle, lines that are no HTTP."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import pytest
import requests

from tests.kit.served import Served

BODY = b'{"resourceType":"Organization","name":"transfer"}'
HEAD = b"Host: 127.0.0.1\r\nContent-Type: application/fhir+json\r\nConnection: close\r\n"
MAX_BODY = 1_000_000
WHOLE = b"Content-Length: %d\r\n" % len(BODY)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    data = tmp_path_factory.mktemp("transfer") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FHIR_SERVER_MAX_BODY", str(MAX_BODY))
        with Served(data, "--open", "--workers", "1", "--threads", "4") as made:
            yield made


def post(served, headers, *parts, **how):
    return served.raw(b"POST /fhir/Organization HTTP/1.1\r\n" + HEAD + headers + b"\r\n", *parts, **how)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def status(came):
    return int(came.split(b" ", 2)[1]) if came.startswith(b"HTTP/1.1 ") else None


def outcome(came):
    return json.loads(came.partition(b"\r\n\r\n")[2])["resourceType"] == "OperationOutcome"


def stored(served):
    asked = {"name": "transfer", "_summary": "count"}
    return requests.get(f"{served.fhir}/Organization", params=asked, timeout=10).json()["total"]


def test_a_body_in_chunks_is_read_like_any_other(served):
    before = stored(served)
    chunked = (chunk(BODY[:10]), 0.1, chunk(BODY[10:]), b"0\r\n\r\n")

    assert 201 == status(post(served, b"Transfer-Encoding: chunked\r\n", *chunked))
    assert 201 == status(post(served, WHOLE, BODY))
    assert before + 2 == stored(served)


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        (b"Transfer-Encoding: chunked\r\n", (b"zz\r\n" + BODY + b"\r\n0\r\n\r\n",)),
        (b"Transfer-Encoding: chunked\r\n", (chunk(BODY[:-3]), b"0\r\n\r\n")),
        (b"Content-Length: 10\r\n", (BODY,)),
        (b"Content-Length: ten\r\n", (BODY,)),
        (b"Content-Length: -1\r\n", (BODY,)),
        (b"Content-Length: 10\r\nContent-Length: 49\r\n", (BODY,)),
        (b"Content-Length: 99999999999999999999999999\r\n", (BODY,)),
        (b"", ()),
        (b"Content-Length: 0\r\n", ()),
    ],
    ids=["no chunk", "cut", "too short", "words", "below zero", "two", "beyond all", "none", "empty"],
)
def test_a_length_that_is_none_or_lies_is_400_and_stores_nothing(served, headers, parts):
    before = stored(served)

    assert status(post(served, headers, *parts)) in (400, 413)
    assert before == stored(served)


def test_a_body_that_stops_before_its_length_stores_nothing(served):
    before = stored(served)
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as wire:
        wire.sendall(b"POST /fhir/Organization HTTP/1.1\r\n" + HEAD + b"Content-Length: 500\r\n\r\n" + BODY)
        time.sleep(0.3)
    time.sleep(0.3)

    assert before == stored(served)


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        (b"Content-Length: %d\r\n" % (MAX_BODY + 1), (b" " * 1000,)),
        (b"Transfer-Encoding: chunked\r\n", (*[chunk(b" " * 100_000)] * 11, b"0\r\n\r\n")),
        (b"Transfer-Encoding: chunked\r\n", (chunk(BODY + b" " * MAX_BODY), b"0\r\n\r\n")),
    ],
    ids=["told", "in chunks", "a good one and blanks"],
)
def test_a_body_beyond_the_limit_is_413(served, headers, parts):
    before = stored(served)
    came = post(served, headers, *parts)

    assert 413 == status(came)
    assert outcome(came)
    assert before == stored(served)


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\r\n\r\n",
        b"GET /fhir/\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient?name=\xe9 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient?name=%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient/%ff%fe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient/%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient/..%2f..%2fOrganization HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient/../../auth/jwks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient?name=" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient?name=" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /fhir/Patient HTTP/1.1\r\nHost: 127.0.0.1\r\nX A\r\n\r\n",
        b"GET /fhir/Patient HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET /fhir/Patient HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /fhir/Patient HTTP/1.1\r\n\r\n",
        b"PUT /fhir/Patient HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=lambda line: line[:32].decode("latin-1"),
)
def test_a_line_that_is_no_request_of_ours_is_4xx(served, line):
    assert 400 <= (status(served.raw(line)) or 0) < 500


def test_a_header_in_latin_1_or_utf_8_is_no_500(served):
    for value in ("é".encode(), "é".encode("latin-1")):
        for name in (b"If-Match", b"If-None-Match", b"Prefer", b"Accept", b"X-Request-Id", b"Cookie", b"Authorization"):
            line = b"GET /fhir/Patient/paul-martin HTTP/1.1\r\nHost: 127.0.0.1\r\n%s: %s\r\n\r\n" % (name, value)
            assert (status(served.raw(line)) or 500) < 500, name


@contextlib.contextmanager
def dawdling(served, number, first):
    """Connections that began to say something, and say no more."""
    wires = [socket.create_connection(("127.0.0.1", served.port), timeout=5) for _ in range(number)]
    try:
        for wire in wires:
            wire.sendall(first)
        time.sleep(0.3)
        yield
    finally:
        for wire in wires:
            wire.close()


def seconds_of_a_read(served):
    begun = time.monotonic()
    assert 200 == requests.get(f"{served.fhir}/Patient/paul-martin", timeout=10).status_code
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("number", "first"),
    [
        (50, b""),
        (50, b"GET /fhir/Patient/paul"),
        (50, b"GET /fhir/Patient/paul-martin HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: "),
        (2, b"POST /fhir/Organization HTTP/1.1\r\n" + HEAD + b"Content-Length: 500\r\n\r\n{"),
        (
            50,
            b"POST /fhir/Organization HTTP/1.1\r\nAuthorization: Bearer x\r\n" + HEAD + b"Content-Length: 500\r\n\r\n{",
        ),
        (50, b"GET /fhir/metadata HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20),
    ],
    ids=["silent", "half a line", "half a header", "half a body", "half a body that nobody signed", "never reading"],
)
def test_a_slow_client_does_not_block_the_others(served, number, first):
    with dawdling(served, number, first):
        took = [seconds_of_a_read(served) for _ in range(5)]

    assert max(took) < 3, took
    assert seconds_of_a_read(served) < 3
