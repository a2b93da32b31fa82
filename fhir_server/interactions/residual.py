"""Residual: what the decisions about several records leave visible, as one predicate.

May live here: joining permits. May not know: how they were come by, what is asked.
"""

from __future__ import annotations

from fhir_server.consent.decision import Deny, Permit
from fhir_server.foundation.predicate import NOTHING, All, Has, Not, Predicate, both, either, one_of
from fhir_server.interactions.subject import Subject

_NOT_JOINT = Not(Has("joint", True))


def residual_of(subject: Subject, permits: list[Permit], denials: list[Deny]) -> Predicate:
    """What decisions about the records of a subject leave visible of them."""
    if subject.joint:
        return NOTHING if denials else every(permits)
    if not subject.patients or not permits:
        return permits[0].residual if permits else NOTHING
    found = permits[0].residual if len(permits) == 1 else either(*(permit.residual for permit in permits))
    # a resource of several owners is found by its address alone, where all of them must permit; every other has its
    # owner in `patient`, with which every clinical index begins
    return NOTHING if found == NOTHING else All((one_of("patient", subject.patients), found, _NOT_JOINT))


def every(permits: list[Permit]) -> Predicate:
    """What all of them leave visible."""
    return permits[0].residual if len(permits) == 1 else both(*(permit.residual for permit in permits))
