"""Writing: whose a document and its labels are, to the letter (DMP-31, DMP-60, DMP-62, DMP-63, DMP-131 to DMP-137)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_decision import DOCTOR, a_directive, document
from test_writing import HOLDER, OWN, decided

from fhir_server.consent import decision as room
from fhir_server.consent.decision import Deny, Permit
from fhir_server.consent.provision import ALWAYS
from fhir_server.consent.settings import settings
from fhir_server.foundation.predicate import matches
from fhir_server.foundation.principal import Kind, Principal

LAW = settings()
FROM_HOLDER, FROM_REPRESENTATIVES = LAW.hidden_from_holder, LAW.hidden_from_representatives
MOTHER = Principal(
    Kind.REPRESENTATIVE, "m", "c", reference="RelatedPerson/mere", identities=frozenset({"RelatedPerson/mere"})
)
FOR_HER = {"who": MOTHER, "representatives": frozenset({"RelatedPerson/mere"}), "birth": "2020-01-01"}
SYSTEM = Principal(Kind.ESTABLISHMENT, "s", "c", organizations=frozenset({"Organization/o"}))
FEED = Principal(Kind.INSURANCE_FEED, "s", "c", reference="Organization/assurance-maladie")


def of_the_holder(*labels: str, **facts):
    return document(**{"class": ["90"], "label": list(labels), "author": ["Patient/lea"], **facts})


@pytest.mark.parametrize(
    ("resource", "deposited"),
    [
        (OWN, True),
        ({"resourceType": "DocumentReference"}, False),
        ({"resourceType": "DocumentReference", "author": [{"reference": "Practitioner/x"}]}, False),
        ({"resourceType": "DocumentReference", "author": [{"reference": "Organization/o"}]}, False),
        ({"resourceType": "Observation"}, True),
        ({"resourceType": "Observation", "performer": [{"reference": "Organization/o"}]}, True),
        (
            {
                "resourceType": "Observation",
                "performer": [{"identifier": {"system": "https://finess.esante.gouv.fr", "value": "750000018"}}],
            },
            True,
        ),
        ({"resourceType": "Observation", "performer": [{"reference": "Practitioner/x"}]}, False),
    ],
)
def test_nobody_deposits_in_anothers_name_and_a_document_has_an_author(resource, deposited):
    """DMP-60."""
    found = decided("create", type_=resource["resourceType"], proposed=resource)
    assert deposited == ("write.feeding" in found.reasons)


@pytest.mark.parametrize(
    ("who", "made", "kept"),
    [
        ({"who": HOLDER}, of_the_holder("N"), True),
        ({"who": HOLDER}, of_the_holder("N", state=["entered-in-error"]), False),
        ({"who": HOLDER}, of_the_holder(FROM_HOLDER), False),
        ({"who": HOLDER}, of_the_holder(FROM_REPRESENTATIVES), True),
        ({"who": HOLDER}, document(), False),
        (FOR_HER, of_the_holder("N"), True),
        (FOR_HER, of_the_holder(FROM_REPRESENTATIVES), False),
        ({"who": SYSTEM}, document(), True),
        ({"who": SYSTEM}, document(state=["entered-in-error"]), False),
        ({"who": FEED}, document(**{"class": ["60"]}), True),
        ({"who": FEED}, document(**{"class": ["60"], "state": ["entered-in-error"]}), False),
    ],
)
def test_what_may_come_of_a_deposit(who, made, kept):
    """DMP-16, DMP-31, DMP-144."""
    found = decided("create", proposed=OWN, **who)
    assert kept == (isinstance(found, Permit) and matches(found.after, made))


@pytest.mark.parametrize(
    ("who", "before", "after", "may"),
    [
        ({"who": HOLDER}, document(label=["N"]), document(label=["N", "MASQUE_PS"]), True),
        ({"who": HOLDER}, document(label=["N"]), document(label=["N", FROM_HOLDER]), False),
        ({"who": HOLDER}, document(label=["N"]), document(label=["R"]), False),
        ({"who": HOLDER}, document(label=["N"]), document(label=["N"], state=["superseded"]), False),
        ({"who": HOLDER}, document(label=["N"]), document(label=["N"], state=["entered-in-error"]), False),
        ({"who": HOLDER}, of_the_holder("N"), of_the_holder("N", state=["entered-in-error"]), True),
        ({"who": HOLDER}, of_the_holder("N"), of_the_holder("N", FROM_HOLDER), False),
        (FOR_HER, document(label=["N"]), document(label=["N", FROM_REPRESENTATIVES]), False),
    ],
)
def test_the_patients_side_masks_and_changes_nothing_else_of_what_others_wrote(who, before, after, may):
    """DMP-62, DMP-92, DMP-135."""
    found = decided("patch", current=before, **who)
    assert may == (isinstance(found, Permit) and matches(found.residual, before) and matches(found.after, after))


@pytest.mark.parametrize(
    ("type_", "verb", "may"),
    [
        ("DocumentReference", "update", False),
        ("DocumentReference", "delete", True),
        ("AllergyIntolerance", "update", True),
        ("AllergyIntolerance", "delete", True),
        ("List", "update", True),
        ("List", "patch", True),
        ("Observation", "update", False),
        ("Observation", "patch", False),
    ],
)
def test_the_holder_changes_what_he_deposited_and_nothing_of_others(type_, verb, may):
    """DMP-63."""
    own = {
        "_id": f"{type_}/x",
        "type": type_,
        "facts": {"patients": ["lea"], "patient": "lea", "author": ["Patient/lea"]},
    }
    anothers = {**own, "facts": {**own["facts"], "author": ["Practitioner/x"]}}
    found = decided(verb, who=HOLDER, type_=type_)
    assert may == (isinstance(found, Permit) and matches(found.residual, own))
    assert isinstance(found, Deny) or not matches(found.residual, anothers)
    if may and type_ != "DocumentReference":
        assert matches(found.after, own)
        assert not matches(found.after, anothers)


def test_a_representative_is_no_contact_neither_while_it_lasts_nor_later():
    """DMP-91."""
    contact = {"resourceType": "RelatedPerson", "id": "x"}
    found = decided(
        "update",
        who=HOLDER,
        type_="RelatedPerson",
        proposed=contact,
        terms={"RelatedPerson/then": ALWAYS},
        representatives=frozenset({"RelatedPerson/now"}),
    )

    def person(id_: str):
        return {
            "_id": f"RelatedPerson/{id_}",
            "type": "RelatedPerson",
            "facts": {"patients": ["lea"], "patient": "lea"},
        }

    assert [True, False, False] == [matches(found.residual, person(each)) for each in ("aunt", "now", "then")]


@pytest.mark.parametrize(
    ("changes", "may"),
    [(LAW.holder_identity, True), (frozenset(), True), (LAW.holder_identity | {"birthDate"}, False)],
)
def test_the_holder_changes_how_to_reach_him_and_never_who_he_is(changes, may):
    """DMP-25."""
    found = decided("update", who=HOLDER, type_="Patient", changes=changes)
    assert may == isinstance(found, Permit)
    assert isinstance(decided("update", who=DOCTOR, type_="Patient", changes=changes), Deny)


def test_where_professions_are_held_to_their_classes_what_carries_a_document_is_held_to_none(monkeypatch):
    """DMP-119."""
    monkeypatch.setattr(room, "settings", lambda: replace(LAW, enforce_write_classes=True))
    carried = {"_id": "List/x", "type": "List", "facts": {"patients": ["lea"], "patient": "lea"}}
    found = decided("create", a_directive(), type_="List", proposed={"resourceType": "List"})
    assert matches(found.after, carried)


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        (["N"], ["N", "MASQUE_PS"], True),
        (["N", "MASQUE_PS"], ["N", "MASQUE_PS", FROM_REPRESENTATIVES], True),
        (["N"], [], True),
        (["N", "COVID"], ["N", "COVID", "MASQUE_PS"], True),
        (["N", "COVID"], ["N", "MASQUE_PS"], False),
        (["N"], ["N", FROM_HOLDER], False),
    ],
)
def test_who_masks_at_the_holders_request_leaves_every_other_label(before, after, may):
    """DMP-132."""
    standing = document(label=before, author=["Practitioner/x"])
    found = decided("patch", a_directive(), a_directive("medecin-traitant"), current=standing)
    assert may == (isinstance(found, Permit) and matches(found.after, document(label=after, author=["Practitioner/x"])))


@pytest.mark.parametrize(
    ("set_by", "treating", "lifts"),
    [
        (["Practitioner/d"], False, True),
        (["Patient/lea"], False, False),
        (["Patient/lea"], True, True),
        ([], False, False),
    ],
)
@pytest.mark.parametrize("type_", ["DocumentReference", "Observation"])
def test_a_mask_is_lifted_by_who_set_it_and_by_the_treating_physician(type_, set_by, treating, lifts):
    """DMP-52, DMP-62: an author does not take back what somebody else hid."""
    facts = {"patients": ["lea"], "patient": "lea", "class": ["10"], "type": ["11488-4"], "author": ["Practitioner/d"]}
    standing = {"_id": f"{type_}/x", "type": type_, "facts": {**facts, "label": ["N", "MASQUE_PS"]}}
    kind = "medecin-traitant" if treating else "ps-autorisation"
    found = decided("patch", a_directive(kind), type_=type_, current={**standing, "set_by": {"MASQUE_PS": set_by}})
    shown = {**standing, "facts": {**facts, "label": ["N"]}}
    assert lifts == (isinstance(found, Permit) and matches(found.after, shown))


@pytest.mark.parametrize(
    ("type_", "may"),
    [("List", True), ("DocumentManifest", True), ("Provenance", True), ("Observation", True), ("Basic", False)],
)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_an_author_changes_his_own_and_leaves_it_his(type_, verb, may):
    """DMP-131."""
    facts = {"patients": ["lea"], "patient": "lea", "class": ["10"], "author": ["Practitioner/d"]}
    own = {"_id": f"{type_}/x", "type": type_, "facts": facts}
    anothers = {**own, "facts": {**own["facts"], "author": ["Practitioner/x"]}}
    found = decided(verb, a_directive(), type_=type_)
    assert may == ("write.own-data" in found.reasons)
    if may:
        assert matches(found.after, own)
        assert not matches(found.after, anothers)
        assert not matches(found.residual, anothers)
