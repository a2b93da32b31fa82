"""Validation against what others wrote: fifty kinds of error planted in good resources, and no false alarm.

https://hl7.org/fhir/R4/validation.html. Official examples that are themselves defective are listed with the reason.
"""

import copy
import json
from decimal import Decimal
from pathlib import Path

import pytest

from fhir_server.definitions.library import load
from fhir_server.resources import kind_of
from fhir_server.resources.json_text import read, write
from fhir_server.resources.validation import check, is_good

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ALL = sorted(EXAMPLES.glob("*/*.json"))
DEFECTIVE = {
    "devicemetric-example.json": (
        "DeviceMetric.parent.reference",
        "its parent is a DeviceDefinition, where R4 allows a Device",
    ),
    "Consent-FRCoreConsentExample.json": ("Consent", "it has neither policy nor policyRule (ppc-1)"),
}

PATIENT = read((EXAMPLES / "frcore" / "Patient-FRCorePatientINSExample.json").read_bytes())
SUBMISSION = read((EXAMPLES / "pdsm4dmp" / "Bundle-example-td2-iti65-lot-soumission.json").read_bytes())
DOCUMENT = SUBMISSION["entry"][1]["resource"]
OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2024-02-29T10:00:00+01:00",
    "valueQuantity": {
        "value": Decimal("72.0"),
        "unit": "/min",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    },
}
NARRATIVE = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def planted(resource, path, value):
    """The resource with the value put at a path of names and indexes; None takes away what stands there."""
    made = copy.deepcopy(resource)
    *before, last = path
    node = made
    for step in before:
        node = node[step]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return made


def tokens(text):
    """The text's content with every digit of its numbers and the order of its keys."""
    return json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=list)


def text_of(html):
    return {"status": "generated", "div": NARRATIVE.format(html)}


# What is wrong, a good resource, where what is planted (None removes), and the element that must be named.
ERRORS = [
    ("an unknown element", PATIENT, ["nickname"], "x", "Patient.nickname"),
    ("an unknown element deep inside", PATIENT, ["name", 0, "middle"], "x", "Patient.name[0].middle"),
    ("an element of another type", PATIENT, ["valueString"], "x", "Patient.valueString"),
    ("a missing required element", OBSERVATION, ["status"], None, "Observation.status"),
    ("a missing required backbone element", DOCUMENT, ["content"], None, "DocumentReference.content"),
    ("a missing element inside one", DOCUMENT, ["content", 0, "attachment"], None, "DocumentReference.content[0].attachment"),
    ("an object where an array belongs", PATIENT, ["name"], {"family": "A"}, "Patient.name"),
    ("an array where one value belongs", PATIENT, ["gender"], ["male"], "Patient.gender"),
    ("a string where an object belongs", PATIENT, ["name", 0], "Durand", "Patient.name[0]"),
    ("an object where a string belongs", PATIENT, ["name", 0, "family"], {"x": 1}, "Patient.name[0].family"),
    ("a boolean written as a string", PATIENT, ["active"], "true", "Patient.active"),
    ("a number written as a string", OBSERVATION, ["valueQuantity", "value"], "72", "Observation.value.value"),
    ("a whole number with a fraction", PATIENT, ["multipleBirthInteger"], Decimal("2.5"), "Patient.multipleBirth"),
    ("zero where a positive number belongs", PATIENT, ["telecom", 0, "rank"], 0, "Patient.telecom[0].rank"),
    ("a negative size", DOCUMENT, ["content", 0, "attachment", "size"], -1, "DocumentReference.content[0].attachment.size"),
    ("30 February", PATIENT, ["birthDate"], "1974-02-30", "Patient.birthDate"),
    ("29 February of a common year", PATIENT, ["birthDate"], "1974-02-29", "Patient.birthDate"),
    ("a date the French way", PATIENT, ["birthDate"], "25/12/1974", "Patient.birthDate"),
    ("a date with a time", PATIENT, ["birthDate"], "1974-12-25T10:00:00Z", "Patient.birthDate"),
    ("24:00", OBSERVATION, ["effectiveDateTime"], "2024-02-29T24:00:00Z", "Observation.effective"),
    ("a time without a zone", OBSERVATION, ["effectiveDateTime"], "2024-02-29T10:00:00", "Observation.effective"),
    ("an instant without a time", OBSERVATION, ["issued"], "2024-02-29", "Observation.issued"),
    ("a code of a required binding that is not there", PATIENT, ["gender"], "xx", "Patient.gender"),
    ("a code in upper case", OBSERVATION, ["status"], "FINAL", "Observation.status"),
    ("a use that is no identifier use", PATIENT, ["identifier", 0, "use"], "main", "Patient.identifier[0].use"),
    ("a code with a space at its end", PATIENT, ["telecom", 0, "system"], "phone ", "Patient.telecom[0].system"),
    ("an empty string", PATIENT, ["name", 0, "family"], "", "Patient.name[0].family"),
    ("a string of white space", PATIENT, ["name", 0, "family"], "  ", "Patient.name[0].family"),
    ("an empty array", PATIENT, ["name", 0, "given"], [], "Patient.name[0].given"),
    ("an empty object", PATIENT, ["maritalStatus"], {}, "Patient.maritalStatus"),
    ("null where nothing explains it", PATIENT, ["name", 0, "given"], ["Pierre", None], "Patient.name[0].given[1]"),
    ("a twin longer than its array", PATIENT, ["name", 0, "_given"], [None, {"id": "a"}], "Patient.name[0].given"),
    ("a twin of what is no primitive", PATIENT, ["_name"], [{"id": "a"}], "Patient._name"),
    ("two types of one choice", PATIENT, ["deceasedDateTime"], "2020", "Patient.deceased"),
    ("a type that the choice does not have", OBSERVATION, ["valueInstant"], "2024-02-29T10:00:00Z", "Observation.valueInstant"),
    ("bad base64", DOCUMENT, ["content", 0, "attachment", "hash"], "abc!", "DocumentReference.content[0].attachment.hash"),
    ("a media type that is none", DOCUMENT, ["content", 0, "attachment", "contentType"], "pdf", "DocumentReference.content[0].attachment.contentType"),
    ("a uri with a space", PATIENT, ["identifier", 0, "system"], "urn: oid", "Patient.identifier[0].system"),
    ("an id with a character it may not have", PATIENT, ["id"], "a_b", "Patient.id"),
    ("a reference to a type it may not have", OBSERVATION, ["subject"], {"reference": "Practitioner/x"}, "Observation.subject.reference"),
    ("a reference to a type that does not exist", OBSERVATION, ["subject"], {"reference": "Patent/x"}, "Observation.subject.reference"),
    ("a reference that is no reference", OBSERVATION, ["subject"], {"reference": "p 1"}, "Observation.subject.reference"),
    ("a fragment that names nothing contained", OBSERVATION, ["subject"], {"reference": "#p"}, "Observation.subject.reference"),
    ("a contained resource nobody refers to", OBSERVATION, ["contained"], [{"resourceType": "Device", "id": "d"}], "Observation.contained[0]"),
    ("a contained resource that contains", DOCUMENT, ["contained", 0, "contained"], [{"resourceType": "Device", "id": "d"}], "DocumentReference.contained[0].contained[0]"),
    ("an error in a contained resource", DOCUMENT, ["contained", 0, "gender"], "xx", "DocumentReference.contained[0].gender"),
    ("an error in an entry of a Bundle", SUBMISSION, ["entry", 1, "resource", "status"], "ok", "Bundle.entry[1].resource.status"),
    ("an extension with a value and extensions", PATIENT, ["extension", 0, "valueString"], "x", "Patient.extension[0]"),
    ("an extension without a url", PATIENT, ["extension", 0, "url"], None, "Patient.extension[0].url"),
    ("a script in the narrative", PATIENT, ["text"], text_of("<script>x</script>"), "Patient.text.div"),
    ("an event attribute in the narrative", PATIENT, ["text"], text_of('<p onclick="x()">a</p>'), "Patient.text.div"),
    ("a javascript link in the narrative", PATIENT, ["text"], text_of('<a href=" javascript:x()">a</a>'), "Patient.text.div"),
    ("a narrative that says nothing", PATIENT, ["text"], text_of(" "), "Patient.text.div"),
    ("a contact with nothing to contact", PATIENT, ["contact"], [{"gender": "male"}], "Patient.contact[0]"),
    ("a telecom value without a system", PATIENT, ["telecom", 0], {"value": "01"}, "Patient.telecom[0]"),
    ("a period that ends before it begins", PATIENT, ["address", 0, "period", "end"], "2017", "Patient.address[0].period"),
    ("a value and a reason for its absence", OBSERVATION, ["dataAbsentReason"], {"text": "x"}, "Observation"),
    ("a unit code without its system", OBSERVATION, ["valueQuantity"], {"value": 1, "code": "g"}, "Observation.value"),
    ("a language tag that is none", PATIENT, ["language"], "fr_FR!", "Patient.language"),
    ("a request in a Bundle that is none", SUBMISSION, ["type"], "collection", "Bundle"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "path", "value", "expected"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
def test_a_planted_error_is_found_and_its_element_named(resource, path, value, expected):
    assert [] == [issue for issue in check(resource) if issue.severity == "error"]

    issues = check(planted(resource, path, value))

    assert expected in [issue.expression for issue in issues if issue.severity == "error"]


def test_fifty_kinds_of_error_and_more_are_tried():
    assert len({row[0] for row in ERRORS}) >= 50


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_an_example_raises_no_false_alarm(path):
    errors = {issue.expression for issue in check(read(path.read_bytes())) if issue.severity == "error"}

    expected = {DEFECTIVE[path.name][0]} if path.name in DEFECTIVE else set()
    assert expected == errors


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_an_example_comes_back_as_it_was_sent(path):
    text = path.read_text("utf-8")

    assert tokens(text) == tokens(write(read(text)))


def test_examples_of_134_types_are_tried():
    assert 134 == len({read(path.read_bytes())["resourceType"] for path in ALL if path.parent.name == "r4"})


@pytest.mark.parametrize("entry", [0, 1, 2])
def test_the_draft_submission_of_the_ans_is_accepted_with_warnings_only(entry):
    resource = SUBMISSION["entry"][entry]["resource"]

    issues = [*check(resource, resource["resourceType"]), *kind_of(resource["resourceType"]).check(resource)]

    assert is_good(issues)
    if entry == 1:
        assert {
            "DocumentReference.custodian",
            "DocumentReference.masterIdentifier.type",
            "DocumentReference.category",
        } == {issue.expression for issue in issues}


def test_the_draft_simplified_publication_is_accepted_with_warnings_only():
    name = "DocumentReference-example-td2-iti105-publication-simplifiee.json"
    resource = read((EXAMPLES / "pdsm4dmp" / name).read_bytes())

    issues = [*check(resource), *kind_of("DocumentReference").check(resource)]

    assert ["DocumentReference.custodian"] == [issue.expression for issue in issues]
    assert is_good(issues)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "pcf").glob("*.json")), ids=lambda path: path.stem)
def test_a_consent_of_pcf_satisfies_what_we_ask_of_consents(path):
    resource = read(path.read_bytes())

    assert [] == [*check(resource), *kind_of("Consent").check(resource)]


def test_every_resource_type_can_be_checked():
    for type_ in load().types:
        issues = check({"resourceType": type_}, type_)
        assert all(issue.code in ("required", "invariant") for issue in issues), type_
