"""Identifiers: one key for one person, one organisation, one label; an INS that holds together."""

from __future__ import annotations

import pytest

from fhir_server.definitions.identifiers import (
    ins_is_valid,
    is_ins_system,
    is_synthetic_ins_system,
    key_of,
    keys_of,
    label_key,
    spellings,
)

A07 = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
A07_MISSPELT = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatusVisibiliteDocument/FHIR/TRE-A07-StatusVisibiliteDocument"


@pytest.mark.parametrize(
    ("system", "value", "key"),
    [
        ("urn:oid:1.2.250.1.71.4.2.1", "810001234567", "ps:810001234567"),
        ("https://rpps.esante.gouv.fr", "10001234567", "ps:810001234567"),
        ("https://rpps.esante.gouv.fr", " 10001234567 ", "ps:810001234567"),
        ("urn:oid:1.2.250.1.71.4.2.1", "0751234567", "ps:0751234567"),
        ("https://adeli.esante.gouv.fr", "751234567", "ps:0751234567"),
        ("urn:oid:1.2.250.1.71.4.2.2", "1750000018", "org:1750000018"),
        ("https://finess.esante.gouv.fr", "750000018", "org:1750000018"),
        ("https://sirene.fr", "123456789", "org:2123456789"),
        ("https://sirene.fr", "12345678900011", "org:312345678900011"),
        ("https://sirene.fr", "123", "https://sirene.fr|123"),
        ("urn:oid:1.2.3", "x y", "urn:oid:1.2.3|x y"),
        (None, "x", "|x"),
    ],
)
def test_an_identifier_has_one_key_however_it_is_written(system, value, key):
    assert key == key_of(system, value)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (
            "ps:810001234567",
            {("urn:oid:1.2.250.1.71.4.2.1", "810001234567"), ("https://rpps.esante.gouv.fr", "10001234567")},
        ),
        ("org:2123456789", {("urn:oid:1.2.250.1.71.4.2.2", "2123456789"), ("https://sirene.fr", "123456789")}),
        ("urn:oid:1.2.3|x", {("urn:oid:1.2.3", "x")}),
        ("Practitioner/x", set()),
    ],
)
def test_a_key_can_be_looked_for_in_each_of_its_spellings(key, found):
    assert found == set(spellings(key))
    assert {key} >= {key_of(*each) for each in found}


def test_a_person_is_named_by_reference_and_by_every_identifier():
    person = {
        "resourceType": "Practitioner",
        "id": "d",
        "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": "10001234567"}, {"system": "urn:x"}],
    }
    assert frozenset({"Practitioner/d", "ps:810001234567"}) == keys_of(person)


@pytest.mark.parametrize("system", [A07, A07_MISSPELT, "urn:oid:1.2.250.1.213.1.1.4.13"])
def test_a_label_of_the_dmp_is_its_bare_code_in_every_spelling_of_its_system(system):
    assert label_key(system, "MASQUE_PS") == "MASQUE_PS"


def test_a_confidentiality_code_is_bare_and_a_foreign_label_keeps_its_system():
    assert label_key("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R") == "R"
    assert label_key("urn:oid:2.16.840.1.113883.5.25", "V") == "V"
    assert label_key("http://example.org", "MASQUE_PS") == "http://example.org|MASQUE_PS"
    assert label_key(None, "N") == "|N"


@pytest.mark.parametrize("value", ["279035121518989", "184097505612326", "255082A00412397", "255082B00412327"])
def test_an_ins_holds_by_its_key_with_corsican_departments(value):
    number = value[:13].replace("2A", "19").replace("2B", "18") if value[5:7] in ("2A", "2B") else value[:13]
    right = f"{value[:13]}{97 - int(number) % 97:02d}"
    wrong = f"{value[:13]}{(97 - int(number) % 97) % 97 + 1:02d}"
    assert ins_is_valid(right)
    assert not ins_is_valid(wrong)


def test_a_known_ins_is_valid():
    assert ins_is_valid("279035121518989")


@pytest.mark.parametrize(
    "value", ["", "27903512151898", "2790351215189890", "979035121518989", "27903512151898X", "2C9035121518989"]
)
def test_what_has_not_the_form_of_an_ins_is_none(value):
    assert not ins_is_valid(value)


def test_the_ins_systems_are_known_with_those_of_tests_and_demonstrations():
    systems = [f"urn:oid:1.2.250.1.213.1.4.{last}" for last in (8, 9, 10, 11)]
    assert [True] * 4 == [is_ins_system(each) for each in systems]
    assert [False, False, True, True] == [is_synthetic_ins_system(each) for each in systems]
    assert not is_ins_system("urn:oid:1.2.250.1.213.1.4.2")
    assert not is_ins_system(None)
