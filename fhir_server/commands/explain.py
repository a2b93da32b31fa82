"""explain: what somebody would see of a record, and why.

May live here: turning words of the command line into an AccessRequest, and printing the decision. May not know: any
rule. Nothing is disclosed of the record but what decides over it, so nothing is put on record.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
from rich.console import Console

from fhir_server.commands.options import PLACE, chosen, setting_options
from fhir_server.commands.place import reach

if TYPE_CHECKING:
    from fhir_server.consent.request import AccessRequest
    from fhir_server.foundation.principal import Principal
    from fhir_server.store.documents import Shelf

VERBS = ("read", "vread", "search", "history", "create", "update", "patch", "delete", "operation")
"""As `consent/request.py` has them; a test compares."""
_KINDS = ("Practitioner", "Patient", "RelatedPerson")


@click.command()
@click.option(
    "--as", "who", required=True, help="Who asks: dr-diallo, Practitioner/x, Patient/x, RelatedPerson/x, operator."
)
@click.option("--patient", required=True, help="Whose record, such as lea-martin.")
@click.option("--type", "type_", default="DocumentReference", show_default=True, help="FHIR type asked for.")
@click.option("--verb", type=click.Choice(VERBS), default="search", show_default=True, help="What is asked.")
@click.option("--purpose", default="TREAT", show_default=True, help="TREAT, BTG (bris de glace) or ETREAT (centre 15).")
@click.option("--reason", help="What is said of a bris de glace.")
@click.option("--regulates", is_flag=True, help="The professional may regulate centre 15.")
@click.option("--language", type=click.Choice(("fr", "en")), default="fr", show_default=True)
@setting_options(*PLACE)
def explain(
    *,
    who: str,
    patient: str,
    type_: str,
    verb: Any,
    purpose: str,
    reason: str | None,
    regulates: bool,
    language: str,
    **place: Any,
) -> None:
    """Print the decision on a request, its reasons, and the filter that MongoDB would get.

    \b
    fhir-server explain --as dr-diallo --patient lea-martin
    fhir-server explain --as dr-roux --patient paul-martin --purpose BTG --reason 'inconscient'

    The professional is signed in at the place that the directory (PractitionerRole) gives first.
    """  # noqa: D301 - click's own mark for lines it must not join
    from dataclasses import replace

    from fhir_server.consent.directives import Records
    from fhir_server.foundation.principal import Purpose
    from fhir_server.store.documents import Shelf
    from fhir_server.store.freshness import Freshness

    if purpose not in {each.value for each in Purpose}:
        raise click.ClickException(f"`{purpose}` is no purpose: write TREAT, BTG or ETREAT")
    with reach(chosen(**place)) as found:
        shelf = Shelf(found.database)
        principal = replace(
            principal_of(shelf, who), purpose=Purpose(purpose), reason=reason, regulation=regulates, patient=patient
        )
        record = Records(shelf, Freshness(found.database, f"command-{os.getpid()}-{uuid4().hex[:8]}")).record(patient)
        if record is None:
            raise click.ClickException(f"there is no Patient `{patient}`: give its id")
        asked = record.asked(principal, verb, type_, datetime.now(UTC), patient=patient)
        _print(asked, record.directives, language)


def _print(asked: AccessRequest, directives: Any, language: str) -> None:
    from fhir_server.consent.decision import Deny, decide
    from fhir_server.consent.explain import sentence
    from fhir_server.consent.matrix import Matrix
    from fhir_server.foundation.predicate import EVERYTHING, Has
    from fhir_server.store.simplify import filter_of

    console = Console(highlight=False, soft_wrap=True)
    decision = decide(asked, directives, Matrix.load())
    who = asked.principal
    console.print(f"{who.name or who.subject} ({who.kind.value}, {who.purpose.value}), {asked.verb} {asked.type}")
    console.print(f"Patient/{asked.patient}: {asked.standing}, {len(directives.all)} directives\n")
    if isinstance(decision, Deny):
        console.print("[red]deny")
        for reason in decision.reasons:
            console.print(f"  {reason}: {sentence(reason, language)}")
        return
    console.print("[green]permit")
    for title, reasons in (("granted", decision.reasons), ("withheld", decision.withheld)):
        for reason in dict.fromkeys(reasons):
            console.print(f"  {title}  {reason}: {sentence(reason, language)}")
    for obligation in decision.obligations:
        console.print(f"  obliged   {_sentence(obligation)}")
    typed = Has("resource", asked.type)
    console.print("\nfilter")
    console.print_json(json.dumps(filter_of((typed, decision.residual), asked.type), default=str))
    if asked.writes and decision.after != EVERYTHING:
        console.print("\nfilter of what is written")
        console.print_json(json.dumps(filter_of((typed, decision.after), asked.type), default=str))


def _sentence(obligation: object) -> str:
    """What an obligation is, by the first words of its docstring."""
    text = re.split(r"[.:(]", " ".join((type(obligation).__doc__ or "").split()))[0].strip()
    return text[:1].lower() + text[1:]


def principal_of(shelf: Shelf, who: str) -> Principal:
    """Who `who` is, by what the record's directory says; ClickException if it knows nobody of that name."""
    from fhir_server.foundation.principal import Kind, Principal
    from fhir_server.store import unguarded

    if who == "operator":
        return Principal(kind=Kind.OPERATOR, subject=who, client="", name=who)
    wanted = [who] if "/" in who else [f"{kind}/{who}" for kind in _KINDS]
    found = unguarded.bodies(shelf, wanted)
    if not found:
        raise click.ClickException(f"nobody is `{who}`: give an id, or Practitioner/id, Patient/id, RelatedPerson/id")
    reference, body = next(iter(found.items()))
    match body["resourceType"]:
        case "Practitioner":
            return _professional(shelf, reference, body)
        case "Patient":
            return _own(Kind.HOLDER, reference, body)
        case "RelatedPerson":
            return _own(Kind.REPRESENTATIVE, reference, body)
    raise click.ClickException(f"`{reference}` is nobody who signs in")


def _own(kind: Any, reference: str, body: Mapping[str, Any]) -> Principal:
    from fhir_server.foundation.principal import Principal

    return Principal(
        kind=kind,
        subject=reference,
        client="",
        name=_name(body),
        reference=reference,
        identities=frozenset({reference}),
    )


def _professional(shelf: Shelf, reference: str, body: Mapping[str, Any]) -> Principal:
    from fhir_server.definitions.identifiers import keys_of
    from fhir_server.definitions.library import profile_json
    from fhir_server.foundation.principal import Kind, Principal
    from fhir_server.interactions.directory import StoredDirectory
    from fhir_server.store import unguarded

    accepted = {
        *profile_json("dmp/professions.json")["accepted"],
        *profile_json("dmp/professions.json")["systems"].values(),
    }
    codings = [coding for each in body.get("qualification", []) for coding in each.get("code", {}).get("coding", [])]
    profession = next((each["code"] for each in codings if each.get("system") in accepted), None)
    roles = unguarded.by_token(shelf, f"PractitionerRole.practitioner={reference}", limit=1)
    role = next(iter(unguarded.bodies(shelf, [each[0] for each in roles]).values()), {})
    organization = role.get("organization", {}).get("reference")
    known = StoredDirectory(shelf).organization(organization) if organization else None
    return Principal(
        kind=Kind.PROFESSIONAL if profession else Kind.UNKNOWN,
        subject=reference,
        client="",
        name=_name(body),
        reference=reference,
        identities=keys_of(body),
        organization=organization,
        organization_name=known[1] if known else "",
        organizations=known[2] | {known[0]} if known else frozenset(),
        profession=profession,
        specialties=frozenset(each["code"] for each in codings if each.get("system") not in accepted),
        sector=_sector(shelf, organization),
    )


def _sector(shelf: Shelf, organization: str | None) -> str | None:
    from fhir_server.store import unguarded

    body = unguarded.bodies(shelf, [organization]).get(organization, {}) if organization else {}
    return next((coding["code"] for each in body.get("type", []) for coding in each.get("coding", [])), None)


def _name(body: Mapping[str, Any]) -> str:
    name: Mapping[str, Any] = next(iter(body.get("name", [])), {})
    return " ".join([*name.get("prefix", []), *name.get("given", []), name.get("family", "")]).strip()
