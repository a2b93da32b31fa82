"""The existence check tells that a record is there, and nothing else the Patient says (TD02, DMP-101, DMP-102, DMP-105).

A doctor whom nobody authorised knows an INS and guesses: what is true of the person and what is not are answered alike,
whichever way it is asked, byte for byte but for the guess itself and what no two answers share.
"""

from __future__ import annotations

import re
import runpy

import pytest
import requests

from fhir_server.interactions.request import query_text
from fhir_server.sandbox import dossier
from tests.kit.application import DEMONSTRATION
from tests.kit.online import online

PAUL = f"{DEMONSTRATION}|181096912300276"
JEANNE = f"{DEMONSTRATION}|252117306500405"
"""Her record is closed."""
UNSHARED = ("Content-Length", "Date", "X-Request-Id")
ASKERS = ("dr-diallo", "hospital")

GUESSES = {
    "a filter of the address": ("_filter", 'address-city co "Grenoble"', 'address-city co "Zzz"'),
    "a filter of the mail": ("_filter", 'email eq "paul.martin@example.org"', 'email eq "zzz@example.org"'),
    "a filter of whether there is one": ("_filter", "email pr true", "email pr false"),
    "a filter of the family doctor": (
        "_filter",
        'general-practitioner eq "Practitioner/dr-moreau"',
        'general-practitioner eq "Practitioner/dr-nguyen"',
    ),
    "a filter of the name that is shown": ("_filter", 'family eq "MARTIN"', 'family eq "ZZZ"'),
    "its words": ("_content", "Tilleuls", "Zzz"),
    "when it was written": ("_lastUpdated", "gt2001", "lt2001"),
    "its id": ("_id", "paul-martin", "zzz"),
    "its profile": ("_profile", "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins", "urn:zzz"),
    "its tag": ("_tag:missing", "true", "false"),
    "what it holds": ("_has:DocumentReference:subject:status", "current", "superseded"),
    "who follows it": ("_has:Consent:patient:actor", "Practitioner/dr-moreau", "Practitioner/dr-nguyen"),
    "the address": ("address-city", "Grenoble", "Zzz"),
    "the address, missing": ("address-city:missing", "false", "true"),
    "the gender that is shown": ("gender", "male", "female"),
    "a chain to the family doctor": ("general-practitioner.family", "Moreau", "Zzz"),
    "the INS again": ("identifier", PAUL, f"{DEMONSTRATION}|252117306500999"),
    "no other INS": ("identifier:not", f"{DEMONSTRATION}|1", PAUL),
    "an INS by its kind": (
        "identifier:of-type",
        "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203|INS-NIR-DEMO|181096912300276",
        "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203|INS-NIR-DEMO|181096912300999",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def there(mongo_uri, mongo_client):
    with online(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture(scope="module")
def tokens(there):
    """Of a doctor whom neither holder authorised, and of a hospital's system."""
    hospital = runpy.run_path(str(dossier.PLACE.parent / "hospital" / "submit.py"))["access_token"]
    keys = there.card("hospital")["private_jwks"]
    return {
        "dr-diallo": there.quick("dr-diallo", "user/*.cruds", client_id="admin-app").json()["access_token"],
        "hospital": hospital(there.origin, "hospital", keys, scope="system/*.cruds system/Patient.s"),
    }


def sent(there, token, method, path, resource=None, **headers):
    return there.send(method, f"fhir{path}", token, resource, **headers)


def found(there, token, *pairs):
    return sent(there, token, "GET", f"/Patient?{query_text(pairs)}")


def said(answer, *pairs):
    """An answer less what no two answers share, and less the query that was asked."""
    text = re.sub(r'(?<="resourceType":"Bundle","id":)"[^"]+"', "-", answer.text)
    text = re.sub(r'(?<="meta":\{"lastUpdated":)"[^"]+"', "-", text)
    text = text.replace(query_text(pairs), "-") if pairs else text
    shared = {name: each for name, each in answer.headers.items() if name not in UNSHARED}
    return answer.status_code, shared, text


def by_get(there, token, pairs):
    return found(there, token, *pairs)


def by_post(there, token, pairs):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{there.base}/Patient/_search", data=list(pairs), headers=headers, timeout=20)


def by_batch(there, token, pairs):
    entry = {"request": {"method": "GET", "url": f"Patient?{query_text(pairs)}"}}
    return sent(there, token, "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})


def by_types(there, token, pairs):
    return sent(there, token, "GET", f"?_type=Patient&{query_text(pairs)}")


def by_create(there, token, pairs):
    identity = {"resourceType": "Patient", "name": [{"family": "X"}]}
    return sent(there, token, "POST", "/Patient", identity, **{"If-None-Exist": query_text(pairs)})


def by_update(there, token, pairs):
    return sent(there, token, "PUT", f"/Patient?{query_text(pairs)}", {"resourceType": "Patient"})


def by_patch(there, token, pairs):
    patch = [{"op": "test", "path": "/address/0/city", "value": "Grenoble"}]
    kind = {"Content-Type": "application/json-patch+json"}
    return sent(there, token, "PATCH", f"/Patient?{query_text(pairs)}", patch, **kind)


def by_delete(there, token, pairs):
    return sent(there, token, "DELETE", f"/Patient?{query_text(pairs)}")


WAYS = [by_get, by_post, by_batch, by_types, by_create, by_update, by_patch, by_delete]


@pytest.mark.parametrize("who", ASKERS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.removeprefix("by_"))
@pytest.mark.parametrize("guess", GUESSES)
def test_a_guess_beside_an_ins_was_answered_otherwise_when_it_was_true(there, tokens, who, way, guess):
    name, true, false = GUESSES[guess]
    asked = [(("identifier", PAUL), (name, each)) for each in (true, false)]
    one, other = (said(way(there, tokens[who], pairs), *pairs) for pairs in asked)

    assert other == one
    assert "paul-martin" not in one[-1]


@pytest.mark.parametrize("who", ASKERS)
@pytest.mark.parametrize(
    ("true", "false"),
    [
        ('address-city co "Grenoble"', 'address-city co "Chambéry"'),
        ("email pr true", "email pr false"),
        ("phone pr true", "phone pr false"),
        ("birthdate lt 1960", "birthdate gt 1960"),
    ],
)
def test_a_closed_record_told_as_much(there, tokens, who, true, false):
    """DMP-105: nothing may be read while it is closed."""
    asked = [(("identifier", JEANNE), ("_filter", each)) for each in (true, false)]
    one, other = (found(there, tokens[who], *pairs) for pairs in asked)

    assert said(other, *asked[1]) == said(one, *asked[0])
    assert 0 == one.json()["total"]


@pytest.mark.parametrize(
    "include",
    ["_include=Patient:general-practitioner", "_include=*", "_revinclude=DocumentReference:subject", "_revinclude=*"],
)
@pytest.mark.parametrize("who", ASKERS)
def test_the_family_doctor_came_along_with_an_existence_check(there, tokens, who, include):
    answered = sent(there, tokens[who], "GET", f"/Patient?{query_text((('identifier', PAUL),))}&{include}")

    assert (200, 0, None) == (answered.status_code, answered.json()["total"], answered.json().get("entry"))


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("address-city=Grenoble", "address-city=Lyon"),
        ("_content=Tilleuls", "_content=Zzz"),
        ("general-practitioner=Practitioner/dr-moreau", "general-practitioner=Practitioner/dr-nguyen"),
        (f"identifier={PAUL}&gender=male", f"identifier={PAUL}&gender=female"),
        (f"identifier={PAUL},{JEANNE}", f"identifier={JEANNE},{PAUL[:-1]}9"),
    ],
)
def test_a_scope_that_guesses_was_answered_otherwise_when_it_was_true(there, true, false):
    """DMP-101: a token asks as much as a search does."""
    answers = []
    for criteria in (true, false):
        granted = there.quick("dr-diallo", f"user/Patient.rs?{criteria}", client_id="doctor-app")
        assert f"?{criteria}" in requests.utils.unquote(granted.json()["scope"])
        answers.append(found(there, granted.json()["access_token"], ("identifier", PAUL)))

    assert said(answers[1]) == said(answers[0])
    assert 0 == answers[0].json()["total"]


def test_a_scope_that_guesses_beside_one_for_the_patient_in_context_told_of_another(there):
    """DMP-105: the doctor has Paul in context, and guesses of Jeanne, whose record is closed."""
    registered = "launch/patient patient/Patient.rs user/Patient.rs"
    there.app.extensions["smart"].clients.add(
        "public", client_id="both", name="both", redirect_uris=("http://127.0.0.1/cb",), scope=registered
    )
    told = []
    for city in ("Grenoble", "Lyon"):
        scope = f"{registered}?address-city={city}"
        granted = there.quick("dr-moreau", scope, client_id="both", patient="paul-martin").json()
        assert 2 == granted["scope"].count("/Patient.rs"), granted
        told.append(found(there, granted["access_token"], ("identifier", JEANNE)))

    assert said(told[1]) == said(told[0])
    assert 0 == told[0].json()["total"]


@pytest.mark.parametrize("who", ASKERS)
@pytest.mark.parametrize("order", ["address-city", "-email", "death-date", "_lastUpdated"])
def test_several_ins_in_an_order_told_who_comes_first(there, tokens, who, order):
    pairs = (("identifier", f"{PAUL},{JEANNE}"), ("_sort", order), ("_count", "1"))
    answered = found(there, tokens[who], *pairs)

    assert (0, None) == (answered.json()["total"], answered.json().get("entry"))


@pytest.mark.parametrize("who", ASKERS)
def test_a_match_by_an_ins_told_no_more(there, tokens, who):
    """`Patient/$match` is among those whom the asker may see."""

    def matched(**traits):
        known = {
            "resourceType": "Patient",
            "identifier": [{"system": DEMONSTRATION, "value": PAUL.split("|")[1]}],
            **traits,
        }
        body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": known}]}
        return sent(there, tokens[who], "POST", "/Patient/$match", body)

    one = matched(name=[{"family": "MARTIN"}], birthDate="1981-09-04")
    assert said(one) == said(matched(name=[{"family": "ZZZ"}], birthDate="1999-01-01"))
    assert "paul-martin" not in one.text


SHAPES = [
    (),
    (("_count", "5"),),
    (("_format", "json"), ("_pretty", "true")),
    (("_summary", "true"),),
    (("_elements", "address,telecom"),),
    (("_total", "accurate"),),
    (("_sort", "-address-city"),),
    (("_contained", "false"),),
]


@pytest.mark.parametrize("ins", [PAUL, JEANNE], ids=["open", "closed"])
@pytest.mark.parametrize("who", ASKERS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda pairs: "&".join(name for name, _ in pairs) or "alone")
def test_what_shapes_the_answer_leaves_it_an_existence_check(there, tokens, who, ins, shape):
    """DMP-101, DMP-102: one hit, and none of where the person lives."""
    answered = found(there, tokens[who], ("identifier", ins), *shape)

    assert 1 == answered.json()["total"]
    (entry,) = answered.json()["entry"]
    assert {"address", "telecom", "generalPractitioner", "contact"}.isdisjoint(entry["resource"])


@pytest.mark.parametrize("scope", ["user/Patient.s", "user/*.rs", f"user/Patient.rs?identifier={PAUL}"])
def test_a_scope_of_the_ins_alone_leaves_it_an_existence_check(there, scope):
    token = there.quick("dr-diallo", scope, client_id="doctor-app").json()["access_token"]

    assert 1 == found(there, token, ("identifier", PAUL)).json()["total"]


def test_a_wide_scope_beside_a_narrow_one_leaves_it_an_existence_check(there):
    asked = "user/Patient.rs user/Patient.rs?address-city=Lyon"
    token = there.quick("dr-diallo", asked, client_id="doctor-app").json()["access_token"]

    assert 1 == found(there, token, ("identifier", PAUL)).json()["total"]


def test_who_may_read_the_record_narrows_as_anywhere(there):
    """So that the tests above compare something."""
    token = there.quick("dr-moreau", "user/*.rs", client_id="doctor-app").json()["access_token"]
    for name, true, false in GUESSES.values():
        told = [found(there, token, ("identifier", PAUL), (name, each)).json() for each in (true, false)]
        assert [1, 0] == [each["total"] for each in told], (name, true)
