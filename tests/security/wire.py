"""The wire: a client that sends what may be bad and judges what comes, and strategies for JSON that is almost right."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from fhir_server.definitions.library import load
from fhir_server.sandbox import dossier
from tests.kit.application import FHIR_JSON, deposit
from tests.kit.world import opening

PATCH = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
MAX_BODY = 300_000
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

GOOD = json.dumps({"resourceType": "Organization", "name": "x"})


class Wire:
    """Sends what may be bad, and judges what comes."""

    def __init__(self, app):
        self.client = app.test_client()
        self.shelf = app.extensions["house"].shelf

    def stored(self):
        """Everything that is kept, but for the ledger: ids and versions."""
        kept = {each["_id"]: each["version"] for each in self.shelf.resources.find({}, {"version": 1})}
        blobs = self.shelf.database["blobs"].count_documents({})
        return kept, self.shelf.history.estimated_document_count(), blobs

    def send(self, method, path, data=None, content_type=FHIR_JSON, **how):
        if data is not None:
            how |= {"data": data if isinstance(data, bytes) else json.dumps(data), "content_type": content_type}
        return self.client.open(path, method=method, **how)

    def refused(self, statuses, method, path, data=None, content_type=FHIR_JSON, *, stores=False, **how):
        """The answer, which must be a refusal with one of these statuses that changed nothing."""
        before = None if stores else self.stored()
        answered = self.send(method, path, data, content_type, **how)
        wanted = {statuses} if isinstance(statuses, int) else set(statuses)
        assert answered.status_code in wanted, (answered.status_code, answered.text[:300])
        if method != "HEAD":
            is_outcome(answered)
        if before is not None:
            assert before == self.stored()
        return answered

    def never_500(self, method, path, data=None, content_type=FHIR_JSON, **how):
        """The answer: anything but a 5xx; a refusal is an OperationOutcome."""
        answered = self.send(method, path, data, content_type, **how)
        assert answered.status_code < 500, answered.text
        if answered.status_code >= 400 and method != "HEAD":
            is_outcome(answered)
        return answered


def is_outcome(answered):
    assert answered.content_type.startswith(FHIR_JSON), answered.content_type
    told = json.loads(answered.data)
    assert "OperationOutcome" == told["resourceType"]
    assert told["issue"]
    for issue in told["issue"]:
        assert {"severity", "code", "diagnostics"} <= set(issue)
        assert issue["severity"] in ("fatal", "error", "warning", "information")
        assert "Traceback" not in issue["diagnostics"]


WORDS = st.sampled_from(
    ["Patient", "resourceType", "reference", "Patient/paul-martin", "Patient/", "/", "#", "#p", "urn:uuid:x", "", " ", "x",
     "http://x/Patient/1", "Patient?identifier=a|b", "Patient?identifier=", "Patient?x", "2020", "2020-02-30", "NaN", "\x7f",
     "Organization/cabinet-tilleuls", "current", "active", "https://[x", "http://", "$ref", "a" * 300]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), WORDS,
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=10),
)  # fmt: skip
KEYS = st.one_of(
    st.sampled_from(
        ["resourceType", "id", "meta", "type", "entry", "request", "resource", "url", "method", "extension", "contained",
         "subject", "reference", "identifier", "system", "value", "coding", "code", "status", "parameter", "name", "_name"]
    ),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=6),
)  # fmt: skip


def json_values(leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any JSON."""
    return st.recursive(
        SCALARS,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
        max_leaves=leaves,
    )


def resources() -> list[dict[str, Any]]:
    """Good resources of many shapes: the sandbox's own, a submission, the answers of an opening."""
    return [*dossier.resources(), deposit(), opening()]


@st.composite
def altered(draw: st.DrawFn, resource: dict[str, Any]) -> dict[str, Any]:
    """The resource with one node, or a few, replaced, renamed, doubled or wrapped."""
    made = copy.deepcopy(resource)
    for _ in range(draw(st.integers(1, 3))):
        spots = list(_spots(made))
        holder, key = spots[draw(st.integers(0, len(spots) - 1))]
        match draw(st.sampled_from(["replace", "wrap", "unwrap", "rename", "add", "drop"])):
            case "wrap":
                holder[key] = [holder[key]]
            case "unwrap" if isinstance(holder[key], list) and holder[key]:
                holder[key] = holder[key][0]
            case "rename" if isinstance(holder, dict):
                holder[draw(KEYS)] = holder.pop(key)
            case "add" if isinstance(holder, dict):
                holder[draw(KEYS)] = draw(json_values(4))
            case "drop":
                del holder[key]
            case _:
                holder[key] = draw(json_values(4))
        if not made:
            break
    return made


def _spots(node: Any) -> Any:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(pairs):
        yield node, key
        yield from _spots(value)


@st.composite
def near_bundles(draw: st.DrawFn) -> dict[str, Any]:
    """Batches and transactions whose entries are almost right."""
    ids = st.sampled_from(["jeanne-martin", "imagerie-alpes", "nobody", "a_b", "", "..", "x" * 70])
    types = st.one_of(st.sampled_from(["Patient", "Organization", "DocumentReference", "Consent", "List", "Binary", "AuditEvent"]), st.sampled_from(load().types))  # fmt: skip
    entries = []
    for _ in range(draw(st.integers(0, 4))):
        type_, id_ = draw(types), draw(ids)
        url = draw(
            st.sampled_from(
                [type_, f"{type_}/{id_}", f"{type_}/{id_}/_history", f"{type_}/{id_}/_history/1", f"{type_}?_id={id_}",
                 f"{type_}/_search", f"{type_}/{id_}/$open-record", "", "metadata", f"{type_}?%ff=%00", f"/{type_}", "http://[x"]
            )
        )  # fmt: skip
        method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]))
        request: dict[str, Any] = {"method": method, "url": url}
        for name in ("ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist"):
            if draw(st.integers(0, 9)) == 0:
                request[name] = draw(st.one_of(WORDS, st.just('W/"1"')))
        entry: dict[str, Any] = {"request": request}
        if draw(st.booleans()):
            entry["fullUrl"] = draw(
                st.one_of(WORDS, st.just(f"http://127.0.0.1:8080/fhir/{type_}/{id_}"), json_values(2))
            )
        if method not in ("GET", "HEAD", "DELETE") or draw(st.booleans()):
            entry["resource"] = draw(
                st.one_of(st.dictionaries(KEYS, json_values(4), max_size=3).map(lambda made, t=type_: {"resourceType": t, **made}), json_values(4))
            )  # fmt: skip
        entries.append(entry)
    return {"resourceType": "Bundle", "type": draw(st.sampled_from(["batch", "transaction"])), "entry": entries}
