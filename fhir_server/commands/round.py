"""round: do now what the passing of time brings to records.

May live here: wiring the rounds for one errand, showing how far they are. May not know: what any of them does.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from fhir_server.commands.options import PLACE, chosen, setting_options
from fhir_server.commands.place import Place, reach

if TYPE_CHECKING:
    from fhir_server.rounds.going import Gone, Told
    from fhir_server.settings import Settings

NAMES = ("announcement.remind", "announcement.show", "majority", "directives", "retention", "contents")
"""As `rounds/table.py` has them; written again so that `--help` imports nothing, and a test compares."""
PATIENCE = 45.0


@click.command(name="round")
@click.option("--name", "names", multiple=True, type=click.Choice(NAMES), help="Only this round; may be repeated.")
@setting_options(*PLACE)
def round(*, names: tuple[str, ...], **place: Any) -> None:  # noqa: A001 - the word of the command line
    """Do what is due: notices, labels that end, majorities (docs/reference/rounds.md).

    A server that runs does so by itself, each minute; this is for a database that none serves, or not to wait. It may
    be stopped at any moment and run again: what is done is done, the rest is still due. The exit status is 1 when an
    act failed; it is tried again the next time.
    """
    settings, console = chosen(**place), Console()
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with reach(settings) as found, Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("looking for what is due")
        gone = _gone(found, settings, names or NAMES, lambda name, _: progress.update(task, description=name))
    if gone is None:
        raise click.ClickException("the server goes the rounds at this moment: wait a minute, or leave it to it")
    for name in names or NAMES:
        failed = f", {gone.failed[name]} failed" if gone.failed[name] else ""
        console.print(f"{name}  {gone.done[name]} done{failed}", highlight=False)
    sys.exit(1 if gone.failed else 0)


def _gone(place: Place, settings: Settings, names: tuple[str, ...], told: Told) -> Gone | None:
    from datetime import UTC, datetime

    from fhir_server.app import build_house, means
    from fhir_server.rounds.going import Rounds
    from fhir_server.sandbox.clock import SandboxClock
    from fhir_server.sandbox.mark import is_marked
    from fhir_server.smart.parting import forget
    from fhir_server.smart.records import Records
    from fhir_server.smart.revocation import Revocation
    from fhir_server.store.freshness import Freshness

    def now() -> datetime:
        return datetime.now(UTC)

    freshness = Freshness(place.database, f"round-{os.getpid()}-{uuid4().hex[:8]}")
    clock = SandboxClock(place.database, freshness) if is_marked(place.database) else None
    if clock is not None:
        clock.read()
    house = build_house(place.database, settings, clock=clock or now, freshness=freshness)
    records = Records.open(place.uri, settings.database)
    try:
        records.prepare()
        freshness.start()
        house.ledger.start()  # the notices are left to the server, which knows the ways out
        revocation = Revocation(records, freshness, now)
        house.partings.append(lambda patient: forget(records, revocation, patient))
        return Rounds(means(house, revocation.end_person, settings)).go(names, told, patience=PATIENCE)
    finally:
        house.ledger.stop()
        freshness.stop()
        records.close()
