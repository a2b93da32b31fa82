"""Invariants: the rules that R4 states in FHIRPath, as functions.

May live here: which invariants are compiled, which are checked by other means, which are not checked and why. May not
know: how a violation is told (`validation.py`). https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from fhir_server.definitions.elements import Invariant
from fhir_server.resources.fhirpath import compile_truth
from fhir_server.resources.fhirpath_words import Scope, Truth

# Checked by hand: by the structure itself, where that is quicker, or where FHIRPath cannot say it.
BY_STRUCTURE: Mapping[str, str] = MappingProxyType(
    {
        "ele-1": "an object is never empty, nor an id alone",
        "ext-1": "an extension has a value or extensions, not both",
        "ref-1": "a fragment names a contained resource",
        "dom-2": "a contained resource contains nothing",
        "dom-3": "a contained resource is referred to, or refers to its container",
        "dom-4": "a contained resource has no version and no date",
        "dom-5": "a contained resource has no security label",
        "txt-1": "the narrative holds what `narrative.py` allows",
        "txt-2": "the narrative says something",
    }
)
NOT_CHECKED: Mapping[str, str] = MappingProxyType(
    {
        "cid-0": "is about `ChargeItemDefinition.name`, which R4 does not have",
        "ctm-1": "asks what a reference leads to; it holds by its own words where that cannot be had",
    }
)


class Rule(NamedTuple):
    """One invariant of a place: a node breaks it when `truth` is False of it. `scope` is None where none is needed."""

    key: str
    severity: Literal["error", "warning"]
    human: str
    truth: Truth
    scoped: bool
    advice: bool

    def scope(self, node: Any, resource: Any) -> Scope:
        """What %context and %resource are to it."""
        return Scope(node, resource) if self.scoped else NO_SCOPE

    def broken(self, node: Any, resource: Any) -> bool:
        """Whether the node, within that resource, breaks the rule; an empty result breaks nothing."""
        return self.truth(node, self.scope(node, resource)) is False


NO_SCOPE = Scope(None, None)


def rules_of(
    invariants: Iterable[Invariant], place: str, resource: str, known: Iterable[Rule] = ()
) -> tuple[Rule, ...]:
    """The rules of a place that are not yet among `known`; `resource` is the type of %resource.

    An invariant that its type already states (`known`) is not checked twice.
    """
    done = {rule.key for rule in known}
    return tuple(
        _rule(each, place, resource)
        for each in invariants
        if each.key not in done and each.key not in BY_STRUCTURE and each.key not in NOT_CHECKED
    )


def _rule(invariant: Invariant, place: str, resource: str) -> Rule:
    compile_: Callable[[str, str, str], Truth] = compile_truth
    return Rule(
        invariant.key,
        "error" if invariant.severity == "error" else "warning",
        invariant.human,
        compile_(invariant.expression, place, resource),
        "%resource" in invariant.expression or "%context" in invariant.expression,
        invariant.best_practice,
    )
