"""Clients: what can be registered, and what cannot."""

import warnings
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher
from joserfc.jwk import ECKey, RSAKey

from fhir_server.foundation.principal import Kind
from fhir_server.smart.clients import Clients, RegistrationFault, is_safe_url

KEY = ECKey.generate_key("P-384", auto_kid=True)
P_256 = ECKey.generate_key("P-256", auto_kid=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SHORT = RSAKey.generate_key(1024, auto_kid=True)
JWKS = {"keys": [KEY.as_dict(private=False)]}
APP = {"redirect_uris": ("https://app.example/cb",), "scope": "openid patient/*.rs"}


@pytest.fixture
def clients():
    taken = {}

    def insert(**values):
        if values["key"] in taken:
            return None
        taken[values["key"]] = SimpleNamespace(**values)
        return taken[values["key"]]

    def change(key, where=None, **updates):
        found = taken.get(key)
        if found is None or any(getattr(found, name) != value for name, value in (where or {}).items()):
            return None
        for name, value in updates.items():
            setattr(found, name.removeprefix("set__"), value)
        return found

    kept = SimpleNamespace(clients=SimpleNamespace(insert=insert, change=change, all=lambda: list(taken.values())))
    changed = []
    made = Clients(kept, SimpleNamespace(client_changed=changed.append), lambda: datetime.now(UTC))
    return made, changed


def test_a_secret_is_drawn_shown_once_and_kept_as_a_hash(clients):
    made, secret = clients[0].add("symmetric", **APP)
    assert len(secret) >= 32 and secret not in made.secret and PasswordHasher().verify(made.secret, secret)
    other = clients[0].rotate(made.key)
    assert secret != other and PasswordHasher().verify(made.secret, other)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("public", {}),
        ("public", {"redirect_uris": ("http://127.0.0.1:8000/cb", "com.example.app:/cb")}),
        ("asymmetric", {"jwks": JWKS}),
        ("asymmetric", {"jwks_uri": "https://app.example/jwks"}),
    ],
)
def test_an_app_without_a_secret_gets_none(clients, kind, more):
    made, secret = clients[0].add(kind, client_id="a", **{**APP, **more})
    assert ("a", None, None) == (made.key, made.secret, secret)
    assert clients[0].rotate("a") is None


def test_a_system_says_as_what_it_acts(clients):
    made, _ = clients[0].add("backend", acts_as=Kind.ESTABLISHMENT, scope="system/*.cus", jwks=JWKS)
    assert "establishment" == made.acts_as
    made, _ = clients[0].add("backend", acts_as="reception", scope="system/*.cus", jwks=JWKS)
    assert "reception" == made.acts_as


@pytest.mark.parametrize(
    ("kind", "more", "why"),
    [
        ("secret", {}, "no kind of client"),
        ("public", {"redirect_uris": ()}, "at least one redirect"),
        ("public", {"redirect_uris": ("http://app.example/cb",)}, "no redirect URI"),
        ("public", {"redirect_uris": ("https://app.example/cb#x",)}, "no redirect URI"),
        ("public", {"redirect_uris": ("https://*.example/cb",)}, "no redirect URI"),
        ("public", {"redirect_uris": ("https://me@app.example/cb",)}, "no redirect URI"),
        ("public", {"redirect_uris": ("javascript:alert(1)",)}, "no redirect URI"),
        ("public", {"redirect_uris": ("/cb",)}, "no redirect URI"),
        ("public", {"scope": "patient/Foo.rs"}, "no scope"),
        ("public", {"scope": "unheard-of"}, "no scope"),
        ("public", {"scope": "system/*.rs"}, "for this kind"),
        ("backend", {"acts_as": "establishment", "jwks": JWKS}, "no scope"),
        ("backend", {"acts_as": "establishment", "jwks": JWKS, "scope": "user/*.rs"}, "for this kind"),
        ("backend", {"acts_as": "insurer", "jwks": JWKS, "scope": "system/*.rs"}, "acts as one of"),
        ("backend", {"acts_as": None, "jwks": JWKS, "scope": "system/*.rs"}, "acts as one of"),
        ("backend", {"acts_as": "holder", "jwks": JWKS, "scope": "system/*.rs"}, "acts as one of"),
        ("asymmetric", {}, "by value or by URL"),
        ("asymmetric", {"jwks": JWKS, "jwks_uri": "https://app.example/jwks"}, "by value or by URL"),
        ("asymmetric", {"jwks_uri": "http://app.example/jwks"}, "no address"),
        ("asymmetric", {"jwks": {"keys": []}}, "cannot be read"),
        ("asymmetric", {"jwks": {"keys": [{"kty": "EC"}]}}, "cannot be read"),
        ("asymmetric", {"jwks": {"keys": [KEY.as_dict(private=True)]}}, "private key"),
        (
            "asymmetric",
            {"jwks": {"keys": [{n: v for n, v in JWKS["keys"][0].items() if n != "kid"}]}},
            "ES384 or RS384",
        ),
        ("asymmetric", {"jwks": {"keys": [{**JWKS["keys"][0], "use": "enc"}]}}, "ES384 or RS384"),
        ("asymmetric", {"jwks": {"keys": [P_256.as_dict(private=False)]}}, "ES384 or RS384"),
        ("asymmetric", {"jwks": {"keys": [SHORT.as_dict(private=False)]}}, "ES384 or RS384"),
    ],
)
def test_what_would_not_be_safe_or_work_is_not_registered(clients, kind, more, why):
    with pytest.raises(RegistrationFault, match=why):
        clients[0].add(kind, **{**APP, **more})


def test_a_client_id_is_given_once(clients):
    clients[0].add("public", client_id="a", **APP)
    with pytest.raises(RegistrationFault, match="already"):
        clients[0].add("public", client_id="a", **APP)
    assert 1 == len(clients[0].list())


def test_disabling_is_told_to_every_worker(clients):
    clients[0].add("public", client_id="a", **APP)
    assert clients[0].disable("a") and clients[0].enable("a") and not clients[0].disable("b")
    assert ["a", "a", "b"] == clients[1]


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example/x", True),
        ("http://127.0.0.1:80/x", True),
        ("http://localhost/x", True),
        ("http://[::1]/x", True),
        ("http://a.example/x", False),
        ("http://127.0.0.1.evil.example/x", False),
        ("ftp://localhost/x", False),
        ("https://", False),
        ("", False),
    ],
)
def test_addresses_are_https_or_of_this_machine(url, safe):
    assert safe is is_safe_url(url)
