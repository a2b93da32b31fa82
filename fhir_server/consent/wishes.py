"""Wishes: what the holder's Consents grant and take back.

May live here: rules that read the directives of a record for a professional who consults it.
May not know: the store, the clock, HTTP. The law of the table is in `rules.py`; patterns are those of IHE PCF
(https://profiles.ihe.net/ITI/PCF) and of our consent types.
"""

from __future__ import annotations

from fhir_server.consent.case import Case, designations
from fhir_server.consent.directive import AUTHORISATION, CONSULTING, ESTABLISHMENT, FOREIGN, Directive
from fhir_server.consent.obligations import TellStanding
from fhir_server.consent.provision import Provision
from fhir_server.consent.verdict import Grant, Oblige, Verdict, Withhold
from fhir_server.foundation.predicate import Not, Predicate, both, either


def treating_physician(case: Case) -> Verdict | None:
    """Médecin traitant DMP: the record as his designation says.

    DMP-50, DMP-125.
    """
    if not case.treating or not case.normal:
        return None
    reach = [each.root.reach for each in designations(case) if each.root and each in case.permits]
    return Grant(either(*reach), "consent.treating-physician") if reach else None


def treating_physician_knows(case: Case) -> Verdict | None:
    """Médecin traitant DMP: every Patient he reads tells him that he is it, and nobody else.

    DMP-50, DMP-101.
    """
    request = case.request
    # the existence check tells it by itself, and that it is not so too
    told = case.treating and request.patient is not None and not request.writes and not request.checks_existence
    return Oblige(TellStanding(str(request.patient)), "consent.treating-physician") if told else None


def authorised_professional(case: Case) -> Verdict | None:
    """Autorisation d'un professionnel: an active permit names the asker, within its period and data.

    DMP-40, DMP-41, DMP-44.
    """
    return _named_grant(case, case.person, "consent.professional")


def authorised_establishment(case: Case) -> Verdict | None:
    """Autorisation d'un établissement: an active permit names where the asker is signed in, or what that is part of.

    DMP-45.
    """
    return _named_grant(case, case.request.principal.organizations, "consent.establishment")


def _named_grant(case: Case, keys: frozenset[str], reason: str) -> Verdict | None:
    """The permits whose actors, teams apart, are among the keys."""
    if not case.professional:
        return None
    reach = [
        each.root.reach
        for each in case.permits
        if _consults(each, case) and each.root and each.root.actors and not each.root.actors.isdisjoint(keys)
    ]
    return Grant(either(*reach), reason) if reach else None


def _consults(each: Directive, case: Case) -> bool:
    """Whether a Consent of its type lets somebody consult in this mode."""
    return each.kind == FOREIGN or (case.normal and each.kind in (AUTHORISATION, ESTABLISHMENT))


def care_team(case: Case) -> Verdict | None:
    """Équipe de soins: a team counts only when an active Consent of the holder names it.

    DMP-42, DMP-110, K13.
    """
    if not case.professional:
        return None
    reach = [
        each.root.reach
        for each in case.permits
        if _consults(each, case) and each.root and each.root.names_team_of(case.keys, case.request.at)
    ]
    return Grant(either(*reach), "consent.care-team") if reach else None


def anyone_permitted(case: Case) -> Verdict | None:
    """Consentement sans acteur: a foreign permit that names nobody grants every professional its purposes.

    DMP-40, PCF.
    """
    if not case.professional or case.matrix.occupational(case.request.principal):
        return None
    reach = [root.reach for root in _for_anyone(case) if root.permit]
    return Grant(either(*reach), "consent.anyone") if reach else None


def anyone_denied(case: Case) -> Verdict | None:
    """Refus sans acteur: cancels the grants of the purposes it names, all if none, less its nested permits.

    DMP-44, PCF.
    """
    if not case.professional:
        return None
    withheld: list[Predicate] = []
    for each in case.directives.anyone:
        root = each.root
        if root is None or root.permit or each.kind not in CONSULTING or not each.in_force(case.request.at):
            continue
        if root.serves(case.purpose):
            spared = [inner.reach for inner in each.nested if inner.permit and _speaks_to(inner, each, case)]
            withheld.append(both(root.reach, Not(either(*spared))) if spared else root.reach)
    return Withhold(either(*withheld), "consent.denied") if withheld else None


def _for_anyone(case: Case) -> list[Provision]:
    """Roots of foreign directives that name nobody, in force, for the purpose of the request."""
    at, purpose = case.request.at, case.purpose
    anyone = (each for each in case.directives.anyone if each.kind == FOREIGN and each.in_force(at))
    return [each.root for each in anyone if each.root and each.root.serves(purpose)]


def nested_permits(case: Case) -> Verdict | None:
    """Provisions imbriquées: a permit within a foreign Consent, for whom and what it names itself.

    DMP-44, PCF.
    """
    if not case.professional or case.matrix.occupational(case.request.principal):
        return None
    reach = [inner.reach for outer, inner in _nested(case) if inner.permit and outer.kind == FOREIGN]
    return Grant(either(*reach), "provision.permitted") if reach else None


def nested_denies(case: Case) -> Verdict | None:
    """Provisions imbriquées: what a deny within a Consent takes out, for whom it names.

    DMP-44, DMP-45, PCF.
    """
    if not case.professional:
        return None
    reach = [inner.reach for outer, inner in _nested(case) if not inner.permit and outer.kind in CONSULTING]
    return Withhold(either(*reach), "provision.denied") if reach else None


def _nested(case: Case) -> list[tuple[Directive, Provision]]:
    """The nested provisions that speak to the asker: they name him, or name nobody in a Consent that is about him."""
    if not case.directives.nested:
        return []
    found = list(case.directives.nested_naming(case.keys))
    found += [
        (each, inner)
        for each in (*case.named, *case.directives.anyone)
        for inner in each.nested
        if inner.actors is None
    ]
    return [
        (outer, inner) for outer, inner in found if outer.in_force(case.request.at) and _speaks_to(inner, outer, case)
    ]


def _speaks_to(inner: Provision, outer: Directive, case: Case) -> bool:
    """Whether a nested provision is in force for this asker and purpose; it does not inherit the root's purpose."""
    if not inner.in_force(case.request.at) or not inner.serves(case.purpose):
        return False
    if inner.actors is not None:
        return inner.names(case.keys, case.request.at)
    return outer.root is not None and (outer.root.actors is None or outer.root.names(case.keys, case.request.at))


def denied_in_part(case: Case) -> Verdict | None:
    """Refus partiel: a deny that names the asker and some data only withholds those.

    DMP-44, PCF.
    """
    if not case.professional:
        return None
    reach = [
        each.root.reach
        for each in case.named
        if each.kind in CONSULTING
        and each.root
        and not each.root.permit
        and each.root.limited
        and each.in_force(case.request.at)
    ]
    return Withhold(either(*reach), "consent.denied-in-part") if reach else None
