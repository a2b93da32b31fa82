"""Authenticator: TOTP is asked for after the one-time code, never in its place (DMP-30; RFC 6238)."""

import html
import re
from datetime import timedelta

import pyotp
import pytest

from tests.kit.smart import World


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    made.an_app()
    made.a_holder()
    yield made
    made.smart.close()


def now(world, secret, steps=0):
    return pyotp.TOTP(secret).at(world.clock() + timedelta(seconds=30 * steps))


def added(world):
    """A holder who is signed in and has added an authenticator; its secret."""
    person = world.browser().get("/auth/sign-in?next=/auth/authenticator").sign_in()
    secret = re.search(r"<code>([A-Z2-7]{32})</code>", person.page)[1]
    assert "sera demandée à chaque connexion" in person.submit(code=now(world, secret, -1)).page
    return person, secret


def at_the_code(world):
    return world.browser().authorize().submit(who="person").submit(identifier="lea", password="mot de passe")


def test_an_authenticator_is_asked_for_after_the_one_time_code_and_not_in_its_place(world):
    # DMP-30
    _, secret = added(world)
    sent = len(world.sent)
    person = at_the_code(world)
    assert "Votre code de connexion" == person.title and sent + 1 == len(world.sent), "the code is sent all the same"
    assert "pas le bon" in person.submit(code=now(world, secret)).page, "one is not the other"
    person.submit(code=world.sent[-1][1])
    assert "Code de votre application" == person.title
    assert "Autoriser « L’app » ?" == person.submit(code=now(world, secret)).title


def test_the_page_of_the_authenticator_is_reached_by_way_of_the_code_alone(world):
    # DMP-30
    _, secret = added(world)
    person = at_the_code(world)
    code = world.sent[-1][1]
    assert "Votre identifiant et votre mot de passe" == person.get("/auth/authenticator-code").title
    person.get("/auth/code").submit(code=code)
    other = world.browser().get("/auth/password").submit(identifier="lea", password="mot de passe")
    csrf = re.search(r'name="csrf" value="([^"]*)"', other.page)[1]
    other.follow(other.client.post("/auth/authenticator-code", data={"csrf": csrf, "code": now(world, secret)}))
    assert "Votre identifiant et votre mot de passe" == other.title
    person.get("/auth/password").submit(identifier="lea", password="mot de passe")
    assert "Votre identifiant et votre mot de passe" == person.get("/auth/authenticator-code").title, "begun anew"


def test_a_code_of_the_authenticator_is_good_once(world):
    _, secret = added(world)
    code = now(world, secret)
    at_the_code(world).submit(code=world.sent[-1][1]).submit(code=code)
    person = at_the_code(world).submit(code=world.sent[-1][1])
    assert "a déjà servi" in person.submit(code=code).page
    assert "a déjà servi" in person.submit(code=now(world, secret, -1)).page, "nor is one from before it"


def test_three_wrong_codes_lock_an_address_out_and_nobody_else(world):
    # DMP-156
    _, secret = added(world)
    person = at_the_code(world).submit(code=world.sent[-1][1])
    for _ in range(3):
        assert "pas le bon" in person.submit(code="000000x").page
    page = person.response
    assert 429 == person.submit(code=now(world, secret)).response.status_code
    person.response = page
    elsewhere = world.browser()
    elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    elsewhere.authorize().submit(who="person").submit(identifier="lea", password="mot de passe")
    elsewhere.submit(code=world.sent[-1][1]).submit(code=now(world, secret))
    assert "Autoriser « L’app » ?" == elsewhere.title


def test_an_authenticator_is_added_when_its_first_code_proves_it(world):
    person = world.browser().get("/auth/sign-in?next=/auth/authenticator").sign_in()
    assert "<svg" in person.page and 'role="img"' in person.page
    address = html.unescape(re.search(r'href="(otpauth:[^"]*)"', person.page)[1])
    parsed = pyotp.parse_uri(address)
    assert ("DMP", "lea") == (parsed.issuer, parsed.name)
    assert "pas le bon" in person.submit(code="000000x").page
    assert world.smart.accounts.find("lea").authenticator is None
    assert parsed.secret in person.page, "the same one is offered again"
    person.submit(code=now(world, parsed.secret))
    assert parsed.secret == world.smart.accounts.find("lea").authenticator
    assert "authenticator" == world.sent[-1][0].what, "the holder is told"
    assert parsed.secret not in person.get("/auth/authenticator").page, "it is shown no more"


def test_an_authenticator_is_taken_away_with_one_of_its_codes(world):
    person, secret = added(world)
    assert "pas le bon" in person.get("/auth/authenticator").submit(code="000000x").page
    assert world.smart.accounts.find("lea").authenticator
    assert "n’est plus demandée" in person.submit(code=now(world, secret)).page
    assert "authenticator" == world.sent[-1][0].what
    assert "Autoriser « L’app » ?" == at_the_code(world).submit(code=world.sent[-1][1]).title


def test_nobody_adds_an_authenticator_without_having_signed_in(world):
    assert "Qui êtes-vous ?" == world.browser().get("/auth/authenticator").title
    professional = world.browser().authorize(scope="openid user/*.rs").sign_in_as_professional()
    assert "Qui êtes-vous ?" != professional.title
    assert 403 == professional.get("/auth/authenticator").response.status_code


def test_a_new_password_takes_no_authenticator_away(world):
    from tests.kit.smart import INS

    _, secret = added(world)
    person = world.browser().get("/auth/forgotten-password").submit(identifier="lea", number=INS)
    person.submit(code=world.sent[-1][1]).submit(password="un nouveau mot", again="un nouveau mot")
    person = world.browser().authorize().submit(who="person").submit(identifier="lea", password="un nouveau mot")
    assert "Code de votre application" == person.submit(code=world.sent[-1][1]).title
    assert "Autoriser « L’app » ?" == person.submit(code=now(world, secret)).title
