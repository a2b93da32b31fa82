"""The bytes of a content go where its write was refused, and stay where it was not, in each version (decisions 14)."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from fhir_server.store import blobs
from tests.kit import people
from tests.kit.rounds import go
from tests.kit.world import submission


@pytest.fixture
def an_hour_later(monkeypatch):
    return lambda: monkeypatch.setattr(blobs, "UNBOUND_FOR", timedelta(seconds=-1))


def kept(world):
    return world.house.shelf.database["blobs.files"].count_documents({})


def refused(world):
    """A deposit whose content is sent, and then belongs to nobody."""
    replaced = {"code": "replaces", "target": {"reference": "DocumentReference/nobody"}}
    return world.ask(people.hospital(), "POST", "", submission(relatesTo=[replaced]))


def test_the_content_of_a_deposit_that_was_refused_was_kept_for_ever(world, an_hour_later):
    assert 404 == refused(world).status
    assert 1 == kept(world)
    assert 0 == go(world).done["contents"], "a write may be under way"

    an_hour_later()
    assert 1 == go(world).done["contents"]
    assert (0, 0) == (kept(world), go(world).done["contents"])


def test_the_content_of_what_was_deposited_stays(world, an_hour_later):
    deposited = world.ask(people.hospital(), "POST", "", submission())
    where = deposited.json["entry"][2]["response"]["location"].removeprefix("http://127.0.0.1:8080/fhir/")
    an_hour_later()
    assert 0 == go(world).done["contents"]
    assert base64.b64encode(b"%PDF-1.4 lettre").decode() == world.ask(people.doctor(), "GET", where).json["data"]


def test_each_version_of_a_binary_keeps_its_content(empty, an_hour_later):
    """An update brings bytes of its own: they were bound to nothing."""
    for text in (b"one", b"two"):
        data = base64.b64encode(text).decode()
        empty.put({"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": data})
    an_hour_later()
    assert 0 == go(empty).done["contents"]
    for version, text in enumerate((b"one", b"two"), 1):
        told = empty.ask(people.operator(), "GET", f"Binary/b/_history/{version}")
        assert base64.b64encode(text).decode() == told.json["data"]


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_a_version_holds_is_kept_though_it_was_bound_to_nothing(empty, an_hour_later, version):
    """As an update left it once: the round binds it."""
    for text in (b"one", b"two"):
        data = base64.b64encode(text).decode()
        empty.put({"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": data})
    bindings = empty.house.shelf.database["blobs"]
    bindings.delete_many({})
    an_hour_later()
    assert 0 == go(empty).done["contents"]
    assert 200 == empty.ask(people.operator(), "GET", f"Binary/b/_history/{version}").status
    assert ["Binary/b", "Binary/b"] == [each["owner"] for each in bindings.find({})]
