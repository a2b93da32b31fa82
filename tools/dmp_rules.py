"""The numbered rules of the DMP that say who may do what, and those by which nothing is decided.

May live here: each number with what it says in a few words, and the page made from it. May not know: how a rule is
proved; decision cases and tests cite the number (`DMP-52`, `K9`), and `tests/unit/test_dmp_rules_are_cited.py` fails
for one that nothing cites.
"""

from __future__ import annotations

import re

from fhir_server.consent.rules import RULES

SECTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Opening", {
        "DMP-20": "the person opens the record online",
        "DMP-21": "or through a pharmacist, an equipped professional, an establishment, a reception desk",
        "DMP-22": "only with the consent of the person or the legal representative, kept in the record",
        "DMP-23": "online, with the carte Vitale and the creation code",
        "DMP-24": "the code comes by post or e-mail, and can be asked for again",
        "DMP-25": "an e-mail address or a mobile number is given, to be told of each new document",
        "DMP-26": "the médecin traitant and the professionals who may consult are chosen",
        "DMP-27": "identifiers and an initial password are shown at the end",
        "DMP-28": "the initial password is changed at the first sign-in",
        "DMP-29": "the same identifiers serve the site and the mobile application",
    }),
    ("Sign-in of the holder", {
        "DMP-30": "a one-time code at every sign-in",
        "DMP-31": "the holder consults, adds, decides who may consult, is told",
    }),
    ("Who may consult", {
        "DMP-40": "besides the holder, professionals consulted and not blocked",
        "DMP-41": "their rights are validated by the carte Vitale",
        "DMP-42": "the médecin traitant and whoever is in charge of the patient, also at the hospital",
        "DMP-43": "a professional is blocked, found by name, specialty and town",
        "DMP-44": "authorisations are given and withdrawn at any time",
        "DMP-45": "a hospital is authorised for a stay; who practises there deposits and consults",
        "DMP-46": "reception, administrative and service staff never consult",
        "DMP-47": "occupational medicine, employer, insurers and banks never do",
        "DMP-48": "access without authorisation is an offence",
    }),
    ("Médecin traitant DMP", {
        "DMP-50": "the holder may designate one",
        "DMP-51": "who sees the history of accesses",
        "DMP-52": "who sees masked documents",
        "DMP-53": "who blocks another at the holder's request",
        "DMP-54": "who hands on the standing to a doctor already authorised, with the holder's agreement",
    }),
    ("Feeding", {
        "DMP-60": "professionals deposit with the holder's agreement",
        "DMP-61": "the doctor feeds the record at a consultation",
        "DMP-62": "the holder masks documents",
        "DMP-63": "the holder adds contacts, reactions to medicines",
    }),
    ("Emergency", {
        "DMP-70": "the regulating doctor of centre 15",
        "DMP-71": "bris de glace",
        "DMP-72": "every access in an emergency is traced",
        "DMP-73": "the holder changes the setting at any time",
    }),
    ("Minors and dependants", {
        "DMP-90": "whom the scheme keeps from opening online opens through a third party",
        "DMP-91": "legal representatives",
        "DMP-92": "an item is masked from the representatives at the minor's request",
        "DMP-93": "a parent has a minor's record opened",
        "DMP-94": "a support line",
    }),
    ("State of the record", {
        "DMP-101": "TD02: whether a record exists, its state, the caller's own standing",
        "DMP-102": "no hit, or one, `active` or not",
        "DMP-103": "a record opens by itself unless it is opposed; an opposition closes it",
        "DMP-104": "kept ten years after closure",
        "DMP-105": "a closed record is neither read nor fed; it can be reopened, copied, destroyed",
        "DMP-106": "why a record was closed",
        "DMP-107": "the holder is told of creation, closure, destruction and access",
        "DMP-108": "what a record holds",
        "DMP-109": "advance directives: themselves, or that they exist and where",
    }),
    ("Conditions of access", {
        "DMP-110": "consent first; the care team; a professional collects it for another",
        "DMP-111": "non-opposition to feeding, consent to consultation: two conditions",
        "DMP-112": "who is blocked has no access at all",
        "DMP-113": "an authorisation governs consultation only",
        "DMP-114": "centre 15 asks for no authorisation",
        "DMP-115": "emergencies unless expressly opposed beforehand",
        "DMP-116": "modes: normal, bris de glace, centre 15",
        "DMP-117": "bris de glace gives a reason, for one session",
        "DMP-118": "a claim says who may regulate",
        "DMP-119": "the matrix of professions and documents",
        "DMP-120": "an authorisation has a period, without end by default",
        "DMP-121": "never demanded outside care; PMI doctors have access",
        "DMP-122": "occupational and fire-service doctors with express consent",
        "DMP-123": "an author sees what he wrote, masked or not",
        "DMP-124": "a masked document stays visible to author, médecin traitant and patient",
        "DMP-125": "the médecin traitant sees all data, until the designation ends",
    }),
    ("Conflicts between the sources", {
        "K1": "told at the first connection, at each if preferred, at each emergency",
        "K2": "emergencies are allowed by default, the opening asks",
        "K3": "an immediate risk, with its reason",
        "K4": "occupational medicine: refused, a switch",
        "K5": "a Consent where somebody consented; an automatic opening records none",
        "K6": "a deleted document is `entered-in-error` within, and found by nobody",
        "K7": "the id is stable, versions have their own number",
        "K8": "up to two representatives",
        "K9": "a mask holds in an emergency",
        "K10": "who is blocked is blocked in bris de glace",
        "K11": "feeding: open record and no opposition",
        "K12": "adult dependants open through a third party, with their own consent",
        "K13": "a team counts only when a Consent names it",
        "K14": "two questions on emergency, each its own Consent",
    }),
)  # fmt: skip

NOTHING_TO_DECIDE: dict[str, str] = {
    "DMP-48": "a consequence in penal law; what the server does is refuse (DMP-40) and keep the trace (DMP-80)",
    "DMP-94": "the telephone number of a fund, for information",
}
"""Numbers that ask nothing of a server, and why."""

RULES_OF_THE_DMP: dict[str, str] = {number: says for _, rows in SECTIONS for number, says in rows.items()}

_NUMBER = re.compile(r"(?<![\w-])(?:(DMP-)(\d+)(?: to DMP-(\d+))?|(K)(\d+))\b")


def numbers_in(text: str) -> set[str]:
    """The numbers that a text cites, ranges (`DMP-20 to DMP-22`) spelt out."""
    found: set[str] = set()
    for dmp, first, last, conflict, number in _NUMBER.findall(text):
        if conflict:
            found.add(f"K{number}")
        else:
            found.update(f"{dmp}{each}" for each in range(int(first), int(last or first) + 1))
    return found


def document() -> str:
    """The page of numbers, in Markdown: what each says, and which rules of the table cite it."""
    rules: dict[str, list[str]] = {}
    for rule in RULES:
        for number in numbers_in((rule.__doc__ or "").partition("\n\n")[2]):
            rules.setdefault(number, []).append(f"`{rule.__name__}`")
    lines = [
        "# Requirements on who may do what",
        "",
        "Made from `tools/dmp_rules.py` by `make docs`; edit there. Each number is cited by a decision case",
        "(`tests/security/decisions`) or by a test over HTTP; a test fails for one that is not. Rules are those of",
        "[the table](rules.md); where none stands, the number is kept by sign-in, records, notices or traces.",
    ]
    for title, rows in SECTIONS:
        lines += ["", f"## {title}", "", "| number | says | rules |", "|---|---|---|"]
        for number, says in rows.items():
            kept = ", ".join(rules.get(number, ()))
            why = NOTHING_TO_DECIDE.get(number)
            lines.append(f"| {number} | {says} | {'nothing to decide: ' + why if why else kept} |")
    return "\n".join(lines) + "\n"
