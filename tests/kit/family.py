"""The Martins' record in steps of a log: who may consult, letters, what is about them and what mentions them."""

from __future__ import annotations

from fhir_server.foundation.principal import Principal, Purpose
from tests.kit import people
from tests.kit.twin import TAGS, Letter, Log
from tests.kit.world import label, opening, patient, practitioner

DIETICIAN = people.professional("noel", "10000000004", "95")
UNAUTHORISED = people.professional("inconnu", "10000000005")
LOINC = "http://loinc.org"


def begun(**answers) -> Log:
    """A record that is open: its médecin traitant, a radiologist and a dietician who may consult."""
    log = Log()
    log.put(
        {
            "resourceType": "Organization",
            "id": "chu",
            "name": "CHU",
            "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "750712184"}],
        }
    )
    for id_, rpps in (("bernard", "10000000001"), ("diallo", "10000000002"), ("noel", "10000000004")):
        log.put(practitioner(id_, rpps, id_.capitalize()))
    log.put(patient())
    given = {"treatingPhysician": "Practitioner/bernard", **answers}
    given.setdefault("authorized", ["Practitioner/diallo", "Practitioner/noel"])
    log.ask(people.holder(), "POST", "Patient/lea/$open-record", opening(**given))
    return log


def masked(log: Log, name: str, code: str = "MASQUE_PS", who: Principal | None = None) -> None:
    patch = [{"op": "add", "path": "/securityLabel/-", "value": label(code)}]
    log.ask(who or people.holder(), "PATCH", log.names[name], patch, because=[name])


def without_items(names: dict[str, str], *wanted: str):
    """A folder of documents, without those that are left out."""

    def made(without):
        return {
            "resourceType": "List",
            "id": "classeur",
            "status": "current",
            "mode": "working",
            "subject": {"reference": "Patient/lea"},
            "title": "classeur",
            "entry": [{"item": {"reference": names[each]}} for each in wanted if each not in without],
        }

    return made


def observed(names: dict[str, str], wanted: str):
    def made(without):
        resource = {
            "resourceType": "Observation",
            "id": "mesure",
            "status": "final",
            "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
            "subject": {"reference": "Patient/lea"},
            "effectiveDateTime": "2026-11-20",
            "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        }
        if wanted not in without:
            resource["derivedFrom"] = [{"reference": names[wanted]}]
        return resource

    return made


def provenance(id_: str, target: str):
    return {
        "resourceType": "Provenance",
        "id": id_,
        "meta": {"tag": [{"code": f"about-{id_}"}], "profile": [f"http://x.example/about-{id_}"]},
        "target": [{"reference": target}],
        "recorded": "2026-11-22T10:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/bernard"}}],
    }


def told_about(id_: str, target: str):
    return {
        "resourceType": "Communication",
        "id": id_,
        "status": "completed",
        "subject": {"reference": "Patient/lea"},
        "about": [{"reference": target}],
    }


def family_life() -> Log:
    """d1 plain; d2 masked after she read it; d3 alone in its submission, masked; d4 appends d2 and speaks of d3;
    d5 hidden from the holder; d6 of class 60; d7 masked and deleted; d8 deleted in sight of all.
    """
    log = begun()
    log.deposit(Letter("d1"), Letter("d2"))
    log.deposit(Letter("d3", ("MASQUE_PS",)))
    names = log.names
    log.put(provenance("w1", names["d1"]), because=["d1"])
    log.put(provenance("w2", names["d2"]), because=["d2"])
    log.put(told_about("c2", names["d2"]), because=["d2"])
    for who in (people.doctor(), people.radiologist(), people.holder()):
        log.ask(who, "GET", names["d2"], because=["d2"])
        log.ask(who, "GET", names["d2.content"], because=["d2"], native=True)
        log.ask(who, "GET", names["d1"], because=["d1"])
        log.ask(who, "GET", "DocumentReference?patient=lea")
    log.ask(people.doctor(), "GET", "DocumentReference?description:exact=lettre d2")
    masked(log, "d2")
    log.ask(people.doctor(), "GET", names["d2"], because=["d2"])

    def d4(without):
        more = {}
        if "d2" not in without:
            more["relatesTo"] = [{"code": "appends", "target": {"reference": names["d2"]}}]
        if "d3" not in without:
            more["context"] = {
                "period": {"start": "2026-11-20T08:00:00+01:00"},
                "sourcePatientInfo": {"reference": "#p"},
                "facilityType": {"coding": [{"system": "http://snomed.info/sct", "code": "22232009"}]},
                "practiceSetting": {"coding": [{"system": "http://snomed.info/sct", "code": "394802001"}]},
                "related": [{"reference": names["d3"]}],
            }
        return more

    log.deposit(Letter("d4", more=d4))
    log.deposit(Letter("d5", ("INVISIBLE_PATIENT",)))
    log.ask(people.doctor(), "GET", names["d5"], because=["d5"])
    log.deposit(Letter("d6", more=lambda _: {"type": {"coding": [remb()]}}))
    log.ask(people.doctor(), "GET", names["d6"], because=["d6"])
    log.put(without_items(names, "d1", "d2", "d5", "d6"), because=["classeur"])
    log.put(observed(names, "d2"), because=["mesure"])
    log.put({**without_items(names, "d2")(frozenset()), "id": "seul"}, because=["d2"])
    log.deposit(Letter("d7", ("MASQUE_PS",)))
    log.ask(people.hospital(), "DELETE", names["d7"], because=["d7"])
    log.deposit(Letter("d8"))
    log.ask(people.hospital(), "DELETE", names["d8"], because=["d8"])
    return log


def remb():
    return {
        "system": "https://mos.esante.gouv.fr/NOS/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire",
        "code": "REMB",
    }


def emergency() -> Principal:
    return people.professional(
        "urgent", "10000000003", purpose=Purpose.BREAK_GLASS, reason="inconscient", patient="lea"
    )


def letter_of(who: str, id_: str, code: str | None):
    return {
        "resourceType": "DocumentReference",
        "id": id_,
        "meta": {"tag": [{"system": TAGS, "code": f"put-{id_}"}]},
        "status": "current",
        "type": {"coding": [{"system": LOINC, "code": "11488-4"}]},
        "subject": {"reference": f"Patient/{who}"},
        "date": "2026-11-20T10:00:00Z",
        "description": f"lettre {id_}",
        **({"securityLabel": [label(code)]} if code else {}),
        "content": [{"attachment": {"contentType": "text/plain", "title": id_}}],
    }


def appends(reference: str):
    return {"relatesTo": [{"code": "appends", "target": {"reference": reference}}]}
