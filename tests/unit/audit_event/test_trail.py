"""Trail: the holder reads date, time, identity, profession and action of every access (DMP-80)."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import pytest

from fhir_server.audit_event.event import audit_event
from fhir_server.audit_event.shapes import SHAPES
from fhir_server.audit_event.trail import Row, row
from fhir_server.foundation.principal import Kind, Purpose

from .test_event import A_SUBMISSION, BASE, DIALLO, HOSPITAL, LEA, a_deed


def told(deed, language="fr"):
    return row(audit_event(deed, "a1", BASE), language)


def test_a_read_by_a_doctor_in_french_and_in_english():
    assert Row(
        "23/11/2026", "10:05:07", "Dr Aïssata Diallo", "899700000001", "Médecin", "Consultation (document)",
        "Accès normal", "", "CH de Lorient",
    ) == told(a_deed("read"))  # fmt: skip
    assert Row(
        "2026-11-23", "10:05:07", "Dr Aïssata Diallo", "899700000001", "Doctor", "Read (document)",
        "Normal access", "", "CH de Lorient",
    ) == told(a_deed("read"), "en")  # fmt: skip


def test_an_emergency_shows_its_mode_and_its_reason():
    shown = told(a_deed("read", replace(DIALLO, purpose=Purpose.BREAK_GLASS, reason="patient inconscient")))
    assert ("Bris de glace", "patient inconscient") == (shown.mode, shown.reason)


@pytest.mark.parametrize(
    ("deed", "profession", "action"),
    [
        (a_deed("read", LEA), "Titulaire du dossier", "Consultation (document)"),
        (
            a_deed("read", replace(LEA, kind=Kind.REPRESENTATIVE, reference="RelatedPerson/anne")),
            "Représentant légal",
            "Consultation (document)",
        ),
        (A_SUBMISSION, "Système informatique", "Dépôt d'un lot de documents"),
        (a_deed("search-type"), "Médecin", "Recherche (document)"),
        (a_deed("search-type", type="Consent"), "Médecin", "Recherche (autorisation d'accès)"),
        (a_deed("search-system", type=""), "Médecin", "Recherche"),
        (a_deed("patch", outcome="4"), "Médecin", "Modification de la fiche (document) – refusé"),
        (a_deed("create", outcome="8"), "Médecin", "Dépôt (document) – échec"),
        (a_deed("read", replace(DIALLO, profession="93")), "Psychologue", "Consultation (document)"),
        (a_deed("read", replace(DIALLO, profession="99999")), "Non précisé", "Consultation (document)"),
        (
            a_deed("read", replace(DIALLO, profession=None, specialties=frozenset())),
            "Non précisé",
            "Consultation (document)",
        ),
        (a_deed("token"), "Médecin", "Ouverture d'accès"),
    ],
)
def test_profession_and_action_in_words(deed, profession, action):
    shown = told(deed)
    assert (profession, action) == (shown.profession, shown.action)


def test_a_system_is_named_by_its_organisation():
    shown = told(a_deed("create", HOSPITAL))
    assert ("CH de Lorient", "CH de Lorient", "feeder") == (shown.who, shown.organisation, shown.identity)


def test_an_event_of_nobody_is_a_row_all_the_same():
    shown = told(a_deed("", None, type="", patient=None, outcome="8", address=""))
    assert ("", "Système informatique") == (shown.who, shown.profession)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_kind_of_deed_has_a_word(language):
    words = json.loads((files("fhir_server.audit_event") / "words" / f"{language}.json").read_text("utf-8"))
    assert set() == {shape.subtype.code for shape in SHAPES.values()} - set(words["actions"])
    assert set() == {purpose.value for purpose in Purpose} - set(words["modes"])
