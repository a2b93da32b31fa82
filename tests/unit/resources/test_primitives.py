"""Each primitive type, with what it is and what it is not (https://hl7.org/fhir/R4/datatypes.html#primitive)."""

from decimal import Decimal

import pytest

from fhir_server.definitions.library import load
from fhir_server.resources.json_text import Exact
from fhir_server.resources.primitives import CHECKS

GOOD = {
    "base64Binary": ["AAAA", "QQ==", "QUFB QUFB", "QUFB\r\nQQ=="],
    "boolean": [True, False],
    "canonical": ["http://x.example/a|1.0", "#a"],
    "code": ["a", "a b", "é"],
    "date": ["2024", "2024-02", "2024-02-29", "0001-01-01", "9999-12-31"],
    "dateTime": ["2024", "2024-02-29", "2024-02-29T23:59:60Z", "2024-02-29T10:00:00.123456789+14:00", "2024-01-01T00:00:00-05:30"],
    "decimal": [1, 0, -1, Decimal("1.00"), Exact("1e2")],
    "id": ["a", "A.b-9", "x" * 64],
    "instant": ["2024-02-29T10:00:00Z", "2024-02-29T10:00:00.1+01:00"],
    "integer": [0, -(2**31), 2**31 - 1],
    "markdown": ["# a\n\n* b", "\ta"],
    "oid": ["urn:oid:1.2.250.1", "urn:oid:2.0.1"],
    "positiveInt": [1, 2**31 - 1],
    "string": ["a", " a ", "a\nb", "é😀", "\u00a0a"],
    "time": ["00:00:00", "23:59:59.5"],
    "unsignedInt": [0, 7],
    "uri": ["http://x.example/é", "urn:oid:1.2", "a"],
    "url": ["https://x.example", "mailto:a@b.example"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml">a</div>'],
}  # fmt: skip
BAD = {
    "base64Binary": ["", "a", "abc!", "A===", "QQ", "é", "QQ==QQ==", 1],
    "boolean": ["true", 1, 0, None, "", []],
    "canonical": ["", "a b", 1],
    "code": ["", " a", "a ", "a  b", "a\tb", "a\nb", 1],
    "date": ["", "24", "2024-2-1", "2024-13", "2024-00-01", "2023-02-29", "2024-04-31", "0000", "2024-02-29T10:00:00Z", "2024-02-29 ", 2024],
    "dateTime": ["2024-02-29T10:00Z", "2024-02-29T10:00:00", "2024-02-29T24:00:00Z", "2024-02-30T10:00:00Z", "2024-02-29T10:00:00+15:00", "2024-02-29 10:00:00Z", "1900-02-29"],
    "decimal": ["1", True, None, "1.0"],
    "id": ["", "a_b", "x" * 65, "a b", "é", 1],
    "instant": ["2024-02-29", "2024-02-29T10:00:00", "2024-02-29T10:00Z", "2024-02-30T10:00:00Z"],
    "integer": [1.5, Decimal("1.0"), 2**31, "1", True, Exact("-0"), Exact("1e2")],
    "markdown": ["", "  ", 1, "a\x0b"],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:1"],
    "positiveInt": [0, -1, "1", True],
    "string": ["", " ", "\n\t", "\u00a0", "a\x00", "a\x1fb", 1, None, ["a"], "a" * (1024 * 1024 + 1)],
    "time": ["24:00:00", "10:00", "10:60:00", "10:00:00Z"],
    "unsignedInt": [-1, "0", False],
    "uri": ["", "a b", "\ta", 1],
    "url": ["", "a b"],
    "uuid": ["urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:1"],
    "xhtml": ["", "<p>a</p>", 1],
}  # fmt: skip


def rows(table):
    return [(type_, value) for type_, values in table.items() for value in values]


def test_every_primitive_type_of_r4_has_a_check():
    names = {name for name, each in load().definitions.items() if each.kind == "primitive-type"}

    assert names == set(CHECKS)


@pytest.mark.parametrize(("type_", "value"), rows(GOOD))
def test_a_good_value_passes(type_, value):
    assert CHECKS[type_](value) is None


@pytest.mark.parametrize(("type_", "value"), rows(BAD), ids=lambda each: str(each)[:40])
def test_a_bad_value_is_told_and_never_repeated(type_, value):
    wrong = CHECKS[type_](value)

    assert wrong
    assert not (isinstance(value, str) and len(value) > 6 and value in wrong)
