"""`DocumentReference/$docref`: https://hl7.org/fhir/uv/ipa/STU1/OperationDefinition-docref.html.

It is the search it stands for, asked, answered and put on record as one: the current documents of one patient. Its next
page is that search's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import parameters, search
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse, Pairs
from fhir_server.search.escapes import escape


def run(visit: Visit) -> FhirResponse:
    """A searchset: 200; 403 for a record that stays shut, 400 for what is not done or cannot be read."""
    given = parameters.of(visit.request, visit.route.operates.parameters)
    if given.get("on-demand"):
        raise bad_request("no document is made on demand here", "on-demand", "not-supported")
    visit.request = replace(visit.request, query=_asked(given), resource=None, lenient=False)
    return search.run(visit)


def _asked(given: dict[str, Any]) -> Pairs:
    asked = [("patient", given["patient"].removeprefix("Patient/")), ("status", "current")]
    asked += [
        ("period", f"{prefix}{given[name]}") for name, prefix in (("start", "ge"), ("end", "le")) if name in given
    ]
    if "type" in given:
        system, code = given["type"].get("system"), given["type"].get("code")
        if not code:
            raise bad_request("`type` has a code", "type", "value")
        asked.append(("type", f"{escape(system)}|{escape(code)}" if system else escape(code)))
    if "profile" in given:
        asked.append(("_profile", ",".join(map(escape, given["profile"]))))
    if "_count" in given:
        asked.append(("_count", str(given["_count"])))
    return tuple(asked)
