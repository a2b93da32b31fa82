"""Contact: what people type of themselves: an e-mail address, a mobile number, the number of a carte Vitale (DMP-25).

May live here: reading them, in one spelling each. May not know: whose they are.
"""

from __future__ import annotations

import re
from typing import Literal

_MAIL = re.compile(r"[^@\s,;<>\"()]{1,64}@[^@\s,;<>\"()]+\.[^@\s.,;<>\"()]{2,}")
_MOBILE = re.compile(r"0([67]\d{8})")
_ABROAD = re.compile(r"(?:\+|00)([1-9]\d{7,14})")
LONGEST = 254


def contact_of(text: str) -> tuple[Literal["mail", "text"], str] | None:
    """The way to somebody and their address or number (`+33639980001`); None for what is neither."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    if _MAIL.fullmatch(text):
        name, _, place = text.rpartition("@")
        return "mail", f"{name}@{place.lower()}"
    digits = re.sub(r"[ .\-()\u00a0]", "", text)
    if french := _MOBILE.fullmatch(digits):
        return "text", f"+33{french[1]}"
    abroad = _ABROAD.fullmatch(digits)
    return ("text", f"+{abroad[1]}") if abroad else None


def number_of(text: str) -> str:
    """The number of a carte Vitale as the record has it: without spaces, in capitals (Corsica has 2A and 2B)."""
    return "".join(text.split()).upper()[:20]
