"""Known and unknown, in time: the forms of the sign-in, filled in by turns for who is known and who is not.

May live here: the medians of both, how far they are apart, and how far two halves of the same are; by the clock on the
wall, which needs a machine that does nothing else, and by the CPU of the thread that answers, which does not.
`python -m bench.alike [--rounds 200]`, from the project's root. That the work is the same is counted in
`tests/security/test_known_and_unknown.py`.
"""

from __future__ import annotations

import argparse
import atexit
import itertools
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ADDRESSES = (f"127.{a}.{b}.{c}" for a, b, c in itertools.product(range(256), range(256), range(1, 255)))
"""Each form comes from an address of its own on loopback: what is counted of one must not answer for another."""
NUMBER, NOBODY = "181096912300276", "181096900000000"


@dataclass(frozen=True, slots=True)
class Way:
    """A form, as it is filled in for Paul of the sandbox and for somebody who is not there."""

    path: str
    known: dict[str, str]
    unknown: dict[str, str]


WAYS = {
    "sign-in": Way(
        "/auth/password", {"identifier": "paul", "password": "faux"}, {"identifier": "zoe", "password": "faux"}
    ),
    "forgotten password": Way(
        "/auth/forgotten-password",
        {"identifier": "paul", "number": NUMBER},
        {"identifier": "zoe", "number": NUMBER},
    ),
    "forgotten password, another number": Way(
        "/auth/forgotten-password",
        {"identifier": "paul", "number": NUMBER},
        {"identifier": "paul", "number": NOBODY},
    ),
    "forgotten identifier": Way(
        "/auth/forgotten-identifier",
        {"number": NUMBER, "contact": "paul.martin@example.org"},
        {"number": NOBODY, "contact": "paul.martin@example.org"},
    ),
    "forgotten identifier, another address": Way(
        "/auth/forgotten-identifier",
        {"number": NUMBER, "contact": "paul.martin@example.org"},
        {"number": NUMBER, "contact": "zoe@example.org"},
    ),
    "creation code by mail": Way(
        "/auth/creation-code", {"number": NUMBER, "way": "mail"}, {"number": NOBODY, "way": "mail"}
    ),
    "creation code by post": Way(
        "/auth/creation-code", {"number": NUMBER, "way": "post"}, {"number": NOBODY, "way": "post"}
    ),
    "opening": Way(
        "/auth/opening",
        {"number": NUMBER, "code": "AAAAAAAAAA", "contact": "paul.martin@example.org"},
        {"number": NOBODY, "code": "AAAAAAAAAA", "contact": "paul.martin@example.org"},
    ),
}


def browser(app: Any, path: str) -> tuple[Any, str]:
    """A browser at a form, from an address that was never used, and the form's token."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = next(ADDRESSES)
    page = client.get(path).get_data(as_text=True)
    found = re.search(r'name="csrf" value="([^"]*)"', page)
    if found is None:
        raise SystemExit(f"no form at {path}")
    return client, found[1]


def measured(app: Any, way: Way, rounds: int) -> Iterator[dict[str, tuple[float, float]]]:
    """Milliseconds for the known and the unknown, of wall and of CPU, in an order that changes from round to round."""
    for number in range(rounds):
        took = {}
        for who in ("known", "unknown") if number % 2 else ("unknown", "known"):
            client, csrf = browser(app, way.path)
            form = {**getattr(way, who), "csrf": csrf}
            wall, cpu = time.perf_counter(), time.thread_time()
            answer = client.post(way.path, data=form)
            took[who] = (time.perf_counter() - wall) * 1e3, (time.thread_time() - cpu) * 1e3
            if answer.status_code not in (200, 303):
                raise SystemExit(f"{answer.status_code} at {way.path}")
        yield took


def told(name: str, took: list[dict[str, tuple[float, float]]]) -> str:
    """Two lines of the table."""
    lines = []
    for index, what in enumerate(("wall", "cpu")):
        known, unknown = (median(each[who][index] for each in took) for who in ("known", "unknown"))
        first, second = (median(each["known"][index] for each in took[half::2]) for half in (0, 1))
        lines.append(
            f"{name if not index else '':38} {what:4} known {known:7.2f} ms  unknown {unknown:7.2f} ms  apart"
            f" {unknown / known - 1:+.1%}  (known against itself {second / first - 1:+.1%})"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--only", default="", help="measure this form alone")
    chosen = parser.parse_args()
    from fhir_server.app import close_house, create_app
    from fhir_server.settings import Settings
    from fhir_server.store.engine import Engine

    with tempfile.TemporaryDirectory(prefix="dmp-") as data:
        engine = Engine.start(Path(data))
        try:
            app = create_app(Settings.read({}, mongo_uri=engine.uri, database="alike", sandbox=True))
            for name, way in WAYS.items():
                if chosen.only not in name:
                    continue
                list(measured(app, way, 10))
                print(told(name, list(measured(app, way, chosen.rounds))), flush=True)
            close_house(app.extensions["house"])
            atexit.unregister(close_house)
        finally:
            engine.stop()


if __name__ == "__main__":
    main()
