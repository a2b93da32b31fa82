"""One resource alone in a collection, and what finds it there: in MongoDB and in memory alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from fhir_server.foundation.predicate import Predicate, matches
from fhir_server.store.documents import envelope
from fhir_server.store.mongo import to_mongo


def alone_in(collection: Any, resource: dict[str, Any]) -> dict[str, Any]:
    """The envelope of a resource that is now all that the collection holds."""
    stored = envelope(resource, version=1, updated=1, submitter=(), neighbours={})
    mentions = stored["facts"].pop("mentions", ())
    stored["index"] += [token for each in mentions for token in each["token"]]  # the door asks them there
    collection.delete_many({})
    collection.insert_one(stored)
    return stored


def assert_found_by_its_own_alone(
    collection: Any,
    resource: dict[str, Any],
    own: str,
    others: Iterable[str],
    where: Callable[[str], Predicate],
) -> dict[str, Any]:
    """By its own value it is found, and by none of the others; its envelope."""
    stored = alone_in(collection, resource)
    for asked, expected in [(own, True), *((each, False) for each in others)]:
        said = f"{resource['resourceType']} {asked} of {json.dumps(resource, default=str)[:3000]}"
        assert expected == matches(where(asked), stored), said
        assert expected == collection.count_documents(to_mongo(where(asked))), said
    return stored
