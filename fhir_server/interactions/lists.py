"""Lists: what stands in a List that a search names by `_list` (https://hl7.org/fhir/R4/search.html#list).

May live here: reading it as its reader would, under his own scope and the decision of its owners. May not know: what is
searched for among its items. A List that is hidden is as one that does not exist: nothing stands in it, and as many
round trips tell so (decisions 17). Items that are hidden are gone from it already, and what is deleted is not found.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.foundation.problem import bad_request
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.residual import residual_of
from fhir_server.interactions.routes import Route
from fhir_server.interactions.subject import as_if_absent, of_instance
from fhir_server.search.reference import local, written

MOST = 1_000
"""How many items a search looks among."""


def items(visit: Visit, id_: str) -> list[str]:
    """`Type/id` of the items that are not marked as deleted; [] where no such List is seen.

    Raises Problem 403 for a token that may not read Lists, 400 for a List that is too long.
    """
    route = Route(visit.route.row, "List", id_)
    asked = replace(visit, route=route, shut={})
    scope = asked.scoped("r")
    subject = of_instance(route, visit.house, visit.unit)
    # nothing is noted of it: the search is, and one line more would tell hidden from absent in the trace
    residual = residual_of(subject, *asked.decisions(subject, "read"))
    found = asked.opened(residual, scope).read("List", id_)
    if found is None:
        if subject.standing:
            as_if_absent(route, visit.house, visit.unit)
        return []
    entries = [each for each in found.resource().get("entry", ()) if not each.get("deleted")]
    if len(entries) > MOST:
        raise bad_request(f"a search looks among at most {MOST} items of a List", code="too-costly")
    named = (local(written(each.get("item")) or "", visit.request.base) for each in entries)
    return list(dict.fromkeys(each for each in named if each))
