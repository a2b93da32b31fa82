"""Contact: one spelling of what people type of themselves, and nothing else (DMP-25)."""

import pytest

from fhir_server.smart.attempts import network
from fhir_server.smart.contact import contact_of, number_of


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (" Lea@Example.ORG ", ("mail", "Lea@example.org")),
        ("06 39 98 00 01", ("text", "+33639980001")),
        ("06.39.98.00.01", ("text", "+33639980001")),
        ("+33 6 39 98 00 01", ("text", "+33639980001")),
        ("0033639980001", ("text", "+33639980001")),
        ("+262 692 00 00 01", ("text", "+262692000001")),
    ],
)
def test_an_address_and_a_mobile_number_have_one_spelling(typed, read):
    assert read == contact_of(typed)


@pytest.mark.parametrize(
    "typed",
    ["", "lea", "lea@x", "@x.fr", "a b@x.fr", "a@x.fr\nBcc: b@y.fr", "a@x.fr,b@y.fr", "0123456789", "+33", "1" * 300],
)
def test_what_no_code_would_reach_is_nothing(typed):
    assert contact_of(typed) is None


def test_a_number_is_read_as_it_stands_on_the_card():
    assert "2690549588157" + "80" == number_of(" 2 69 05 49 588 157 80")
    assert "12A" == number_of("1 2a")


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1:aaaa::1", "2001:db8:0:1::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_an_address_is_counted_as_whose_it_is(address, counted):
    assert counted == network(address)
