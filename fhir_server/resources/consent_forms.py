"""Formes des consentements: what a Consent of each of our categories may say, and no more (docs/consent.md).

May live here: the table, and reading a Consent against it. May not know: what a Consent permits, who may write one.
What a category does not speak of is refused rather than passed over: a limit that is not enforced would make a refusal
larger or an agreement wider than the holder said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.problem import Issue
from fhir_server.resources.shape import codings, nodes, text, values

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """What a category may say: `type` of its root (None is either), `actors` at least and at most, and of which types,
    the `purposes` it may name, and which further `limits` it may have.
    """  # noqa: D205 - the sentence is the summary

    type: str | None = None
    actors: tuple[int, int | None] = (0, None)
    of: tuple[str, ...] = ()
    purposes: frozenset[str] | None = None
    limits: frozenset[str] = frozenset()


_TEAMS = ("Practitioner", "PractitionerRole", "CareTeam", "Group", "Organization")
_ALL = frozenset({"securityLabel", "data", "dataPeriod", "provision"})
_TREAT = frozenset({"TREAT"})
FORMS: Mapping[str, Form] = {
    "dmp-creation": Form(actors=(0, 0), purposes=_TREAT),
    "alimentation": Form(of=_TEAMS, purposes=_TREAT),
    "ps-autorisation": Form("permit", (1, None), _TEAMS, limits=_ALL),
    "ps-blocage": Form(of=_TEAMS, limits=_ALL),
    "etablissement": Form("permit", (1, None), ("Organization",), limits=_ALL),
    "urgence-bris-de-glace": Form(of=_TEAMS, purposes=frozenset({"BTG"})),
    "urgence-samu": Form(of=_TEAMS, purposes=frozenset({"ETREAT"})),
    "medecin-traitant": Form("permit", (1, 1), ("Practitioner",), purposes=_TREAT, limits=_ALL),
    "representant-legal": Form("permit", (1, None), ("RelatedPerson",)),
}


def check_form(resource: Resource) -> Iterator[Issue]:
    """What a Consent says that its category does not, each with its element and the category."""
    category = category_of(resource)
    form = FORMS.get(category or "")
    provision = next(iter(nodes(resource, "provision")), None)
    if category is None or form is None or provision is None:
        return
    if form.type is not None and text(provision, "type") not in (None, form.type):
        yield _issue(category, "type", f"is a {form.type}")
    yield from _actors(category, form, provision)
    for each in nodes(provision, "purpose"):
        if form.purposes is not None and text(each, "code") not in form.purposes:
            yield _issue(category, "purpose", f"speaks of {' or '.join(sorted(form.purposes))} alone")
    for name in sorted(_ALL - form.limits):
        if name in provision:
            yield _issue(category, name, f"has no `{name}`")
    if category == "ps-blocage":
        yield from _block(provision)


def category_of(resource: Resource) -> str | None:
    """The one code of our categories that a Consent has; None for none or several."""
    system = profile_json("dmp/rules.json")["consentTypes"]
    found = {str(each.get("code")) for each in codings(resource, "category") if each.get("system") == system}
    return found.pop() if len(found) == 1 else None


def _actors(category: str, form: Form, provision: Resource) -> Iterator[Issue]:
    named = nodes(provision, "actor")
    least, most = form.actors
    if len(named) < least:
        yield _issue(category, "actor", "names whom it is for", "required")
    if most is not None and len(named) > most:
        yield _issue(category, "actor", "names nobody" if most == 0 else f"names {most}")
    for each in named:
        type_ = _type_of(each)
        if form.of and type_ is not None and type_ not in form.of:
            yield _issue(category, "actor.reference", f"names a {' or '.join(form.of)}")


def _type_of(actor: Resource) -> str | None:
    """The type of what an actor refers to; None where it is known by an identifier alone."""
    reference = text(actor, "reference.reference")
    named = reference.partition("/_history/")[0].rsplit("/", 2) if reference else []
    return named[-2] if len(named) > 1 else text(actor, "reference.type")


def _block(provision: Resource) -> Iterator[Issue]:
    """A block names whom it blocks; a permit grants nothing, and takes some data from whom its nested denies name."""
    if text(provision, "type") == "deny" and not nodes(provision, "actor"):
        yield _issue("ps-blocage", "actor", "names whom it blocks", "required")
    if text(provision, "type") != "permit":
        return
    nested = nodes(provision, "provision")
    if not any(text(each, "type") == "deny" for each in nested):
        yield _issue("ps-blocage", "provision", "that permits has a nested provision that denies", "required")
    for each in nested:
        if text(each, "type") != "deny" or not values(each, "actor"):
            yield _issue("ps-blocage", "provision", "takes data from whom it names, and gives none")


def _issue(category: str, name: str, says: str, code: str = "business-rule") -> Issue:
    return Issue("error", code, f"a Consent `{category}` {says}", f"Consent.provision.{name}")
