"""Désignation: whom a Consent makes the médecin traitant DMP, and what a Patient says of it (DMP-50, DMP-54, DMP-125).

May live here: reading the person a designation names, what is asked of it beyond its form, and a Patient with that
person as `generalPractitioner`. May not know: who may know of it, that there is one at a time, the store.

INVARIANT (one truth): the Consent alone says who it is. What a Patient says is computed of it on the way out, and what
anybody writes there is dropped (`patient.without_computed`), so that the two can never differ (docs/adr/0032).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.problem import Issue
from fhir_server.resources.references import local
from fhir_server.resources.shape import codings, nodes, text

Resource = Mapping[str, Any]

PERSONS = ("Practitioner", "PractitionerRole")
ELEMENT = "generalPractitioner"
_KEPT = ("reference", "type", "identifier", "display")


def category() -> tuple[str, str]:
    """The system and code by which a designation is told from other Consents."""
    rules = profile_json("dmp/rules.json")
    return rules["consentTypes"], rules["consents"]["treatingPhysician"]


def is_designation(consent: Resource) -> bool:
    """Whether a Consent is of that category, whatever it says."""
    return category() in {(each.get("system"), each.get("code")) for each in codings(consent, "category")}


def designated(consent: Resource) -> list[dict[str, Any]]:
    """References to the person it designates; none while it is not active, or where it refuses or has an end."""
    if not is_designation(consent) or consent.get("status") != "active" or "modifierExtension" in consent:
        return []
    if text(consent, "provision.type") != "permit" or text(consent, "provision.period.end") is not None:
        return []
    return [each for each in _actors(consent) if _is_person(each)]


def check_designation(consent: Resource) -> Iterator[Issue]:
    """What is asked of an active designation: no end, for it lasts until it is taken back (DMP-125)."""
    if not is_designation(consent) or consent.get("status") != "active" or text(consent, "provision.type") != "permit":
        return
    if text(consent, "provision.period.end") is not None:
        said = "a designation has no end: it lasts until it is made inactive, or another is made"
        yield Issue("error", "business-rule", said, "Consent.provision.period.end")


def with_designated(patient: Resource, references: Sequence[Resource]) -> dict[str, Any]:
    """The Patient that says so; nothing else is `generalPractitioner`."""
    rest = {name: value for name, value in patient.items() if name != ELEMENT}
    return {**rest, ELEMENT: [dict(each) for each in references]} if references else rest


def _actors(consent: Resource) -> list[dict[str, Any]]:
    return [
        {name: each[name] for name in _KEPT if name in each} for each in nodes(consent, "provision.actor.reference")
    ]


def _is_person(reference: Resource) -> bool:
    name = local(reference.get("reference"))
    if name is not None:
        return name.partition("/")[0] in PERSONS
    return "reference" not in reference and "identifier" in reference
