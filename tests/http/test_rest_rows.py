"""What a FHIR server must do, asked row by row over a socket of a server that really runs.

Rows are those of `tools/rest_rows.py`; searches have a file of their own, `test_rest_rows_search.py`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from email.utils import parsedate_to_datetime

import pytest

from tests.kit.rest import JSON, Rest
from tests.kit.served import Served

XML = "application/fhir+xml"
UTF8 = "application/fhir+json; charset=utf-8"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def rest(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("rows") / "data", "--open", "--workers", "1") as served:
        yield Rest(served.fhir)


def organization(name="x", **more):
    return {"resourceType": "Organization", "name": name, **more}


def codes(answered):
    assert "OperationOutcome" == answered.json()["resourceType"], answered.text
    return {each["code"] for each in answered.json()["issue"]}


@pytest.mark.parametrize("mode", ["full", "normative", "terminology", "x", ""])
def test_a_statement_by_its_mode(rest, mode):
    """Row 2: a mode that is not supported is 400."""
    answered = rest.ask("GET", f"metadata?mode={mode}")
    assert (200 if mode in ("full", "normative") else 400) == answered.status_code
    assert ("CapabilityStatement" if answered.ok else "OperationOutcome") == answered.json()["resourceType"]


@pytest.mark.parametrize("accept", [JSON, "application/json", "text/json", "*/*", None, "application/*", f"{JSON}; fhirVersion=4.0"])  # fmt: skip
def test_json_is_what_is_spoken(rest, accept):
    """Row 3."""
    answered = rest.ask("GET", "Organization?_count=1", Accept=accept)
    assert (200, UTF8) == (answered.status_code, answered.headers["Content-Type"])


def test_a_browser_is_given_json_to_read(rest):
    """Row 3: an Accept that names a page first is a person's; the narrative of XML is no page."""
    answered = rest.ask("GET", "metadata", Accept=BROWSER)
    assert (200, UTF8, "{\n  ") == (answered.status_code, answered.headers["Content-Type"], answered.text[:4])
    assert "\n" not in rest.ask("GET", "metadata?_pretty=false", Accept=BROWSER).text
    assert XML in rest.ask("GET", "metadata?_format=xml", Accept=BROWSER).headers["Content-Type"]
    refused = rest.ask("GET", "Organization/none", Accept=BROWSER)
    assert (404, "{\n  ") == (refused.status_code, refused.text[:4])


@pytest.mark.parametrize("accept", ["text/plain", "application/fhir+turtle", f"{JSON}; fhirVersion=3.0", "image/png"])
def test_what_is_not_written_here_is_406(rest, accept):
    """Rows 4 and 6: another format, or another version of FHIR."""
    answered = rest.ask("GET", "Organization", Accept=accept)
    assert (406, {"not-supported"}) == (answered.status_code, codes(answered))


def test_a_format_of_the_address_wins(rest):
    """Row 5."""
    for value in ("json", "application/json", "application/fhir%2Bjson"):
        assert UTF8 == rest.ask("GET", f"Organization?_format={value}", Accept="text/plain").headers["Content-Type"]
    assert 406 == rest.ask("GET", "Organization?_format=yaml").status_code


@pytest.mark.parametrize("content_type", ["text/plain", None, f"{JSON}; fhirVersion=3.0", f"{JSON}; charset=latin1"])
def test_a_body_of_another_type_is_415(rest, content_type):
    """Rows 6 and 7."""
    answered = rest.ask("POST", "Organization", organization(), content_type)
    assert (415, {"not-supported"}) == (answered.status_code, codes(answered))


@pytest.mark.parametrize("url", ["metadata", "Organization", "Organization/{id}", "Organization/{id}/_history", "Organization/{id}/_history/1", "Organization/none"])  # fmt: skip
def test_head_is_get_without_the_body(rest, url):
    """Row 13: with the length that the body would have, where that does not change."""
    url = url.format(id=rest.made(organization()).partition("/")[2])
    got, head = rest.ask("GET", url), rest.ask("HEAD", url)
    assert (got.status_code, b"") == (head.status_code, head.content)
    for name in ("Content-Type", "ETag", "Last-Modified", "Content-Length"):
        assert got.headers.get(name) == head.headers.get(name), name


def test_options_need_no_token(rest):
    """Row 14."""
    for url in ("", "Patient", "Patient/x"):
        answered = rest.ask("OPTIONS", url, Origin="https://app.example", Access_Control_Request_Method="PUT")
        assert 204 == answered.status_code
        assert "PUT" in answered.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("value", ["x", "", "True", "1"])
def test_pretty_is_true_or_false(rest, value):
    """Row 17; `_summary` and `_elements` have a file of their own."""
    assert 400 == rest.ask("GET", f"Organization?_pretty={value}").status_code
    assert "\n" in rest.ask("GET", "Organization?_pretty=true").text


def test_a_request_has_an_id_and_its_links_the_name_of_the_server(rest):
    """Row 18."""
    assert "mine-1" == rest.ask("GET", "Organization", X_Request_Id="mine-1").headers["X-Request-Id"]
    assert rest.ask("GET", "Organization").headers["X-Request-Id"]
    assert "bad id" not in rest.ask("GET", "Organization", X_Request_Id="bad id").headers["X-Request-Id"]
    told = rest.ask("GET", "Organization", X_Forwarded_Host="evil.example", Forwarded="host=evil.example")
    assert all(each["url"].startswith(rest.base) for each in told.json()["link"])


def test_dates_and_tags_are_those_of_http(rest):
    """Row 20."""
    answered = rest.ask("GET", rest.made(organization()))
    assert 'W/"1"' == answered.headers["ETag"]
    for name in ("Date", "Last-Modified"):
        assert answered.headers[name].endswith(" GMT"), name
        assert parsedate_to_datetime(answered.headers[name])


def test_a_read_is_conditional(rest):
    """Row 25: by every form of a tag, and by a date of whole seconds."""
    where = rest.made(organization())
    modified = rest.ask("GET", where).headers["Last-Modified"]
    for tag in ('W/"1"', '"1"', 'W/"9", W/"1"', "*"):
        answered = rest.ask("GET", where, If_None_Match=tag)
        assert (304, b"", 'W/"1"') == (answered.status_code, answered.content, answered.headers["ETag"]), tag
    assert 304 == rest.ask("GET", where, If_Modified_Since=modified).status_code
    assert 304 == rest.ask("HEAD", where, If_None_Match='W/"1"').status_code
    for headers in (
        {"If_None_Match": 'W/"2"'},
        {"If_Modified_Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"If_Modified_Since": "no date"},
        {"If_None_Match": 'W/"2"', "If_Modified_Since": modified},
    ):
        assert 200 == rest.ask("GET", where, **headers).status_code, headers


def test_what_is_referred_to_may_be_deleted(rest):
    """Row 28."""
    where = rest.made(organization())
    rest.made(organization(partOf={"reference": where}))
    assert [204, 410] == [rest.ask(method, where).status_code for method in ("DELETE", "GET")]


@pytest.mark.parametrize(("prefer", "status"), [("return=minimal", 201), ("return=representation", 201), ("return=OperationOutcome", 201), ("return=everything", 400), (None, 201), ("respond-async", 201)])  # fmt: skip
def test_what_a_write_answers_is_preferred(rest, prefer, status):
    """Row 37."""
    answered = rest.ask("POST", "Organization", organization(), Prefer=prefer)
    assert status == answered.status_code
    if status == 201:
        assert answered.headers["Location"].endswith("/_history/1")
        kind = answered.json()["resourceType"] if answered.content else None
        assert kind == {"return=minimal": None, "return=OperationOutcome": "OperationOutcome"}.get(
            prefer, "Organization"
        )


def test_a_batch_in_a_batch_fails_as_an_entry(rest):
    """Row 68."""
    inner = {"resourceType": "Bundle", "type": "batch", "entry": []}
    entries = [{"request": {"method": "POST", "url": url}, "resource": inner} for url in ("", "/", rest.base)] + [
        {"request": {"method": "GET", "url": "Organization?_summary=count"}}
    ]
    answered = rest.ask("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    told = [each["response"]["status"][:3] for each in answered.json()["entry"]]
    assert (200, ["400", "400", "400", "200"]) == (answered.status_code, told)


def test_a_json_patch_stands_in_a_bundle_as_a_binary(rest):
    """Row 49, https://hl7.org/fhir/R4/http.html#patch."""
    where = rest.made(organization("before"))

    def patch(text):
        data = base64.b64encode(text.encode()).decode()
        sent = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
        entry = {"request": {"method": "PATCH", "url": where}, "resource": sent}
        return [
            rest.ask("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
            for kind in ("transaction", "batch")
        ]

    for answered in patch('[{"op": "replace", "path": "/name", "value": "after"}]'):
        assert (200, "200") == (answered.status_code, answered.json()["entry"][0]["response"]["status"][:3])
        assert "after" == answered.json()["entry"][0]["resource"]["name"]
    for text in ("[", "{}", "[{}]", '[{"op": "test", "path": "/name", "value": "other"}]'):
        whole, alone = patch(text)
        assert whole.status_code in (400, 422), text
        assert alone.json()["entry"][0]["response"]["status"][:3] in ("400", "422"), text
    assert 'W/"2"' == rest.ask("GET", where).headers["ETag"]


# -- Binary


def test_a_content_that_is_sent_as_it_is_becomes_a_binary(rest):
    """Row 109."""
    for kind, content in (("application/pdf", b"%PDF-1.4\x00\xff"), ("application/xml", b"<ClinicalDocument/>"), ("text/plain; charset=utf-8", "é".encode()), ("image/png", b"\x89PNG")):  # fmt: skip
        made = rest.ask("POST", "Binary", content, kind, Accept=JSON)
        assert (201, kind) == (made.status_code, made.json().get("contentType")), made.text
        where = f"Binary/{made.json()['id']}"
        told = rest.ask("GET", where, Accept=JSON).json()
        assert content == base64.b64decode(told.get("data", ""))
        if content:
            for accept in ("*/*", kind, None):
                native = rest.ask("GET", where, Accept=accept)
                assert (200, kind, content) == (native.status_code, native.headers["Content-Type"], native.content)
    assert 422 == rest.ask("POST", "Binary", b"", "image/png").status_code
    changed = rest.ask("PUT", where, b"new", "text/plain", Accept=JSON)
    assert (200, 'W/"2"') == (changed.status_code, changed.headers["ETag"])
    assert b"new" == rest.ask("GET", where).content


def test_a_content_names_whose_security_context_it_has(rest):
    """Row 109: `X-Security-Context`."""
    made = rest.ask("POST", "Binary", b"x", "text/plain", X_Security_Context="Patient/paul-martin", Accept=JSON)
    assert (201, {"reference": "Patient/paul-martin"}) == (made.status_code, made.json().get("securityContext")), (
        made.text
    )
    refused = rest.ask("POST", "Binary", b"x", "text/plain", X_Security_Context="no reference at all")
    assert 400 <= refused.status_code < 500


def test_a_content_without_a_type_is_415_and_one_elsewhere_too(rest):
    """Rows 7 and 109."""
    assert 415 == rest.ask("POST", "Binary", b"x", None).status_code
    assert 415 == rest.ask("POST", "Organization", b"%PDF", "application/pdf").status_code
    assert 415 == rest.ask("POST", "Binary", b"x", "text/plain", Content_Encoding="gzip").status_code
    assert 400 == rest.ask("POST", "Binary", b"{", JSON).status_code


def test_what_was_stored_is_never_run_by_a_browser(rest):
    """Row 110."""
    made = rest.ask("POST", "Binary", b"<script>alert(1)</script>", "text/html", Accept=JSON)
    answered = rest.ask("GET", f"Binary/{made.json()['id']}", Accept="*/*")
    assert ("nosniff", "attachment") == (
        answered.headers["X-Content-Type-Options"], answered.headers["Content-Disposition"]
    )  # fmt: skip
    assert "sandbox" in answered.headers["Content-Security-Policy"]


def test_a_document_leads_to_its_content(rest):
    """Row 114: under the same authorisation, with the size and the SHA-1 that are told of it."""
    content = b"%PDF-1.4 report"
    made = rest.ask("POST", "Binary", content, "application/pdf", Accept=JSON).json()
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "url": f"Binary/{made['id']}",
                    "size": len(content),
                    "hash": base64.b64encode(hashlib.sha1(content).digest()).decode(),
                }
            }
        ],
    }
    stored = rest.ask("POST", "DocumentReference", document)
    if stored.status_code == 201:
        found = stored.json()["content"][0]["attachment"]
        assert content == rest.ask("GET", found["url"]).content
        assert (len(content), document["content"][0]["attachment"]["hash"]) == (found["size"], found["hash"])
    wrong = json.loads(json.dumps(document))
    wrong["content"][0]["attachment"]["size"] = "x"
    assert 422 == rest.ask("POST", "DocumentReference", wrong).status_code


@pytest.mark.parametrize("inside", ["<script>alert(1)</script>", '<p onclick="x()">a</p>', '<a href="javascript:x()">a</a>', '<img src="x" onerror="x()"/>', "<iframe/>"])  # fmt: skip
def test_a_narrative_that_would_do_something_is_refused(rest, inside):
    """Row 115."""
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>'
    answered = rest.ask("POST", "Organization", organization(text={"status": "generated", "div": div}))
    assert (422, True) == (answered.status_code, "Organization.text" in answered.text), answered.text
