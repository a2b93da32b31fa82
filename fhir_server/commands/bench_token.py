"""bench, the token's part: what verifying a token, its client and its scopes adds to a bare read.

May live here: the same bare view twice in this process, once with the check in front, asked in turn, and the ratio of
the CPU of the thread that answers. May not live here: the view, the requests; they are `bench/`, in the project's root.

CPU of one thread is what a full machine is short of, and is steady where throughput is not. `mongod` is left out: it
does the same for both, and counting it would only make the ratio smaller. A token is checked in full once by each
worker (`first`), then looked up until it expires or something ends it.
"""

from __future__ import annotations

import importlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Any

GOAL = 1.15
"""At most this ratio (docs/performance.md)."""
LEAST = 40
"""Pairs of slices: what is looked for is a hundredth of what is measured."""
_SLICE = 200
"""Reads in a slice; slices of both alternate, so that noise hits both."""


def price(smart: Any, town: Any, askers: Sequence[Any], place: tuple[str, str], pairs: int) -> dict[str, Any]:
    """`ratio` of the median pair, `spread`, `goal`; `bare`, `checked` and `first` in µs of CPU for one request.

    `place` is the URI of MongoDB and the name of the database.
    """
    where = importlib.import_module("bench.where")
    view = importlib.import_module("bench.bare")
    os.environ |= dict(zip(("BARE_MONGO_URI", "BARE_DATABASE"), place, strict=True))
    headers = [f"Bearer {each.token}" for each in askers]
    first = statistics.median(_spent(partial(smart.bearer.principal, each)) for each in headers)
    apps = {"bare": view.create_app().wsgi_app, "checked": view.create_app(check_of(smart.bearer)).wsgi_app}
    asked = [
        where.environ("GET", f"/fhir/DocumentReference/{town.document_id(number, which)}", each.token)
        for number, each in enumerate(askers)
        for which in range(town.DOCUMENTS)
    ]
    sent = {whose: cycle(asked) for whose in apps}

    def slice_(whose: str) -> float:
        return _spent(lambda: _read(where.ask, apps[whose], sent[whose])) / _SLICE

    for whose in apps:
        slice_(whose)  # warm up: connections, caches
    found = [(slice_("bare"), slice_("checked")) for _ in range(max(LEAST, pairs))]
    return told(found, first)


def told(found: Sequence[tuple[float, float]], first: float) -> dict[str, Any]:
    """The findings, from the seconds of each pair of slices."""
    ratios = sorted(checked / bare for bare, checked in found)
    micros = {
        name: round(statistics.median(each[place] for each in found) * 1e6)
        for place, name in ((0, "bare"), (1, "checked"))
    }
    return {
        "ratio": round(statistics.median(ratios), 3),
        "spread": [round(ratios[0], 3), round(ratios[-1], 3)],
        "goal": GOAL,
        **micros,
        "first": round(first * 1e6),
    }


def line(found: Mapping[str, Any]) -> str:
    """The same in a line, for people."""
    low, high = found["spread"]
    return (
        f"token, client and scopes: a bare read of {found['bare']} µs of CPU costs {found['checked']}, "
        f"{found['ratio']:.2f} times that ({low:.2f} to {high:.2f}, goal ≤ {found['goal']}); "
        f"the first request of a token {found['first']} µs more"
    )


def check_of(bearer: Any) -> Callable[[str | None, str], None]:
    """What the server asks of a token: whose it is, whether it still holds, what its scopes let through."""
    from fhir_server.interactions.pipeline import compile_criteria
    from fhir_server.smart.scope import elsewhere, narrow, reach

    def check(authorization: str | None, type_: str) -> None:
        principal = bearer.principal(authorization)
        elsewhere(principal.scopes, principal, principal.patient or "", type_)
        narrow(principal.scopes, type_, "r", principal, compile_criteria)
        reach(principal.scopes, principal, compile_criteria)

    return check


def _read(ask: Callable[..., str], app: Any, sent: Iterator[Mapping[str, Any]]) -> None:
    for _ in range(_SLICE):
        status = ask(app, next(sent))
        if status != "200":
            raise RuntimeError(f"a read of the bench was answered {status}")


def _spent(act: Callable[[], Any]) -> float:
    """Seconds of CPU of this thread."""
    begun = time.thread_time()
    act()
    return time.thread_time() - begun
