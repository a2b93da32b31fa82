"""The named exceptions to the twin-store law (docs/security.md, ADR 17 and 31): what they tell, and that it is no more."""

from __future__ import annotations

from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.family import begun, letter_of
from tests.kit.twin import Step, differences
from tests.kit.world import label, submission
from tests.security import test_holes
from tests.security.test_holes import deposit, traces
from tests.security.test_holes_in_answers import denying
from tests.security.test_holes_in_writing import posted

world = test_holes.world


def test_a_letter_whose_successor_is_hidden_reads_as_superseded_and_names_no_successor(world):
    """Exception 3: nobody is to act on what its author took back."""
    _, old, _ = deposit(world, submission())
    replaces = [{"code": "replaces", "target": {"reference": old}}]
    labels = [label("N"), label("INVISIBLE_PATIENT")]
    bundle = submission("urn:oid:1.2.3.2", b"%PDF 2", relatesTo=replaces, securityLabel=labels)
    said = (("type", "valueCode", "replace"), ("path", "valueString", "DocumentReference.status"))
    parts = [{"name": name, kind: value} for name, kind, value in (*said, ("value", "valueCode", "superseded"))]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    bundle["entry"].append({"resource": patch, "request": {"method": "PATCH", "url": old}})
    _, new, *_ = deposit(world, bundle)

    shown = world.ask(people.holder(), "GET", old)
    assert (404, "superseded") == (world.ask(people.holder(), "GET", new).status, shown.json["status"])
    everything = world.ask(
        people.holder(), "GET", "DocumentReference?patient=lea&_revinclude=DocumentReference:relatesto"
    )
    assert new.encode() not in shown.body + everything.body


def test_a_unique_identifier_is_kept_as_written_and_leads_nowhere(world):
    """Exception 4: such an identifier also stands on paper."""
    deposit(world, submission(unique="urn:oid:1.2.3.9", securityLabel=[label("MASQUE_PS")]))
    target = {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.9"}}
    world.put({**letter_of("lea", "d1", None), "relatesTo": [{"code": "appends", "target": target}]})
    who = people.radiologist()

    assert b"1.2.3.9" in world.ask(who, "GET", "DocumentReference/d1").body
    found = world.ask(who, "GET", "DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.3.9").json
    assert (0, None) == (found["total"], found.get("entry"))
    included = world.ask(who, "GET", "DocumentReference?_id=d1&_include=DocumentReference:relatesto").ids
    assert ["DocumentReference/d1"] == included


def test_traces_of_a_letter_stay_with_who_sees_it_when_a_consent_takes_it_away_from_who_read_it(world):
    """No exception any more (docs/adr/0037); the médecin traitant, who is denied nothing, reads the traces (DMP-153)."""
    world.put({**letter_of("lea", "in", None), "author": [{"reference": "Practitioner/bernard"}]})
    assert 200 == world.ask(people.radiologist(), "GET", "DocumentReference/in").status
    assert 201 == posted(world, people.holder(), denying("authoredby", "Practitioner/bernard")).status
    assert 404 == world.ask(people.radiologist(), "GET", "DocumentReference/in").status

    assert "DocumentReference/in" not in traces(world, "lea", people.radiologist())
    assert "DocumentReference/in" in traces(world, "lea", people.doctor())


def test_recording_a_consent_tells_by_its_time_that_one_of_its_kind_stood_and_by_nothing_else(databases):
    """Exception 6: a professional who collects the holder's word does not see what it ends (docs/adr/0031)."""
    refusal = {
        name: consent_patterns.consent("alimentation", "Patient/lea", "2026-11-23T09:00:00Z", permit=False, actor=actor)
        for name, actor in (("hidden", "Practitioner/noel"), ("other", "Practitioner/bernard"))
    }
    log = begun()
    log.ask(people.holder(), "POST", "Consent", refusal["hidden"], because=["hidden"])
    who = people.radiologist()
    probes = [Step(who, "POST", "Consent", refusal["other"]), Step(who, "POST", "Consent", refusal["hidden"])]
    probes += [
        Step(who, "GET", url) for url in ("Consent?patient=lea", "AuditEvent?patient=lea", "Communication?patient=lea")
    ]

    found = differences(databases, log.steps, frozenset({"hidden"}), probes)

    assert 1 == len(found), found
    assert "round trips" in found[0]
