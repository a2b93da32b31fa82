"""Decisions over HTTP: every case of `decisions/*.json`, its world in a real database, its people asking through Flask.

What `test_decisions.py` proves of `decide` is proved here of the whole server: a token, a request, its answer, and the
ledger's entry, where the reasons of a refusal stand (decisions 20). What is seen is asked for in every way there is:
by its address and its history, with and without the record in the token's context, by its id, and in a search of the
record.
"""

from __future__ import annotations

from datetime import datetime

import decision_cases as cases
import pytest
from decision_asks import Asked, is_step
from decision_records import Record, Server

from tests.kit.application import application

CASES = {case["title"]: case for case in cases.load()}

# Asks are named by the title of their case and their number in it.
UNSOURCED = ("Sans source qui cite la mesure, la représentation d'un majeur ne vaut rien", 0)
BODILESS = (
    "Ce qui ouvre un DMP ne s'écrit pas pièce par pièce: un tiers l'ouvre en une étape, le titulaire seul consent en ligne",
    7,
)
TWO = "De deux médecins traitants, aucun ne lit la désignation de l'autre"
PLACE = "Un lieu ou une équipe ne fait pas un médecin traitant"
NOBODY = "Une autorisation sans acteur n'autorise personne"
FORMLESS = "a Consent that says what its category does not is 422 to everybody: no record can hold one"
TRACES = "Personne n'écrit une trace, pas même l'opérateur"
ENDED = "Une désignation finie ne fait plus un médecin traitant"
NOT_OVER_HTTP: dict[tuple[str, int], str] = {
    **{(ENDED, number): "a designation with an end is 422 to everybody (docs/adr/0032)" for number in range(3)},
    UNSOURCED: "a Consent of ours without a source is 422 to everybody: no record can hold one",
    BODILESS: "the case asks what is decided before a body is read; a create brings one",
    (TWO, 0): "a new médecin traitant ends the old one: no record can hold two",
    (TWO, 1): "a new médecin traitant ends the old one: no record can hold two",
    (TWO, 2): "a new médecin traitant ends the old one: no record can hold two",
    (PLACE, 0): FORMLESS,
    (NOBODY, 0): FORMLESS,
}
"""What no request can ask, and why."""
EARLIER: dict[tuple[str, int], int] = {(TRACES, 0): 405, (TRACES, 1): 405, (TRACES, 2): 405} | {
    ("Le titulaire donne, retire et refuse, lui-même", 5): 422,
    ("Un professionnel qui consulte recueille la décision du titulaire, pour un confrère ou contre l'urgence", 4): 422,
}
"""Writes that are refused before anything is decided: an AuditEvent takes none from anybody (decisions 6), and a Consent
that cannot be read, or is not of the form of its category, is no Consent to be decided upon."""
NAMED_ONLY: dict[str, tuple[int, ...]] = {
    # within a nested provision, through a team or a role, or by naming nobody
    "Un permis imbriqué n'hérite pas du motif de la racine et ne vaut que pour qui il nomme": (0,),
    "Une équipe de soins ne compte que si un consentement la nomme": (0, 4),
    "Une autorisation d'un exercice vaut dans son lieu seulement": (0,),
    "Une équipe dans une équipe compte, un établissement qui en est membre aussi": (0, 1),
    "Un groupe vaut par ses membres, sauf ceux qui n'en sont plus": (0,),
    "PCF Basic, permit: tout professionnel, pour le soin, sous masque et matrice": (0,),
    "PCF Advanced, normal et non restreint: le restreint et au-delà est retiré": (0,),
    "PCF Advanced, le restreint en bris de glace pour un groupe": (0,),
    "PCF Intermediate, sauf une donnée": (0,),
    "PCF Intermediate, les données d'une année": (0,),
}
"""Who is authorised otherwise than by `Consent.provision.actor` finds the record only in a search that names it."""


@pytest.fixture(scope="module")
def server(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as app:
        yield Server(app)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['file']} — {title}") for title, case in CASES.items()])
def test_a_case_is_answered_as_it_says(server, case):
    record = Record(server, case)
    asks = [
        (n, ask) for n, ask in enumerate(case["asks"]) if (case["title"], n) not in NOT_OVER_HTTP and not is_step(ask)
    ]
    stale = True
    for number, ask in asks:
        if stale:
            record.fresh()
        server.at(datetime.fromisoformat(ask["now"]) if "now" in ask else record.now)
        try:
            named_only = number in NAMED_ONLY.get(case["title"], ())
            Asked(record, ask, earlier=EARLIER.get((case["title"], number)), named_only=named_only).holds()
        except AssertionError as wrong:
            wrong.add_note(f"ask {number}: {ask}")
            raise
        stale = bool(ask["expect"].get("allowed"))


def test_the_tables_name_asks_that_there_are():
    named = {
        *NOT_OVER_HTTP,
        *EARLIER,
        *((title, number) for title, numbers in NAMED_ONLY.items() for number in numbers),
    }
    assert [] == [key for key in named if key[0] not in CASES or key[1] >= len(CASES[key[0]]["asks"])]


def test_every_title_is_of_one_case():
    assert len(cases.load()) == len(CASES)


def test_a_consent_of_ours_without_a_source_is_refused_to_the_operator_too(server):
    record = Record(server, {**CASES[UNSOURCED[0]], "consents": []})
    record.fresh()
    consent = cases.consent(CASES[UNSOURCED[0]]["consents"][0], 0, record.built.record)
    assert 422 == server.ask(server.operator, "PUT", f"Consent/{consent['id']}", consent).status


@pytest.mark.parametrize("title", [PLACE, NOBODY])
def test_a_consent_that_is_not_of_the_form_of_its_category_is_refused_to_the_operator_too(server, title):
    record = Record(server, {**CASES[title], "consents": []})
    record.fresh()
    consent = cases.consent(CASES[title]["consents"][0], 0, record.built.record)
    assert 422 == server.ask(server.operator, "PUT", f"Consent/{consent['id']}", consent).status


def test_of_two_treating_physicians_the_second_ends_the_first(server):
    """DMP-54: so no request can ask what the case asks."""
    record = Record(server, CASES[TWO])
    record.fresh()
    first, second = (server.ask(server.operator, "GET", record.names[each]).json for each in ("mt", "mt-autre"))
    assert ("inactive", "active") == (first["status"], second["status"])


def test_a_create_without_a_body_is_refused_before_anything_is_decided(server):
    record = Record(server, CASES[BODILESS[0]])
    ask = CASES[BODILESS[0]]["asks"][BODILESS[1]]
    assert "consent" not in ask
    assert 415 == server.ask(record.who(ask["as"]), "POST", ask["type"]).status
