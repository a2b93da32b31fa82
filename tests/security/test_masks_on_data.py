"""Masks on data of the record, in `meta.security`: lifted by who set them, and by nobody who merely wrote the data."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.clinical import MASKED, observation, parameters
from tests.kit.world import FRENCH, Answer
from tests.security import test_holes

world = test_holes.world
AUTHOR = people.radiologist()
MASK = parameters(meta={"valueMeta": MASKED})
SECRET = {"security": [{"system": FRENCH, "code": "INVISIBLE_REPRESENTANTS_LEGAUX"}]}


def measured(world, **more) -> str:
    """A measurement that Dr Diallo sent; its address."""
    body = observation("x", performer=[{"reference": "Practitioner/diallo"}], **more)
    made = world.ask(AUTHOR, "POST", "Observation", {name: each for name, each in body.items() if name != "id"})
    assert 201 == made.status, made.json
    return f"Observation/{made.json['id']}"


def update(world, url) -> Answer:
    body = {**observation(url.partition("/")[2]), "performer": [{"reference": "Practitioner/diallo"}]}
    return world.ask(AUTHOR, "PUT", url, body)


def patch(world, url) -> Answer:
    return world.ask(AUTHOR, "PATCH", url, [{"op": "remove", "path": "/meta/security"}])


def meta_delete(world, url) -> Answer:
    return world.ask(AUTHOR, "POST", f"{url}/$meta-delete", MASK)


LIFTED = [update, patch, meta_delete]


@pytest.mark.parametrize("lift", LIFTED)
def test_the_author_of_data_lifted_the_mask_that_another_had_set(world, lift):
    """ADR 12, DMP-62: as with documents."""
    url = measured(world)
    assert 200 == world.ask(people.operator(), "POST", f"{url}/$meta-add", MASK).status

    assert 403 == lift(world, url).status
    codes = [each["code"] for each in world.ask(people.operator(), "GET", url).json["meta"]["security"]]
    assert ["MASQUE_PS"] == codes


@pytest.mark.parametrize("lift", LIFTED)
def test_the_author_of_data_lifts_the_own_mask(world, lift):
    """ADR 12."""
    url = measured(world, meta=MASKED)

    assert 200 == lift(world, url).status
    assert "security" not in world.ask(people.operator(), "GET", url).json["meta"]


def test_the_author_of_data_changes_it_under_the_mask_of_another(world):
    """What stays masked may be corrected."""
    url = measured(world)
    assert 200 == world.ask(people.operator(), "POST", f"{url}/$meta-add", MASK).status

    made = world.ask(AUTHOR, "PATCH", url, [{"op": "replace", "path": "/status", "value": "amended"}])

    assert (200, "amended") == (made.status, made.json["status"])


def test_the_author_of_data_lifted_what_hid_it_from_the_parents_of_a_minor(world):
    """DMP-92: it was the minor's word to a professional."""
    url = measured(world)
    secret = parameters(meta={"valueMeta": SECRET})
    assert 200 == world.ask(people.operator(), "POST", f"{url}/$meta-add", secret).status

    assert 403 == patch(world, url).status
