"""Narratives: whether the XHTML of a resource is what FHIR allows, and safe to show.

May live here: the rules txt-1 and txt-2 of https://hl7.org/fhir/R4/narrative.html. May not know: how it is shown.
What is refused could run (scripts, event attributes, `javascript:`), call home (external styles, forms, objects), or
is no XHTML. Nothing is repaired: what was sent is what is returned.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

XHTML = "http://www.w3.org/1999/xhtml"
# "basic HTML formatting elements and attributes described in chapters 7-11 (except section 4 of chapter 9) and 15 of
# the HTML 4.0 standard, <a> elements (either name or href), images and internally contained style attributes"
_ELEMENTS = """
    a abbr acronym address b big blockquote br caption cite code col colgroup dd del dfn div dl dt em h1 h2 h3 h4 h5
    h6 hr i img ins kbd li map area ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt u ul
    var bdo center font s strike"""
_ATTRIBUTES = """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset
    cite class clear color colspan compact coords datetime dir frame headers height href hreflang hspace id lang
    longdesc name noshade nowrap rel rev rowspan rules scope shape size span src start style summary tabindex title
    type usemap valign value vspace width xml:lang xmlns"""
ELEMENTS = frozenset(_ELEMENTS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
_SCHEMES = frozenset(("http", "https", "mailto", "tel", "urn", "ftp", "cid"))
_IMAGES = ("data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp", "data:image/bmp")
_DANGEROUS_STYLE = ("expression", "javascript:", "@import", "behavior", "-moz-binding", "url(")


class _Refused(Exception):
    """What is wrong, in a few words."""


class _Reader:
    __slots__ = ("depth", "speaks")

    def __init__(self) -> None:
        self.depth = 0
        self.speaks = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self.depth == 0 and (name != "div" or attributes.get("xmlns") != XHTML):
            raise _Refused(f"the root is a `div` of the namespace `{XHTML}`")
        if name not in ELEMENTS:
            raise _Refused(f"the element `{name[:32]}` is not allowed")
        for attribute, value in attributes.items():
            if attribute not in ATTRIBUTES:
                raise _Refused(f"the attribute `{attribute[:32]}` is not allowed")
            if attribute in ("href", "src", "cite", "longdesc", "usemap"):
                _check_link(value, image=attribute == "src")
            elif attribute == "style" and any(word in _squeezed(value) for word in _DANGEROUS_STYLE):
                raise _Refused("a style may not fetch or run anything")
            elif attribute == "xmlns" and value != XHTML:
                raise _Refused("another namespace than XHTML is not allowed")
        self.depth += 1
        self.speaks = self.speaks or name == "img"

    def end(self, _: str) -> None:
        self.depth -= 1

    def text(self, text: str) -> None:
        self.speaks = self.speaks or not text.isspace()


def narrative(value: Any) -> str | None:
    """None for a narrative that satisfies txt-1 and txt-2, else what is wrong."""
    if not isinstance(value, str):
        return "a string is expected"
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_declaration
    parser.ProcessingInstructionHandler = _refuse_declaration
    try:
        parser.Parse(value.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        return f"well-formed xhtml is expected: {expat.ErrorString(error.code)} (line {error.lineno})"
    except _Refused as refusal:
        return str(refusal)
    return None if reader.speaks else "the narrative says nothing"


def _refuse_declaration(*_: object) -> None:
    raise _Refused("a declaration or processing instruction is not allowed")


def _check_link(link: str, *, image: bool) -> None:
    squeezed = _squeezed(link)
    scheme, colon, _ = squeezed.partition(":")
    if not colon or "/" in scheme or "#" in scheme or "?" in scheme or scheme in _SCHEMES:
        return
    if image and squeezed.startswith(_IMAGES):
        return
    raise _Refused(f"a link of the scheme `{scheme[:32]}` is not allowed")


def _squeezed(text: str) -> str:
    """Lower case, without the white space and control characters that browsers skip."""
    return "".join(each for each in text.lower() if each > " " and each != "\x7f")
