"""Occasion: the holder hears of deposits, first connections and emergencies, and of nothing he may not see."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import get_args

import pytest

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.notices.occasion import Contact, Happening, Occasion, contacts_of, notice, notices

AT = datetime(2026, 11, 23, 9, 5, tzinfo=UTC)
LEA = Contact("lea@example.org", "mail")
ANNE = Contact("+33600000001", "text", reader="representative")
DIALLO = Principal(Kind.PROFESSIONAL, "s", "app", "Dr Aïssata Diallo", profession="10", specialties=frozenset({"SM42"}))
IN_EMERGENCY = replace(DIALLO, purpose=Purpose.BREAK_GLASS, reason="overdose")


def happened(occasion, **more):
    given = {"patient": "lea", "key": "k1", "at": AT, "by": IN_EMERGENCY if occasion == "emergency" else DIALLO}
    if occasion in ("otp", "creation", "recovery", "identifier"):
        given["code"] = "483920"
    return Happening(occasion, **{**given, **more})


OCCASIONS = get_args(Occasion)


def test_a_deposit_is_told_dmp_81():
    told = notice(happened("deposit", about="DocumentReference/d1"), LEA)
    assert ("lea@example.org", "mail", "deposit") == (told.to, told.channel, told.occasion)
    assert "Un document a été déposé dans votre dossier médical partagé" == told.subject
    assert "déposé dans votre dossier le 23/11/2026 à 10:05 par Dr Aïssata Diallo" in told.text


@pytest.mark.parametrize("by", [*(Principal(kind, "s", "c", "X") for kind in Kind), None])
def test_a_deposit_is_told_whoever_made_it(by):
    assert notice(happened("deposit", by=by), LEA) is not None


@pytest.mark.parametrize("occasion", ["first-connection", "emergency"])
def test_a_first_connection_and_an_emergency_are_always_told_k1(occasion):
    assert notice(happened(occasion), LEA) is not None


def test_the_wish_to_be_told_of_each_is_the_one_that_a_holder_may_write_k1():
    wish = profile_json("dmp/notices.json")["every_connection"]
    assert f"extension:{wish}" in profile_json("dmp/rules.json")["holder"]["identity"]


def test_each_connection_is_told_to_who_asks_for_it_k1():
    assert notice(happened("connection"), LEA) is None
    assert notice(happened("connection"), replace(LEA, every_connection=True)) is not None


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind != Kind.PROFESSIONAL])
@pytest.mark.parametrize("occasion", ["first-connection", "connection", "emergency"])
def test_only_a_professional_connects(occasion, kind):
    by = replace(IN_EMERGENCY, kind=kind)
    assert notice(happened(occasion, by=by), replace(LEA, every_connection=True)) is None


def test_an_access_without_an_emergency_purpose_is_no_emergency():
    assert notice(happened("emergency", by=DIALLO), LEA) is None


@pytest.mark.parametrize("occasion", OCCASIONS)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_notice_holds_health_data(occasion, language):
    contact = replace(LEA, language=language, every_connection=True)
    told = notice(happened(occasion, about="DocumentReference/d1", labels=frozenset({"R"})), contact)
    for word in ("overdose", "SM42", "Médecin", "DocumentReference", "d1", "INVISIBLE", "{", "None"):
        assert word not in told.subject + told.text


@pytest.mark.parametrize("occasion", OCCASIONS)
def test_what_is_hidden_from_the_holder_is_not_announced_to_him(occasion):
    hidden = happened(occasion, labels=frozenset({"INVISIBLE_PATIENT"}))
    assert () == notices(hidden, [replace(LEA, every_connection=True), replace(ANNE, every_connection=True)])


def test_what_a_minor_hides_from_the_representatives_is_told_to_the_minor_only():
    hidden = happened("deposit", labels=frozenset({"INVISIBLE_REPRESENTANTS_LEGAUX"}))
    assert ["lea@example.org"] == [each.to for each in notices(hidden, [LEA, ANNE])]


def test_a_secret_session_is_not_told_to_the_representatives():
    secret = happened("first-connection", by=replace(DIALLO, secret_session=True))
    assert ["lea@example.org"] == [each.to for each in notices(secret, [LEA, ANNE])]


def test_a_masked_document_is_announced_to_its_holder_and_keeps_its_labels():
    told = notice(happened("deposit", labels=frozenset({"MASQUE_PS"}), about="DocumentReference/d1"), LEA)
    assert (frozenset({"MASQUE_PS"}), "DocumentReference/d1") == (told.labels, told.about)


def test_the_same_happening_has_one_key_for_each_address():
    again = happened("deposit", at=AT + timedelta(hours=1))
    assert notice(happened("deposit"), LEA).key == notice(again, LEA).key
    others = [happened("deposit", key="k2"), happened("opened"), happened("deposit", patient="paul")]
    keys = {notice(each, LEA).key for each in others} | {notice(happened("deposit"), ANNE).key}
    assert 4 == len(keys - {notice(again, LEA).key})


def test_a_one_time_code_is_in_the_text_and_lives_ten_minutes_dmp_156():
    told = notice(happened("otp"), ANNE)
    assert ("483920", timedelta(minutes=10)) == (told.code, told.life)
    assert "483920" in told.text
    assert notice(happened("otp", code=None), ANNE) is None


def test_a_creation_code_goes_in_a_letter_too_and_outlives_the_post_dmp_24():
    told = notice(happened("creation", by=None), Contact("Léa Martin\n38000 Grenoble", "post"))
    assert told.text.startswith("Madame, Monsieur,") and "483920" in told.text and "60 jours" in told.text
    assert timedelta(days=30) == told.life


def test_what_is_for_nobody_is_gone_in_minutes():
    assert timedelta(minutes=10) == notice(happened("creation"), Contact("", "nobody")).life


def test_a_text_message_is_short():
    assert [] == [
        occasion
        for occasion in OCCASIONS
        if len(notice(happened(occasion), replace(ANNE, every_connection=True)).text) > 160
    ]


PEOPLE = [
    ([{"system": "email", "value": "a@b.fr"}], ("a@b.fr", "mail")),
    ([{"system": "sms", "value": "0601"}], ("0601", "text")),
    ([{"system": "phone", "use": "mobile", "value": "0602"}], ("0602", "text")),
    ([{"system": "phone", "use": "home", "value": "0102"}], None),
    ([{"system": "sms", "value": "0601"}, {"system": "email", "value": "a@b.fr"}], ("a@b.fr", "mail")),
    (
        [{"system": "sms", "value": "0601", "rank": 1}, {"system": "email", "value": "a@b.fr", "rank": 2}],
        ("0601", "text"),
    ),
    ([{"system": "email", "value": "a@b.fr", "use": "old"}], None),
    ([{"system": "email"}], None),
    ([], None),
]


@pytest.mark.parametrize(("telecom", "expected"), PEOPLE)
def test_the_preferred_contact_is_taken_dmp_25(telecom, expected):
    found = contacts_of({"telecom": telecom})
    assert ([expected] if expected else []) == [(each.to, each.channel) for each in found]


def test_representatives_are_told_as_such_and_preferences_are_the_records():
    patient = {
        "telecom": [{"system": "email", "value": "lea@example.org"}],
        "communication": [
            {"language": {"coding": [{"code": "fr-FR"}]}},
            {"preferred": True, "language": {"coding": [{"code": "en"}]}},
        ],
        "extension": [
            {"url": "https://dmp-on-fhir.example/StructureDefinition/dmp-notify-every-connection", "valueBoolean": True}
        ],
    }
    anne = {"telecom": [{"system": "sms", "value": "+33600000001"}]}
    assert (
        Contact("lea@example.org", "mail", "en", "holder", every_connection=True),
        Contact("+33600000001", "text", "fr", "representative", every_connection=True),
    ) == contacts_of(patient, [anne])


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_occasion_and_every_kind_of_asker_has_words(language):
    words = json.loads((files("fhir_server.notices") / "words" / f"{language}.json").read_text("utf-8"))
    assert set(OCCASIONS) == set(words["notices"])
    assert {kind.value for kind in Kind} == set(words["who"])
    asked = {name for said in words["notices"].values() for name in re.findall(r"{(\w+)}", said["text"])}
    assert {"who", "mode", "moment", "code", "minutes", "days", "deadline"} == asked
