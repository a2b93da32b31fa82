"""Scopes over real HTTP: what a token opens in the FHIR API, and what it does not."""

import pytest
import requests

from tests.kit.online import online

LAB = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
VITAL = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"


@pytest.fixture(scope="module")
def there(mongo_uri, mongo_client):
    with online(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture(scope="module")
def seen(there):
    """Ids in Paul's record: an observation of the laboratory, one of vital signs that derives from it, a condition."""
    operator = there.operator()

    def put(resource):
        stored = there.send("POST", f"fhir/{resource['resourceType']}", operator, resource)
        assert 201 == stored.status_code, stored.text
        return stored.json()["id"]

    def observation(category, **more):
        system, code = category.split("|")
        return {
            "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/paul-martin"},
            "category": [{"coding": [{"system": system, "code": code}]}],
            "code": {"text": code}, **more,
        }  # fmt: skip

    lab = put(observation(LAB))
    vital = put(observation(VITAL, derivedFrom=[{"reference": f"Observation/{lab}"}]))
    condition = put(
        {"resourceType": "Condition", "subject": {"reference": "Patient/paul-martin"}, "code": {"text": "asthme"}}
    )
    return {"lab": lab, "vital": vital, "condition": condition}


def granted(there, scope, login="paul", client_id="patient-app", **more):
    """The token and the granted scopes of this person."""
    answer = there.quick(login, scope, client_id=client_id, **more)
    assert 200 == answer.status_code, answer.text
    return answer.json()["access_token"], answer.json()["scope"].split()


def ids(answer):
    assert 200 == answer.status_code, answer.text
    return {each["resource"]["id"] for each in answer.json().get("entry", ())}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("patient/Observation.read", "patient/Observation.read"),
        ("patient/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.sr patient/Observation.r", "patient/Observation.r"),
        ("patient/Observation.rsx patient/Observation.s", "patient/Observation.s"),
        ("patient/Observation. patient/Patient.r", "patient/Patient.r"),
        ("patient/patient.rs patient/Patient.r", "patient/Patient.r"),
        ("patient/Foo.rs patient/Patient.r", "patient/Patient.r"),
        ("patient/Patient.RS patient/Patient.r", "patient/Patient.r"),
    ],
)
def test_scopes_are_read_in_both_forms_and_in_no_other(there, asked, expected):
    """SMART-C1 SMART-C2 SMART-C3: what is granted is what is told."""
    assert expected.split() == granted(there, asked)[1]


def test_the_first_form_opens_what_its_second_form_opens(there, seen):
    """SMART-C3: `.read` is `.rs`, and neither writes."""
    for scope in ("patient/Observation.read", "patient/Observation.rs"):
        token, _ = granted(there, scope)
        assert 200 == there.get(f"fhir/Observation/{seen['lab']}", token).status_code
        assert {seen["lab"], seen["vital"]} <= ids(there.get("fhir/Observation?patient=paul-martin", token))
        assert 403 == there.send("DELETE", f"fhir/Observation/{seen['lab']}", token).status_code


def test_a_type_that_was_unticked_is_refused_and_the_others_are_found(there, seen):
    """SMART-C4: at the page that asks, and then in the FHIR API."""
    scope = "openid launch/patient patient/Observation.rs patient/Condition.rs"
    visitor = there.browser().authorize("patient-app", scope).sign_in("paul")
    code = visitor.allow(scope=["patient/Condition.rs"])["code"]
    told = visitor.exchange(code, "patient-app").json()
    assert {"openid", "launch/patient", "patient/Condition.rs"} == set(told["scope"].split())
    assert seen["condition"] in ids(there.get("fhir/Condition?patient=paul-martin", told["access_token"]))
    assert 403 == there.get("fhir/Observation?patient=paul-martin", told["access_token"]).status_code


def test_a_search_that_names_no_status_is_answered(there, seen):
    """SMART-C5: no parameter is required here, so none can be missing."""
    token, _ = granted(there, "patient/Observation.rs")
    assert seen["lab"] in ids(there.get("fhir/Observation?patient=paul-martin", token))


def test_a_granular_scope_opens_what_it_names_and_nothing_else(there, seen):
    """SMART-C6: searched, read, by version, in history, and told as granted."""
    scope = f"patient/Observation.rs?category={LAB}"
    token, told = granted(there, scope)
    assert [scope] == told
    assert {seen["lab"]} == ids(there.get("fhir/Observation?patient=paul-martin", token))
    assert {seen["lab"]} == ids(there.get("fhir/Observation", token))
    assert set() == ids(there.get(f"fhir/Observation?category={VITAL}", token))
    assert 200 == there.get(f"fhir/Observation/{seen['lab']}", token).status_code
    for path in ("", "/_history/1", "/_history"):
        refused = there.get(f"fhir/Observation/{seen['vital']}{path}", token)
        absent = there.get(f"fhir/Observation/{'0' * 20}{path}", token)
        assert (404, 404) == (refused.status_code, absent.status_code)


def test_a_granular_scope_by_last_update_opens_what_it_names(there, seen):
    """SMART-C6: a read decides as a search does."""
    for limit, found, status in (("ge2020", True, 200), ("lt2020", False, 404)):
        token, _ = granted(there, f"patient/Observation.rs?_lastUpdated={limit}")
        assert found is (seen["lab"] in ids(there.get("fhir/Observation", token)))
        assert status == there.get(f"fhir/Observation/{seen['lab']}", token).status_code


def test_two_granular_scopes_open_what_either_names(there, seen):
    """SMART-C7."""
    token, _ = granted(there, f"patient/Observation.rs?category={LAB} patient/Observation.rs?category={VITAL}")
    assert {seen["lab"], seen["vital"]} <= ids(there.get("fhir/Observation", token))


@pytest.mark.parametrize(
    "path",
    [
        "fhir/Observation?_include=Observation:derived-from&_id={vital}",
        "fhir/Observation?_revinclude=Observation:derived-from&patient=paul-martin",
        "fhir/Observation?_include=Observation:subject",
        "fhir/Observation/_history",
        "fhir/Patient/paul-martin/Observation",
        "fhir/Observation?_has:Observation:derived-from:code=x",
        "fhir/Observation?derived-from:Observation.status=final",
    ],
)
def test_no_way_round_a_scope_tells_what_is_outside_it(there, seen, path):
    """SMART-C7: include, reverse include, history, compartment, chain and `_has` end where the scope ends."""
    token, _ = granted(there, f"patient/Observation.rs?category={VITAL}")
    found = there.get(path.format(**seen), token)
    assert found.status_code in (200, 400, 403, 404), found.text
    told = {each["resource"]["id"] for each in found.json().get("entry", ()) if "id" in each.get("resource", {})}
    assert told <= {seen["vital"], "paul-tension"}


def test_a_bundle_opens_no_more_than_its_token(there, seen):
    """SMART-C7."""
    token, _ = granted(there, f"patient/Observation.rs?category={VITAL}")
    paths = (f"Observation/{seen['vital']}", f"Observation/{seen['lab']}", f"Condition/{seen['condition']}")
    asked = {
        "resourceType": "Bundle", "type": "batch",
        "entry": [{"request": {"method": "GET", "url": path}} for path in paths],
    }  # fmt: skip
    answer = there.send("POST", "fhir", token, asked)
    assert 200 == answer.status_code, answer.text
    assert ["200", "404", "403"] == [each["response"]["status"][:3] for each in answer.json()["entry"]]


def test_everything_is_everything_within_the_scope(there, seen):
    """SMART-C7: `$everything` and `$export`, where they are offered, tell nothing that is outside it."""
    token, _ = granted(there, f"patient/Observation.rs?category={VITAL}")
    for path in ("fhir/Patient/paul-martin/$everything", "fhir/Patient/$export", "fhir/$export"):
        answer = there.get(path, token)
        assert answer.status_code in (200, 400, 403, 404), (path, answer.text)
        assert seen["lab"] not in answer.text.replace(f'"Observation/{seen["lab"]}"', "")
        assert seen["condition"] not in answer.text


def test_patient_scopes_stay_in_the_record_in_context(there, seen):
    """SMART-C8: another record is 403 or empty where it is named, 404 where it is met by id, 403 to write into."""
    token, _ = granted(there, "patient/*.cruds launch/patient")
    for path in ("fhir/Observation?patient=noe-martin", "fhir/Patient/noe-martin/Observation"):
        answer = there.get(path, token)
        assert 403 == answer.status_code or not ids(answer), path
    for path in ("fhir/Patient/noe-martin", "fhir/Patient/nobody"):
        assert there.get(path, token).status_code in (403, 404)
    made = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/noe-martin"},
        "code": {"text": "x"},
    }  # fmt: skip
    assert 403 == there.send("POST", "fhir/Observation", token, made).status_code
    absent = {**made, "subject": {"reference": "Patient/nobody"}}
    assert 403 == there.send("POST", "fhir/Observation", token, absent).status_code


def test_without_the_right_it_is_403_and_without_a_token_401_and_both_say_so(there, seen):
    """SMART-C9."""
    token, _ = granted(there, "patient/Observation.rs")
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    refused = there.send("POST", "fhir/Observation", token, body)
    assert (403, 'Bearer error="insufficient_scope"') == (
        refused.status_code,
        refused.headers["WWW-Authenticate"],
    )
    missing = there.get(f"fhir/Observation/{seen['lab']}")
    assert (401, "Bearer") == (missing.status_code, missing.headers["WWW-Authenticate"])
    wrong = there.get(f"fhir/Observation/{seen['lab']}", token[:-4] + "AAAA")
    assert (401, 'Bearer error="invalid_token"') == (wrong.status_code, wrong.headers["WWW-Authenticate"])


def test_a_token_is_read_in_its_header_alone_whatever_the_case_of_its_scheme(there, seen):
    """SMART-C10: RFC 6750 and RFC 9700 section 4.3.2."""
    token, _ = granted(there, "patient/Observation.rs")
    url = there.url(f"fhir/Observation/{seen['lab']}")
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert 200 == requests.get(url, headers={"Authorization": f"{scheme} {token}"}, timeout=20).status_code
    assert 401 == requests.get(url, params={"access_token": token}, timeout=20).status_code
    form = requests.post(there.url("fhir/Observation/_search"), data={"access_token": token}, timeout=20)
    assert 401 == form.status_code
    both = {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 20}
    assert 400 <= requests.get(url, params={"access_token": token}, **both).status_code < 500


@pytest.fixture(scope="module")
def measured(there):
    """Twelve observations of Paul's that differ in all that is asked below."""
    operator, made = there.operator(), []
    for number in range(12):
        coding = {"system": "http://loinc.org", "code": ("8867-4", "8480-6", "29463-7")[number % 3]}
        resource = {
            "resourceType": "Observation", "status": ("final", "amended")[number % 2],
            "subject": {"reference": "Patient/paul-martin"}, "code": {"coding": [coding]},
            "effectiveDateTime": f"2025-0{1 + number % 9}-01", "valueQuantity": {
                "value": number, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
            **({"note": [{"text": "x"}], "method": {"text": "balance"}} if number % 4 == 0 else {}),
        }  # fmt: skip
        stored = there.send("POST", "fhir/Observation", operator, resource)
        assert 201 == stored.status_code, stored.text
        made.append(stored.json()["id"])
    return made


@pytest.mark.parametrize(
    "query",
    [
        "code=8867-4",
        "code=http://loinc.org|8867-4,http://loinc.org|29463-7",
        "code:not=8867-4",
        "status=final&code=8480-6",
        "status:not=final",
        "date=ge2025-05",
        "date=ge2025-03-01&date=lt2025-06-01",
        "value-quantity=gt5000|http://unitsofmeasure.org|g",
        "value-quantity=3||kg",
        "method:missing=false",
        "method:text=bal",
        "code-value-quantity=http://loinc.org|8867-4$lt7",
        "subject=Patient/paul-martin",
        "combo-code=29463-7",
    ],
)
def test_a_granular_scope_means_what_the_same_search_finds(there, measured, query):
    """SMART-C6: it is compiled by the search compiler itself; version 1 rights take criteria as well."""
    wide, _ = granted(there, "patient/Observation.rs")
    for scope in (f"patient/Observation.rs?{query}", f"patient/Observation.read?{query}"):
        token, told = granted(there, scope)
        assert [scope] == told
        expected = ids(there.get(f"fhir/Observation?{query}&_count=100", wide))
        assert expected == ids(there.get("fhir/Observation?_count=100", token))
        for id_ in measured:
            assert (200 if id_ in expected else 404) == there.get(f"fhir/Observation/{id_}", token).status_code


@pytest.mark.parametrize(
    "query",
    [
        "unheard=of",
        "code:unheard=x",
        "date=soon",
        "subject:Patient.name=martin",
        "_has:Observation:derived-from:code=x",
        "_count=5",
        "_include=Observation:subject",
        "_sort=date",
        "_filter=code eq 1",
    ],
)
def test_a_criterion_that_the_compiler_does_not_take_grants_nothing(there, query):
    """SMART-C6 SMART-C2: the rest of what was asked is granted, and told."""
    assert ["patient/Patient.r"] == granted(there, f"patient/Observation.rs?{query} patient/Patient.r")[1]
    refused = there.quick("paul", f"patient/Observation.rs?{query}", client_id="patient-app")
    assert (400, "invalid_scope") == (refused.status_code, refused.json()["error"])


def test_a_granular_scope_to_write_takes_what_it_names_before_and_after(there, measured):
    """SMART-C6 SMART-C9: nothing is made, or made into, what the scope does not name."""
    scope = "user/Observation.cruds?status=final"
    token, told = granted(there, scope, "operateur", "admin-app")
    assert [scope] == told

    def observation(status):
        return {
            "resourceType": "Observation", "status": status, "subject": {"reference": "Patient/paul-martin"},
            "code": {"text": "x"},
        }  # fmt: skip

    made = there.send("POST", "fhir/Observation", token, observation("final"))
    assert 201 == made.status_code, made.text
    assert 403 == there.send("POST", "fhir/Observation", token, observation("amended")).status_code
    changed = made.json() | {"status": "amended"}
    assert 403 == there.send("PUT", f"fhir/Observation/{made.json()['id']}", token, changed).status_code
    other = there.send("POST", "fhir/Observation", there.operator(), observation("amended")).json()
    back = there.send("PUT", f"fhir/Observation/{other['id']}", token, other | {"status": "final"})
    assert back.status_code in (403, 404, 409)
