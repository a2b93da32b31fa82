"""Identity: the claims of Pro Santé Connect to a Principal.

May live here: https://industriels.esante.gouv.fr/produits-et-services/pro-sante-connect (userinfo), read and
normalised with the code systems of `profiles/dmp`. May not know: how the claims were had, the store. Pure. What cannot
be read makes nobody: a Principal of kind UNKNOWN, which every door refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.definitions.identifiers import key_of
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Kind, Principal

PROFESSIONAL_SYSTEM = "urn:oid:1.2.250.1.71.4.2.1"
ORGANIZATION_SYSTEM = "urn:oid:1.2.250.1.71.4.2.2"
FINESS = "https://finess.esante.gouv.fr"

Claims = Mapping[str, Any]


def person_of(claims: Claims, issuer: str) -> Principal:
    """The professional of verified userinfo claims; `issuer` is ours. References are left to the directory."""
    national = _text(claims.get("SubjectNameID")) or _text(claims.get("preferred_username"))
    role, system = _coded(_first(claims.get("SubjectRole")))
    practice = _practice(claims.get("SubjectRefPro"), role)
    profession = _profession(role, system)
    organization = organization_key(_text(claims.get("SubjectOrganizationID")))
    places = {organization} if organization else set()
    for activity in _list(practice.get("activities")):
        places |= _places_of(activity, organization)
    name = " ".join(each for each in (_text(claims.get("given_name")), _text(claims.get("family_name"))) if each)
    key = key_of(PROFESSIONAL_SYSTEM, national) if national else ""
    return Principal(
        kind=Kind.PROFESSIONAL if national and profession else Kind.UNKNOWN,
        subject=key or _text(claims.get("sub")),
        client="",
        name=name or national,
        identities=frozenset({key} if key else ()),
        organization=organization or None,
        organization_name=_text(claims.get("SubjectOrganization")),
        organizations=frozenset(places),
        profession=profession,
        specialties=frozenset(_skills(claims, practice)),
        sector=_coded(_text(claims.get("Secteur_Activite")))[0] or None,
        regulation=_text(claims.get("Acces_Regulation_Medicale")).upper() == "VRAI",
        issuer=issuer,
    )


def reason_of(claims: Claims) -> str:
    """Mode_Acces_Raison: the reason given to Pro Santé Connect for an access, empty in normal mode."""
    return _text(claims.get("Mode_Acces_Raison"))


def organization_key(identifier: str) -> str:
    """The key of SubjectOrganizationID: `F` and a FINESS number, or a national identifier as it is."""
    if not identifier:
        return ""
    if identifier[0] == "F" and identifier[1:].isalnum():
        return key_of(FINESS, identifier[1:])
    return key_of(ORGANIZATION_SYSTEM, identifier)


def _profession(code: str, system: str) -> str | None:
    """The code, if its system is one that professions are written in; Pro Santé Connect prints a JDV for TRE_G15."""
    accepted = profile_json("dmp/professions.json")["accepted"]
    return code if code and (not system or f"urn:oid:{system}" in accepted or system in accepted) else None


def _practice(reference: Any, profession: str) -> Mapping[str, Any]:
    """The practice (exercice) of the profession signed in with; none where that is not said."""
    practices = _list(reference.get("exercices")) if isinstance(reference, Mapping) else []
    return next((each for each in practices if _text(each.get("codeProfession")) == profession), {})


def _skills(claims: Claims, practice: Mapping[str, Any]) -> Iterable[str]:
    for code in (_text(practice.get("codeSavoirFaire")), _coded(_text(claims.get("codeSavoirFaire")))[0]):
        if code:
            yield code


def _places_of(activity: Mapping[str, Any], organization: str) -> set[str]:
    """The identifiers of the place signed in at, if this activity is there."""
    finess = _text(activity.get("numeroFinessSite"))
    legal = _text(activity.get("numeroFinessetablissementJuridique"))
    technical = _text(activity.get("identifiantTechniqueDeLaStructure"))
    found = {organization_key(each) for each in (f"F{finess}" if finess else "", technical) if each}
    if organization not in found:
        return set()
    return found | ({organization_key(f"F{legal}")} if legal else set())


def _coded(text: str) -> tuple[str, str]:
    """`10^1.2.250.1.213.1.1.5.5`: a code and the OID of its system."""
    code, _, system = text.partition("^")
    return code.strip(), system.strip()


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _first(value: Any) -> str:
    return _text(value[0]) if isinstance(value, list) and value else _text(value)


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
