"""Picker: whose records a professional may choose among, when an app starts on its own and asks for a patient.

May live here: what is asked and what is answered. May not know: how patients are found; whoever wires this room does.
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#requesting-context-with-scopes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fhir_server.foundation.principal import Principal, Purpose

AT_MOST = 20
SHORTEST = 2
"""Characters of a name: with fewer, everybody whose name holds a letter would be told."""


@dataclass(frozen=True, slots=True)
class Found:
    """A patient whose record the asker may open: the name, the day of birth as written, and the INS that picks them."""

    name: str
    born: str
    ins: str


Finds = Callable[[Principal, str], tuple[Found, ...]]
"""Patients of this name whose Patient resource the asker would find by a search, `AT_MOST` of them."""


def nobody(_: Principal, __: str) -> tuple[Found, ...]:
    """Where nobody can be looked for."""
    return ()


def asker(person: Principal, client: str) -> Principal:
    """The person who looks, as they would ask the FHIR API: in normal mode, for patients and nothing else."""
    return replace(person, client=client, scopes=("user/Patient.rs",), purpose=Purpose.TREATMENT, patient=None)
