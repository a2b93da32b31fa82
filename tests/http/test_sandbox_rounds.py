"""Rounds of an application: a clock that is moved answers when what fell due is done; the command; tokens that end."""

from __future__ import annotations

from importlib import import_module

import pytest
from click.testing import CliRunner

from fhir_server.commands import main
from fhir_server.rounds.table import NAMES
from tests.kit.application import FHIR_JSON, application, bearer, deposit
from tests.kit.steps import said
from tests.kit.world import label

PAUL, MAIL = "paul-martin", "paul.martin@example.org"
READS = "openid launch/patient patient/*.rs user/*.rs"


@pytest.fixture
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture
def client(app):
    return app.test_client()


def token(client, login, **more):
    answer = client.post("/sandbox/token", json={"as": login, "scope": READS} | more)
    assert answer.status_code == 200, answer.json
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def hidden_letter(app, client):
    """A letter that waits for an announcement, brought by the operator in the hospital's name; its address."""
    bundle = deposit(securityLabel=[label("INVISIBLE_PATIENT")])
    made = client.post("/fhir", json=bundle, headers=bearer(app), content_type=FHIR_JSON)
    assert made.status_code == 200, made.json
    return made.json["entry"][1]["response"]["location"].partition(":8080")[2].partition("/_history")[0]


def subjects(client, to=MAIL):
    return [each["subject"] for each in client.get(f"/sandbox/outbox.json?to={to}").json]


def moved(client, **by):
    answer = client.post("/sandbox/clock", json=by)
    assert answer.status_code == 200, answer.json


def test_when_the_clock_has_answered_the_rounds_are_gone_dmp_134(app, client):
    place = hidden_letter(app, client)
    moved(client, advance="P13D")
    assert "Votre dossier médical partagé a été mis à jour" not in subjects(client)
    moved(client, advance="P1D")
    assert "Votre dossier médical partagé a été mis à jour" in subjects(client)
    assert 404 == client.get(place, headers=token(client, PAUL.partition("-")[0])).status_code
    moved(client, advance="P17D")
    read = client.get(place, headers=token(client, PAUL.partition("-")[0]))
    assert (200, "2") == (read.status_code, read.json["meta"]["versionId"])
    assert "INVISIBLE_PATIENT" not in read.text


def test_at_eighteen_the_tokens_of_the_representative_end_dmp_142(client):
    """Léa represents Noé, who was born in 2015."""
    child = client.get("/fhir/Patient/noe-martin", headers=token(client, "operateur")).json
    header = token(client, "lea-pour-noe")
    assert 200 == client.get("/fhir/Patient/noe-martin", headers=header).status_code
    moved(client, now=f"{int(child['birthDate'][:4]) + 18}{child['birthDate'][4:]}T08:00:00Z")
    assert 401 == client.get("/fhir/Patient/noe-martin", headers=header).status_code
    again = client.post("/sandbox/token", json={"as": "lea-pour-noe", "scope": READS})
    assert 400 <= again.status_code < 500


def test_a_secret_session_is_asked_for_with_the_token_dmp_141(app, client):
    header = token(client, "dr-moreau", patient="noe-martin", secret_session="true")
    assert 200 == client.get("/fhir/Patient/noe-martin", headers=header).status_code
    ledger = app.extensions["house"].shelf.ledger
    last = ledger.find_one({"facts.patient": "noe-martin"}, sort=[("_id", -1)])
    assert ["INVISIBLE_REPRESENTANTS_LEGAUX"] == last["own"]
    for more, fault in (({"secret_session": "yes"}, "true or false"), ({}, "for professionals")):
        asked = {"as": "lea-pour-noe", "scope": READS, "secret_session": "true", **more}
        refused = client.post("/sandbox/token", json=asked)
        assert (400, "invalid_request") == (refused.status_code, refused.json["error"])
        assert fault in refused.json["error_description"]


def test_a_blank_reason_is_refused_with_what_to_do_dmp_117(client):
    asked = {"as": "dr-roux", "scope": READS, "patient": PAUL, "purpose": "BTG", "reason": "  "}
    refused = client.post("/sandbox/token", json=asked)
    assert (400, "invalid_request") == (refused.status_code, refused.json["error"])
    assert "say in words why" in refused.json["error_description"]
    granted = client.post("/sandbox/token", json={**asked, "reason": "coma", "scope": f"{READS} offline_access"}).json
    assert granted["expires_in"] <= 900
    assert "refresh_token" not in granted


def test_the_command_does_what_is_due_at_the_clock_of_its_sandbox(app, client, mongo_uri, monkeypatch):
    place = hidden_letter(app, client)
    app.extensions["house"].clock.move(app.extensions["house"].clock().replace(year=2031))  # and nobody goes
    monkeypatch.setenv("FHIR_SERVER_MONGO_URI", mongo_uri)
    name = app.extensions["house"].shelf.database.name

    def run(*more):
        return CliRunner().invoke(main, ["round", "--database", name, *more])

    only = run("--name", "announcement.remind")
    assert (0, "announcement.remind  0 done\n") == (only.exit_code, only.stdout), only.output
    assert "announcement.show  1 done" in run().stdout
    assert "announcement.show  0 done" in run().stdout
    assert 200 == client.get(place, headers=token(client, "paul")).status_code


def test_the_command_that_destroys_a_record_ends_the_sign_ins_of_its_people_dmp_104(
    app, client, mongo_uri, monkeypatch
):
    hers = {**token(client, "paul", scope=f"{READS} patient/*.cruds"), "Content-Type": FHIR_JSON}
    reason = said(reason="patient-demande")
    closed = client.post(f"/fhir/Patient/{PAUL}/$close-record", json=reason, headers=hers)
    assert closed.status_code == 200, closed.json
    house, smart = app.extensions["house"], app.extensions["smart"]
    assert smart.accounts.find("paul") is not None
    house.clock.move(house.clock().replace(year=house.clock().year + 11))
    monkeypatch.setenv("FHIR_SERVER_MONGO_URI", mongo_uri)
    told = CliRunner().invoke(
        main, ["round", "--database", house.shelf.database.name, "--name", "retention"], catch_exceptions=False
    )
    assert "retention  2 done" in told.output  # his, and one that was closed from the start
    assert smart.accounts.find("paul") is None


def test_the_names_on_the_command_line_are_those_of_the_table():
    assert NAMES == import_module("fhir_server.commands.round").NAMES
