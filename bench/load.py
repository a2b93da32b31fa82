"""The load: closed-loop clients over kept-alive sockets, one order a line on standard input, one result a line back.

May live here: sending bytes that were rendered beforehand, and counting what comes back. May not know: what is asked.
Raw sockets on asyncio: some 20 µs a request, so that what is measured is the server. An answer of another status than
the expected one, a cut connection or a wait of more than thirty seconds is an error.

An order is JSON: `{"host", "port", "seconds", "expect", "clients": [["request", …], …]}`; the n-th list is what the
n-th client sends, over and over. A result: `{"done", "errors", "seconds", "p50", "p95", "p99", "wrong"}`, times in ms.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

PATIENCE = 30.0


class Client(asyncio.Protocol):
    """One client: it sends a request, waits for the whole answer, and sends the next until the time is up."""

    def __init__(self, requests: list[bytes], expect: bytes, until: float, ended: asyncio.Future[None]) -> None:
        self.requests, self.expect, self.until, self.ended = requests, expect, until, ended
        self.times: list[float] = []
        self.wrong: Counter[str] = Counter()
        self.next = 0
        self.buffer = b""
        self.needed = 0
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.requests[self.next % len(self.requests)])
        self.next += 1

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        if not self.needed:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self.needed = end + 4 + length_of(self.buffer[:end])
        if len(self.buffer) < self.needed:
            return
        now = time.perf_counter()
        self.times.append(now - self.sent)
        status = self.buffer[9:12]
        if status != self.expect:
            self.wrong[status.decode("latin-1")] += 1
        self.buffer, self.needed = self.buffer[self.needed :], 0
        if now >= self.until:
            self.finish()
        else:
            self.send()

    def finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.wrong["cut" if exc is None else type(exc).__name__] += 1
            self.ended.set_result(None)


def length_of(head: bytes) -> int:
    """The Content-Length of a response head; a chunked answer is none that this bench expects."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise SystemExit("an answer had no Content-Length")


async def carry_out(order: dict) -> dict:
    """One slice."""
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    until = begun + order["seconds"]
    clients = []
    for requests in order["clients"]:
        ended = loop.create_future()
        rendered = [each.encode() for each in requests]
        client = Client(rendered, str(order["expect"]).encode(), until, ended)
        await loop.create_connection(lambda client=client: client, order["host"], order["port"])
        clients.append(client)
    await asyncio.wait([client.ended for client in clients], timeout=order["seconds"] + PATIENCE)
    spent = time.perf_counter() - begun
    wrong: Counter[str] = Counter()
    for client in clients:
        wrong += client.wrong
        if not client.ended.done():
            wrong["no answer"] += 1
            client.finish()
    times = sorted(each for client in clients for each in client.times)
    errors = sum(wrong.values())
    return {
        "done": len(times) - errors,
        "errors": errors,
        "wrong": dict(wrong),
        "seconds": spent,
        **{f"p{share}": at(times, share) for share in (50, 95, 99)},
    }


def at(times: list[float], share: int) -> float:
    """A percentile of sorted times, in ms; 0 of none."""
    return times[min(len(times) - 1, len(times) * share // 100)] * 1000 if times else 0.0


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin:
        print(json.dumps(asyncio.run(carry_out(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
