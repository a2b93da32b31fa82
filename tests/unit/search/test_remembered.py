"""Which queries are remembered, and that they mean what they meant; the others are read anew each time."""

import pytest

from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.foundation.problem import Problem
from fhir_server.search import own
from fhir_server.search.codes import PUBLISHED
from fhir_server.search.own import Own
from fhir_server.search.parse import parse
from fhir_server.search.remembered import LONG, parsed, stands_alone

LIMITS = {"lenient": False, "base": "https://here.example/fhir", "maximum": 50, "compartment_of": ""}
DAY = 86_400_000_000


class Held:
    """Value sets that hold another code each time they are asked for."""

    def __init__(self):
        self.asked = 0

    def value_set(self, url):
        self.asked += 1
        return frozenset({("urn:s", f"code{self.asked}")})

    def code_system(self, url):
        return None


def ask(type_, *pairs, codes=PUBLISHED, now=0, **limits):
    return parsed(type_, pairs, codes=codes, now=now, **{**LIMITS, **limits})


@pytest.mark.parametrize(
    "pairs",
    [
        [("patient", "lea"), ("date", "ge2026"), ("_sort", "-date"), ("_count", "7"), ("_include", "Observation:subject")],
        [("code", "urn:s|a,b"), ("value-quantity", "5.4|http://unitsofmeasure.org|mg")],
        [("code-value-quantity", "a$gt5")],
        [],
    ],
)  # fmt: skip
def test_what_is_remembered_of_a_query_is_what_it_means(pairs):
    anew = parse("Observation", pairs, **LIMITS)
    plain = [pair for pair in pairs if pair[0] != "_include"]
    assert anew == ask("Observation", *pairs) == ask("Observation", *pairs)
    assert ask("Observation", *plain) is ask("Observation", *plain)


def test_it_is_remembered_of_one_type_within_one_compartment_under_its_limits():
    first = ask("Observation", ("status", "final"), ("_count", "40"))

    assert "Condition" == ask("Condition", ("code", "a")).type
    assert 10 == ask("Observation", ("status", "final"), ("_count", "40"), maximum=10).count
    inside = ask("Observation", ("status", "final"), ("_count", "40"), compartment_of="Patient/lea")
    assert ("lea",) == inside.patients
    assert () == first.patients


def test_what_cannot_be_answered_is_refused_each_time():
    for _ in range(2):
        with pytest.raises(Problem, match="no search parameter"):
            ask("Observation", ("nothing", "a"))


@pytest.mark.parametrize(
    ("type_", "name"),
    [("Observation", "code:in"), ("Observation", "patient.name"), ("Observation", "_has:Provenance:target:agent"),
     ("Observation", "_filter"), ("Patient", "age")],
)  # fmt: skip
def test_what_hangs_on_what_is_stored_or_on_the_day_is_not_remembered(type_, name):
    assert not stands_alone(type_, ((name, "a"),))
    assert stands_alone(type_, (("_id", "a"),))


def test_a_long_query_is_not_remembered():
    assert stands_alone("Observation", (("code", "a" * (LONG - 4)),))
    assert not stands_alone("Observation", (("code", "a" * (LONG - 3)),))


def test_value_sets_are_asked_and_ages_are_counted_anew():
    held = Held()
    assert ask("Observation", ("code:in", "urn:v"), codes=held) != ask("Observation", ("code:in", "urn:v"), codes=held)
    assert ask("Patient", ("age", "30"), now=0) != ask("Patient", ("age", "30"), now=400 * DAY)


def test_a_query_is_forgotten_with_the_parameters_it_was_read_by():
    parameter = SearchParameter("colour", "urn:p", "token", "Observation.method", (), "", ("Observation",), ())
    try:
        own.put({"Observation": {"colour": Own(parameter, ready=True)}})
        assert ask("Observation", ("colour", "red")) is ask("Observation", ("colour", "red"))
        own.put({})
        with pytest.raises(Problem, match="no search parameter"):
            ask("Observation", ("colour", "red"))
    finally:
        own.put({})
