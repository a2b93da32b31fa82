"""Naming: which actors of a Consent are nobody, or two at once, and where it says so (DMP-43, DMP-44, DMP-112)."""

from __future__ import annotations

import pytest

from fhir_server.consent.naming import misnamed
from fhir_server.consent.provision import ALWAYS
from fhir_server.definitions.identifiers import is_national
from fhir_server.foundation.problem import Issue

RPPS = "urn:oid:1.2.250.1.71.4.2.1"
KNOWN = {
    "Practitioner/d": dict.fromkeys(("Practitioner/d", "ps:810000000002"), ALWAYS),
    "Organization/o": dict.fromkeys(("Organization/o", "org:1750000011"), ALWAYS),
    "CareTeam/t": {},
}


def wrong(type_, *references, nested=()):
    provision = {"type": type_, "actor": [{"reference": each} for each in references], "provision": list(nested)}
    return [(each.expression, each.text) for each in misnamed(provision, KNOWN)]


def places(type_, *references, nested=()):
    return [place for place, _ in wrong(type_, *references, nested=nested)]


def by(address=None, system=RPPS, value=None):
    told = {"reference": address} if address else {}
    return {**told, **({"identifier": {"system": system, "value": value}} if value else {})}


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        (by("Practitioner/d"), True),
        (by("Practitioner/d/_history/2"), True),
        (by("CareTeam/t"), True),
        (by("Practitioner/nobody"), False),
        (by("Organization/nobody"), False),
        (by("Practitioner/nobody", value="810000000002"), False),
        (by(value="810000000002"), True),
        (by(value="8 1000 0000 002"), True),
        (by(value="0123456789"), True),
        (by(value="10000000002"), False),
        (by(value="8100000000021"), False),
        (by(value="810000000002", system="urn:x"), False),
        (by(value="810000000002", system=None), False),
        (by("Practitioner/d", system="urn:x", value="whatever"), True),
        (by("RelatedPerson/nobody"), True),
    ],
)
def test_a_refusal_names_somebody_who_is_found_or_a_whole_national_identifier(reference, found):
    assert found == ([] == places("deny", reference))


@pytest.mark.parametrize(
    ("reference", "one"),
    [
        (by("Practitioner/d"), True),
        (by("Practitioner/d", value="810000000002"), True),
        (by("Practitioner/d", value="810000000003"), False),
        (by("Practitioner/nobody"), True),
        (by("Practitioner/nobody", value="810000000002"), False),
        (by(value="10000000002"), True),
        (by("Organization/o", "https://finess.esante.gouv.fr", "750000011"), True),
        (by("Organization/o", "https://finess.esante.gouv.fr", "750000012"), False),
        ({"reference": "Practitioner/d", "identifier": {"system": RPPS}}, True),
        ({"reference": "Practitioner/d", "identifier": "x"}, True),
    ],
)
def test_an_agreement_names_one(reference, one):
    assert one == ([] == places("permit", reference))


def test_each_is_told_at_its_place_in_what_is_nested_too():
    nested = [
        {"type": "permit"},
        {"type": "deny", "actor": [{"reference": by("Practitioner/d")}, {"reference": by("Group/x")}]},
    ]
    assert ["Consent.provision.actor[1].reference", "Consent.provision.provision[1].actor[1].reference"] == places(
        "deny", by("Practitioner/d"), by("Practitioner/x"), nested=nested
    )


@pytest.mark.parametrize("actor", ["x", {}, {"reference": "x"}, None])
def test_what_is_no_reference_is_left_to_who_reads_the_shape(actor):
    assert [] == list(misnamed({"type": "deny", "actor": [actor]}, KNOWN))
    assert [] == list(misnamed({"type": "deny", "actor": actor, "provision": actor}, KNOWN))


AT = "Consent.provision.actor[0].reference"


@pytest.mark.parametrize(
    ("type_", "reference", "text"),
    [
        (
            "permit",
            by("Group/x", value="1"),
            "an agreement names two at once: its address is not who has its identifier",
        ),
        ("deny", by("Group/x"), "a refusal names somebody who is not in the directory of this server"),
        (
            "deny",
            by(value="1"),
            "a refusal names whom it refuses by an address of this server or a national identifier, written whole",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_that_names_nobody(type_, reference, text):
    provision = {"type": type_, "actor": [{"reference": reference}]}
    assert [Issue("error", "business-rule", text, AT)] == list(misnamed(provision, KNOWN))


@pytest.mark.parametrize(
    ("key", "whole"),
    [
        ("ps:899700900022", True),
        ("ps:99700900022", False),
        ("ps:0123456789", True),
        ("ps:3750000011/4", True),
        ("org:1750000011", True),
        ("org:12A0000011", True),
        ("org:175000001", False),
        ("org:2123456789", True),
        ("org:312345678901234", True),
        ("urn:x|8", False),
        ("|8", False),
        ("", False),
    ],
)
def test_a_national_identifier_is_whole_or_names_nobody(key, whole):
    assert whole == is_national(key)
