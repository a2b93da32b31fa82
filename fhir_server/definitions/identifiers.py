"""Identifiers: the keys under which persons, organisations and labels are compared.

May live here: how a system and a value become one key, and whether an INS holds together. May not know: resources,
the store, who asks. The systems are data (`profiles/dmp/identifier-systems.json`, `labels.json`): RPPS, ADELI, FINESS
and SIREN as French core writes them (https://hl7.fr/ig/fhir/core), the INS by its OIDs (DMP-150).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir_server.definitions.library import profile_json

_INS = re.compile(r"[1-478]\d{4}(\d\d|2[AB])\d{6}\d\d")
_KEY_DIGITS = 97


def key_of(system: str | None, value: str) -> str:
    """The one key of an identifier: `ps:8<RPPS>`, `ps:0<ADELI>`, `org:1<FINESS>`…, `system|value` for any other."""
    value = value.strip()
    bare = value.replace(" ", "")
    professional = _prefix("professional", system, bare)
    if professional is not None:
        return f"ps:{professional}{bare}"
    organization = _prefix("organization", system, bare)
    if organization is not None:
        return f"org:{organization}{bare}"
    return f"{system or ''}|{value}"


def spellings(key: str) -> list[tuple[str, str]]:
    """Every (system, value) whose `key_of` is this key: how the one it names may stand in the directory."""
    family, _, national = key.partition(":")
    systems = {"ps": "professional", "org": "organization"}.get(family)
    if systems is None:
        system, bar, value = key.partition("|")
        return [(system, value)] if bar else []
    prefixes = (
        (spelling, each)
        for spelling, prefix in _systems()[systems].items()
        for each in (prefix.values() if isinstance(prefix, Mapping) else (prefix,))
    )
    return [
        (spelling, national.removeprefix(each))
        for spelling, each in prefixes
        if national.startswith(each) and key_of(spelling, national.removeprefix(each)) == key
    ]


def keys_of(resource: Mapping[str, Any]) -> frozenset[str]:
    """Every key that names a person or organisation: its reference, and its identifiers."""
    keys = {f"{resource['resourceType']}/{resource['id']}"} if resource.get("id") else set()
    for each in resource.get("identifier") or ():
        if isinstance(each, Mapping) and each.get("value"):
            keys.add(key_of(each.get("system"), each["value"]))
    return frozenset(keys)


def is_national(key: str) -> bool:
    """Whether a key is a whole national identifier: one with a digit too few, or of another system, names nobody."""
    family, _, number = key.partition(":")
    form = _systems()["forms"].get(family)
    return form is not None and re.fullmatch(form, number) is not None


def label_key(system: str | None, code: str) -> str:
    """A security label's key: the bare code where its system is one of ours, however spelt, else `system|code`."""
    return code if system in _labels() else f"{system or ''}|{code}"


def is_ins_system(system: str | None) -> bool:
    """Whether the system is one of the INS: NIR, NIA, and those for tests and demonstrations."""
    return system in _systems()["ins"]


def is_synthetic_ins_system(system: str | None) -> bool:
    """Whether the system is that of an INS for tests or demonstrations, of nobody who lives."""
    return system in _systems()["synthetic"]


def ins_is_valid(value: str) -> bool:
    """Whether fifteen characters hold together: the form, and the key 97 - (number mod 97), 2A and 2B as 19 and 18."""
    if not _INS.fullmatch(value):
        return False
    number, key = value[:13], value[13:]
    digits = number.replace("2A", "19").replace("2B", "18") if number[5:7] in ("2A", "2B") else number
    return _KEY_DIGITS - int(digits) % _KEY_DIGITS == int(key)


def _prefix(family: str, system: str | None, value: str) -> str | None:
    """What comes before the value in the national form; None where the system is not of this family."""
    found = _systems()[family].get(system)
    prefix: str | None = found.get(str(len(value))) if isinstance(found, Mapping) else found
    return prefix


@cache
def _systems() -> Any:
    return profile_json("dmp/identifier-systems.json")


@cache
def _labels() -> frozenset[str]:
    return frozenset(profile_json("dmp/labels.json")["systems"])
