"""What a write may name of a record: what its asker sees, what it brings, what it was shown; the rest answers alike."""

import pytest

from fhir_server.foundation.predicate import EVERYTHING, NOTHING, All, Has, Not
from fhir_server.foundation.problem import Problem
from fhir_server.store.naming import FREELY, Naming

SEES = All((Has("patients", "lea"), Not(Has("label", "MASQUE_PS"))))
FACTS = {"patients": ["lea"], "patient": "lea"}
MASKED = {**FACTS, "label": ["MASQUE_PS"]}
STANDING = {
    "DocumentReference/seen": FACTS,
    "DocumentReference/masked": MASKED,
    "DocumentReference/of-two": {**FACTS, "patients": ["lea", "paul"], "joint": True},
    "DocumentReference/of-another": {"patients": ["paul"], "patient": "paul"},
    "List/emptied": {**FACTS, "mentions": [{"id": "DocumentReference/masked", "item": True, **MASKED}]},
    "List/half": {
        **FACTS,
        "mentions": [
            {"id": "DocumentReference/masked", "item": True, **MASKED},
            {"id": "DocumentReference/seen", "item": True, **FACTS},
        ],
    },
}


def naming(*names, **more):
    return {
        "resourceType": "List",
        "id": "l",
        "subject": {"reference": "Patient/lea"},
        "source": {"reference": "Practitioner/x"},
        "entry": [{"item": {"reference": name}} for name in names],
        **more,
    }


@pytest.mark.parametrize("name", ["DocumentReference/seen", "List/half"])
def test_what_is_seen_may_be_named(name):
    Naming(SEES).check(naming(name), STANDING, ())


@pytest.mark.parametrize(
    "name", [*sorted(set(STANDING) - {"DocumentReference/seen", "List/half"}), "DocumentReference/absent"]
)
def test_what_is_hidden_and_what_is_absent_are_refused_in_the_same_words(name):
    with pytest.raises(Problem) as refused:
        Naming(SEES).check(naming("DocumentReference/seen", name), STANDING, ())

    issue = refused.value.issues[0]
    assert (422, "not-found", f"`{name}` leads to nothing that may be seen in this record") == (
        refused.value.status,
        issue.code,
        issue.text,
    )
    assert "List.entry[1].item.reference" == issue.expression


def test_who_sees_nothing_names_nothing_but_what_comes_with_it_and_what_he_was_shown():
    with pytest.raises(Problem):
        Naming(NOTHING).check(naming("DocumentReference/seen"), STANDING, ())
    Naming(NOTHING).check(naming("DocumentReference/new"), STANDING, ["DocumentReference/new"])
    Naming(NOTHING, frozenset({"DocumentReference/masked"})).check(naming("DocumentReference/masked"), STANDING, ())


def test_an_operator_names_what_is_not_there_yet():
    assert EVERYTHING == FREELY.sees
    FREELY.check(naming("DocumentReference/absent"), {}, ())


def test_the_entry_of_a_bundle_is_named():
    with pytest.raises(Problem) as refused:
        Naming(SEES, where="Bundle.entry[3]").check(naming("List/absent"), STANDING, ())
    assert "Bundle.entry[3].resource.entry[0].item.reference" == refused.value.issues[0].expression


def test_a_link_in_the_narrative_names_too():
    text = {"status": "generated", "div": '<div xmlns="x"><a href="List/absent">a</a></div>'}
    with pytest.raises(Problem) as refused:
        Naming(SEES).check(naming(text=text), STANDING, ())
    assert "List.text.div" == refused.value.issues[0].expression


def test_what_belongs_to_no_record_may_be_named_though_it_is_not_there():
    Naming(SEES).check(naming(source={"reference": "Practitioner/absent"}), STANDING, ())
