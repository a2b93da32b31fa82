"""What stands around the OAuth server: leases, a directory, a clock, the network, Pro Santé Connect."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import RSAKey

from fhir_server.foundation.predicate import Has
from fhir_server.foundation.problem import bad_request
from fhir_server.smart.directory import Insured

PSC = "http://localhost:1/psc"
INS = "255069999999934"
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
    """Dr Diallo at the CHU, whose legal entity is org:1EJ; patients p1 and p2, p1 with a carte Vitale."""

    def __init__(self):
        self.known = {INS: Insured("p1", "Léa Martin", "lea@example.org", "Léa Martin\n38000 Grenoble", "fr", True)}

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

    def insured(self, number):
        return self.known.get(number)


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
                response.raw = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
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
    if [name for name, _ in pairs] != ["category"]:
        raise bad_request("unknown")
    return Has("token", f"{type_}.category={pairs[0][1]}")
