"""The scenes: a record is opened, fed, read, refused, masked, blocked, opened in an emergency, and its holder sees all.

May live here: what each person does and what must come of it, in the order of the play. May not know: how a step is
told (`play.py`). Every scene goes through HTTP only, and leaves in `Cast` what the next ones need.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fhir_server.audit_event.trail import row
from fhir_server.consent.decision import Deny, decide
from fhir_server.consent.directive import Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.sandbox import dossier, steps
from fhir_server.sandbox.play import Actor, Answer, Stage, hospital
from fhir_server.sandbox.psc_claims import claims
from fhir_server.sandbox.steps import LEA, RECORD
from fhir_server.smart.identity import person_of

MASKED = {
    "coding": [
        {
            "system": (
                "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
            ),
            "code": "MASQUE_PS",
        }
    ]
}
PROLOGUE = """\
A letter of discharge goes its way through the shared record. Everybody and everything in it is made up.
Each step: who does what, what is sent to the server, what is expected and what came."""
REASON = "patiente inconsciente aux urgences, traitements inconnus"


@dataclass(slots=True)
class Cast:
    """Who has come on stage, and what they hold."""

    lea: Actor
    hospital: Actor
    system: Any
    letter: dict[str, Any] = field(default_factory=dict)
    bundle: dict[str, Any] = field(default_factory=dict)
    content: str = ""
    document: str = ""
    diallo: Actor | None = None
    moreau: Actor | None = None


def perform(stage: Stage) -> None:
    """The whole play."""
    stage.prologue(PROLOGUE)
    stage.scene("Léa Martin signs in, and so does the hospital's system")
    lea = stage.in_browser("lea", "patient-app")
    herself = lea.get(RECORD)
    stage.expect(
        "Léa signs in by password and one-time code, and reads who she is",
        f"GET /auth/authorize, POST /auth/token, {herself.asked}",
        expected=f"200 OK, {RECORD}",
        came=f"{herself.outcome}, Patient/{herself.json.get('id')}",
        said=herself.said,
    )
    system = hospital()
    token = system.access_token(stage.issuer, "hospital", stage.client("hospital")["private_jwks"])
    stage.expect(
        "The hospital's system shows its key, as SMART backend services do",
        "POST /auth/token",
        expected="a token",
        came="a token" if token else "no token",
    )
    cast = Cast(lea, Actor(stage.fhir, token), system)
    for scene in SCENES:
        stage.scene((scene.__doc__ or "").splitlines()[0].rstrip("."))
        scene(stage, cast)


def before_opening(stage: Stage, cast: Cast) -> None:
    """The hospital knows her INS, and may not deposit: her record is not open."""
    lea = dossier.resource("Patient", LEA)
    ins = lea["identifier"][0]
    found = cast.system.known(stage.fhir, cast.hospital.token, ins["value"]) or {}
    stage.expect(
        "The hospital asks whether the INS is known [TD02]",
        f"GET /fhir/Patient?identifier={ins['system']}|{ins['value']}",
        expected=f"{RECORD}, not open",
        came=f"Patient/{found.get('id')}, {'open' if found.get('active') else 'not open'}",
    )
    cast.bundle = cast.system.submission(
        lea,
        dossier.letter(),
        title="Lettre de liaison à la sortie d'hospitalisation",
        service_start="2026-11-16T09:00:00+01:00",
    )
    refused = cast.hospital.post("", cast.bundle)
    stage.expect(
        "It deposits the letter of discharge all the same [ITI-65]",
        refused.asked,
        expected="403 Forbidden, the record is not open",
        came=", ".join(filter(None, (refused.outcome, refused.said))),
    )


def opening(stage: Stage, cast: Cast) -> None:
    """Léa opens her record, answers three questions and names Dr Moreau her médecin traitant DMP."""
    answers: dict[str, dict[str, Any]] = {
        "breakGlass": {"valueBoolean": True},
        "emergencyDispatch": {"valueBoolean": True},
        "feeding": {"valueBoolean": True},
        "treatingPhysician": {"valueReference": {"reference": "Practitioner/dr-moreau"}},
    }
    body = {"resourceType": "Parameters", "parameter": [{"name": name, **value} for name, value in answers.items()]}
    opened = cast.lea.post(f"{RECORD}/$open-record", body)
    stage.expect(
        "Léa opens it, in one transaction",
        opened.asked,
        expected="200 OK, record open",
        came=f"{opened.outcome}, record {'open' if opened.json.get('active') else 'not open'}",
        said=opened.said,
    )
    steps.count(stage, "Nothing is left of the deposit that was refused", steps.documents(cast.lea), "document", 0)
    hers = cast.lea.get("Consent", patient=LEA, status="active")
    steps.count(stage, "What she answered are Consents, and from now on they decide", hers, "consent", 5)


def deposit(stage: Stage, cast: Cast) -> None:
    """The hospital deposits the letter, and Léa has a notice."""
    stored = cast.hospital.post("", cast.bundle)
    steps.stored(stage, "The hospital sends the letter again [ITI-65]", stored)
    again = cast.hospital.post("", cast.bundle)
    same = steps.places(stored) == steps.places(again)
    stage.expect(
        "It sends the same once more, as after a lost answer",
        again.asked,
        expected="200 OK, the same three addresses",
        came=f"{again.outcome}, {'the same three' if same else 'other'} addresses",
        said=again.said,
    )
    steps.stored(
        stage,
        "It sends the example that the ANS publishes, with her identity",
        cast.hospital.post("", steps.published()),
    )
    found = steps.documents(cast.lea, type="http://loinc.org|11490-0")
    steps.count(stage, "Léa looks for letters of discharge", found, "document", 1)
    cast.letter = found.resources[0] if found.resources else {}
    cast.document = f"DocumentReference/{cast.letter.get('id', '')}"
    cast.content = steps.content(cast.letter)
    steps.told(stage, "She is told within five seconds that something was deposited", 0, "clinical", CLINICAL)


def family_doctor(stage: Stage, cast: Cast) -> None:
    """Dr Moreau, médecin traitant DMP, finds and opens the letter through a SMART launch."""
    before = len(steps.notices(stage))
    launch = stage.launch("dr-moreau", "doctor-app", LEA)
    cast.moreau = stage.in_browser("dr-moreau", "doctor-app", launch=launch)
    stage.expect(
        "Her software opens an app on Léa's record, she signs in by Pro Santé Connect",
        "GET /auth/authorize?launch=…, POST /auth/token",
        expected="a token",
        came="a token" if cast.moreau.token else "no token",
    )
    steps.count(stage, "Dr Moreau looks for Léa's documents [ITI-67]", steps.documents(cast.moreau), "document", 2)
    steps.letter(stage, "She opens the letter [ITI-68]", cast.moreau.get(cast.content, "application/pdf"))
    steps.told(stage, "Léa is told that a professional came for the first time", before, "clinical", CLINICAL)


def stranger(stage: Stage, cast: Cast) -> None:
    """Dr Diallo, a radiologist whom Léa has not authorised, finds no trace of anything."""
    diallo = cast.diallo = stage.in_browser("dr-diallo", "doctor-app", scope="openid fhirUser " + PROFESSIONAL)
    page = steps.documents(diallo)
    steps.outcome(stage, "Dr Diallo, with a good token, asks for Léa's documents", page, "403 Forbidden")
    steps.like_absent(
        stage, "She asks for those of a patient who does not exist", steps.documents(diallo, patient=str(uuid4())), page
    )
    hidden, absent = diallo.get(cast.document), diallo.get(f"DocumentReference/{uuid4()}")
    steps.outcome(stage, "She asks for the letter by its id", hidden, "404 Not Found")
    steps.like_absent(stage, "She asks for an id that does not exist", absent, hidden)
    steps.outcome(stage, "She asks for the content of the letter", diallo.get(cast.content), "404 Not Found")
    steps.count(
        stage,
        "She looks for the letter by its unique identifier",
        steps.by_identifier(diallo, cast.letter),
        "document",
        0,
    )


def authorised(stage: Stage, cast: Cast) -> None:
    """Léa authorises Dr Diallo, and she reads."""
    given = cast.lea.post("Consent", steps.consent("ps-autorisation", actor="Practitioner/dr-diallo"))
    steps.outcome(stage, "Léa authorises Dr Diallo", given, "201 Created")
    assert cast.diallo is not None  # noqa: S101 - she came on stage before
    steps.count(stage, "Dr Diallo asks again, with the token she had", steps.documents(cast.diallo), "document", 2)
    steps.outcome(stage, "She reads the letter's entry", cast.diallo.get(cast.document), "200 OK")
    steps.letter(stage, "She opens the letter", cast.diallo.get(cast.content, "application/pdf"))


def masked(stage: Stage, cast: Cast) -> None:
    """Léa masks the letter: Dr Diallo finds no trace of it, Dr Moreau still reads it."""
    patch = [{"op": "add", "path": "/securityLabel/-", "value": MASKED}]
    steps.outcome(
        stage, "Léa adds the label `masqué aux professionnels`", cast.lea.patch(cast.document, patch), "200 OK"
    )
    assert cast.diallo is not None  # noqa: S101 - she came on stage before
    assert cast.moreau is not None  # noqa: S101 - so did she
    page = steps.documents(cast.diallo)
    stage.expect(
        "Dr Diallo looks for Léa's documents",
        page.asked,
        expected="200 OK, 1 document, 1 on the page, no word of the letter",
        came=f"{page.found('document')}, {len(page.resources)} on the page, {_letter_in(page, cast)}",
        said=page.said,
    )
    steps.count(stage, "She has them counted", steps.documents(cast.diallo, _summary="count"), "document", 1)
    included = cast.diallo.get("List", patient=LEA, _include="List:item")
    stage.expect(
        "She asks for the submissions with what is in them",
        included.asked,
        expected="200 OK, no word of the letter",
        came=f"{included.outcome}, {_letter_in(included, cast)}",
        said=included.said,
    )
    steps.outcome(stage, "She asks for the letter by its id", cast.diallo.get(cast.document), "404 Not Found")
    steps.outcome(stage, "She asks for its content", cast.diallo.get(cast.content), "404 Not Found")
    steps.count(
        stage, "She looks for it by its identifier", steps.by_identifier(cast.diallo, cast.letter), "document", 0
    )
    steps.outcome(stage, "Dr Moreau still reads it", cast.moreau.get(cast.document), "200 OK")


def blocked(stage: Stage, cast: Cast) -> None:
    """Léa blocks Dr Diallo: even bris de glace is refused."""
    block = cast.lea.post("Consent", steps.consent("ps-blocage", actor="Practitioner/dr-diallo"))
    steps.outcome(stage, "Léa blocks Dr Diallo", block, "201 Created")
    assert cast.diallo is not None  # noqa: S101 - she came on stage before
    steps.outcome(stage, "Dr Diallo asks for Léa's documents", steps.documents(cast.diallo), "403 Forbidden")
    broken = stage.token("dr-diallo", "doctor-app", patient=LEA, purpose="BTG", reason=REASON)
    if "access_token" in broken.json:
        broken = steps.documents(Actor(stage.fhir, broken.json["access_token"]))
    stage.expect(
        "She tries bris de glace, with a reason",
        broken.asked,
        expected="refused",
        came="refused" if broken.status >= 400 else broken.outcome,
    )


def break_glass(stage: Stage, cast: Cast) -> None:
    """Dr Roux, emergency doctor, opens it by bris de glace with a reason, and Léa is told."""
    silent = stage.token("dr-roux", "doctor-app", patient=LEA, purpose="BTG")
    steps.outcome(stage, "Dr Roux asks for a token without a reason", silent, "400 Bad Request")
    before = len(steps.notices(stage))
    given = stage.token("dr-roux", "doctor-app", patient=LEA, purpose="BTG", reason=REASON)
    steps.outcome(stage, f"He gives one: « {REASON} »", given, "200 OK")
    roux = Actor(stage.fhir, given.json.get("access_token", ""))
    steps.count(
        stage, "He looks for Léa's documents, and sees what is not masked", steps.documents(roux), "document", 1
    )
    steps.outcome(stage, "The masked letter stays masked", roux.get(cast.document), "404 Not Found")
    steps.told(
        stage, "Léa is told of it, not of the reason, which is health data", before, "of the reason", ("inconsciente",)
    )


def centre_15(stage: Stage, cast: Cast) -> None:
    """Dr Lambert, regulator of centre 15, reads; Léa opposes; she no longer does."""
    lambert = stage.as_("dr-lambert", "doctor-app", patient=LEA, purpose="ETREAT")
    steps.count(stage, "Dr Lambert looks for Léa's documents", steps.documents(lambert), "document", 1)
    other = stage.token("dr-roux", "doctor-app", patient=LEA, purpose="ETREAT")
    stage.expect(
        "Dr Roux, who does not regulate, asks for a token of centre 15",
        other.asked,
        expected="no token",
        came=steps.no_token(other),
    )
    answered = [
        each
        for each in cast.lea.get("Consent", patient=LEA, status="active").resources
        if "urgence-samu" in json.dumps(each["category"])
    ]
    ended = [
        {"resource": {**each, "status": "inactive"}, "request": {"method": "PUT", "url": f"Consent/{each['id']}"}}
        for each in answered
    ]
    opposed = {"resource": steps.consent("urgence-samu", permit=False), "request": {"method": "POST", "url": "Consent"}}
    changed = cast.lea.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [*ended, opposed]})
    steps.outcome(stage, "Léa opposes access by centre 15, in one transaction", changed, "200 OK")
    steps.outcome(stage, "Dr Lambert asks again, with the same token", steps.documents(lambert), "403 Forbidden")


def outsiders(stage: Stage, cast: Cast) -> None:
    """An insurer, a mutuelle, a bank, an employer, an occupational doctor, her own fund, a secretary: never."""
    del cast
    for login, who in OUTSIDERS.items():
        refused = stage.token(login, "doctor-app", patient=LEA)
        verdict = "a refusal" if denied(dossier.people()[login]) else "a permission"
        stage.expect(
            f"{who} asks for a token, and is judged as if they had one and Léa agreed",
            f"{refused.asked}, decide()",
            expected="no token, and a refusal",
            came=f"{steps.no_token(refused)}, and {verdict}",
        )


def holder(stage: Stage, cast: Cast) -> None:
    """Léa reads her letter, and who looked."""
    steps.letter(stage, "Léa opens her letter", cast.lea.get(cast.content, accept="application/pdf"))
    trail = cast.lea.get("AuditEvent", patient=LEA, _sort="-date", _count="200")
    told = [json.dumps(each, ensure_ascii=False) for each in trail.resources]
    absent = [f"not Dr {who}" for who in DOCTORS if not any(who in each for each in told)]
    dated = all(each.get("recorded") for each in trail.resources)
    stage.expect(
        "She asks who looked",
        trail.asked,
        expected="200 OK, all four doctors, with date and time",
        came=(
            f"{trail.outcome}, {', '.join(absent) or 'all four doctors'}, "
            f"{'with' if dated else 'some without'} date and time"
        ),
        said=trail.said,
    )
    there = {
        "deposits": any("110107" in each for each in told),
        "the reason of the emergency": any(REASON in each and "BTG" in each for each in told),
        "refusals": any(each.get("outcome") == "8" for each in trail.resources),
    }
    stage.expect(
        "In the same answer she sees more",
        trail.asked,
        expected=", ".join(there),
        came=", ".join(what for what, found in there.items() if found) or "none of it",
    )
    seen = set()
    for each in reversed(trail.resources):
        read = row(each, "en")
        if "Léa" not in read.who and (read.who, read.mode, each.get("outcome")) not in seen:
            seen.add((read.who, read.mode, each.get("outcome")))
            stage.show(" · ".join(filter(None, (read.time, read.who, read.mode, read.action, read.reason))))


def _letter_in(page: Answer, cast: Cast) -> str:
    return "the letter" if cast.document in steps.mentioned(page) else "no word of the letter"


def denied(person: dossier.Person) -> bool:
    """Whether the decision refuses this person, had they a token, and had the holder even authorised them."""
    now = datetime.now(UTC)
    place = dossier.resource(*(person.organization or "").split("/"))
    principal = replace(
        person_of(claims(person, place), "https://dmp-on-fhir.example"), reference=person.fhir_user, patient=LEA
    )
    principal = replace(principal, identities=principal.identities | {person.fhir_user})
    asked = AccessRequest(
        principal=principal, verb="search", type="DocumentReference", patient=LEA, now=now, standing="open"
    )
    given = (parse(steps.consent("dmp-creation")), parse(steps.consent("ps-autorisation", actor=person.fhir_user)))
    directives = Directives(tuple(each for each in given if each is not None))
    return isinstance(decide(asked, directives, Matrix.load()), Deny)


SCENES: tuple[Callable[[Stage, Cast], None], ...] = (
    before_opening,
    opening,
    deposit,
    family_doctor,
    stranger,
    authorised,
    masked,
    blocked,
    break_glass,
    centre_15,
    outsiders,
    holder,
)
OUTSIDERS = {
    "agent-assureur": "An insurer",
    "agent-mutuelle": "A mutuelle",
    "agent-banque": "A bank",
    "agent-employeur": "Her employer",
    "dr-garnier": "Her occupational doctor",
    "agent-caisse": "Her own insurance fund",
    "secretaire": "A reception secretary",
}
DOCTORS = ("MOREAU", "DIALLO", "ROUX", "LAMBERT")
CLINICAL = ("append", "11490-0", "lettre de liaison", "Vallée")
PROFESSIONAL = "user/Patient.rs user/DocumentReference.rs user/Binary.r user/List.rs user/Consent.rs"
