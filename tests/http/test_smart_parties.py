"""Who gets a token, and what the tokens of systems open: forbidden parties, and organisations' systems, over HTTP."""

import copy
import json
import time
import uuid
from datetime import UTC, datetime

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_server.consent import decision
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import instant
from fhir_server.foundation.principal import Kind
from fhir_server.resources.consent_patterns import consent
from tests.kit.application import deposit
from tests.kit.online import ASSERTION_TYPE, online
from tests.kit.smart import USER_SCOPE, World, professional
from tests.kit.steps import opening_for

PROHIBITED = profile_json("dmp/access-matrix.json")["prohibited"]
ROLES = "1.2.250.1.213.1.6.1.107"
DOCTORS = "1.2.250.1.213.1.1.5.5"


class Lawful(World):
    """A world whose matrix is the law's."""

    def refuses(self, principal):
        return decision.refuses(principal)


@pytest.fixture
def world(mongo_uri, database):
    made = Lawful(mongo_uri, database.name, alias="smart-lawful")
    made.an_app()
    yield made
    made.smart.close()


def claims_of(kind, code, system=DOCTORS):
    """What Pro Santé Connect says of who bears a prohibited code, and is in all else Dr Diallo at the CHU."""
    match kind:
        case "professions":
            return professional(
                SubjectRole=[f"{code}^{system}"], SubjectRefPro={"exercices": [{"codeProfession": code}]}
            )
        case "sectors":
            return professional(Secteur_Activite=f"{code}^1.2.250.1.71.4.2.4")
        case _:
            practice = {"codeProfession": "10", "codeSavoirFaire": code, "activities": []}
            return professional(SubjectRefPro={"exercices": [practice]})


CODES = [(kind, code) for kind in ("professions", "sectors", "specialties") for code in PROHIBITED[kind]]


def test_as_many_codes_are_prohibited_as_the_law_names():
    assert (20, 8, 2) == tuple(len(PROHIBITED[kind]) for kind in ("professions", "sectors", "specialties"))


@pytest.mark.parametrize(("kind", "code"), CODES, ids=[code for _, code in CODES])
def test_who_bears_a_prohibited_code_gets_no_token(world, kind, code):
    """DMP-46, DMP-47: by the pages, in either system of codes, in every mode, and the ledger hears why."""
    for system in (DOCTORS, ROLES):
        world.told.clear()
        world.psc.claims = claims_of(kind, code, system)
        back = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional().back
        assert ("access_denied", None) == (back["error"], back.get("code"))
        assert [("8", True)] == [(outcome, reason.startswith("party.")) for _, outcome, reason in world.told]
    for purpose in ("TREAT", "BTG", "ETREAT"):
        changed = {
            "professions": {"profession": code},
            "sectors": {"sector": code},
            "specialties": {"specialties": {code}},
        }
        person = world.a_doctor(
            **{name: frozenset(v) if isinstance(v, set) else v for name, v in changed[kind].items()}
        )
        told = world.smart.issue_for(person, "app", USER_SCOPE, patient="p1", purpose=purpose, reason="coma")
        assert (400, "access_denied") == (told.status, told.body["error"]), purpose


@pytest.mark.parametrize("organization", PROHIBITED["insurance"]["organizations"])
def test_the_system_of_an_insurer_that_is_registered_as_an_establishment_gets_no_token(world, organization):
    """DMP-47: what somebody registers it as does not make it a hospital."""
    key = ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)
    world.smart.clients.add("backend", client_id="x", acts_as=Kind.ESTABLISHMENT, scope="system/*.cruds",
                            organization=organization, jwks={"keys": [key.as_dict(private=False)]})  # fmt: skip
    answer = world.system_token(world.assertion(key, "x"))
    assert (400, "unauthorized_client") == (answer.status_code, answer.json["error"])


def test_no_system_is_registered_as_anything_else(world):
    for kind in (Kind.PROFESSIONAL, Kind.HOLDER, Kind.REPRESENTATIVE, Kind.UNKNOWN, "employer", None):
        with pytest.raises(ValueError, match="acts as one of"):
            world.smart.clients.add("backend", acts_as=kind, scope="system/*.rs", jwks={"keys": []})


# --- organisations' systems, against the record ---


@pytest.fixture(scope="module")
def there(mongo_uri, mongo_client):
    with online(mongo_uri, mongo_client) as made:
        clients = made.app.extensions["smart"].clients
        for name, kind, place in (
            ("sih", Kind.ESTABLISHMENT, "Organization/hopital-vallee"),
            ("feed", Kind.INSURANCE_FEED, "Organization/cnam"),
            ("desk", Kind.RECEPTION, "Organization/caisse"),
        ):
            made.keys = getattr(made, "keys", {}) | {name: ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)}
            jwks = {"keys": [made.keys[name].as_dict(private=False)]}
            # each is registered for everything: it is not its scopes that keep it from consulting
            clients.add("backend", client_id=name, acts_as=kind, organization=place, scope="system/*.cruds", jwks=jwks)
        yield made


def token(there, name):
    now = int(time.time())
    claims = {"iss": name, "sub": name, "aud": f"{there.origin}/auth/token", "exp": now + 240, "jti": uuid.uuid4().hex}
    key = there.keys[name]
    made = jwt.encode({"alg": "ES384", "kid": key.kid, "typ": "JWT"}, claims, key, algorithms=["ES384"])
    answer = there.token(grant_type="client_credentials", scope="system/*.cruds", client_assertion=made,
                         client_assertion_type=ASSERTION_TYPE)  # fmt: skip
    assert (200, None) == (answer.status_code, answer.json().get("refresh_token")), answer.text
    return answer.json()["access_token"]


PAUL = "181096912300276"
SEEN_BY_NO_SYSTEM = (
    "fhir/Patient/paul-martin",
    "fhir/Observation/paul-tension",
    "fhir/DocumentReference/paul-consultation",
    "fhir/Patient/paul-martin/_history",
)


def found(there, path, bearer):
    answer = there.get(path, bearer)
    if answer.status_code != 200:
        assert answer.status_code in (403, 404), answer.text
        return set()
    return {f"{each['resource']['resourceType']}/{each['resource'].get('id')}" for each in answer.json().get("entry", ())
            if each.get("search", {}).get("mode") == "match"}  # fmt: skip


def test_a_hospitals_system_feeds_and_does_not_consult(there):
    """DMP-152, DMP-113: it finds, replaces and deletes its own deposits, and nothing else."""
    sih = token(there, "sih")
    stored = there.send("POST", "fhir", sih, deposit(PAUL))
    assert 200 == stored.status_code, stored.text
    own = [each["response"]["location"].partition("/_history")[0] for each in stored.json()["entry"]]
    document = next(each for each in own if "DocumentReference/" in each).partition("/fhir/")[2] or own[1]
    assert {document} == found(there, "fhir/DocumentReference?patient=paul-martin", sih)
    assert {200} == {there.get(f"fhir/{document}", sih).status_code}
    for path in SEEN_BY_NO_SYSTEM:
        assert there.get(path, sih).status_code in (403, 404), path
    for path in ("fhir/Observation?patient=paul-martin", "fhir/Condition?patient=paul-martin", "fhir/Consent?patient=paul-martin",
                 "fhir/AuditEvent?patient=paul-martin"):  # fmt: skip
        assert not {each for each in found(there, path, sih) if not each.startswith("AuditEvent/")}, path
    refused = there.send("DELETE", "fhir/Observation/paul-tension", sih)
    assert refused.status_code in (403, 404)
    taken = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    removed = there.send("PATCH", f"fhir/{document}", sih, taken, **{"Content-Type": "application/json-patch+json"})
    assert 200 == removed.status_code, removed.text


def _care_history(**more):
    """A document of the Assurance Maladie: reimbursements (class 60), under the name of the CNAM."""
    made = json.loads(json.dumps(deposit(PAUL)).replace("Organization/hopital-vallee", "Organization/cnam"))
    document = made["entry"][1]["resource"]
    document["category"][0]["coding"][0]["code"] = "60"
    document["type"] = {"coding": [{"system": "https://mos.esante.gouv.fr/NOS/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire", "code": "REMB"}]}  # fmt: skip
    document |= more
    return made


def test_the_assurance_maladie_feeds_care_history_only_and_consults_nothing(there):
    """DMP-10, DMP-11, DMP-144, DMP-152."""
    feed = token(there, "feed")
    fed = there.send("POST", "fhir", feed, _care_history())
    assert 200 == fed.status_code, fed.text
    letter = copy.deepcopy(deposit(PAUL))
    letter = json.loads(json.dumps(letter).replace("Organization/hopital-vallee", "Organization/cnam"))
    assert 403 == there.send("POST", "fhir", feed, letter).status_code
    observation = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/paul-martin"},
        "code": {"text": "x"},
    }  # fmt: skip
    assert 403 == there.send("POST", "fhir/Observation", feed, observation).status_code
    for path in SEEN_BY_NO_SYSTEM:
        assert there.get(path, feed).status_code in (403, 404), path
    assert not found(there, "fhir/Observation?patient=paul-martin", feed)


def test_a_reception_desk_opens_a_record_with_the_persons_consent_and_does_nothing_else(there):
    """DMP-21, DMP-22, DMP-46."""
    desk, now = token(there, "desk"), instant(datetime.now(UTC))
    active = there.get("fhir/Patient/lea-martin", there.operator()).json() | {"active": True}
    assert there.send("PUT", "fhir/Patient/lea-martin", desk, active).status_code in (403, 404)
    for kind, permit in (("dmp-creation", False), ("ps-autorisation", True), ("alimentation", False)):
        actor = "Practitioner/dr-diallo" if kind == "ps-autorisation" else None
        said = consent(kind, "Patient/lea-martin", now, permit=permit, actor=actor)
        assert 403 == there.send("POST", "fhir/Consent", desk, said).status_code, kind
    own_word = consent("dmp-creation", "Patient/lea-martin", now) | {
        "performer": [{"reference": "Organization/caisse"}]
    }
    assert there.send("POST", "fhir/Consent", desk, own_word).status_code in (403, 422)
    piece = consent("dmp-creation", "Patient/lea-martin", now)
    assert 403 == there.send("POST", "fhir/Consent", desk, piece).status_code, "an opening is one step"
    known = {name: each for name, each in active.items() if name not in ("id", "meta", "active")}
    opened = there.send("POST", "fhir/Patient/$open-record-for", desk, opening_for(patient=known))
    assert 201 == opened.status_code, opened.text
    for path in (*SEEN_BY_NO_SYSTEM, "fhir/Patient/lea-martin"):
        assert there.get(path, desk).status_code in (403, 404), path
    assert 403 == there.send("POST", "fhir", desk, deposit(PAUL)).status_code
    assert not found(there, "fhir/DocumentReference?patient=paul-martin", desk)
