"""XML source: from the bytes of a stranger to a tree that may be walked.

May live here: lxml, hardened (https://www.w3.org/TR/xml/), and the narratives cut out of the text as they stand in it.
May not know: FHIR; `xml_text.py` walks the tree.

UTF-8 without a byte order mark and declared as nothing else; no document type, so no entity but the five of XML and
nothing to fetch; a bounded number of names. Whatever is not so is a Problem 400 that says in which line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from lxml import etree

from fhir_server.foundation.problem import Problem, problem

Node: TypeAlias = etree._Element  # noqa: SLF001 - lxml has no public name for it

NAMES = 2000
_BOM = b"\xef\xbb\xbf"
_DECLARATION = re.compile(r"<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([^\"'>]*)[\"']")
_PROLOG = re.compile(r"[ \t\r\n]+|<!--.*?-->|<\?.*?\?>", re.DOTALL)
# A name of an element or instruction, the address of a namespace, an attribute; and more that only looks like one.
# What may run long begins behind a blank or quote, so that no character is looked at twice.
_NAME = re.compile(
    r"<[/?]?([^\s<>/?=\"']+)"
    r"|(?<=[\s\"'])xmlns(?::[^\s<>/=\"']+)?\s*=\s*[\"']([^\"'<>]*)"
    r"|(?<=[\s\"'])([^\s<>/=\"']+)\s*=\s*[\"']"
)
# What a narrative is cut out by: comments, CDATA and instructions are stepped over, a tag ends behind its attributes.
_DIV = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<(/?)div(?=[\s/>])(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL
)
_PLACE = re.compile(r",? line \d+, column \d+$")


def decoded(text: bytes) -> str:
    """The text as characters. Raises Problem 400 for another encoding than UTF-8, sent or declared."""
    if text.startswith(_BOM):
        raise _at(1, "a byte order mark stands before the text")
    try:
        told = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _at(text.count(b"\n", 0, error.start) + 1, "not UTF-8") from None
    declared = _DECLARATION.match(told)
    if declared and declared[1].lower() not in ("utf-8", "us-ascii"):
        raise _at(1, "another encoding than UTF-8 is declared")
    return told


def parsed(told: str, depth: int) -> Node:
    """The root of the tree, comments and instructions in it. Raises Problem 400 for what is not well formed.

    `depth` is named to who went far beyond it; whoever walks the tree keeps to it.
    """
    # INVARIANT (no entities): libxml2 never sees a document type, which can stand in the prolog only.
    start = 0
    while found := _PROLOG.match(told, start):
        start = found.end()
    if told.startswith("<!DOCTYPE", start):
        raise _at(told.count("\n", 0, start) + 1, "a document type is not allowed")
    _check_names(told)
    # huge: a document's content is one attribute, and may be longer than the ten megabytes of libxml2
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        dtd_validation=False,
        huge_tree=True,
        strip_cdata=False,
        collect_ids=False,
    )
    try:
        return etree.fromstring(told.encode(), parser)
    except etree.XMLSyntaxError as error:
        message = _PLACE.sub("", str(error.msg or "it ends too early"))
        line, column = error.lineno or 1, error.offset or 1
        if "depth" in message:
            raise _at(line, f"more than {depth} levels deep") from None
        reason = f"not XML: {message[:1].lower()}{message[1:160]}"
        raise problem(400, "structure", f"{reason} (line {line}, column {column})") from None


def _check_names(told: str) -> None:
    """Refuse what has more names than FHIR: libxml2 keeps each one for as long as the thread lives."""
    names: set[str | None] = set()
    for found in _NAME.finditer(told):
        names.add(found[1] or found[2] or found[3])
        if len(names) > NAMES:
            raise _at(told.count("\n", 0, found.start()) + 1, f"more than {NAMES} different names")


def divs(told: str) -> Iterator[str]:
    """Each outermost `div` of a well-formed text, as it stands there, in its order."""
    level = start = 0
    for found in _DIV.finditer(told):
        if found[1] is None:
            continue
        if found[1]:
            level -= 1
        else:
            if level == 0:
                start = found.start()
            level += not found[0].endswith("/>")
        if level == 0:
            yield told[start : found.end()]


def _at(line: int, reason: str) -> Problem:
    return problem(400, "structure", f"{reason} (line {line})")
