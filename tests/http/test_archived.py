"""Archived documents come when they are asked for, and not in a list by default (DMP-137, ITI-67)."""

from __future__ import annotations

import pytest

from fhir_server.resources.facts import IS_ARCHIVED
from tests.kit import people
from tests.kit.world import label, submission

FLAG = {"url": IS_ARCHIVED, "valueBoolean": True}
ARCHIVE = [{"op": "add", "path": "/extension", "value": [FLAG]}]


@pytest.fixture
def there(world):
    """Three letters in Léa's record; the second is archived."""
    world.letters = [deposited(world, f"urn:oid:1.2.{number}") for number in range(3)]
    assert 200 == world.ask(people.holder(), "PATCH", world.letters[1], ARCHIVE).status
    return world


def deposited(world, unique):
    made = world.ask(people.hospital(), "POST", "", submission(unique))
    assert 200 == made.status, made.json
    where = [each["response"]["location"].partition("/fhir/")[2] for each in made.json["entry"]]
    return next(each.partition("/_history")[0] for each in where if each.startswith("DocumentReference/"))


def found(world, url, who=None):
    """The numbers of the letters that a search finds, and its total."""
    answered = world.ask(who or people.doctor(), "GET", url)
    assert 200 == answered.status, answered.json
    letters = [each for each in answered.ids if each.startswith("DocumentReference/")]
    return sorted(world.letters.index(each) for each in letters), answered.json.get("total")


@pytest.mark.parametrize("who", [people.doctor(), people.holder(), people.operator()], ids=lambda who: who.subject)
@pytest.mark.parametrize(
    "url",
    [
        "DocumentReference?patient=lea&status=current",
        "DocumentReference?patient=lea&status=current&_total=accurate&_sort=date",
        f"DocumentReference?patient.identifier={people.INS_SYSTEM}|{people.INS}&status=current",
        "DocumentReference?patient=lea&identifier:missing=false",
        "DocumentReference?patient=lea&_filter=status eq current",
        "Patient/lea/DocumentReference",
        "?_type=DocumentReference,List&patient=lea&status=current",
        "DocumentReference/$docref?patient=lea",
    ],
)
def test_an_archived_document_stood_in_the_list_that_nobody_asked_it_in(there, who, url):
    numbers, total = found(there, url, who)

    assert [0, 2] == numbers
    assert total - len(numbers) == (3 if "List" in url else 0)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("DocumentReference?patient=lea&isArchived=true", [1]),
        ("DocumentReference?patient=lea&isArchived=true,false", [1]),
        ("DocumentReference?patient=lea&isArchived:missing=false", [1]),
        ("DocumentReference?patient=lea&isArchived:not=true", [0, 2]),
        ("DocumentReference?patient=lea&isArchived:not=false", [0, 1, 2]),
        ("DocumentReference?patient=lea&_filter=isArchived eq true", [1]),
        ("DocumentReference?patient=lea&_filter=isArchived eq true or status eq current", [0, 1, 2]),
        ("DocumentReference?_id={}", [1]),
        ("DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.1", [1]),
        ("?_type=DocumentReference&patient=lea&isArchived=true", [1]),
        ("?_type=DocumentReference&_id={}", [1]),
    ],
)
def test_who_asks_for_what_is_archived_finds_it(there, url, expected):
    assert (expected, len(expected)) == found(there, url.format(there.letters[1].partition("/")[2]))


def test_it_is_counted_as_it_is_listed(there):
    def counted(more):
        url = f"DocumentReference?patient=lea{more}"
        return [
            there.ask(people.doctor(), "GET", f"{url}&{each}").json["total"] for each in ("_summary=count", "_count=1")
        ]

    assert ([2, 2], [1, 1]) == (counted(""), counted("&isArchived=true"))


def test_its_pages_and_its_self_link_are_of_the_search_that_was_made(there):
    """https://hl7.org/fhir/R4/search.html#conformance: the self link says what was searched by."""
    url, seen = "DocumentReference?patient=lea&_count=1", []
    while url:
        answered = there.ask(people.doctor(), "GET", url)
        links = {each["relation"]: each["url"].partition("/fhir/")[2] for each in answered.json["link"]}
        assert 1 == links["self"].count("isArchived:not=true")
        assert 2 == answered.json["total"]
        seen += answered.ids
        url = links.get("next")

    assert sorted(seen) == sorted([there.letters[0], there.letters[2]])


@pytest.mark.parametrize("address", ["{}", "{}/_history/2", "{}/_history"])
def test_it_is_read_at_its_address_all_the_same(there, address):
    assert 200 == there.ask(people.doctor(), "GET", address.format(there.letters[1])).status


def test_its_submission_and_the_whole_record_bring_it_along(there):
    for url in (
        "List?patient=lea&_include=List:item",
        "Patient/lea/$everything",
        "Patient?_id=lea&_revinclude=DocumentReference:subject",
    ):
        entries = there.ask(people.doctor(), "GET", url).json["entry"]
        ids = [f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in entries]
        assert there.letters[1] in ids, url


def test_a_patch_by_its_identifier_brings_it_back(there):
    """Flux 03, TD3.3d: a condition of a write is no list."""
    back = [{"op": "replace", "path": "/extension/0/valueBoolean", "value": False}]
    condition = "DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.1&status=current&patient=lea"
    assert 200 == there.ask(people.holder(), "PATCH", condition, back).status

    assert [0, 1, 2] == found(there, "DocumentReference?patient=lea&status=current")[0]


def test_a_condition_without_its_identifier_finds_it_too(there):
    back = [{"op": "remove", "path": "/extension/0"}]
    condition = "DocumentReference?patient=lea&status=current&isArchived=true"
    assert 200 == there.ask(people.holder(), "PATCH", condition, back).status
    assert 412 == there.ask(people.holder(), "PATCH", "DocumentReference?patient=lea&status=current", back).status


@pytest.mark.parametrize("more", ["", "&isArchived=true", "&isArchived:missing=false", "&_filter=isArchived eq true"])
def test_what_is_masked_is_not_told_by_being_archived(there, more):
    """Decisions 16: what is asked for is found among what may be seen, and nowhere else."""
    mask = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    assert 200 == there.ask(people.holder(), "PATCH", there.letters[1], mask).status

    found_ = found(there, f"DocumentReference?patient=lea{more}", people.radiologist())
    assert found_ == (([0, 2], 2) if not more else ([], 0))
