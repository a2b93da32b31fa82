"""batch and transaction; rows are those of rest.md's part D (https://hl7.org/fhir/R4/http.html#transaction)."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.world import BASE, patient

OPERATOR = people.operator()
URN = "urn:uuid:00000000-0000-4000-8000-00000000000{}"


def bundle(kind, *entries):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method, url, resource=None, full=None, **conditions):
    made = {"request": {"method": method, "url": url, **conditions}}
    if resource:
        made["resource"] = resource
    if full:
        made["fullUrl"] = full
    return made


def observed(**more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/lea"},
        **more,
    }


def posted(world, sent, who=OPERATOR):
    return world.ask(who, "POST", "", sent)


def count(world):
    return world.house.shelf.resources.count_documents({"type": "Observation"})


def test_answers_stand_in_the_order_of_the_entries_and_writes_in_that_of_the_specification(world):
    """Rows 54 to 56: DELETE, POST, PUT, GET, whatever the order of the entries."""
    world.put(observed(id="old"))
    world.put(observed(id="kept"))
    got = posted(
        world,
        bundle(
            "transaction",
            entry("GET", "Observation?subject=Patient/lea&_sort=_id"),
            entry("PUT", "Observation/kept", observed(id="kept", valueString="2")),
            entry("POST", "Observation", observed(), URN.format(1)),
            entry("DELETE", "Observation/old"),
        ),
    )

    assert ("transaction-response", 4) == (got.json["type"], len(got.json["entry"]))
    assert ["200", "200", "201", "204"] == [each["response"]["status"][:3] for each in got.json["entry"]]
    seen = [each["resource"]["id"] for each in got.json["entry"][0]["resource"]["entry"]]
    assert ("kept" in seen, "old" in seen, len(seen)) == (True, False, 2)
    created = got.json["entry"][2]["response"]
    assert created["location"].startswith(f"{BASE}/Observation/")
    assert 'W/"1"' == created["etag"]


def test_a_transaction_that_fails_leaves_nothing(world):
    """Row 57."""
    before = count(world)
    got = posted(
        world,
        bundle(
            "transaction",
            entry("POST", "Observation", observed()),
            entry("POST", "Observation", {"resourceType": "Observation"}),
        ),
    )

    assert (422, "OperationOutcome", before) == (got.status, got.json["resourceType"], count(world))
    assert got.json["issue"][0]["expression"][0].startswith("Bundle.entry[1]")


def test_entries_of_a_batch_stand_alone(world):
    """Row 58."""
    got = posted(
        world,
        bundle(
            "batch",
            entry("POST", "Observation", observed()),
            entry("POST", "Observation", {"resourceType": "Observation"}),
            entry("GET", "Observation/none"),
            entry("GET", "Patient/lea"),
        ),
    )

    assert (200, "batch-response") == (got.status, got.json["type"])
    assert ["201", "422", "404", "200"] == [each["response"]["status"][:3] for each in got.json["entry"]]
    assert "OperationOutcome" == got.json["entry"][2]["response"]["outcome"]["resourceType"]


def test_every_refusal_of_a_batch_is_noted(world):
    """Row 69; decisions 20: one for each entry."""
    posted(world, bundle("batch", *(entry("GET", f"Observation/none{each}") for each in range(3))), people.doctor())

    told = world.house.shelf.ledger.distinct("entry.refused", {"facts.author": "Practitioner/bernard"})
    assert (["record.unknown"], 3) == (
        told,
        world.house.shelf.ledger.count_documents({"facts.author": "Practitioner/bernard"}),
    )


def test_a_creation_in_a_batch_does_not_wipe_what_was_noted_before_it(world):
    """Decisions 20."""
    sent = bundle("batch", entry("GET", "Patient/lea"), entry("PUT", "Observation/new", observed(id="new")))
    before = world.house.shelf.ledger.count_documents({})
    posted(world, sent)

    assert before + 2 == world.house.shelf.ledger.count_documents({})


def test_entries_of_a_batch_may_not_refer_to_each_other(world):
    """Row 58."""
    sent = bundle(
        "batch",
        entry("POST", "Observation", observed(), URN.format(1)),
        entry("POST", "Observation", observed(derivedFrom=[{"reference": URN.format(1)}])),
    )

    assert ["201", "400"] == [each["response"]["status"][:3] for each in posted(world, sent).json["entry"]]


def test_names_within_a_transaction_are_put_in_place_everywhere(world):
    """Rows 59 and 60."""
    first = URN.format(1)
    second = observed(
        derivedFrom=[{"reference": first}],
        text={"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{first}">x</a></div>'},
        extension=[{"url": "urn:x", "valueReference": {"reference": first}}, {"url": "urn:y", "valueUri": first}],
        hasMember=[{"reference": "Observation/123"}],
    )
    got = posted(
        world,
        bundle(
            "transaction",
            entry("POST", "Observation", second, URN.format(2)),
            entry("POST", "Observation", observed(), first),
            entry("POST", "Observation", observed(), "http://elsewhere.example/Observation/123"),
        ),
    )
    stored = got.json["entry"][0]["resource"]
    place, other = (
        got.json["entry"][each]["response"]["location"].split("/fhir/")[1].split("/_h")[0] for each in (1, 2)
    )

    assert place == stored["derivedFrom"][0]["reference"] == stored["extension"][0]["valueReference"]["reference"]
    assert place == stored["extension"][1]["valueUri"]
    assert f'href="{place}"' in stored["text"]["div"]
    assert other == stored["hasMember"][0]["reference"]


@pytest.mark.parametrize(
    ("entries", "status"),
    [
        ((entry("POST", "Observation", observed(derivedFrom=[{"reference": URN.format(9)}])),), 400),
        ((entry("PUT", "Observation/a", observed(id="a")), entry("DELETE", "Observation/a")), 400),
        (
            (
                entry("POST", "Observation", observed(), URN.format(1)),
                entry("POST", "Observation", observed(), URN.format(1)),
            ),
            400,
        ),
        (({"resource": observed()},), 400),
        ((entry("POST", "http://elsewhere.example/Observation", observed()),), 400),
        ((entry("PUT", "Observation/a", observed(id="b")),), 400),
        ((entry("POST", "Patient", observed()),), 400),
        ((entry("POST", "Observation", observed(subject={"reference": "Patient?identifier=urn:x|none"})),), 404),
        ((entry("PUT", "Observation/a", observed(id="a"), ifMatch='W/"7"'),), 412),
    ],
    ids=["dangling", "twice", "same name", "no request", "elsewhere", "other id", "other type", "nobody", "version"],
)
def test_a_transaction_that_cannot_stand_is_refused_whole(world, entries, status):
    """Rows 59, 61, 62, 64 and 65."""
    before = count(world)

    assert (status, before) == (posted(world, bundle("transaction", *entries)).status, count(world))


def test_a_conditional_reference_finds_exactly_one(world):
    """Row 61."""
    who = {"reference": f"Patient?identifier={people.INS_SYSTEM}|{people.INS}"}
    got = posted(world, bundle("transaction", entry("POST", "Observation", observed(subject=who))))
    assert "Patient/lea" == got.json["entry"][0]["resource"]["subject"]["reference"]

    for id_ in ("a", "b"):
        world.put({**patient(id_), "identifier": [{"system": "urn:x", "value": "same"}]})
    twice = observed(subject={"reference": "Patient?identifier=urn:x|same"})
    assert 412 == posted(world, bundle("transaction", entry("POST", "Observation", twice))).status


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        ({"entries": []}, "Bundle.entries"),
        ({"total": 1}, "Bundle"),
        ({"entry": [{**entry("POST", "Observation", observed()), "bogus": 1}]}, "Bundle.entry[0].bogus"),
        ({"entry": [entry("POST", "Observation", observed(), ifMatches="x")]}, "Bundle.entry[0].request.ifMatches"),
        ({"entry": [{**entry("POST", "Observation", observed()), "fullUrl": 1}]}, "Bundle.entry[0].fullUrl"),
        ({"entry": [entry("POST", "Observation", observed(), "http://x/Observation/1/_history/2")]}, "Bundle.entry[0]"),
    ],
)
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_a_misspelt_bundle_is_not_half_understood(world, kind, spoil, named):
    """Row 9: a bundle is validated like any other resource."""
    before = count(world)
    got = posted(world, {"resourceType": "Bundle", "type": kind, **spoil})

    if kind == "batch" and "entry" in spoil:  # R58: an entry of a batch fails alone
        assert (200, before) == (got.status, count(world))
        told = got.json["entry"][0]["response"]
        assert ("422", [named]) == (told["status"][:3], told["outcome"]["issue"][0]["expression"])
        return
    assert (422, [named], before) == (got.status, got.json["issue"][0]["expression"], count(world))


def test_the_element_that_is_wrong_is_named_by_a_path_that_leads_to_it(world):
    """Row 9: issue.expression is "a simple FHIRPath" (https://hl7.org/fhir/R4/operationoutcome.html)."""
    got = posted(world, bundle("transaction", entry("POST", "Observation", observed(component=[{"x": 1}]))))
    assert "Bundle.entry[0].resource.component[0].x" == got.json["issue"][0]["expression"][0]

    got = posted(world, bundle("transaction", entry("PUT", "Observation/a", observed(id="b"))))
    assert ["Bundle.entry[0].resource.id"] == got.json["issue"][0]["expression"]


def test_an_entry_tells_the_moment_its_resource_tells(world):
    """Row 55: lastModified "has to match the same time in the meta header"."""
    world.pass_time(milliseconds=123)
    got = posted(world, bundle("transaction", entry("POST", "Observation", observed()), entry("GET", "Patient/lea")))

    for each in got.json["entry"]:
        assert each["resource"]["meta"]["lastUpdated"] == each["response"]["lastModified"]


def test_an_oid_that_names_no_entry_dangles_too(world):
    """Row 59."""
    sent = entry("POST", "Observation", observed(derivedFrom=[{"reference": "urn:oid:1.2.3.4"}]))
    assert 400 == posted(world, bundle("transaction", sent)).status

    named = entry("POST", "Observation", observed(), "urn:oid:1.2.3.4")
    got = posted(world, bundle("transaction", sent, named))
    assert got.json["entry"][0]["resource"]["derivedFrom"][0]["reference"].startswith("Observation/")


def test_a_conditional_reference_leads_into_the_directory(world):
    """Row 61: whoever carried it out, by the identifier that everybody knows him by."""
    world.put(
        {"resourceType": "Organization", "id": "lab", "name": "Labo", "identifier": [{"system": "urn:f", "value": "1"}]}
    )
    for text in ("Organization?identifier=urn:f|1", "Organization?name=labo&identifier=1", "Organization?_id=lab"):
        got = posted(
            world, bundle("transaction", entry("POST", "Observation", observed(performer=[{"reference": text}])))
        )
        assert "Organization/lab" == got.json["entry"][0]["resource"]["performer"][0]["reference"], text

    world.put({"resourceType": "Organization", "id": "lab2", "name": "Labo"})
    before = count(world)
    for text, status in {
        "Organization?name=labo": 412,
        "Organization?name=nobody": 404,
        "Organization?nonsense=1": 400,
        "Organization?_count=1": 400,
        "Organization?": 400,
        "Encounter?identifier=urn:f|1": 404,
        "Patient?name=nobody": 404,
    }.items():
        got = posted(
            world, bundle("transaction", entry("POST", "Observation", observed(performer=[{"reference": text}])))
        )
        assert status == got.status, (text, got.json)
        assert ["Bundle.entry[0]"] == [each["expression"][0][:15] for each in got.json["issue"]], text
    assert before == count(world)


def test_a_conditional_reference_means_what_the_transaction_itself_brings(world):
    """Row 56: conditional references are resolved last."""
    person = {**patient("new"), "identifier": [{"system": "urn:x", "value": "new"}]}
    who = {"reference": "Patient?identifier=urn:x|new"}
    lab = {"resourceType": "Organization", "name": "x", "identifier": [{"system": "urn:f", "value": "9"}]}
    made = observed(subject=who, performer=[{"reference": "Organization?identifier=urn:f|9"}])
    got = posted(
        world,
        bundle(
            "transaction",
            entry("POST", "Observation", made),
            entry("POST", "Patient", person),
            entry("PUT", "Organization/lab9", {**lab, "id": "lab9"}),
        ),
    )

    assert 200 == got.status, got.json
    stored, born = (each["resource"] for each in got.json["entry"][:2])
    assert (f"Patient/{born['id']}", "Organization/lab9") == (
        stored["subject"]["reference"],
        stored["performer"][0]["reference"],
    )
    again = bundle("transaction", entry("POST", "Observation", observed(subject=who)), entry("POST", "Patient", person))
    got = posted(world, again)
    assert (412, ["Bundle.entry[0].resource.subject.reference"]) == (got.status, got.json["issue"][0]["expression"])
    replaced = entry("PUT", f"Patient/{born['id']}", {**person, "id": born["id"], "gender": "male"})
    got = posted(world, bundle("transaction", entry("POST", "Observation", observed(subject=who)), replaced))
    assert f"Patient/{born['id']}" == got.json["entry"][0]["resource"]["subject"]["reference"]
    broken = entry("POST", "Patient", {"resourceType": "Patient", "identifier": 7})
    assert (
        400
        <= posted(world, bundle("transaction", entry("POST", "Observation", observed(subject=who)), broken)).status
        < 500
    )


@pytest.mark.parametrize("kind", ["searchset", "document", None, "wrong"])
def test_a_bundle_of_another_type_is_refused(world, kind):
    """Rows 66 and 67."""
    assert 400 == posted(world, {"resourceType": "Bundle", **({"type": kind} if kind else {})}).status


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_empty_bundle_is_answered_by_an_empty_one(world, kind):
    """Row 68."""
    got = posted(world, {"resourceType": "Bundle", "type": kind})

    assert (200, None) == (got.status, got.json.get("entry"))


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_entry_is_not_answered_with_what_its_asker_has_since_a_moment(world, kind):
    """Row 64: `ifModifiedSince` is an instant, finer than the date of the header."""
    world.pass_time(milliseconds=400)
    world.put(observed(id="o"))
    said = [
        *("2030-01-01T00:00:00Z", "2026-11-23T10:00:00.400Z", "2026-11-23T11:00:00.4+01:00", "2026-11-23T10:00:00Z"),
        *("2026-11-23T10:00:00.399Z", "2026-11-23T09:59:59Z"),
    ]
    got = posted(world, bundle(kind, *(entry("GET", "Observation/o", ifModifiedSince=each) for each in said)))

    assert ["304"] * 4 + ["200"] * 2 == [each["response"]["status"][:3] for each in got.json["entry"]]
    assert [False] * 4 + [True] * 2 == ["resource" in each for each in got.json["entry"]]
    wrong = entry("GET", "Observation/o", ifModifiedSince="Mon, 30 Nov 2030 02:54:15 GMT")
    got = posted(world, bundle(kind, wrong, entry("GET", "Observation/o")))
    refused = got.json["entry"][0]["response"]["outcome"] if kind == "batch" else got.json
    assert ["Bundle.entry[0].request.ifModifiedSince"] == refused["issue"][0]["expression"]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("url", ["?_type=Observation&patient=lea", f"{BASE}?_type=Observation&patient=lea"])
def test_an_entry_may_search_several_types(world, kind, url):
    """Rows 54 and 62: its address is a query alone."""
    world.put(observed(id="o"))
    got = posted(world, bundle(kind, entry("GET", url)))

    assert 200 == got.status, got.json
    assert ["o"] == [each["resource"]["id"] for each in got.json["entry"][0]["resource"]["entry"]]
    for method, wrong in (("GET", ""), ("GET", BASE), ("POST", "?_type=Patient"), ("DELETE", "?_type=Patient")):
        got = posted(world, bundle("batch", entry(method, wrong, observed() if method == "POST" else None)))
        assert "400" == got.json["entry"][0]["response"]["status"][:3], (method, wrong)


def test_an_entry_of_a_batch_may_refer_to_itself(world):
    """Row 58: only what refers to another needs a transaction."""
    me, other = URN.format(1), URN.format(2)
    mine = observed(focus=[{"reference": me}])
    got = posted(
        world,
        bundle(
            "batch",
            entry("POST", "Observation", mine, me),
            entry("PUT", "Observation/o", {**observed(focus=[{"reference": other}]), "id": "o"}, other),
            entry("POST", "Observation", observed(focus=[{"reference": me}])),
        ),
    )

    assert ["201", "201", "400"] == [each["response"]["status"][:3] for each in got.json["entry"]]
    for each in got.json["entry"][:2]:
        assert f"Observation/{each['resource']['id']}" == each["resource"]["focus"][0]["reference"]
