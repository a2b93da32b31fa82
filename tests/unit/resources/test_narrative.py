"""What a narrative may hold (txt-1, txt-2: https://hl7.org/fhir/R4/narrative.html): nothing that runs or calls home."""

import pytest

from fhir_server.resources.narrative import narrative

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'
GOOD = [
    "a",
    "<p>a</p><br/>",
    '<table class="grid"><tbody><tr><td colspan="2" style="color: red">a</td></tr></tbody></table>',
    '<a name="x">a</a><a href="#x">b</a><a href="Patient/1">c</a><a href="https://x.example/?a=b:c">d</a>',
    '<img src="data:image/png;base64,AAAA" alt=""/>',
    '<img src="#photo"/>',
    '<a href="mailto:a@b.example">x</a>',
    "a &amp; b &#160; c",
    '<span xml:lang="fr" lang="fr" title="x">a</span>',
    "<h1>a</h1><ul><li>b</li></ul><pre>c</pre>",
]
BAD = [
    ("<script>alert(1)</script>", "script"),
    ("<SCRIPT>a</SCRIPT>", "SCRIPT"),
    ("<style>p {}</style>a", "style"),
    ("<iframe src='https://x.example'/>a", "iframe"),
    ("<object data='x'/>a", "object"),
    ("<form action='x'><input/></form>", "form"),
    ("<link rel='stylesheet' href='x'/>a", "link"),
    ("<base href='https://x.example/'/>a", "base"),
    ("<svg xmlns='http://www.w3.org/2000/svg'/>a", "svg"),
    ("<p onclick='x()'>a</p>", "onclick"),
    ("<img src='x' onerror='x()'/>", "onerror"),
    ("<a href='javascript:x()'>a</a>", "javascript"),
    ("<a href='JaVaScRiPt:x()'>a</a>", "javascript"),
    ("<a href=' java&#10;script:x()'>a</a>", "javascript"),
    ("<a href='vbscript:x()'>a</a>", "vbscript"),
    ("<a href='data:text/html,a'>a</a>", "data"),
    ("<img src='data:image/svg+xml,a'/>", "data"),
    ("<p style='background: url(https://x.example)'>a</p>", "style"),
    ("<p style='width: expression(x())'>a</p>", "style"),
    ("<p style='behaviour: x; -moz-binding: y'>a</p>", "style"),
    ("<p xmlns='urn:other'>a</p>", "namespace"),
    ("<p>a", "well-formed"),
    ("a & b", "well-formed"),
    ("&nbsp;a", "well-formed"),
    ("<p>a</b></p>", "well-formed"),
    ("", "says nothing"),
    (" \n <p> </p>", "says nothing"),
    ("<?php x ?>a", "declaration"),
]


@pytest.mark.parametrize("html", GOOD)
def test_what_html_needs_to_be_read_is_allowed(html):
    assert narrative(DIV.format(html)) is None


@pytest.mark.parametrize(("html", "reason"), BAD)
def test_what_could_run_or_call_home_is_refused(html, reason):
    assert reason in str(narrative(DIV.format(html)))


@pytest.mark.parametrize(
    "text",
    [
        "<div>a</div>",
        '<p xmlns="http://www.w3.org/1999/xhtml">a</p>',
        '<div xmlns="urn:other">a</div>',
        "a",
        "",
        '<!DOCTYPE div [<!ENTITY a "b">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>',
        DIV.format("a") + DIV.format("b"),
    ],
)
def test_the_root_is_one_xhtml_div_without_a_doctype(text):
    assert narrative(text) is not None


def test_entities_that_multiply_are_refused_before_they_do():
    lol = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10 if at else "lol"}">' for at in range(9))

    assert "declaration" in str(narrative(f'<!DOCTYPE d [{lol}]><div xmlns="http://www.w3.org/1999/xhtml">&l8;</div>'))
