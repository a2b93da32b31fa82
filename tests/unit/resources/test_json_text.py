"""JSON is read strictly and written back as it was sent (rest.md's A8 and C36 in the language of HTTP)."""

import copy
import json
import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.definitions.library import load
from fhir_server.foundation.problem import Problem
from fhir_server.resources.json_text import Exact, read, read_array, write
from tests.unit.resources.full import full
from tests.unit.resources.walking import examples

NUMBERS = ["1.00", "1e2", "-0", "-0.0", "0.00000001", "1E+5", "12345678901234567890", "12345678901234567.10", "0", "-7"]
REFUSED = [
    (b"\xef\xbb\xbf{}", "byte order mark", "line 1, column 1"),
    (b"", "not JSON", "line 1, column 1"),
    (b"{", "not JSON", "line 1, column 2"),
    (b'{"a":1,}', "not JSON", "line 1, column"),
    (b'{"a":01}', "not JSON", "line 1, column"),
    (b'{"a":\n  tru}', "not JSON", "line 2, column 3"),
    (b"{} {}", "not JSON", "line 1, column 4"),
    (b"[1]", "the root is not an object", "line 1, column 1"),
    (b'\n"text"', "the root is not an object", "line 2, column 1"),
    (b"null", "the root is not an object", "line 1, column 1"),
    (b'{"a":1,\n "a":2}', "`a` stands twice", "line 2, column 2"),
    (b'{"x":{"b":1,"c":[{"b":1,"\\u0062":3}]}}', "`b` stands twice", "line 1, column 25"),
    (b'{"a":NaN}', "`NaN` is not a JSON number", "line 1, column 6"),
    (b'{"a":[1,\n-Infinity]}', "Infinity", "line 2, column 1"),
    (b'{"a":"\x00"}', "not JSON", "line 1, column 7"),
    (b'{"a":"\x1f"}', "not JSON", "line 1, column 7"),
    (b'{"a":"x\\u0000"}', "NUL", "line 1, column 8"),
    (b'{"a":"\\ud800"}', "surrogate", "line 1, column 7"),
    (b'{"a":"\\ude00\\ud83d"}', "surrogate", "line 1, column 7"),
    (b'{"a":\xff}', "not UTF-8", "line 1, column 6"),
    (b'{"a":"\xed\xa0\x80"}', "not UTF-8", "line 1, column 7"),
    ('{"a":1}'.encode("utf-16"), "not UTF-8", "line 1, column 1"),
    (b'{"a":1e5000}', "out of range", "line 1, column 6"),
    (b'{"a":1e99999999999999999999}', "out of range", "line 1, column 6"),
    (b'{"a":' + b"1" * 5000 + b"}", "out of range", "line 1, column 6"),
    (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "more than 64 levels", "line 1, column 69"),
    (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "more than 64 levels", "line 1, column 69"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "more than 64 levels", "line 1, column 321"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason", "where"), REFUSED, ids=[str(at) for at in range(len(REFUSED))])
def test_what_is_not_strict_json_is_refused_and_the_place_named(text, reason, where):
    with pytest.raises(Problem) as refused:
        read(text)

    assert 400 == refused.value.status
    assert reason in str(refused.value)
    assert where in str(refused.value)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_written_as_it_was_sent(number):
    assert f'{{"a":{number}}}' == write(read(f'{{"a":{number}}}'))


@pytest.mark.parametrize("number", [each for each in NUMBERS if "." in each or "e" in each.lower()])
def test_a_fraction_or_exponent_is_a_decimal_of_the_same_value(number):
    read_back = read(f'{{"a":{number}}}')["a"]

    assert isinstance(read_back, Decimal)
    assert Decimal(number) == read_back


def test_order_of_keys_and_escapes_survive():
    text = '{"b":"é\\n\\"\\\\","a":{"z":null,"y":[true,false]},"c":"😀"}'

    assert text == write(read(text.encode()))


def test_an_escaped_backslash_before_u0000_is_no_nul():
    assert {"a": "\\u0000"} == read(b'{"a":"\\\\u0000"}')


def test_a_pair_of_surrogates_is_one_character():
    assert {"a": "😀"} == read(b'{"a":"\\ud83d\\ude00"}')


def test_depth_of_exactly_the_limit_is_read():
    assert "a" in read(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}")
    assert "a" in read(b'{"a":' + b"[" * 99 + b"]" * 99 + b"}", depth=100)


def test_brackets_in_strings_are_not_depth():
    assert {"a": "[" * 200} == read('{"a":"' + "[" * 200 + '"}')


def test_an_array_is_read_only_where_an_array_is_wanted():
    assert [{"op": "test", "value": Decimal("1.0")}] == read_array(b'[{"op":"test","value":1.0}]')
    for text in (b"{}", b'"a"', b"[1,]", b"[NaN]"):
        with pytest.raises(Problem):
            read_array(text)


def test_an_exact_number_survives_copies():
    exact = Exact("1e2")

    assert "1e2" == str(copy.deepcopy(exact)) == str(pickle.loads(pickle.dumps(exact)))
    assert Decimal(101) == exact + 1


def test_what_has_no_json_form_is_not_written():
    with pytest.raises(TypeError):
        write({"a": Decimal("NaN")})
    with pytest.raises(TypeError):
        write({"a": object()})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_object_comes_back(value):
    text = json.dumps(value, default=str, ensure_ascii=False)
    if "\\u0000" in text:
        return

    assert json.loads(text) == json.loads(write(read(text)))


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(text):
    try:
        assert isinstance(read(text), dict)
    except Problem as refused:
        assert 400 == refused.status


@pytest.mark.parametrize("type_", load().types)
def test_a_resource_with_everything_in_it_goes_to_json_and_comes_back_the_same(type_):
    """Row 36."""
    for variant in range(3):
        resource = full(type_, variant)
        told = write(resource)
        assert told == write(read(told))
        assert json.loads(told, parse_float=str) == json.loads(write(read(told)), parse_float=str)
        assert list(resource) == list(read(told))


@pytest.mark.parametrize("path", examples("r4") + examples("pdsm4dmp"), ids=lambda path: path.stem)
def test_an_official_example_goes_to_json_and_comes_back_the_same(path):
    sent = path.read_bytes()
    assert json.loads(sent, parse_float=str) == json.loads(write(read(sent)), parse_float=str)
