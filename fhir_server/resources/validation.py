"""Validation: whether a resource is R4, element by element.

May live here: closures compiled from the definitions, a place (type or backbone element) at a time and on first use:
structure, cardinality, primitives, bindings, reference targets, contained resources, invariants. May not know:
profiles of single types (`document_reference.py`…), the store, terminologies that others own.

The rules are https://hl7.org/fhir/R4/json.html and https://hl7.org/fhir/R4/validation.html. A check answers None, or
a list of findings whose paths are relative; each level puts its own step before them, so a good resource pays nothing
for paths. A text never repeats a value: it may be health data.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from fhir_server.definitions.elements import Element, Property, children, element, properties
from fhir_server.definitions.elements import primitive as primitive_type
from fhir_server.definitions.library import load
from fhir_server.foundation.problem import Issue
from fhir_server.resources.bindings import bare_codes_of, binding_checks
from fhir_server.resources.containment import check_contained
from fhir_server.resources.fhirpath_words import Scope
from fhir_server.resources.findings import ENOUGH, Check, Context, Finding, Findings, joined, prefixed
from fhir_server.resources.invariants import NO_SCOPE, Rule, rules_of
from fhir_server.resources.primitives import CHECKS
from fhir_server.resources.targets import target_check

MOST = 100
_SUGGESTIONS = 5


def check(resource: Any, type: str | None = None, *, advice: bool = False) -> list[Issue]:  # noqa: A002 - FHIR's word
    """What is wrong with a resource, worst first in document order; an empty list for a good one.

    `type` is the resource type that is expected. `advice` adds what R4 calls good practice. At most 100 issues; the
    last one says when there were more.
    """
    found = _resource(resource, None, type=type, advice=advice) or []
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    root = name if isinstance(name, str) and load().is_type(name) else ""
    issues = [
        Issue(each.severity, each.code, each.text, (root + each.path).removeprefix(".") or None)
        for each in found[:MOST]
    ]
    if len(found) > MOST:
        issues.append(Issue("information", "too-long", f"there are at least {len(found) - MOST} more issues"))
    return issues


def is_good(issues: list[Issue]) -> bool:
    """Whether none of the issues is an error."""
    return not any(issue.severity in ("error", "fatal") for issue in issues)


# --- resources ---


def _resource(
    node: Any,
    outer: Context | None,
    *,
    type: str | None = None,  # noqa: A002
    advice: bool = False,
    contained: bool = False,
) -> Findings:
    if node.__class__ is not dict:
        return [Finding("", "structure", "a resource is an object")]
    name = node.get("resourceType")
    if name.__class__ is not str:
        return [Finding("", "structure", "a resource has a `resourceType`")]
    if not load().is_type(name):
        return [Finding(".resourceType", "structure", "there is no such resource type")]
    if type is not None and name != type:
        return [Finding("", "invalid", f"a resource of the type `{type}` is expected, not `{name}`")]
    if contained and outer is not None:
        inner = Context(node, name, outer.contained, outer.fragments, outer.advice, inside=True)
        return _place(name).check(node, inner)
    context = Context(node, name, _contained_types(node), set(), outer.advice if outer else advice)
    found = _place(name).check(node, context)
    if "contained" in node:
        loose = check_contained(node, context.fragments)
        found = joined(found, [Finding(*each) for each in loose])
    return found


def _contained_types(node: Mapping[str, Any]) -> dict[str, str]:
    held = node.get("contained")
    if not isinstance(held, list):
        return {}
    return {
        each["id"]: each["resourceType"]
        for each in held
        if isinstance(each, dict) and isinstance(each.get("id"), str) and isinstance(each.get("resourceType"), str)
    }


# --- places ---


class _Properties(dict[str, "Check | None"]):
    """The checks of a place's JSON properties, compiled when they are first met; unknown names are not kept."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.known = properties(place)
        self.resource = place.partition(".")[0]

    def __missing__(self, name: str) -> Check | None:
        property_ = self.known.get(name)
        if property_ is None:
            return None
        made = self[name] = _property(property_, self.resource)
        return made


class _Place:
    """A type or backbone element, and how its objects are checked."""

    __slots__ = ("_choices", "_plain", "_truths", "checks", "is_resource", "name", "required", "rules")

    def __init__(self, name: str) -> None:
        self.name = name
        self.checks = _Properties(name)
        definition = load().definitions.get(name)
        self.is_resource = definition is not None and definition.kind == "resource"
        self.required = [
            (each.name, f"_{each.name}", frozenset(form for one in each.properties for form in (one, f"_{one}")))
            for each in children(name).values()
            if each.min
        ]
        self._choices = {
            form: each.name
            for each in children(name).values()
            if each.is_choice
            for one in each.properties
            for form in (one, f"_{one}")
        }
        root = element(name)
        self.rules = rules_of(root.invariants, name, name.partition(".")[0]) if root is not None else ()
        self._plain = {
            form: CHECKS[each.type.code]
            for form, each in self.checks.known.items()
            if _is_plain(each, self.checks.resource)
        }
        self._truths = [(each.truth, each.scoped, each) for each in self.rules]

    def check(self, node: Any, context: Context) -> Findings:
        """What is wrong with an object at this place."""
        if node.__class__ is not dict:
            return [Finding("", "structure", "an object is expected")]
        found: Findings = None
        checks, plain = self.checks, self._plain
        for name, value in node.items():
            quick = plain.get(name)
            if quick is not None:
                wrong = quick(value)
                if wrong:
                    found = joined(found, [Finding(f".{checks.known[name].element.name}", "value", wrong)])
                continue
            check_ = checks[name]
            bad = check_(value, context) if check_ is not None else self._odd(name, value, node, context)
            if bad:
                found = joined(found, bad)
        for name, twin, forms in self.required:
            if name not in node and twin not in node and forms.isdisjoint(node):
                found = joined(found, [Finding(f".{name}", "required", f"`{name}` is required")])
        if self._choices and len(node) > 2 and len(self._choices.keys() & node.keys()) > 1:
            found = self._check_choices(node, found)
        if not self.is_resource and (not node or (len(node) == 1 and "id" in node)):
            found = joined(found, [Finding("", "structure", "an object is never empty (ele-1)")])
        elif self.name == "Extension":
            found = _check_extension(node, found)
        for truth, scoped, rule in self._truths:
            scope = Scope(node, context.resource) if scoped else NO_SCOPE
            if truth(node, scope) is False and (context.advice or not rule.advice):
                found = joined(found, [Finding("", "invariant", f"{rule.key}: {rule.human}", rule.severity)])
        return _filled(node, found) if found else None

    def _check_choices(self, node: Mapping[str, Any], found: Findings) -> Findings:
        met: dict[str, str] = {}
        for name in node:
            choice = self._choices.get(name)
            if choice is None:
                continue
            form = name.removeprefix("_")
            if met.setdefault(choice, form) != form:
                text = f"`{choice}` has one type, not two (`{met[choice]}`, `{form}`)"
                found = joined(found, [Finding(f".{choice}", "structure", text)])
        return found

    def _odd(self, name: str, value: Any, node: Mapping[str, Any], context: Context) -> Findings:
        """What is wrong with a property that is no element: nothing, for `resourceType` and the twins of primitives."""
        if name == "resourceType" and self.is_resource:
            return None
        if name.startswith("_"):
            property_ = self.checks.known.get(name[1:])
            if property_ is not None and primitive_type(property_.type.code) is not None:
                return _check_twin(name[1:], value, node, property_, context)
        text = f"`{name[:64]}` is no element of `{self.name}`"
        if len(context.suggestions) < _SUGGESTIONS:
            context.suggestions.append(name)
            near = get_close_matches(name[:64], self.checks.known, 1)
            text += f"; did you mean `{near[0]}`" if near else ""
        return [Finding(f".{name[:64]}", "structure", text)]


def _is_plain(property_: Property, resource: str) -> bool:
    """Whether the property is one primitive that nothing binds: checked by its type alone."""
    definition, type_ = property_
    return (
        type_.code in CHECKS
        and not definition.repeats
        and not binding_checks(definition.binding, type_.code)
        and not rules_of(definition.invariants, type_.code, resource)
    )


@cache
def _place(name: str) -> _Place:
    return _Place(name)


def _check_extension(node: Mapping[str, Any], found: Findings) -> Findings:
    rest = len(node) - ("url" in node) - ("id" in node) - ("extension" in node)
    if ("extension" in node) != (rest > 0):
        return found
    return joined(found, [Finding("", "invariant", "ext-1: an extension has a value or extensions, not both")])


# --- properties ---


def _property(property_: Property, resource: str) -> Check:
    definition, type_ = property_
    is_primitive = primitive_type(type_.code) is not None or type_.code == "xhtml"
    if is_primitive and not definition.repeats:
        return _primitive(definition, type_.code, resource, f".{definition.name}")
    if type_.code == "Resource":
        inner: Check = _contained if definition.path.endswith(".contained") else _standing
    elif is_primitive:
        inner = _primitive(definition, type_.code, resource, "")
    else:
        inner = _complex(definition, property_, resource)
    step = f".{definition.name}"
    if definition.repeats:
        return _many(inner, step, definition.max, is_primitive=is_primitive)

    def one(value: Any, context: Context) -> Findings:
        bad = inner(value, context)
        return prefixed(bad, step) if bad else None

    return one


def _contained(value: Any, context: Context) -> Findings:
    if context.inside:
        return [Finding("", "invariant", "dom-2: a contained resource contains nothing")]
    return _resource(value, context, contained=True)


def _standing(value: Any, context: Context) -> Findings:
    return _resource(value, context)


def _primitive(definition: Element, type_: str, resource: str, step: str) -> Check:
    check_ = CHECKS[type_]
    bound = binding_checks(definition.binding, type_)
    rules = rules_of(definition.invariants, type_, resource)

    held = bare_codes_of(definition.binding) if type_ == "code" and not rules else None

    def plain(value: Any, _: Context) -> Findings:
        wrong = check_(value)
        return [Finding(step, "value", wrong)] if wrong else None

    def coded(value: Any, context: Context) -> Findings:
        if held is not None and value.__class__ is str and value in held:
            return None
        wrong = check_(value)
        if wrong:
            return [Finding(step, "value", wrong)]
        further = _further(value, context, bound, rules)
        return prefixed(further, step) if further else None

    return coded if bound or rules else plain


def _complex(definition: Element, property_: Property, resource: str) -> Check:
    type_ = property_.type
    name = definition.place(type_)
    place = _place(name)
    alone = place.check
    bound = binding_checks(definition.binding, type_.code)
    aimed = target_check(type_) if type_.code == "Reference" else None
    rules = () if name == definition.path else rules_of(definition.invariants, name, resource, place.rules)
    if not bound and not rules and aimed is None:
        return alone

    def more(value: Any, context: Context) -> Findings:
        found = alone(value, context)
        if value.__class__ is dict:
            wrong = aimed(value, context.contained, context.fragments) if aimed is not None else None
            if wrong:
                found = joined(found, [Finding(*wrong)])
            further = _further(value, context, bound, rules) if bound or rules else None
            if further:
                found = joined(found, further)
        return found

    return more


def _further(value: Any, context: Context, bound: Any, rules: tuple[Rule, ...]) -> Findings:
    found: Findings = None
    for url, within in bound:
        if not within(value):
            found = joined(found, [Finding("", "code-invalid", f"a code of `{url}` is required")])
    for rule in rules:
        if (not rule.advice or context.advice) and rule.broken(value, context.resource):
            found = joined(found, [Finding("", "invariant", f"{rule.key}: {rule.human}", rule.severity)])
    return found


def _many(inner: Check, step: str, most: int | None, *, is_primitive: bool) -> Check:
    def many(value: Any, context: Context) -> Findings:
        if value.__class__ is not list:
            return [Finding(step, "structure", "an array is expected")]
        if not value:
            return [Finding(step, "structure", "an array is never empty")]
        found: Findings = None
        for at, each in enumerate(value):
            if each is None and is_primitive:
                bad: Findings = [Finding("", _HOLE, "null stands only where the twin has an extension")]
            else:
                bad = inner(each, context)
            if bad:
                found = joined(found, prefixed(bad, f"{step}[{at}]"))
                if len(found) > ENOUGH:
                    break
        if most is not None and len(value) > most:
            found = joined(found, [Finding(step, "structure", f"at most {most} are allowed")])
        return found

    return many


# --- the twins of primitives (https://hl7.org/fhir/R4/json.html#primitive) ---

_HOLE = "hole"


def _filled(node: Mapping[str, Any], found: list[Finding]) -> list[Finding]:
    """The findings, without the nulls of an array whose twin fills them."""
    kept = []
    for each in found:
        if each.code == _HOLE:
            name, _, at = each.path[1:].partition("[")
            twin = node.get(f"_{name}")
            index = int(at.removesuffix("]"))
            if isinstance(twin, list) and index < len(twin) and isinstance(twin[index], dict):
                continue
            each.code = "structure"
        kept.append(each)
    return kept


def _check_twin(name: str, twin: Any, node: Mapping[str, Any], property_: Property, context: Context) -> Findings:
    step = f".{property_.element.name}"
    if not property_.element.repeats:
        bad = _check_half(twin, name in node and node[name] is not None, context)
        return prefixed(bad, step) if bad else None
    if not isinstance(twin, list):
        return [Finding(step, "structure", f"`_{name}` is an array, as `{name}` is")]
    values = node.get(name)
    if isinstance(values, list) and len(values) != len(twin):
        return [Finding(step, "structure", f"`{name}` and `_{name}` have as many items as each other")]
    if values is None and not any(isinstance(each, dict) for each in twin):
        return [Finding(step, "structure", "an array is never empty")]
    found: list[Finding] = []
    for at, each in enumerate(twin):
        value = values[at] if isinstance(values, list) else None
        if each is None and (value is not None or isinstance(values, list)):
            continue
        bad = _check_half(each, value is not None, context)
        found.extend(prefixed(bad, f"{step}[{at}]") if bad else [])
    return found


def _check_half(half: Any, has_value: bool, context: Context) -> Findings:
    if has_value and half.__class__ is dict and half.keys() == {"id"}:
        wrong = CHECKS["string"](half["id"])
        return [Finding(".id", "value", wrong)] if wrong else None
    found = _place("Element").check(half, context)
    if not found and not has_value and "extension" not in half:
        return [Finding("", "structure", "without a value, an extension is needed (ele-1)")]
    return found
