"""Where the time goes: the WSGI applications of the server and of the bare twin, asked in this process.

May live here: CPU per request (this process, and mongod), and a profile of the threads that answer.
`python -m bench.where [--profile] [--threads 8] [--requests 2000]`, from the project's root.
"""

from __future__ import annotations

import argparse
import atexit
import cProfile
import io
import json
import os
import pstats
import random
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import town

ORIGIN = "http://127.0.0.1:8080"
RECORDS = 32


def environ(method: str, path: str, token: str, body: bytes = b"") -> dict[str, Any]:
    """A WSGI environ as granian makes one."""
    path, _, query = path.partition("?")
    made = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8080",
        "HTTP_ACCEPT": "application/fhir+json",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        made |= {"CONTENT_TYPE": "application/fhir+json", "CONTENT_LENGTH": str(len(body))}
    made["body"] = body
    return made


def ask(app: Callable[..., Any], asked: dict[str, Any]) -> str:
    """The status of one answer, which is read to its end."""
    got: list[str] = []
    body = asked["body"]
    answer = app({**asked, "wsgi.input": io.BytesIO(body)}, lambda status, *_: got.append(status))
    for _ in answer:
        pass
    if hasattr(answer, "close"):
        answer.close()
    return got[0][:3]


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")


def run(app, requests, expect, *, mongod, threads, count, profile) -> dict[str, float]:
    """Microseconds a request: wall, CPU here, CPU in mongod."""
    per = count // threads
    wrong: list[str] = []
    profiles: list[cProfile.Profile] = []

    def work(number: int) -> None:
        rng = random.Random(number)
        kept = cProfile.Profile(time.thread_time) if profile else None
        if kept:
            kept.enable()
        for _ in range(per):
            status = ask(app, rng.choice(requests))
            if status != expect:
                wrong.append(status)
        if kept:
            kept.disable()
            profiles.append(kept)

    every = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    wall, cpu, other = time.perf_counter(), time.process_time(), cpu_of(mongod)
    for each in every:
        each.start()
    for each in every:
        each.join()
    done = per * threads
    if wrong:
        raise SystemExit(f"{len(wrong)} of {done} answers were not {expect}: {sorted(set(wrong))}")
    if profiles:
        stats = pstats.Stats(profiles[0])
        for more in profiles[1:]:
            stats.add(more)
        stats.sort_stats("cumulative").print_stats(70)
        stats.sort_stats("tottime").print_stats(30)
    return {
        "wall": (time.perf_counter() - wall) / done * 1e6,
        "here": (time.process_time() - cpu) / done * 1e6,
        "mongod": (cpu_of(mongod) - other) / done * 1e6,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="", help="print a profile of this shape: read, search or create")
    parser.add_argument("--only", default="", help="measure this shape alone")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--patients", type=int, default=100)
    chosen = parser.parse_args()
    from fhir_server.app import build_house, build_smart, close_house, create_app, open_house
    from fhir_server.settings import Settings
    from fhir_server.store.connection import connect
    from fhir_server.store.engine import Engine

    with tempfile.TemporaryDirectory(prefix="dmp-") as data:
        engine = Engine.start(Path(data))
        try:
            settings = Settings.read({}, base_url=ORIGIN, mongo_uri=engine.uri, database="where")
            database = connect(engine.uri)["where"]
            house = build_house(database, settings)
            open_house(house)
            town.found_the_town(house)
            begun = time.perf_counter()
            stored = town.fill(house, 0, chosen.patients)
            print(f"{stored} resources stored in {time.perf_counter() - begun:.1f} s")
            smart = build_smart(house, settings, database, None)
            smart.prepare()
            town.register(smart)
            askers = town.askers(smart, range(RECORDS))
            smart.close()
            close_house(house)
            made = create_app(settings)
            ours = made.wsgi_app
            os.environ |= {"BARE_MONGO_URI": engine.uri, "BARE_DATABASE": "where"}
            from bench import bare

            twin = bare.create_app().wsgi_app
            where = {"mongod": engine.address.pid, "threads": chosen.threads}
            for name, (requests, expect) in shapes(askers).items():
                if name not in (chosen.profile or chosen.only or name):
                    continue
                for who, app in (("bare", twin), ("ours", ours)):
                    run(app, requests, expect, **where, count=chosen.requests // 4, profile=False)
                    shown = chosen.profile == name and who == "ours"
                    spent = run(app, requests, expect, **where, count=chosen.requests, profile=shown)
                    print(f"{name:7} {who:5} " + "  ".join(f"{k} {v:7.0f} µs" for k, v in spent.items()), flush=True)
            close_house(made.extensions["house"])
            atexit.unregister(close_house)
        finally:
            engine.stop()


def shapes(askers: list[town.Asker]) -> dict[str, tuple[list[dict[str, Any]], str]]:
    """The three benched shapes, as environs, with the status expected of each."""
    now = datetime.now(UTC)
    reads, pages, writes = [], [], []
    for number, each in enumerate(askers):
        rng = random.Random(number)
        for which in range(town.DOCUMENTS):
            path = f"/fhir/DocumentReference/{town.document_id(number, which)}"
            reads.append(environ("GET", path, each.token))
        pages.append(environ("GET", f"/fhir/DocumentReference?patient={each.patient}", each.token))
        body = json.dumps(town.observation(number, rng, now), ensure_ascii=False).encode()
        writes.append(environ("POST", "/fhir/Observation", each.token, body))
    return {"read": (reads, "200"), "search": (pages, "200"), "create": (writes, "201")}


if __name__ == "__main__":
    main()
