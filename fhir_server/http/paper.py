"""Paper: what a person may want to print, as a PDF that says its title and its language.

May live here: the only use of reportlab. May not know: what the words mean, who may have them.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

LEFT, WIDE, LEADING = 25 * mm, 160 * mm, 6 * mm
PLAIN, BOLD, FIXED = "Helvetica", "Helvetica-Bold", "Courier-Bold"


def identifiers(word: Callable[..., str], identifier: str, password: str, address: str) -> bytes:
    """One page: the identifier, the initial password, where to sign in, and what to do with the paper (DMP-27)."""
    made = BytesIO()
    page = Canvas(made, pagesize=A4, lang=word("language"), invariant=1)
    title = word("identifiers.title")
    page.setTitle(title)
    page.setSubject(word("site"))
    page.setAuthor(word("site"))
    page.setViewerPreference("DisplayDocTitle", "true")
    height = A4[1] - 30 * mm
    for text, font, size in (
        (word("site"), PLAIN, 11),
        (title, BOLD, 18),
        (word("password.identifier"), PLAIN, 12),
        (identifier, FIXED, 16),
        (word("identifiers.password"), PLAIN, 12),
        (password, FIXED, 16),
        (word("identifiers.where"), PLAIN, 12),
        (address, FIXED, 11),
        (word("identifiers.change"), PLAIN, 12),
        (word("identifiers.keep"), PLAIN, 12),
    ):
        page.setFont(font, size)
        for line in simpleSplit(text, font, size, WIDE):
            page.drawString(LEFT, height, line)
            height -= max(LEADING, size * 1.3)
        height -= 3 * mm
    page.save()
    return made.getvalue()
