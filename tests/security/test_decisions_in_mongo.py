"""Every residual of the decision cases selects in MongoDB exactly what it selects in memory."""

from __future__ import annotations

import decision_cases as cases

from fhir_server.consent.decision import Permit
from fhir_server.foundation.predicate import matches
from fhir_server.store.mongo import to_mongo


def test_every_residual_of_the_cases_means_the_same_in_mongodb(database):
    asked = 0
    for number, case in enumerate(cases.load()):
        built = cases.world(case)
        collection = database[f"case{number}"]
        collection.insert_many(list(built.envelopes.values()))
        for ask in case["asks"]:
            decision = cases.decided(built, ask)
            if not isinstance(decision, Permit):
                continue
            asked += 1
            for predicate in (decision.residual, decision.after):
                found = {each["_id"] for each in collection.find(to_mongo(predicate), {"_id": 1})}
                expected = {each["_id"] for each in built.envelopes.values() if matches(predicate, each)}
                assert expected == found, (case["title"], ask)
    assert asked > 100
