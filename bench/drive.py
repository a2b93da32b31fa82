"""The driver of a workload: closed-loop clients over kept-alive connections, in a process of its own.

An order is one line of JSON on standard input: `{"workload", "port", "token", "seconds", "clients", "patients",
"size", "seed"}`. The result is one line back: `{"seconds", "asked": {name: {"done", "weight", "wrong", "p50", "p95",
"p99"}}}`, times in ms. A name's times are those of right answers alone: a fast refusal is no win.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.load import at
from bench.workloads import WORKLOADS, Answer, Ask, Stock, Workload

PATIENCE = 30.0


@dataclass(slots=True)
class Tally:
    """What came of the requests of one name."""

    times: list[float] = field(default_factory=list)
    weight: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    def told(self) -> dict[str, Any]:
        """As it goes into the result."""
        times = sorted(self.times)
        told = {"done": len(times), "weight": self.weight, "wrong": dict(self.wrong)}
        return told | {f"p{share}": round(at(times, share), 3) for share in (50, 95, 99)}


class Wire:
    """One kept-alive HTTP/1.1 connection."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = (
            f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/fhir+json\r\nContent-Type: application/fhir+json\r\n"
        )
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, ask: Ask) -> Answer:
        """Send it and read the whole answer. Raises OSError or EOFError when the connection is cut."""
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        reader, writer = self._open
        path = f"/fhir/{ask.path}" if ask.path else "/fhir"
        length = f"Content-Length: {len(ask.body)}\r\n" if ask.method in ("POST", "PUT") else ""
        writer.write(f"{ask.method} {path} HTTP/1.1\r\n{self._head}{length}\r\n".encode() + ask.body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        status, size = int(head[0][9:12]), int(fields.get("content-length", "0"))
        return Answer(status, fields.get("location", ""), await reader.readexactly(size) if size else b"")

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def client(workload: Workload, wire: Wire, until: float, tallies: dict[str, Tally]) -> None:
    """Ask what the workload asks until the time is up."""
    ask = next(workload)
    while time.perf_counter() < until:
        tally = tallies.setdefault(ask.name, Tally())
        begun = time.perf_counter()
        try:
            answer = await asyncio.wait_for(wire.ask(ask), PATIENCE)
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError) as cut:
            tally.wrong[type(cut).__name__] += 1
            answer = Answer(0, "", b"")
            wire.close()
        else:
            if answer.status in ask.expect:
                tally.times.append(time.perf_counter() - begun)
                tally.weight += ask.weight
            else:
                tally.wrong[str(answer.status)] += 1
        ask = workload.send(answer)
    wire.close()


async def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """One order."""
    stock = Stock(order["patients"], order["size"])
    tallies: dict[str, Tally] = {}
    begun = time.perf_counter()
    until = begun + order["seconds"]
    clients = [
        client(
            WORKLOADS[order["workload"]](random.Random(f"{order['seed']}-{number}"), stock),
            Wire(order["port"], order["token"]),
            until,
            tallies,
        )
        for number in range(order["clients"])
    ]
    await asyncio.gather(*clients)
    spent = time.perf_counter() - begun
    return {"seconds": round(spent, 3), "asked": {name: tallies[name].told() for name in sorted(tallies)}}


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin:
        print(json.dumps(asyncio.run(carry_out(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
