"""What the server says while the tests run, one of each shape, for a validator that others wrote.

Off unless RECORD names a folder (`make interop`). Kept is what the server vouches for: every outcome and statement, every
bundle, and each resource of an answer with 2xx, which it accepted or made. Resources of one type whose elements have the
same paths are one shape, once as JSON and once as XML where it was asked for so; so are bundles of one type with the same
links and kinds of entries, of which a few entries are kept. What the server words itself (AuditEvent, OperationOutcome) is
told apart by its codes too. Of all that have one shape the one is kept that any other run of these tests would keep.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask

from fhir_server.foundation.problem import Problem
from fhir_server.resources import json_text, xml_text

FOLDER = os.environ.get("RECORD", "")
_OURS = frozenset({"AuditEvent", "OperationOutcome"})
_DEEPEST = 1000
_ENTRIES = 4
_DRAWN = re.compile(rb"[0-9a-f-]{8,}|[0-9]+")
_LEAST: dict[Path, bytes] = {}
"""What this process knows to be kept of each shape."""


def listen() -> None:
    """Have every application of this process heard, if a folder is named."""
    if not FOLDER:
        return
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    answered: Callable[..., Iterable[bytes]] = Flask.__call__

    def heard(self: Flask, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            # a Binary as itself is whatever somebody deposited
            itself = any(name == "Content-Disposition" for name, _ in headers)
            told[:] = [int(status.split()[0]), "" if itself else dict(headers).get("Content-Type", "")]
            return start_response(status, headers, *more)

        parts = answered(self, environ, start)
        if not told or "fhir+" not in told[1]:
            return parts
        body = b"".join(parts)
        note(told[0], told[1], body)
        return [body]

    Flask.__call__ = heard  # type: ignore[method-assign]


def note(status: int, content_type: str, body: bytes) -> None:
    """Keep what is in this answer, where nothing of its shape was kept before."""
    if not FOLDER or not body or "fhir+" not in content_type:
        return
    kind = "xml" if "xml" in content_type else "json"
    try:
        resource = xml_text.read(body, _DEEPEST) if kind == "xml" else json_text.read(body, _DEEPEST)
    except Problem:
        _keep("unreadable", kind, body, {hashlib.sha1(body).hexdigest()})
        return
    type_ = resource["resourceType"]
    if kind == "xml":  # what is in it is judged as JSON; as XML the whole, once for each shape
        _keep(type_, kind, body, _frame(resource) if type_ == "Bundle" else _shape(resource))
    for each in _resources(resource):
        if status < 300 or each["resourceType"] == "OperationOutcome":
            _keep(each["resourceType"], "json", json_text.write(each).encode(), _shape(each))
    if type_ == "Bundle" and status < 300:
        _keep(type_, "json", json_text.write(_shortened(resource)).encode(), _frame(resource))


def _resources(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A resource; of a bundle that which is in it."""
    if resource["resourceType"] != "Bundle":
        yield resource
        return
    for entry in resource.get("entry", ()):
        for each in (entry.get("resource"), entry.get("response", {}).get("outcome")):
            if each is not None:
                yield from _resources(each)


def _frame(bundle: dict[str, Any]) -> set[str]:
    links = {f"link.{each['relation']}" for each in bundle.get("link", ())}
    entries = {frame for entry in bundle.get("entry", ()) for frame in _frame_of(entry)}
    return {f"{name} {bundle[name] if name == 'type' else ''}" for name in bundle} | links | entries


def _frame_of(entry: dict[str, Any]) -> set[str]:
    parts = {name: entry[name] for name in ("request", "response", "search") if name in entry}
    told = {".".join(sorted(entry)), str(entry.get("search")), entry.get("request", {}).get("method", "")}
    return told | set(_paths({**parts, "response": {**parts.get("response", {}), "outcome": 0}}, "entry"))


def _shortened(bundle: dict[str, Any]) -> dict[str, Any]:
    """The bundle with some of its entries, one of each kind among them."""
    kept: dict[frozenset[str], list[dict[str, Any]]] = {}
    for entry in bundle.get("entry", ()):
        kept.setdefault(frozenset(_frame_of(entry)), []).append(entry)
    few = [entry for alike in kept.values() for entry in alike[:_ENTRIES]]
    return {**bundle, "entry": few} if few else bundle


def _shape(resource: dict[str, Any]) -> set[str]:
    return set(_paths(resource, "", codes=resource["resourceType"] in _OURS))


def _paths(node: Any, path: str, *, codes: bool = False) -> Iterator[str]:
    match node:
        case dict():
            for name, each in node.items():
                yield from _paths(each, f"{path}.{name}", codes=codes)
        case list():
            for each in node:
                yield from _paths(each, path, codes=codes)
        case _:
            yield f"{path}={node}" if codes and path.endswith((".code", ".severity", ".action", ".outcome")) else path


def _keep(name: str, kind: str, body: bytes, shape: set[str]) -> None:
    digest = hashlib.sha1("\n".join(sorted(shape)).encode()).hexdigest()[:12]
    file, rank = Path(FOLDER) / f"{name}-{digest}.{kind}", _rank(body)
    if _LEAST.get(file, rank + b" ") <= rank:
        return
    _LEAST[file] = rank
    with (Path(FOLDER).parent / "recorder.lock").open("w") as lock:  # other processes record here too
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists() or rank < _rank(file.read_bytes()):
            file.write_bytes(body)


def _rank(body: bytes) -> bytes:
    """The least is kept: by what it says, its numbers and ids apart, which differ from run to run."""
    return hashlib.sha1(_DRAWN.sub(b"", body)).digest()
