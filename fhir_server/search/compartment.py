"""Compartments: what is in somebody's (https://hl7.org/fhir/R4/compartmentdefinition.html), as a predicate.

May live here: from `Type/id` and the published table to a clause. May not know: who may see what is in it; a resource
that is there only through a mention is found as a mention is, by those who may see what is mentioned.
"""

from __future__ import annotations

from fhir_server.definitions.compartments import compartment_parameters
from fhir_server.foundation.predicate import Has, Predicate, either, one_of
from fhir_server.search.supported import supported


def clause(owner: str, type_: str) -> Predicate:
    """What of a type is in the compartment of `owner` (`Type/id`); NOTHING for a type that never is.

    The owner is in its own compartment.
    """
    compartment = owner.partition("/")[0]
    codes = [code for code in compartment_parameters(compartment, type_) if code in supported(type_)]
    found = one_of("token", [f"{type_}.{code}={owner}" for code in codes])
    return either(Has("id", owner), found) if type_ == compartment else found
