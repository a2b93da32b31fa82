"""Accounts: how holders sign in, and how others do not (DMP-27 to DMP-30, DMP-156)."""

from datetime import timedelta

import pytest

from fhir_server.foundation.problem import Problem
from fhir_server.smart.accounts import Recipient
from tests.kit.smart import World


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    made.an_app()
    yield made
    made.smart.close()


def at_the_password(world):
    return world.browser().authorize().submit(who="person")


def test_every_sign_in_asks_for_a_new_code(world):
    # DMP-30
    world.a_holder()
    for _ in range(2):
        person = at_the_password(world).submit(identifier="lea", password="mot de passe")
        assert "Votre code de connexion" == person.title
        assert "Autoriser « L’app » ?" == person.submit(code=world.sent[-1][1]).title
    assert 2 == len(world.sent) and 6 == len(world.sent[0][1])
    account = world.smart.accounts.find("lea")
    assert Recipient(account.key, "Patient/p1", "p1", "mail", "lea@example.org", "fr") == world.sent[0][0]


def test_the_initial_password_must_be_changed_first_and_counts_once_the_code_is_entered(world):
    # DMP-28
    world.a_holder(must_change=True)
    person = at_the_password(world).submit(identifier="lea", password="mot de passe")
    assert "Choisissez votre mot de passe" == person.title and not world.sent
    assert (
        "Choisissez votre mot de passe"
        == person.get("/auth/code").submit(identifier="lea", password="mot de passe").title
    ), "the code page cannot be reached around it"
    for new, again, fault in (
        ("court", "court", "entre 10 et 200"),
        ("un nouveau mot", "un autre mot", "ne sont pas les mêmes"),
        ("mot de passe", "mot de passe", "un autre mot de passe que l’ancien"),
        ("mon nom est LEA", "mon nom est LEA", "sans votre identifiant"),
    ):
        assert fault in person.submit(password=new, again=again).page
    person.submit(password="un nouveau mot", again="un nouveau mot")
    assert world.smart.accounts.find("lea").must_change, "nothing is changed before the code is entered"
    assert "Vous êtes connecté" == person.submit(code=world.sent[-1][1]).title
    assert not world.smart.accounts.find("lea").must_change
    assert "pas le bon" in at_the_password(world).submit(identifier="lea", password="mot de passe").page
    person = at_the_password(world).submit(identifier="lea", password="un nouveau mot")
    assert "Votre code de connexion" == person.title


def test_a_code_is_good_once(world):
    world.a_holder()
    person = at_the_password(world).submit(identifier="lea", password="mot de passe")
    other = at_the_password(world)
    code = world.sent[-1][1]
    person.submit(code=code)
    other.submit(identifier="lea", password="mot de passe")
    assert "Votre code de connexion" == other.submit(code=code).title


def test_a_code_is_good_in_the_browser_that_asked_for_it_alone(world):
    world.a_holder()
    person = at_the_password(world).submit(identifier="lea", password="mot de passe")
    other = at_the_password(world).submit(identifier="lea", password="mot de passe")
    first, second = (code for _, code in world.sent)
    assert "plus valable" in person.submit(code=second).page
    assert "plus valable" in person.submit(code=first).page, "a new request ends the code before it"
    assert "Autoriser « L’app » ?" == other.submit(code=second).title


def test_a_code_ends_after_ten_minutes(world):
    world.a_holder()
    person = at_the_password(world).submit(identifier="lea", password="mot de passe")
    world.clock.ahead = timedelta(minutes=10, seconds=1)
    assert "plus valable" in person.submit(code=world.sent[-1][1]).page


def test_a_code_is_locked_after_three_failures_and_a_new_one_may_be_asked_for(world):
    # DMP-156
    world.a_holder()
    person = at_the_password(world).submit(identifier="lea", password="mot de passe")
    right = world.sent[-1][1]
    wrong = "000000" if right != "000000" else "111111"
    assert "pas le bon" in person.submit(code=wrong).page
    assert "pas le bon" in person.submit(code=wrong).page
    assert "plus valable" in person.submit(code=wrong).page
    assert "plus valable" in person.submit(code=right).page
    person.submit(1, again="yes")
    assert "Autoriser « L’app » ?" == person.submit(code=world.sent[-1][1]).title


def test_codes_are_not_sent_without_end(world):
    world.a_holder()
    person = at_the_password(world).submit(identifier="lea", password="mot de passe")
    for _ in range(4):
        person.submit(1, again="yes")
    assert 200 == person.response.status_code and 5 == len(world.sent)
    person.submit(1, again="yes")
    assert 429 == person.response.status_code and 5 == len(world.sent)


def test_known_and_unknown_identifiers_are_answered_alike(world):
    world.a_holder()
    pages = []
    for identifier in ("lea", "zoe"):
        person = at_the_password(world).submit(identifier=identifier, password="faux")
        pages.append(strip(person.page).replace(identifier, "xxx"))
    assert pages[0] == pages[1]
    for identifier in ("lea", "zoe"):
        answers = []
        for _ in range(3):
            person = at_the_password(world).submit(identifier=identifier, password="faux")
            answers.append((person.response.status_code, strip(person.page).replace(identifier, "xxx")))
        pages.append(answers)
    assert pages[2] == pages[3] and 429 == pages[2][-1][0]


def strip(page):
    import re

    return re.sub(r'name="(csrf|r)" value="[^"]*"|\?r=[^"&]*', "", page)


def test_three_failures_lock_an_address_out_and_nobody_else(world):
    # DMP-156
    world.a_holder()
    for _ in range(4):
        person = at_the_password(world).submit(identifier="LEA ", password="faux")
    assert 429 == person.response.status_code and "Trop d’essais" in person.page
    assert int(person.response.headers["Retry-After"]) > 0
    assert 429 == at_the_password(world).submit(identifier="lea", password="mot de passe").response.status_code
    elsewhere = world.browser()
    elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    elsewhere.authorize().submit(who="person").submit(identifier="lea", password="mot de passe")
    assert "Votre code de connexion" == elsewhere.title
    assert 3 == world.smart.security.counts["sign-in failed"]


def test_a_right_password_forgives_the_wrong_ones(world):
    world.a_holder()
    for _ in range(3):
        at_the_password(world).submit(identifier="lea", password="faux")
        at_the_password(world).submit(identifier="lea", password="faux")
        person = at_the_password(world).submit(identifier="lea", password="mot de passe")
        assert "Votre code de connexion" == person.title


def test_a_disabled_account_is_no_account(world):
    account = world.a_holder()
    world.smart.records.accounts.change(account.key, set__disabled=True)
    assert "pas le bon" in at_the_password(world).submit(identifier="lea", password="mot de passe").page


def test_an_identifier_is_given_once(world):
    assert world.a_holder() is not None
    assert world.a_holder("LEA") is None


def test_a_sign_in_without_an_app_goes_on_to_a_page_of_ours(world):
    world.a_holder()
    person = world.browser().get("/auth/sign-in?next=/espace/consentements").sign_in()
    assert "/espace/consentements" == person.response.request.path


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example/", "https://evil.example/", "/%5Cevil.example", "/%09/evil.example", "%0A//evil.example"],
)
def test_a_sign_in_goes_on_to_nowhere_else(world, elsewhere):
    world.a_holder()
    assert "Vous êtes connecté" == world.browser().get(f"/auth/sign-in?next={elsewhere}").sign_in().title


def test_signing_in_again_ends_the_sign_in_before(world):
    world.a_holder()
    person = world.browser()
    told = world.exchange(person.code()).json
    assert "p1" == world.principal(told["access_token"]).patient
    person.authorize(prompt="login").sign_in()
    with pytest.raises(Problem):
        world.principal(told["access_token"])


def test_half_an_hour_without_a_word_ends_a_sign_in_for_the_browser(world):
    world.a_holder()
    person = world.browser().authorize().sign_in()
    world.clock.ahead = timedelta(minutes=31)
    assert "Qui êtes-vous ?" == person.authorize().title


def test_a_hundred_failures_from_one_address_do_not_stop_the_holder_at_another(world):
    # DMP-156
    world.a_holder()
    stranger = world.browser()
    stranger.client.environ_base["REMOTE_ADDR"] = "192.0.2.66"
    stranger.get("/auth/password")
    page = stranger.response
    told = []
    for number in range(101):
        stranger.response = page
        whom = "lea" if number < 3 else f"somebody {number}"
        told.append(stranger.submit(identifier=whom, password="faux").response.status_code)
    assert [200] * 100 + [429] == told
    stranger.response = page
    assert 429 == stranger.submit(identifier="lea", password="mot de passe").response.status_code
    person = at_the_password(world).submit(identifier="lea", password="mot de passe")
    assert "Autoriser « L’app » ?" == person.submit(code=world.sent[-1][1]).title


def test_who_knows_the_password_keeps_nobody_from_a_code_at_another_address(world):
    # DMP-30: what is counted of codes is counted of an address
    world.a_holder()
    stranger = at_the_password(world)
    stranger.submit(identifier="lea", password="mot de passe")
    for _ in range(5):
        stranger.submit(1, again="yes")
    assert 429 == stranger.response.status_code
    holder = world.browser()
    holder.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    holder.authorize().submit(who="person").submit(identifier="lea", password="mot de passe")
    assert "Autoriser « L’app » ?" == holder.submit(code=world.sent[-1][1]).title


def test_a_household_has_one_ipv6_network_and_not_two_to_the_sixty_four_addresses(world):
    world.a_holder()
    for number in range(4):
        person = world.browser()
        person.client.environ_base["REMOTE_ADDR"] = f"2001:db8:0:1::{number + 1}"
        person.authorize().submit(who="person").submit(identifier="lea", password="faux")
    assert 429 == person.response.status_code
    neighbour = world.browser()
    neighbour.client.environ_base["REMOTE_ADDR"] = "2001:db8:0:2::1"
    neighbour.authorize().submit(who="person").submit(identifier="lea", password="mot de passe")
    assert "Votre code de connexion" == neighbour.title


def test_the_same_identifiers_serve_the_site_and_the_mobile_application(world):
    # DMP-29
    world.a_holder()
    world.an_app("symmetric", client_id="site")
    for client in ("app", "site"):
        person = world.browser().authorize(client_id=client).submit(who="person")
        person.submit(identifier="lea", password="mot de passe").submit(code=world.sent[-1][1])
        assert "Autoriser « L’app » ?" == person.title
    assert 2 == len(world.sent)
