"""Generated decisions over HTTP: each generated case, its world in a real database, its people asking through Flask.

As `test_decisions_over_http.py` does with those that are written, but briefly: what is seen is asked for by its address
and in a search of the record. The steps in the life of a record are asked in `test_steps_over_http.py`.
"""

from __future__ import annotations

from datetime import datetime

import generated_cases
import generated_edges
import pytest
from decision_asks import Asked, is_step
from decision_records import Record, Server

from tests.kit.application import application

CASES = {case["title"]: case for case in [*generated_cases.every(), *generated_edges.every()]}
DESIGNATION = "medecin-traitant"
ENDED = [
    case["title"]
    for case in generated_edges.every()
    if any(each["type"] == DESIGNATION and "end" in each.get("period", {}) for each in case.get("consents", ()))
]
MIXED = "L'historique est à l'Assurance Maladie par son auteur ou par qui le dépose"
BUNDLES = ["diallo dépose Bundle", "chu dépose Bundle", "L'Assurance Maladie dépose Bundle"]

NOT_OVER_HTTP: dict[str, str] = {
    **dict.fromkeys(ENDED, "a designation with an end is 422 to everybody (docs/adr/0032)"),
    **dict.fromkeys(BUNDLES, "a Bundle is bound to no document, so it is of no record: 403 to who feeds"),
    MIXED: "nobody deposits a report in the name of the Assurance Maladie, nor does she deposit one",
    "Le titulaire d'un DMP fermé demande export": "there is no bulk export: 404 to everybody",
}
"""What no request can ask, and why; each is seen to be so below."""
CHANGING = ("Consent", "Patient", "RelatedPerson")
"""Types whose writes change what is decided next; a deposit leaves the world as it is to who asks for what it names."""


@pytest.fixture(scope="module")
def server(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as app:
        yield Server(app)


@pytest.mark.parametrize("title", [title for title in CASES if title not in NOT_OVER_HTTP])
def test_a_generated_case_is_answered_as_the_table_says(server, title):
    case = CASES[title]
    asks = [(number, ask) for number, ask in enumerate(case["asks"]) if not is_step(ask)]
    record, stale = Record(server, case), True
    for number, ask in asks:
        if stale:
            record.fresh()
        # the server's clock runs on within a second
        moment = datetime.fromisoformat(ask["now"]).replace(microsecond=0) if "now" in ask else record.now
        server.at(moment)
        try:
            Asked(record, ask, briefly=True).holds()
        except AssertionError as wrong:
            wrong.add_note(f"ask {number}: {ask}")
            raise
        stale = bool(ask["expect"].get("allowed")) and ("on" in ask or ask.get("type") in CHANGING)


def test_every_edge_of_a_period_is_asked_but_those_that_nothing_can_have():
    unasked = {title for title in NOT_OVER_HTTP if title in {case["title"] for case in generated_edges.every()}}
    assert set(ENDED) == unasked
    assert [] == [ask for case in generated_edges.every() for ask in case["asks"] if is_step(ask)]


def test_the_table_names_cases_that_there_are():
    assert [] == [title for title in NOT_OVER_HTTP if title not in CASES]


@pytest.mark.parametrize("title", ENDED)
def test_a_designation_with_an_end_is_refused_to_the_operator_too(server, title):
    """DMP-52."""
    record = Record(server, {**CASES[title], "consents": []})
    record.fresh()
    consent = Record(server, CASES[title]).built.resources["consent-0"]
    assert 422 == server.ask(server.operator, "PUT", f"Consent/{consent['id']}", consent).status


@pytest.mark.parametrize("name", ["en-son-nom", "de-sa-main"])
def test_no_record_holds_a_report_of_the_insurance(server, name):
    """DMP-10, DMP-60."""
    record = Record(server, {**CASES[MIXED], "documents": {}})
    record.fresh()
    made = Record(server, CASES[MIXED])
    resource = {element: value for element, value in made.said(made.built.resources[name]).items() if element != "id"}
    assert 403 == server.ask(record.who(made.by[name]), "POST", "DocumentReference", resource).status


@pytest.mark.parametrize("title", BUNDLES)
def test_a_bundle_is_deposited_with_no_document(server, title):
    record = Record(server, CASES[title])
    record.fresh()
    told = Asked(record, CASES[title]["asks"][0]).written()
    assert (403, ["write.none"]) == (told.status, told.refused)


def test_there_is_no_bulk_export(server):
    record = Record(server, CASES["Le titulaire d'un DMP fermé demande export"])
    record.fresh()
    assert 404 == server.ask(record.who("lea"), "GET", f"Patient/{record.patient}/$export").status
