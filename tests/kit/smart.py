"""A world of people, apps and systems around the OAuth server: who signs in, who refuses, what is told and sent."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_server.foundation.principal import Kind, Principal
from fhir_server.http import oauth, sign_in
from fhir_server.http.browser import Browser
from fhir_server.smart.psc import Provider
from fhir_server.smart.server import Config, Smart, build
from tests.kit.outside import INS, PSC, RSA, Clock, Directory, Freshness, Psc, Wire, compile_, professional

__all__ = ["INS", "PSC", "RSA", "Freshness", "World", "professional"]

ORIGIN = "http://localhost"
BASE = f"{ORIGIN}/fhir"
TOKEN = f"{ORIGIN}/auth/token"
APP = "https://app.example/callback?here=1"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PATIENT_SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"
USER_SCOPE = "openid fhirUser user/Patient.rs user/DocumentReference.cruds"
ALLOWED = (
    "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access "
    "patient/*.cruds user/*.cruds"
)


class World:
    """Everything wired, on a real database; `browser()` gives a browser, `told` what the ledger heard."""

    def __init__(self, mongo_uri, database, alias="smart-tests", issuer=ORIGIN):
        self.clock, self.freshness, self.wire = Clock(), Freshness(), Wire()
        self.psc = Psc(self.wire, self.clock)
        self.told, self.sent, self.refused, self.hidden = [], [], {}, set()
        config = Config(
            issuer=issuer,
            fhir_base=f"{issuer}/fhir",
            mongo_uri=mongo_uri,
            database=database,
            provider=Provider(PSC, "dmp", "secret"),
            alias=alias,
        )
        self.smart: Smart = build(
            config,
            directory=Directory(),
            refuses=self.refuses,
            sees=lambda _, reference: reference not in self.hidden,
            freshness=self.freshness,
            issued=lambda *told: self.told.append(told),
            send_code=lambda recipient, code: self.sent.append((recipient, code)),
            compile_=compile_,
            clock=self.clock,
            session=self.wire,
        )
        self.smart.records.signing_keys.insert(
            key=RSA.kid, slot="first-RS256", alg="RS256", jwk=dict(RSA.as_dict(private=True)), made=self.clock()
        )
        self.smart.prepare()
        self.app = Flask("test")
        self.app.config["NO_SOONER"] = 0
        shared = Browser(self.smart)
        self.app.register_blueprint(oauth.blueprint(self.smart, shared))
        self.app.register_blueprint(sign_in.blueprint(self.smart, shared))
        self.http = self.app.test_client(use_cookies=False)

    def refuses(self, principal):
        if principal.kind is Kind.UNKNOWN:
            return "party.unknown"
        return self.refused.get((principal.subject, principal.patient)) or self.refused.get(principal.subject)

    # who there is

    def an_app(self, kind="public", client_id="app", scope=ALLOWED, **more):
        return self.smart.clients.add(
            kind,
            client_id=client_id,
            name="L’app",
            redirect_uris=(APP, "https://app.example/other"),
            scope=scope,
            **more,
        )

    def a_system(self, client_id="chu", acts_as=Kind.ESTABLISHMENT, scope="system/*.cruds", key=None, **more):
        key = key or ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, auto_kid=True)
        if "jwks_uri" not in more:
            more["jwks"] = {"keys": [key.as_dict(private=False)]}
        self.smart.clients.add(
            "backend",
            client_id=client_id,
            name="SIH du CHU",
            acts_as=acts_as,
            scope=scope,
            organization="Organization/chu",
            organization_key="org:1750000001",
            **more,
        )
        return key

    def a_holder(self, identifier="lea", password="mot de passe", patient="p1", **more):
        return self.smart.accounts.add(
            identifier,
            password,
            kind=Kind.HOLDER,
            reference=f"Patient/{patient}",
            patient=patient,
            channel="mail",
            address="lea@example.org",
            name="Léa Martin",
            **{"must_change": False, **more},
        )

    def a_doctor(self, **changed):
        return Principal(
            **{
                "kind": Kind.PROFESSIONAL,
                "subject": "ps:899700000001",
                "client": "",
                "name": "Awa Diallo",
                "reference": "Practitioner/diallo",
                "identities": frozenset({"ps:899700000001", "Practitioner/diallo"}),
                "organization": "org:1750000001",
                "organization_name": "CHU",
                "organizations": frozenset({"org:1750000001", "Organization/chu"}),
                "profession": "10",
                "specialties": frozenset({"SM26"}),
                "sector": "SA01",
                "issuer": ORIGIN,
                **changed,
            }
        )

    # how they ask

    def browser(self):
        return Person(self)

    def post(self, path, headers=None, **form):
        return self.http.post(path, data=form, headers=headers)

    def token(self, headers=None, **form):
        return self.post("/auth/token", headers, **form)

    def exchange_form(self, code, client_id="app", **changed):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": APP,
            "code_verifier": VERIFIER,
            "client_id": client_id,
        }
        return {name: value for name, value in (form | changed).items() if value is not None}

    def exchange(self, code, client_id="app", **changed):
        return self.token(**self.exchange_form(code, client_id, **changed))

    def assertion(self, key, client_id="chu", alg="ES384", header=None, **changed):
        now = int(self.clock().timestamp())
        claims = {"iss": client_id, "sub": client_id, "aud": TOKEN, "exp": now + 240, "jti": secrets.token_hex(32)}
        claims = {name: value for name, value in (claims | changed).items() if value is not None}
        header = {"alg": alg, "kid": key.kid, "typ": "JWT"} | (header or {})
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])

    def system_token(self, assertion, scope="system/*.rs", **changed):
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            "scope": scope,
        }
        return self.token(**{name: value for name, value in (form | changed).items() if value is not None})

    def principal(self, token):
        return self.smart.bearer.principal(f"Bearer {token}")


class Person:
    """Somebody at a browser: follows redirects within the server, fills in what is asked."""

    def __init__(self, world):
        self.world, self.client = world, world.app.test_client()
        self.response = None

    def authorize(self, method="get", headers=None, **changed):
        asked = {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": APP,
            "scope": PATIENT_SCOPE,
            "state": "s" * 22,
            "aud": BASE,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        asked = {name: value for name, value in (asked | changed).items() if value is not None}
        if method == "get":
            return self.follow(self.client.get(f"/auth/authorize?{urlencode(asked, doseq=True)}", headers=headers))
        return self.follow(self.client.post("/auth/authorize", data=asked))

    def follow(self, response):
        while response.status_code in (302, 303) and not response.location.startswith(("https://app", PSC)):
            response = self.client.get(response.location)
        self.response = response
        return self

    def get(self, path):
        return self.follow(self.client.get(path))

    def submit(self, form=0, **filled):
        """Submit a form of the page as a browser would: hidden fields, ticked boxes, and what is filled in."""
        forms = re.findall(r"<form.*?</form>", self.page, re.DOTALL)
        action = html.unescape(re.search(r'action="([^"]*)"', forms[form])[1])
        data = {}
        for field in re.findall(r"<input[^>]*>", forms[form]):
            parts = {name: html.unescape(value) for name, value in re.findall(r'([a-z-]+)="([^"]*)"', field)}
            if parts["type"] in ("checkbox", "radio") and " checked" not in field:
                continue
            data.setdefault(parts["name"], []).append(parts.get("value", ""))
        data |= filled
        return self.follow(self.client.post(action, data=data))

    @property
    def page(self):
        return self.response.get_data(as_text=True)

    @property
    def title(self):
        return html.unescape(re.search(r"<h1>(.*?)</h1>", self.page)[1])

    @property
    def back(self):
        """What the app was told."""
        location = self.response.location or ""
        assert location.startswith(APP), (self.response.status_code, location or self.page)
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    def sign_in(self, identifier="lea", password="mot de passe"):
        self.submit(who="person")
        self.submit(identifier=identifier, password=password)
        return self.submit(code=self.world.sent[-1][1])

    def sign_in_as_professional(self):
        self.submit(who="professional")
        return self.follow(self.client.get(self.world.psc.sign_in(self.response.location)))

    def code(self, **asked):
        """The code that the app gets when a holder signs in and allows everything."""
        return self.authorize(**asked).sign_in().submit(answer="allow").back["code"]


def payload_of(token):
    """The claims of a token, unchecked."""
    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
