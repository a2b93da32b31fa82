"""Claims: a token says what RFC 9068, SMART, IUA and PCF want said, and no more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.smart.claims import claims_of, keep, principal_of, recall

BASE = "https://dmp.example/fhir"
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
KEYS = st.frozensets(st.sampled_from(["ps:8", "org:1", "Practitioner/x", "urn:x|y"]))
PRINCIPALS = st.builds(
    Principal,
    kind=st.sampled_from(Kind),
    subject=st.just("s"),
    client=st.sampled_from(["app", "s"]),
    name=st.sampled_from(["", "Awa"]),
    token=st.just("g.t"),
    reference=st.sampled_from([None, "Practitioner/x", "Organization/o"]),
    identities=KEYS,
    organization=st.sampled_from([None, "org:1", "R1"]),
    organization_name=st.just(""),
    organizations=KEYS,
    profession=st.sampled_from([None, "10", "331"]),
    specialties=st.frozensets(st.sampled_from(["SM26", "SM53"])),
    sector=st.sampled_from([None, "SA01"]),
    regulation=st.booleans(),
    purpose=st.sampled_from(Purpose),
    patient=st.sampled_from([None, "p1"]),
    scopes=st.sampled_from([(), ("openid",), ("user/*.rs", "openid")]),
    secret_session=st.booleans(),
    issuer=st.just("https://dmp.example"),
)


def told(principal):
    return claims_of(principal, fhir_base=BASE, now=NOW, lifetime=timedelta(minutes=15))


@given(PRINCIPALS)
def test_a_principal_comes_back_from_its_claims(principal):
    assert principal == principal_of(told(principal), BASE)


@given(PRINCIPALS)
def test_and_from_our_own_records(principal):
    assert principal == recall(keep(principal))


def test_the_reason_of_an_emergency_is_neither_in_the_token_nor_beside_it():
    # DMP-117: it is health data
    urgent = Principal(
        kind=Kind.PROFESSIONAL, subject="s", client="app", token="g.t", purpose=Purpose.BREAK_GLASS, reason="coma"
    )
    assert "coma" not in str(told(urgent)) and "coma" not in str(keep(urgent))
    extensions = told(urgent)["extensions"]
    assert {"kind": "professional", "mode": "bris_de_glace", "reason_handle": "g"} == extensions["fr_dmp"]
    assert "reason_handle" not in told(replace(urgent, purpose=Purpose.TREATMENT))["extensions"]["fr_dmp"]


def test_the_claims_of_a_professional_are_those_of_the_profiles():
    doctor = Principal(
        kind=Kind.PROFESSIONAL,
        subject="ps:899700000001",
        client="app",
        name="Awa Diallo",
        token="g.t",
        reference="Practitioner/x",
        identities=frozenset({"ps:899700000001"}),
        organization="org:1750000001",
        organization_name="CHU",
        profession="10",
        specialties=frozenset({"SM26"}),
        patient="p1",
        scopes=("user/*.rs",),
        issuer="https://dmp.example",
    )
    claims = told(doctor)
    extensions = claims.pop("extensions")
    iat = int(NOW.timestamp())
    assert {
        "iss": "https://dmp.example",
        "sub": "ps:899700000001",
        "aud": BASE,
        "exp": iat + 900,
        "nbf": iat,
        "iat": iat,
        "jti": "g.t",
        "client_id": "app",
        "scope": "user/*.rs",
        "patient": "p1",
        "fhirUser": f"{BASE}/Practitioner/x",
    } == claims
    assert {
        "subject_name": "Awa Diallo",
        "subject_organization": "CHU",
        "subject_organization_id": "urn:oid:1.2.250.1.71.4.2.2|1750000001",
        "national_provider_identifier": "899700000001",
        "purpose_of_use": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
        "subject_role": [
            {
                "system": "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante",
                "code": "10",
            },
            {
                "system": "https://mos.esante.gouv.fr/NOS/TRE_R01-EnsembleSavoirFaire-CISIS/FHIR/"
                "TRE-R01-EnsembleSavoirFaire-CISIS",
                "code": "SM26",
            },
        ],
    } == extensions["ihe_iua"]
    assert {"patient_id": "p1"} == extensions["ihe_pcf"]


def test_a_system_is_no_user():
    feed = Principal(kind=Kind.INSURANCE_FEED, subject="s", client="s", token="g.t", reference="Organization/o")
    assert "fhirUser" not in told(feed) and "Organization/o" == told(feed)["extensions"]["fr_dmp"]["reference"]
