"""Searches and the history over several types (rows 33, 85 and 86)."""

from __future__ import annotations

import base64

import pytest

from tests.http.test_compartment_searches import lived, observed
from tests.kit import people
from tests.kit.clinical import MASKED
from tests.kit.world import BASE, label, submission

OPERATOR = people.operator()
STRANGER = people.professional("inconnu", "10000000005")


def walked(world, url, who=OPERATOR):
    """The ids of every page."""
    pages = []
    while url is not None:
        got = world.ask(who, "GET", url)
        assert 200 == got.status, got.json
        pages.append(got.ids)
        url = next(
            (
                each["url"].removeprefix(f"{BASE}").lstrip("/")
                for each in got.json["link"]
                if each["relation"] == "next"
            ),
            None,
        )
    return pages


def test_several_types_are_searched_at_once(world):
    """R85."""
    lived(world)
    got = world.ask(OPERATOR, "GET", "?_type=Observation,Condition&_sort=_id")

    assert (["Condition/c", "Observation/a", "Observation/b", "Observation/z"], 4) == (got.ids, got.json["total"])
    assert f"{BASE}/?_type=Observation,Condition&_sort=_id" == got.json["link"][0]["url"]
    assert ["Condition/c"] == world.ask(OPERATOR, "GET", "?_type=Observation,Condition&code=x").ids
    assert ["Observation/a"] == world.ask(OPERATOR, "GET", "?_type=Observation&_id=a").ids


def test_they_are_searched_by_post(world):
    """R85."""
    lived(world)
    got = world.ask(OPERATOR, "POST", "_search?_type=Observation,Condition&_summary=count")

    assert (200, 4, []) == (got.status, got.json["total"], got.ids)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "say which types are meant"),
        ("?_id=a", "say which types are meant"),
        ("?_type=", "takes resource types"),
        ("?_type=Foo", "`Foo`"),
        ("?_type=Observatoin", "did you mean `Observation`"),
        ("?_type=Observation&_type=Condition", "said twice"),
        ("?_type:not=Observation", "takes no modifier"),
        ("?_type=Observation,Patient&code=x", "Patient has no search parameter `code`"),
        ("?_type=Observation,Condition&_sort=date", "`_sort`"),
        ("?_type=Observation,Condition&_include=Encounter:subject", "the types searched"),
        ("?_type=Observation,Condition&_include=Condition:nothing", "no reference parameter"),
        ("?_type=Observation,Condition&_revinclude=Appointment:location", "any of the types searched"),
        ("?_type=Observation,Condition&_elements=code,nothing", "Observation or Condition has no element"),
        ("?_type=Observation,Condition&_elements=List.entry", "names elements of Observation"),
        ("?_type=Observation,Condition&_elements=Condition.valueQuantity", "Condition has no element"),
        ("?_type=Observation,Condition&encounter.nothing=x", "nothing"),
        ("?_type=Observation,Medication&patient.family=x", "Medication has no search parameter `patient.family`"),
        ("?_type=Observation,Condition&patient=lea&subject=zoe", "one patient"),
        ("?_type=Observation&_page=x", "begin again"),
        ("?_type=Parameters", "takes resource types"),
    ],
)
def test_what_cannot_be_asked_of_several_types_is_refused(world, query, said):
    """R85."""
    got = world.ask(OPERATOR, "GET", query)

    assert (400, True) == (got.status, said in got.json["issue"][0]["diagnostics"]), got.json


@pytest.mark.parametrize("sort", ["", "&_sort=_id", "&_sort=-_id", "&_sort=_lastUpdated", "&_sort=-date,_id"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_is_walked_page_by_page_in_one_order(world, count, sort):
    """R85: keyset pages over all types; traces are kept apart and come in their place."""
    lived(world)
    world.pass_time(minutes=1)
    world.put(observed("late", effectiveDateTime="2020-01-01"))
    types = "Encounter,Observation,AuditEvent"
    before = f"&_lastUpdated=lt{world.now.isoformat()}".replace("+00:00", "Z")
    world.pass_time(minutes=1)  # each page leaves a trace, and none of these is asked for
    whole = world.ask(OPERATOR, "GET", f"?_type={types}&_count=200{sort}{before}").ids
    seen = {}
    for page in walked(world, f"?_type={types}&_count={count}{sort}{before}"):
        assert len(page) <= count
        seen.update(dict.fromkeys(page))

    assert list(seen) == whole
    assert {"AuditEvent", "Encounter", "Observation"} == {each.partition("/")[0] for each in whole}


def test_a_whole_compartment_is_searched(world):
    """R86."""
    lived(world)

    assert ["Condition/c", "Encounter/e1", "Observation/a"] == world.ask(
        OPERATOR, "GET", "Encounter/e1/*?_sort=_id"
    ).ids
    got = world.ask(people.holder(), "GET", "Patient/lea/*?_sort=_id&_count=100")
    types = {each.partition("/")[0] for each in got.ids}
    assert {"Patient", "Consent", "Observation", "Condition", "Encounter", "AuditEvent"} <= types
    assert got.json["total"] == len(got.ids) == len(set(got.ids))
    assert not [each for each in got.ids if each in ("Observation/z", "Patient/zoe")]
    some = world.ask(people.holder(), "GET", "Patient/lea/*?_type=Observation,Encounter&_sort=_id")
    assert ["Encounter/e1", "Observation/a", "Observation/b"] == some.ids
    assert f"{BASE}/Patient/lea/*?_type=Observation,Encounter&_sort=_id" == some.json["link"][0]["url"]


def test_a_foreign_type_within_a_compartment_is_refused(world):
    """R86."""
    assert 400 == world.ask(OPERATOR, "GET", "Patient/lea/*?_type=Practitioner").status
    assert 404 == world.ask(OPERATOR, "GET", "Observation/a/*").status


def test_each_type_is_asked_under_its_own_scope(world):
    lived(world)
    small = people.doctor(scopes=("user/Observation.rs", "user/Condition.r"))

    got = world.ask(small, "GET", "?_type=Observation,Condition")
    assert (403, True) == (got.status, "insufficient_scope" in got.headers["WWW-Authenticate"])
    assert ["Observation/a", "Observation/b"] == world.ask(small, "GET", "Patient/lea/*?_sort=_id").ids
    nothing = people.doctor(scopes=("user/Observation.r", "launch"))
    for url in ("Patient/lea/*", "_history"):
        got = world.ask(nothing, "GET", url)
        assert (403, True) == (got.status, "insufficient_scope" in got.headers["WWW-Authenticate"])


def test_a_granular_scope_narrows_its_type_alone(world):
    lived(world)
    some = people.doctor(scopes=("user/Observation.rs?code=http://loinc.org|other", "user/Condition.rs"))

    assert ["Condition/c"] == world.ask(some, "GET", "?_type=Observation,Condition&patient=lea").ids
    assert ["Condition/c"] == world.ask(some, "GET", "Patient/lea/*").ids
    history = world.ask(some, "GET", "_history").json["entry"]
    assert {"Condition"} == {each["resource"]["resourceType"] for each in history}


def test_shared_types_are_seen_beside_a_record_that_is_shut(world):
    """What belongs to no record is decided upon as such."""
    lived(world)
    got = world.ask(STRANGER, "GET", "?_type=Practitioner,Observation&_sort=_id")

    assert ["Practitioner"] * len(got.ids) == [each.partition("/")[0] for each in got.ids]
    assert got.json["total"] == len(got.ids) > 1


@pytest.mark.parametrize("url", ["?_type=Observation,Condition&patient={}", "Patient/{}/*", "Patient/{}/*?_type=Observation,Consent"])  # fmt: skip
def test_a_shut_record_and_a_patient_that_does_not_exist_answer_alike(world, url):
    """Decisions 17."""
    lived(world)
    answers = [world.ask(STRANGER, "GET", url.format(each)) for each in ("lea", "zoe", "nobody")]

    assert [403] * 3 == [each.status for each in answers]
    assert 1 == len({str(each.json) for each in answers})


def test_a_masked_document_is_in_no_page_total_or_history(world):
    """DMP-52 and its like, in searches of several types."""
    world.ask(people.hospital(), "POST", "", submission())
    where = world.ask(people.holder(), "GET", "DocumentReference?patient=lea").ids[0]
    for url in (
        "?_type=DocumentReference,List&patient=lea",
        "Patient/lea/*",
        "_history",
        "?_type=List,DocumentReference",
    ):
        assert (
            where.encode() in world.ask(people.radiologist(), "GET", f"{url}{'&' if '?' in url else '?'}_count=50").body
        )
    mask = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    assert 200 == world.ask(people.holder(), "PATCH", where, mask).status
    for who, expected in ((people.radiologist(), 0), (people.doctor(), 2)):
        got = world.ask(who, "GET", "?_type=DocumentReference,List&patient=lea")
        assert (expected, expected) == (got.json["total"], len(got.ids))
        for url in ("Patient/lea/*?_count=100", "_history?_count=100"):
            assert (expected > 0) == (where.encode() in world.ask(who, "GET", url).body), (who, url)


def test_the_trace_of_one_record_says_what_was_asked_and_names_nobody_else(world):
    """Decisions 20."""
    lived(world)
    doctor = people.doctor()
    for url in (
        "Patient/lea/*?_type=Observation",
        "?_type=Observation,Condition&patient=lea",
        "?_type=Observation,Condition&encounter=e1",
    ):
        assert 200 == world.ask(doctor, "GET", url).status
    world.ask(doctor, "GET", "?_type=Patient,Consent&_id=lea,zoe")
    traces = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=search-system&_sort=_id").json["entry"]

    assert [
        "?_compartment=Patient/lea&_type=Observation",
        "?_type=Observation,Condition&patient=lea",
        "?_type=Observation,Condition",
        "?patient=lea&_type=Patient,Consent",
    ] == [
        base64.b64decode(each["query"]).decode()
        for trace in traces
        for each in trace["resource"]["entity"]
        if "query" in each
    ]


def test_an_ins_among_several_types_is_no_existence_check(world):
    """DMP-101: who feeds records learns of a person by a search of Patient alone."""
    got = world.ask(people.hospital(), "GET", f"?_type=Patient&identifier={people.INS_SYSTEM}|{people.INS}")

    assert (200, 0) == (got.status, got.json["total"])


def test_lenience_passes_over_what_no_type_knows_and_nothing_else(world):
    """Decisions 9: a parameter that is ignored for one type widens what is answered of it."""
    lived(world)
    got = world.ask(OPERATOR, "GET", "?_type=Observation,Condition&unheard=1", lenient=True)
    assert (200, True) == (got.status, "unheard" not in got.json["link"][0]["url"])
    assert "outcome" == got.json["entry"][-1]["search"]["mode"]
    assert 400 == world.ask(OPERATOR, "GET", "?_type=Observation,Condition&clinical-status=x", lenient=True).status


def told(answered):
    return [
        f"{each['request']['url'] if each['request']['method'] == 'DELETE' else each['fullUrl'].removeprefix(f'{BASE}/')}"
        for each in answered.json.get("entry", ())
    ]


def test_the_history_of_everything_is_newest_first_over_all_types(world):
    """Row 33."""
    lived(world)
    since = world.now.isoformat().replace("+00:00", "Z")
    world.pass_time(minutes=1)
    world.put(observed("a", valueString="2"))
    world.pass_time(minutes=1)
    world.ask(OPERATOR, "DELETE", "Condition/c")
    world.pass_time(minutes=1)
    small = people.doctor(scopes=("user/Observation.rs", "user/Condition.rs"))
    got = world.ask(small, "GET", f"_history?_since={since}")

    assert ["Condition/c", "Observation/a"] == told(got)[:2]
    assert ("history", f"{BASE}/_history?_count=20&_since={since}") == (got.json["type"], got.json["link"][0]["url"])
    assert got.json["total"] == len(got.json["entry"])
    assert {"Condition/c", "Observation/a", "Observation/b"} == set(told(got))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_history_of_everything_is_walked_page_by_page(world, count):
    """Row 31."""
    lived(world)
    world.pass_time(minutes=1)
    before = world.ask(OPERATOR, "GET", "_history?_count=200").json
    whole = [(each["fullUrl"], each["response"]["etag"]) for each in before["entry"]]
    url, seen = f"_history?_count={count}", []
    while url:
        got = world.ask(OPERATOR, "GET", url)
        seen += [(each["fullUrl"], each["response"]["etag"]) for each in got.json["entry"]]
        url = next(
            (each["url"].removeprefix(f"{BASE}/") for each in got.json["link"] if each["relation"] == "next"), None
        )

    assert whole == [each for each in seen if each in whole]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("query", ["_since=x", "_count=0", "_before=2", "_page=x", "_type=Patient", "patient=lea"])
def test_what_the_history_of_everything_cannot_read_is_refused(world, query):
    assert 400 == world.ask(OPERATOR, "GET", f"_history?{query}").status


def test_somebody_without_standing_sees_the_history_of_what_is_shared_alone(world):
    lived(world)
    got = world.ask(STRANGER, "GET", "_history?_count=200").json["entry"]

    assert {"Practitioner", "Organization", "OperationDefinition"} >= {each["resource"]["resourceType"] for each in got}


def test_a_list_is_named_for_several_types_as_for_one(world):
    """R103: the items that are seen, in a List that is seen; a hidden List is as one that is not there."""
    world.put(observed("seen"))
    world.put(observed("hidden", meta=MASKED))
    world.put({"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/lea"}})
    world.put({"resourceType": "Condition", "id": "other", "subject": {"reference": "Patient/lea"}})
    entries = [{"item": {"reference": each}} for each in ("Observation/seen", "Observation/hidden", "Condition/c")]
    listing = {"resourceType": "List", "status": "current", "mode": "working", "subject": {"reference": "Patient/lea"}}
    world.put({**listing, "id": "open", "entry": entries})
    world.put({**listing, "id": "shut", "entry": entries[1:2]})

    def ids(id_, who):
        return world.ask(who, "GET", f"?_type=Observation,Condition&_list={id_}&_sort=_id").ids

    assert ["Condition/c", "Observation/hidden", "Observation/seen"] == ids("open", OPERATOR)
    assert ["Condition/c", "Observation/seen"] == ids("open", people.radiologist())
    assert [] == ids("shut", people.radiologist()) == ids("none", people.radiologist())
    assert [] == ids("open", STRANGER)
    small = people.radiologist(scopes=("user/Observation.rs", "user/Condition.rs"))
    assert [403, 403] == [
        world.ask(small, "GET", f"?_type=Observation,Condition&_list={each}").status for each in ("open", "none")
    ]
