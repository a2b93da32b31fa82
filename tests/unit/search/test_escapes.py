"""Escapes: what is written with a backslash means the letter behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.problem import Problem
from fhir_server.search.escapes import escape, plain, split

TEXTS = st.text(alphabet=st.sampled_from("ab,|$\\ é"), max_size=12)


@given(TEXTS)
def test_an_escaped_text_means_itself(text):
    assert text == plain(escape(text))


@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from(",|$"))
def test_escaped_texts_between_separators_come_back_one_by_one(texts, separator):
    joined = separator.join(escape(each) for each in texts)
    assert texts == [plain(each) for each in split(joined, separator)]


@given(TEXTS)
def test_splitting_loses_no_letter(text):
    assert text == ",".join(split(text, ","))


@pytest.mark.parametrize("text", ["\\", "a\\", "\\n", "a\\bc", "\\\\\\"])
def test_a_backslash_before_anything_else_is_refused(text):
    with pytest.raises(Problem) as refusal:
        plain(text)
    assert 400 == refusal.value.status


def test_an_escaped_backslash_does_not_escape_the_separator():
    assert ["a\\\\", "b"] == split("a\\\\,b", ",")
