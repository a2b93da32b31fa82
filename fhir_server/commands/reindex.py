"""reindex: make search parameters of one's own searchable.

May live here: showing what awaits, and how far it is. May not know: how a version is indexed; that is the store's.
"""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fhir_server.commands.options import PLACE, chosen, setting_options
from fhir_server.commands.place import reach


@click.command()
@setting_options(*PLACE)
def reindex(**place: Any) -> None:
    """Index all there is by the SearchParameters that were written since, so that they can be searched by.

    The server may run meanwhile: what is written is indexed by them already. It can be stopped at any moment and run
    again, and goes on where it was. When it is done, every worker searches by them at once.
    """
    import os

    from fhir_server.store import own_parameters
    from fhir_server.store.freshness import Freshness
    from fhir_server.store.shelf import Shelf

    console = Console()
    with reach(chosen(**place)) as found:
        shelf, freshness = Shelf(found.database), Freshness(found.database, f"reindex-{os.getpid()}")
        shelf.prepare()
        freshness.prepare()
        own_parameters.load(shelf)
        wanted = own_parameters.awaiting(shelf)
        if not wanted:
            console.print("nothing awaits a reindex", highlight=False)
            return
        names = ", ".join(each.id for each in wanted)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        try:
            with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
                task = progress.add_task("indexing", total=own_parameters.lacking(shelf, wanted))
                own_parameters.reindex(shelf, freshness, wanted, lambda many: progress.advance(task, many))
        except own_parameters.Superseded:
            raise click.ClickException("a SearchParameter was written meanwhile: run it again") from None
        finally:
            freshness.stop()
    console.print(f"searchable now: {names}", highlight=False)
