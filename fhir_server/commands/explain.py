"""explain: what somebody would see of a record or a document, and why.

May live here: turning words of the command line into an AccessRequest, and printing the decision. May not know: any
rule. Nothing is disclosed of the record but what decides over it, so nothing is put on record.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
from rich.console import Console

from fhir_server.commands.options import PLACE, chosen, setting_options
from fhir_server.commands.place import reach

if TYPE_CHECKING:
    from fhir_server.consent.decision import Permit
    from fhir_server.consent.directives import RecordState
    from fhir_server.consent.request import AccessRequest
    from fhir_server.foundation.principal import Principal, Purpose
    from fhir_server.store.documents import Stored
    from fhir_server.store.visible import VisibleStore

VERBS = ("read", "vread", "search", "history", "create", "update", "patch", "delete", "operation")
"""As `consent/request.py` has them; a test compares."""


@click.command()
@click.option("--as", "who", required=True, help="Who asks; see above.")
@click.option("--patient", help="Whose record, such as lea-martin; needed without --about.")
@click.option("--about", help="One resource, such as DocumentReference/x: would it be seen, and why.")
@click.option("--type", "type_", default="DocumentReference", show_default=True, help="FHIR type asked for.")
@click.option("--verb", type=click.Choice(VERBS), help="What is asked.  [default: search, with --about read]")
@click.option("--purpose", default="TREAT", show_default=True, help="TREAT, BTG (bris de glace) or ETREAT (centre 15).")
@click.option("--reason", help="What is said of a bris de glace.")
@click.option("--regulates", is_flag=True, help="The professional may regulate centre 15.")
@click.option("--at", "moment", help="At which moment: 2026-11-23T10:00:00Z, or a day.  [default: now]")
@click.option(
    "--assume",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a Consent: the decision too if it were on record. Nothing is written.",
)
@click.option("--language", type=click.Choice(("fr", "en")), default="fr", show_default=True, help="Of the sentences.")
@setting_options(*PLACE)
def explain(
    *,
    who: str,
    patient: str | None,
    about: str | None,
    type_: str,
    verb: Any,
    purpose: str,
    reason: str | None,
    regulates: bool,
    moment: str | None,
    assume: Path | None,
    language: str,
    **place: Any,
) -> None:
    """Print the decision on a request, its reasons, and the filter that MongoDB would get.

    \b
    fhir-server explain --as dr-diallo --patient lea-martin
    fhir-server explain --as dr-roux --patient paul-martin --purpose BTG --reason 'inconscient'
    fhir-server explain --as 810001234567 --about DocumentReference/x --at 2026-12-01
    fhir-server explain --as dr-diallo --patient lea-martin --assume blocage.json

    Who asks is an id (dr-diallo), a reference (Practitioner/x, Patient/x, RelatedPerson/x, Organization/x for a doctor
    who signs in there), a national number of a professional (RPPS, or 8 and the RPPS), the identifier with which a
    holder signs in, or `operator`. A professional is signed in at the place that lets him see most of those that the
    directory (PractitionerRole) gives.

    Each reason stands with its code, its sentence, the rule it is of and the Consents that caused it.
    """  # noqa: D301 - click's own mark for lines it must not join
    from fhir_server.commands.whom import principals_of
    from fhir_server.consent.directives import Records
    from fhir_server.foundation.principal import Purpose
    from fhir_server.store import unguarded
    from fhir_server.store.freshness import Freshness
    from fhir_server.store.shelf import Shelf

    if purpose not in {each.value for each in Purpose}:
        raise click.ClickException(f"`{purpose}` is no purpose: write TREAT, BTG or ETREAT")
    now = _moment(moment)
    with reach(chosen(**place)) as found:
        shelf = Shelf(found.database)
        thing = unguarded.current(shelf, about) if about else None
        if about and thing is None:
            raise click.ClickException(f"nothing stands at `{about}`: give `Type/id`")
        patient = patient or (str(thing.facts.get("patient", "")) if thing else "")
        if not patient:
            raise click.ClickException("say whose record: `--patient`, or `--about` something of a record")
        seated = [
            replace(each, purpose=_mode(each, Purpose(purpose)), reason=reason, regulation=regulates, patient=patient)
            for each in principals_of(shelf, found, who)
        ]
        records = Records(shelf, Freshness(found.database, f"command-{os.getpid()}-{uuid4().hex[:8]}"))
        record = records.record(patient)
        if record is None:
            raise click.ClickException(f"there is no Patient `{patient}`: give its id")
        verb = verb or ("read" if thing else "search")
        asked = [record.asked(each, verb, thing.type if thing else type_, now, patient=patient) for each in seated]
        told = Told(shelf, thing, language)
        told.decision(asked, record)
        if assume is not None:
            then = record.assuming(_assumed(assume, patient, records))
            told.console.print(f"\n[bold]with {assume.name}")
            told.decision([replace(each, standing=then.standing) for each in asked], then)


def _mode(who: Principal, purpose: Purpose) -> Purpose:
    """The purpose asked for, where it is a professional's; others have their own."""
    from fhir_server.foundation.principal import Kind

    return purpose if who.kind in (Kind.PROFESSIONAL, Kind.UNKNOWN, Kind.OPERATOR) else who.purpose


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise click.ClickException(f"`{text}` is no moment: write 2026-11-23T10:00:00Z, or a day") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _assumed(path: Path, patient: str, records: Any) -> Any:
    from fhir_server.consent.directive import UNREADABLE, parse

    try:
        consent = json.loads(path.read_text("utf-8"))
    except ValueError:
        raise click.ClickException(f"{path.name} is not JSON") from None
    if not isinstance(consent, dict) or consent.get("resourceType") != "Consent":
        raise click.ClickException(f"{path.name} holds no Consent")
    if consent.get("patient", {}).get("reference") != f"Patient/{patient}":
        raise click.ClickException(f"the Consent in {path.name} is of another record than Patient/{patient}")
    directive = parse({**consent, "id": "assumed"}, records.members_of(consent))
    if directive is None:
        raise click.ClickException(f"the Consent in {path.name} is about something else than privacy")
    if directive.kind == UNREADABLE:
        raise click.ClickException(f"the Consent in {path.name} cannot be read: {directive.unread}")
    return directive


@dataclass(slots=True)
class Told:
    """What is printed of a decision about a record, or about one `thing` of it."""

    shelf: Any
    thing: Stored | None
    language: str
    console: Console = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)

    def decision(self, asked: Iterable[AccessRequest], record: RecordState) -> None:
        """The decision on the first of these requests that shows something, else on the first."""
        from fhir_server.consent.decision import Deny, decide
        from fhir_server.consent.matrix import Matrix
        from fhir_server.consent.why import why

        matrix, shows = Matrix.load(), self._shown if self.thing else None
        found = [(each, why(each, record.directives, matrix, shows)) for each in asked]
        one, told = next((each for each in found if each[1].seen), found[0])
        self._head(one, record)
        decision = decide(one, record.directives, matrix)
        if isinstance(decision, Deny):
            self._verdict(seen=False, whole=True)
            self._reasons(told.because, "refused")
            return
        self._verdict(seen=told.seen if self.thing else True, whole=False)
        if one.writes:
            for reason in dict.fromkeys(decision.reasons):
                self.console.print(f"  granted   {self._sentence(reason)}")
        else:
            self._reasons(told.because, "kept back")
        self._rest(one, decision)

    def _shown(self, predicate: Any) -> bool:
        return self._door(predicate).shows(self.thing.envelope()) if self.thing else False

    def _door(self, predicate: Any) -> VisibleStore:
        from fhir_server.store.visible import VisibleStore

        return VisibleStore(self.shelf, predicate)

    def _head(self, asked: AccessRequest, record: RecordState) -> None:
        who = asked.principal
        place = f", at {who.organization}" if who.organization else ""
        what = self.thing.id if self.thing else asked.type
        kind = f"{who.kind.value}, {who.profession}" if who.profession else who.kind.value
        self.console.print(f"{who.name or who.subject} ({kind}, {who.purpose.value}{place}), {asked.verb} {what}")
        self.console.print(f"Patient/{asked.patient}: {asked.standing}, {len(record.directives.all)} directives")
        self.console.print(f"at {asked.now.isoformat(timespec='seconds')}\n")

    def _verdict(self, *, seen: bool, whole: bool) -> None:
        if self.thing is not None and not whole:
            self.console.print("[green]permit: it is seen" if seen else "[red]deny: the rest is seen, this is not")
        else:
            self.console.print("[green]permit" if seen else "[red]deny")

    def _reasons(self, because: Iterable[Any], refusing: str) -> None:
        words = {"grants": "granted", "withholds": "withheld", "forbids": refusing}
        for each in because:
            by = " ".join(filter(None, (each.rule, *each.consents)))
            said = f"  ({by})" if by else ""
            self.console.print(f"  {words[each.effect]:<9} {self._sentence(each.reason)}{said}", markup=False)

    def _sentence(self, reason: str) -> str:
        from fhir_server.consent.explain import sentence

        return f"{reason}: {sentence(reason, self.language)}"

    def _rest(self, asked: AccessRequest, decision: Permit) -> None:
        """What a permit comes with, and the filters."""
        from fhir_server.foundation.predicate import EVERYTHING, Has
        from fhir_server.store.simplify import filter_of

        for obligation in decision.obligations:
            self.console.print(f"  obliged   {_first_words(obligation)}")
        typed = Has("resource", asked.type)
        self.console.print("\nfilter")
        self.console.print_json(json.dumps(filter_of((typed, decision.residual), asked.type), default=str))
        if asked.writes and decision.after != EVERYTHING:
            self.console.print("\nfilter of what is written")
            self.console.print_json(json.dumps(filter_of((typed, decision.after), asked.type), default=str))


def _first_words(obligation: object) -> str:
    """What an obligation is, by the first words of its docstring."""
    text = re.split(r"[.:(]", " ".join((type(obligation).__doc__ or "").split()))[0].strip()
    return text[:1].lower() + text[1:]
