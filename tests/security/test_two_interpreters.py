"""`matches`, what it is compiled to, and `to_mongo` are one law: the same documents, whatever the predicate."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.foundation.judge import judge
from fhir_server.foundation.predicate import (
    EVERYTHING,
    NOTHING,
    All,
    Any_,
    Between,
    Contains,
    Exists,
    Has,
    Near,
    Not,
    Prefix,
    Some,
    Span,
    both,
    either,
    matches,
)
from fhir_server.store.mongo import to_mongo

words = st.text(alphabet="ab.*|^$\\\x00é/ \n", max_size=4)
numbers = st.integers(min_value=-3, max_value=3)
MOMENT = 1_774_000_000_000_000
"""In microseconds: more than MongoDB keeps in 32 bits, as every date of ours."""
moments = st.integers(min_value=MOMENT - 3, max_value=MOMENT + 3)
fields = st.sampled_from(["patient", "label", "author", "class"])
intervals = st.tuples(numbers, numbers).map(lambda pair: {"lo": min(pair), "hi": max(pair)})
bound = st.none() | numbers
moment = st.none() | moments

plain_facts = st.fixed_dictionaries(
    {},
    optional={
        "patient": words,
        "label": st.lists(words, max_size=3),
        "author": st.lists(words, max_size=3),
        "class": st.lists(words, max_size=2),
        "joint": st.booleans(),
    },
)
mentions = st.lists(
    st.tuples(plain_facts, st.lists(words, max_size=2)).map(lambda pair: {**pair[0], "token": pair[1]}), max_size=3
)
ends = st.sampled_from(["0", "1;", "2)", "2+", "3)", "31(", "4"])
spans = st.lists(
    st.fixed_dictionaries({"key": st.lists(words, max_size=2), "lo": ends, "hi": ends}, optional={}), max_size=3
)
small = st.lists(
    st.fixed_dictionaries(
        {"name": words},
        optional={
            "token": st.lists(words, max_size=2),
            "dates": st.lists(intervals, max_size=2).map(lambda several: {"date": several}),
            "numbers": spans,
        },
    ),
    max_size=3,
)
# near each other, at the poles, beside the meridian where longitudes begin again
longitudes = st.sampled_from([0.0, 2.3522, 2.3523, -179.9, 179.9, 180.0, -180.0]) | st.floats(-180, 180)
latitudes = st.sampled_from([0.0, 48.8566, 48.8567, 90.0, -90.0, 89.9]) | st.floats(-90, 90)
distances = st.sampled_from([0.0, 8.0, 20_000.0, 1_000_000.0, 20_040_000.0]) | st.floats(0, 21_000_000)
documents = st.builds(
    lambda facts, said, tokens, dates, updated, numbers, together, spoken, place: {
        **({"words": spoken} if spoken else {}),
        **({"place": {"type": "Point", "coordinates": place}} if place else {}),
        "type": "T",
        "updated": updated,
        "facts": {**facts, **({"mentions": said} if said else {})},
        "index": tokens,
        "dates": {"date": dates},
        **({"numbers": numbers} if numbers else {}),
        **({"together": together} if together else {}),
    },
    plain_facts,
    mentions,
    st.lists(words, max_size=3),
    st.lists(intervals, max_size=3),
    moments,
    spans,
    small,
    st.fixed_dictionaries({}, optional={"text": st.lists(words, max_size=2), "content": st.lists(words, max_size=2)}),
    st.none() | st.tuples(longitudes, latitudes).map(list),
)
end = st.none() | ends
of_a_number = st.builds(
    lambda key, lo, hi: Some("numbers", both(Has("key", key), Between("lo", *lo), Between("hi", *hi))),
    words,
    st.tuples(end, end),
    st.tuples(end, end),
)
of_an_element = st.builds(
    lambda name, within: Some("together", both(Has("name", name), *within)),
    words,
    st.lists(
        st.one_of(
            st.builds(Has, st.just("token"), words),
            st.builds(Prefix, st.just("token"), words),
            st.builds(Span, st.just("date:date"), bound, bound, bound, bound),
            of_a_number,
            st.lists(of_a_number, max_size=2).map(lambda of: either(*of)),
        ),
        max_size=3,
    ),
)


def leaves(inside: bool) -> st.SearchStrategy:
    base = [
        st.builds(Has, fields, words),
        st.builds(Has, st.just("joint"), st.booleans()),
        st.builds(Has, st.just("token"), words),
        st.builds(Prefix, fields | st.just("token"), words),
        st.builds(Contains, fields | st.just("token"), words, words, st.booleans()),
        st.builds(Exists, fields),
        st.sampled_from([EVERYTHING, NOTHING]),
    ]
    if not inside:
        base += [
            st.builds(Has, st.sampled_from(["text", "content"]), words),
            st.builds(Near, st.just("place"), latitudes, longitudes, distances),
            st.builds(Between, st.just("updated"), moment, moment),
            st.builds(Has, st.just("updated"), moments),
            st.builds(Span, st.just("date:date"), bound, bound, bound, bound),
            st.builds(Some, st.just("mentions"), predicates(inside=True)),
            of_a_number,
            of_an_element,
        ]
    return st.one_of(base)


def predicates(inside: bool = False) -> st.SearchStrategy:
    return st.recursive(
        leaves(inside),
        lambda children: st.one_of(
            st.builds(Not, children),
            st.lists(children, max_size=3).map(lambda of: All(tuple(of))),
            st.lists(children, max_size=3).map(lambda of: Any_(tuple(of))),
            st.lists(children, max_size=3).map(lambda of: both(*of)),
            st.lists(children, max_size=3).map(lambda of: either(*of)),
        ),
        max_leaves=6,
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(documents, min_size=1, max_size=8), predicates())
def test_the_two_interpreters_agree_on_every_predicate_and_every_document(database, several, predicate):
    collection = database["law"]
    collection.delete_many({})
    numbered = [{"_id": number, **each} for number, each in enumerate(several)]
    collection.insert_many(numbered)

    in_mongo = {each["_id"] for each in collection.find(to_mongo(predicate), {"_id": 1})}
    for held in (numbered, collection.find().to_list()):  # as it is about to be written, and as MongoDB gives it
        in_memory = {each["_id"] for each in held if matches(predicate, each)}
        compiled = {each["_id"] for each in held if judge(predicate)(each)}
        assert in_memory == compiled == in_mongo


def test_a_place_is_near_in_both_to_the_metre(database):
    """Notre-Dame and the Sainte-Chapelle: 430 m; Suva and Apia, beside the date line: 1,144 km."""
    law = database["law"]
    law.insert_one({"_id": 1, "place": {"type": "Point", "coordinates": [2.3499, 48.8530]}})
    law.insert_one({"_id": 2, "place": {"type": "Point", "coordinates": [178.4419, -18.1416]}})
    found = law.find_one({"_id": 1}), law.find_one({"_id": 2})
    for asked, expected in (
        (Near("place", 48.8554, 2.3450, 430), (False, False)),
        (Near("place", 48.8554, 2.3450, 450), (True, False)),
        (Near("place", -13.8333, -171.7667, 1_140_000), (False, False)),
        (Near("place", -13.8333, -171.7667, 1_160_000), (False, True)),
        (Near("place", 90.0, 0.0, 20_040_000), (True, True)),
        (Near("place", 48.8530, 2.3499, 0.0), (True, False)),
    ):
        assert expected == tuple(matches(asked, each) for each in found), asked
        assert sum(expected) == law.count_documents(to_mongo(asked)), asked


def test_two_intervals_together_do_not_satisfy_one_clause(database):
    document = {"_id": 1, "dates": {"date": [{"lo": 0, "hi": 1}, {"lo": 8, "hi": 9}]}}
    database["law"].insert_one(document)
    clause = Span("date:date", lo_min=5, hi_max=3)

    assert matches(clause, document) is False
    assert database["law"].count_documents(to_mongo(clause)) == 0


def test_two_numbers_together_do_not_satisfy_one_clause(database):
    document = {"_id": 1, "numbers": [{"key": ["k"], "lo": "0", "hi": "1"}, {"key": ["k"], "lo": "8", "hi": "9"}]}
    database["law"].insert_one(document)
    clause = Some("numbers", both(Has("key", "k"), Between("lo", "5", None), Between("hi", None, "3")))

    assert matches(clause, document) is False
    assert database["law"].count_documents(to_mongo(clause)) == 0


def test_a_code_of_one_element_and_a_number_of_another_do_not_satisfy_one_clause(database):
    mixed = [
        {"name": "T.c", "token": ["T.a=1"], "numbers": [{"key": ["T.n"], "lo": "1", "hi": "1"}]},
        {"name": "T.c", "token": ["T.a=2"], "numbers": [{"key": ["T.n"], "lo": "2", "hi": "2"}]},
    ]
    document = {"_id": 1, "together": mixed}
    database["law"].insert_one(document)
    for code, at, expected in (("1", "1", True), ("1", "2", False), ("2", "1", False), ("2", "2", True)):
        number = Some("numbers", both(Has("key", "T.n"), Between("lo", at, at + "0"), Between("hi", at, at + "0")))
        clause = Some("together", both(Has("name", "T.c"), Has("token", f"T.a={code}"), number))

        assert matches(clause, document) is expected
        assert database["law"].count_documents(to_mongo(clause)) == expected


@pytest.mark.parametrize(
    ("predicate", "expected"), [(NOTHING, 0), (EVERYTHING, 1), (Not(NOTHING), 1), (Not(EVERYTHING), 0)]
)
def test_emptiness_means_nothing_in_both(database, predicate, expected):
    document = {"_id": 1, "facts": {}}
    database["law"].insert_one(document)

    assert matches(predicate, document) is judge(predicate)(document) is bool(expected)
    assert database["law"].count_documents(to_mongo(predicate)) == expected


def test_a_field_deeper_than_a_judge_looks_is_judged_as_matches_judges_it():
    document = {"_id": 1, "facts": {"a": {"b": ["x"]}}, "dates": {"date": [{"lo": 1, "hi": 2}]}}
    for asked in (
        Has("a.b", "x"),
        Exists("a.b"),
        Any_((Has("a.b", "x"), Has("label", "N"))),
        Some("a.b", Has("c", "x")),
    ):
        for each in (asked, Not(asked)):
            assert judge(each)(document) is matches(each, document)
