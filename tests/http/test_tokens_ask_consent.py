"""A token for a record is a decision: what its bearer could not read is not issued, and is answered as if nobody knew it.

Decisions: "Consent is evaluated at token issue and again on every request"; SMART-T6.
"""

import json
from datetime import UTC, datetime

import pytest
from authlib.oauth2.rfc6749 import AccessDeniedError

from fhir_server.foundation.moment import instant
from fhir_server.resources.consent_patterns import consent
from fhir_server.sandbox import dossier, short_cuts
from fhir_server.smart.exchange import Asked
from tests.kit.application import FHIR_JSON, application, bearer

SCOPE = "openid launch/patient user/Patient.rs user/DocumentReference.rs"
DENIED = {"error": "access_denied", "error_description": "this access is not allowed"}
REASON = "patient inconscient"


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture(autouse=True)
def as_at_first(app):
    assert 200 == app.test_client().post("/sandbox/reset").status_code


def token(app, login, patient, **more):
    return app.test_client().post("/sandbox/token", json={"as": login, "scope": SCOPE, "patient": patient, **more})


def decided(app, category, patient="paul-martin", **said):
    """A Consent of this holder."""
    made = consent(category, f"Patient/{patient}", instant(datetime.now(UTC)), **said)
    header = bearer(app)
    answer = app.test_client().post("/fhir/Consent", json=made, headers=header, content_type=FHIR_JSON)
    assert 201 == answer.status_code, answer.json


def reads_the_patient(app, answer):
    header = {"Authorization": f"Bearer {answer.json['access_token']}"}
    return app.test_client().get(f"/fhir/Patient/{answer.json['patient']}", headers=header).status_code


def last_entry(app):
    """(patient, outcome 0 or 8, reasons) of the last event on record."""
    event = app.extensions["house"].shelf.database["ledger"].find_one(sort=[("_id", -1)])
    outcome = next(each[-1] for each in event["index"] if each.startswith("AuditEvent.outcome=|"))
    return event["facts"].get("patient"), outcome, event["entry"]["refused"]


EVERYBODY = [login for login, person in dossier.people().items() if person.kind in ("professional", "outsider")]
MODES = [{}, {"purpose": "BTG", "reason": REASON}, {"purpose": "ETREAT"}]


@pytest.mark.parametrize("mode", MODES, ids=["normal", "BTG", "ETREAT"])
@pytest.mark.parametrize("record", [row["patient"] for row in dossier.records()])
def test_whoever_gets_a_token_for_a_patient_reads_that_patient(app, record, mode):
    """SMART-T6: `GET Patient/{patient}` with the token is 200; else the token is refused, as for nobody."""
    for login in EVERYBODY:
        answer = token(app, login, record, **mode)
        if answer.status_code == 200:
            assert (login, 200) == (login, reads_the_patient(app, answer))
        else:
            assert (400, DENIED) == (answer.status_code, answer.json)
            assert answer.json == token(app, login, "nobody", **mode).json


@pytest.mark.parametrize(
    ("login", "patient", "mode", "reason"),
    [
        ("dr-moreau", "lea-martin", {}, "record.none"),
        ("dr-roux", "jeanne-martin", {"purpose": "BTG", "reason": REASON}, "record.closed"),
        ("dr-diallo", "paul-martin", {}, "grant.none"),
        ("dr-diallo", "nobody", {}, "record.unknown"),
        ("dr-garnier", "paul-martin", {}, "party.occupational-medicine"),
        ("dr-roux", "paul-martin", {"purpose": "ETREAT"}, "emergency.no-right"),
        ("lea", "paul-martin", {}, "record.not-in-context"),
    ],
)
def test_a_refused_token_is_on_record_with_its_reason(app, login, patient, mode, reason):
    """SMART-T6, decisions 20."""
    assert 400 == token(app, login, patient, **mode).status_code
    assert (patient, "8", [reason]) == last_entry(app)


@pytest.mark.parametrize("mode", MODES[:2], ids=["normal", "BTG"])
def test_whom_the_holder_blocked_gets_no_token_in_any_mode(app, mode):
    """SMART-T6, DMP-112: a block wins over bris de glace, at issue as on every request."""
    before = token(app, "inf-petit", "paul-martin", **mode)
    assert 200 == before.status_code
    decided(app, "ps-blocage", permit=False, actor="Practitioner/inf-petit")
    assert (400, DENIED) == ((after := token(app, "inf-petit", "paul-martin", **mode)).status_code, after.json)
    assert (400, DENIED) == ((again := token(app, "inf-petit", "nobody", **mode)).status_code, again.json)


def test_an_emergency_that_the_holder_opposed_gets_no_token(app):
    """SMART-T6, DMP-71."""
    decided(app, "urgence-samu", permit=False, patient="noe-martin")
    assert (400, DENIED) == ((told := token(app, "dr-lambert", "noe-martin", purpose="ETREAT")).status_code, told.json)
    assert ("noe-martin", "8", ["emergency.opposed"]) == last_entry(app)


def test_a_token_is_not_renewed_once_its_holder_has_blocked_the_bearer(app):
    """SMART-R5, decisions 19."""
    given = token(app, "inf-petit", "paul-martin", scope=f"{SCOPE} offline_access").json
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": "doctor-app"}
    decided(app, "ps-blocage", permit=False, actor="Practitioner/inf-petit")
    answer = app.test_client().post("/auth/token", data=form)
    assert (400, "invalid_grant") == (answer.status_code, answer.json["error"])


@pytest.mark.parametrize(
    ("login", "record"), [("lea", "lea-martin"), ("jeanne", "jeanne-martin"), ("tess", "tess-essai")]
)
def test_a_holder_gets_a_token_for_a_record_never_opened_or_closed(app, login, record):
    """The law: the holder opens it, opens it again, and reads who looked (DMP-22, DMP-104)."""
    answer = token(app, login, record, scope="openid launch/patient patient/*.rs")
    assert (200, 200) == (answer.status_code, reads_the_patient(app, answer))


def test_a_representative_gets_none_for_a_record_that_came_of_age(app):
    """SMART-T6, DMP-142: majority ends the access of who represented the holder."""
    scope = {"scope": "openid launch/patient patient/*.rs"}
    assert 200 == token(app, "lea-pour-noe", "noe-martin", **scope).status_code
    app.test_client().post("/sandbox/clock", json={"now": "2040-01-01T00:00:00Z"})
    assert (400, DENIED) == ((told := token(app, "lea-pour-noe", "noe-martin", **scope)).status_code, told.json)


def launched(app, login, patient, **more):
    """The journey of an app that this person's software launched, signed in and its access mode chosen."""
    smart = app.extensions["smart"]
    asked = {"as": login, "client_id": "doctor-app", "patient": patient, **more}
    made = app.test_client().post("/sandbox/launch", json=asked).json
    form = {
        "response_type": "code", "client_id": "doctor-app", "redirect_uri": "http://127.0.0.1:8765/callback",
        "scope": "launch openid user/Patient.rs", "state": "s" * 22, "aud": made["iss"], "launch": made["launch"],
        "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    client, parameters = smart.authorization(Asked("POST", tuple(form.items())))
    person = short_cuts.principal(smart, dossier.people()[login])
    session, _ = smart.sessions.sign_in(smart.sessions.begin()[0], person)
    begun = smart.journey.begin(parameters, client, session)
    return smart.journey, smart.journey.choose_mode(begun, person, "TREAT", ""), person, session


def test_a_launch_for_a_record_that_stays_shut_is_denied_before_anything_is_offered(app):
    """SMART-T6, SMART-A12: no code, whether the record is shut or unknown, and both on record."""
    told = []
    for patient in ("lea-martin", "nobody"):
        journey, begun, person, session = launched(app, "dr-moreau", patient)
        for step in (lambda j=journey, b=begun, p=person: j.offer(b, p),
                     lambda j=journey, b=begun, s=session: j.approve(b, s, ("user/Patient.rs",))):  # fmt: skip
            with pytest.raises(AccessDeniedError) as refused:
                step()
            told.append((refused.value.error, refused.value.description))
            assert (patient, "8") == last_entry(app)[:2]
    assert 1 == len(set(told))
    journey, begun, person, _ = launched(app, "dr-moreau", "paul-martin")
    assert "paul-martin" == journey.offer(begun, person).approval.principal.patient


def test_an_ins_of_a_record_that_stays_shut_is_answered_like_one_that_nobody_has(app):
    """SMART-T6, decisions 17: at the page that asks for the patient."""
    journey, begun, person, _ = launched(app, "dr-diallo", "paul-martin")
    rows = {row["patient"]: row["ins"] for row in dossier.records()}
    assert [None, None, None] == [
        journey.choose_patient(begun, person, ins) for ins in (rows["paul-martin"], rows["lea-martin"], "1" * 15)
    ]
    journey, begun, person, _ = launched(app, "dr-moreau", "paul-martin")
    assert "paul-martin" == journey.choose_patient(begun, person, rows["paul-martin"]).patient


@pytest.mark.parametrize("scope", ["openid fhirUser", "openid fhirUser user/Observation.rs"])
@pytest.mark.parametrize("login", ["dr-moreau", "paul", "jeanne", "lea-pour-noe", "operateur"])
def test_who_is_signed_in_is_read_with_the_token_that_names_them(app, login, scope):
    """SMART-O7: the fhirUser of the token is 200 and the right type; nobody else is read with it."""
    client = app.test_client()
    person = dossier.people()[login]
    client_id = {"operator": "admin-app"}.get(person.kind)
    asked = {"as": login, "scope": scope, **({"client_id": client_id} if client_id else {})}
    answer = client.post("/sandbox/token", json=asked)
    header = {"Authorization": f"Bearer {answer.json['access_token']}"}
    user = client.get(f"/fhir/{person.fhir_user}", headers=header)
    assert (200, person.fhir_user) == (user.status_code, f"{user.json.get('resourceType')}/{user.json.get('id')}")
    others = ("Practitioner/dr-roux", "Patient/lea-martin", "RelatedPerson/nobody")
    assert {403, 404} >= {client.get(f"/fhir/{each}", headers=header).status_code for each in others}
    assert 403 == client.get("/fhir/Practitioner", headers=header).status_code


def test_an_encounter_is_in_context_only_where_it_is_read(app):
    """SMART-T7: of this record, and open to who signs in; an unknown one and one of another record alike."""
    made = {
        "resourceType": "Encounter", "status": "in-progress", "subject": {"reference": "Patient/paul-martin"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    }  # fmt: skip
    stored = app.test_client().post("/fhir/Encounter", json=made, headers=bearer(app), content_type=FHIR_JSON)
    assert 201 == stored.status_code, stored.json
    told = []
    for encounter in (stored.json["id"], "sejour-lea", "nowhere"):
        journey, begun, person, _ = launched(app, "dr-moreau", "paul-martin", encounter=encounter)
        told.append(journey.offer(begun, person).approval.launch.get("encounter"))
    assert [stored.json["id"], None, None] == told


def test_who_represents_a_minor_has_a_token_before_the_record_was_ever_opened(app):
    """DMP-22, DMP-93: somebody has to open it; nothing of it is read before."""
    house = app.extensions["house"]
    minor = json.loads(house.shelf.resources.find_one({"_id": "Patient/noe-martin"})["body"])
    never_open = {name: value for name, value in minor.items() if name not in ("active", "extension", "meta")}
    client, header = app.test_client(), bearer(app)
    for found in client.get("/fhir/Consent?patient=noe-martin&_count=50", headers=header).json.get("entry", ()):
        assert 204 == client.delete(f"/fhir/Consent/{found['resource']['id']}", headers=header).status_code
    made = client.put("/fhir/Patient/noe-martin", json=never_open, headers=header, content_type=FHIR_JSON)
    assert 200 == made.status_code, made.json

    answer = app.test_client().post(
        "/sandbox/token",
        json={"as": "lea-pour-noe", "scope": "openid launch/patient patient/*.rs", "patient": "noe-martin"},
    )
    assert 200 == answer.status_code, answer.json
    assert reads_the_patient(app, answer) in (403, 404)
