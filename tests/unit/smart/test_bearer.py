"""Bearer: whom a token makes, which tokens make nobody, and how long that is remembered."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.foundation.problem import Problem
from fhir_server.smart.bearer import Bearer, Standing
from fhir_server.smart.claims import claims_of
from fhir_server.smart.keys import Keys
from tests.kit.smart import BASE, ORIGIN, RSA, Freshness

DOCTOR = Principal(
    kind=Kind.PROFESSIONAL,
    subject="ps:8",
    client="app",
    name="Awa Diallo",
    token="g1.t1",
    reference="Practitioner/x",
    identities=frozenset({"ps:8", "Practitioner/x"}),
    organization="org:1",
    organization_name="CHU",
    organizations=frozenset({"org:1", "Organization/chu"}),
    profession="10",
    specialties=frozenset({"SM26"}),
    sector="SA01",
    regulation=True,
    scopes=("user/*.rs", "openid"),
    issuer=ORIGIN,
)


class Shelf:
    def __init__(self):
        self.key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
        self.rows = [
            {"kid": self.key.kid, "alg": "ES256", "jwk": self.key.as_dict(private=True), "ends": None},
            {"kid": RSA.kid, "alg": "RS256", "jwk": RSA.as_dict(private=True), "ends": None},
        ]

    def published_keys(self):
        return list(self.rows)

    def drop_key(self, kid):
        self.rows = [row for row in self.rows if row["kid"] != kid]


class Grants:
    def __init__(self):
        self.found, self.asked, self.meanwhile = Standing(holds=True, reason="coma"), 0, None

    def standing(self, grant, client):
        self.asked += 1
        if self.meanwhile:
            self.meanwhile()
        return self.found if (grant, client) == ("g1", "app") else None


class World:
    def __init__(self):
        self.now = time.time()
        self.shelf, self.grants, self.freshness = Shelf(), Grants(), Freshness()
        self.keys = Keys(self.shelf, self.freshness, lambda: datetime.fromtimestamp(self.now, UTC))
        self.bearer = Bearer(
            self.keys, self.grants, self.freshness, issuer=ORIGIN, fhir_base=BASE, clock=lambda: self.now
        )

    def token(self, principal=DOCTOR, header=None, key=None, **changed):
        now = datetime.fromtimestamp(self.now, UTC)
        claims = claims_of(principal, fhir_base=BASE, now=now, lifetime=timedelta(minutes=15))
        claims = {name: value for name, value in (claims | changed).items() if value is not None}
        key = key or self.shelf.key
        header = {"alg": "ES256", "typ": "at+jwt", "kid": self.shelf.key.kid} | (header or {})
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])

    def ask(self, token):
        return self.bearer.principal(f"Bearer {token}")

    def refused(self, authorization):
        with pytest.raises(Problem) as refused:
            self.bearer.principal(authorization)
        assert 401 == refused.value.status
        return refused.value.headers["WWW-Authenticate"]


@pytest.fixture
def world():
    return World()


def test_a_token_makes_the_principal_it_was_made_from(world):
    assert DOCTOR == world.ask(world.token())


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": Kind.HOLDER, "reference": "Patient/p1", "patient": "p1", "profession": None, "regulation": False,
         "purpose": Purpose.PATIENT_REQUEST, "specialties": frozenset(), "secret_session": True},
        {"kind": Kind.ESTABLISHMENT, "subject": "app", "reference": "Organization/chu", "profession": None,
         "identities": frozenset({"org:1"}), "scopes": ("system/*.rs",), "specialties": frozenset()},
        {"kind": Kind.OPERATOR, "reference": None, "purpose": Purpose.ADMINISTRATION, "profession": None,
         "organization": None, "organization_name": "", "organizations": frozenset(), "specialties": frozenset()},
        {"profession": "331"},
    ],
)  # fmt: skip
def test_so_does_that_of_anybody_else(world, changed):
    principal = replace(DOCTOR, **changed)
    assert principal == world.ask(world.token(principal))


def test_the_reason_of_an_emergency_is_fetched_and_never_in_the_token(world):
    urgent = replace(DOCTOR, purpose=Purpose.BREAK_GLASS, patient="p1", reason="coma")
    token = world.token(urgent)
    assert "coma" == world.ask(token).reason
    assert "coma" not in str(jwt.decode(token, world.shelf.key, algorithms=["ES256"]).claims)
    assert world.ask(world.token(replace(DOCTOR, token="g1.t2"))).reason is None


def test_the_scheme_may_be_in_any_case_and_no_other_is_taken(world):
    """SMART-C10."""
    token = world.token()
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert DOCTOR == world.bearer.principal(f"{scheme} {token}")
    for authorization in (None, "", "Basic YTpi", token, f"DPoP {token}"):
        assert "Bearer" == world.refused(authorization)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": ORIGIN},
        {"aud": [BASE]},
        {"aud": "app"},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"nbf": 9_999_999_999},
        {"jti": None},
        {"jti": "g2.t1"},
        {"jti": 7},
        {"client_id": "other"},
        {"client_id": None},
        {"scope": None},
        {"sub": None},
        {"extensions": None},
        {"extensions": {"ihe_iua": {}, "fr_dmp": {}}},
        {"extensions": {"ihe_iua": {"purpose_of_use": [{"code": "ANY"}]}, "fr_dmp": {"kind": "operator"}}},
        {"extensions": {"ihe_iua": {"purpose_of_use": [{"code": "TREAT"}]}, "fr_dmp": {"kind": "anybody"}}},
        {"header": {"typ": "JWT"}},
        {"header": {"kid": "unheard-of"}},
        {"header": {"kid": None}},
    ],
)
def test_a_token_that_does_not_hold_makes_nobody(world, changed):
    if changed.get("header", {}).get("kid", "") is None:
        header = {"alg": "ES256", "typ": "at+jwt"}
        claims = claims_of(DOCTOR, fhir_base=BASE, now=datetime.now(UTC), lifetime=timedelta(minutes=15))
        token = jwt.encode(header, claims, world.shelf.key)
    else:
        token = world.token(**changed)
    assert 'Bearer error="invalid_token"' == world.refused(f"Bearer {token}")


def test_a_token_signed_by_somebody_else_or_in_another_way_makes_nobody(world):
    strange = ECKey.generate_key("P-256", {"kid": world.shelf.key.kid})
    secret = OctKey.import_key("s" * 40)
    tokens = [
        world.token(key=strange),
        world.token(header={"alg": "HS256"}, key=secret),
        world.token(header={"alg": "RS256"}, key=RSA),
        "e30.e30.e30",
        "x" * 9000,
        "é",
        "",
    ]
    good = world.token()
    head, payload, signature = good.split(".")
    tokens += [f"{head}.{payload}.", f"{head}.{payload}.{signature[:-2]}AA", f"e30.{payload}.{signature}"]
    none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0"
    tokens.append(f"{none}.{payload}.")
    for token in tokens:
        assert "invalid_token" in world.refused(f"Bearer {token}")


def test_an_id_token_opens_nothing(world):
    token = world.token(header={"alg": "RS256", "kid": RSA.kid, "typ": "JWT"}, key=RSA)
    assert "invalid_token" in world.refused(f"Bearer {token}")


def test_a_token_is_checked_once_and_then_remembered_until_it_ends(world):
    token = world.token()
    for _ in range(3):
        world.ask(token)
    assert 1 == world.grants.asked and 3 == world.freshness.checks
    world.now += 901
    assert "invalid_token" in world.refused(f"Bearer {token}")


@pytest.mark.parametrize(
    ("kind", "key"), [("token", "g1"), ("token", ""), ("client", "app"), ("client", ""), ("key", "any")]
)
def test_what_is_revoked_stops_at_once(world, kind, key):
    token = world.token()
    world.ask(token)
    world.grants.found = Standing(holds=False)
    assert DOCTOR == world.ask(token), "nobody has said so yet"
    world.freshness.settle(world.freshness.bump(kind, key))
    assert "invalid_token" in world.refused(f"Bearer {token}")


def test_what_concerns_others_is_remembered_all_the_same(world):
    token = world.token()
    world.ask(token)
    world.freshness.settle(world.freshness.bump("token", "g2"))
    world.freshness.settle(world.freshness.bump("client", "other"))
    world.ask(token)
    assert 1 == world.grants.asked


def test_what_is_revoked_while_it_is_looked_up_is_not_remembered(world):
    token = world.token()

    def revoke():
        world.grants.meanwhile = None
        world.freshness.settle(world.freshness.bump("token", "g1"))

    world.grants.meanwhile = revoke
    world.ask(token)
    world.grants.found = Standing(holds=False)
    assert "invalid_token" in world.refused(f"Bearer {token}")


def test_a_withdrawn_key_stops_at_once(world):
    token = world.token()
    world.ask(token)
    world.keys.withdraw(world.shelf.key.kid)
    assert "invalid_token" in world.refused(f"Bearer {token}")


def test_what_is_remembered_stays_bounded(world, monkeypatch):
    monkeypatch.setattr("fhir_server.smart.bearer.REMEMBERED", 5)
    for number in range(20):
        world.ask(world.token(replace(DOCTOR, token=f"g1.{number}")))
    assert len(world.bearer._known) <= 5


def test_a_remembered_token_costs_a_look_up(world):
    token = f"Bearer {world.token()}"
    world.bearer.principal(token)
    start = time.perf_counter()
    for _ in range(2000):
        world.bearer.principal(token)
    each = (time.perf_counter() - start) / 2000
    assert each < 50e-6, f"{each * 1e6:.1f} µs"
