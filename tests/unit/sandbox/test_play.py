"""The stage and the browser of the play: a step that does not come as expected is told and counted."""

from io import StringIO

import pytest
import requests
from lxml import html
from rich.console import Console

from fhir_server.sandbox import scenes, steps
from fhir_server.sandbox.browser import _filled
from fhir_server.sandbox.play import Answer, Stage, hospital, request_line, shortened

PAGE = """
<form method="post">
  <input type="hidden" name="csrf" value="c"><input name="identifier" required value="">
  <input type="password" name="password" required><input name="reason" value="">
  <input name="code" autocomplete="one-time-code" required>
  <input type="radio" name="purpose" value="TREAT" checked><input type="radio" name="purpose" value="BTG">
  <input type="checkbox" name="scope" value="a" checked><input type="checkbox" name="scope" value="b" checked>
  <input type="checkbox" name="scope" value="c">
  <button type="submit" name="who" value="person">1</button>
  <button type="submit" name="who" value="professional">2</button>
</form>
"""


@pytest.fixture
def stage():
    return Stage("http://127.0.0.1:1", Console(file=StringIO(), width=200))


def test_a_step_that_comes_as_expected_is_told_with_who_what_was_sent_and_both(stage):
    assert stage.expect("Léa asks", "GET /fhir/Patient/lea", expected="200 OK", came="200 OK") is True
    assert (stage.told, stage.failed) == (1, 0)
    assert stage.console.file.getvalue() == (
        "  ok  Léa asks: GET /fhir/Patient/lea\n      expected 200 OK; came 200 OK\n"
    )


def test_a_step_that_does_not_is_told_and_counted_with_the_servers_own_words(stage):
    assert stage.expect("[ITI-65]", "POST /fhir", expected="200 OK", came="403 Forbidden", said="not open") is False
    assert stage.failed == 1
    assert stage.console.file.getvalue() == (
        "  NO  [ITI-65]: POST /fhir\n      expected 200 OK; came 403 Forbidden\n      the server said: not open\n"
    )


def test_without_a_terminal_there_is_no_colour_and_in_one_there_is():
    plain, coloured = StringIO(), StringIO()
    for file, terminal in ((plain, False), (coloured, True)):
        stage = Stage(
            "http://127.0.0.1:1",
            Console(file=file, force_terminal=terminal, color_system="standard" if terminal else "auto"),
        )
        stage.scene("One")
        stage.expect("Léa asks", "GET /fhir", expected="200 OK", came="404 Not Found")
    assert "\x1b" not in plain.getvalue()
    assert "\x1b[1;31mNO" in coloured.getvalue()


def test_scenes_are_counted(stage):
    stage.scene("One")
    stage.scene("Two")
    assert stage.console.file.getvalue() == "\n1. One\n\n2. Two\n"


def test_what_was_sent_is_told_unescaped_and_its_uuids_cut():
    sent = requests.Request("GET", "http://127.0.0.1:8080/fhir/Patient", params={"identifier": "urn:oid:1|2"}).prepare()
    assert request_line(sent) == "GET /fhir/Patient?identifier=urn:oid:1|2"
    assert shortened("GET /fhir/List/01a20af1-7c2c-753f-b2ff-975374fd9bdb") == "GET /fhir/List/01a2…9bdb"
    assert shortened("urn:oid:2.25.93683778121255772062896899746240480759") == "urn:oid:2.25.9368…0759"


def test_what_becomes_true_soon_is_waited_for_and_what_does_not_is_false(stage):
    turns = iter([False, False, True])
    assert stage.soon(lambda: next(turns)) is True
    assert stage.soon(lambda: False, seconds=0.05) is False


def test_a_form_is_filled_as_its_person_would():
    form = html.fromstring(PAGE)
    assert _filled(form, "dr-roux", "secret", lambda: "123456") == [
        ("csrf", "c"),
        ("identifier", "dr-roux"),
        ("password", "secret"),
        ("reason", ""),
        ("code", "123456"),
        ("purpose", "TREAT"),
        ("scope", "a"),
        ("scope", "b"),
        ("who", "professional"),
    ]
    assert _filled(form, "lea", "secret", lambda: "1")[-1] == ("who", "person")


def test_an_answer_reads_a_bundle_and_a_refusal():
    bundle = Answer(200, {"total": 2, "entry": [{"resource": {"id": "a"}}, {"search": {}}]}, b"")
    assert (bundle.total, bundle.resources) == (2, [{"id": "a"}])
    assert bundle.found("document") == "200 OK, 2 documents"
    assert Answer(200, {"total": 1}, b"").found("document") == "200 OK, 1 document"
    refusal = Answer(403, {"issue": [{"diagnostics": "the record is not open"}]}, b"")
    assert (refusal.outcome, refusal.said) == ("403 Forbidden", "the record is not open")
    assert refusal.found("document") == "403 Forbidden"
    assert Answer(400, {"error": "invalid_request", "error_description": "a reason is needed"}, b"").said == (
        "a reason is needed"
    )


def test_the_hospital_of_the_play_is_the_script_of_the_examples():
    assert callable(hospital().access_token)


@pytest.mark.parametrize("scene", scenes.SCENES, ids=lambda scene: scene.__name__)
def test_every_scene_has_a_title_in_one_line(scene):
    assert len((scene.__doc__ or "").strip().splitlines()) == 1


def test_the_published_submission_stands_as_it_is_but_for_the_patient():
    published = steps.published()
    assert published["type"] == "transaction"
    assert "123456789012345" not in str(published)
    assert "284033818500122" in str(published)
    assert "urn:oid:1.2.250.1.213.1.4.8.99999.2" in str(published)  # a document's identifier, not a person's


def test_who_may_never_have_access_is_denied_even_if_authorised_and_others_are_not():
    """DMP-46, DMP-47."""
    assert all(scenes.denied(scenes.dossier.people()[login]) for login in scenes.OUTSIDERS)
    assert not scenes.denied(scenes.dossier.people()["dr-diallo"])
