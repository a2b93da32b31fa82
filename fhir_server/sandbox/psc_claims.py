"""What Pro Santé Connect says of a professional: the claims of its userinfo, for the demonstration's people.

May live here: those claims, with the spelling of the real one. May not know: OAuth, the web.
https://industriels.esante.gouv.fr/produits-et-services/pro-sante-connect
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from fhir_server.sandbox.dossier import Person

PROFESSIONS = "1.2.250.1.213.1.1.5.5"
ROLES = "1.2.250.1.213.1.6.1.107"
SECTORS = "1.2.250.1.71.4.2.4"
_REALM = uuid.UUID("5a0b7c6e-8a53-4b38-9c0a-6f1e0d1c2b3a")


def claims(person: Person, organization: Mapping[str, Any]) -> dict[str, Any]:
    """The userinfo of `person`, at work in `organization` (a FHIR Organization)."""
    psc = person.psc
    national = str(psc["SubjectNameID"])
    finess, siret = _number(organization, "finess"), _number(organization, "sirene")
    return {
        "sub": f"f:{_REALM}:{national}",
        "preferred_username": national,
        "SubjectNameID": national,
        "family_name": psc["family_name"],
        "given_name": psc["given_name"],
        "acr": "eidas1",
        "authMode": "MOBILE",
        "otherIds": [{"identifiant": national, "origine": "RPPS", "qualite": 1}] if national[0] == "8" else [],
        "Secteur_Activite": f"{psc['sector']}^{SECTORS}",
        "SubjectOrganization": organization["name"],
        "SubjectOrganizationID": f"F{finess}" if finess else f"S{siret}",
        "SubjectRole": _roles(psc),
        "PSI_Locale": "1.2.250.1.213.1.3.1.1",
        "Mode_Acces_Raison": "",
        "Acces_Regulation_Medicale": "VRAI" if psc.get("regulation") else "FAUX",
        "UITVersion": "1.0",
        "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1",
        "SubjectRefPro": {
            "codeCivilite": psc.get("codeCivilite", ""),
            "exercices": [_practice(psc, organization, finess, siret)],
        },
    }


def _roles(psc: Mapping[str, Any]) -> list[str]:
    if "profession" in psc:
        return [f"{psc['profession']}^{PROFESSIONS}"]
    return [f"{psc['role']}^{ROLES}"] if "role" in psc else []


def _practice(psc: Mapping[str, Any], organization: Mapping[str, Any], finess: str, siret: str) -> dict[str, Any]:
    return {
        "codeProfession": psc.get("profession", ""),
        "codeCategorieProfessionnelle": psc.get("category", ""),
        "codeCiviliteDexercice": "DR" if psc.get("profession") == "10" else "",
        "nomDexercice": psc["family_name"],
        "prenomDexercice": psc["given_name"],
        "codeTypeSavoirFaire": "S" if "specialty" in psc else "",
        "codeSavoirFaire": psc.get("specialty", ""),
        "activities": [
            {
                "codeModeExercice": "S" if str(psc["sector"]) in ("SA01", "SA66") else "L",
                "codeSecteurDactivite": psc["sector"],
                "codeSectionPharmacien": "",
                "codeRole": psc.get("role", ""),
                "codeGenreActivite": "",
                "numeroSiretSite": siret,
                "numeroSirenSite": siret[:9],
                "numeroFinessSite": finess,
                "numeroFinessetablissementJuridique": "",
                "identifiantTechniqueDeLaStructure": f"F{finess}" if finess else "",
                "raisonSocialeSite": organization["name"],
                "ancienIdentifiantDeLaStructure": "",
                "autoriteDenregistrement": "",
            }
        ],
    }


def _number(organization: Mapping[str, Any], system: str) -> str:
    """The organisation's number whose system's host begins with `system`; empty if it has none."""
    return next(
        (each["value"] for each in organization["identifier"] if each["system"].startswith(f"https://{system}")), ""
    )
