"""Cursors: sealed, bound to asker and query, and the same each time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.problem import Problem
from fhir_server.search.cursor import fingerprint, open_, seal
from fhir_server.search.parse import parse

KEY = bytes(range(32))
POSITIONS = st.lists(st.none() | st.integers(-(2**63), 2**63) | st.text(max_size=20), max_size=5)


def query(*pairs):
    return parse("Patient", list(pairs), lenient=False, base="https://server.example/fhir")


@given(POSITIONS)
def test_a_position_comes_back(position):
    assert position == open_(KEY, "dr1", "q", seal(KEY, "dr1", "q", position))


def test_the_same_page_has_the_same_token():
    assert seal(KEY, "dr1", "q", [1, "Patient/a"]) == seal(KEY, "dr1", "q", [1, "Patient/a"])


def test_a_token_can_stand_in_a_url_and_does_not_show_the_position():
    token = seal(KEY, "dr1", "q", [1, "Patient/secret"])
    assert token.replace("-", "").replace("_", "").isalnum()
    assert "secret" not in token


@pytest.mark.parametrize(
    ("key", "asker", "asked"), [(bytes(32), "dr1", "q"), (KEY, "dr2", "q"), (KEY, "dr1", "q2"), (KEY, "dr1q", "")]
)
def test_a_token_of_somebody_or_something_else_is_refused(key, asker, asked):
    with pytest.raises(Problem) as refusal:
        open_(key, asker, asked, seal(KEY, "dr1", "q", [1]))
    assert 400 == refusal.value.status


@given(st.integers(0, 200), st.sampled_from("Aaz09-_é=!"))
def test_a_changed_token_is_refused(at, letter):
    token = seal(KEY, "dr1", "q", [1, "Patient/a"])
    at %= len(token) - 1
    if token[at] == letter:
        return
    with pytest.raises(Problem):
        open_(KEY, "dr1", "q", token[:at] + letter + token[at + 1 :])


@pytest.mark.parametrize("token", ["", "a", "abc", "é", "=", " ", "A" * 2000])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(Problem):
        open_(KEY, "dr1", "q", token)


def test_a_short_key_is_no_key():
    with pytest.raises(ValueError, match="32 bytes"):
        seal(b"short", "dr1", "q", [])


def test_pages_of_a_query_share_its_fingerprint():
    first = fingerprint(query(("name", "lea")))
    assert first == fingerprint(query(("name", "lea"), ("_page", "x"), ("_format", "json")))
    assert first != fingerprint(query(("name", "leo")))
    assert first != fingerprint(query(("name", "lea"), ("_sort", "_id")))


def test_a_fingerprint_keeps_names_and_values_apart():
    assert fingerprint(query(("name", "a"), ("name", "b"))) != fingerprint(query(("name", 'a", "name", "b')))
