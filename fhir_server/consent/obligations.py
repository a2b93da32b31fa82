"""Obligations: what a permit comes with, as values, and what they make of a resource.

May live here: the obligations, and `apply`. May not know: why one was laid down (rules.py), who is told how (notices).
The minimal answer is TD02's: existence, status, identity traits, the caller's own standing (DMP-101, DMP-102);
https://hl7.org/fhir/R4/valueset-resource-security-category.html: what was cut is tagged SUBSETTED.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from fhir_server.foundation.predicate import NOTHING, Predicate, matches
from fhir_server.resources import json_text

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
DMP = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/"
TREATING = f"{DMP}dmp-medecin-traitant"
AUTHORIZATION = "https://dmp-on-fhir.example/StructureDefinition/dmp-autorisation-acces"
_KEPT_EXTENSIONS = (f"{DMP}dmp-fermeture", f"{DMP}dmp-rattachement-mes")
_KEPT = ("resourceType", "id", "meta", "identifier", "active", "name", "gender", "birthDate")
_KEPT_NAME = ("use", "family", "given", "prefix", "extension")
_KEPT_IDENTIFIER_USES = (None, "official", "temp")

Standing: TypeAlias = Literal["active", "none"]


@dataclass(frozen=True, slots=True)
class MinimalView:
    """Show of the Patient what TD02 tells, save where `unless` already lets the whole be seen.

    `treating`: the caller is the médecin traitant DMP; `authorised`: the state of the caller's access authorisation.
    `open_`: whether the record is open, which an opposition may end whatever the Patient says (DMP-102).
    """

    treating: bool
    authorised: Standing
    unless: Predicate = NOTHING
    open_: bool | None = None


@dataclass(frozen=True, slots=True)
class TellStanding:
    """The Patient `patient` (an id) tells its reader that he is its médecin traitant DMP (DMP-50, DMP-101)."""

    patient: str


@dataclass(frozen=True, slots=True)
class TellHolder:
    """The holder is told of the access: `occasion` is `emergency` (DMP-72, K1)."""

    occasion: str


@dataclass(frozen=True, slots=True)
class RecordReason:
    """The reason given for the access stands in its trace (DMP-117)."""


Obligation: TypeAlias = MinimalView | TellStanding | TellHolder | RecordReason


class Version(Protocol):
    """A stored version, as far as obligations need to know it; a frozen dataclass."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def facts(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def body(self) -> str: ...  # noqa: D102


V = TypeVar("V", bound=Version)


def apply(obligations: Iterable[Obligation], version: V) -> V:
    """The version as the obligations leave it; the same object where they leave it whole."""
    if version.type != "Patient":
        return version
    standing = False
    for each in obligations:
        if isinstance(each, MinimalView):
            envelope = {"_id": version.id, "type": version.type, "facts": version.facts}
            patient = json_text.read(version.body)
            shown = told(patient, each, whole=matches(each.unless, envelope))
            return replace(version, body=json_text.write(shown))  # type: ignore[type-var]
        standing = standing or (isinstance(each, TellStanding) and version.id == f"Patient/{each.patient}")
    return replace(version, body=json_text.write(treated(json_text.read(version.body)))) if standing else version  # type: ignore[type-var]


def treated(patient: dict[str, Any]) -> dict[str, Any]:
    """The Patient as its médecin traitant DMP reads it; who is not it is told nothing by a mere reading."""
    others = [each for each in patient.get("extension", ()) if each.get("url") != TREATING]
    return {**patient, "extension": [*others, {"url": TREATING, "valueBoolean": True}]}


def told(patient: dict[str, Any], view: MinimalView, *, whole: bool) -> dict[str, Any]:
    """The Patient that answers the existence check, with the caller's standing as extensions."""
    standing = [
        {"url": TREATING, "valueBoolean": view.treating},
        {"url": AUTHORIZATION, "valueCode": view.authorised},
    ]
    others = [each for each in patient.get("extension", ()) if each.get("url") not in (TREATING, AUTHORIZATION)]
    if whole:
        return {**patient, "extension": [*others, *standing]}
    kept = {name: patient[name] for name in _KEPT if name in patient}
    kept["identifier"] = [each for each in patient.get("identifier", ()) if each.get("use") in _KEPT_IDENTIFIER_USES]
    kept["name"] = [
        {name: each[name] for name in _KEPT_NAME if name in each}
        for each in patient.get("name", ())
        if each.get("use") in (None, "official", "usual")
    ]
    if view.open_ is not None:
        kept["active"] = view.open_
    meta = patient.get("meta", {})
    kept["meta"] = {**meta, "tag": [*meta.get("tag", ()), SUBSETTED]}
    kept["extension"] = [*(each for each in others if each.get("url") in _KEPT_EXTENSIONS), *standing]
    return {name: value for name, value in kept.items() if value != []}
