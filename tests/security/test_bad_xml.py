"""XML that is none, or no such resource, over HTTP: the right 4xx with an OperationOutcome, never a 500, nothing stored."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.resources import xml_text
from tests.kit.application import application
from tests.security.wire import MANY, MAX_BODY, Wire, is_outcome, resources
from tests.unit.resources.test_xml_source import GOOD, LAUGHS, NS

XML = "application/fhir+xml"
BODIES = {
    "nothing": b"",
    "blank": b"  \n ",
    "JSON": b'{"resourceType": "Basic"}',
    "cut off": GOOD[:-3].encode(),
    "two documents": GOOD.encode() * 2,
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><Basic {NS}><id value="&l9;"/></Basic>'.encode(),
    "an external entity": f'<!DOCTYPE x [<!ENTITY e SYSTEM "/etc/passwd">]><Basic {NS}>&e;</Basic>'.encode(),
    "an external document type": f'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">{GOOD}'.encode(),
    "quadratic blow-up": f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]><Basic {NS}><id value="{"&a;" * 50_000}"/></Basic>'.encode(),
    "an inclusion": f'<Basic {NS} xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="/etc/passwd"/></Basic>'.encode(),
    "a style sheet": b'<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:1/x"?>' + GOOD.encode(),
    "deep": f"<Basic {NS}>".encode() + b"<extension>" * 20_000,
    "deep and closed": f"<Basic {NS}>".encode() + b"<extension>" * 5_000 + b"</extension>" * 5_000 + b"</Basic>",
    "a deep narrative": (
        f'<Basic {NS}><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">'
        + "<b>" * 10_000 + "x" + "</b>" * 10_000 + "</div></text></Basic>"
    ).encode(),
    "a thousand attributes": (f"<Basic {NS}" + "".join(f" a{at}='x'" for at in range(1000)) + "/>").encode(),
    "many names": f"<Basic {NS}>{''.join(f'<a{at}/>' for at in range(20_000))}</Basic>".encode(),
    "another encoding declared": f"<?xml version='1.0' encoding='ISO-8859-1'?>{GOOD}".encode(),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-16 that says so": f"<?xml version='1.0' encoding='UTF-16'?>{GOOD}".encode("utf-16"),
    "UTF-32": GOOD.encode("utf-32"),
    "UTF-7 declared": b"<?xml version='1.0' encoding='UTF-7'?>+ADw-Basic/>",
    "Latin-1": GOOD.encode("latin-1"),
    "an encoded surrogate": GOOD.encode().replace(b"\xc3\xa9", b"\xed\xa0\x80"),
    "a NUL": GOOD.encode().replace(b"\xc3\xa9", b"\x00"),
    "a NUL by number": GOOD.encode().replace(b"\xc3\xa9", b"&#0;"),
    "a huge number": f'<Observation {NS}><valueInteger value="{"9" * 5000}"/></Observation>'.encode(),
    "a huge exponent": f'<Observation {NS}><valueQuantity><value value="1e999999999"/></valueQuantity></Observation>'.encode(),
    "no namespace": b"<Basic/>",
    "another namespace": b'<Basic xmlns="urn:hl7-org:v3"/>',
    "a type there is not": f"<Basics {NS}/>".encode(),
    "a script": f'<Basic {NS}><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div></text></Basic>'.encode(),
    "an svg": f'<Basic {NS}><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><svg xmlns="http://www.w3.org/2000/svg"/></div></text></Basic>'.encode(),
}  # fmt: skip


@pytest.fixture(scope="module")
def wire(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True, max_body=MAX_BODY, max_entries=20) as app:
        yield Wire(app)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(("method", "path"), [("POST", "/fhir/Basic"), ("PUT", "/fhir/Basic/x"), ("POST", "/fhir")])
def test_a_bad_body_is_refused_and_nothing_stored(wire, method, path, body):
    """Rows 8 and 16 of rest.md, said of XML."""
    answered = wire.refused({400, 422}, method, path, body, XML)
    assert "root:" not in answered.text


def test_a_body_beyond_the_limit_is_413_before_it_is_parsed(wire):
    """Row 16."""
    huge = f'<Basic {NS}><id value="{"a" * MAX_BODY}"/></Basic>'.encode()
    wire.refused(413, "POST", "/fhir/Basic", huge, XML)


@pytest.mark.parametrize("value", ["a\ufffeb", "\uffff"])
def test_what_xml_cannot_say_spoils_no_answer_in_xml(wire, value):
    """JSON may hold it; who reads a page in XML gets the page all the same."""
    made = wire.send("POST", "/fhir/Basic", {"resourceType": "Basic", "code": {"text": value}})
    if made.status_code == 201:
        read = wire.send("GET", f"/fhir/Basic?_id={made.json['id']}&_format=xml")
        text = xml_text.read(read.data)["entry"][0]["resource"]["code"]["text"]
        assert value.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd") == text


PIECES = st.sampled_from(
    ["<", ">", "/>", "</", "&", "&amp;", "&x;", "&#0;", "&#x41;", '"', "'", "=", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>",
     "<?xml version='1.0' encoding='utf-8'?>", "<!DOCTYPE x>", "<!DOCTYPE x [<!ENTITY e 'x'>]>", f"<Basic {NS}>", "</Basic>",
     '<code value="x">', '<text value="x"/>', "</code>", "<text>", '<div xmlns="http://www.w3.org/1999/xhtml">', "<div>", "</div>",
     "<div/>", "</text>", "<contained>", "</contained>", 'xmlns="urn:x"', ' id="a"', ' url="a"', ' xml:lang="fr"', "\x00", "\ufffe", " ", "é",
     "<extension url='x'>", "</extension>", '<valueDecimal value="1e5"/>', '<valueInteger value="9999999999999999999"/>']
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=12))
@MANY
def test_any_pieces_of_xml_are_refused_or_read_and_never_500(wire, pieces):
    body = "".join(pieces).encode("utf-8", "surrogatepass")
    for text in (body, f"<Basic {NS}>".encode() + body + b"</Basic>"):
        wire.never_500("POST", "/fhir/Basic", text, XML)


@given(st.binary(max_size=60))
@MANY
def test_any_bytes_are_never_500(wire, body):
    wire.never_500("POST", "/fhir/Basic", body, XML)


GOODS = [xml_text.write(each) for each in resources()]
TOKEN = re.compile(rb"<[^>]*>|\"[^\"]*\"|[^<\"]+")


@given(data=st.data())
@MANY
def test_a_good_resource_with_a_few_pieces_changed_is_refused_or_read_and_never_500(wire, data):
    body = data.draw(st.sampled_from(GOODS))
    tokens = TOKEN.findall(body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(tokens) - 1))
        match data.draw(st.sampled_from(["drop", "double", "swap", "piece"])):
            case "drop":
                tokens[at] = b""
            case "double":
                tokens[at] *= 2
            case "swap":
                other = data.draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case _:
                tokens[at] = data.draw(PIECES).encode("utf-8", "surrogatepass")
    type_ = re.search(rb"<(\w+) xmlns", body)[1].decode()
    path = "/fhir" if type_ == "Bundle" else f"/fhir/{type_}"
    answered = wire.never_500("POST", path, b"".join(tokens), XML)
    if answered.status_code >= 400:
        is_outcome(answered)


@given(accept=st.text(alphabet="application/fhir+xmljsotq=*;,.0159 ", max_size=60))
@MANY
def test_any_accept_is_answered_or_refused_and_never_500(wire, accept):
    for path in ("/fhir/Patient/paul-martin", "/fhir/Patient/nobody", "/fhir/Patient?name=martin"):
        answered = wire.send("GET", path, headers={"Accept": accept})
        assert answered.status_code in (200, 404, 406), accept
