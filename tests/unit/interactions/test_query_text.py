"""A query string is spelt as `urllib` spells it, and read back as what it says."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.interactions.request import pairs, query_text

NAMES = st.text(st.sampled_from("aZ0:._~- =&%+?#/|é'\"*;@!$,"), max_size=5)


@pytest.mark.parametrize("asked", [(), (("patient", "lea"),), (("a", ""), ("", "b")), (("isArchived:not", "true"),)])
def test_what_is_plain_stands_as_it_is(asked):
    assert "&".join(f"{name}={text}" for name, text in asked) == query_text(asked)


@given(st.lists(st.tuples(NAMES, NAMES), max_size=3).map(tuple))
def test_whatever_is_asked_is_spelt_as_urllib_does_and_read_back(asked):
    assert urlencode(asked, safe=":/$,-._~") == query_text(asked)
    assert tuple(asked) == pairs(query_text(asked))
