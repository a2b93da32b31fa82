"""Connexion secrète: what a professional does for a minor and the legal representatives do not learn of.

It is the minor's right (DMP-92, DMP-141).

May live here: the label that what is written in such a session carries, and what must hold of it as it is stored. May
not know: who may write (`consent/writing.py`), how the session came about (`smart/approval.py`). Its traces carry the
label by themselves (`audit_event/event.py`), and no notice of it goes to who represents (`notices/occasion.py`).
"""

from __future__ import annotations

from typing import Any

from fhir_server.consent.settings import settings
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.predicate import EVERYTHING, All, Has, Not, Predicate, Some, both, either
from fhir_server.foundation.principal import Principal
from fhir_server.resources.facts import labels_of


def labelled(asker: Principal, resource: dict[str, Any], *, clinical: bool) -> dict[str, Any]:
    """A new resource as a secret session deposits it: with the label where its type carries one, once."""
    if not asker.secret_session or settings().hidden_from_representatives in labels_of(resource):
        return resource
    coding = profile_json("dmp/audit.json")["hidden_from_representatives"]
    if resource["resourceType"] == "DocumentReference":
        return {**resource, "securityLabel": [*resource.get("securityLabel", ()), {"coding": [coding]}]}
    if not clinical:
        return resource
    meta = resource.get("meta", {})
    return {**resource, "meta": {**meta, "security": [*meta.get("security", ()), coding]}}


def stays_hidden(asker: Principal) -> Predicate:
    """What must hold of the envelope of anything that a secret session writes.

    It carries the label, or has it of what it is about; a list lists nothing but what does. Content that nothing
    points to is nobody's to read.
    """
    if not asker.secret_session:
        return EVERYTHING
    secret, item = Has("label", settings().hidden_from_representatives), Has("item", True)
    listed = both(Some("mentions", item), Not(Some("mentions", All((item, Not(secret))))))
    return either(secret, listed, Has("class", "binary"))
