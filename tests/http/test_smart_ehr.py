"""An EHR starts apps, and a professional picks a patient: over real HTTP."""

import base64
import json

import pytest
import requests
from lxml import html

from tests.kit.online import online

DOCTOR = "openid fhirUser launch user/Patient.rs user/Encounter.rs user/Observation.rs"
ALONE = "openid fhirUser launch/patient user/Patient.rs"
STAY = {
    "resourceType": "Encounter", "status": "in-progress", "subject": {"reference": "Patient/paul-martin"},
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
}  # fmt: skip


@pytest.fixture(scope="module")
def there(mongo_uri, mongo_client):
    with online(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture(scope="module")
def ehr(there):
    """Asks, as the EHR that is registered, for the launch of `doctor-app`."""
    card = there.card("doctor-web")
    moreau = there.get("fhir/Practitioner/dr-moreau", there.operator()).json()
    national = next(each["value"] for each in moreau["identifier"] if each["system"].endswith("1.71.4.2.1"))

    def ask(**changed):
        form = {"app": "doctor-app", "professional": national, "patient": "paul-martin"} | changed
        form = {name: value for name, value in form.items() if value is not None}
        auth = (card["client_id"], card["client_secret"])
        return requests.post(there.url("/auth/launch"), data=form, auth=auth, timeout=20)

    return ask


def told(there, launch, scope=DOCTOR, login="dr-moreau"):
    visitor = there.browser().authorize("doctor-app", scope, launch=launch["launch"], aud=launch["iss"])
    return visitor.exchange(visitor.sign_in_as_professional(login).allow()["code"], "doctor-app").json()


def test_a_registered_ehr_starts_an_app_with_all_that_smart_can_tell_of_it(there, ehr):
    """SMART-A12 SMART-T5 SMART-T7 SMART-T8: patient, encounter, fhirContext, intent, banner and style."""
    stay = there.send("POST", "fhir/Encounter", there.operator(), STAY).json()["id"]
    context = [
        {"reference": "Observation/paul-tension"},
        {"canonical": "https://example.org/q|1", "type": "Questionnaire"},
    ]
    made = ehr(encounter=stay, intent="reconcile", need_patient_banner="false", fhirContext=json.dumps(context))
    assert (200, "no-store") == (made.status_code, made.headers["Cache-Control"])
    assert {"launch", "iss", "expires_in"} == set(made.json()) and there.base == made.json()["iss"]
    answer = told(there, made.json())
    assert ("paul-martin", stay, "reconcile", False, context) == tuple(
        answer[name] for name in ("patient", "encounter", "intent", "need_patient_banner", "fhirContext")
    )
    assert 200 == requests.get(answer["smart_style_url"], timeout=20).status_code
    assert 200 == there.get("fhir/Observation/paul-tension", answer["access_token"]).status_code


@pytest.mark.parametrize("asked", ["true", "false", None])
def test_an_ehr_may_launch_a_secret_session_and_the_professional_is_told_so_before_allowing(there, ehr, asked):
    """DMP-141."""
    visitor = there.browser().authorize("doctor-app", DOCTOR, launch=ehr(secret_session=asked).json()["launch"])
    visitor.sign_in_as_professional("dr-moreau")
    secret = asked == "true"
    assert secret == ("Connexion secrète" in visitor.response.text)
    token = visitor.exchange(visitor.allow()["code"], "doctor-app").json()["access_token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert secret == claims["extensions"]["fr_dmp"].get("secret_session", False)


def test_what_the_professional_may_not_read_is_not_told_whether_or_not_it_exists(there, ehr):
    """SMART-T5: as for an encounter, what is hidden, of another record or absent is as if the launch had not said it."""
    context = [{"reference": f"Observation/{each}"} for each in ("nowhere", "paul-tension", "noe-poids")]
    answer = told(there, ehr(fhirContext=json.dumps(context)).json())
    assert [{"reference": "Observation/paul-tension"}] == answer["fhirContext"]


def test_an_ehr_is_answered_alike_for_every_patient_and_the_professionals_rights_decide(there, ehr):
    answers = [ehr(patient=patient) for patient in ("paul-martin", "lea-martin", "nobody")]
    assert [(200, {"launch", "iss", "expires_in"})] * 3 == [(each.status_code, set(each.json())) for each in answers]
    for answer in answers[1:]:
        visitor = there.browser().authorize("doctor-app", DOCTOR, launch=answer.json()["launch"])
        assert "access_denied" == visitor.sign_in_as_professional("dr-moreau").back["error"]


def test_a_launch_is_taken_by_the_professional_it_was_made_for(there, ehr):
    visitor = there.browser().authorize("doctor-app", DOCTOR, launch=ehr().json()["launch"])
    visitor.submit(who="professional").submit(login="inf-petit", password="inf-petit-demo")
    assert "access_denied" == visitor.back["error"]


@pytest.mark.parametrize(
    "changed",
    [
        {"app": None},
        {"app": "unheard-of"},
        {"app": "hospital"},
        {"professional": None},
        {"professional": "../x"},
        {"patient": None},
        {"patient": "a/b"},
        {"encounter": "a b"},
        {"need_patient_banner": "perhaps"},
        {"secret_session": "perhaps"},
        {"fhirContext": "{}"},
        {"fhirContext": "[" * 900},
        {"fhirContext": '["ImagingStudy/1"]'},
        {"fhirContext": '[{"type": "ImagingStudy"}]'},
        {"fhirContext": '[{"reference": "https://elsewhere.example/ImagingStudy/1"}]'},
        {"fhirContext": '[{"reference": "Foo/1"}]'},
        {"fhirContext": '[{"reference": "ImagingStudy/1", "type": "Observation"}]'},
        {"fhirContext": '[{"canonical": "x"}]'},
        {"fhirContext": '[{"identifier": "x"}]'},
        {"fhirContext": '[{"reference": "Patient/lea-martin"}]'},
        {"fhirContext": '[{"reference": "Encounter/1", "role": "launch"}]'},
        {"fhirContext": '[{"reference": "ImagingStudy/1", "role": "x"}]'},
        {"fhirContext": '[{"reference": "ImagingStudy/1", "more": 1}]'},
        {"fhirContext": json.dumps([{"reference": "ImagingStudy/1"}] * 21)},
    ],
)
def test_a_launch_that_cannot_be_read_is_refused(ehr, changed):
    """SMART-T5."""
    answer = ehr(**changed)
    assert (400, "invalid_request") == (answer.status_code, answer.json()["error"])


def test_who_is_no_registered_ehr_starts_nothing(there):
    form = {"app": "doctor-app", "professional": "899700000001", "patient": "paul-martin"}
    assert 401 == there.post("/auth/launch", **form).status_code
    assert 401 == there.post("/auth/launch", **form, client_id="doctor-app").status_code
    _, secret = there.app.extensions["smart"].clients.add(
        "symmetric", client_id="no-ehr", redirect_uris=("https://a.example/cb",), scope="openid"
    )
    refused = there.post("/auth/launch", **form, client_id="no-ehr", client_secret=secret)
    assert (400, "unauthorized_client") == (refused.status_code, refused.json()["error"])


def picked(there, login, name):
    """The page of a professional who looks a patient up by name, and whom it offers."""
    visitor = there.browser().authorize("doctor-app", ALONE).sign_in_as_professional(login)
    assert "Quel patient ?" == visitor.title
    visitor.submit(1, name=name)
    page = html.fromstring(visitor.response.text)
    return visitor, [each.get("value") for each in page.xpath("//button[@name='ins']")]


def test_a_professional_picks_among_the_records_that_are_open_to_them_and_sees_no_other(there):
    """SMART-T6: and the look is on record like any search."""
    ins = {row["patient"]: row["ins"] for row in there.get("/sandbox.json").json()["records"]}
    visitor, offered = picked(there, "dr-moreau", "martin")
    assert ins["paul-martin"] in offered and not {ins["lea-martin"], ins["jeanne-martin"]} & set(offered)
    ledger = there.app.extensions["house"].shelf.database["ledger"]
    event = json.loads(ledger.find_one(sort=[("_id", -1)])["body"])
    assert "search-type" == event["subtype"][0]["code"]
    back = visitor.submit(0, ins=ins["paul-martin"]).allow()
    assert "paul-martin" == visitor.exchange(back["code"], "doctor-app").json()["patient"]


def test_who_may_open_nothing_is_offered_nothing(there):
    shut, unknown = picked(there, "dr-diallo", "martin"), picked(there, "dr-diallo", "personne")
    assert [] == shut[1] == unknown[1]
    assert "Aucun dossier que vous puissiez ouvrir ne porte ce nom." in shut[0].response.text
    hidden = {"csrf", "r"}
    assert text_of(shut[0], hidden) == text_of(unknown[0], hidden)


def text_of(visitor, left_out):
    page = html.fromstring(visitor.response.text)
    for each in page.xpath("//input[@type='hidden']"):
        if each.get("name") in left_out:
            each.set("value", "")
    return [each for each in page.find(".//main").text_content().split() if each]


def test_one_letter_is_no_name(there):
    assert [] == picked(there, "dr-moreau", "m")[1]


def test_in_an_emergency_the_patient_is_named_by_number(there):
    """DMP-117: one patient, and nobody is looked through."""
    visitor = there.browser().authorize("doctor-app", ALONE)
    visitor.sign_in_as_professional("dr-roux", purpose="BTG", reason="inconscient")
    assert "Quel patient ?" == visitor.title and 'name="name"' not in visitor.response.text
    assert "Aucun dossier" in visitor.submit(0, ins="", name="martin").response.text


def test_the_search_of_the_picker_finds_what_the_api_finds(there):
    """Decisions 22: no page reads the store."""
    token = there.quick("inf-petit", "user/Patient.rs", client_id="doctor-app").json()["access_token"]
    found = there.get("fhir/Patient?name=martin", token).json().get("entry", ())
    assert len(found) == len(picked(there, "inf-petit", "martin")[1])
