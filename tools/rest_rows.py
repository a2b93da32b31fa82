"""The rows of what a FHIR R4 REST server must do, and what is chosen where the specification leaves it to the server.

May live here: the numbers, each with its level: S (shall), s (should) or p (the server's policy); and the choices that
`docs/deviations.md` is made from. May not know: how a row is tested; tests cite it as `R94` or `Row 94`.
"""

from __future__ import annotations

LAST = 115
SHOULD = frozenset({2, 6, 12, 13, 16, 17, 18, 20, 25, 26, 50, 53, 76, 77, 85, 107})
POLICY = frozenset({14, 28, 40, 43, 68, 79})
LEVELS = {row: "p" if row in POLICY else "s" if row in SHOULD else "S" for row in range(1, LAST + 1)}


# row, what is left to the server, what this one does, and why
CHOICES: tuple[tuple[int, str, str, str], ...] = (
    (2, "modes of `/metadata`", "`full` and `normative` are answered with the same statement; `terminology` is 400",
     "there is no terminology service to tell of"),
    (5, "an unknown `_format`", "406, as an unknown Accept", "another format than was asked for helps nobody"),
    (14, "`OPTIONS`", "204 with CORS headers, without a token", "a browser's preflight carries none"),
    (17, "`_pretty` and `_summary` of no known value", "400", "who asks for less is never given more"),
    (25, "a conditional read of a Patient", "answered whole",
     "its médecin traitant is computed, and changes without a version"),
    (26, "`_summary` and `_elements` on writes and on a count of versions", "400",
     "an answer to a write is shaped by `Prefer`"),
    (27, "deleting what never was", "404 for an address, 204 for a condition that finds nothing",
     "what is hidden and what is absent answer alike"),
    (28, "deleting what is referred to", "done", "integrity is not enforced: a reference to what is hidden would tell"),
    (37, "no `Prefer: return`; one that is unknown", "the representation; 400", "what was asked is done or refused"),
    (39, "update as create", "for operators; everybody else gets 404", "an id that can be chosen can be probed"),
    (40, "an update that changes nothing", "200 with the version there is; no version is made",
     "a history tells what changed"),
    (41, "an update without `If-Match`", "done", "`versioning` is `versioned`, and the header is honoured"),
    (43, "`If-None-Match: *` of an update", "412 where something stands", "who means to make something new is told"),
    (45, "a conditional update that finds nothing, whose id is in use", "409", "two resources would have one id"),
    (46, "a conditional delete that finds none; several", "204; 412, `conditionalDelete` is `single`",
     "many are not deleted by one mistake"),
    (58, "an entry of a batch that cannot be read", "fails alone; a bundle that is itself invalid is 422",
     "entries are independent"),
    (61, "what a conditional reference may ask",
     "the directory; what its asker sees of a record, by a search (`s`) on record; a person by INS; 400 for a chain",
     "what is hidden and what is absent are not found alike, with 404"),
    (68, "a bundle without entries; a batch in a batch", "an empty answer; the entry fails with 400",
     "one request is one entry of the ledger, and bounded"),
    (73, "a resource that is updated between two pages",
     "comes once in the usual order, at its place of then and as it is now; by `_sort=_lastUpdated` again, at the end",
     "a cursor keeps the moment of its first page; in other orders what is sorted by goes where it says now"),
    (74, "`_count` above the largest page", "a page of the largest size, as the self link says",
     "the specification asks for no refusal"),
    (76, "elements beyond those that `_elements` names", "mandatory and modifier elements, `id` and `meta`",
     "a part without them could mislead"),
    (77, "`_total=estimate`", "counted exactly", "an estimate could tell of what is hidden"),
    (79, "an unknown search parameter without `Prefer: handling`", "400 with the nearest known name",
     "a parameter that is ignored widens the answer"),
    (82, "an empty value", "400", "a criterion that is passed over widens the answer"),
    (92, "an id alone of several possible types", "all of them are looked for", "no match is lost"),
    (94, "a chain of a search that names a record", "leads through that record and the directory",
     "each record is opened by a decision of its own; a search that names none leads through all that are open"),
    (96, "a date without a zone", "taken in the zone of the server's clock, UTC", "an index holds moments"),
    (99, "a quantity in another unit of UCUM", "converted; a unit that cannot be is compared as written",
     "5 mg is 0.005 g"),
    (104, "the include of a versioned reference", "brings the current version",
     "an older one may say what has been hidden since"),
    (104, "the include of a canonical; of one without a version",
     "brings what has that URL and version; the newest that is seen, and `_revinclude` takes it for any version",
     "the specification leaves open which is meant"),
    (104, "the includes of a search that names a record; of the directory",
     "bring what is in that record and the directory; nothing of a record, which an outcome says of `_revinclude`",
     "a search opens the records it is about, and no other"),
    (109, "a Binary sent as `application/json`; as `application/xml`", "a resource; the content itself",
     "a CDA document is XML, and no resource"),
    (109, "the `data` of a Binary that is found, listed or just written", "left out, and the part is tagged SUBSETTED",
     "a page of them would be as large as all their contents; a read has it"),
    (115, "a narrative with active content", "422", "nothing that runs is stored"),
)  # fmt: skip


def document() -> str:
    """The page of choices, in Markdown."""
    rows = [f"| {row} | {LEVELS[row]} | {left} | {chosen} | {why} |" for row, left, chosen, why in CHOICES]
    return "\n".join(
        (
            "# Where the specification leaves the choice",
            "",
            "Made from `tools/rest_rows.py` by `make docs`; edit there. Level S is a SHALL of FHIR R4, s a SHOULD, p",
            "the server's own policy; of a row of level S or s only a part is left to the server. The number is that",
            "of the row, which tests cite as `R79`. What is not there is refused, and not in `/fhir/metadata`.",
            "",
            "| row | level | left to the server | here | because |",
            "|---|---|---|---|---|",
            *rows,
            "",
        )
    )
