"""audit: what the ledger proves, and what it tells the operator of one record.

May live here: showing findings and rows. May not know: how the ledger holds together (`audit_event/`).
"""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console

from fhir_server.commands.options import PLACE, chosen, setting_options
from fhir_server.commands.place import reach
from fhir_server.settings import Settings
from fhir_server.store.connection import Database


@click.group()
def audit() -> None:
    """Verify that nothing was changed in the ledger of accesses, or show who opened a record."""


@audit.command()
@setting_options(*PLACE)
def verify(**place: Any) -> None:
    """Check the whole ledger: every record changed, dropped or reordered is named.

    It may run beside the server. The exit status is 1 when something does not hold.
    """
    from fhir_server.audit_event.seals import verify as findings_of

    console = Console()
    with reach(chosen(**place)) as found:
        records = found.database["ledger"].estimated_document_count()
        with Console(stderr=True).status(f"reading {records} records"):
            findings = findings_of(found.database)
    for finding in findings:
        console.print(f"[red]{finding.kind}[/] {finding.id}: {finding.text}", highlight=False, soft_wrap=True)
    console.print(f"[red]{len(findings)} findings" if findings else f"[green]{records} records, nothing amiss")
    sys.exit(1 if findings else 0)


@audit.command()
@click.option("--patient", required=True, help="Id of the Patient, such as lea-martin.")
@click.option("--limit", default=50, show_default=True, help="How many accesses, the latest first.")
@click.option("--language", type=click.Choice(("fr", "en")), default="fr", show_default=True)
@setting_options(*PLACE)
def trail(*, patient: str, limit: int, language: Any, **place: Any) -> None:
    """Show who opened a record: date, time, identity, profession, action, mode and reason.

    The holder sees this in her own space; for the operator it is an access like any other, on record with your account.
    """
    from fhir_server.audit_event.trail import row

    settings = chosen(**place)
    with reach(settings) as found:
        events = _events(found.database, settings, patient, limit)
    for event in events:
        told = row(event, language)
        click.echo(f"{told.date} {told.time}  {_joined(told.action, told.mode, told.reason)}")
        click.echo(f"                     {_joined(told.who, told.identity, told.profession, told.organisation)}")


def _joined(*told: str) -> str:
    return " · ".join(dict.fromkeys(filter(None, told)))


def _events(database: Database, settings: Settings, patient: str, limit: int) -> list[dict[str, Any]]:
    """The record's AuditEvents, latest first, through the door; on record before they are shown (decisions 20)."""
    from fhir_server.audit_event.deed import Deed
    from fhir_server.audit_event.event import envelope
    from fhir_server.audit_event.ledger import Ledger
    from fhir_server.foundation.predicate import EVERYTHING, Has
    from fhir_server.foundation.principal import Kind, Principal, Purpose
    from fhir_server.foundation.uuid7 import uuid7
    from fhir_server.search.query import Order
    from fhir_server.store.shelf import Shelf
    from fhir_server.store.visible import VisibleStore

    user = getpass.getuser()
    operator = Principal(
        kind=Kind.OPERATOR, subject=user, client="fhir-server audit", name=user, purpose=Purpose.ADMINISTRATION
    )
    visible = VisibleStore(Shelf(database), Has("patients", patient))
    page = visible.page("AuditEvent", EVERYTHING, (Order("updated", descending=True),), limit)
    entry = uuid7()
    deed = Deed(
        principal=operator, interaction="search-type", type="AuditEvent", patient=patient, outcome="0",
        recorded=datetime.now(UTC), request_id=entry, address="127.0.0.1", query=f"patient={patient}&_count={limit}",
        granted=("operator",), disclosed=tuple(each.id for each in page.entries), entry=entry,
    )  # fmt: skip
    ledger = Ledger(database)
    ledger.prepare()
    ledger.start()
    try:
        ledger.settle([envelope(deed, uuid7(), settings.fhir_base)])
    finally:
        ledger.stop()
    return [each.resource() for each in page.entries]
