"""Consentement: what IHE PCF asks of a Consent beyond R4, so that it can be enforced.

May live here: the rules of PCF's FoundationConsent and its three levels (https://profiles.ihe.net/ITI/PCF/). May not
know: what a Consent permits; reading it into directives is `consent/directive.py`. What each of our categories may say
besides is `consent_forms.py`.

They bind a Consent that claims a PCF profile or is of one of our categories; another Consent about privacy is told
what PCF would miss, as warnings; a Consent about something else (research, directives, treatment) is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.problem import Issue, Severity
from fhir_server.resources.consent_forms import check_form
from fhir_server.resources.designation import check_designation
from fhir_server.resources.shape import Row, claims, codings, issues_of, nodes, values

Resource = Mapping[str, Any]

_PCF = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF."
BASIC, INTERMEDIATE, ADVANCED = f"{_PCF}consentBasic", f"{_PCF}consentIntermediate", f"{_PCF}consentAdvanced"
SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
PRIVACY = "patient-privacy"
ROLE = ("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")
MEANINGS = ("instance", "related", "authoredby")

_FOUNDATION = (
    Row("patient", 1, 1),
    Row("dateTime", 1, 1),
    Row("performer", 1, None),
    Row("organization", 1, None),
    Row("sourceAttachment sourceReference", 1, 1),
    Row("policy", 1, None),
    Row("policy.uri", 1, None),
    Row("verification", 0, 0),
    Row("provision", 1, 1),
    Row("provision.type", 1, 1),
    Row("provision.action", 0, 0),
    Row("provision.class", 0, 0),
    Row("provision.code", 0, 0),
    Row("provision.provision.action", 0, 0),
    Row("provision.provision.class", 0, 0),
    Row("provision.provision.code", 0, 0),
    Row("provision.provision.provision", 0, 0),
)
_BASIC_ROWS = (
    Row("provision.securityLabel", 0, 0),
    Row("provision.dataPeriod", 0, 0),
    Row("provision.data", 0, 0),
    Row("provision.provision", 0, 0),
)
_INTERMEDIATE_ROWS = (Row("provision.securityLabel", 0, 0), Row("provision.provision.securityLabel", 0, 0))


def check_consent(resource: Resource) -> list[Issue]:
    """What PCF finds wrong with a Consent: errors where it must hold, warnings where it only should."""
    bound = claims(resource, BASIC, INTERMEDIATE, ADVANCED) or is_ours(resource)
    if not bound and not _is_about_privacy(resource):
        return []
    issues = [*issues_of(resource, _FOUNDATION, "FoundationConsent"), *_scope(resource), *_roles(resource)]
    issues += [*check_form(resource), *check_designation(resource)]
    if claims(resource, BASIC):
        issues += issues_of(resource, _BASIC_ROWS, "consentBasic")
    if claims(resource, INTERMEDIATE):
        issues += [*issues_of(resource, _INTERMEDIATE_ROWS, "consentIntermediate"), *_meanings(resource)]
    return issues if bound else [_softened(each) for each in issues]


def is_ours(resource: Resource) -> bool:
    """Whether a category is one of the DMP's own."""
    system = profile_json("dmp/rules.json")["consentTypes"]
    return any(each.get("system") == system for each in codings(resource, "category"))


def _is_about_privacy(resource: Resource) -> bool:
    return any(each.get("code") == PRIVACY and each.get("system") == SCOPES for each in codings(resource, "scope"))


def _scope(resource: Resource) -> Iterator[Issue]:
    if not _is_about_privacy(resource):
        yield Issue("error", "code-invalid", f"the scope is `{PRIVACY}` of `{SCOPES}`", "Consent.scope")


def _roles(resource: Resource) -> Iterator[Issue]:
    for path, place in (("provision", "Consent.provision"), ("provision.provision", "Consent.provision.provision")):
        for actor in nodes(resource, f"{path}.actor"):
            if ROLE not in {(each.get("system"), each.get("code")) for each in codings(actor, "role")}:
                yield Issue("error", "code-invalid", "the role of an actor is `IRCP`", f"{place}.actor.role")


def _meanings(resource: Resource) -> Iterator[Issue]:
    for path in ("provision.data", "provision.provision.data"):
        if any(each not in MEANINGS for each in values(resource, f"{path}.meaning")):
            text_ = "data is named as `instance`, `related` or `authoredby`"
            yield Issue("error", "code-invalid", text_, f"Consent.{path}.meaning")
    for at, nested in enumerate(nodes(resource, "provision.provision")):
        said = [each for each in values(nested, "data.meaning") if isinstance(each, str)]
        if len(said) != len(set(said)):
            place = f"Consent.provision.provision[{at}].data"
            yield Issue("error", "structure", "a nested provision names each kind of data once", place)


def _softened(issue: Issue) -> Issue:
    severity: Severity = "warning"
    return Issue(severity, issue.code, issue.text, issue.expression)
