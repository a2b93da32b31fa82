"""`Composition/$document`: a Composition as a document (https://hl7.org/fhir/R4/composition-operation-document.html).

A Bundle of type document: the Composition first, then what it refers to of what may be seen. What may not be seen is
not named by the Composition that is shown either. The document is made anew each time and stored nowhere.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.consent.obligations import apply
from fhir_server.foundation.moment import instant
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import answers, parameters, read
from fhir_server.interactions.operations import telling
from fhir_server.interactions.operations.everything import ALONE
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import of_instance
from fhir_server.resources.references import local_references

MOST = 1000


def run(visit: Visit) -> FhirResponse:
    """200 with the Bundle; 404 for a Composition that may not be seen, 400 where none is named."""
    given = parameters.of(visit.request, visit.route.operates.parameters)
    if given.get("persist"):
        raise bad_request("a document is made and not stored; deposit it as a transaction", "persist", "not-supported")
    visit.route = replace(visit.route, id=_which(visit, given.get("id")))
    scope = visit.scoped("r")
    door = visit.door(of_instance(visit.route, visit.house, visit.unit))
    found = door.within(scope).read(visit.route.type, visit.route.id)
    if found is None:
        raise read.missing(visit, door.within(scope))
    named = [each for each in local_references(found.resource(), visit.request.base) if each != found.id]
    if len(named) > MOST:
        raise bad_request(f"the Composition names more than {MOST} resources", code="too-costly")
    behind = {each.id: each for each in door.within(ALONE).follow(named, MOST)}
    versions = [found, *(behind[each] for each in named if each in behind)]
    telling.disclosed(visit, found, versions)
    entries = [
        {"fullUrl": f"{visit.request.base}/{each.id}", "resource": answers.fragment(apply(visit.obligations, each))}
        for each in versions
    ]
    house = visit.house
    name = house.ids()
    made = answers.bundle(
        "document",
        entries,
        id_=name,
        now=house.clock(),
        identifier={"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{name}"},
        timestamp=instant(house.clock()),
    )
    return FhirResponse(200, made, answers.JSON)


def _which(visit: Visit, said: str | None) -> str:
    """The id of the Composition, which its address or the parameter names; one of the two."""
    if said is None:
        if not visit.route.id:
            raise bad_request("say which Composition: `id`, or its address")
        return visit.route.id
    type_, _, id_ = said.removeprefix(f"{visit.request.base}/").rpartition("/")
    if visit.route.id or type_ not in ("", "Composition") or not id_ or len(id_) > 64:
        raise bad_request("`id` names a Composition of this server, where the address does not", "id", "value")
    return id_
