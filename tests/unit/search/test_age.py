"""`age` is asked of the day of birth, on the day of the question; who has died has none."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import matches
from fhir_server.foundation.problem import Problem
from fhir_server.search.index import index_of
from fhir_server.search.parse import criteria, parse


def found(asked, born, today="2026-11-24", name="age", **more):
    now = micros(datetime.fromisoformat(f"{today}T12:00:00").replace(tzinfo=UTC))
    patient = {"resourceType": "Patient", **({"birthDate": born} if born else {}), **more}
    indexed = index_of(patient)
    where = parse("Patient", [(name, asked)], lenient=False, base="", now=now).where
    return matches(where, {"index": indexed.tokens, "dates": indexed.dates})


@pytest.mark.parametrize(
    ("asked", "born", "expected"),
    [
        ("36", "1990-11-24", True),
        ("36", "1990-11-25", False),
        ("35", "1990-11-25", True),
        ("0", "2026-11-24", True),
        ("gt35", "1990-11-24", True),
        ("gt36", "1990-11-24", False),
        ("ge36", "1990-11-24", True),
        ("lt36", "1990-11-25", True),
        ("lt36", "1990-11-24", False),
        ("le36", "1989-11-25", True),
        ("le36", "1989-11-24", False),
        ("ne36", "1990-11-24", False),
        ("ne36", "1989-11-24", True),
        ("ap40", "1990-11-24", True),
        ("ap50", "1990-11-24", False),
        ("36.5", "1990-05-24", False),
        ("gt36.5", "1990-05-24", False),
        ("gt35.5", "1990-05-24", True),
        ("3e1", "1996-11-24", True),
        ("gt-1", "2026-11-24", True),
        ("lt0", "2026-11-24", False),
        ("gt4000", "1990", False),
        ("lt4000", "1990", True),
        # born in 1990: 35 or 36, as the day is not known
        ("36", "1990", False),
        ("gt35", "1990", True),
        ("lt36", "1990", True),
        ("sa35", "1990", False),
        ("sa34", "1990", True),
        ("eb37", "1990", True),
        ("eb36", "1990", False),
        ("ne36", "1990", True),
    ],
)
def test_an_age_is_completed_years(asked, born, expected):
    assert expected == found(asked, born)


@pytest.mark.parametrize(
    ("today", "expected"), [("2026-02-28", "21"), ("2026-03-01", "22"), ("2028-02-28", "23"), ("2028-02-29", "24")]
)
def test_who_is_born_on_29_february_is_a_year_older_on_1_march(today, expected):
    assert found(expected, "2004-02-29", today)


@given(st.dates(), st.dates(), st.integers(0, 130))
def test_it_agrees_with_the_calendar(born, today, years):
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if age >= 0:
        assert (age == years) == found(str(years), born.isoformat(), today.isoformat())
        assert (age > years) == found(f"gt{years}", born.isoformat(), today.isoformat())


def test_who_has_died_and_whose_birth_is_not_known_have_no_age():
    for more in ({"deceasedBoolean": True}, {"deceasedDateTime": "2020"}):
        assert not found("36", "1990-11-24", **more)
        assert found("true", "1990-11-24", name="age:missing", **more)
    assert found("36", "1990-11-24", deceasedBoolean=False)
    assert not found("ge0", None)
    assert found("true", None, name="age:missing")
    assert found("false", "1990", name="age:missing")


def test_where_no_day_is_meant_an_age_is_refused():
    with pytest.raises(Problem, match="another thing every day"):
        criteria("Patient", [("age", "36")])


@pytest.mark.parametrize(("name", "text", "why"), [("age", "old", "takes an age"), ("age:exact", "3", "no modifier"), ("_sort", "age", "sort by `birthdate`")])  # fmt: skip
def test_what_cannot_be_read_is_refused(name, text, why):
    with pytest.raises(Problem, match=why):
        found(text, "1990", name=name)
