"""Decision cases as requests: one ask of a case, put to the server in every way that its answer can be had.

May live here: which requests an ask is, and reading their answers. May not know: how a world comes into a database
(`decision_records.py`), what a rule says.
"""

from __future__ import annotations

import json
import uuid

import decision_cases as cases
import pytest
from decision_records import INS

from tests.kit.people import INS_SYSTEM

METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
BOUND = ("Binary", "Bundle", "Provenance")
"""Types that belong to a record by what points to them, or what they point to."""
EMERGENCY = "Accès en urgence"
TREATING = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-medecin-traitant"


def is_step(ask):
    """Whether it is a write of a step in the life of a record, which is asked as that step (`decision_steps.py`)."""
    return "operation" in ask and ask.get("verb") in METHODS


class Asked:
    """One ask of a case, put to the server in every way that its answer can be had, or `briefly`.

    `earlier` is the status of a write that is refused before anything is decided; `named_only` says that the record is
    found only by a search that names it.
    """

    def __init__(self, record, ask, *, earlier=None, named_only=False, briefly=False):
        self.record, self.server, self.ask = record, record.server, ask
        self.who = record.who(ask["as"], ask)
        self.type = ask.get("type", "DocumentReference")
        self.patient = ask.get("patient", record.patient)
        self.earlier, self.named_only, self.briefly = earlier, named_only, briefly
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
                    self.is_granted()
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

    def operates(self, type_):
        """What an operation that reads the record answers."""
        operation = self.ask["operation"]
        if type_ == "AuditEvent":
            # traces have a search of their own, which a closed record leaves to its holder as well
            return self.of_type(type_)
        if operation == "docref":
            return self.get(f"DocumentReference/$docref?patient={self.patient}")
        return self.get(f"Patient/{self.patient}/${operation}?_count=100")

    def ways(self, name):
        """By which ways it is found; `shut` says that the record itself stays shut to a search that names it."""
        place = self.record.names[name]
        type_, _, id_ = place.partition("/")
        if self.ask.get("existence"):
            return {"existence": place in self.existence().ids}
        if self.ask.get("operation") == "explain-access":
            return {"operation": self.get(f"{place}/$explain-access").status == 200}
        if "operation" in self.ask:
            return {"operation": place in self.operates(type_).ids}
        if self.patient is None:
            return {"type": place in self.of_type(self.type).ids}
        told = self.get(place)
        found = {"read": told.status == 200}
        if not self.briefly:
            found["vread"] = self.get(f"{place}/_history/{told.version}").status == 200
            found["history"] = self.get(f"{place}/_history").status == 200
            if self.who.profession and self.issued:
                found["launched"] = self.get(place, self.record.patient).status == 200
        if type_ == "Binary":
            return found
        if not self.briefly:
            found["id"] = place in self.get(f"{type_}?_id={id_}").ids
        told = self.of_type(type_)
        return {**found, "record": place in told.ids, "shut": (403, ["grant.none"]) == (told.status, told.refused)}

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

    def is_granted(self):
        """What is asked for by no name is asked for whole: a write, or a search of the type."""
        if self.ask["expect"].keys() & {"sees", "hides"}:
            return
        told = self.written() if self.ask.get("verb") in METHODS else self.of_type(self.type)
        assert told.status in (200, 201), told
        self.granted |= set(told.granted)

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
        if verb == "create" and self.type in BOUND and self.record.names.keys() & self.record.documents:
            return self.submitted(proposed)
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

    def submitted(self, proposed):
        """What belongs to no record by itself, in one transaction with a document of its writer's, to which it is bound."""
        record, urls = self.record, [f"urn:uuid:{uuid.uuid4()}" for _ in range(2)]
        name = next(each for each in record.documents if record.names[each].startswith("DocumentReference/"))
        document = record.said(record.built.resources[name])
        if self.type != "Provenance":
            document["content"] = [{"attachment": {"contentType": "text/plain", "url": urls[1]}}]
        entries = [
            {
                "fullUrl": url,
                "resource": {element: value for element, value in each.items() if element != "id"},
                "request": {"method": "POST", "url": each["resourceType"]},
            }
            for url, each in zip(urls, (document, record.said(proposed)), strict=True)
        ]
        body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        own = json.loads(json.dumps(body).replace(record.names[name], urls[0]))
        return self.server.ask(self.who, "POST", "", own, patient=self.context)

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
