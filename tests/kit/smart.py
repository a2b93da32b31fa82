"""A world of people, apps and systems around the OAuth server: who signs in, who refuses, what is told and sent."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_server.foundation.predicate import Has
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.foundation.problem import bad_request
from fhir_server.http import oauth, sign_in
from fhir_server.http.browser import Browser
from fhir_server.smart.psc import Provider
from fhir_server.smart.server import Config, Smart, build

ORIGIN = "http://localhost"
BASE = f"{ORIGIN}/fhir"
TOKEN = f"{ORIGIN}/auth/token"
PSC = "http://localhost:1/psc"
APP = "https://app.example/callback?here=1"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
INS = "255069999999934"
PATIENT_SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"
USER_SCOPE = "openid fhirUser user/Patient.rs user/DocumentReference.cruds"
ALLOWED = (
    "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access "
    "patient/*.cruds user/*.cruds"
)

# drawn once: an RSA key costs a second
RSA = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)


class Freshness:
    """One worker that hears at once of what ends."""

    def __init__(self):
        self.callbacks, self.told, self.settled, self.checks = {}, [], [], 0

    def on(self, kind, callback):
        self.callbacks.setdefault(kind, []).append(callback)

    def check(self):
        self.checks += 1

    def bump(self, kind, key):
        self.told.append((kind, key))
        return len(self.told)

    def settle(self, number):
        kind, key = self.told[number - 1]
        for callback in self.callbacks.get(kind, []):
            callback(key)
        self.settled.append(number)


class Directory:
    """Dr Diallo at the CHU, whose legal entity is org:1EJ; patients p1 and p2."""

    def practitioner(self, key):
        return {"ps:899700000001": ("Practitioner/diallo", "Awa Diallo")}.get(key)

    def organization(self, key):
        if key in ("org:1750000001", "Organization/chu"):
            return (
                "Organization/chu",
                "CHU",
                frozenset({"org:1750000001", "Organization/chu", "org:1EJ", "Organization/ej"}),
            )
        return None

    def patient_by_ins(self, system, value):
        return "p1" if (system, value) == ("urn:oid:1.2.250.1.213.1.4.10", INS) else None

    def patient_exists(self, patient):
        return patient in ("p1", "p2")


class Clock:
    """The protocol clock, which tests may move."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


class Wire:
    """Requests without a network: addresses to functions of the prepared request."""

    def __init__(self):
        self.answers, self.asked = {}, []

    def __call__(self):
        session = requests.Session()
        session.mount("http://", self.adapter())
        session.mount("https://", self.adapter())
        return session

    def adapter(self):
        wire = self

        class Adapter(requests.adapters.BaseAdapter):
            def send(self, request, **more):
                wire.asked.append((request.url, more.get("timeout")))
                answer = wire.answers.get(request.url.partition("?")[0])
                if answer is None:
                    raise requests.ConnectionError("nobody is there")
                status, body, headers = answer(request)
                response = requests.Response()
                response.status_code, response.url, response.request = status, request.url, request
                response.headers.update(headers)
                response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
                return response

            def close(self):
                pass

        return Adapter()


class Psc:
    """Pro Santé Connect on the wire: signs in whoever `claims` says, if all that must be sent was sent."""

    def __init__(self, wire, clock):
        self.key = RSA
        self.clock, self.claims, self.changed, self.codes = clock, professional(), {}, {}
        wire.answers |= {
            f"{PSC}/.well-known/openid-configuration": lambda _: (200, self.configuration(), {}),
            f"{PSC}/jwks": lambda _: (200, {"keys": [self.key.as_dict(private=False)]}, {}),
            f"{PSC}/token": self.token,
            f"{PSC}/userinfo": self.userinfo,
        }

    def configuration(self):
        return {
            "issuer": PSC,
            "authorization_endpoint": f"{PSC}/auth",
            "token_endpoint": f"{PSC}/token",
            "userinfo_endpoint": f"{PSC}/userinfo",
            "jwks_uri": f"{PSC}/jwks",
        }

    def sign_in(self, location):
        """What the provider answers to the browser that came with this address."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert "S256" == asked["code_challenge_method"]
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return f"/auth/callback?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, request):
        form = {name: values[0] for name, values in parse_qs(request.body).items()}
        asked = self.codes.pop(form["code"])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        assert asked["code_challenge"] == challenge.decode().rstrip("=")
        assert request.headers["Authorization"].startswith("Basic ")
        now = int(self.clock().timestamp())
        claims = {"iss": PSC, "aud": "dmp", "sub": self.claims["sub"], "iat": now, "exp": now + 60}
        claims |= {"nonce": asked["nonce"]} | self.changed
        header = {"alg": "RS256", "kid": self.key.kid}
        return 200, {"access_token": "a", "id_token": jwt.encode(header, claims, self.key)}, {}

    def userinfo(self, request):
        assert "Bearer a" == request.headers["Authorization"]
        return 200, self.claims, {}


def professional(**changed):
    """The claims of Dr Diallo, general practitioner at the CHU, who may regulate."""
    return {
        "sub": "f:1:899700000001",
        "SubjectNameID": "899700000001",
        "preferred_username": "899700000001",
        "given_name": "Awa",
        "family_name": "Diallo",
        "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"],
        "Secteur_Activite": "SA01^1.2.250.1.71.4.2.4",
        "SubjectOrganization": "CHU",
        "SubjectOrganizationID": "F750000001",
        "Mode_Acces_Raison": "",
        "Acces_Regulation_Medicale": "FAUX",
        "SubjectRefPro": {"exercices": [{"codeProfession": "10", "codeSavoirFaire": "SM26", "activities": []}]},
        **changed,
    }


def compile_(type_, pairs):
    """A search compiler that knows `category` and nothing else."""
    for name, value in pairs:
        if name != "category":
            raise bad_request("unknown")
        return Has("token", f"{type_}.category={value}")


class World:
    """Everything wired, on a real database; `browser()` gives a browser, `told` what the ledger heard."""

    def __init__(self, mongo_uri, database, alias="smart-tests", issuer=ORIGIN):
        self.clock, self.freshness, self.wire = Clock(), Freshness(), Wire()
        self.psc = Psc(self.wire, self.clock)
        self.told, self.sent, self.refused = [], [], {}
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
            kind, client_id=client_id, name="L’app", redirect_uris=(APP, "https://app.example/other"), scope=scope, **more
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

    def exchange(self, code, client_id="app", **changed):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": APP,
            "code_verifier": VERIFIER,
            "client_id": client_id,
        }
        return self.token(**{name: value for name, value in (form | changed).items() if value is not None})

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
