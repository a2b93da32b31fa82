"""The oracle: what of a world its asker may not see, by the pure decision over each thing that is stored.

May live here: asking `decide` and `matches`, and what may be left out of a twin for it. May not know: how the server
answers. The decision itself is proved by cases (`tests/security/decisions`).
"""

from __future__ import annotations

import json
import re
from typing import Any

from fhir_server.consent.decision import Permit, decide
from fhir_server.consent.matrix import Matrix
from fhir_server.foundation.predicate import Predicate, matches
from fhir_server.foundation.principal import Principal
from fhir_server.resources.references import local_references
from tests.kit.drawn_consents import TEAM, is_unreadable
from tests.kit.twin import Log, Without
from tests.kit.world import BASE, World

SIGHTS = (("read", None), ("search", None), ("operation", "everything"))
"""Ways of seeing: the holder of a closed record still takes a copy of it."""


class Oracle:
    """What one asker may see of Léa's record in a world, as it stands."""

    def __init__(self, world: World, who: Principal) -> None:
        shelf = world.house.shelf
        gone = shelf.history.find({"facts.patient": "lea", "method": "DELETE"})
        self.stored: dict[str, Any] = {each["id"]: {**each, "_id": each["id"]} for each in gone}
        self.stored |= {each["_id"]: each for each in shelf.resources.find({"facts.patient": "lea"})}
        self.record, self.now, self.who = world.house.records.record("lea"), world.now, who
        self._sights: dict[str, list[Predicate]] = {}

    def sees(self, name: str) -> bool:
        """Whether some way shows what stands at an address, or its deletion."""
        envelope = self.stored[name]
        return any(matches(each, envelope) for each in self._residuals(envelope["type"]))

    def wrote_unseen(self) -> bool:
        """Whether the asker wrote something that he does not see."""
        return any(
            not self.who.identities.isdisjoint((*each["facts"].get("author", ()), *each["facts"].get("submitter", ())))
            and not self.sees(name)
            for name, each in self.stored.items()
        )

    def _deleted(self, name: str) -> bool:
        return self.stored[name].get("method") == "DELETE"

    def _residuals(self, type_: str) -> list[Predicate]:
        if type_ not in self._sights:
            asked = (
                self.record.asked(self.who, verb, type_, self.now, patient="lea", operation=operation)
                for verb, operation in SIGHTS
            )
            found = [decide(each, self.record.directives, Matrix.load()) for each in asked]
            self._sights[type_] = [each.residual for each in found if isinstance(each, Permit)]
        return self._sights[type_]

    def left_out(self, drawn: dict[str, Any], log: Log) -> Without:
        """The names of what the twin is told without: all that is hidden, save what decides over the rest.

        A Consent that the asker does not see is left out where it is about others; a letter that a Consent he sees
        names stays, for without it that Consent would say something else.
        """
        names = log.names
        letters = {name for name in names if re.fullmatch(r"d\d", name)}
        consents = [f"c{index}" for index in range(len(drawn["consents"]))]
        told = {
            reference
            for each in consents
            if self.sees(names[each])
            for reference in local_references(json.loads(self.stored[names[each]]["body"]), BASE)
        }
        unseen = {each for each in letters if not self.sees(names[each])}
        out = {each for each in unseen if names[each] not in told}
        if names["folder"] not in told and (unseen == letters or not self.sees(names["folder"])):
            out.add("folder")
        for each in letters:
            if f"w{each}" in names and (
                each in out or not (self.sees(names[f"w{each}"]) or self._deleted(names[each]))
            ):
                out.add(f"w{each}")
        if drawn["record"] != "closed":  # a closing ends all of them
            out |= {each for each in consents if not self.sees(names[each]) and self._of_others(each, drawn, log)}
        return frozenset(out)

    def _of_others(self, name: str, drawn: dict[str, Any], log: Log) -> bool:
        """Whether a Consent decides nothing for the asker and ended nothing that he sees."""
        one = drawn["consents"][int(name[1:])]
        body = json.loads(self.stored[log.names[name]]["body"])
        if one["state"] == "inactive":
            return True
        if body["status"] == "inactive" and one["state"] != "ended":
            return False  # what ended it may be seen
        own = {
            self.who.reference,
            *self.who.organizations,
            *({"CareTeam/equipe"} if self.who.reference in TEAM else ()),
        }
        if one["kind"] == "medecin-traitant":
            designated = {
                each for other in drawn["consents"] if other["kind"] == one["kind"] for each in other["actor"]
            }
            return own.isdisjoint({"Practitioner/bernard", *designated})
        root = body["provision"]
        named = {
            actor["reference"]["reference"]
            for each in (root, *root.get("provision", ()))
            for actor in each.get("actor", ())
        }
        return "actor" in root and named.isdisjoint(own) and not is_unreadable(body)
