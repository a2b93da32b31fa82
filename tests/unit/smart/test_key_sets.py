"""Key sets: fetched in time, remembered as long as allowed, fetched again for a new key but not without end."""

import pytest
from joserfc.jwk import ECKey

from fhir_server.smart.key_sets import REFETCHES, KeySets
from tests.kit.outside import RSA, Wire

URL = "https://app.example/jwks"


class World:
    def __init__(self):
        self.now, self.wire, self.headers = 0.0, Wire(), {}
        self.key = ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)
        self.served = [self.key]
        self.wire.answers[URL] = lambda _: (
            200,
            {"keys": [each.as_dict(private=False) for each in self.served]},
            self.headers,
        )
        self.sets = KeySets(self.wire, lambda: self.now)

    def find(self, kid, alg="ES384"):
        return self.sets.candidates(kid, alg, jwks=None, jwks_uri=URL)


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({}, 60),
        ({"Cache-Control": "max-age=10"}, 10),
        ({"Cache-Control": 'private, max-age="30"'}, 30),
        ({"Cache-Control": "max-age=99999"}, 3600),
        ({"Cache-Control": "no-store"}, 0),
        ({"Cache-Control": "max-age=100, no-cache"}, 0),
    ],
)
def test_it_is_remembered_as_long_as_its_server_says(world, header, seconds):
    """SMART-K16."""
    world.headers = header
    assert 1 == len(world.find(world.key.kid))
    world.now += max(seconds - 1, 0)
    world.find(world.key.kid)
    assert (1 if seconds else 2) == len(world.wire.asked)
    world.now += 2
    world.find(world.key.kid)
    assert (2 if seconds else 3) == len(world.wire.asked)


def test_strangers_do_not_drive_our_requests(world):
    world.find(world.key.kid)
    for _ in range(100):
        assert [] == world.find("unheard-of")
    assert 1 + REFETCHES == len(world.wire.asked)
    world.now = 59
    assert 1 == len(world.find(world.key.kid)), "what is known stays known"


def test_a_key_is_taken_for_what_it_is_meant_for_alone(world):
    public = world.key.as_dict(private=False)
    good = {"keys": [public]}
    wrong = [
        {**public, "use": "enc"},
        {**public, "alg": "ES256"},
        {**public, "crv": "P-256"},
        {**public, "kty": "RSA"},
        world.key.as_dict(private=True),
        {"kid": public["kid"], "kty": "EC", "crv": "P-384"},
    ]
    assert 1 == len(world.sets.candidates(world.key.kid, "ES384", jwks=good, jwks_uri=None))
    for each in wrong:
        assert [] == world.sets.candidates(world.key.kid, "ES384", jwks={"keys": [each]}, jwks_uri=None)
    assert [] == world.sets.candidates(world.key.kid, "RS384", jwks=good, jwks_uri=None)
    assert [] == world.sets.candidates(world.key.kid, "ES384", jwks=None, jwks_uri=None)
    rsa = {"keys": [{**RSA.as_dict(private=False), "alg": "RS384"}]}
    assert 1 == len(world.sets.candidates(RSA.kid, "RS384", jwks=rsa, jwks_uri=None))
