"""Drawn worlds: strategies for the letters, Consents, record and asker of a small world, and the log that tells it.

May live here: what is drawn and how it is told. May not know: who may see what of it (`oracle.py`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from fhir_server.foundation.principal import Principal, Purpose
from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.drawn_consents import CONFIDENTIALITY, CONSENTS, NOW, TEAM, consent_of, is_unreadable
from tests.kit.family import (
    DIETICIAN,
    UNAUTHORISED,
    begun,
    emergency,
    letter_of,
    masked,
    provenance,
    remb,
    without_items,
)
from tests.kit.steps import PHARMACIST, guardian, said
from tests.kit.twin import Letter, Log, Without, id_at
from tests.kit.world import label, patient, practitioner

SNOMED = "http://snomed.info/sct"
VISIBILITY = ("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX")
CHU = people.hospital().organizations
BLOCKED = people.professional("bloque", "10000000006")
INTERN = people.professional("interne", "10000000007", organizations=CHU)

ASKERS: dict[str, Principal] = {
    "authorised": people.radiologist(),
    "authorised, in a launch": people.radiologist(patient="lea"),
    "authorised, at the hospital": people.radiologist(organizations=CHU),
    "never authorised": UNAUTHORISED,
    "never authorised, in a launch": replace(UNAUTHORISED, patient="lea"),
    "blocked": BLOCKED,
    "pharmacist": PHARMACIST,
    "dietician": DIETICIAN,
    "médecin traitant": people.doctor(),
    "hospital professional": INTERN,
    "hospital professional, in a launch": replace(INTERN, patient="lea"),
    "emergency": emergency(),
    "emergency, of one who is blocked": replace(
        BLOCKED, purpose=Purpose.BREAK_GLASS, reason="inconscient", patient="lea"
    ),
    "dispatch": people.professional(
        "samu", "10000000008", purpose=Purpose.EMERGENCY_DISPATCH, patient="lea", regulation=True
    ),
    "holder": people.holder(),
    "representative": people.representative("lea"),
    "system": people.hospital(),
}
RECORDS = ("adult", "adult", "minor", "closed")

LETTER = st.fixed_dictionaries(
    {
        "label": st.sampled_from(("MASQUE_PS", "MASQUE_PS", None, None, None, *VISIBILITY[1:], "R", "V")),
        "later": st.booleans(),
        "remb": st.booleans(),
        "author": st.sampled_from((None, None, "bernard", "diallo", "noel", "interne")),
        "year": st.sampled_from((2026, 2026, 2020)),
        "stay": st.booleans(),
        "alone": st.booleans(),
        "mentions": st.booleans(),
        "told": st.booleans(),
        "read": st.booleans(),
        "after": st.sampled_from((False, False, True)),
        "deleted": st.sampled_from((False, False, False, True)),
    }
)
"""`author`: put by the operator as his; None: deposited by the CHU. `after`: it comes after the Consents."""
WORLD = st.fixed_dictionaries(
    {
        "record": st.sampled_from(RECORDS),
        "asker": st.sampled_from(sorted(ASKERS)),
        "letters": st.lists(LETTER, min_size=1, max_size=4),
        "consents": CONSENTS,
        "seed": st.integers(0, 2**16),
    }
)


def minor(log: Log) -> None:
    """From here on Léa is a child, whom Anne represents."""
    log.put(guardian())
    log.put({**patient(birthDate="2012-05-05"), "active": True})


@cache
def opened(record: str) -> Log:
    """The record before anything is drawn, and Paul's beside it, in which the authorised one may consult too."""
    log = begun()
    for id_, rpps in (("zoe", "10000000033"), ("bloque", "10000000006"), ("interne", "10000000007")):
        log.put(practitioner(id_, rpps, id_.capitalize()))
    members = [{"member": {"reference": each}} for each in sorted(TEAM)]
    log.put({"resourceType": "CareTeam", "id": "equipe", "status": "active", "participant": members})
    log.put(
        {
            "resourceType": "Encounter",
            "id": "sejour",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": {"reference": "Patient/lea"},
        }
    )
    for kind, actor in (("ps-autorisation", "zoe"), ("ps-blocage", "bloque")):
        made = consent_patterns.consent(kind, "Patient/lea", NOW, actor=f"Practitioner/{actor}")
        log.ask(people.holder(), "POST", "Consent", made)
    if record == "minor":
        minor(log)
    log.put({**patient("paul", active=True), "identifier": [{"system": "urn:x", "value": "paul"}]})
    for id_, code in (("paul-1", None), ("paul-2", "MASQUE_PS")):
        log.put({**letter_of("paul", id_, code), "description": "courrier"})
    for actor in ("diallo", "noel"):
        made = consent_patterns.consent("ps-autorisation", "Patient/paul", NOW, actor=f"Practitioner/{actor}")
        log.put({**made, "id": f"paul-{actor}"})
    return log


def log_of(drawn: dict[str, Any]) -> Log:
    """The log of a drawn world: letters and their readings, Consents, later letters, labels, deletions, a closing."""
    log = Log()
    log.steps, log.names = [*opened(drawn["record"]).steps], {}
    letters = {f"d{index}": each for index, each in enumerate(drawn["letters"])}
    _letters(log, {name: each for name, each in letters.items() if not each["after"]})
    consents = {
        f"c{index}": (each, consent_of(each, log.names, list(letters))) for index, each in enumerate(drawn["consents"])
    }
    shutting = [name for name, (_, body) in consents.items() if is_unreadable(body)]
    for name in (each for each in consents if each not in shutting):
        _consent(log, name, *consents[name], own=drawn["record"] != "minor")
    _letters(log, {name: each for name, each in letters.items() if each["after"]})
    log.put(without_items(log.names, *letters), because=["folder"])
    log.names["folder"] = "List/classeur"
    for name, each in letters.items():
        if each["label"] in VISIBILITY and each["later"]:
            masked(log, name, each["label"], _keeper(each))
    for name, each in letters.items():
        if each["deleted"]:
            log.ask(_keeper(each), "DELETE", log.names[name], because=[name])
    for name in shutting:  # from here on nobody feeds the record
        _consent(log, name, *consents[name], own=False)
    if drawn["record"] == "closed":
        log.ask(people.holder(), "POST", "Patient/lea/$close-record", said(reason="patient-demande"))
    return log


def _keeper(letter: dict[str, Any]) -> Principal:
    return people.operator() if letter["author"] else people.hospital()


def _letters(log: Log, letters: dict[str, dict[str, Any]]) -> None:
    batch: list[Letter] = []

    def flush() -> None:
        if batch:
            log.deposit(*batch)
            batch.clear()

    earlier: list[str] = []
    for name, each in letters.items():
        # a system names what it sees, which is what it deposited (docs/adr/0011)
        near = [other for other in earlier if each["author"] or not letters[other]["author"]]
        target = near[-1] if near and each["mentions"] else None
        if target is not None or each["author"]:
            flush()
        more = _more(log, each, target)
        if each["author"]:
            id_ = f"lettre-{name}"
            log.names[name] = f"DocumentReference/{id_}"

            def put(without: Without, each=each, id_=id_, more=more) -> dict[str, Any]:
                author = {"author": [{"reference": f"Practitioner/{each['author']}"}]}
                return {**letter_of("lea", id_, None), **author, **more(without)}

            log.put(put, because=[name], at=log.names[name])
        else:
            batch.append(Letter(name, (), more))
        earlier.append(name)
        if each["alone"]:
            flush()
    flush()
    for name, each in letters.items():
        if each["told"]:
            log.names[f"w{name}"] = f"Provenance/w-{name}"
            log.put(provenance(f"w-{name}", log.names[name]), because=[f"w{name}"])
        if each["read"]:
            readers = (people.hospital(),) if each["after"] else (people.doctor(), people.hospital())
            for who in readers if not each["author"] else readers[:1] * (not each["after"]):
                log.ask(who, "GET", log.names[name], because=[name])
                if not each["author"]:
                    log.ask(who, "GET", log.names[f"{name}.content"], because=[name], native=True)


def _more(log: Log, letter: dict[str, Any], target: str | None):
    """What a letter says besides: its labels, type, period, stay, and the letter it appends."""
    codes = [letter["label"]] if letter["label"] and not (letter["label"] in VISIBILITY and letter["later"]) else []
    level = codes.pop() if codes and codes[0] in ("R", "V") else "N"
    labels = [{"coding": [{"system": CONFIDENTIALITY, "code": level}]}, *map(label, codes)]
    period = {"start": f"{letter['year']}-06-20T08:00:00+01:00", "end": f"{letter['year']}-06-21T08:00:00+01:00"}
    context: dict[str, Any] = {"period": period}
    if letter["stay"] and letter["author"]:
        context["encounter"] = [{"reference": "Encounter/sejour"}]
    if not letter["author"]:
        context |= {
            "sourcePatientInfo": {"reference": "#p"},
            "facilityType": {"coding": [{"system": SNOMED, "code": "22232009"}]},
            "practiceSetting": {"coding": [{"system": SNOMED, "code": "394802001"}]},
        }

    def more(without: Without) -> dict[str, Any]:
        told: dict[str, Any] = {"securityLabel": labels, "context": context}
        if letter["remb"]:
            told["type"] = {"coding": [remb()]}
        if target is not None and target not in without:
            told["relatesTo"] = [{"code": "appends", "target": {"reference": log.names[target]}}]
        return told

    return more


def _consent(log: Log, name: str, drawn: dict[str, Any], body: dict[str, Any], *, own: bool) -> None:
    """A Consent, by the operator; of our types, by the holder who may say so."""
    names = any(each["data"] for each in drawn["nested"])  # the holder names what he sees (docs/adr/0011)
    if drawn["kind"] and own and drawn["state"] != "inactive" and not names:
        step = log.ask(people.holder(), "POST", "Consent", body, because=[name])
        log.names[name] = f"Consent/{id_at(step, 1)}"
    else:
        log.names[name] = f"Consent/consentement-{name}"
        state = "active" if drawn["state"] == "ended" else drawn["state"]
        log.put({**body, "id": f"consentement-{name}", "status": state}, because=[name])
    if drawn["state"] == "ended":
        id_ = log.names[name].partition("/")[2]
        log.put({**body, "id": id_, "status": "inactive"}, because=[name])
