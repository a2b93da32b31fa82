"""Joindre: the addresses at which somebody is reached, each in one spelling, and who set them (DMP-24, DMP-142).

May live here: when two addresses are one, and whose word an address of a Patient stands on. May not know: who writes,
what is sent, how it travels. What nobody is known to have set stands on nobody's word (docs/adr/0035).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal
from unicodedata import normalize

Voice = Literal["scheme", "holder"]
"""Whose word is taken for where the holder is reached: the insurance scheme's (the operator's), and his own."""
VOICES: Final[tuple[Voice, ...]] = ("scheme", "holder")
Reach = Mapping[str, Sequence[str]]
"""The spellings of a Patient's addresses, by whose word they stand on; those of anybody else are not in it."""


def spelt(point: Mapping[str, Any]) -> str:
    """A ContactPoint in one spelling (`email|lea@example.org`, `phone|+33639980001`), "" for one without a value."""
    value = "".join(str(point.get("value") or "").split()).casefold()
    if not value:
        return ""
    if point.get("system") in ("phone", "sms"):
        digits = re.sub(r"\D", "", re.sub(r"^\+", "00", value))
        return f"phone|+{digits[2:] if digits.startswith('00') else '33' + digits.removeprefix('0')}"
    return f"{point.get('system', '')}|{value}"


def placed(address: Mapping[str, Any]) -> str:
    """An Address in one spelling, by its lines, its postal code and its town; "" for one without any."""
    said = (*address.get("line", ()), address.get("postalCode"), address.get("city"))
    plain = normalize("NFKD", " ".join(str(each) for each in said if each)).casefold()
    letters = "".join(each for each in plain if each.isalnum())
    return f"post|{letters}" if letters else ""


def addresses_of(person: Mapping[str, Any]) -> frozenset[str]:
    """Every address of a Patient or RelatedPerson, old ones too, in one spelling each."""
    telecom, address = person.get("telecom") or (), person.get("address") or ()
    return frozenset((*map(spelt, telecom), *map(placed, address))) - {""}


def reach_of(after: Mapping[str, Any], before: Mapping[str, Any], known: Reach, voice: Voice | None) -> dict[str, Any]:
    """On whose word the addresses of a Patient stand once it is written by this voice, None for anybody else's.

    Whoever set an address first is who set it, until it is taken away: writing again what stands there vouches for
    nothing, since whoever corrects a name sends all the rest along.
    """
    stand, new = addresses_of(after), addresses_of(after) - addresses_of(before)
    made = {
        each: sorted(stand.intersection(known.get(each, ())) | (new if each == voice else frozenset()))
        for each in VOICES
    }
    return {each: spellings for each, spellings in made.items() if spellings}


def set_by(reach: Reach, *voices: Voice, but: Iterable[Mapping[str, Any]] = ()) -> frozenset[str]:
    """The spellings that stand on the word of one of these voices, less every address of some people."""
    own = frozenset(each for voice in voices for each in reach.get(voice, ()))
    return own.difference(*map(addresses_of, but))
