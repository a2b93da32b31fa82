"""Generated cases: for each word of the law a case of its own, in the form of `decisions/*.json`.

May live here: worlds made from the tables of `profiles/dmp`, one for each word, edge or cell. May not know: how a case
is decided. What each expects is what the table says, read from the published table, never from the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fhir_server.definitions.library import profile_json

LAW = profile_json("dmp/rules.json")
TYPES = profile_json("dmp/document-types.json")["types"]
HERE = {"reference": "Patient/lea"}
GUARD = {
    "resourceType": "RelatedPerson",
    "id": "paul",
    "patient": HERE,
    "relationship": [
        {
            "coding": [
                {
                    "system": "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass",
                    "code": LAW["guardian"],
                }
            ]
        }
    ],
}
MINOR = {"record": {"birth": "2015-03-01"}, "related": [GUARD]}
OWN = {"performer": "Patient/lea"}
OF_PATIENT = ("AllergyIntolerance", "Device", "EpisodeOfCare", "ExplanationOfBenefit", "Immunization", "SupplyDelivery")
"""Types whose owner is their `patient`."""
OF_NONE = ("Binary", "Bundle", "Provenance")
"""Types that have no owner of their own."""
DEPOSITED = {"diallo": "sien", "chu": "depot-chu", "assurance": "remboursement"}
"""A document of their own for who deposits: to others they may not point."""
OF_KIND: dict[str, dict[str, Any]] = {
    **{kind: {} for kind in ("dmp-creation", "alimentation", "urgence-bris-de-glace", "urgence-samu")},
    "ps-blocage": {"deny": True, "actor": "Practitioner/bernard"},
    "etablissement": {"actor": "Organization/chu"},
    "representant-legal": {"actor": "RelatedPerson/paul"},
}
"""What a Consent of a category says at least; else it names a doctor."""
OTHER: dict[str, Any] = {
    "telecom": [{"system": "phone", "value": "0601020304"}],
    "contact": [{"name": {"family": "Martin"}}],
    "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "fr"}]}}],
    "address": [{"city": "Lorient"}],
    "photo": [{"contentType": "image/png", "title": "portrait"}],
    "text": {"status": "additional", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Martin</div>'},
    "meta": {"tag": [{"system": "https://example.org/tags", "code": "autre"}]},
    "name": [{"family": "Autre"}],
    "birthDate": "1984-05-13",
    "identifier": [{"system": "https://example.org/autre", "value": "autre"}],
    "gender": "other",
    "active": False,
}
"""What an element of a Patient may say instead."""

Case = dict[str, Any]


def every() -> list[Case]:
    """All of them."""
    return [
        case
        for make in (
            of_the_holder,
            of_representatives,
            collected_for_another,
            of_a_closed_record,
            at_an_opening,
            fed_by_professionals,
            fed_by_the_insurance,
            of_the_care_history,
            of_modes,
            of_consents,
            of_contents,
        )
        for case in make()
    ]


def case(title: str, rule: str, cites: str, asks: list[dict[str, Any]], **world: Any) -> Case:
    return {"title": title, "rule": rule, "cites": cites.split(), "asks": asks, **world}


def writes(who: str, type_: str, to: dict[str, Any], *, allowed: bool = True, **more: Any) -> dict[str, Any]:
    return {"as": who, "verb": "create", "type": type_, "to": to, "expect": {"allowed": allowed}, **more}


def feeds(who: str, type_: str, *, allowed: bool = True) -> dict[str, Any]:
    """A deposit beside a document of theirs; a Bundle belongs to a record only once a document points to it."""
    own = {"reference": f"DocumentReference/{DEPOSITED[who]}"}
    match type_:
        case "DocumentReference":
            to: dict[str, Any] = {"type": "11488-4"}
        case "Binary":
            to = of_type(type_, securityContext=own)
        case "Provenance":
            to = of_type(type_, target=[own])
        case _:
            to = of_type(type_)
    ask = writes(who, type_, to, allowed=allowed)
    return {**ask, "expect": {"granted": "write.feeding"}} if type_ == "Bundle" else ask


def consents(who: str, type_: str | None, *, allowed: bool = True, **more: Any) -> dict[str, Any]:
    given = {"type": type_, **OF_KIND.get(type_ or "foreign", {"actor": "Practitioner/bernard"}), **more}
    expect = {"allowed": allowed}
    return {"as": who, "verb": "create", "type": "Consent", "consent": given, "expect": expect}


def of_type(type_: str, **more: Any) -> dict[str, Any]:
    """A resource of Léa's record, with no more than what the rules read."""
    owner = {} if type_ in OF_NONE else {"patient" if type_ in OF_PATIENT else "subject": HERE}
    return {"resource": {"resourceType": type_, **owner, **more}}


def typed(kind: str) -> str | None:
    return None if kind == "foreign" else kind


# --- the patient's side ---


def of_the_holder() -> Iterator[Case]:
    words = LAW["holder"]
    for type_ in words["documentTypes"]:
        ask = writes("lea", "DocumentReference", {"type": type_})
        yield case(f"Le titulaire dépose un document {type_}", "holder_documents", "DMP-63", [ask])
    others = [
        type_
        for type_, row in TYPES.items()
        if row["class"] in words["documentClasses"] and type_ not in words["documentTypes"]
    ]
    for type_ in others:
        ask = writes("lea", "DocumentReference", {"type": type_})
        yield case(f"Le titulaire dépose un document {type_}, de sa classe", "holder_documents", "DMP-63", [ask])
    for type_ in words["own"]:
        asks = [writes("lea", type_, of_type(type_)), writes("diallo", type_, of_type(type_), allowed=False)]
        feeding = {"type": LAW["consents"]["feeding"], "deny": True}
        yield case(f"Le titulaire ajoute {type_}", "patient_side_adds", "DMP-63", asks, consents=[feeding])
    for element in OTHER:
        to = {"resource": {element: OTHER[element]}}
        for who, party, world in (("lea", "holder", {}), ("paul", "representative", MINOR)):
            expect = {"allowed": element in LAW[party]["identity"]}
            ask = {"as": who, "verb": "update", "on": "lea", "to": to, "expect": expect}
            title = f"Le Patient, par {'le titulaire' if who == 'lea' else 'son représentant'}: {element}"
            yield case(title, "holder_identity", "DMP-25 DMP-142", [ask], **world)
    for kind in words["consents"]:
        asks = [consents("lea", typed(kind)), consents("hugo", typed(kind), allowed=False)]
        world = {"related": [GUARD]} if kind == LAW["consents"]["representation"] else {}
        yield case(f"Le titulaire décide: {kind}", "holder_decides", "DMP-44 DMP-73", asks, **world)


def of_representatives() -> Iterator[Case]:
    words = LAW["representative"]["consents"]
    for kind in LAW["holder"]["consents"]:
        ask = consents("paul", typed(kind), performer="RelatedPerson/paul", allowed=kind in words)
        yield case(f"Le représentant décide pour le mineur: {kind}", "holder_decides", "DMP-22", [ask], **MINOR)


def collected_for_another() -> Iterator[Case]:
    given = [{"type": LAW["consents"]["authorisation"], "actor": "Practitioner/diallo"}]
    for kind in LAW["holder"]["consents"]:
        ask = consents("diallo", typed(kind), allowed=kind in LAW["collected"])
        title = f"Un professionnel autorisé recueille la parole du titulaire: {kind}"
        yield case(title, "collected_consent", "DMP-110", [ask], consents=given)


# --- states of the record ---


def of_a_closed_record() -> Iterator[Case]:
    words = LAW["closed"]["holder"]
    closed, of_cr = {"record": {"standing": "closed"}}, {"reference": "DocumentReference/cr"}
    for operation in (*words["operations"], "summary"):
        expect = {"sees" if operation in words["operations"] else "hides": ["cr"]}
        ask = {"as": "lea", "verb": "operation", "type": "Patient", "operation": operation, "expect": expect}
        title = f"Le titulaire d'un DMP fermé demande {operation}"
        yield case(title, "record_closed", "DMP-104 DMP-105", [ask], **closed, documents=["cr"])
    for type_ in (*words["reads"], "Observation", "DocumentReference"):
        granted = {"granted": "party.holder"} if type_ in words["reads"] else {"refused": "record.closed"}
        content = {
            "cr": {},
            "contenu": {**of_type("Binary", contentType="text/plain", securityContext=of_cr), "by": "bernard"},
        }
        sees = {"Binary": ["contenu"], "Patient": ["lea"]}.get(type_)
        expect = {**granted, "sees": sees} if sees else granted
        ask = {"as": "lea", "type": type_, "expect": expect}
        world = {**closed, "documents": content} if type_ == "Binary" else closed
        yield case(f"Le titulaire d'un DMP fermé lit {type_}", "record_closed", "DMP-105", [ask], **world)


def at_an_opening() -> Iterator[Case]:
    """A Consent alone opens a record for a grown holder, online; everybody else takes a step (`life.json`)."""
    given = {"type": LAW["consents"]["creation"]}
    minor = {"record": {"standing": "none", "birth": "2015-03-01"}, "related": [GUARD]}
    for who, expect, more in (
        ("lea", {"allowed": True}, {"record": {"standing": "none"}}),
        ("lea", {"refused": "opening.not-online"}, minor),
        ("paul", {"refused": "opening.not-online"}, minor),
        ("pharmacien", {"refused": "record.none"}, minor),
        ("accueil", {"refused": "record.none"}, minor),
        ("chu", {"refused": "record.none"}, minor),
        ("assurance", {"refused": "record.none"}, minor),
    ):
        by = {"performer": "RelatedPerson/paul"} if who == "paul" else OWN
        ask = {"as": who, "verb": "create", "type": "Consent", "consent": {**given, **by}, "expect": expect}
        title = f"Un consentement de {who} à l'ouverture{' pour un mineur' if more is minor else ''}"
        yield case(title, "online_opening", "DMP-20 DMP-22 DMP-90 K12", [ask], **more)
    for kind in LAW["holder"]["consents"]:
        if kind != LAW["consents"]["representation"]:
            ask = consents("pharmacien", typed(kind), allowed=kind in LAW["life"]["openingConsents"])
            title = f"Une réponse donnée à l'ouverture par un tiers: {kind}"
            asks = [{**ask, "operation": "open-record-for"}]
            yield case(title, "opening", "DMP-22 DMP-26 K11 K14", asks, record={"standing": "none"})
        reopens = kind in LAW["closed"]["holder"]["consents"]
        ask = consents("lea", typed(kind))
        expect = {"allowed": True} if reopens else {"refused": "record.closed"}
        title = f"Dans un DMP fermé, le titulaire dit: {kind}"
        yield case(title, "record_closed", "DMP-105", [{**ask, "expect": expect}], record={"standing": "closed"})


# --- feeding ---


def fed_by_professionals() -> Iterator[Case]:
    for type_ in LAW["deposit"]["types"]:
        opposed = {"type": LAW["consents"]["feeding"], "deny": True}
        for who, rule in (("diallo", "feeding"), ("chu", "feeding_by_system")):
            ask, own = feeds(who, type_), [DEPOSITED[who]]
            yield case(f"{who} dépose {type_}", rule, "DMP-60 DMP-61", [ask], documents=own)
            refused = {**ask, "expect": {"refused": "feeding.opposed"}}
            title = f"{who} ne dépose pas {type_} contre l'opposition"
            yield case(title, "feeding_opposed", "DMP-60 K11", [refused], consents=[opposed], documents=own)
    ask = writes("diallo", "DocumentReference", {"type": "11488-4", "author": "bernard"}, allowed=False)
    yield case("Nul ne dépose au nom d'un autre", "feeding", "DMP-60", [ask])
    # 43 is no class that a doctor writes; whether that matters is a switch, off as shipped
    stray = next(type_ for type_, row in TYPES.items() if row["class"] == "43")
    ask = writes("diallo", "DocumentReference", {"type": stray})
    yield case("Un médecin dépose hors des classes qu'il écrit", "feeding", "DMP-60 DMP-119", [ask])
    given = {"type": LAW["consents"]["authorisation"], "actor": "Practitioner/travail"}
    people = {
        "travail": {
            "kind": "professional",
            "reference": "Practitioner/travail",
            "profession": "10",
            "specialties": ["SM25"],
        }
    }
    ask = {"as": "travail", "expect": {"refused": "party.occupational-medicine"}}
    title = "Le médecin du travail expressément autorisé est refusé, tant que le droit n'est pas réglé autrement"
    yield case(title, "forbidden_party", "DMP-47 DMP-122 K4", [ask], people=people, consents=[given])
    source = LAW["cardReading"]["title"]
    ask = consents("diallo", given["type"], actor="Practitioner/diallo", source=source, allowed=False)
    title = "Une lecture de carte Vitale déclarée n'autorise pas son lecteur"
    yield case(title, "collected_consent", "DMP-41", [ask])


def fed_by_the_insurance() -> Iterator[Case]:
    feed = LAW["deposit"]["insuranceFeed"]
    fed = [type_ for type_, row in TYPES.items() if row["class"] in feed["classes"] or type_ in feed["types"]]
    for type_ in (*fed, "11488-4"):
        ask = writes("assurance", "DocumentReference", {"type": type_}, allowed=type_ in fed)
        yield case(f"L'Assurance Maladie dépose {type_}", "feeding_by_insurance", "DMP-10 DMP-11 DMP-144", [ask])
    for type_ in (*feed["resources"], "Observation", "Condition"):
        ask = feeds("assurance", type_, allowed=type_ in feed["resources"])
        title = f"L'Assurance Maladie dépose {type_}"
        own = [DEPOSITED["assurance"]]
        yield case(title, "feeding_by_insurance", "DMP-10 DMP-144", [ask], documents=own)


def of_the_care_history() -> Iterator[Case]:
    """Edges of the window, for who feeds it under any of its names, and what is shown without end."""
    words, now = LAW["careHistory"], datetime.fromisoformat("2026-11-23T10:00:00+00:00")
    for feeder in words["feeders"]:
        people = {"caisse": {"kind": "insurance-feed", "identities": [feeder], "organizations": [feeder]}}
        if feeder.startswith("Organization/"):
            people["caisse"]["reference"] = feeder
        days = {"dedans": "2024-11-23", "dehors": "2024-11-22"}
        days |= {"un-mois-plus-tard": "2024-12-22", "un-mois-plus-tot": "2024-10-24"}
        documents = {
            name: {**of_type("Procedure", status="completed", performedDateTime=day), "by": "caisse"}
            for name, day in days.items()
        }
        expect = {"sees": ["dedans", "un-mois-plus-tard"], "hides": ["dehors", "un-mois-plus-tot"]}
        ask = {"as": "lea", "type": "Procedure", "now": now.isoformat(), "expect": expect}
        title = f"L'historique que dépose {feeder} se voit vingt-quatre mois"
        yield case(title, "care_history_window", "DMP-10", [ask], people=people, documents=documents)
    kept = [t for t, row in TYPES.items() if row["class"] in words["exceptClasses"]] + words["exceptTypes"]
    for type_ in dict.fromkeys(kept):
        documents = {"ancien": {"type": type_, "by": "assurance", "start": "2015-01-01"}}
        ask = {"as": "lea", "expect": {"sees": ["ancien"]}}
        title = f"Un document {type_} de l'Assurance Maladie se voit toujours"
        yield case(title, "care_history_window", "DMP-11", [ask], documents=documents)
    long_ago = {"type": "11488-4", "start": "2015-01-01"}
    access = {"resourceType": "AuditEvent", "entity": [{"what": HERE}]}
    documents = {
        "en-son-nom": {**long_ago, "author": "assurance", "by": "diallo"},
        "de-sa-main": {**long_ago, "author": "diallo", "by": "assurance"},
        "de-la-main-d-un-autre": {**long_ago, "by": "diallo"},
        "prestation": {**of_type("ExplanationOfBenefit", created="2015-01-01"), "by": "assurance"},
        "trace": {"resource": {**access, "agent": [{"who": {"reference": words["feeders"][-1]}, "requestor": True}]}},
    }
    expect = {"sees": ["de-la-main-d-un-autre", "prestation", "trace"], "hides": ["en-son-nom", "de-sa-main"]}
    asks = [{"as": "lea", "type": "", "expect": expect}]
    title = "L'historique est à l'Assurance Maladie par son auteur ou par qui le dépose"
    yield case(title, "care_history_window", "DMP-10 DMP-11", asks, documents=documents)


# --- modes, and consents by their type ---


def of_modes() -> Iterator[Case]:
    for purpose, mode in LAW["emergency"].items():
        who = "regulateur" if mode.get("regulation") else "diallo"
        granted = "emergency.break-glass" if purpose == "BTG" else "emergency.dispatch"
        ask = {"as": who, "purpose": purpose, "reason": "risque immédiat"}
        yield case(f"{purpose} est permis", "emergency", "DMP-115 K2", [{**ask, "expect": {"granted": granted}}])
        opposed = {"type": mode["type"], "deny": True}
        refused = {**ask, "expect": {"refused": "emergency.opposed"}}
        yield case(f"{purpose} est refusé sur opposition", "emergency", "DMP-115 K2", [refused], consents=[opposed])
        bare = {"as": who, "purpose": purpose}
        expect = {"refused": "emergency.no-reason"} if mode["reason"] else {"granted": granted}
        yield case(f"{purpose} sans motif", "emergency", "DMP-117 K3", [{**bare, "expect": expect}])
    nurse = {"kind": "professional", "reference": "Practitioner/ide", "profession": "60", "regulation": True}
    ask = {"as": "ide", "purpose": "ETREAT", "expect": {"refused": "emergency.no-right"}}
    title = "Le centre 15 n'est pas à une infirmière, même avec le droit de réguler"
    yield case(title, "emergency", "DMP-70 DMP-118", [ask], people={"ide": nurse})
    ask = {"as": "diallo", "purpose": "ETREAT", "expect": {"refused": "emergency.no-right"}}
    yield case("Le centre 15 n'est pas à qui ne régule pas", "emergency", "DMP-118", [ask])


def of_consents() -> Iterator[Case]:
    """What each type of Consent does, in one decision."""
    kinds, documents = LAW["consents"], ["cr", "masque", "a-annoncer", "secret"]
    sees = {"as": "diallo", "expect": {"sees": ["cr"]}}
    for name in ("authorisation", "establishment", "treatingPhysician"):
        actor = "Organization/cabinet" if name == "establishment" else "Practitioner/diallo"
        given = [{"type": kinds[name], "actor": actor}]
        title = f"{kinds[name]} ouvre le dossier à qui il nomme"
        yield case(
            title, "authorised_professional", "DMP-41 DMP-45 DMP-50", [sees], consents=given, documents=documents
        )
    mask = [
        {"as": "diallo", "expect": {"sees": ["masque"]}},
        {"as": "bernard", "expect": {"sees": ["masque"]}},
        {"as": "infirmier", "expect": {"hides": ["masque"]}},
    ]
    people = ["Practitioner/bernard", "Practitioner/infirmier"]
    given = [
        {"type": kinds["treatingPhysician"], "actor": "Practitioner/diallo"},
        {"type": kinds["authorisation"], "actor": people},
    ]
    title = "Le masque tient, sauf pour l'auteur et le médecin traitant"
    yield case(title, "masked_to_professionals", "DMP-124", mask, consents=given, documents=documents)
    asks = [{"as": "lea", "expect": {"sees": ["cr", "masque", "secret"], "hides": ["a-annoncer"]}}]
    yield case("Le titulaire attend l'annonce", "hidden_from_holder", "DMP-133", asks, documents=documents)
    asks = [{"as": "paul", "expect": {"sees": ["cr", "masque"], "hides": ["a-annoncer", "secret"]}}]
    title = "Le représentant ne voit pas ce que le mineur cache"
    yield case(title, "hidden_from_representatives", "DMP-92", asks, documents=documents, **MINOR)
    shut = [{"type": kinds["creation"], "deny": True}]
    ask = {"as": "diallo", "expect": {"refused": "record.closed"}}
    yield case("Un refus de création ferme", "record_closed", "DMP-103", [ask], consents=shut)
    both = [
        {"type": kinds["authorisation"], "actor": "Practitioner/diallo"},
        {"type": kinds["block"], "actor": "Practitioner/diallo", "deny": True},
    ]
    ask = {"as": "diallo", "expect": {"refused": "party.blocked"}}
    yield case("Un blocage l'emporte sur une autorisation", "blocked", "DMP-112", [ask], consents=both)
    asks = [
        consents("diallo", kinds["block"], deny=True),
        consents("diallo", kinds["treatingPhysician"]),
        consents("diallo", kinds["representation"], allowed=False),
    ]
    given = [
        {"type": kinds["treatingPhysician"], "actor": "Practitioner/diallo"},
        {"type": kinds["authorisation"], "actor": "Practitioner/bernard"},
    ]
    title = "Le médecin traitant bloque et transmet"
    yield case(title, "treating_physician_decides", "DMP-53 DMP-54", asks, consents=given)


def of_contents() -> Iterator[Case]:
    """What a record holds (DMP-108): every type of document is deposited, and is the holder's to read."""
    for type_, row in TYPES.items():
        writer = "assurance" if row["class"] == "60" else "bernard"
        documents = {"document": {"type": type_, "by": writer}}
        asks = [{"as": "lea", "expect": {"sees": ["document"]}}]
        if writer == "bernard":
            asks.append(writes("bernard", "DocumentReference", {"type": type_}))
        title = f"Le DMP contient {type_}, {row['display']}"
        yield case(title, "holder", "DMP-108", asks, documents=documents)
