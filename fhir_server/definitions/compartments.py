"""Compartments: which parameters put a resource into somebody's compartment, and which name its owner.

May live here: https://hl7.org/fhir/R4/compartmentdefinition.html as published, and the narrower rule of who owns a
resource. May not know: resources; the values of the parameters are found by `paths.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fhir_server.definitions.library import table
from fhir_server.definitions.search_parameters import parameters

# The holder of a resource is its subject, patient or beneficiary, and nobody else that the compartment table lists
# (author, recipient, link, member): being named somewhere does not make a resource part of one's record.
OWNERS = ("patient", "subject", "beneficiary")


def names() -> tuple[str, ...]:
    """The compartments that R4 defines, by the type of their owner."""
    return tuple(table("compartments"))


def compartment_parameters(compartment: str, type_: str) -> tuple[str, ...]:
    """The parameters that put a resource of the type into the compartment; () when it is never in it.

    R4 writes `{def}` for the resource that the compartment is of; it is left out, since that is not a parameter.
    """
    return _compartments().get(compartment, {}).get(type_, ())


@cache
def members(compartment: str) -> tuple[str, ...]:
    """The types of which something may be in a compartment, sorted: that of its owner is always in it."""
    if compartment not in _compartments():
        return ()
    return tuple(sorted({compartment, *(type_ for type_, codes in _compartments()[compartment].items() if codes)}))


@cache
def _compartments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    return {
        compartment: {type_: tuple(code for code in codes if code != "{def}") for type_, codes in members.items()}
        for compartment, members in table("compartments").items()
    }


def patient_parameters(type_: str) -> tuple[str, ...]:
    """The parameters that put a resource of the type into a Patient compartment; () when it is never in one."""
    return compartment_parameters("Patient", type_)


@cache
def owner_parameters(type_: str) -> tuple[str, ...]:
    """The reference parameters that name the holder of a resource of the type; () when nothing does.

    A Patient is its own holder, and has none. A type may have an owner without being in the compartment table (Device).
    """
    known = parameters(type_)
    return tuple(
        code
        for code in OWNERS
        if code in known and known[code].type == "reference" and "Patient" in known[code].targets
    )


@cache
def may_be_owned(type_: str) -> bool:
    """Whether what is of the type may lie in somebody's record: it may have an owner; a Binary by its document."""
    return type_ == "Binary" or bool(owner_parameters(type_) or patient_parameters(type_))
