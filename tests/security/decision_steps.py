"""Decision cases as steps: a write that is part of a step in the life of a record, put to the server as that step.

May live here: which operation takes a step, with what answers it makes the write that an ask speaks of, and what stands
of it afterwards. May not know: what a case expects, what a rule says.

An ask speaks of one write, an operation makes several: the answers are those that make this one, and a write that no
answer makes cannot be asked (`said` is None).
"""

from __future__ import annotations

from typing import Any

import decision_cases as cases
from decision_records import INS, Record, Told

from tests.kit.people import INS_SYSTEM
from tests.kit.steps import identity, opening_for, said
from tests.kit.world import opening

ANOTHER = "279035121518989"
"""An INS that nobody has."""
OF_NOBODY = ("open-record-for", "open-automatically")
"""Steps upon no record that there is."""
QUESTIONS = {"alimentation": "feeding", "urgence-bris-de-glace": "breakGlass", "urgence-samu": "emergencyDispatch"}
NAMED = {"medecin-traitant": "treatingPhysician", "ps-autorisation": "authorized", "etablissement": "authorized"}
WHO_STANDS_IN = "RelatedPerson/paul"
MEASURE = "Tutelle, jugement du 3 mars 2024"

Ask = dict[str, Any]


class Step:
    """One ask of a case, put to the server as the step it is part of."""

    def __init__(self, record: Record, ask: Ask) -> None:
        self.record, self.server, self.ask = record, record.server, ask
        self.operation, self.holder = ask["operation"], f"Patient/{record.patient}"
        self.proposed = cases.proposed_by(record.built, ask)
        self.type = self.proposed["resourceType"] if self.proposed else "Patient"

    def taken(self) -> Told:
        """The answer to the step."""
        where = "" if self.operation in OF_NOBODY else f"/{self.record.patient}"
        who = self.record.who(self.ask["as"], self.ask)
        context = self.record.patient if who.purpose.emergency else None
        told = self.server.ask(who, "POST", f"Patient{where}/${self.operation}", self.said(), patient=context)
        if self.operation == "destroy-record" and told.status == 200:
            self.server.tokens.clear()  # those of its people ended with it
        return told

    # --- what is said

    def said(self) -> dict[str, Any] | None:
        """The Parameters by which the step makes this write; None where none do."""
        match self.operation:
            case "open-record":
                return opening()
            case "close-record":
                return self._closing()
            case "reopen-record":
                return self._reopening()
            case "destroy-record":
                return said(**({"demanded": True} if self.ask.get("demanded") else {}))
            case _:
                return self._opening()

    def _closing(self) -> dict[str, Any] | None:
        if self.type == "Patient":
            return said(**({"reason": self.ask["closes"]} if "closes" in self.ask else {}))
        own = self.proposed["performer"] == [{"reference": self._reference()}]
        return said(reason="opposition") if own else None

    def _reopening(self) -> dict[str, Any] | None:
        if self.type != "Consent":
            return said()
        performer, kind = self.proposed["performer"][0], self.record.built.people[self.ask["as"]]["kind"]
        own = self._reference() if kind == "representative" else None
        return said() if performer["reference"] in (self.holder, own) else said(consentedBy=performer)

    def _opening(self) -> dict[str, Any] | None:
        known = self.ask["verb"] != "create" or self.type != "Patient" or self.record.built.state.standing != "none"
        number = {"use": "official", "system": INS_SYSTEM, "value": INS if known else ANOTHER}
        given: dict[str, Any] = {"identifier": [number], "birthDate": self.record.built.record["birth"]}
        if self.operation == "open-automatically":
            if self.type == "Consent":
                return None
            return said_of(patient=identity(**given))
        answers = self._answers()
        return None if answers is None else opening_for(patient=identity(**given), **answers)

    def _answers(self) -> dict[str, Any] | None:
        """The answers that make the write; those to the other questions are yes."""
        proposed = self.proposed
        if self.type in ("Patient", "Provenance"):
            return {}
        if self.type == "RelatedPerson":
            return {"representative": _person(proposed)} if proposed.get("relationship") else None
        if self.type != "Consent":
            return None
        given = self.ask["consent"]
        kind, permits = given["type"], not given.get("deny")
        performer, actor = proposed["performer"][0]["reference"], given.get("actor")
        spoken = self._spoken(performer)
        if spoken is None or not given.get("sourced", True):
            return None
        if kind == "dmp-creation":
            return spoken if permits and actor is None else None
        if kind in QUESTIONS:
            return {**spoken, QUESTIONS[kind]: permits}
        if kind in NAMED:
            return {**spoken, NAMED[kind]: _one_or_all(kind, actor)} if permits and actor else None
        if kind == "representant-legal":
            measured = {"representative": _person(), "protectionMeasure": MEASURE}
            return measured if actor == WHO_STANDS_IN else None
        return None

    def _spoken(self, performer: str) -> dict[str, Any] | None:
        """Who speaks: the holder by default, or a representative; of a grown holder as a measure says, if one stands."""
        if performer == self.holder:
            return {}
        if performer != WHO_STANDS_IN:
            return None
        measured = any(each.get("type") == "representant-legal" for each in self.record.case.get("consents", ()))
        return {"representative": _person(), **({"protectionMeasure": MEASURE} if measured else {})}

    def _reference(self) -> str:
        return str(self.record.built.people[self.ask["as"]].get("reference"))

    # --- what stands of it

    def stands(self, told: Told) -> bool:
        """Whether the write that the ask speaks of was made."""
        if self.operation == "destroy-record":
            return self.server.ask(self.server.operator, "GET", self.holder).status == 404
        place = told.place or self.holder
        if self.type == "Patient":
            found = self.server.ask(self.server.operator, "GET", place).json
            return found["active"] is (self.operation != "close-record")
        owner = "target" if self.type == "Provenance" else "patient"
        made = self.server.ask(self.server.operator, "GET", f"{self.type}?{owner}={place}&_count=100").found
        return any(self._is_it(each) for each in made if each["id"] not in self.record.built.resources)

    def _is_it(self, made: dict[str, Any]) -> bool:
        """Whether it says what was proposed; who stands in for the holder has a new id."""
        if self.type != "Consent":
            return True
        wanted, given = self.proposed, self.ask["consent"]
        stands_in = wanted["performer"][0]["reference"].startswith("RelatedPerson/")
        performer = made["performer"][0]["reference"]
        same = performer.startswith("RelatedPerson/") if stands_in else performer == wanted["performer"][0]["reference"]
        actors = [each["reference"]["reference"] for each in made["provision"].get("actor", ())]
        named = [each["reference"]["reference"] for each in wanted["provision"].get("actor", ())]
        if given["type"] == "representant-legal":
            actors, named = [], []
        return (
            same
            and (made["status"], made["category"][1]["coding"][0]["code"]) == ("active", given["type"])
            and (made["provision"]["type"], actors) == (wanted["provision"]["type"], named)
        )


def said_of(**resources: Any) -> dict[str, Any]:
    """Parameters of resources."""
    rows = [{"name": name, "resource": each} for name, each in resources.items()]
    return {"resourceType": "Parameters", "parameter": rows}


def _one_or_all(kind: str, actor: str) -> Any:
    return actor if kind == "medecin-traitant" else [actor]


def _person(brought: dict[str, Any] | None = None) -> dict[str, Any]:
    """A legal representative who is brought to the desk."""
    named = {"resourceType": "RelatedPerson", "name": [{"family": "Martin", "given": ["Paul"]}]}
    return {**named, **{name: each for name, each in (brought or {}).items() if name not in ("id", "patient")}}
