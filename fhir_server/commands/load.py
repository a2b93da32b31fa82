"""load: put resources from files into a record, as the operator.

May live here: reading files, cutting them into transactions, showing progress. May not know: how a resource is
written; every one goes through the same pipeline as a request, and is put on record.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from fhir_server.commands.options import PLACE, chosen, setting_options
from fhir_server.commands.place import reach
from fhir_server.foundation.problem import Problem


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--size", default=50, show_default=True, type=click.IntRange(1, 500), help="Resources per transaction.")
@setting_options(*PLACE, "base_url")
def load(*, paths: tuple[Path, ...], size: int, **place: Any) -> None:
    """Load FHIR resources: JSON files (a Bundle counts as its entries), NDJSON files, or directories of both.

    A resource with an id keeps it, and replaces the one that has it already; one without gets an id. Each transaction
    is written whole or not at all, and what is refused is named with its element. Patients, practitioners and
    organisations are written before what refers to them. The server may run meanwhile. The exit status is 1 when
    anything was refused.
    """
    from fhir_server.app import build_house, close_house, open_house

    console = Console()
    resources = sorted(_resources(paths), key=_rank)
    settings = chosen(**place)
    refused = 0
    with reach(settings) as found:
        house = build_house(found.database, settings)
        open_house(house)
        try:
            batches = list(_batches(resources, size))
            shown = Console(stderr=True)
            for batch in track(batches, "loading", console=shown, transient=True):
                refused += _write(batch, house, settings.fhir_base, console)
        finally:
            close_house(house)
    console.print(f"{len(resources) - refused} of {len(resources)} resources loaded", highlight=False)
    sys.exit(1 if refused else 0)


def _write(batch: list[dict[str, Any]], house: Any, base: str, console: Console) -> int:
    """Write one transaction; how many resources were refused."""
    from fhir_server.foundation.principal import Kind, Principal, Purpose
    from fhir_server.interactions.pipeline import answer
    from fhir_server.interactions.request import FhirRequest

    user = getpass.getuser()
    operator = Principal(
        kind=Kind.OPERATOR,
        subject=user,
        client="fhir-server load",
        name=user,
        purpose=Purpose.ADMINISTRATION,
        scopes=("system/*.cruds",),
    )
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(each) for each in batch]}
    request = FhirRequest("POST", "", base, resource=bundle, content_type="application/fhir+json", address="127.0.0.1")
    try:
        answer(request, operator, house)
    except Problem as problem:
        for issue in problem.issues:
            where = f"{issue.expression}: " if issue.expression else ""
            console.print(f"{problem.status} {where}{issue.text}", highlight=False, markup=False, soft_wrap=True)
        return len(batch)
    return 0


def _entry(resource: dict[str, Any]) -> dict[str, Any]:
    type_, id_ = resource["resourceType"], resource.get("id")
    if id_:
        return {"resource": resource, "request": {"method": "PUT", "url": f"{type_}/{id_}"}}
    return {"resource": resource, "request": {"method": "POST", "url": type_}}


def _resources(paths: tuple[Path, ...]) -> Iterator[dict[str, Any]]:
    from fhir_server.resources import json_text

    for path in paths:
        inner = (
            sorted(each for each in path.rglob("*") if each.suffix in (".json", ".ndjson")) if path.is_dir() else [path]
        )
        for file in inner:
            texts = file.read_bytes().splitlines() if file.suffix == ".ndjson" else [file.read_bytes()]
            for text in filter(None, texts):
                try:
                    yield from _each(json_text.read(text))
                except Problem as problem:
                    if path.is_dir() and not _is_resource(text):
                        continue  # a directory of examples may hold other JSON as well
                    raise click.ClickException(f"`{file}`: {problem}") from problem


def _each(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if resource.get("resourceType") == "Bundle":
        yield from (entry["resource"] for entry in resource.get("entry", []) if "resource" in entry)
    elif "resourceType" in resource:
        yield resource


def _is_resource(text: bytes) -> bool:
    try:
        return "resourceType" in json.loads(text)
    except ValueError:
        return True


_FIRST = ("Organization", "Practitioner", "PractitionerRole", "Patient", "RelatedPerson")


def _rank(resource: dict[str, Any]) -> int:
    type_ = resource["resourceType"]
    return _FIRST.index(type_) if type_ in _FIRST else len(_FIRST)


def _batches(resources: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Transactions of at most `size`, of one rank each: whose record it is must stand before what is written in it."""
    for _, same in groupby(resources, key=_rank):
        while batch := list(islice(same, size)):
            yield batch
