"""The kinds of steps that scenes are made of, and what they send over and over.

May live here: a question and how its answer is put into words, so that `expected` and `came` are sentences. May not
know: the order of the play, nor anything of the server but its addresses.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fhir_server.foundation.moment import instant
from fhir_server.resources import consent_patterns as patterns
from fhir_server.sandbox import dossier
from fhir_server.sandbox.play import Actor, Answer, Stage

LEA = "lea-martin"
RECORD = f"Patient/{LEA}"
SUBMITTED = Path(__file__).parents[2] / "examples" / "pdsm4dmp" / "Bundle-example-td2-iti65-lot-soumission.json"


def outcome(stage: Stage, what: str, came: Answer, expected: str) -> None:
    """A step whose status tells all."""
    stage.expect(what, came.asked, expected=expected, came=came.outcome, said=came.said)


def count(stage: Stage, what: str, page: Answer, noun: str, number: int) -> None:
    """A search that has to find so many."""
    expected = f"200 OK, {number} {noun}{'s'[: number != 1]}"
    stage.expect(what, page.asked, expected=expected, came=page.found(noun), said=page.said)


def letter(stage: Stage, what: str, came: Answer) -> None:
    """A step that has to give the PDF as it was deposited."""
    same = "the PDF byte for byte" if came.content == dossier.letter() else "other bytes"
    stage.expect(
        what, came.asked, expected="200 OK, the PDF byte for byte", came=f"{came.outcome}, {same}", said=came.said
    )


def like_absent(stage: Stage, what: str, came: Answer, other: Answer) -> None:
    """A step whose answer has to be that of the step before, byte for byte."""
    same = "byte for byte the same answer" if came.content == other.content else "another answer"
    expected = f"{other.outcome}, byte for byte the same answer"
    stage.expect(what, came.asked, expected=expected, came=f"{came.outcome}, {same}")


def stored(stage: Stage, what: str, came: Answer) -> None:
    """A submission that has to be stored whole."""
    kinds = ", ".join(place.split("/fhir/")[-1].split("/")[0] for place in places(came)) or "nothing"
    expected = "200 OK, stored: List, DocumentReference, Binary"
    stage.expect(what, came.asked, expected=expected, came=f"{came.outcome}, stored: {kinds}", said=came.said)


def told(stage: Stage, what: str, before: int, nothing: str, unspoken: tuple[str, ...]) -> None:
    """A notice that has to come within five seconds, without certain words."""
    came = stage.soon(lambda: len(notices(stage)) > before)
    said = json.dumps(notices(stage), ensure_ascii=False).lower()
    spoken = [word for word in unspoken if word.lower() in said]
    stage.expect(
        what,
        f"GET /sandbox/outbox.json?to={dossier.people()['lea'].mail}",
        expected=f"a notice, nothing {nothing} in it",
        came=f"{'a' if came else 'no'} notice, {', '.join(spoken) or f'nothing {nothing}'} in it",
    )


def no_token(came: Answer) -> str:
    """Whether it is a token, in words."""
    return "no token" if came.status >= 400 and "access_token" not in came.json else "a token"


def places(came: Answer) -> list[str]:
    """Where the entries of a submission now are."""
    found = [entry["response"].get("location", "") for entry in came.json.get("entry", ()) if "response" in entry]
    return [place for place in found if place]


def documents(actor: Actor, **query: str) -> Answer:
    """Her documents, as ITI-67 asks for them."""
    return actor.get("DocumentReference", **{"patient": LEA, "status": "current", **query})


def by_identifier(actor: Actor, letter: dict[str, Any]) -> Answer:
    """A search that names no patient, only the unique identifier of a document."""
    master = letter.get("masterIdentifier", {})
    return actor.get("DocumentReference", identifier=f"{master.get('system')}|{master.get('value')}")


def content(document: dict[str, Any]) -> str:
    """`Binary/id` of a document's content."""
    url = document["content"][0]["attachment"]["url"] if document else ""
    return "/".join(str(url).split("/")[-2:])


def mentioned(bundle: Answer) -> set[str]:
    """Every document that a page holds or points to."""
    held = {f"{each['resourceType']}/{each['id']}" for each in bundle.resources}
    pointed = {
        entry.get("item", {}).get("reference", "") for each in bundle.resources for entry in each.get("entry", ())
    }
    return held | pointed


def notices(stage: Stage) -> list[dict[str, Any]]:
    """What Léa was told, but for her one-time codes."""
    person = dossier.people()["lea"]
    return [each for to in (person.mail, person.mobile) if to for each in stage.outbox(to) if not each.get("code")]


def consent(category: str, **said: Any) -> dict[str, Any]:
    """A Consent of Léa's, as of now."""
    return patterns.consent(category, RECORD, instant(datetime.now(UTC)), **said)


def published() -> dict[str, Any]:
    """The ANS example, as it stands but for the patient."""
    text = SUBMITTED.read_text("utf-8")
    identifier = dossier.resource("Patient", LEA)["identifier"][0]
    made: dict[str, Any] = json.loads(
        text.replace("urn:oid:1.2.250.1.213.1.4.8|123456789012345", f"{identifier['system']}|{identifier['value']}")
        .replace('"urn:oid:1.2.250.1.213.1.4.8"', f'"{identifier["system"]}"')
        .replace("123456789012345", identifier["value"])
    )
    return made
