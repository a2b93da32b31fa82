"""Opening: creation code and carte Vitale, then identifiers that are shown once (DMP-20, DMP-23 to DMP-28, DMP-90)."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from pypdf import PdfReader

from tests.kit.smart import INS, World


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    made.an_app()
    yield made
    made.smart.close()


def at_the_opening(world):
    return world.browser().get("/auth/opening")


def a_creation_code(world, way="mail", number=INS):
    world.browser().get("/auth/creation-code").submit(number=number, way=way)
    return world.sent[-1]


def opened(world, contact="lea@example.org", **more):
    _, code = a_creation_code(world)
    return at_the_opening(world).submit(number=INS, code=code, contact=contact, **more)


def shown(person):
    import re

    return re.findall(r"<dd><code>(.*?)</code></dd>", person.page)


def test_a_holder_comes_by_identifiers_with_the_carte_vitale_and_a_creation_code(world):
    # DMP-20, DMP-23, DMP-25, DMP-27, DMP-28
    person = opened(world, contact="06 39 98 00 01")
    assert "Vos identifiants" == person.title and "+33639980001" in person.page
    identifier, password = shown(person)
    person = world.browser().authorize().submit(who="person").submit(identifier=identifier, password=password)
    assert "Choisissez votre mot de passe" == person.title
    person.submit(password="un mot à moi", again="un mot à moi")
    recipient, code = world.sent[-1]
    assert ("text", "+33639980001", "otp") == (recipient.channel, recipient.address, recipient.what)
    assert "Autoriser « L’app » ?" == person.submit(code=code).title
    assert "Patient/p1" == world.smart.accounts.find(identifier).reference


def test_the_identifiers_are_a_pdf_too_that_says_its_title_and_its_language(world):
    # DMP-27
    person = opened(world)
    identifier, password = shown(person)
    response = person.submit().response
    assert (200, "application/pdf") == (response.status_code, response.content_type)
    assert "attachment" in response.headers["Content-Disposition"] and "no-store" == response.headers["Cache-Control"]
    read = PdfReader(io.BytesIO(response.data))
    assert "Vos identifiants" == read.metadata.title and "fr" == read.trailer["/Root"]["/Lang"]
    assert read.trailer["/Root"]["/ViewerPreferences"]["/DisplayDocTitle"] in (True, "true")
    text = read.pages[0].extract_text()
    assert identifier in text and password in text and "choisir un autre mot de passe" in text


def test_the_identifiers_are_shown_once(world):
    # DMP-27
    _, code = a_creation_code(world)
    person = at_the_opening(world).submit(number=INS, code=code, contact="lea@example.org")
    _, password = shown(person)
    again = at_the_opening(world).submit(number=INS, code=code, contact="lea@example.org")
    assert "n’est plus valable" in again.page and password not in again.page
    assert password not in person.get("/auth/opening").page


def test_a_pdf_is_made_of_nothing_but_the_identifiers_that_hold(world):
    person = opened(world)
    page = person.response
    identifier, password = shown(person)
    assert 400 == person.submit(password="un-autre-mot").response.status_code
    person.response = page
    assert 400 == person.submit(identifier="quelqu-un").response.status_code
    elsewhere = world.browser().get("/auth/password")
    csrf = elsewhere.page.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": csrf, "identifier": identifier, "password": password}
    assert 400 == elsewhere.client.post("/auth/identifiers.pdf", data=form).status_code, "another browser"
    assert 403 == elsewhere.client.post("/auth/identifiers.pdf", data={**form, "csrf": "x"}).status_code


@pytest.mark.parametrize(
    ("way", "channel", "address", "told"),
    [("mail", "mail", "lea@example.org", "2 heures"), ("post", "post", "Léa Martin\n38000 Grenoble", "10 jours")],
)
def test_the_code_is_asked_for_again_by_mail_or_by_post_and_the_delay_is_told(world, way, channel, address, told):
    # DMP-24
    person = world.browser().get("/auth/creation-code")
    assert "2 heures" in person.page and "10 jours" in person.page
    person.submit(number=INS, way=way)
    assert told in person.page and "60 jours" in person.page
    recipient, code = world.sent[-1]
    assert (channel, address, "creation") == (recipient.channel, recipient.address, recipient.what)
    assert code not in person.page
    assert "Vos identifiants" == at_the_opening(world).submit(number=INS, code=code, contact="a@b.example").title


def test_a_code_in_the_post_stays_good_when_another_is_asked_for(world):
    # DMP-24: whoever knows a number must not be able to end the code of its holder
    _, letter = a_creation_code(world, "post")
    for _ in range(2):
        a_creation_code(world)
    assert "creation" == world.sent[-1][0].what and "mail" == world.sent[-1][0].channel
    assert "Vos identifiants" == at_the_opening(world).submit(number=INS, code=letter, contact="a@b.example").title


def test_no_more_codes_are_sent_while_three_are_on_their_way(world):
    for _ in range(3):
        a_creation_code(world)
    elsewhere = world.browser()
    elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    answered = elsewhere.get("/auth/creation-code").submit(number=INS, way="mail")
    assert 200 == answered.response.status_code and "nobody" == world.sent[-1][0].channel


def test_a_creation_code_is_good_for_sixty_days(world):
    _, code = a_creation_code(world)
    world.clock.ahead = timedelta(days=60, seconds=1)
    assert "n’est plus valable" in at_the_opening(world).submit(number=INS, code=code, contact="a@b.example").page


def test_a_code_is_good_with_its_own_carte_vitale_alone_and_may_be_typed_as_it_is_read(world):
    # DMP-23
    world.smart.directory.known["1" * 15] = replace(world.smart.directory.known[INS], patient="p2")
    _, code = a_creation_code(world)
    assert "n’est pas le bon" in at_the_opening(world).submit(number="1" * 15, code=code, contact="a@b.example").page
    typed = code.lower().replace("-", " ")
    spaced = " ".join((INS[:1], INS[1:7], INS[7:]))
    assert "Vos identifiants" == at_the_opening(world).submit(number=spaced, code=typed, contact="a@b.example").title


@pytest.mark.parametrize("contact", ["", "lea", "lea@exemple", "01 23 45 67 89", "a@b.example\nBcc: c@d.example"])
def test_an_address_that_no_code_would_reach_is_refused_before_the_code_is_used_up(world, contact):
    # DMP-25
    _, code = a_creation_code(world)
    person = at_the_opening(world).submit(number=INS, code=code, contact=contact)
    assert "Indiquez une adresse e-mail ou un numéro de mobile" in person.page
    assert "Vos identifiants" == person.submit(contact="lea@example.org").title


def test_minors_and_those_the_scheme_keeps_to_a_third_party_do_not_open_online(world):
    # DMP-90
    world.smart.directory.known[INS] = replace(world.smart.directory.known[INS], online=False)
    recipient, code = a_creation_code(world)
    assert "nobody" == recipient.channel
    assert "n’est pas le bon" in at_the_opening(world).submit(number=INS, code=code, contact="a@b.example").page


def test_known_and_unknown_numbers_are_answered_alike(world):
    pages = []
    for number in (INS, "1" * 15):
        for path, filled in (
            ("/auth/creation-code", {"way": "mail"}),
            ("/auth/creation-code", {"way": "post"}),
            ("/auth/opening", {"code": "AAAAA-AAAAA", "contact": "a@b.example"}),
        ):
            person = world.browser().get(path).submit(number=number, **filled)
            pages.append((person.response.status_code, strip(person.page).replace(number, "x")))
    assert pages[:3] == pages[3:]


def strip(page):
    import re

    return re.sub(r'name="(csrf|r)" value="[^"]*"|\?r=[^"&]*', "", page)


def test_three_wrong_codes_lock_an_address_out_and_nobody_else(world):
    # DMP-156
    _, code = a_creation_code(world)
    for _ in range(4):
        person = at_the_opening(world).submit(number=INS, code="AAAAA-AAAAA", contact="a@b.example")
    assert 429 == person.response.status_code
    elsewhere = world.browser()
    elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    elsewhere.get("/auth/opening").submit(number=INS, code=code, contact="a@b.example")
    assert "Vos identifiants" == elsewhere.title


def test_identifiers_that_were_never_used_are_replaced_and_those_in_use_are_not(world):
    # a wrong address, or a page that was closed too soon
    first = shown(opened(world, contact="wrong@example.org"))
    second = shown(opened(world))
    assert world.smart.accounts.find(first[0]) is None
    world.smart.accounts.set_password(world.smart.accounts.find(second[0]), "x")
    person = opened(world)
    assert "Vous avez déjà des identifiants" in person.page and world.smart.accounts.find(second[0]) is not None


def test_the_holder_is_told_that_identifiers_were_made(world):
    opened(world)
    assert ("identifiers", "lea@example.org") == (world.sent[-1][0].what, world.sent[-1][0].address)
