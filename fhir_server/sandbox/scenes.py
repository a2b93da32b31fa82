"""The scenes: a record is opened, fed, read, refused, masked, blocked, opened in an emergency, and its holder sees all.

May live here: what each person does and what must come of it, in the order of the play. May not know: how a step is
told (`play.py`). Every scene goes through HTTP only, and leaves in `Cast` what the next ones need.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from fhir_server.consent.decision import Deny, decide
from fhir_server.consent.directive import Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.foundation.moment import instant
from fhir_server.resources.consent_patterns import consent
from fhir_server.sandbox import dossier
from fhir_server.sandbox.play import Actor, Answer, Stage, hospital
from fhir_server.sandbox.psc_claims import claims
from fhir_server.smart.identity import person_of

LEA = "lea-martin"
RECORD = f"Patient/{LEA}"
SUBMITTED = Path(__file__).parents[2] / "examples" / "pdsm4dmp" / "Bundle-example-td2-iti65-lot-soumission.json"
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
    stage.scene("Léa Martin signs in; the hospital's system gets its token")
    system = hospital()
    keys = stage.client("hospital")["private_jwks"]
    token = system.access_token(stage.issuer, "hospital", keys)
    cast = Cast(stage.in_browser("lea", "patient-app"), Actor(stage.fhir, token), system)
    stage.expect("she sees who she is", 200, cast.lea.get(RECORD).status)
    for scene in SCENES:
        stage.scene((scene.__doc__ or "").splitlines()[0].rstrip("."))
        scene(stage, cast)


def before_opening(stage: Stage, cast: Cast) -> None:
    """The hospital knows her INS, and may not deposit: her record is not open."""
    lea = dossier.resource("Patient", LEA)
    found = cast.system.known(stage.fhir, cast.hospital.token, lea["identifier"][0]["value"])
    stage.expect("existence check by INS [TD02]", LEA, (found or {}).get("id"))
    stage.expect("the record is open", False, bool((found or {}).get("active")))
    cast.bundle = cast.system.submission(
        lea,
        dossier.letter(),
        title="Lettre de liaison à la sortie d'hospitalisation",
        service_start="2026-11-16T09:00:00+01:00",
    )
    refused = cast.hospital.post("", cast.bundle)
    stage.expect("deposit of the letter of discharge [ITI-65] is refused", 403, refused.status)


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
    stage.expect("she opens it", (200, True), (opened.status, opened.json.get("active")))
    stage.expect("nothing was stored of what was refused", 0, _documents(cast.lea).total)
    stage.expect("her answers are Consents", 5, cast.lea.get("Consent", patient=LEA, status="active").total)


def deposit(stage: Stage, cast: Cast) -> None:
    """The hospital deposits the letter, and the submission that the ANS publishes as its example."""
    stored = cast.hospital.post("", cast.bundle)
    places = [entry["response"].get("location", "") for entry in stored.json.get("entry", ())]
    stage.expect("the letter [ITI-65]", (200, 3), (stored.status, len([place for place in places if place])))
    again = cast.hospital.post("", cast.bundle)
    repeated = [entry["response"].get("location", "") for entry in again.json.get("entry", ())]
    stage.expect("the same submission again: the first locations", (200, places), (again.status, repeated))
    stage.expect("the ANS example, with her identity", 200, cast.hospital.post("", _published()).status)
    found = _documents(cast.lea, type="http://loinc.org|11490-0").resources
    stage.expect("Léa finds the letter", 1, len(found))
    cast.letter = found[0] if found else {}
    cast.document = f"DocumentReference/{cast.letter.get('id', '')}"
    cast.content = _content(cast.letter)
    told = stage.soon(lambda: bool(_notices(stage)))
    stage.expect("she has a notice within five seconds", True, told)
    clinical = ("append", "11490-0", "lettre de liaison", "Vallée")
    words = json.dumps(_notices(stage), ensure_ascii=False).lower()
    stage.expect("the notice says nothing clinical", [], [word for word in clinical if word.lower() in words])


def family_doctor(stage: Stage, cast: Cast) -> None:
    """Dr Moreau, médecin traitant DMP, finds and opens the letter through a SMART launch."""
    launch = stage.launch("dr-moreau", "doctor-app", LEA)
    cast.moreau = stage.in_browser("dr-moreau", "doctor-app", launch=launch)
    found = _documents(cast.moreau)
    stage.expect("she finds the documents [ITI-67]", (200, 2), (found.status, found.total))
    opened = cast.moreau.get(cast.content, accept="application/pdf")
    stage.expect("she opens the PDF, byte for byte [ITI-68]", dossier.letter()[:8], opened.content[:8])
    stage.expect("all of it", dossier.letter() == opened.content, True)
    first = stage.soon(lambda: len(_notices(stage)) >= 2)
    stage.expect("Léa is told of a professional's first connection", True, first)


def stranger(stage: Stage, cast: Cast) -> None:
    """Dr Diallo, radiologist, has no authorisation: no trace of anything."""
    cast.diallo = stage.in_browser("dr-diallo", "doctor-app", scope="openid fhirUser " + PROFESSIONAL)
    stage.expect("the record asked by patient", 403, _documents(cast.diallo).status)
    hidden, absent = cast.diallo.get(cast.document), cast.diallo.get(f"DocumentReference/{uuid4()}")
    stage.expect("the document by its id", 404, hidden.status)
    stage.expect("with the body of an id that does not exist", absent.content, hidden.content)
    stage.expect("its content by its id", 404, cast.diallo.get(cast.content).status)
    found = _by_identifier(cast)
    stage.expect("the search by identifier", (200, 0), (found.status, found.total))


def authorised(stage: Stage, cast: Cast) -> None:
    """Léa authorises Dr Diallo, and she reads."""
    given = cast.lea.post("Consent", _consent("ps-autorisation", actor="Practitioner/dr-diallo"))
    stage.expect("the authorisation is recorded", 201, given.status)
    assert cast.diallo is not None  # noqa: S101 - she came on stage before
    found = _documents(cast.diallo)
    stage.expect("the same token now finds the documents", (200, 2), (found.status, found.total))
    stage.expect("and reads the letter", 200, cast.diallo.get(cast.document).status)
    stage.expect("and its content", True, cast.diallo.get(cast.content, "application/pdf").content == dossier.letter())


def masked(stage: Stage, cast: Cast) -> None:
    """Léa masks the letter: Dr Diallo finds no trace of it, Dr Moreau still reads it."""
    patch = [{"op": "add", "path": "/securityLabel/-", "value": MASKED}]
    stage.expect("she masks it", 200, cast.lea.patch(cast.document, patch).status)
    assert cast.diallo is not None  # noqa: S101 - she came on stage before
    assert cast.moreau is not None  # noqa: S101 - so did she
    page = _documents(cast.diallo)
    ids = [each["id"] for each in page.resources]
    stage.expect("Dr Diallo's search: total and page", (1, 1), (page.total, len(ids)))
    stage.expect("the letter is not on it", False, cast.letter.get("id") in ids)
    stage.expect("the count", 1, _documents(cast.diallo, _summary="count").total)
    included = cast.diallo.get("List", patient=LEA, _include="List:item")
    stage.expect("an include of the submissions' documents", False, cast.document in _mentioned(included))
    stage.expect("by its id", 404, cast.diallo.get(cast.document).status)
    stage.expect("its content", 404, cast.diallo.get(cast.content).status)
    found = _by_identifier(cast)
    stage.expect("by its identifier", (200, 0), (found.status, found.total))
    stage.expect("Dr Moreau still reads it", 200, cast.moreau.get(cast.document).status)


def blocked(stage: Stage, cast: Cast) -> None:
    """Léa blocks Dr Diallo: even bris de glace is refused."""
    stage.expect(
        "the block is recorded",
        201,
        cast.lea.post("Consent", _consent("ps-blocage", actor="Practitioner/dr-diallo")).status,
    )
    assert cast.diallo is not None  # noqa: S101 - she came on stage before
    stage.expect("her token opens nothing any more", 403, _documents(cast.diallo).status)
    broken = stage.token("dr-diallo", "doctor-app", patient=LEA, purpose="BTG", reason=REASON)
    opens = broken.status == 200 and _documents(Actor(stage.fhir, broken.json["access_token"])).status == 200
    stage.expect("bris de glace opens it", False, opens)


def break_glass(stage: Stage, cast: Cast) -> None:
    """Dr Roux, emergency doctor, opens it by bris de glace with a reason, and Léa is told."""
    silent = stage.token("dr-roux", "doctor-app", patient=LEA, purpose="BTG")
    stage.expect("without a reason: refused", 400, silent.status)
    before = len(_notices(stage))
    roux = stage.as_("dr-roux", "doctor-app", patient=LEA, purpose="BTG", reason=REASON)
    found = _documents(roux)
    stage.expect("with one: what is not masked", (200, 1), (found.status, found.total))
    stage.expect("the masked letter stays masked", 404, roux.get(cast.document).status)
    stage.expect("Léa is told", True, stage.soon(lambda: len(_notices(stage)) > before))
    words = json.dumps(_notices(stage), ensure_ascii=False)
    stage.expect("without the reason, which is health data", False, "inconsciente" in words)


def centre_15(stage: Stage, cast: Cast) -> None:
    """Dr Lambert, regulator of centre 15, reads; Léa opposes; she no longer does."""
    lambert = stage.as_("dr-lambert", "doctor-app", patient=LEA, purpose="ETREAT")
    stage.expect("the regulator reads", 200, _documents(lambert).status)
    other = stage.token("dr-roux", "doctor-app", patient=LEA, purpose="ETREAT")
    stage.expect("a doctor who does not regulate may not ask", True, other.status >= 400)
    answered = [
        each
        for each in cast.lea.get("Consent", patient=LEA, status="active").resources
        if "urgence-samu" in json.dumps(each["category"])
    ]
    ended = [
        {"resource": {**each, "status": "inactive"}, "request": {"method": "PUT", "url": f"Consent/{each['id']}"}}
        for each in answered
    ]
    opposed = {"resource": _consent("urgence-samu", permit=False), "request": {"method": "POST", "url": "Consent"}}
    changed = cast.lea.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [*ended, opposed]})
    stage.expect("Léa opposes, in one transaction", 200, changed.status)
    stage.expect("the regulator no longer reads", 403, _documents(lambert).status)


def outsiders(stage: Stage, cast: Cast) -> None:
    """An insurer, a mutuelle, a bank, an employer, an occupational doctor, her own fund, a secretary: never."""
    del cast
    for login in OUTSIDERS:
        person = dossier.people()[login]
        refused = stage.token(login, "doctor-app", patient=LEA)
        no_token = refused.status >= 400 and "access_token" not in refused.json
        stage.expect(
            f"{person.what.partition(' :')[0]}: no token; with one, no decision",
            (True, True),
            (no_token, denied(person)),
        )


def holder(stage: Stage, cast: Cast) -> None:
    """Léa reads her letter, and who looked."""
    letter = cast.lea.get(cast.content, accept="application/pdf")
    stage.expect("her letter, byte for byte", True, letter.content == dossier.letter())
    trail = cast.lea.get("AuditEvent", patient=LEA, _sort="-date", _count="200")
    stage.expect("her access history", 200, trail.status)
    told = [json.dumps(each, ensure_ascii=False) for each in trail.resources]
    for who in ("MOREAU", "DIALLO", "ROUX", "LAMBERT"):
        stage.expect(f"Dr {who} is in it", True, any(who in each for each in told))
    stage.expect("with the reason given", True, any(REASON in each and "BTG" in each for each in told))
    stage.expect("with what was refused", True, any(each.get("outcome") == "8" for each in trail.resources))
    stage.expect("with the deposits", True, any("110107" in each for each in told))
    undated = [each for each in trail.resources if not each.get("recorded")]
    stage.expect("each with its date and time", 0, len(undated))


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
    given = (parse(_consent("dmp-creation")), parse(_consent("ps-autorisation", actor=person.fhir_user)))
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
OUTSIDERS = (
    "agent-assureur",
    "agent-mutuelle",
    "agent-banque",
    "agent-employeur",
    "dr-garnier",
    "agent-caisse",
    "secretaire",
)
PROFESSIONAL = "user/Patient.rs user/DocumentReference.rs user/Binary.r user/List.rs user/Consent.rs"


def _documents(actor: Actor, **query: str) -> Answer:
    """Her documents, as ITI-67 asks for them."""
    return actor.get("DocumentReference", **{"patient": LEA, "status": "current", "_total": "accurate", **query})


def _by_identifier(cast: Cast) -> Answer:
    master = cast.letter.get("masterIdentifier", {})
    assert cast.diallo is not None  # noqa: S101 - she came on stage before
    return cast.diallo.get("DocumentReference", identifier=f"{master.get('system')}|{master.get('value')}")


def _content(document: dict[str, Any]) -> str:
    """`Binary/id` of a document's content."""
    url = document["content"][0]["attachment"]["url"] if document else ""
    return "/".join(str(url).split("/")[-2:])


def _mentioned(bundle: Answer) -> set[str]:
    """Every document that a page holds or points to."""
    held = {f"{each['resourceType']}/{each['id']}" for each in bundle.resources}
    pointed = {
        entry.get("item", {}).get("reference", "") for each in bundle.resources for entry in each.get("entry", ())
    }
    return held | pointed


def _notices(stage: Stage) -> list[dict[str, Any]]:
    """What Léa was told, but for her one-time codes."""
    person = dossier.people()["lea"]
    return [each for to in (person.mail, person.mobile) if to for each in stage.outbox(to) if not each.get("code")]


def _consent(category: str, **said: Any) -> dict[str, Any]:
    return consent(category, RECORD, instant(datetime.now(UTC)), **said)


def _published() -> dict[str, Any]:
    """The ANS example, as it stands but for the patient."""
    text = SUBMITTED.read_text("utf-8")
    identifier = dossier.resource("Patient", LEA)["identifier"][0]
    made: dict[str, Any] = json.loads(
        text.replace("urn:oid:1.2.250.1.213.1.4.8|123456789012345", f"{identifier['system']}|{identifier['value']}")
        .replace('"urn:oid:1.2.250.1.213.1.4.8"', f'"{identifier["system"]}"')
        .replace("123456789012345", identifier["value"])
    )
    return made
