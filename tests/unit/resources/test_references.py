"""Links are found wherever they stand, renamed as a transaction must, and taken away without a trace (DMP-62)."""

import copy

import pytest

from fhir_server.resources import json_text
from fhir_server.resources.references import drop, find, local, local_references, may_change, relative_to, rewrite

NEW = {
    "urn:uuid:1": "Patient/p1",
    "urn:uuid:2": "Binary/b2",
    "http://x.example/fhir/Encounter/7": "Encounter/e7",
    "Encounter/7": "Encounter/e7",
}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/1", "Patient/1"),
        ("Patient/1/_history/2", "Patient/1"),
        ("Patient/1#name", "Patient/1"),
        ("https://x.example/Patient/1", None),
        ("#p", None),
        ("urn:uuid:1", None),
        ("Patient?identifier=a|b", None),
        ("patient/1", None),
        ("Patient/a b", None),
        (None, None),
        (7, None),
    ],
)
def test_a_local_reference_is_type_and_id(text, expected):
    assert expected == local(text)


def observation(**more):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **more}


PLACES = [
    ("a reference", observation(subject={"reference": "urn:uuid:1"}), ["subject", "reference"], "Patient/p1"),
    ("a reference in an array", observation(focus=[{"reference": "urn:uuid:1"}]), ["focus", 0, "reference"], "Patient/p1"),
    (
        "a reference in a contained resource",
        observation(contained=[{"resourceType": "Device", "id": "d", "patient": {"reference": "urn:uuid:1"}}]),
        ["contained", 0, "patient", "reference"],
        "Patient/p1",
    ),
    (
        "a reference in an extension",
        observation(extension=[{"url": "u", "extension": [{"url": "v", "valueReference": {"reference": "urn:uuid:1"}}]}]),
        ["extension", 0, "extension", 0, "valueReference", "reference"],
        "Patient/p1",
    ),
    (
        "a reference in an extension of a primitive",
        observation(_status={"extension": [{"url": "u", "valueReference": {"reference": "urn:uuid:1"}}]}),
        ["_status", "extension", 0, "valueReference", "reference"],
        "Patient/p1",
    ),
    (
        "a reference in an extension of a repeating primitive",
        {"resourceType": "Patient", "name": [{"given": ["a"], "_given": [{"extension": [{"url": "u", "valueUri": "urn:uuid:1"}]}]}]},
        ["name", 0, "_given", 0, "extension", 0, "valueUri"],
        "Patient/p1",
    ),
    (
        "the url of an attachment",
        {"resourceType": "DocumentReference", "content": [{"attachment": {"url": "urn:uuid:2"}}]},
        ["content", 0, "attachment", "url"],
        "Binary/b2",
    ),
    ("a uri", {"resourceType": "Provenance", "policy": ["urn:uuid:2"]}, ["policy", 0], "Binary/b2"),
    ("an absolute reference", observation(encounter={"reference": "http://x.example/fhir/Encounter/7"}), ["encounter", "reference"], "Encounter/e7"),
    ("a relative reference", observation(encounter={"reference": "Encounter/7"}), ["encounter", "reference"], "Encounter/e7"),
    ("a versioned reference", observation(encounter={"reference": "Encounter/7/_history/2"}), ["encounter", "reference"], "Encounter/e7"),
    ("a reference with a fragment", observation(encounter={"reference": "Encounter/7#a"}), ["encounter", "reference"], "Encounter/e7#a"),
    (
        "a link of the narrative",
        observation(text={"status": "generated", "div": DIV.format("<a href='urn:uuid:1'>x</a><img src=\"urn:uuid:2\"/>")}),
        ["text", "div"],
        DIV.format("<a href='Patient/p1'>x</a><img src=\"Binary/b2\"/>"),
    ),
    (
        "a resource of Parameters",
        {"resourceType": "Parameters", "parameter": [{"part": [{"resource": observation(subject={"reference": "urn:uuid:1"})}]}]},
        ["parameter", 0, "part", 0, "resource", "subject", "reference"],
        "Patient/p1",
    ),
]  # fmt: skip
UNTOUCHED = [
    (
        "a resource of a Bundle, which resolves within that Bundle",
        {"resourceType": "Bundle", "entry": [{"resource": observation(subject={"reference": "urn:uuid:1"})}]},
    ),
    ("the value of an identifier", {"resourceType": "Patient", "identifier": [{"value": "urn:uuid:1"}]}),
    ("a text", observation(note=[{"text": "urn:uuid:1"}])),
    ("a canonical", {"resourceType": "Patient", "meta": {"profile": ["urn:uuid:1"]}}),
    ("text of the narrative", observation(text={"status": "generated", "div": DIV.format("urn:uuid:1")})),
    ("another reference", observation(subject={"reference": "Patient/2"})),
    ("a longer reference", observation(subject={"reference": "urn:uuid:12"})),
]


@pytest.mark.parametrize(("resource", "path", "expected"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_a_link_is_renamed_wherever_it_stands(resource, path, expected):
    before = copy.deepcopy(resource)

    node = rewrite(resource, NEW)
    for step in path:
        node = node[step]

    assert expected == node
    assert before == resource


@pytest.mark.parametrize("resource", [row[1] for row in UNTOUCHED], ids=[row[0] for row in UNTOUCHED])
def test_what_is_no_link_stays(resource):
    assert resource == rewrite(resource, NEW)


@pytest.mark.parametrize("resource", [row[1] for row in PLACES], ids=[row[0] for row in PLACES])
def test_every_link_that_is_renamed_is_found(resource):
    texts = {link.text.partition("#")[0].removesuffix("/_history/2") for link in find(resource)}

    assert not texts.isdisjoint(NEW)


def test_a_link_is_found_with_its_path_and_kind():
    resource = observation(
        subject={"reference": "Patient/1"},
        extension=[{"url": "u", "valueCanonical": "http://x.example/a"}],
        text={"status": "generated", "div": DIV.format('<a href="a?b&amp;c">x</a>')},
    )

    assert {
        ("Observation.subject.reference", "Patient/1", "reference"),
        ("Observation.extension[0].url", "u", "uri"),
        ("Observation.extension[0].value", "http://x.example/a", "canonical"),
        ("Observation.text.div", "a?b&c", "narrative"),
    } == set(find(resource))


def test_local_references_are_each_named_once():
    resource = observation(
        subject={"reference": "Patient/1"},
        performer=[{"reference": "Practitioner/1"}, {"reference": "https://x.example/Practitioner/2"}],
        derivedFrom=[{"reference": "Observation/1"}, {"reference": "Observation/1/_history/3"}],
        text={"status": "generated", "div": DIV.format('<a href="DocumentReference/d">x</a>')},
    )

    assert ["Patient/1", "Practitioner/1", "Observation/1", "DocumentReference/d"] == local_references(resource)


def test_absolute_references_to_this_server_become_relative():
    resource = observation(
        subject={"reference": "https://here.example/fhir/Patient/1/_history/2"},
        focus=[{"reference": "https://there.example/fhir/Patient/1"}, {"reference": "https://here.example/fhir/x"}],
        extension=[{"url": "https://here.example/fhir/Basic/u", "valueCode": "x"}],
    )

    short = relative_to(resource, "https://here.example/fhir")

    assert "Patient/1/_history/2" == short["subject"]["reference"]
    assert resource["focus"] == short["focus"]
    assert resource["extension"] == short["extension"]


HERE = "https://here.example/fhir"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"subject": {"reference": f"{HERE}/Patient/1"}}, True),
        ({"subject": {"reference": f" {HERE.upper()}/Patient/1"}}, True),
        ({"subject": {"reference": "Patient?identifier=a|b"}}, True),
        ({"extension": [{"url": "urn:x", "valueAttachment": {"url": f"{HERE}/Binary/1"}}]}, True),
        ({"text": {"status": "generated", "div": DIV.format('<a href="https&#58;//here.example/fhir/Patient/1">x</a>')}}, True),
        ({"subject": {"reference": "Patient/1"}, "code": {"text": "été"}}, False),
        ({"subject": {"reference": "https://there.example/fhir/Patient/1"}}, False),
    ],
)  # fmt: skip
def test_it_is_seen_in_the_text_of_a_resource_whether_any_link_of_it_may_change(part, expected):
    resource = observation(**part)
    assert expected is may_change(json_text.write(resource), HERE)
    if not expected:
        assert resource is relative_to(resource, HERE)
        assert not [link for link in find(resource) if "?" in link.text]
    assert not may_change(json_text.write(observation(subject={"reference": "Patient/1"})), "")


def test_of_what_begins_like_the_base_only_what_leads_to_a_resource_becomes_relative():
    """R4 references.html: a uri, a canonical, a system identifies by every letter."""
    kept = {
        "meta": {"profile": [f"{HERE}/StructureDefinition/a"]},
        "code": {"coding": [{"system": f"{HERE}/CodeSystem/a", "code": "x"}]},
        "identifier": [{"system": f"{HERE}/sid/a", "value": "1"}],
        "extension": [{"url": f"{HERE}/StructureDefinition/a", "valueUrl": f"{HERE}/Basic/a"}],
        "contained": [{"resourceType": "Bundle", "id": "b", "entry": [{"fullUrl": f"{HERE}/Patient/1"}]}],
    }
    assert observation(**kept) == relative_to(observation(**kept), HERE)

    link = DIV.format(f'<a href="{HERE.upper()}/Patient/1">x</a><a href="{HERE}/metadata">y</a> <a href=" a">z</a>')
    told = {"contentType": "text/plain", "url": f"{HERE}/Binary/1"}
    made = {"resourceType": "Patient", "photo": [told], "text": {"status": "generated", "div": link}}
    short = relative_to(made, HERE)
    assert "Binary/1" == short["photo"][0]["url"]
    assert (
        DIV.format(f'<a href="Patient/1">x</a><a href="{HERE}/metadata">y</a> <a href=" a">z</a>')
        == short["text"]["div"]
    )


@pytest.mark.parametrize(
    "text",
    ["DocumentReference/h", f"{HERE}/DocumentReference/h", f"{HERE.upper()}/DocumentReference/h/_history/2",
     f"{HERE}/DocumentReference/h|1.0", f"{HERE}/DocumentReference/h#a"],
)  # fmt: skip
def test_a_mention_by_an_address_of_this_server_is_one_and_goes_like_one(text):
    """Decisions 16: whatever the spelling."""
    kept = {"resourceType": "CarePlan", "status": "active"}
    entry = {
        "fullUrl": text,
        "resource": {"resourceType": "List", "status": "current", "entry": [{"item": {"reference": text}}]},
    }
    for more in ({"instantiatesUri": [text]}, {"instantiatesCanonical": [text]}, {"replaces": [{"reference": text}]}):
        assert ["DocumentReference/h"] == local_references({**kept, **more}, HERE)
        assert kept == drop({**kept, **more}, HIDDEN)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    assert ["DocumentReference/h"] == local_references(bundle, HERE)
    left = {"resource": {"resourceType": "List", "status": "current"}}
    assert {"resourceType": "Bundle", "type": "collection", "entry": [left]} == drop(bundle, HIDDEN)


def test_an_address_elsewhere_is_no_mention():
    elsewhere = {"resourceType": "CarePlan", "instantiatesUri": ["https://there.example/fhir/DocumentReference/h"]}
    assert [] == local_references(elsewhere, HERE)
    assert [] == local_references({**elsewhere, "instantiatesUri": [f"{HERE}x/DocumentReference/h"]}, HERE)


HIDDEN = {"DocumentReference/h"}
H = {"reference": "DocumentReference/h"}
SEEN = {"reference": "DocumentReference/s"}
DROPPED = [
    (
        "an item of a List",
        {"resourceType": "List", "status": "current", "entry": [{"item": H, "date": "2024"}, {"item": SEEN}]},
        {"resourceType": "List", "status": "current", "entry": [{"item": SEEN}]},
    ),
    (
        "the only item of a List",
        {"resourceType": "List", "status": "current", "entry": [{"item": H}]},
        {"resourceType": "List", "status": "current"},
    ),
    (
        "what a document relates to",
        {"resourceType": "DocumentReference", "relatesTo": [{"code": "replaces", "target": H}], "status": "current"},
        {"resourceType": "DocumentReference", "status": "current"},
    ),
    (
        "one of the related",
        {"resourceType": "DocumentReference", "context": {"related": [H, SEEN], "period": {"start": "2024"}}},
        {"resourceType": "DocumentReference", "context": {"related": [SEEN], "period": {"start": "2024"}}},
    ),
    (
        "the only thing an element holds",
        {"resourceType": "DocumentReference", "status": "current", "context": {"related": [H]}},
        {"resourceType": "DocumentReference", "status": "current"},
    ),
    (
        "a versioned mention",
        {"resourceType": "DocumentReference", "context": {"related": [{"reference": "DocumentReference/h/_history/3"}, SEEN]}},
        {"resourceType": "DocumentReference", "context": {"related": [SEEN]}},
    ),
    (
        "an optional part of an item that stands without it",
        {"resourceType": "CarePlan", "activity": [{"reference": H, "progress": [{"text": "x"}]}, {"reference": H}]},
        {"resourceType": "CarePlan", "activity": [{"progress": [{"text": "x"}]}]},
    ),
    (
        "the value of an extension",
        {"resourceType": "Patient", "extension": [{"url": "u", "valueReference": H}, {"url": "v", "valueCode": "x"}]},
        {"resourceType": "Patient", "extension": [{"url": "v", "valueCode": "x"}]},
    ),
    (
        "an extension inside one",
        {"resourceType": "Patient", "extension": [{"url": "u", "extension": [{"url": "v", "valueReference": H}]}], "active": True},
        {"resourceType": "Patient", "active": True},
    ),
    (
        "an extension of a primitive",
        {"resourceType": "Patient", "birthDate": "2024", "_birthDate": {"extension": [{"url": "u", "valueReference": H}]}},
        {"resourceType": "Patient", "birthDate": "2024"},
    ),
    (
        "a mention in a contained resource",
        {"resourceType": "Patient", "contained": [{"resourceType": "List", "id": "l", "entry": [{"item": H}]}]},
        {"resourceType": "Patient", "contained": [{"resourceType": "List", "id": "l"}]},
    ),
    (
        "the narrative of what lost something",
        {"resourceType": "List", "text": {"status": "generated", "div": DIV.format("VIH")}, "entry": [{"item": H}, {"item": SEEN}]},
        {"resourceType": "List", "entry": [{"item": SEEN}]},
    ),
    (
        "a narrative that links to it",
        {"resourceType": "Patient", "active": True, "text": {"status": "generated", "div": DIV.format('<a href="DocumentReference/h">x</a>')}},
        {"resourceType": "Patient", "active": True},
    ),
    (
        "a payload that needs its content",
        {"resourceType": "Communication", "payload": [{"contentReference": H}, {"contentString": "x"}]},
        {"resourceType": "Communication", "payload": [{"contentString": "x"}]},
    ),
    (
        "a required element of the resource itself",
        {"resourceType": "Provenance", "target": [H], "recorded": "2024-01-01T00:00:00Z"},
        {"resourceType": "Provenance", "recorded": "2024-01-01T00:00:00Z"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), [row[1:] for row in DROPPED], ids=[row[0] for row in DROPPED])
def test_a_hidden_mention_goes_with_all_that_hangs_on_it(resource, expected):
    before = copy.deepcopy(resource)

    assert expected == drop(resource, HIDDEN)
    assert before == resource


def test_a_resource_without_the_mention_is_handed_back_as_it_is():
    resource = {
        "resourceType": "List",
        "text": {"status": "generated", "div": DIV.format("x")},
        "entry": [{"item": SEEN}],
    }

    assert drop(resource, HIDDEN) is resource


def test_dropping_leaves_nothing_empty_and_nothing_hidden():
    resource = {
        "resourceType": "Composition",
        "section": [
            {"title": "a", "entry": [H], "section": [{"entry": [H]}, {"title": "b", "entry": [SEEN, H]}]},
            {"entry": [H], "text": {"status": "generated", "div": DIV.format("x")}},
        ],
        "event": [{"detail": [H]}],
        "relatesTo": [{"code": "appends", "targetReference": {"reference": "Composition/c"}}],
    }

    shown = drop(resource, HIDDEN)

    assert {
        "resourceType": "Composition",
        "section": [{"title": "a", "section": [{"title": "b", "entry": [SEEN]}]}],
        "relatesTo": resource["relatesTo"],
    } == shown
