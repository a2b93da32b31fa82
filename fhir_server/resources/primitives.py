"""Primitives: whether a JSON value is a FHIR primitive.

May live here: one check for each type of https://hl7.org/fhir/R4/datatypes.html#primitive, on values as
`json_text.read` gives them. May not know: elements. A check answers None, or what is wrong in a few words; it never
repeats the value, which may be health data.
"""

from __future__ import annotations

import binascii
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias

from fhir_server.resources.narrative import narrative

Check: TypeAlias = Callable[[Any], str | None]

_STRING_BYTES = 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CODE = re.compile(r"[^\s]+(?:[ ][^\s]+)*")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_URI = re.compile(r"[^\s\x00-\x1f]+")
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DATE_PART = r"(?P<y>[0-9]{4})(?:-(?P<m>0[1-9]|1[0-2])(?:-(?P<d>0[1-9]|[12][0-9]|3[01])"
_TIME_PART = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE_PART = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATE = re.compile(rf"{_DATE_PART})?)?")
_DATE_TIME = re.compile(rf"{_DATE_PART}(?:T{_TIME_PART}{_ZONE_PART})?)?)?")
_INSTANT = re.compile(
    r"(?P<y>[0-9]{4})-(?P<m>0[1-9]|1[0-2])-(?P<d>0[1-9]|[12][0-9]|3[01])" + rf"T{_TIME_PART}{_ZONE_PART}"
)
_TIME = re.compile(_TIME_PART)
_WHITESPACE = str.maketrans("", "", " \t\r\n")
_TEXT = "a string is expected"


def _boolean(value: Any) -> str | None:
    return None if value is True or value is False else "true or false is expected"


def _within(low: int, high: int, what: str) -> Check:
    def check(value: Any) -> str | None:
        if value.__class__ is int and low <= value <= high:
            return None
        return f"{what} is expected"

    return check


def _decimal(value: Any) -> str | None:
    if value.__class__ is int or isinstance(value, (Decimal, float)):
        return None
    return "a number is expected"


def _string(value: Any) -> str | None:
    if value.__class__ is not str:
        return _TEXT
    if not value:
        return "a string is never empty"
    if value.isspace():
        return "a string is never white space only"
    if not value.isprintable() and _CONTROL.search(value):
        return "a string holds no control characters"
    if len(value) > _STRING_BYTES:
        return "a string is at most one megabyte long"
    return None


def _matching(pattern: re.Pattern[str], what: str) -> Check:
    full = pattern.fullmatch

    def check(value: Any) -> str | None:
        if value.__class__ is str:
            return None if full(value) else f"{what} is expected"
        return _TEXT

    return check


def _calendar(pattern: re.Pattern[str], what: str) -> Check:
    full = pattern.fullmatch

    def check(value: Any) -> str | None:
        if value.__class__ is not str:
            return _TEXT
        found = full(value)
        if found is None:
            return f"{what} is expected"
        year, month, day = found.group("y", "m", "d")
        if year == "0000":
            return "there is no year 0000"
        if day is not None and day > "28" and int(day) > monthrange(int(year), int(month))[1]:
            return "that month has no such day"
        return None

    return check


def _base64(value: Any) -> str | None:
    if value.__class__ is not str:
        return _TEXT
    if not value:
        return "a string is never empty"
    return None if _decodes(value) or _decodes(value.translate(_WHITESPACE)) else "base64 is expected"


def _decodes(value: str) -> bool:
    try:
        return bool(binascii.a2b_base64(value, strict_mode=True))
    except ValueError:
        return False


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "base64Binary": _base64,
        "boolean": _boolean,
        "canonical": _matching(_URI, "a canonical url without white space"),
        "code": _matching(_CODE, "a code without surplus white space"),
        "date": _calendar(_DATE, "a date (`YYYY`, `YYYY-MM` or `YYYY-MM-DD`)"),
        "dateTime": _calendar(_DATE_TIME, "a date, or a date and time with seconds and zone"),
        "decimal": _decimal,
        "id": _matching(_ID, "an id (1 to 64 letters, digits, `-` and `.`)"),
        "instant": _calendar(_INSTANT, "a date and time with seconds and zone"),
        "integer": _within(-(2**31), 2**31 - 1, "a whole number of 32 bits"),
        "markdown": _string,
        "oid": _matching(_OID, "an oid (`urn:oid:…`)"),
        "positiveInt": _within(1, 2**31 - 1, "a whole number above zero"),
        "string": _string,
        "time": _matching(_TIME, "a time (`hh:mm:ss`)"),
        "unsignedInt": _within(0, 2**31 - 1, "a whole number, zero or above,"),
        "uri": _matching(_URI, "a uri without white space"),
        "url": _matching(_URI, "a url without white space"),
        "uuid": _matching(_UUID, "a uuid (`urn:uuid:…` in lower case)"),
        "xhtml": narrative,
    }
)
