"""Cases of who is prohibited: one decision case for each code that the access matrix names (DMP-46, DMP-47, DMP-121).

It writes `tests/security/decisions/prohibited.json`; a test holds the file against the table, so that a code which is
added there has its case, or the suite falls.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MATRIX = ROOT / "profiles" / "dmp" / "access-matrix.json"
CASES = ROOT / "tests" / "security" / "decisions" / "prohibited.json"
CITES = {"professions": "DMP-46", "sectors": "DMP-47", "specialties": "DMP-47"}
WHO = "Practitioner/interdit"


def cases(prohibited: dict[str, Any]) -> list[dict[str, Any]]:
    """A case for each code: somebody who bears it, and is in all else a doctor whom the holder authorised."""
    return [
        _case(kind, code, display, _reason(kind, code, prohibited))
        for kind in CITES
        for code, display in prohibited[kind].items()
    ]


def _case(kind: str, code: str, display: str, reason: str) -> dict[str, Any]:
    bears = {"professions": {"profession": code}, "sectors": {"sector": code}, "specialties": {"specialties": [code]}}
    person = {"kind": "professional", "reference": WHO, "profession": "10", "organizations": ["Organization/chu"]}
    asks: list[dict[str, Any]] = [
        {},
        {"type": "Patient", "existence": True},
        {"purpose": "BTG", "reason": "inconscient"},
        {"verb": "create", "to": {"type": "11488-4"}},
        {"verb": "create", "type": "Consent", "consent": {"type": "ps-autorisation", "actor": "Practitioner/bernard"}},
    ]
    return {
        "title": f"{display} ({code}): jamais, même autorisé, même en urgence, et ne dépose pas",
        "rule": "forbidden_party",
        "cites": [CITES[kind]],
        "documents": ["cr"],
        "people": {"interdit": {**person, **bears[kind]}},
        "consents": [
            {"type": "ps-autorisation", "actor": WHO},
            {"type": "etablissement", "actor": "Organization/chu"},
        ],
        "asks": [{"as": "interdit", **ask, "expect": {"refused": reason}} for ask in asks],
    }


def _reason(kind: str, code: str, prohibited: dict[str, Any]) -> str:
    if kind == "professions":
        return "party.role"
    if code in prohibited["occupationalMedicine"][kind]:
        return "party.occupational-medicine"
    return "party.insurer" if code in prohibited["insurance"].get(kind, ()) else "party.sector"


def text() -> str:
    """The file, a case a line."""
    made = cases(json.loads(MATRIX.read_text("utf-8"))["prohibited"])
    return "[\n" + ",\n".join(" " + json.dumps(each, ensure_ascii=False) for each in made) + "\n]\n"


if __name__ == "__main__":
    CASES.write_text(text(), "utf-8")
