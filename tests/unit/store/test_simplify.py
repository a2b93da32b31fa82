"""Simplifying a guard: the same documents among those asked for, whatever the predicate."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.foundation.predicate import (
    EVERYTHING,
    NOTHING,
    All,
    Any_,
    Exists,
    Has,
    Linked,
    Near,
    Not,
    Some,
    Span,
    Under,
    both,
    matches,
)
from fhir_server.resources.facts import may_be_about, never_of_class
from fhir_server.store.mongo import to_mongo
from fhir_server.store.simplify import filter_of, judge_of, simplified

types = st.sampled_from(["Consent", "DocumentReference", "List"])
ids = st.sampled_from(["p1", "p2"])
words = st.sampled_from(["N", "R"])
facts = st.fixed_dictionaries(
    {},
    optional={
        "patients": st.lists(ids, max_size=2),
        "patient": ids,
        "label": st.lists(words, max_size=2),
        "mentions": st.lists(st.fixed_dictionaries({"resource": types, "patients": st.lists(ids)}), max_size=2),
    },
)
documents = st.builds(lambda type_, facts_: {"_id": 1, "type": type_, "facts": facts_}, types, facts)


def leaves(inside):
    base = [
        st.builds(Has, st.just("resource"), types),
        st.builds(Has, st.sampled_from(["patients", "patient"]), ids),
        st.builds(Has, st.just("label"), words),
        st.builds(Exists, st.sampled_from(["patients", "patient", "label"])),
        st.sampled_from([EVERYTHING, NOTHING]),
    ]
    if not inside:
        base.append(st.builds(Some, st.just("mentions"), predicates(inside=True)))
    return st.one_of(base)


def predicates(inside=False):
    return st.recursive(
        leaves(inside),
        lambda children: st.one_of(
            st.builds(Not, children),
            st.lists(children, max_size=3).map(lambda of: All(tuple(of))),
            st.lists(children, max_size=3).map(lambda of: Any_(tuple(of))),
        ),
        max_leaves=8,
    )


@settings(max_examples=1000, deadline=None)
@given(documents, predicates(), types, ids)
def test_what_is_given_changes_no_answer_about_a_document_that_has_it(document, predicate, type_, patient):
    document = {**document, "type": type_}
    document["facts"] = {**document["facts"], "patients": [*document["facts"].get("patients", []), patient]}

    simple = simplified(predicate, {"resource": type_, "patients": patient})

    assert matches(predicate, document) == matches(simple, document)


@settings(max_examples=1000, deadline=None)
@given(documents, predicates(), types, ids)
def test_a_guard_tests_one_document_in_memory_as_it_selects_it(document, predicate, type_, patient):
    document = {**document, "type": type_}
    guard = (Has("patients", patient), predicate)

    judged = judge_of(guard, type_)

    assert judged is not None
    assert judged(document) == all(matches(each, document) for each in guard)


CLASSES = ("10", "42", "operator", "consent", "document", "shared")


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(["DocumentReference", "Observation", "Consent", "Provenance", "Binary", ""]),
    st.lists(st.sampled_from(CLASSES), max_size=2),
    st.lists(ids, max_size=2),
    st.recursive(
        st.builds(Has, st.sampled_from(["class", "about"]), st.sampled_from([*CLASSES, "p1"]))
        | st.builds(Exists, st.sampled_from(["class", "about"])),
        lambda of: st.builds(Not, of) | st.lists(of, max_size=3).map(lambda each: Any_(tuple(each))),
    ),
)
def test_facts_that_a_type_never_has_are_not_asked_of_it(type_, classes, about, predicate):
    classes = [each for each in classes if each not in never_of_class(type_)]
    facts = {"class": classes, **({"about": about} if not type_ or may_be_about(type_) else {})}

    simple = simplified(predicate, {"resource": type_} if type_ else {})

    assert matches(predicate, {"type": type_, "facts": facts}) == matches(simple, {"type": type_, "facts": facts})


def test_of_a_document_no_word_of_another_type_is_asked():
    shut = Not(Any_((Has("class", "operator"), Has("class", "10"))))

    assert {"$nor": [{"facts.class": "10"}]} == filter_of((shut,), "DocumentReference")
    assert {"$nor": [{"facts.class": {"$in": ["operator", "10"]}}]} == filter_of((shut,), "Provenance")
    assert {"$nor": [{"facts.class": {"$in": ["operator", "10"]}}]} == filter_of((shut,))


def test_who_owns_it_first_is_not_asked_to_own_it_as_well():
    owner, one_of_them, masked = Has("patient", "p1"), Has("patients", "p1"), Not(Has("label", "N"))

    for asked in ((one_of_them, owner), (both(masked, one_of_them), owner), (one_of_them, both(owner, masked))):
        assert "p1" == filter_of(asked, "Task")["facts.patient"]
        assert "facts.patients" not in filter_of(asked, "Task")
    assert {"facts.patient": "p1", "facts.patients": "p2"} == filter_of((owner, Has("patients", "p2")), "Task")
    for of_traces_and_of_several_types in ("AuditEvent", ""):
        found = filter_of((owner, one_of_them), of_traces_and_of_several_types)
        assert {"facts.patient": "p1", "facts.patients": "p1"} == found


def test_what_none_may_be_stands_in_one_list():
    rules = [Not(Has("state", "a")), Not(Any_((Has("state", "b"), Has("author", "c")))), Not(Span("period", lo_min=1))]

    period = {"$elemMatch": {"lo": {"$gte": 1}, "hi": {"$exists": True}}}
    assert {
        "$nor": [{"facts.state": {"$in": ["a", "b"]}}, {"facts.author": "c"}, {"facts.period": period}]
    } == filter_of(rules)
    assert {"$nor": [{"facts.state": "a"}, {"$nor": [{"facts.b": None}, {"facts.b": {"$size": 0}}]}]} == filter_of(
        (Not(Has("state", "a")), Not(Exists("b")))
    )


def test_what_guards_have_in_common_is_kept_once():
    """A guard has some thirty rules, and there is one for each of thousands of records and each type that is read."""
    rules = [Not(All((Has("label", f"L{rule}"), Not(Has("author", "a"))))) for rule in range(20)]
    judge_of((Has("patients", "p0"), *rules), "Observation")
    tracemalloc.start()
    try:
        kept = [judge_of((Has("patients", f"p{record}"), *rules), "Observation") for record in range(1, 101)]
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert grown / len(kept) < 10_000


@pytest.mark.parametrize(
    "asked",
    [
        Has("token", "DocumentReference.type=1"),
        Span("date:date", lo_min=1),
        Some("together", Has("token", "a")),
        Some("numbers", Has("key", "a")),
        Has("text", "a"),
        Near("place", 0.0, 0.0, 1.0),
        Linked("Encounter.subject", "Patient", EVERYTHING),
        Under("Location.partof", "Location", "Location.partof", ("Location/a",)),
    ],
)
def test_what_asks_for_the_index_is_left_to_the_database(asked):
    for guard in (asked, Not(asked), All((Has("label", "N"), asked)), Any_((Has("label", "N"), asked))):
        assert judge_of((Has("patients", "p1"), guard), "DocumentReference") is None


@settings(max_examples=300, deadline=None)
@given(documents, predicates())
def test_with_nothing_given_every_document_is_judged_alike(document, predicate):
    assert matches(predicate, document) == matches(simplified(predicate, {}), document)


def test_a_clause_about_another_type_is_not_put_to_the_database():
    masked_consent = Not(All((Has("resource", "Consent"), Has("label", "N"))))

    assert {"type": "DocumentReference"} == filter_of(
        (Has("resource", "DocumentReference"), masked_consent), "DocumentReference"
    )
    assert {"type": "Consent", "$nor": [{"facts.label": "N"}]} == filter_of(
        (Has("resource", "Consent"), masked_consent), "Consent"
    )


def test_a_clause_that_lets_nothing_through_stays_a_clause_that_lets_nothing_through():
    shut = filter_of((Has("resource", "List"), Not(Has("resource", "List"))), "List")

    assert {"type": "List", "_id": {"$in": []}} == shut


def test_a_record_that_is_asked_for_settles_whose_it_is_and_nothing_of_another():
    own_or_nobodys = Any_((Has("patients", "p1"), Not(Exists("patients"))))

    assert {"facts.patients": "p1"} == filter_of((Has("patients", "p1"), own_or_nobodys))
    assert filter_of((Has("patients", "p2"), own_or_nobodys)) != {"facts.patients": "p2"}


def test_an_equal_clause_of_a_new_object_is_the_same_filter():
    def clause():
        return Not(All((Has("label", "R"), Has("resource", "List"))))

    assert filter_of((clause(),), "List") == filter_of((clause(),), "List") == to_mongo(Not(Has("label", "R")))


def test_the_same_object_negated_or_not_is_not_mixed_up():
    clause = Any_((Has("label", "N"), Has("label", "R")))

    assert filter_of((clause,)) == to_mongo(clause)
    assert filter_of((Not(clause),)) == to_mongo(Not(clause))
    assert {"facts.label": {"$in": ["N", "R"]}, "$nor": [to_mongo(clause)]} == filter_of((both(clause, Not(clause)),))
