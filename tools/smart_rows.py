"""The rows of what a SMART App Launch 2.2 server must do, and what is chosen where they leave it to the server.

May live here: the numbers of sections 1 to 7, and the choices that `docs/reference/smart.md` is made from, with those
where a row and the specification disagree: the specification wins. May not know: how a row is tested; tests cite it as
`SMART-A7`, since rest.md has rows of the same letters.
"""

from __future__ import annotations

SECTIONS = {"D": 18, "A": 15, "T": 19, "R": 11, "O": 9, "C": 10, "K": 16}
TITLES = {
    "D": "discovery and CORS",
    "A": "authorization request",
    "T": "token response",
    "R": "refresh, revocation, introspection",
    "O": "OpenID Connect",
    "C": "scopes",
    "K": "backend services",
}
ROWS = tuple(f"{letter}{number}" for letter, last in SECTIONS.items() for number in range(1, last + 1))


# row, what is left to the server, what this one does, and why
CHOICES: tuple[tuple[str, str, str, str], ...] = (
    ("D8", "endpoints that are relative", "all are absolute, under `--base-url`",
     "the Host header is never believed"),
    ("D14", "whose pages may call", "any (`--cors-origins` narrows it for the FHIR base), never `/auth/authorize`",
     "tokens travel in a header, and pages are answered with a cookie"),
    ("D17", "`B` with a slash at its end", "one slash more is the same address", "clients join addresses in both ways"),
    ("A5", "`aud` missing; with a slash at its end", "`invalid_request`; one slash more is the same address",
     "the specification has clients send the base they know, in either form"),
    ("A6", "`state` missing", "`invalid_request`", "the specification asks every client for one"),
    ("A10", "scopes that may not be granted", "left out, and `scope` tells what remains; none: `invalid_scope`",
     "RFC 6749 section 3.3"),
    ("A13", "`launch` without the scope `launch`", "looked at all the same: an unknown one is `invalid_request`",
     "a handle that nobody made is a mistake or an attack"),
    ("T5", "`fhirContext`", "objects with a `reference` that is relative", "the form of 2.0 is not that of 2.2"),
    ("T8", "`need_patient_banner`", "as the launch said, true in a launch of an app on its own",
     "who is not told must show whose record it is"),
    ("T12", "a bad code", "400 `invalid_grant`", "RFC 6749 section 5.2"),
    ("T14", "how long a code lives", "60 seconds, one use; a second use ends what the first gave",
     "SMART: about one minute"),
    ("R1", "the refresh token of a refresh", "a new one each time; the old one ends its family when it comes back",
     "RFC 9700 section 4.14"),
    ("R5", "`offline_access`", "as `online_access`: both end with the sign-in, after eight hours at most",
     "a code is asked at every login (DMP-30), and a refresh token without an end would be a login without one"),
    ("R11", "who may introspect", "a confidential client for its own tokens, for all where `--introspects` says so",
     "a token of somebody else is answered as none"),
    ("O7", "`fhirUser` of a system", "none", "SMART knows it of people only"),
    ("C2", "a scope that cannot be read", "not granted; a system that asks for one gets `invalid_scope`",
     "a person is asked about what remains, a system asks for what it knows"),
    ("C6", "criteria on `*`; criteria that the server cannot search by", "not granted",
     "they mean another thing for each type; what cannot be compiled cannot be enforced"),
    ("C8", "`patient/` scopes and what is of no record", "the directory is read (Practitioner, Organization)",
     "it is in no compartment, and a holder looks up whom to block (DMP-43)"),
    ("K6", "a bad signature", "401 `invalid_client`", "RFC 6749 section 5.2"),
    ("K9", "`aud` as an array", "taken if it holds the token endpoint and nothing else",
     "an assertion for two servers could be replayed by one at the other"),
    ("K13", "more than was registered", "cut down to what was; none: `invalid_scope`", "RFC 6749 section 3.3"),
    ("K16", "how long a key set is remembered", "as its `Cache-Control` says, an hour at most, a minute unsaid",
     "an unknown kid fetches it again, ten times a minute"),
)  # fmt: skip


def document() -> str:
    """The page of choices, in Markdown."""
    rows = [f"| {row} | {left} | {chosen} | {why} |" for row, left, chosen, why in CHOICES]
    told = [f"{letter}1 to {letter}{last} {TITLES[letter]}" for letter, last in SECTIONS.items()]
    return "\n".join(
        (
            "# SMART App Launch: where the specification leaves the choice",
            "",
            "Made from `tools/smart_rows.py` by `make docs`; edit there. The number is that of the row, which tests",
            f"cite as `SMART-A5`: {', '.join(told[:4])},",
            f"{', '.join(told[4:])}. Where a row and",
            "[SMART App Launch 2.2](https://hl7.org/fhir/smart-app-launch/STU2.2/) disagree, the specification wins.",
            "",
            "| row | left to the server | here | because |",
            "|---|---|---|---|",
            *rows,
            "",
        )
    )
