"""Drawn Consents: strategies for what a holder may put on record, of our types and as IHE PCF has it.

May live here: what is drawn of a Consent, and the resource it makes. May not know: the record it is put on.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fhir_server.consent.directive import UNREADABLE, parse
from fhir_server.consent.provision import ALWAYS
from fhir_server.resources import consent_patterns
from tests.kit.world import label

NOW = "2026-11-23T10:00:00Z"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
TEAM = frozenset({"Practitioner/diallo", "Practitioner/interne"})
EMERGENCIES = ("urgence-bris-de-glace", "urgence-samu")
REFUSABLE = ("alimentation", *EMERGENCIES)
SIMPLE = (*REFUSABLE, "medecin-traitant")
"""Those in which nothing may be nested."""
WHO = ("Practitioner/diallo", "Practitioner/diallo", "Practitioner/noel", "Practitioner/bernard", "Practitioner/zoe")
UNKNOWN = ("Practitioner/inconnu", "Practitioner/urgent")
ACTORS = (*WHO, "Practitioner/interne", *UNKNOWN, "Organization/chu")
PERIODS = (
    None,
    None,
    {"start": "2026-11-01"},
    {"start": "2026-01-01", "end": "2026-12-31"},
    {"start": "2020-01-01", "end": "2020-12-31"},
    {"start": "2027-01-01"},
)
DATA = ("letter", "letter", "related", "stay", "folder", "bernard", "diallo", "chu")
PROVISION = {
    "deny": st.booleans(),
    "actor": st.lists(st.sampled_from((*ACTORS, "CareTeam/equipe")), max_size=2),
    "purpose": st.sampled_from((None, None, "TREAT", "BTG", "ETREAT", "HOPERAT")),
    "period": st.sampled_from(PERIODS),
    "dates": st.sampled_from((None, None, {"start": "2026-01-01", "end": "2026-12-31"}, {"end": "2021-01-01"})),
    "labels": st.sampled_from(((), (), (), ("N",), ("R",), ("V",), ("MASQUE_PS",), ("N", "MASQUE_PS"))),
    "data": st.one_of(st.just([]), st.lists(st.tuples(st.sampled_from(DATA), st.integers(0, 3)), max_size=2)),
}
NESTED = st.fixed_dictionaries(PROVISION)
FOREIGN = st.fixed_dictionaries(
    {
        **PROVISION,
        "kind": st.none(),
        "nested": st.lists(NESTED, max_size=2),
        "unreadable": st.sampled_from((False,) * 9 + (True,)),
        "state": st.sampled_from(("active", "active", "active", "inactive", "ended")),
    }
)
"""A Consent as PCF has it. `unreadable`: it is limited by a class, which this server does not read."""
OURS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            (*("ps-autorisation", "ps-blocage") * 2, "etablissement", "alimentation", *EMERGENCIES, "medecin-traitant")
        ),
        "deny": st.booleans(),
        "actor": st.lists(st.sampled_from(WHO), min_size=1, max_size=1),
        "period": st.sampled_from(PERIODS),
        "nested": st.lists(NESTED, max_size=1),
        "unreadable": st.just(False),
        "state": st.sampled_from(("active", "active", "active", "inactive", "ended")),
    }
)
"""One of our types: an emergency or the feeding may be refused to all or to one, the others name somebody."""
CONSENTS = st.lists(st.one_of(OURS, FOREIGN), max_size=4)


def is_unreadable(consent: dict[str, Any]) -> bool:
    """Whether this server reads it as a refusal of everybody."""
    found = parse(consent, {"CareTeam/equipe": dict.fromkeys(TEAM, ALWAYS)})
    return found is not None and found.kind == UNREADABLE


def consent_of(drawn: dict[str, Any], names: dict[str, str], letters: list[str]) -> dict[str, Any]:
    """The Consent that was drawn; of the letters it may name those that are there."""

    def letter(number: int) -> str:
        return names.get(letters[number % len(letters)], "DocumentReference/absent")

    kind, refuses = drawn["kind"], drawn["deny"] and drawn["kind"] in REFUSABLE
    made = consent_patterns.consent(
        kind or "ps-autorisation",
        "Patient/lea",
        NOW,
        permit=None if kind == "ps-blocage" else not refuses,
        actor="Organization/chu" if kind == "etablissement" else next(iter(drawn["actor"]), None),
        period=None if kind == "medecin-traitant" else drawn["period"],  # a designation has no end
    )
    del made["meta"]
    if kind is None:
        made["category"] = made["category"][:1]
        made["provision"] = provision_of(drawn, letter)
        if drawn["deny"]:  # the hospital goes on feeding
            for each in made["provision"].get("actor", ()):
                if each["reference"]["reference"] == "Organization/chu":
                    each["reference"] = {"reference": "Practitioner/interne"}
    if drawn["unreadable"]:
        made["provision"]["class"] = [{"system": "urn:ietf:bcp:13", "code": "application/hl7-cda+xml"}]
    if drawn["nested"] and kind not in SIMPLE:
        made["provision"]["provision"] = [provision_of(each, letter) for each in drawn["nested"]]
    return made


def provision_of(drawn: dict[str, Any], letter: Any) -> dict[str, Any]:
    """The provision that was drawn, those nested in it apart."""
    made: dict[str, Any] = {"type": "deny" if drawn["deny"] else "permit"}
    if drawn["actor"]:
        role = {"coding": [{"system": consent_patterns.ROLE, "code": "IRCP"}]}
        made["actor"] = [{"role": role, "reference": {"reference": each}} for each in _named(drawn)]
    if drawn["purpose"]:
        made["purpose"] = [{"system": consent_patterns.REASON, "code": drawn["purpose"]}]
    if drawn["labels"]:
        made["securityLabel"] = [
            {"system": CONFIDENTIALITY, "code": each} if len(each) == 1 else label(each)["coding"][0]
            for each in drawn["labels"]
        ]
    if drawn["period"]:
        made["period"] = drawn["period"]
    if drawn["dates"]:
        made["dataPeriod"] = drawn["dates"]
    if drawn["data"]:
        made["data"] = [_datum(each, number, letter) for each, number in drawn["data"]]
    return made


def _named(drawn: dict[str, Any]) -> list[str]:
    """Whom a drawn provision names: who is not in the directory can be given something, and be refused nothing."""
    return ["Practitioner/bernard" if drawn["deny"] and each in UNKNOWN else each for each in drawn["actor"]]


def _datum(word: str, number: int, letter: Any) -> dict[str, Any]:
    meaning, reference = {
        "letter": ("instance", letter(number)),
        "related": ("related", letter(number)),
        "stay": ("related", "Encounter/sejour"),
        "folder": ("instance", "List/classeur"),
        "chu": ("authoredby", "Organization/chu"),
    }.get(word, ("authoredby", f"Practitioner/{word}"))
    return {"meaning": meaning, "reference": {"reference": reference}}
