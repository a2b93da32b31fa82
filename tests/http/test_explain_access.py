"""`$explain-access`: who can see a document or a record, and why (issue 6, point 11; DMP-44, DMP-51, DMP-80)."""

from __future__ import annotations

import pytest

from fhir_server.consent.explain import words
from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.clinical import observation, parameters
from tests.kit.world import label

NOW = "2026-11-23T09:00:00Z"
STRANGER = people.professional("noel", "10000000009")


def parts(each, name):
    return [part for part in each["part"] if part["name"] == name]


def value(each, name):
    found = [next(value for key, value in part.items() if key.startswith("value")) for part in parts(each, name)]
    return found[0] if found else None


class Row:
    """One actor of an answer."""

    def __init__(self, told):
        self.told = told
        self.roles = [value(each, "code") for each in parts(told, "role")]
        self.who = (value(told, "who") or {}).get("reference")
        self.place = (value(told, "place") or {}).get("reference")
        self.decision, self.reasons, self.consents = self.read(told)
        then = parts(told, "assumed")
        self.assumed = self.read(then[0])[0] if then else None
        self.changed = value(then[0], "changed") if then else None
        self.assumed_reasons = self.read(then[0])[1] if then else None

    @staticmethod
    def read(told):
        reasons = parts(told, "reason")
        named = {value(each, "code"): [one["valueReference"] for one in parts(each, "consent")] for each in reasons}
        return value(told, "decision"), [value(each, "code") for each in reasons], named


def explained(world, who, where, status=200, **given):
    got = world.ask(who, "POST" if given else "GET", f"{where}/$explain-access", parameters(**given) if given else None)
    assert status == got.status, got.json
    return [Row(each) for each in got.json["parameter"] if each["name"] == "actor"] if status == 200 else got.json


def of(rows, role=None, who=None):
    found = [each for each in rows if (role is None or role in each.roles) and (who is None or who == each.who)]
    assert 1 == len(found), [(each.roles, each.who) for each in rows]
    return found[0]


def consent(category, actor=None, **more):
    return consent_patterns.consent(category, "Patient/lea", NOW, actor=actor, **more)


def consent_of(world, category):
    found = [
        each["resource"]
        for each in world.ask(people.holder(), "GET", "Consent?patient=lea").json["entry"]
        if category in {one["coding"][0]["code"] for one in each["resource"]["category"]}
    ]
    return [f"Consent/{each['id']}" for each in found]


@pytest.fixture
def masked(world):
    """An observation written by Dr Diallo, and one of hers that the holder masked."""
    for name in ("o1", "o2"):
        by = [{"reference": "Practitioner/diallo"}]
        world.put(
            observation(
                name,
                "2026-01-10",
                performer=by,
                **({"meta": {"security": label("MASQUE_PS")["coding"]}} if name == "o2" else {}),
            )
        )
    return world


def test_the_holder_is_told_of_the_record_by_everybody_who_matters(world):
    rows = explained(world, people.holder(), "Patient/lea")

    assert ("permit", ["party.holder"]) == (of(rows, "holder").decision, of(rows, "holder").reasons[:1])
    treating = of(rows, "treating-physician")
    assert ("Practitioner/bernard", "permit") == (treating.who, treating.decision)
    assert [{"reference": each} for each in consent_of(world, "medecin-traitant")] == treating.consents[
        "consent.treating-physician"
    ]
    diallo = of(rows, who="Practitioner/diallo")
    assert (["named"], "permit") == (diallo.roles, diallo.decision)
    assert [{"reference": each} for each in consent_of(world, "ps-autorisation")] == diallo.consents[
        "consent.professional"
    ]
    assert {"matrix.closed", "label.masked"} <= set(diallo.reasons)
    assert ("deny", ["grant.none"]) == (of(rows, "any-doctor").decision, of(rows, "any-doctor").reasons[:1])
    assert ("permit", "emergency.break-glass") == (of(rows, "break-glass").decision, of(rows, "break-glass").reasons[0])
    assert ("permit", "emergency.dispatch") == (of(rows, "dispatch").decision, of(rows, "dispatch").reasons[0])


def test_each_reason_is_said_in_french_and_in_english_and_names_its_rule(world):
    rows = explained(world, people.holder(), "Patient/lea")

    for row in rows:
        for each in parts(row.told, "reason"):
            code = value(each, "code")
            assert (words("fr")[code], words("en")[code]) == (value(each, "fr"), value(each, "en"))
            assert value(each, "effect") in ("grants", "withholds", "forbids")
    assert "authorised_professional" == value(parts(of(rows, who="Practitioner/diallo").told, "reason")[0], "rule")


def test_a_masked_document_is_kept_from_whom_the_mask_keeps_it(masked):
    """DMP-52, DMP-123, DMP-124."""
    world = masked
    world.ask(people.holder(), "POST", "Consent", consent("ps-autorisation", "Practitioner/noel"))
    world.put({"resourceType": "Practitioner", "id": "noel", "name": [{"family": "Noël"}]})

    plain, hidden = (explained(world, people.holder(), f"Observation/{each}") for each in ("o1", "o2"))

    assert {"permit"} == {of(plain, who=f"Practitioner/{each}").decision for each in ("bernard", "diallo", "noel")}
    assert ("deny", ["label.masked"]) == (
        of(hidden, who="Practitioner/noel").decision,
        of(hidden, who="Practitioner/noel").reasons,
    )
    author = of(hidden, "author")
    assert ("Practitioner/diallo", "permit") == (author.who, author.decision)
    assert {"author.own", "consent.professional"} == set(author.reasons)
    assert "permit" == of(hidden, "treating-physician").decision
    assert ("deny", ["label.masked"]) == (of(hidden, "break-glass").decision, of(hidden, "break-glass").reasons)


def test_an_explanation_agrees_with_what_is_answered(masked):
    """The same people ask themselves, with tokens: what is said of them is what they get."""
    world = masked
    told = {
        "Practitioner/bernard": people.doctor(),
        "Practitioner/diallo": people.radiologist(),
        None: STRANGER,
        "Patient/lea": people.holder(),
    }
    for name in ("o1", "o2"):
        rows = explained(world, people.holder(), f"Observation/{name}")
        for reference, who in told.items():
            row = of(rows, "any-doctor") if reference is None else of(rows, who=reference)
            got = world.ask(who, "GET", f"Observation/{name}").status
            assert (row.decision == "permit") == (got == 200), (name, reference)


def test_somebody_in_particular_is_asked_about_in_a_mode_and_as_a_profession(masked):
    world = masked
    someone = {"valueReference": {"reference": "Practitioner/diallo"}}
    world.ask(people.holder(), "POST", "Consent", consent("ps-blocage", "Practitioner/diallo"))

    row = of(explained(world, people.holder(), "Observation/o1", actor=someone, purpose={"valueCode": "BTG"}), "asked")

    assert ("deny", ["party.blocked"]) == (row.decision, row.reasons)
    assert [{"reference": each} for each in consent_of(world, "ps-blocage")] == row.consents["party.blocked"]
    dentist = explained(world, people.holder(), "Patient/lea", profession={"valueCode": "331"})
    assert ("deny", ["party.role"]) == (of(dentist, "asked").decision, of(dentist, "asked").reasons)
    for given in (
        {"actor": {"valueReference": {"reference": "Practitioner/personne"}}},
        {"purpose": {"valueCode": "HPAYMT"}},
    ):
        explained(world, people.holder(), "Patient/lea", 400, **given)


def test_an_actor_of_another_record_is_nobody(world):
    world.put(
        {"resourceType": "RelatedPerson", "id": "autre", "patient": {"reference": "Patient/paul"}, "relationship": []}
        | {"relationship": [{"text": "mère"}]}
    )
    answers = [
        explained(world, people.holder(), "Patient/lea", 400, actor={"valueReference": {"reference": each}})
        for each in ("RelatedPerson/autre", "RelatedPerson/absent", "Patient/paul", "Patient/absent")
    ]
    assert [answers[0]] * 4 == answers


def test_an_establishment_speaks_for_whoever_signs_in_there(world):
    """DMP-45."""
    world.put(
        {
            "resourceType": "Organization",
            "id": "urgences",
            "name": "Urgences",
            "partOf": {"reference": "Organization/chu"},
        }
    )
    world.put({"resourceType": "Practitioner", "id": "noel", "name": [{"family": "Noël"}]})
    for place in ("cabinet-inconnu", "urgences"):
        world.put({
            "resourceType": "PractitionerRole", "id": place,
            "practitioner": {"reference": "Practitioner/noel"}, "organization": {"reference": f"Organization/{place}"},
        })  # fmt: skip
    world.ask(people.holder(), "POST", "Consent", consent("etablissement", "Organization/chu"))

    rows = explained(
        world, people.holder(), "Patient/lea", actor={"valueReference": {"reference": "Practitioner/noel"}}
    )

    assert "permit" == of(rows, "establishment").decision
    noel = of(rows, "asked")
    assert ("permit", "Organization/urgences", "consent.establishment") == (noel.decision, noel.place, noel.reasons[0])


def test_a_team_is_told_of_by_its_members(world):
    """K13."""
    world.put({"resourceType": "Practitioner", "id": "noel", "name": [{"family": "Noël"}]})
    member = {"member": {"reference": "Practitioner/noel"}}
    world.put({"resourceType": "CareTeam", "id": "equipe", "status": "active", "participant": [member]})
    world.ask(people.holder(), "POST", "Consent", consent("ps-autorisation", "CareTeam/equipe"))

    row = of(explained(world, people.holder(), "Patient/lea"), who="Practitioner/noel")

    assert (["member"], "permit", "consent.care-team") == (row.roles, row.decision, row.reasons[0])


def test_with_a_consent_assumed_both_decisions_stand_side_by_side_and_nothing_is_written(masked):
    world = masked
    before = world.house.shelf.resources.count_documents({})
    assumed = {"resource": consent("ps-blocage", "Practitioner/diallo")}

    rows = explained(world, people.holder(), "Observation/o1", assume=assumed)

    diallo = of(rows, who="Practitioner/diallo")
    assert ("permit", "deny", True) == (diallo.decision, diallo.assumed, diallo.changed)
    assert ["party.blocked"] == diallo.assumed_reasons
    bernard = of(rows, who="Practitioner/bernard")
    assert ("permit", "permit", False) == (bernard.decision, bernard.assumed, bernard.changed)
    assert before == world.house.shelf.resources.count_documents({})
    assert 200 == world.ask(people.radiologist(), "GET", "Observation/o1").status


def test_an_assumed_refusal_of_the_record_shuts_it_and_a_new_treating_physician_ends_the_old(world):
    """DMP-54, DMP-103."""
    closing = explained(
        world, people.holder(), "Patient/lea", assume={"resource": consent("dmp-creation", permit=False)}
    )
    assert ("deny", ["record.closed"]) == (
        of(closing, who="Practitioner/bernard").assumed,
        of(closing, who="Practitioner/bernard").assumed_reasons,
    )

    handing = {"resource": consent("medecin-traitant", "Practitioner/diallo")}
    rows = explained(world, people.holder(), "Patient/lea", assume=handing)
    assert ("permit", "deny") == (
        of(rows, who="Practitioner/bernard").decision,
        of(rows, who="Practitioner/bernard").assumed,
    )
    assert "consent.treating-physician" in of(rows, who="Practitioner/diallo").assumed_reasons


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"patient": {"reference": "Patient/paul"}}, "another record"),
        ({"category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}], "meta": None, "modifierExtension": [{"url": "http://x.example", "valueBoolean": True}]}, "cannot be read"),
        ({"dateTime": None}, "dateTime"),
    ],
)  # fmt: skip
def test_a_consent_that_could_not_be_recorded_is_not_assumed(world, change, said):
    assumed = {
        name: each
        for name, each in {**consent("ps-blocage", "Practitioner/diallo"), **change}.items()
        if each is not None
    }
    outcome = explained(world, people.holder(), "Patient/lea", 422, assume={"resource": assumed})
    assert said in str(outcome)


@pytest.mark.parametrize(
    "who",
    [people.radiologist(), STRANGER, people.hospital(), people.holder("paul")],
    ids=["authorised", "stranger", "chu", "other"],
)
def test_to_everybody_else_it_is_what_is_not_there(masked, who):
    for where in ("Observation/o1", "Patient/lea"):
        here = explained(masked, who, where, 404)
        assert here == explained(masked, who, f"{where}x", 404)


def test_the_treating_physician_is_not_told_of_another_ones_terms(world):
    """DMP-53: what he may not see is no part of what he is told. A new one ends the old: two are of an older store."""
    resources, freshness = world.house.shelf.resources, world.house.freshness
    before = explained(world, people.doctor(), "Patient/lea")
    first = resources.find_one({"_id": consent_of(world, "medecin-traitant")[0]})
    world.put({"resourceType": "Practitioner", "id": "noel", "name": [{"family": "Noël"}]})
    world.put({**consent("medecin-traitant", "Practitioner/noel"), "id": "autre"})
    resources.replace_one({"_id": first["_id"]}, first)
    freshness.settle(freshness.bump("record", "lea"))
    assert 2 == len(consent_of(world, "medecin-traitant"))

    assert "Consent/autre" not in str([each.told for each in explained(world, people.doctor(), "Patient/lea")])
    assert [each.told for each in before] == [each.told for each in explained(world, people.doctor(), "Patient/lea")]


def test_it_is_on_record_and_may_be_read_by_the_holder(world):
    """DMP-80."""
    explained(world, people.doctor(), "Patient/lea")
    found = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=operation&agent=Practitioner/bernard")
    assert 1 == found.json["total"]


def test_a_token_without_the_right_to_consents_is_told_nothing(world):
    who = people.holder(scopes=("patient/Patient.rs", "patient/Observation.rs"))
    assert 403 == world.ask(who, "GET", "Patient/lea/$explain-access").status
