"""Decisions over HTTP: every case of `decisions/*.json`, its world in a real database, its people asking through Flask.

What `test_decisions.py` proves of `decide` is proved here of the whole server: a token, a request, its answer, and the
ledger's entry, where the reasons of a refusal stand (decisions 20). What is seen is asked for in every way there is:
by its address and its history, with and without the record in the token's context, by its id, and in a search of the
record.
"""

from __future__ import annotations

from datetime import datetime

import decision_cases as cases
import pytest
from decision_records import INS, Record, Server

from tests.kit.application import application
from tests.kit.people import INS_SYSTEM

CASES = {case["title"]: case for case in cases.load()}
METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
EMERGENCY = "Accès en urgence"
TREATING = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-medecin-traitant"

# Asks are named by the title of their case and their number in it.
UNSOURCED = ("Sans source qui cite la mesure, la représentation d'un majeur ne vaut rien", 0)
BODILESS = (
    "Ce qui ouvre un DMP ne s'écrit pas pièce par pièce: un tiers l'ouvre en une étape, le titulaire seul consent en ligne",
    7,
)
TWO = "De deux médecins traitants, aucun ne lit la désignation de l'autre"
PLACE = "Un lieu ou une équipe ne fait pas un médecin traitant"
NOBODY = "Une autorisation sans acteur n'autorise personne"
FORMLESS = "a Consent that says what its category does not is 422 to everybody: no record can hold one"
TRACES = "Personne n'écrit une trace, pas même l'opérateur"
ENDED = "Une désignation finie ne fait plus un médecin traitant"
NOT_OVER_HTTP: dict[tuple[str, int], str] = {
    **{(ENDED, number): "a designation with an end is 422 to everybody (docs/adr/0032)" for number in range(3)},
    UNSOURCED: "a Consent of ours without a source is 422 to everybody: no record can hold one",
    BODILESS: "the case asks what is decided before a body is read; a create brings one",
    (TWO, 0): "a new médecin traitant ends the old one: no record can hold two",
    (TWO, 1): "a new médecin traitant ends the old one: no record can hold two",
    (TWO, 2): "a new médecin traitant ends the old one: no record can hold two",
    (PLACE, 0): FORMLESS,
    (NOBODY, 0): FORMLESS,
}
"""What no request can ask, and why."""
EARLIER: dict[tuple[str, int], int] = {(TRACES, 0): 405, (TRACES, 1): 405, (TRACES, 2): 405} | {
    ("Le titulaire donne, retire et refuse, lui-même", 5): 422,
    ("Un professionnel qui consulte recueille la décision du titulaire, pour un confrère ou contre l'urgence", 4): 422,
}
"""Writes that are refused before anything is decided: an AuditEvent takes none from anybody (decisions 6), and a Consent
that cannot be read, or is not of the form of its category, is no Consent to be decided upon."""
NAMED_ONLY: dict[str, tuple[int, ...]] = {
    # within a nested provision, through a team or a role, or by naming nobody
    "Un permis imbriqué n'hérite pas du motif de la racine et ne vaut que pour qui il nomme": (0,),
    "Une équipe de soins ne compte que si un consentement la nomme": (0, 4),
    "Une autorisation d'un exercice vaut dans son lieu seulement": (0,),
    "Une équipe dans une équipe compte, un établissement qui en est membre aussi": (0, 1),
    "Un groupe vaut par ses membres, sauf ceux qui n'en sont plus": (0,),
    "PCF Basic, permit: tout professionnel, pour le soin, sous masque et matrice": (0,),
    "PCF Advanced, normal et non restreint: le restreint et au-delà est retiré": (0,),
    "PCF Advanced, le restreint en bris de glace pour un groupe": (0,),
    "PCF Intermediate, sauf une donnée": (0,),
    "PCF Intermediate, les données d'une année": (0,),
}
"""Who is authorised otherwise than by `Consent.provision.actor` finds the record only in a search that names it."""


@pytest.fixture(scope="module")
def server(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as app:
        yield Server(app)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['file']} — {title}") for title, case in CASES.items()])
def test_a_case_is_answered_as_it_says(server, case):
    record = Record(server, case)
    asks = [(n, ask) for n, ask in enumerate(case["asks"]) if (case["title"], n) not in NOT_OVER_HTTP and not step(ask)]
    stale = True
    for number, ask in asks:
        if stale:
            record.fresh()
        server.at(datetime.fromisoformat(ask["now"]) if "now" in ask else record.now)
        try:
            Asked(record, ask, number).holds()
        except AssertionError as wrong:
            wrong.add_note(f"ask {number}: {ask}")
            raise
        stale = bool(ask["expect"].get("allowed"))


def step(ask):
    """A write of a step in the life of a record is asked as the step it is part of: tests/http/test_life_*.py."""
    return "operation" in ask and ask.get("verb") in METHODS


def test_the_tables_name_asks_that_there_are():
    named = {
        *NOT_OVER_HTTP,
        *EARLIER,
        *((title, number) for title, numbers in NAMED_ONLY.items() for number in numbers),
    }
    assert [] == [key for key in named if key[0] not in CASES or key[1] >= len(CASES[key[0]]["asks"])]


def test_every_title_is_of_one_case():
    assert len(cases.load()) == len(CASES)


def test_a_consent_of_ours_without_a_source_is_refused_to_the_operator_too(server):
    record = Record(server, {**CASES[UNSOURCED[0]], "consents": []})
    record.fresh()
    consent = cases.consent(CASES[UNSOURCED[0]]["consents"][0], 0, record.built.record)
    assert 422 == server.ask(server.operator, "PUT", f"Consent/{consent['id']}", consent).status


@pytest.mark.parametrize("title", [PLACE, NOBODY])
def test_a_consent_that_is_not_of_the_form_of_its_category_is_refused_to_the_operator_too(server, title):
    record = Record(server, {**CASES[title], "consents": []})
    record.fresh()
    consent = cases.consent(CASES[title]["consents"][0], 0, record.built.record)
    assert 422 == server.ask(server.operator, "PUT", f"Consent/{consent['id']}", consent).status


def test_of_two_treating_physicians_the_second_ends_the_first(server):
    """DMP-54: so no request can ask what the case asks."""
    record = Record(server, CASES[TWO])
    record.fresh()
    first, second = (server.ask(server.operator, "GET", record.names[each]).json for each in ("mt", "mt-autre"))
    assert ("inactive", "active") == (first["status"], second["status"])


def test_a_create_without_a_body_is_refused_before_anything_is_decided(server):
    record = Record(server, CASES[BODILESS[0]])
    ask = CASES[BODILESS[0]]["asks"][BODILESS[1]]
    assert "consent" not in ask
    assert 415 == server.ask(record.who(ask["as"]), "POST", ask["type"]).status


class Asked:
    """One ask of a case, put to the server in every way that its answer can be had."""

    def __init__(self, record, ask, number):
        self.record, self.server, self.ask = record, record.server, ask
        self.who = record.who(ask["as"], ask)
        self.type = ask.get("type", "DocumentReference")
        self.patient = ask.get("patient", record.patient)
        self.earlier = EARLIER.get((record.case["title"], number))
        self.named_only = number in NAMED_ONLY.get(record.case["title"], ())
        # an emergency is to one record, which its token names
        self.context = record.patient if self.who.purpose.emergency else None
        self.issued = self.server.token(self.who, self.context).issued
        self.granted = set()

    def holds(self):
        expect = self.ask["expect"]
        if not self.issued:
            assert expect.keys() <= {"refused", "hides"} or expect.get("allowed") is False, "no token is issued to them"
        for word, expected in expect.items():
            match word:
                case "sees":
                    assert expected == [name for name in expected if self.sees(name)]
                case "hides":
                    assert [] == [name for name in expected if self.finds(name)]
                case "refused":
                    self.is_refused(expected)
                case "allowed":
                    self.is_allowed(expected)
                case "obliged":
                    self.is_obliged(expected)
                case "granted":
                    assert "sees" in expect
                case _:
                    pytest.fail(f"`{word}` is not an expectation")
        if "granted" in expect:
            assert expect["granted"] in self.granted, self.granted

    def get(self, path, context=None):
        told = self.server.ask(self.who, "GET", path, patient=context or self.context)
        self.granted |= set(told.granted)
        return told

    # --- reading

    def existence(self):
        """A search by INS and nothing else: of Patient the existence check (TD02), of another type no such thing."""
        named = "identifier" if self.type == "Patient" else "patient.identifier"
        return self.get(f"{self.type}?{named}={INS_SYSTEM}|{INS}")

    def of_type(self, type_):
        """A search of a type, in the record if the ask names one."""
        naming = f"{'_id' if type_ == 'Patient' else 'patient'}={self.patient}&" if self.patient else ""
        return self.get(f"{type_}?{naming}_count=100")

    def ways(self, name):
        """By which ways it is found; `shut` says that the record itself stays shut to a search that names it."""
        place = self.record.names[name]
        type_, _, id_ = place.partition("/")
        if self.ask.get("existence"):
            return {"existence": place in self.existence().ids}
        if self.ask.get("operation") == "explain-access":
            return {"operation": self.get(f"{place}/$explain-access").status == 200}
        if "operation" in self.ask:
            # traces have a search of their own, which a closed record leaves to its holder as well
            copy = f"Patient/{self.patient}/${self.ask['operation']}?_count=100"
            told = self.of_type(type_) if type_ == "AuditEvent" else self.get(copy)
            return {"operation": place in told.ids}
        if self.patient is None:
            return {"type": place in self.of_type(self.type).ids}
        told = self.get(place)
        found = {
            "read": told.status == 200,
            "vread": self.get(f"{place}/_history/{told.version}").status == 200,
            "history": self.get(f"{place}/_history").status == 200,
        }
        if self.who.profession and self.issued:
            found["launched"] = self.get(place, self.record.patient).status == 200
        if type_ == "Binary":
            return found
        told = self.of_type(type_)
        return {
            **found,
            "id": place in self.get(f"{type_}?_id={id_}").ids,
            "record": place in told.ids,
            "shut": (403, ["grant.none"]) == (told.status, told.refused),
        }

    def sees(self, name):
        found = self.ways(name)
        if found.pop("shut", False) and self.granted <= {"author.own"}:
            # what somebody wrote is his to read; the record it lies in is not opened by it
            del found["record"]
        if self.named_only and name != self.record.patient and "id" in found:
            assert not found.pop("id"), f"{name} is found without naming the record: take it out of the table"
        assert all(found.values()) == any(found.values()), (name, found)
        return all(found.values())

    def finds(self, name):
        found = self.ways(name)
        found.pop("shut", None)
        return any(found.values())

    # --- refusals

    def is_refused(self, reason):
        if self.ask.get("verb") in METHODS:
            told = self.withheld()
            assert self.earlier or [reason] == told.refused, told
            return
        told = self.existence() if self.ask.get("existence") else self.of_type(self.type)
        named = self.type != "Patient" and self.patient is not None
        assert (403 if named else 200, set(), [reason]) == (told.status, told.ids, told.refused), told
        if self.ask.get("existence"):
            return
        for place in self.record.names.values():
            if place.startswith(f"{self.type}/"):
                told = self.get(place)
                assert (404, [reason]) == (told.status, told.refused), told

    # --- writing

    def is_allowed(self, allowed):
        if not allowed:
            self.withheld()
            return
        told = self.written()
        assert told.status in (200, 201, 204), told

    def withheld(self):
        """A write refused: by the decision, whose reason stands in the entry, or `earlier`, as the table says."""
        told = self.written()
        if self.earlier:
            assert (self.earlier, [f"problem.{self.earlier}"]) == (told.status, told.refused), told
            return told
        assert told.status == 403 or (told.status == 404 and "on" in self.ask), told
        assert told.refused, told
        assert [] == [each for each in told.refused if each.startswith("problem.")], "nothing was decided"
        return told

    def written(self):
        verb, path = self.ask["verb"], self.type
        proposed = cases.proposed_by(self.record.built, self.ask) or {"resourceType": self.type}
        body = None
        if verb == "create":
            body = {name: value for name, value in self.record.said(proposed).items() if name != "id"}
        else:
            path = self.record.names[self.ask["on"]]
        if verb == "update":
            body = {**self.record.said(proposed), "id": path.partition("/")[2]}
        if verb == "patch":
            body = operations(self.record.built.resources[self.ask["on"]], proposed)
        return self.server.ask(self.who, METHODS[verb], path, body, patient=self.context)

    # --- obligations

    def is_obliged(self, names):
        """The answer is cut down to TD02's, the holder is told of an emergency, or the Patient says that who asks is his
        médecin traitant DMP, if and only if the case says so.
        """
        assert {"MinimalView", "TellHolder", "TellStanding"} >= set(names)
        before = self.emergencies()
        told = self.existence() if self.ask.get("existence") else self.of_type("DocumentReference")
        tags = [tag["code"] for each in told.found for tag in each["meta"].get("tag", ())]
        assert ("MinimalView" in names) == ("SUBSETTED" in tags), told
        assert ("TellHolder" in names) == (self.emergencies() > before)
        if "TellStanding" in names or self.type == "Patient":
            read = self.get(f"Patient/{self.record.patient}").json
            urls = {each["url"]: each for each in read.get("extension", ())}
            assert ("TellStanding" in names) == (urls.get(TREATING, {}).get("valueBoolean") is True), read

    def emergencies(self):
        return sum(EMERGENCY in subject for subject in self.server.notices())


def operations(before, after):
    """The JSON Patch that leads from one to the other, in what may be patched of a document."""
    changed = [name for name in ("status", "securityLabel", "extension") if before.get(name) != after.get(name)]
    return [
        {"op": "replace" if name in before else "add", "path": f"/{name}", "value": after[name]} for name in changed
    ]
