"""Metadata told back: what is indexed of profiles, tags and labels is read off the index as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.predicate import matches
from fhir_server.search import metadata
from fhir_server.search.index import index_of

LISTS = ("profile", "security", "tag")


def tokens(meta, type_="Observation"):
    """What the index holds of one resource's metadata, one list for each parameter, as the store tells it."""
    found = index_of({"resourceType": type_, "id": "x", "meta": meta}).tokens
    return [[each for each in found if each.startswith(f"{type_}.{name}=")] for name in metadata.PARAMETERS]


def told(*metas):
    return metadata.meta(each for meta in metas for each in tokens(meta))


@pytest.mark.parametrize(
    "meta",
    [
        {"profile": ["http://x.example/a"]},
        {"profile": ["http://x.example/a|1.0"]},
        {"profile": ["http://x.example/a|1.0", "http://x.example/b", "urn:uuid:1"]},
        {"tag": [{"system": "http://x.example", "code": "a"}]},
        {"tag": [{"code": "a"}]},
        {"tag": [{"system": "http://x.example"}]},
        {"security": [{"system": "s", "code": "N"}, {"system": "s", "code": "R"}, {"system": "t", "code": "N"}]},
        {"security": [{"code": "N"}, {"system": "s", "code": "N"}]},
        {"tag": [{"system": "s", "code": "a b"}], "security": [{"code": "a b"}]},
        {"tag": [{"system": "http://x.example?a=b&c=d", "code": "=|="}, {"system": "s", "code": "a=b"}]},
        {"tag": [{"system": "s", "code": "a|b"}]},
        {"tag": [{"system": "s", "code": "a|"}]},
        {"tag": [{"system": "s", "code": "|b"}]},
        {"tag": [{"code": "|b"}]},
        {"tag": [{"code": "a|b"}]},
        {"tag": [{"system": "s|t", "code": "a"}]},
        {"tag": [{"system": "s|t"}]},
        {"tag": [{"system": "s|t", "code": "a|b"}, {"system": "u", "code": "c"}]},
        {"profile": ["http://x.example/a"], "security": [{"system": "s", "code": "N"}], "tag": [{"code": "a"}]},
    ],
)
def test_what_was_written_is_told(meta):
    assert meta == told(meta)


def test_each_is_told_once_and_in_order_whatever_type_it_is_of():
    one, other = {"tag": [{"code": "b"}, {"system": "s", "code": "a"}]}, {"tag": [{"code": "b"}, {"code": "a"}]}
    found = metadata.meta([*tokens(one), *tokens(other, "Patient"), *tokens(one, "Binary"), []])

    assert {"tag": [{"code": "a"}, {"code": "b"}, {"system": "s", "code": "a"}]} == found


def test_a_profile_is_told_without_its_version_where_one_resource_has_it_so():
    assert {"profile": ["http://x/a", "http://x/a|1"]} == told(
        {"profile": ["http://x/a|1"]}, {"profile": ["http://x/a"]}
    )


def test_of_a_coding_its_words_its_version_and_a_second_mention_of_its_system_are_not_told():
    meta = {
        "tag": [{"system": "s", "version": "1", "code": "a", "display": "A", "userSelected": True}, {"system": "s"}]
    }

    assert {"tag": [{"system": "s", "code": "a"}]} == told(meta)
    assert {} == told({"tag": [{"display": "A"}]})


def test_nothing_is_told_of_nothing():
    assert {} == metadata.meta([]) == metadata.meta([[], []]) == told({"versionId": "1", "lastUpdated": "2026-01-01"})


def test_what_reads_as_a_reference_to_a_resource_here_is_told_to_nobody():
    """A read takes such a name away where that resource is hidden; the index keeps it."""
    named = {
        "profile": ["Observation/x", "Observation/x/_history/1", "http://x.example/Observation/x"],
        "tag": [{"system": "Observation/x", "code": "a"}, {"system": "Observation/x#a"}, {"code": "Observation/x"}],
    }

    assert {"profile": ["http://x.example/Observation/x"], "tag": [{"code": "Observation/x"}]} == told(named)
    assert {"tag": [{"code": "Observation/x"}]} == metadata.meta(tokens(named), "http://x.example")
    definition = {"profile": ["http://x.example/StructureDefinition/x"]}
    assert definition == metadata.meta(tokens(definition), "http://x.example")


SYSTEMS = st.sampled_from(["s", "t", "http://x.example/s", "urn:oid:1.2", "s="])
CODES = st.sampled_from(["a", "b", "a b", "s", "http://x.example/s", "=", "é", "_tag="])
CODINGS = st.lists(
    st.one_of(
        st.builds(lambda s, c: {"system": s, "code": c}, SYSTEMS, CODES), st.builds(lambda c: {"code": c}, CODES)
    ),
    max_size=4,
)
PROFILES = st.lists(st.sampled_from(["http://x/a", "http://x/a|1", "http://x/b|2.0", "urn:oid:1.2", "http://x/_tag=c"]))
METAS = st.builds(lambda p, s, t: {"profile": p, "security": s, "tag": t}, PROFILES, CODINGS, CODINGS)


def key(each):
    return (each.get("system", ""), each["code"]) if isinstance(each, dict) else each


def plain(meta):
    """A canonical beside itself with a version is told with the version alone."""
    versioned = {each.partition("|")[0] for each in meta["profile"] if "|" in each}
    return {**meta, "profile": [each for each in meta["profile"] if each not in versioned]}


@given(st.lists(METAS, max_size=5))
def test_what_several_resources_have_is_told_together_and_nothing_else(metas):
    expected = {name: sorted({key(each) for meta in metas for each in plain(meta)[name]}) for name in LISTS}
    found = told(*metas)

    assert {name: values for name, values in expected.items() if values} == {
        name: [key(each) for each in values] for name, values in found.items()
    }


@given(METAS)
def test_what_is_asked_of_a_resource_is_whether_it_has_any(meta):
    there = {name: values for name, values in meta.items() if values}
    index = index_of({"resourceType": "Observation", "id": "x", "meta": there}).tokens

    assert bool(there) == matches(metadata.there(["Patient", "Observation"]), {"index": index})
    assert not matches(metadata.there(["Patient"]), {"index": index})
