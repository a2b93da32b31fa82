"""Attacks on a reader of XML, and texts that are none: each is a 400 that names the line, soon and for little."""

import time

import pytest

from fhir_server.foundation.problem import Problem
from fhir_server.resources import xml_source
from fhir_server.resources.xml_text import read

NS = 'xmlns="http://hl7.org/fhir"'
GOOD = f'<Basic {NS}><code><text value="é"/></code></Basic>'
LAUGHS = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 10))
REFUSED = [
    ("", "not XML", "line 1"),
    (" \n ", "not XML", ""),
    ("basic", "not XML", "line 1"),
    ("{}", "not XML", "line 1"),
    (GOOD[:-3], "not XML", "line 1"),
    (GOOD * 2, "not XML", "line 1"),
    (f"{GOOD}x", "not XML", "line 1"),
    (f" <?xml version='1.0'?>{GOOD}", "not XML", "line 1"),
    (f"<Basic {NS}>\n\n<code></Basic>", "not XML", "line 3"),
    (f'<Basic {NS}>\n<id value="a" value="b"/></Basic>', "not XML", "line 2"),
    (f'<Basic {NS}>\n<id value="&nbsp;"/></Basic>', "not XML", "line 2"),
    (f'<Basic {NS}>\n<id value="&#0;"/></Basic>', "not XML", "line 2"),
    (f'<Basic {NS}>\n<id value="&#xd800;"/></Basic>', "not XML", "line 2"),
    (f'<Basic {NS}>\n<id value="a<b"/></Basic>', "not XML", "line 2"),
    (f'<Basic {NS}>\n<x:id value="a"/></Basic>', "not XML", "line 2"),
    (f'<Basic {NS}><id value="a\x01"/></Basic>', "not XML", "line 1"),
    (f'<Basic {NS}><id value="a\x00"/></Basic>', "not XML", "line 1"),
    (f'<Basic {NS}><id value="\ufffe"/></Basic>', "not XML", "line 1"),
    (f"<!DOCTYPE Basic>{GOOD}", "a document type is not allowed", "line 1"),
    (f"<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE Basic SYSTEM '/etc/passwd'>{GOOD}", "a document type", "line 3"),
    (f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><Basic {NS}><id value="&l9;"/></Basic>', "a document type", "line 1"),
    (f'<!DOCTYPE x [<!ENTITY e SYSTEM "/etc/passwd">]><Basic {NS}><id value="&e;"/></Basic>', "a document type", "line 1"),
    (f'<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1:1/x"> %e;]>{GOOD}', "a document type", "line 1"),
    (f"<?x?><!DOCTYPE x>{GOOD}", "a document type", "line 1"),
    (f"<!-- x --{'-' * 100_000}{GOOD}", "not XML", "line 1"),
    (f"<Basic {NS}>" + "<extension>" * 1000 + "</extension>" * 1000 + "</Basic>", "more than 64 levels deep", "line 1"),
    (f"<Basic {NS}>" + "<a>" * 500_000, "more than 64 levels deep", "line 1"),
    (f"<Basic {NS}>\n" + "".join(f"<a{at}/>" for at in range(5000)) + "</Basic>", "more than 2000 different names", "line 2"),
    (f"<Basic {NS} " + " ".join(f'a{at}=""' for at in range(5000)) + "/>", "more than 2000 different names", "line 1"),
    (f"<Basic {NS}>" + "".join(f'<id xmlns="u{at}"/>' for at in range(5000)) + "</Basic>", "more than 2000 different names", "line 1"),
    (f"<Basic {NS}>" + "".join(f'<id xmlns:a="u{at}"/>' for at in range(5000)) + "</Basic>", "more than 2000 different names", "line 1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason", "where"), REFUSED, ids=[str(at) for at in range(len(REFUSED))])
def test_what_is_no_xml_or_an_attack_is_refused_at_once_and_the_line_named(text, reason, where):
    started = time.process_time()
    with pytest.raises(Problem) as refused:
        read(text.encode())

    assert (400, "structure") == (refused.value.status, refused.value.issues[0].code)
    assert reason in str(refused.value)
    assert where in str(refused.value)
    assert len(str(refused.value)) < 300
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"\xef\xbb\xbf" + GOOD.encode(), "a byte order mark stands before the text (line 1)"),
        (GOOD.encode("utf-16"), "not UTF-8 (line 1)"),
        (GOOD.encode("utf-32"), "not UTF-8 (line 1)"),
        (b"\n" + GOOD.encode("latin-1"), "not UTF-8 (line 2)"),
        (f"<?xml version='1.0' encoding='ISO-8859-1'?>{GOOD}".encode(), "another encoding than UTF-8 is declared (line 1)"),
        (f'<?xml version="1.0" encoding="UTF-16"?>{GOOD}'.encode(), "another encoding than UTF-8 is declared (line 1)"),
        (f'<?xml version="1.0" encoding="utf-7"?>{GOOD}'.encode(), "another encoding than UTF-8 is declared (line 1)"),
        (GOOD.encode("utf-16-be"), "not XML"),
        (GOOD.encode().replace(b"\xc3\xa9", b"\xed\xa0\x80"), "not UTF-8 (line 1)"),
        (GOOD.encode().replace(b"\xc3\xa9", b"\xc0\xaf"), "not UTF-8 (line 1)"),
    ],
)  # fmt: skip
def test_what_is_not_utf_8_is_refused(text, reason):
    with pytest.raises(Problem) as refused:
        read(text)
    assert 400 == refused.value.status
    assert reason in str(refused.value) or "not UTF-8" in str(refused.value)


@pytest.mark.parametrize(
    "declared", ["", "<?xml version='1.0'?>", '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n']
)
def test_what_is_utf_8_and_says_so_or_nothing_is_read(declared):
    assert "é" == read(f"{declared}{GOOD}".encode())["code"]["text"]


def test_a_document_type_in_words_is_no_document_type():
    text = f'<!-- <!DOCTYPE x> --><Basic {NS}><code><text value="&lt;!DOCTYPE x>"/></code></Basic>'
    assert "<!DOCTYPE x>" == read(text.encode())["code"]["text"]


@pytest.mark.parametrize(
    "value", ["A" * 12_000_000, "a=" * 2_000_000, "xmlns" * 1_000_000, "xmlns " * 1_000_000, "a " * 2_000_000, "&#38;" * 1_000_000]
)  # fmt: skip
def test_a_huge_attribute_is_read_in_no_more_time_than_it_is_long(value):
    started = time.process_time()
    read_ = read(f'<Binary {NS}><contentType value="a/b"/><data value="{value}"/></Binary>'.encode())
    assert len(value.replace("&#38;", "&")) == len(read_["data"])
    assert time.process_time() - started < 5


def test_no_parser_of_ours_fetches_or_expands_anything(monkeypatch):
    """The document type is refused before libxml2 sees it; were it not, the options alone would hold."""
    monkeypatch.setattr(xml_source, "_PROLOG", xml_source.re.compile("(?!)"))
    for text in (
        f' \n<!DOCTYPE x [<!ENTITY e SYSTEM "/etc/passwd">]><Basic {NS}><id value="a"/>&e;</Basic>',
        f' \n<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x">{GOOD}',
    ):
        try:
            told = str(read(text.encode()))
        except Problem as refused:
            told = str(refused)
        assert "root:" not in told
