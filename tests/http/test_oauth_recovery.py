"""Recovery: a forgotten password or identifier, without telling anybody who is known (DMP-28, DMP-30, DMP-156)."""

import re
from datetime import timedelta

import pytest

from fhir_server.foundation.problem import Problem
from tests.kit.smart import INS, World


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    made.an_app()
    made.a_holder()
    yield made
    made.smart.close()


def forgotten(world, identifier="lea", number=INS):
    return world.browser().get("/auth/forgotten-password").submit(identifier=identifier, number=number)


def at_the_password(world):
    return world.browser().authorize().submit(who="person")


def strip(page):
    return re.sub(r'name="(csrf|r)" value="[^"]*"|\?r=[^"&]*', "", page)


def test_a_forgotten_password_is_chosen_anew_and_signing_in_with_it_asks_for_a_code(world):
    # DMP-30: nothing replaces the code of a sign-in
    person = forgotten(world)
    recipient, code = world.sent[-1]
    assert ("recovery", "mail", "lea@example.org") == (recipient.what, recipient.channel, recipient.address)
    assert "Choisissez votre mot de passe" == person.submit(code=code).title
    assert "ne sont pas les mêmes" in person.submit(password="un nouveau mot", again="un autre mot").page
    assert "Mot de passe changé" == person.submit(password="un nouveau mot", again="un nouveau mot").title
    assert "password-changed" == world.sent[-1][0].what
    assert "pas le bon" in at_the_password(world).submit(identifier="lea", password="mot de passe").page
    person = at_the_password(world).submit(identifier="lea", password="un nouveau mot")
    assert "Votre code de connexion" == person.title
    assert "Autoriser « L’app » ?" == person.submit(code=world.sent[-1][1]).title


def test_a_new_password_ends_every_sign_in_that_was_made_with_the_old_one(world):
    told = world.exchange(world.browser().code()).json
    person = forgotten(world)
    person.submit(code=world.sent[-1][1]).submit(password="un nouveau mot", again="un nouveau mot")
    with pytest.raises(Problem):
        world.principal(told["access_token"])


def test_a_recovered_password_is_set_once(world):
    person = forgotten(world)
    person.submit(code=world.sent[-1][1]).submit(password="un nouveau mot", again="un nouveau mot")
    assert "Mot de passe oublié" == person.get("/auth/recovered-password").title


@pytest.mark.parametrize(("identifier", "number"), [("zoe", INS), ("lea", "1" * 15), ("zoe", "1" * 15)])
def test_who_is_known_is_answered_as_who_is_not(world, identifier, number):
    def walked(*who):
        person = forgotten(world, *who)
        seen = [strip(person.page)]
        seen += [strip(person.submit(code="000000x").page) for _ in range(4)]
        return seen

    assert walked("lea", INS) == walked(identifier, number)
    assert "nobody" == world.sent[-1][0].channel


def test_a_recovery_code_is_good_once_in_its_browser_for_ten_minutes_and_three_tries(world):
    # DMP-156
    person, other = forgotten(world), world.browser().get("/auth/recovery-code")
    code = world.sent[-1][1]
    assert "Mot de passe oublié" == other.title
    for _ in range(2):
        assert "pas le bon" in person.submit(code="x").page
    assert "plus valable" in person.submit(code="x").page
    assert "plus valable" in person.submit(code=code).page
    person = forgotten(world)
    code = world.sent[-1][1]
    world.clock.ahead = timedelta(minutes=10, seconds=1)
    assert "plus valable" in person.submit(code=code).page


def test_asking_for_a_new_password_ends_no_code_of_a_sign_in(world):
    # a stranger who knows an identifier must not be able to keep its holder out
    person = at_the_password(world).submit(identifier="lea", password="mot de passe")
    code = world.sent[-1][1]
    forgotten(world)
    assert "Autoriser « L’app » ?" == person.submit(code=code).title


def test_a_new_code_ends_the_one_before(world):
    person = forgotten(world)
    first = world.sent[-1][1]
    person.get("/auth/forgotten-password").submit(identifier="lea", number=INS)
    second = world.sent[-1][1]
    if first != second:
        assert "pas le bon" in person.submit(code=first).page
    assert "Choisissez votre mot de passe" == person.submit(code=second).title


def test_recovery_codes_are_not_sent_without_end_and_an_address_locks_out_itself_alone(world):
    for _ in range(4):
        person = forgotten(world)
    assert 429 == person.response.status_code and 3 == len(world.sent)
    elsewhere = world.browser()
    elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    elsewhere.get("/auth/forgotten-password").submit(identifier="lea", number=INS)
    assert "Code pour changer de mot de passe" == elsewhere.title and "mail" == world.sent[-1][0].channel


def test_a_forgotten_identifier_is_sent_to_where_the_codes_go(world):
    person = world.browser().get("/auth/forgotten-identifier").submit(number=INS, contact="lea@EXAMPLE.org ")
    recipient, told = world.sent[-1]
    assert ("identifier", "lea@example.org", "lea") == (recipient.what, recipient.address, told)
    assert "lea" not in strip(person.page).lower().replace("lea@", "")


def test_an_identifier_is_sent_to_no_address_that_is_not_the_accounts(world):
    pages = set()
    for number, contact in (
        (INS, "lea@example.org"),
        (INS, "eve@example.org"),
        ("1" * 15, "lea@example.org"),
        ("", ""),
    ):
        pages.add(strip(world.browser().get("/auth/forgotten-identifier").submit(number=number, contact=contact).page))
    assert 1 == len(pages)
    assert ["mail", "nobody", "nobody", "nobody"] == [recipient.channel for recipient, _ in world.sent]


def test_a_disabled_account_is_recovered_by_nobody(world):
    world.smart.records.accounts.change(world.smart.accounts.find("lea").key, set__disabled=True)
    forgotten(world)
    assert "nobody" == world.sent[-1][0].channel


def test_an_answer_that_must_not_tell_who_is_known_waits_until_the_work_is_done_for_either(world, monkeypatch):
    from fhir_server.http import account_pages

    waited = []
    monkeypatch.setattr(account_pages, "sleep", waited.append)
    world.app.config["NO_SOONER"] = 60
    forgotten(world)
    world.browser().get("/auth/forgotten-identifier").submit(number=INS, contact="lea@example.org")
    world.browser().get("/auth/creation-code").submit(number=INS, way="mail")
    world.browser().get("/auth/opening").submit(number=INS, code="x", contact="lea@example.org")
    assert [True] * 4 == [0 < each <= 60 for each in waited]


def test_each_form_of_recovery_must_come_from_its_page(world):
    for path in ("forgotten-password", "recovery-code", "recovered-password", "forgotten-identifier", "authenticator"):
        assert 403 == world.browser().client.post(f"/auth/{path}", data={"csrf": "x"}).status_code
