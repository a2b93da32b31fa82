"""The CapabilityStatement, replayed against the server: what it lists works, and what it does not list is refused."""

from __future__ import annotations

import json

import pytest

from fhir_server.definitions.compartments import owner_parameters
from fhir_server.definitions.library import load
from fhir_server.definitions.search_parameters import parameters
from fhir_server.interactions.operation_table import TABLE
from fhir_server.interactions.operations import published
from fhir_server.resources import validation
from fhir_server.search.supported import elements, profiled, supported
from tests.kit.application import FHIR_JSON, application

ABSENT = "00000000-0000-7000-8000-ffffffffffff"
PATCH = "application/json-patch+json"
CANONICAL = "https://dmp-on-fhir.example"
VALUES = {"token": "x", "string": "x", "date": "ge2020", "uri": "http://x.example", "reference": "x"}
VALUES |= {"number": "lt5", "quantity": "5.4||mg", "special": "48.85|2.35|5|km"}
# https://hl7.org/fhir/R4/valueset-type-restful-interaction.html, and how each is asked for
INTERACTIONS = {
    "read": ("GET", "{type}/{id}"),
    "vread": ("GET", "{type}/{id}/_history/1"),
    "history-instance": ("GET", "{type}/{id}/_history"),
    "history-type": ("GET", "{type}/_history"),
    "search-type": ("GET", "{type}"),
    "create": ("POST", "{type}"),
    "update": ("PUT", "{type}/{id}"),
    "patch": ("PATCH", "{type}/{id}"),
    "delete": ("DELETE", "{type}/{id}"),
}
OPERATIONS = (*sorted({each.name for each in TABLE}), "lastn", "expand", "process-message", "convert", "graph", "stats")


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True) as made:
        yield made


@pytest.fixture(scope="module")
def client(app):
    return app.test_client()


@pytest.fixture(scope="module")
def statement(client):
    return client.get("/fhir/metadata").json


@pytest.fixture(scope="module")
def rest(statement):
    return statement["rest"][0]


@pytest.fixture(scope="module")
def by_type(rest):
    return {each["type"]: each for each in rest["resource"]}


def ask(client, method, path, body=None, content_type=FHIR_JSON, **how):
    if body is not None:
        how |= {"data": json.dumps(body), "content_type": content_type}
    return client.open(f"/fhir/{path}".rstrip("/"), method=method, **how)


def perform(client, code, type_):
    """The answer to this interaction of a type, on an address where nothing stands, with a body that is no such thing."""
    method, template = INTERACTIONS[code]
    body = {"resourceType": type_, "id": ABSENT, "nonsense": 1} if method in ("POST", "PUT") else None
    if method == "PATCH":
        return ask(client, method, template.format(type=type_, id=ABSENT), [], PATCH)
    return ask(client, method, template.format(type=type_, id=ABSENT), body)


def codes(answered):
    return {each["code"] for each in answered.json.get("issue", ())}


def groups(found, size):
    return [found[at : at + size] for at in range(0, len(found), size)]


def test_the_statement_holds_to_its_own_definition(statement):
    assert [] == [each for each in validation.check(statement) if each.severity in ("fatal", "error")]


def test_it_says_what_and_where_the_server_is(statement, rest, client):
    assert ("4.0.1", "instance", "active") == (statement["fhirVersion"], statement["kind"], statement["status"])
    assert "http://127.0.0.1:8080/fhir" == statement["implementation"]["url"]
    for format_ in statement["format"]:
        assert 200 == ask(client, "GET", "Patient", query_string={"_format": format_}).status_code
        if "/" in format_:
            assert 200 == ask(client, "GET", "Patient", headers={"Accept": format_}).status_code
    assert 406 == ask(client, "GET", "Patient", query_string="_format=ttl").status_code
    told = rest["security"]["extension"][0]["extension"]
    smart = ask(client, "GET", ".well-known/smart-configuration").json
    assert {"authorize", "token", "introspect", "revoke"} == {each["url"] for each in told}
    names = {"authorize": "authorization", "introspect": "introspection", "revoke": "revocation"}
    assert {each["url"]: smart[f"{names.get(each['url'], each['url'])}_endpoint"] for each in told} == {
        each["url"]: each["valueUri"] for each in told
    }


def test_it_lists_every_type_of_r4_that_has_an_address(by_type):
    assert set(load().endpoints) == set(by_type)
    assert 145 == len(by_type)


def test_the_statement_is_the_same_for_everybody_and_head_has_no_body(client, statement):
    assert statement == client.get("/fhir/metadata", headers={"Authorization": "Bearer rubbish"}).json
    assert b"" == client.head("/fhir/metadata").data


@pytest.mark.parametrize("code", INTERACTIONS)
def test_each_interaction_that_is_listed_answers_as_such_and_each_that_is_not_is_refused(client, by_type, code):
    for type_, told in by_type.items():
        answered = perform(client, code, type_)
        if {"code": code} not in told["interaction"]:
            assert answered.status_code in (404, 405), (type_, answered.text)
            assert codes(answered) <= {"not-supported", "not-found"}, (type_, answered.text)
        elif code in ("search-type", "history-type"):
            assert 200 == answered.status_code, (type_, answered.text)
            assert {"search-type": "searchset", "history-type": "history"}[code] == answered.json["type"]
        elif code in ("create", "update"):
            # it was read as such a resource, and its errors are told by element
            assert 422 == answered.status_code, (type_, answered.text)
            assert any(each.get("expression") for each in answered.json["issue"])
        else:
            assert (404, {"not-found"}) == (answered.status_code, codes(answered)), (type_, answered.text)


def test_search_by_post_answers_as_by_get(client, by_type):
    for type_ in list(by_type)[::12]:
        assert 200 == client.post(f"/fhir/{type_}/_search", data={"_count": "1"}).status_code


def test_each_search_parameter_that_is_listed_is_accepted(client, by_type):
    for type_, told in by_type.items():
        named = [each["name"] for each in told["searchParam"] if each["name"] in supported(type_)]
        for some in groups([each for each in named if each != "_id"], 12):
            answered = ask(client, "GET", type_, query_string="&".join(f"{each}:missing=true" for each in some))
            assert 200 == answered.status_code, (type_, some, answered.text)
        owners = owner_parameters(type_)
        valued = [
            f"{each['name']}={value_of(type_, each['name'])}"
            for each in told["searchParam"]
            if each["name"] in supported(type_) and each["name"] not in (*owners, "_lastUpdated", "_id")
        ]
        for some in groups(valued, 6):
            answered = ask(client, "GET", type_, query_string="&".join(some))
            assert 200 == answered.status_code, (type_, some, answered.text)
        words = sorted({each["name"] for each in told["searchParam"]} - set(supported(type_)))
        for each in words:
            value = "_id eq x" if each == "_filter" else "x"
            assert 200 == ask(client, "GET", type_, query_string={each: value}).status_code, (type_, each)
        assert words == ["_content", "_filter", "_text"] or type_ in ("AuditEvent", "Binary", "Bundle"), (type_, words)
    answered = ask(client, "GET", "Patient", query_string="_id=paul-martin&_lastUpdated=ge2000")
    assert 1 == answered.json["total"]


def value_of(type_, code):
    """A value of the kind that the parameter takes."""
    parameter = supported(type_)[code]
    kinds = {kind for kind, _ in elements(type_, parameter)}
    if parameter.type == "token" and kinds == {"boolean"}:
        return "true"
    if parameter.type == "reference" and not parameter.targets:
        return "Organization/x"  # a bare id means nothing where every type may be meant
    if parameter.type == "composite":
        return "$".join(value_of(type_, each.code) for each in parameter.components)
    return VALUES[parameter.type]


def test_each_parameter_of_r4_that_is_not_listed_is_refused(client, by_type):
    refused = 0
    for type_, told in by_type.items():
        listed = {each["name"] for each in told["searchParam"]}
        for code in sorted(set(parameters(type_)) - listed):
            answered = ask(client, "GET", type_, query_string=f"{code}=x")
            assert (400, {"not-supported"}) == (answered.status_code, codes(answered)), (type_, code, answered.text)
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("query", ["_has:Observation:code:code=x", "_filter=name", "_content=-", "_text=-", "_list=$x", "_elements=nonsense", "_query=x", "_contained=x", "_type=Patient", "author.nonsense=x"])  # fmt: skip
def test_what_no_statement_lists_is_refused_everywhere(client, query):
    for type_ in ("Patient", "DocumentReference", "Organization"):
        assert 400 == ask(client, "GET", type_, query_string=query).status_code


def test_each_parameter_is_listed_with_its_published_definition_and_type(by_type):
    for type_, told in by_type.items():
        published = {**parameters(type_), **profiled(type_)}
        for each in told["searchParam"]:
            known = published[each["name"]]
            assert (known.url, known.type) == (each["definition"], each["type"]), (type_, each)


def test_what_every_type_can_be_searched_by_is_accepted(client, rest):
    assert {"_list", "_type"} == {each["name"] for each in rest["searchParam"]}
    for type_ in ("Patient", "Observation"):
        assert 200 == ask(client, "GET", type_, query_string="_list=x").status_code


def test_each_include_that_is_listed_is_accepted(client, by_type):
    for type_, told in by_type.items():
        asked = [f"_include={each}" for each in told.get("searchInclude", ())]
        asked += [f"_revinclude={each}" for each in told.get("searchRevInclude", ())]
        for some in groups(asked, 40):
            answered = ask(client, "GET", type_, query_string="&".join(["_count=1", *some]))
            assert 200 == answered.status_code, (type_, some, answered.text)


def test_an_include_that_is_not_listed_is_refused(client, by_type):
    listed = {type_: set(told.get("searchInclude", ())) for type_, told in by_type.items()}
    for type_ in list(by_type)[::5]:
        others = [each for other in by_type for each in listed[other] if each not in listed[type_]][::60]
        for include in (*others, f"{type_}:nonsense", f"{type_}:_id", "*:*", "Nothing:*"):
            assert 400 == ask(client, "GET", type_, query_string={"_include": include}).status_code, (type_, include)
        reverse = set(by_type[type_].get("searchRevInclude", ()))
        for include in [each for found in listed.values() for each in found if each not in reverse][::90]:
            assert 400 == ask(client, "GET", type_, query_string={"_revinclude": include}).status_code, (type_, include)


def test_the_interactions_of_the_whole_system_are_those_listed(client, rest):
    listed = {"transaction", "batch", "search-system", "history-system"}
    assert listed == {each["code"] for each in rest["interaction"]}
    for kind in ("transaction", "batch"):
        answered = ask(client, "POST", "", {"resourceType": "Bundle", "type": kind})
        assert (200, f"{kind}-response") == (answered.status_code, answered.json["type"])
    for method, path, status in (
        ("GET", "", 400),
        ("GET", "_history", 200),
        ("DELETE", "", 405),
        ("DELETE", "_history", 405),
    ):
        assert status == ask(client, method, path).status_code
    assert 200 == ask(client, "GET", "", query_string="_type=Patient,Observation").status_code
    assert 200 == client.post("/fhir/_search", data={"_type": "Patient,Observation"}).status_code


def test_the_compartments_that_are_listed_are_searched_and_no_other_is(client, rest, by_type):
    """R86."""
    prefix = "http://hl7.org/fhir/CompartmentDefinition/"
    listed = {each.removeprefix(prefix) for each in rest["compartment"]}
    assert {"patient", "encounter", "practitioner", "relatedperson", "device"} == listed
    for type_ in by_type:
        answered = ask(client, "GET", f"{type_}/x/*")
        assert (200 if type_.lower() in listed else 404) == answered.status_code, (type_, answered.text)


def test_each_operation_that_is_listed_answers_and_no_other_does(client, by_type, rest):
    """Each has a definition that says where it is asked and how; nothing stands at the address, and that is said."""
    definitions = {each["url"]: each for each in (published.definition(one, CANONICAL) for one in TABLE)}
    of_all = {each["name"]: definitions[each["definition"]] for each in rest["operation"]}
    assert {each["code"] for each in definitions.values() if each["system"]} == set(of_all) == {"meta"}
    for name in OPERATIONS:
        for method, body in (("GET", None), ("POST", {"resourceType": "Parameters"})):
            answered = ask(client, method, f"${name}", body)
            assert (200 if name in of_all else 404) == answered.status_code, (name, answered.text)
    for type_, told in list(by_type.items()):
        listed = {each["name"]: definitions[each["definition"]] for each in told.get("operation", ())}
        for name in OPERATIONS:
            known = listed.get(name, {"instance": False, "type": False})
            for level, path in (("instance", f"{type_}/{ABSENT}/${name}"), ("type", f"{type_}/${name}")):
                if not known[level]:
                    assert 404 == ask(client, "POST", path, {"resourceType": "Parameters"}).status_code, path
                    continue
                answered = ask(client, "POST", path, {"resourceType": "Parameters"})
                assert answered.status_code in (200, 400, 404, 422), answered.text
                assert "not-supported" not in codes(answered), answered.text
                by_get = ask(client, "GET", path)
                assert (405 == by_get.status_code) == known["affectsState"], by_get.text
                assert "not-supported" not in codes(by_get) or known["affectsState"], by_get.text
    assert {each["code"] for each in definitions.values()} <= set(OPERATIONS)


def test_each_operation_is_listed_with_a_definition_that_can_be_read(client, by_type, rest):
    listed = {each["definition"] for told in by_type.values() for each in told["operation"]}
    assert {each["definition"] for each in rest["operation"]} <= listed
    assert len(TABLE) == len(listed)
    for url in listed:
        found = ask(client, "GET", "OperationDefinition", query_string={"url": url}).json
        assert (1, url) == (found["total"], found["entry"][0]["resource"]["url"])
        assert 200 == ask(client, "GET", f"OperationDefinition/{url.rpartition('/')[2]}").status_code


def test_conditions_work_where_they_are_claimed_and_are_refused_where_not(client, by_type):
    for told in by_type.values():
        offered = {each["code"] for each in told["interaction"]}
        reading = "not-supported" if told["type"] == "Patient" else "full-support"  # computed, docs/adr/0032
        assert (reading, "create" in offered, "update" in offered, "single" if "delete" in offered else "not-supported") == (
            told["conditionalRead"], told["conditionalCreate"], told["conditionalUpdate"], told["conditionalDelete"],
        )  # fmt: skip
    for where, status in (("Practitioner/dr-diallo", 304), ("Patient/paul-martin", 200)):
        read = ask(client, "GET", where)
        for header in ({"If-None-Match": read.headers["ETag"]}, {"If-Modified-Since": read.headers["Last-Modified"]}):
            assert status == ask(client, "GET", where, headers=header).status_code
    organization = {"resourceType": "Organization", "name": "x"}
    for status in (201, 200):
        made = ask(client, "POST", "Organization", organization, headers={"If-None-Exist": "name:exact=x"})
        assert status == made.status_code, made.text
    url = "Organization?name:exact=x"
    assert 200 == ask(client, "PUT", url, {**organization, "alias": ["y"]}).status_code
    assert [204, 204] == [ask(client, "DELETE", url).status_code for _ in range(2)]
    assert 201 == ask(client, "PUT", url, organization).status_code
    ask(client, "POST", "Organization", organization)
    assert 412 == ask(client, "DELETE", url).status_code
    url = "DocumentReference?identifier=urn:x|none"
    assert 404 == ask(client, "PATCH", url, [{"op": "test", "path": "/status", "value": "current"}], PATCH).status_code


def test_conditions_are_refused_for_what_nobody_writes(client, by_type):
    for type_, told in by_type.items():
        if not told["conditionalUpdate"]:
            assert 405 == ask(client, "PUT", f"{type_}?_id=x", {"resourceType": type_}).status_code
        if told["conditionalDelete"] == "not-supported":
            assert 405 == ask(client, "DELETE", f"{type_}?_id=x").status_code


def test_versions_and_update_as_create_work_as_claimed(client, by_type):
    assert by_type["Organization"]["updateCreate"]
    # If-Match is honoured, and nobody has to send it (https://hl7.org/fhir/R4/valueset-versioning-policy.html)
    assert "versioned" == by_type["Organization"]["versioning"]
    body = {"resourceType": "Organization", "id": "truth", "name": "x"}
    made = ask(client, "PUT", "Organization/truth", body)
    assert (201, 'W/"1"') == (made.status_code, made.headers["ETag"])
    assert 412 == ask(client, "PUT", "Organization/truth", body, headers={"If-Match": 'W/"2"'}).status_code
    again = ask(client, "PUT", "Organization/truth", {**body, "name": "y"}, headers={"If-Match": 'W/"1"'})
    assert (200, 'W/"2"') == (again.status_code, again.headers["ETag"])
    assert "x" == ask(client, "GET", "Organization/truth/_history/1").json["name"]
    assert 2 == ask(client, "GET", "Organization/truth/_history").json["total"]
    for type_, told in by_type.items():
        offered = {each["code"] for each in told["interaction"]}
        assert told["updateCreate"] == ("update" in offered), type_
        assert told["readHistory"] == ("vread" in offered), type_


def test_references_are_kept_as_the_policy_says(client, by_type):
    """A logical reference stays one: the server does not look for whom it names."""
    for told in by_type.values():
        assert ["literal", "logical"] == told["referencePolicy"]
    known = ask(client, "GET", "Patient/paul-martin").json["identifier"][0]
    who = {"identifier": {"system": known["system"], "value": known["value"]}}
    body = {"resourceType": "Basic", "code": {"text": "x"}, "author": who}
    assert who == ask(client, "POST", "Basic", body).json["author"]


def test_the_patch_formats_are_those_listed(client, statement):
    assert [PATCH, FHIR_JSON] == statement["patchFormat"]
    part = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "DocumentReference.securityLabel"}]
    said = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    for body, kind in (([], PATCH), (said, FHIR_JSON)):
        for type_ in ("DocumentReference", "Organization"):
            assert 404 == ask(client, "PATCH", f"{type_}/{ABSENT}", body, kind).status_code
    for kind in ("application/xml-patch+xml", "application/merge-patch+json"):
        assert 415 == ask(client, "PATCH", f"DocumentReference/{ABSENT}", [], kind).status_code
