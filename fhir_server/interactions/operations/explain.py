"""`$explain`: how a search is answered, for operators. No resource and no value of one is shown.

May live here: MongoDB's plan of a page, told as Parameters. May not know: how the page is filtered.

The search is read and held against scopes and decision as any other; what is told is the filter that MongoDB gets, the
plan it chose and how much it examined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from fhir_server.foundation.predicate import both
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import bad_request, forbidden
from fhir_server.interactions import answers, archived, parameters, search
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirRequest, FhirResponse, Pairs, pairs, query_text
from fhir_server.interactions.subject import of_search


def run(visit: Visit) -> FhirResponse:
    """200 with Parameters `query`, `filter`, `plan`, `index`, `returned`, `keysExamined`, `documentsExamined`.

    403 for anybody but an operator; 400 as the search itself.
    """
    if visit.principal.kind is not Kind.OPERATOR:
        visit.refuse_here("operator.only")
        raise forbidden()
    asked = _asked(visit.request, visit)
    visit.request = replace(visit.request, query=asked, resource=None)
    scope = visit.scoped("s")
    query = archived.left_out(search.read_query(visit))
    door = visit.door(of_search(query, visit.principal, visit.house))
    told = door.explain(query.type, both(scope, query.where), query.order, query.count or 1)
    visit.entry.add("operation", visit.request.path, query=query_text(asked), granted=visit.granted)
    stages = list(_stages(told.get("queryPlanner", {}).get("winningPlan", {})))
    counts = told.get("executionStats", {})
    rows: list[dict[str, Any]] = [
        {"name": "query", "valueString": f"{query.type}?{query_text(query.asked)}"},
        {"name": "filter", "valueString": _shown(told.get("queryPlanner", {}).get("parsedQuery", {}))},
        {"name": "plan", "valueString": " < ".join(str(each.get("stage")) for each in stages)},
        *({"name": "index", "valueString": str(each["indexName"])} for each in stages if "indexName" in each),
        *(
            {"name": name, "valueInteger": int(counts.get(counted, 0))}
            for name, counted in (
                ("returned", "nReturned"),
                ("keysExamined", "totalKeysExamined"),
                ("documentsExamined", "totalDocsExamined"),
            )
        ),
    ]
    return FhirResponse(200, orjson.dumps({"resourceType": "Parameters", "parameter": rows}), answers.JSON)


def _asked(request: FhirRequest, visit: Visit) -> Pairs:
    """The search: `query`, or the parameters of the address themselves."""
    if request.resource is None and [name for name, _ in request.query] != ["query"]:
        return request.query
    given = parameters.of(request, visit.route.operates.parameters)
    if "query" not in given:
        raise bad_request("say which search: `query`")
    return pairs(given["query"].removeprefix(f"{visit.route.type}?"))


def _stages(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The stages of a plan, outermost first."""
    plan = plan.get("queryPlan", plan)
    yield plan
    for inner in (*plan.get("inputStages", ()), *((plan["inputStage"],) if "inputStage" in plan else ())):
        yield from _stages(inner)


def _shown(filter_: Any) -> str:
    return orjson.dumps(filter_, default=str).decode()
