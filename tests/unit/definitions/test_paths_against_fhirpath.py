"""Paths against an independent FHIRPath engine, fhirpathpy: every parameter on every example, and on made resources.

Where the two would differ by design, the expression that the oracle gets says so: ADAPTED is the table of it.
"""

import json
import os
import re
from decimal import Decimal
from functools import cache
from pathlib import Path

import fhirpathpy
import pytest
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models
from r4_populated import populated

from fhir_server.definitions.expressions import target_type
from fhir_server.definitions.library import load
from fhir_server.definitions.paths import extractor
from fhir_server.definitions.search_parameters import parameters

EXAMPLES = Path(os.environ.get("DMP_EXAMPLES", Path(__file__).parents[2] / "examples" / "r4"))

# Pattern, replacement, reason.
ADAPTED = [
    (r"\b(?:Domain)?Resource\.", "{type}.", "the engine starts a path only at the concrete type"),
    (
        r"\(?([\w.]+) as (\w+)\)?",
        r"\1.ofType(\2)",
        "`as` is an error on several values (FHIRPath 6.3.2); R4 means a filter",
    ),
    (r"\.as\(", ".ofType(", "the same, as a function"),
    (r"(extension\('[^']*'\))$", r"\1.value", "R4 names the extension, and means what it holds"),
    (r"hasExtension\(('[^']*')\)", r"extension.where(url=\1).exists()", "the engine has no such function"),
]
# The engine's type of the value, where it differs from ours: ours is the definition's.
KINDS = {"System.String": "id"}


class Oracle:
    """fhirpathpy with R4's model, and `resolve()` answering with the type that a reference names."""

    def __init__(self):
        self.root = {}
        self.options = {"userInvocationTable": {"resolve": {"fn": self.resolve}}, "returnRawData": True}

    def resolve(self, references):
        types = [target_type(getattr(each, "data", each), self.root) for each in references]
        return [ResourceNode.create_node({"resourceType": each}, each) for each in types if each]

    @cache  # noqa: B019 - lives as long as the module
    def compiled(self, expression, type_):
        for pattern, replacement, _ in ADAPTED:
            expression = re.sub(pattern, replacement.replace("{type}", type_), expression)
        return fhirpathpy.compile(expression, models["r4"], self.options)

    def find(self, expression, resource):
        """`(values, kinds)`: the values as JSON text, and the types that the engine knows of them."""
        self.root = resource
        found = self.compiled(expression, resource["resourceType"])(resource)
        kinds = {each.path for each in found if isinstance(each, ResourceNode) and each.path and each.data is not None}
        return {_text(getattr(each, "data", each)) for each in found}, {
            KINDS.get(kind, kind) for kind in kinds if "." not in kind or kind in KINDS
        }


ORACLE = Oracle()


def _text(value):
    return json.dumps(value, sort_keys=True, default=str)


def disagreements(resource):
    """Parameters on which the two differ: in the values found, or in a type that the engine knows."""
    type_ = resource["resourceType"]
    for code, each in parameters(type_).items():
        if not each.expression:
            continue
        ours = extractor(type_, code)(resource)
        values, kinds = ORACLE.find(each.expression, resource)
        if {_text(found.value) for found in ours} != values:
            yield code, each.expression, [found.value for found in ours], values
        if not kinds <= {found.kind for found in ours}:
            yield code, each.expression, [found.kind for found in ours], kinds


def examples():
    return sorted(EXAMPLES.glob("*.json"))


def test_the_examples_are_there():
    assert len(examples()) > 100


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.stem)
def test_every_parameter_finds_in_an_official_example_what_fhirpath_finds(path):
    assert [] == list(disagreements(json.loads(path.read_text("utf-8"), parse_float=Decimal)))


@pytest.mark.parametrize("variant", range(8))
def test_every_parameter_finds_in_a_full_resource_what_fhirpath_finds(variant):
    for type_ in load().types:
        assert [] == list(disagreements(populated(type_, variant))), type_


def test_the_oracle_tells_a_wrong_answer(monkeypatch):
    patient = {"resourceType": "Patient", "name": [{"family": "Martin"}], "birthDate": "2001-01-01"}
    assert [] == list(disagreements(patient))
    monkeypatch.setitem(globals(), "extractor", lambda type_, code: extractor_that_misses(type_, code))
    assert {"family", "name", "birthdate"} <= {each[0] for each in disagreements(patient)}


def extractor_that_misses(_type, _code):
    return lambda _: []
