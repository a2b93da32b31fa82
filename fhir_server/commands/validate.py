"""validate: whether a file holds a good FHIR R4 resource.

May live here: reading files and showing issues. May not know: what makes a resource good.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from fhir_server.foundation.problem import Issue, Problem


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("--advice", is_flag=True, help="Also tell what R4 calls good practice.")
@click.option("--quiet", "-q", is_flag=True, help="Only name the files that are not good.")
def validate(*, paths: tuple[Path, ...], advice: bool, quiet: bool) -> None:
    """Check JSON resources against FHIR R4: structure, cardinality, primitives, bindings, invariants.

    PATHS are files, directories (every .json below them) or `-` for standard input. It is the check that the server
    makes before it stores anything; no server needs to run. The exit status is 1 when an error was found.
    """
    from fhir_server.resources.validation import is_good

    console = Console()
    bad = 0
    files = list(_files(paths))
    for path in track(files, "checking", console=Console(stderr=True), transient=True, disable=len(files) < 20):
        issues = issues_of(sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes(), advice=advice)
        good = is_good(issues)
        bad += not good
        if quiet and good:
            continue
        console.print(
            f"[{'green' if good else 'red'}]{'good' if good else 'bad '}[/] {path}", highlight=False, soft_wrap=True
        )
        for issue in [] if quiet else issues:
            where = f"{issue.expression}: " if issue.expression else ""
            console.print(f"     {issue.severity}  {where}{issue.text}", highlight=False, markup=False, soft_wrap=True)
    if len(files) > 1:
        console.print(f"{len(files) - bad} good, {bad} bad", highlight=False)
    sys.exit(1 if bad else 0)


def issues_of(content: bytes, *, advice: bool = False) -> list[Issue]:
    """What is wrong with the resource that these bytes are; what cannot be read as JSON is one issue."""
    from fhir_server.resources import json_text
    from fhir_server.resources.validation import check

    try:
        resource = json_text.read(content)
    except Problem as problem:
        return list(problem.issues)
    return check(resource, advice=advice)


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.json"))
        else:
            yield path
