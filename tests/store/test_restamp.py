"""Restamping of traces: each hides with what it is about, and keeps what it has of its own (decisions 16)."""

from __future__ import annotations

import pytest

from fhir_server.store import restamp
from fhir_server.store.shelf import Shelf

DOCUMENT = "DocumentReference/d"
OTHER = "DocumentReference/other"
SHOWN = {"label": ["N"]}
HIDDEN = {"label": ["N", "MASQUE_PS"], "hidden": [{"lo": 1, "hi": 9}]}


@pytest.fixture
def shelf(shelf):
    shelf.resources.insert_one({"_id": OTHER, "type": "DocumentReference", "facts": {"label": ["R"]}, "own": ["R"]})
    return shelf


def a_trace(shelf: Shelf, name: str, *about: str, own=(), label=()) -> None:
    facts = {"about": list(about), "patient": "lea", **({"label": list(label)} if label else {})}
    shelf.ledger.insert_one({"_id": name, "type": "AuditEvent", "own": list(own), "facts": facts})


def facts_of(shelf: Shelf, name: str):
    return shelf.ledger.find_one({"_id": name})["facts"]


@pytest.mark.parametrize(
    ("about", "own", "shown", "masked"),
    [
        ((DOCUMENT,), (), ["N"], ["N", "MASQUE_PS"]),
        ((DOCUMENT,), ("SECRET",), ["SECRET", "N"], ["SECRET", "N", "MASQUE_PS"]),
        ((DOCUMENT, OTHER), (), ["N", "R"], ["N", "MASQUE_PS", "R"]),
        ((OTHER,), (), ["R"], ["R"]),
    ],
    ids=["of one thing", "of a secret session", "of two things", "of something else"],
)
def test_a_trace_takes_the_labels_of_what_it_is_about_and_gives_them_back(shelf, about, own, shown, masked):
    a_trace(shelf, "AuditEvent/a", *about, own=own, label=shown)
    restamp.spread(shelf, DOCUMENT, SHOWN, HIDDEN, None)
    facts = facts_of(shelf, "AuditEvent/a")
    assert (masked, HIDDEN["hidden"] if DOCUMENT in about else None) == (facts["label"], facts.get("hidden"))
    restamp.spread(shelf, DOCUMENT, HIDDEN, SHOWN, None)
    facts = facts_of(shelf, "AuditEvent/a")
    assert (shown, "lea") == (facts["label"], facts["patient"])
    assert "hidden" not in facts


def test_a_trace_of_what_has_no_label_any_more_has_none(shelf):
    a_trace(shelf, "AuditEvent/a", DOCUMENT, label=["N"])
    restamp.spread(shelf, DOCUMENT, SHOWN, {}, None)
    assert "label" not in facts_of(shelf, "AuditEvent/a")


@pytest.mark.parametrize(
    ("mentions", "names"), [((), None), ((OTHER,), [OTHER])], ids=["mentions nothing", "mentions something"]
)
def test_what_is_restamped_names_what_it_mentions_and_keeps_nothing_empty(shelf, mentions, names):
    facts = {"about": [DOCUMENT], "patient": "lea", "label": ["N"], "mentions": [{"id": each} for each in mentions]}
    shelf.resources.insert_one({"_id": "Provenance/p", "type": "Provenance", "own": [], "facts": facts})
    restamp.spread(shelf, DOCUMENT, SHOWN, HIDDEN, None)
    restamped = shelf.resources.find_one({"_id": "Provenance/p"})["facts"]
    assert (HIDDEN["label"], names) == (restamped["label"], restamped.get("names"))
    assert "names" in restamped or names is None
