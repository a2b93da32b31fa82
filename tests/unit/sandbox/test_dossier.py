"""The Martins: what the examples hold is synthetic, valid, complete and consistent."""

import hashlib
import json
import re
import runpy
from base64 import b64decode

import pytest
from pypdf import PdfReader

from fhir_server.definitions.identifiers import ins_is_valid, is_synthetic_ins_system
from fhir_server.resources.validation import check
from fhir_server.sandbox import dossier

RESOURCES = dossier.resources()
BY_REFERENCE = {f"{each['resourceType']}/{each['id']}": each for each in RESOURCES}


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def luhn(digits):
    doubled = [int(digit) * (2 - position % 2) for position, digit in enumerate(reversed(digits), start=1)]
    return sum(number - 9 * (number > 9) for number in doubled)


@pytest.mark.parametrize(
    "patient", [each for each in RESOURCES if each["resourceType"] == "Patient"], ids=lambda p: p["id"]
)
def test_every_ins_is_of_the_test_or_demonstration_domain_with_a_good_control_key(patient):
    for identifier in patient["identifier"]:
        assert is_synthetic_ins_system(identifier["system"])
        assert ins_is_valid(identifier["value"]), identifier["value"]
        born, sex = patient["birthDate"], {"1": "male", "2": "female"}[identifier["value"][0]]
        assert (born[2:4] + born[5:7], sex) == (identifier["value"][1:5], patient["gender"])


@pytest.mark.parametrize("reference", BY_REFERENCE)
def test_every_reference_within_the_dossier_leads_somewhere(reference):
    for found in references(BY_REFERENCE[reference]):
        if found.startswith("#"):
            assert found[1:] in {each["id"] for each in BY_REFERENCE[reference]["contained"]}
        else:
            assert found in BY_REFERENCE, found


def test_a_resource_comes_after_what_it_must_find():
    order = [each["resourceType"] for each in RESOURCES]
    assert order.index("Patient") < order.index("Consent")
    assert order.index("Organization") < order.index("Practitioner") < order.index("PractitionerRole")


def test_every_rpps_is_made_up_and_well_formed():
    for reference, practitioner in BY_REFERENCE.items():
        for identifier in practitioner.get("identifier", []) if reference.startswith("Practitioner/") else []:
            if identifier["system"] == "https://rpps.esante.gouv.fr":
                assert re.fullmatch(r"9970090\d{4}", identifier["value"])
                assert luhn(identifier["value"]) % 10 == 0


@pytest.mark.parametrize("person", dossier.people().values(), ids=lambda p: p.login)
def test_everybody_who_signs_in_is_somebody_in_the_record(person):
    assert person.fhir_user in BY_REFERENCE
    if person.organization:
        assert person.organization in BY_REFERENCE
    if person.kind == "professional":
        national = next(
            each["value"] for each in BY_REFERENCE[person.fhir_user]["identifier"] if each["value"].startswith("8")
        )
        assert national == person.psc["SubjectNameID"]
    if person.kind in ("holder", "representative"):
        assert person.mail


def test_who_must_never_have_access_can_ask():
    logins = dossier.people()
    for login in ("agent-assureur", "agent-mutuelle", "agent-banque", "agent-employeur", "agent-caisse"):
        assert logins[login].kind == "outsider"
    assert {"dr-garnier", "secretaire"} <= set(logins)


def test_the_card_of_a_person_is_that_of_the_public_list():
    assert dossier.people()["dr-diallo"].card() == {
        "login": "dr-diallo",
        "password": "dr-diallo-demo",
        "fhirUser": "Practitioner/dr-diallo",
        "profession": "10",
        "organization": "Organization/imagerie-alpes",
        "what": "radiologue, sans autorisation au départ",
    }


def test_clients_of_every_kind_exist_and_confidential_ones_by_key_name_their_algorithms():
    kinds = {each.kind for each in dossier.applications()}
    assert kinds == {"public", "symmetric", "asymmetric", "backend"}
    for each in dossier.applications():
        assert bool(each.algorithms) == (each.kind in ("asymmetric", "backend")), each.client_id
        assert bool(each.redirect_uris) == (each.kind != "backend"), each.client_id


def test_the_records_carry_their_ins():
    assert {"patient": "lea-martin", "ins": "284033818500122"}.items() <= dossier.records()[0].items()
    assert {each["patient"] for each in dossier.records()} == {
        each["id"] for each in RESOURCES if each["resourceType"] == "Patient"
    }


def test_the_deposited_document_has_the_hash_and_size_of_its_content():
    attachment = BY_REFERENCE["DocumentReference/paul-consultation"]["content"][0]["attachment"]
    content = b64decode(BY_REFERENCE[attachment["url"]]["data"])
    assert attachment["size"] == len(content)
    assert b64decode(attachment["hash"]) == hashlib.sha1(content).digest()


def test_the_letter_is_a_pdf_about_lea_that_says_it_is_made_up():
    text = "".join(page.extract_text() for page in PdfReader(dossier.PLACE / "lettre-de-liaison.pdf").pages)
    for words in ("Lettre de liaison", "Léa MARTIN", "284033818500122", "Document de démonstration"):
        assert words in text


def test_the_letter_is_made_again_byte_for_byte(tmp_path):
    committed = dossier.letter()
    made = runpy.run_path(str(dossier.PLACE / "letter.py"))
    made["main"].__globals__["LETTER"] = tmp_path / "again.pdf"
    made["main"]()
    assert (tmp_path / "again.pdf").read_bytes() == committed


def test_a_file_that_cannot_be_read_says_from_where_to_run(monkeypatch, tmp_path):
    monkeypatch.setattr(dossier, "PLACE", tmp_path)
    with pytest.raises(dossier.DossierFault, match="run the sandbox from a clone"):
        dossier.resource("Patient", "lea-martin")


def test_the_submission_of_the_hospital_is_a_pdsm_bundle():
    submit = runpy.run_path(str(dossier.PLACE.parent / "hospital" / "submit.py"))
    bundle = submit["submission"](
        dossier.resource("Patient", "lea-martin"), dossier.letter(), title="Lettre", service_start="2026-11-16"
    )
    submission_set, document, binary = (each["resource"] for each in bundle["entry"])
    urls = [each["fullUrl"] for each in bundle["entry"]]
    assert [each["resource"]["resourceType"] for each in bundle["entry"]] == ["List", "DocumentReference", "Binary"]
    assert submission_set["entry"][0]["item"]["reference"] == urls[1]
    assert document["content"][0]["attachment"]["url"] == urls[2]
    assert b64decode(binary["data"]) == dossier.letter()
    assert b64decode(document["content"][0]["attachment"]["hash"]) == hashlib.sha1(dossier.letter()).digest()
    assert document["subject"]["reference"] == "Patient?identifier=urn:oid:1.2.250.1.213.1.4.11|284033818500122"
    assert document["type"]["coding"][0]["code"] == "11490-0"
    assert "INS-NIR-DEMO" in json.dumps(document["contained"][0])


@pytest.mark.parametrize("reference", BY_REFERENCE)
def test_every_resource_is_valid_r4(reference):
    assert check(BY_REFERENCE[reference]) == []


def test_the_submission_of_the_hospital_is_valid_r4():
    submit = runpy.run_path(str(dossier.PLACE.parent / "hospital" / "submit.py"))
    lea = dossier.resource("Patient", "lea-martin")
    assert check(submit["submission"](lea, dossier.letter(), title="Lettre", service_start="2026-11-16")) == []
