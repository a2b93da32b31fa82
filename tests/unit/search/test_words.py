"""Words of a resource, and what is asked of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.predicate import matches
from fhir_server.foundation.problem import Problem
from fhir_server.search import words as room
from fhir_server.search.string import normal
from fhir_server.search.words import MOST, clause, words_of

NOTE = {
    "resourceType": "Basic",
    "id": "secret",
    "code": {"text": "L'Œdème, à 12,5"},
    "author": {"reference": "Patient/lea"},
}


def test_words_have_no_case_no_accents_and_nothing_that_identifies():
    assert {"content": ["l", "oedeme", "a", "12", "5"]} == words_of(NOTE)


def test_the_narrative_is_read_without_its_marks():
    div = '<div xmlns="http://www.w3.org/1999/xhtml">Fièvre<br/>hier &lt;soir&gt;<a href="http://x.org">ici</a></div>'
    told = words_of({"resourceType": "Basic", "text": {"status": "generated", "div": div}})

    assert ["fievre", "hier", "soir", "ici"] == told["text"]
    assert ["fievre", "hier", "soir", "ici", "generated"] == told["content"]


def test_a_resource_without_words_keeps_none():
    assert {} == words_of({"resourceType": "Binary", "contentType": "text/plain", "data": "AAAA"})


def test_a_very_long_text_is_known_by_its_beginning():
    long = {"resourceType": "Basic", "code": {"text": " ".join(f"w{each}" for each in range(10_000)) + "x" * 999_999}}

    assert MOST == len(words_of(long)["content"])


@pytest.mark.parametrize(("text", "expected"), [("oedeme", True), ("12 ŒDÈME", True), ("oedeme absent", False), ("absent,l'oedème", True), ("oede", False)])  # fmt: skip
def test_all_words_of_one_value_are_needed(text, expected):
    assert expected is matches(clause("_content", text), {"words": words_of(NOTE)})
    assert matches(clause("_text", text), {"words": words_of(NOTE)}) is False


@pytest.mark.parametrize("text", ["-", "…", "a,", ","])
def test_a_value_without_words_is_refused(text):
    with pytest.raises(Problem, match="needs words"):
        clause("_content", text)


SOME = st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "Z", "S"]), max_size=90)


@given(st.lists(SOME | st.sampled_from(["Élévation", "ΣΑΣ", "\u0301a", "x_y", "Œdème", "a" * 65]), max_size=8))
def test_texts_have_the_words_that_they_have_in_one(several):
    together = room._WORD.findall(normal(" ".join(several)))
    assert [each for each in dict.fromkeys(together) if len(each) <= 64] == room._words(several)


@pytest.mark.parametrize("enough", [1, 9, 10, 11, 12, 30, 63, 64, 65, 66, 70, 140])
def test_what_is_looked_at_ends_in_the_midst_of_a_text(monkeypatch, enough):
    monkeypatch.setattr(room, "_ENOUGH", enough)
    several = ["un premier", "deux", "", "trois " * 12, "quatre", "cinq"]
    together = room._WORD.findall(normal(" ".join(several)[:enough]))
    assert list(dict.fromkeys(together)) == room._words(several)
