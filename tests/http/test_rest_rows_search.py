"""What a FHIR server must do with a search, asked row by row over a socket of a server that really runs.

Rows are those of `tools/rest_rows.py`, parts E and F.
"""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from tests.kit.rest import Rest
from tests.kit.served import Served

CODE = {"coding": [{"system": "urn:s", "code": "c"}]}
FORM = "application/x-www-form-urlencoded"


def at(id_, **more):
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": CODE, **more}


def organization(id_, name, **more):
    return {"resourceType": "Organization", "id": id_, "name": name, **more}


WORLD = [
    organization("cafe", "Café des Arts", alias=["Le Café"], address=[{"city": "Évreux", "postalCode": "27000"}]),
    organization("cafeteria", "CAFETERIA", partOf={"reference": "Organization/cafe"}, active=True),
    organization("comma", "a,b|c$d\\e", identifier=[{"system": "urn:s", "value": "V1"}, {"value": "bare"}]),
    organization("plus", "one + one", telecom=[{"system": "phone", "value": "0102"}]),
    organization("other", "other", identifier=[{"system": "urn:t", "value": "V1"}]),
    at("day", effectiveDateTime="2013-01-14", valueQuantity={"value": 100, "system": "http://unitsofmeasure.org", "code": "mg"}),
    at("hour", effectiveDateTime="2013-01-14T10:00:00+01:00", valueQuantity={"value": 5.4, "unit": "mg"}),
    at("month", effectiveDateTime="2013-02", performer=[{"reference": "Organization/cafe"}]),
    at("open", effectivePeriod={"start": "2013-01-20"}, performer=[{"reference": "https://other.example/fhir/Organization/cafe"}]),
    at("later", effectivePeriod={"start": "2014-01-01", "end": "2014-02-01"}, performer=[{"reference": "Organization/cafe/_history/1"}]),
    at("named", performer=[{"identifier": {"system": "urn:i", "value": "1"}}]),
    at("pair", component=[
        {"code": {"coding": [{"system": "urn:s", "code": "a"}]}, "valueQuantity": {"value": 1, "unit": "x"}},
        {"code": {"coding": [{"system": "urn:s", "code": "b"}]}, "valueQuantity": {"value": 2, "unit": "x"}},
    ]),
    {"resourceType": "Patient", "id": "secret-birth", "_birthDate": {"extension": [{"url": "urn:x", "valueString": "unknown"}]}},
    *({"resourceType": "RiskAssessment", "id": f"r{n}", "status": "final", "subject": {"reference": "Group/g"},
       "prediction": [{"probabilityDecimal": value}]} for n, value in enumerate([0.8, 0.84, 0.86, 0.9])),
]  # fmt: skip


@pytest.fixture(scope="module")
def rest(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("search") / "data", "--open", "--workers", "1") as served:
        made = Rest(served.fhir)
        for each in WORLD:
            answered = made.ask("PUT", f"{each['resourceType']}/{each['id']}", each)
            assert 201 == answered.status_code, answered.text
        yield made


def search(rest, url, **headers):
    answered = rest.ask("GET", url, **headers)
    assert 200 == answered.status_code, answered.text
    return answered.json()


def ids(rest, url):
    found = search(rest, url)
    assert found["total"] == len([e for e in found.get("entry", ()) if e["search"]["mode"] == "match"]), url
    return {each["resource"]["id"] for each in found.get("entry", ())}


def ours(rest, url):
    """Of what is found, what this file put there."""
    return ids(rest, f"{url}&_count=500") & {each["id"] for each in WORLD}


def refused(rest, url, **headers):
    answered = rest.ask("GET", url, **headers)
    assert (400, "OperationOutcome") == (answered.status_code, answered.json()["resourceType"]), (url, answered.text)
    return answered.json()["issue"][0]


def link(bundle, relation):
    return next((each["url"] for each in bundle["link"] if each["relation"] == relation), None)


# -- E. the protocol


def test_a_searchset_has_a_total_and_where_each_match_stands(rest):
    """Row 70."""
    found = search(rest, "Observation?_id=month&_include=Observation:performer")
    assert ("Bundle", "searchset", 1) == (found["resourceType"], found["type"], found["total"])
    assert {("month", "match"), ("cafe", "include")} == {
        (each["resource"]["id"], each["search"]["mode"]) for each in found["entry"]
    }
    for each in found["entry"]:
        assert f"{rest.base}/{each['resource']['resourceType']}/{each['resource']['id']}" == each["fullUrl"]


def test_the_self_link_says_what_was_done(rest):
    """Row 71: what was ignored is not in it."""
    found = search(rest, "Organization?name=cafe&_count=1&nonsense=1", Prefer="handling=lenient")
    assert f"{rest.base}/Organization?name=cafe&_count=1" == link(found, "self")
    assert ["outcome"] == [each["search"]["mode"] for each in found["entry"] if each["search"]["mode"] != "match"]


def test_pages_are_walked_once_and_end(rest):
    """Row 72."""
    url, seen = "Organization?_count=2", []
    whole = search(rest, "Organization?_count=500")
    while url:
        page = search(rest, url)
        assert whole["total"] == page["total"]
        seen += [each["resource"]["id"] for each in page["entry"]]
        assert len(page["entry"]) <= 2
        url = link(page, "next")
    assert [each["resource"]["id"] for each in whole["entry"]] == seen


def test_a_next_page_lives_through_writes_and_is_nobody_elses(rest):
    """Row 73: nothing twice, nothing lost; a page that was changed is 400."""
    first = search(rest, "Location?_count=2") if rest.ask("GET", "Location?_count=2").json()["total"] else None
    for number in range(5):
        rest.made({"resourceType": "Basic", "code": {"text": f"page {number}"}})
    first = search(rest, "Basic?_count=2")
    rest.made({"resourceType": "Basic", "code": {"text": "in between"}})
    seen = [each["resource"]["id"] for each in first["entry"]]
    url = link(first, "next")
    assert url.startswith(rest.base)
    while url:
        page = search(rest, url)
        seen += [each["resource"]["id"] for each in page["entry"]]
        url = link(page, "next")
    assert (5, 5) == (len(seen), len(set(seen)))
    following = link(first, "next")
    for spoilt in (
        following[:-3] + "AAA",
        following.replace("Basic?", "Organization?"),
        following + "&_lastUpdated=gt2000",
    ):
        refused(rest, spoilt)


def test_a_count_bounds_the_matches(rest):
    """Row 74: zero is the total alone; what is no count is 400, a large one is capped."""
    assert 1 == len(search(rest, "Organization?_count=1")["entry"])
    for url in ("Organization?_count=0", "Organization?_summary=count"):
        found = search(rest, url)
        assert (True, "entry" in found) == (found["total"] > 3, False)
    for bad in ("-1", "NaN", "1.5", "", "x"):
        refused(rest, f"Organization?_count={bad}")
    assert "_count=1000" in link(search(rest, "Organization?_count=999999"), "self")
    with_include = search(rest, "Observation?_id=month&_include=Observation:performer&_count=1")
    assert 2 == len(with_include["entry"])


def test_a_summary_and_elements_of_a_search(rest):
    """Rows 75 and 76; each form and every type in `test_summary.py`."""
    assert "entry" not in search(rest, "Organization?_summary=count")
    for query in ("_summary=true", "_summary=text", "_summary=data", "_elements=name"):
        found = search(rest, f"Organization?_id=cafe&{query}")["entry"][0]["resource"]
        assert ["SUBSETTED"] == [each["code"] for each in found["meta"]["tag"]]
    refused(rest, "Organization?_summary=text&_include=Organization:partof")


def test_a_part_of_a_resource_is_read_and_never_written_back(rest):
    """Rows 17 and 26."""
    part = rest.ask("GET", "Organization/cafe?_elements=name").json()
    assert {"resourceType", "id", "meta", "name"} == set(part)
    assert 422 == rest.ask("PUT", "Organization/cafe", part).status_code
    assert 400 == rest.ask("GET", "Organization/cafe?_summary=bogus").status_code


def test_a_total_is_counted_as_it_is_asked_for(rest):
    """Row 77."""
    exact = search(rest, "Organization?_count=1&_total=accurate")["total"]
    assert exact == search(rest, "Organization?_count=1&_total=estimate")["total"]
    assert "total" not in search(rest, "Organization?_count=1&_total=none")
    refused(rest, "Organization?_total=about")


def test_a_search_may_be_posted(rest):
    """Row 78."""
    answered = rest.ask("POST", "Organization/_search?name=cafe", "_count=1&name:contains=arts", FORM)
    assert (200, 1) == (answered.status_code, answered.json()["total"])
    assert 415 == rest.ask("POST", "Organization/_search", "{}", "application/fhir+json").status_code
    assert rest.ask("GET", "Organization/_search").status_code in (404, 405)


def test_an_unknown_parameter_is_refused_or_ignored_as_it_is_preferred(rest):
    """Row 79; decisions 9."""
    assert "did you mean `name`" in refused(rest, "Organization?nane=x")["diagnostics"]
    refused(rest, "Organization?nane=x", Prefer="handling=strict")
    assert search(rest, "Organization?nane=x", Prefer="handling=lenient")["total"] > 3
    refused(rest, "Organization?name=x", Prefer="handling=perhaps")


@pytest.mark.parametrize("query", ["name:nonsense=x", "active:exact=true", "_id:exact=x", "name:in=x", "_lastUpdated:exact=2020", "partof:Nonsense=x", "_count:exact=1"])  # fmt: skip
def test_a_modifier_that_means_nothing_is_400_also_to_the_lenient(rest, query):
    """Row 80."""
    refused(rest, f"Organization?{query}")
    refused(rest, f"Organization?{query}", Prefer="handling=lenient")


@pytest.mark.parametrize("url", ["Observation?date=abc", "RiskAssessment?probability=x", "Organization?active=maybe", "Observation?value-quantity=x", "Observation?value-quantity=5|a", "Organization?_lastUpdated=yesterday", "Organization?name:missing=perhaps", "Observation?component-code-value-quantity=a"])  # fmt: skip
def test_a_value_that_cannot_be_read_is_400(rest, url):
    """Rows 81 and 91."""
    refused(rest, url)


def test_a_comma_is_or_and_a_parameter_again_is_and(rest):
    """Row 82."""
    assert {"cafe", "other"} == ours(rest, "Organization?_id=cafe,other")
    assert {"cafe"} == ours(rest, "Organization?name=cafe&name:contains=arts")
    assert {"cafe", "cafeteria"} == ours(rest, "Organization?name=cafe&_id=cafe,cafeteria,other")
    for empty in ("name=", "name=a,", "name=,a", "_id="):
        refused(rest, f"Organization?{empty}")


def test_signs_are_escaped(rest):
    r"""Row 83: `\,` `\|` `\$` `\\`, percent, a plus for a space."""
    text = quote(r"a\,b\|c\$d\\e")
    assert {"comma"} == ours(rest, f"Organization?name:exact={text}")
    assert {"plus"} == ours(rest, "Organization?name:exact=one+%2B+one")
    assert {"cafe"} == ours(rest, f"Organization?name:exact={quote('Café des Arts')}")
    refused(rest, "Organization?name=%ff")


def test_only_what_is_current_is_found(rest):
    """Row 87."""
    where = rest.made(organization("x", "former name"))
    id_ = where.partition("/")[2]
    rest.ask("PUT", where, organization(id_, "present name"))
    assert [0, 1] == [search(rest, f"Organization?name={name}")["total"] for name in ("former", "present")]
    rest.ask("DELETE", where)
    assert 0 == search(rest, "Organization?name=present")["total"]


# -- F. the types of parameters


def test_a_string_begins_so_without_case_and_accents(rest):
    """Row 88."""
    for text in ("cafe", "CAFÉ", "Café"):
        assert {"cafe", "cafeteria"} == ours(rest, f"Organization?name={quote(text)}"), text
    assert {"cafe"} == ours(rest, "Organization?name:contains=ARTS")
    assert {"cafe"} == ours(rest, f"Organization?name:exact={quote('Le Café')}")
    assert set() == ours(rest, f"Organization?name:exact={quote('le café')}")
    for part in ("evreux", "27000"):
        assert {"cafe"} == ours(rest, f"Organization?address={part}"), part


def test_a_token_is_a_code_with_or_without_its_system(rest):
    """Row 89."""
    for text, found in {
        "V1": {"comma", "other"},
        "urn:s|V1": {"comma"},
        "|bare": {"comma"},
        "|V1": set(),
        "urn:t|": {"other"},
        "V": set(),
    }.items():
        assert found == ours(rest, f"Organization?identifier={quote(text)}"), text
    assert {"cafeteria"} == ours(rest, "Organization?active=true")
    assert {"day", "pair"} <= ours(rest, "Observation?code=urn:s|c")
    assert "pair" in ours(rest, "Observation?status=final")


@pytest.mark.parametrize(("url", "there"), [("Organization?name", "cafe"), ("Organization?active", "cafeteria"), ("Organization?partof", "cafeteria"), ("Observation?date", "day"), ("Observation?value-quantity", "day"), ("RiskAssessment?probability", "r0")])  # fmt: skip
def test_what_is_missing_is_asked_of_every_type_of_parameter(rest, url, there):
    """Row 91."""
    assert there in ours(rest, f"{url}:missing=false")
    assert there not in ours(rest, f"{url}:missing=true")


def test_a_reference_in_its_spellings(rest):
    """Row 92: what is here, what is elsewhere, and what was stored with a version."""
    here = {"month", "later"}
    for text in ("cafe", "Organization/cafe", f"{rest.base}/Organization/cafe"):
        assert here == ours(rest, f"Observation?performer={quote(text, '')}"), text
    assert here == ours(rest, "Observation?performer:Organization=cafe")
    assert {"open"} == ours(rest, f"Observation?performer={quote('https://other.example/fhir/Organization/cafe', '')}")


def test_a_reference_by_the_identifier_that_it_names(rest):
    """Row 93."""
    assert {"named"} == ours(rest, "Observation?performer:identifier=urn:i|1")
    assert set() == ours(rest, "Observation?performer:identifier=urn:i|2")


def test_a_chain_leads_to_what_is_asked_of_another_type(rest):
    """Row 94: through references and back, with several values; what leads nowhere is refused."""
    assert {"month", "later"} == ours(rest, "Observation?performer:Organization.name=cafe")
    assert {"month", "later"} == ours(rest, "Observation?performer:Organization.name=nobody,cafe")
    assert {"cafeteria"} == ours(rest, "Organization?partof.name=cafe")
    assert {"cafe"} == ours(rest, "Organization?_has:Organization:partof:name=cafeteria")
    assert set() == ours(rest, "Organization?partof.partof.name=cafe")
    for wrong in (
        "performer.nonsense=x",
        "status.name=x",
        "performer:Nonsense.name=x",
        "_has:Nonsense:performer:code=x",
    ):
        refused(rest, f"Observation?{wrong}")


DATES = {
    "2013-01-14": {"day", "hour"},
    "2013-01": {"day", "hour"},
    "ne2013-01": {"month", "open", "later"},
    "gt2013-01-14": {"month", "open", "later"},
    "lt2013-01-14": set(),
    "ge2013-02": {"month", "open", "later"},
    "le2013-01-14": {"day", "hour"},
    "sa2013-01-31": {"month", "later"},
    "eb2013-02": {"day", "hour"},
    "2013-01-14T10:00:00+01:00": {"hour"},
    "2013-01-14T09:00:00Z": {"hour"},
}


@pytest.mark.parametrize("text", DATES)
def test_a_date_is_a_range(rest, text):
    """Rows 95 and 96: by every prefix, a period without an end goes on, a zone is a zone."""
    assert DATES[text] == ours(rest, f"Observation?date={quote(text)}")


@pytest.mark.parametrize("text", ["24:00", "2013-02-30", "2013-13", "2013-01-14T10", "2013-01-14T25:00:00Z", "2013-01-14T10:00:00 01:00", "xx2013", "2013-1-1"])  # fmt: skip
def test_a_date_that_is_none_is_400(rest, text):
    """Rows 96 and 97."""
    refused(rest, f"Observation?date={quote(text)}")


@pytest.mark.parametrize(("text", "found"), [("0.8", {"r0", "r1"}), ("0.80", {"r0"}), ("8e-1", {"r0"}), ("gt0.84", {"r2", "r3"}), ("lt0.84", {"r0"}), ("ge0.84", {"r1", "r2", "r3"}), ("ne0.8", {"r2", "r3"})])  # fmt: skip
def test_a_number_is_as_wide_as_it_is_precise(rest, text, found):
    """Row 98; an exponent says one digit more than it writes, as R4 has it of 1e2: [95, 105)."""
    assert found == ours(rest, f"RiskAssessment?probability={text}")


@pytest.mark.parametrize(("text", "found"), [("100|http://unitsofmeasure.org|mg", {"day"}), ("0.1|http://unitsofmeasure.org|g", {"day"}), ("5.4||mg", {"hour"}), ("5.40||mg", {"hour"}), ("5.4", {"hour"}), ("gt5|http://unitsofmeasure.org|mg", {"day"}), ("5||mg", {"hour"}), ("5.0||mg", set())])  # fmt: skip
def test_a_quantity_has_a_unit(rest, text, found):
    """Row 99."""
    assert found == ours(rest, f"Observation?value-quantity={quote(text)}")


def test_a_composite_matches_within_one_component(rest):
    """Row 101."""
    assert {"pair"} == ours(rest, "Observation?component-code-value-quantity=urn:s|a$1")
    assert set() == ours(rest, "Observation?component-code-value-quantity=urn:s|a$2")


def test_nothing_is_followed_to_what_may_not_be_seen(rest):
    """Row 105: each interaction of the twin-store law asks so, `test_might_as_well_not_exist.py`; here, without a token."""
    refused_ = rest.ask("GET", "Observation?_include=Observation:performer", Authorization="Bearer nonsense")
    assert (401, True) == (refused_.status_code, "WWW-Authenticate" in refused_.headers)


ASKED = {
    "_id": "_id=x",
    "_lastUpdated": "_lastUpdated=ge2020",
    "_content": "_content=mot",
    "_text": "_text=mot",
    "_filter": "_filter=status eq final",
    "_list": "_list=x",
}
"""What takes no modifier is asked by a value."""


def test_what_is_advertised_works(rest):
    """Row 106: every parameter is asked for by `test_metadata_tells_the_truth.py`; here, those of one type."""
    told = rest.ask("GET", "metadata").json()["rest"][0]["resource"]
    one = next(each for each in told if each["type"] == "Observation")
    for each in one["searchParam"]:
        asked = ASKED.get(each["name"], f"{each['name']}:missing=false")
        assert 200 == rest.ask("GET", f"Observation?{asked}&_count=1").status_code, each


def test_an_element_that_is_an_extension_alone_is_no_value(rest):
    """Row 107."""
    assert "secret-birth" in ours(rest, "Patient?birthdate:missing=true")
    assert "secret-birth" not in ours(rest, "Patient?birthdate=gt1000")


def test_every_answer_comes_soon(rest):
    """Row 16: ten thousand levels, and a long address, cost nothing."""
    begun = time.monotonic()
    assert 400 == rest.ask("POST", "Organization", '{"a":' * 10_000).status_code
    assert 414 == rest.ask("GET", f"Organization?name={'a' * 9_000}").status_code
    assert 413 == rest.ask("POST", "Organization", b" " * 16_000_001).status_code
    assert time.monotonic() - begun < 10
