"""URI parameters: the whole URI, and a canonical also without its version."""

from fhir_server.search import uri


def test_a_uri_is_one_token():
    assert ["=https://example.org/a|b"] == uri.index("https://example.org/a|b", "uri")


def test_a_canonical_is_found_without_its_version():
    assert ["=https://example.org/a|1", "=https://example.org/a"] == uri.index("https://example.org/a|1", "canonical")


def test_a_canonical_without_a_version_is_one_token():
    assert ["=https://example.org/a"] == uri.index("https://example.org/a", "canonical")


def test_what_is_no_text_leaves_nothing():
    assert [] == uri.index({"x": 1}, "uri")
