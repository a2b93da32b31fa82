"""Where somebody is reached: two spellings of one address are one, and who set it is who set it first (docs/adr/0035)."""

from __future__ import annotations

import pytest

from fhir_server.resources.reach import addresses_of, placed, reach_of, set_by, spelt

LEA, ANNE = "lea@example.org", "anne@example.org"


def mail(value, **more):
    return {"system": "email", "value": value, **more}


def person(*values, **more):
    return {"telecom": [mail(each) for each in values], **more}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (mail(LEA), mail(" LEA@Example.org ", use="old", rank=3), True),
        (mail(LEA), mail(ANNE), False),
        ({"system": "phone", "value": "06 39 98 00 02"}, {"system": "sms", "value": "+33 6 39 98 00 02"}, True),
        ({"system": "phone", "value": "06.39.98.00.02"}, {"system": "phone", "value": "0033639980002"}, True),
        ({"system": "phone", "value": "0639980002"}, {"system": "phone", "value": "+32639980002"}, False),
        ({"system": "url", "value": "https://example.org"}, mail("https://example.org"), False),
    ],
)
def test_two_spellings_of_one_contact_point_are_one(one, other, same):
    assert same == (spelt(one) == spelt(other))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"line": ["8, RUE DES TILLEULS"], "postalCode": "38 000", "city": "Grenoble", "country": "FRA"}, True),
        ({"line": ["8 rue", "des Tilleuls"], "postalCode": "38000", "city": "GRÉNOBLE"}, True),
        ({"line": ["9 rue des Tilleuls"], "postalCode": "38000", "city": "Grenoble"}, False),
    ],
)
def test_two_spellings_of_one_postal_address_are_one(other, same):
    home = {"line": ["8 rue des Tilleuls"], "postalCode": "38000", "city": "Grenoble"}
    assert same == (placed(home) == placed(other))


def test_what_says_nothing_is_no_address():
    nothing = {"telecom": [{"system": "email"}, mail("  ")], "address": [{}, {"country": "FRA"}]}
    assert frozenset() == addresses_of(nothing) == addresses_of({})


@pytest.mark.parametrize(
    ("voice", "expected"),
    [("scheme", {"scheme": [f"email|{LEA}"]}), ("holder", {"holder": [f"email|{LEA}"]}), (None, {})],
)
def test_a_new_address_stands_on_the_word_of_who_writes_it_and_on_nobody_elses(voice, expected):
    assert expected == reach_of(person(LEA), {}, {}, voice)


@pytest.mark.parametrize("voice", ["scheme", "holder", None])
def test_who_writes_again_what_stands_does_not_vouch_for_it(voice):
    assert {} == reach_of(person(LEA), person(LEA), {}, voice)
    known = {"scheme": [f"email|{LEA}"]}
    assert known == reach_of(person(LEA), person(LEA), known, voice)


def test_what_was_taken_away_stands_on_nobodys_word_when_a_third_party_writes_it_again():
    gone = reach_of(person(), person(LEA), {"scheme": [f"email|{LEA}"]}, None)
    assert {} == gone == reach_of(person(LEA), person(), gone, None)


def test_each_voice_keeps_its_own_and_what_is_somebody_elses_is_left_out():
    known = {"scheme": [f"email|{ANNE}"]}
    reach = reach_of(person(LEA, ANNE), person(ANNE), known, "holder")
    assert {"scheme": [f"email|{ANNE}"], "holder": [f"email|{LEA}"]} == reach
    assert (
        {f"email|{LEA}"}
        == set_by(reach, "holder")
        == set_by(reach, "scheme", "holder", but=[person("ANNE@EXAMPLE.ORG")])
    )
