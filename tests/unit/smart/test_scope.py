"""Scopes: what is one, what remains of what is asked, and what it lets through."""

from dataclasses import replace
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Exists, Has, Not, both, either, matches
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.foundation.problem import Problem, bad_request
from fhir_server.smart.scope import Scope, conditions, grantable, narrow, parse, reach, wants_patient

HOLDER = Principal(kind=Kind.HOLDER, subject="a", client="app", patient="p1", purpose=Purpose.PATIENT_REQUEST)
DOCTOR = Principal(kind=Kind.PROFESSIONAL, subject="d", client="app")
ORDERED = ["".join(each) for n in range(1, 6) for each in combinations("cruds", n)]


def compile_(type_, pairs):
    if any(name != "category" for name, _ in pairs):
        raise bad_request("unknown")
    return both(*(Has("token", f"{type_}.{name}={value}") for name, value in pairs))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patient/Patient.rs", ("patient", "Patient", "rs", ())),
        ("user/*.cruds", ("user", "*", "cruds", ())),
        ("system/Observation.read", ("system", "Observation", "rs", ())),
        ("system/Observation.write", ("system", "Observation", "cud", ())),
        ("patient/*.*", ("patient", "*", "cruds", ())),
        ("patient/Observation.rs?category=a|b", ("patient", "Observation", "rs", (("category", "a|b"),))),
        (
            "patient/Observation.rs?category=a%7Cb&status=final",
            ("patient", "Observation", "rs", (("category", "a|b"), ("status", "final"))),
        ),
    ],
)
def test_both_forms_are_read(text, expected):
    """SMART-C1 SMART-C3."""
    found = parse(text)
    assert expected == (found.level, found.type, found.rights, found.criteria) and text == found.write()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "openid",
        "launch/patient",
        "patient/Patient.sr",
        "patient/Patient.rsx",
        "patient/Patient.",
        "patient/Patient",
        "patient/patient.rs",
        "patient/Foo.rs",
        "patient/Resource.rs",
        "patient/DomainResource.rs",
        "patient/Patient.RS",
        "patient/Patient.reads",
        "patient/Patient.**",
        "practitioner/Patient.rs",
        "Patient.rs",
        "patient/Patient.rs?",
        "patient/Patient.rs?category",
        "patient/Patient.rs?category=",
        "patient/Patient.rs?=x",
        "patient/Patient.rs?a=b?c=d",
        "patient/*.rs?category=x",
        "patient/Patient.rs ",
        "patient/Patient.rs\n",
    ],
)
def test_anything_else_is_no_scope(text):
    """SMART-C2."""
    assert parse(text) is None


@given(st.text("cruds", min_size=1, max_size=6))
def test_rights_stand_in_their_order_once_each(rights):
    assert (rights in ORDERED) is (parse(f"patient/Patient.{rights}") is not None)


@pytest.mark.parametrize(
    ("requested", "allowed", "kind", "expected"),
    [
        ("patient/*.rs openid", "patient/*.rs openid", Kind.HOLDER, "patient/*.rs openid"),
        ("patient/*.rs openid", "patient/*.rs", Kind.HOLDER, "patient/*.rs"),
        (
            "patient/*.cruds",
            "patient/Observation.rs patient/Consent.cruds",
            Kind.HOLDER,
            "patient/Observation.rs patient/Consent.cruds",
        ),
        ("patient/Observation.cruds", "patient/*.rs", Kind.HOLDER, "patient/Observation.rs"),
        ("patient/Observation.rs", "patient/*.r patient/Observation.s", Kind.HOLDER, "patient/Observation.rs"),
        ("patient/*.read", "patient/*.cruds", Kind.HOLDER, "patient/*.read"),
        ("patient/*.write", "patient/*.rsu", Kind.HOLDER, ""),
        ("patient/*.*", "patient/*.rs", Kind.HOLDER, "patient/*.rs"),
        (
            "patient/Observation.rs",
            "patient/Observation.rs?category=lab",
            Kind.HOLDER,
            "patient/Observation.rs?category=lab",
        ),
        ("patient/Observation.rs?category=lab", "patient/*.rs", Kind.HOLDER, "patient/Observation.rs?category=lab"),
        (
            "patient/Observation.rs?category=lab",
            "patient/Observation.rs?status=final",
            Kind.HOLDER,
            "patient/Observation.rs?category=lab&status=final",
        ),
        ("user/*.rs", "patient/*.rs", Kind.PROFESSIONAL, ""),
        ("user/*.rs", "user/*.rs", Kind.ESTABLISHMENT, ""),
        ("system/*.rs", "system/*.rs", Kind.PROFESSIONAL, ""),
        ("patient/*.rs", "patient/*.rs", Kind.UNKNOWN, ""),
        ("patient/*.rs patient/*.rs openid openid", "patient/*.rs openid", Kind.HOLDER, "patient/*.rs openid"),
        ("patient/*.rs", "patient/Foo.rs", Kind.HOLDER, ""),
        ("x" * 5000 + " openid", "openid", Kind.HOLDER, ""),
    ],
)
def test_no_more_is_granted_than_was_asked_and_registered(requested, allowed, kind, expected):
    assert expected == " ".join(grantable(requested, allowed, kind))


def test_a_system_knows_system_scopes_alone():
    """SMART-K13."""
    allowed = "system/*.rs patient/*.rs openid"
    asked = "system/Patient.s patient/*.rs openid"
    assert ("system/Patient.s",) == grantable(asked, allowed, Kind.ESTABLISHMENT, system=True)
    assert ("openid",) == grantable("openid system/*.rs", allowed, Kind.OPERATOR)


SCOPES = st.lists(
    st.builds(
        lambda level, type_, rights, query: f"{level}/{type_}.{rights}{query if type_ != '*' else ''}",
        st.sampled_from(["patient", "user"]),
        st.sampled_from(["*", "Patient", "Observation", "DocumentReference"]),
        st.sampled_from([*ORDERED, "read", "write", "*"]),
        st.sampled_from(["", "?category=a", "?category=b"]),
    ),
    max_size=4,
).map(" ".join)


@given(SCOPES, SCOPES)
def test_what_is_granted_is_what_both_would_let_through(requested, allowed):
    granted = grantable(requested, allowed, Kind.HOLDER)

    def lets(scopes, level, type_, right, token):
        return any(
            each.level == level and each.covers(type_, right) and (not each.criteria or each.criteria[0][1] in token)
            for each in map(parse, scopes)
        )

    for level in ("patient", "user"):
        for type_ in ("Patient", "Observation", "Condition"):
            for right in "cruds":
                for token in ("a", "b", "ab", ""):
                    asked = lets(requested.split(), level, type_, right, token)
                    may = lets(allowed.split(), level, type_, right, token)
                    found = any(
                        each.level == level
                        and each.covers(type_, right)
                        and all(value in token for _, value in each.criteria)
                        for each in map(parse, granted)
                    )
                    assert found is (asked and may)


def test_patient_scopes_are_confined_to_the_record_in_context():
    """SMART-C8."""
    assert Has("patients", "p1") == narrow(("patient/*.rs",), "Observation", "r", HOLDER, compile_)
    assert Has("patients", "p1") == narrow(("patient/Patient.rs",), "Patient", "s", HOLDER, compile_)


def test_what_is_of_no_record_stays_within_reach_of_them():
    # DMP-43: a holder looks a professional up in the directory
    found = narrow(("patient/*.rs",), "Practitioner", "s", HOLDER, compile_)
    assert matches(found, {"type": "Practitioner", "facts": {}})
    assert not matches(found, {"type": "Binary", "facts": {"patients": ["p2"]}})


def test_user_and_system_scopes_are_not_confined():
    assert EVERYTHING == narrow(("user/*.rs",), "Observation", "r", DOCTOR, compile_)
    assert EVERYTHING == narrow(("system/*.rs",), "Observation", "r", DOCTOR, compile_)


def test_in_an_emergency_every_scope_is_confined():

    urgent = replace(DOCTOR, purpose=Purpose.BREAK_GLASS, patient="p1")
    assert Has("patients", "p1") == narrow(("user/*.rs",), "Observation", "r", urgent, compile_)
    with pytest.raises(Problem):
        narrow(("user/*.rs",), "Observation", "r", replace(urgent, patient=None), compile_)


@pytest.mark.parametrize(
    ("scopes", "type_", "right"),
    [
        ((), "Patient", "r"),
        (("openid", "fhirUser", "launch/patient"), "Patient", "r"),
        (("user/Observation.rs",), "Patient", "r"),
        (("user/Patient.s",), "Patient", "r"),
        (("user/Patient.r",), "Patient", "s"),
        (("user/Patient.cud",), "Patient", "r"),
        (("patient/Patient.rs",), "Patient", "r"),
        (("user/Observation.rs?unheard=of",), "Observation", "r"),
    ],
)
def test_without_a_scope_for_it_nothing_may_be_done(scopes, type_, right):
    """SMART-C9."""
    with pytest.raises(Problem) as refused:
        narrow(scopes, type_, right, DOCTOR, compile_)
    assert 403 == refused.value.status
    assert 'Bearer error="insufficient_scope"' == refused.value.headers["WWW-Authenticate"]


def test_granular_scopes_let_through_what_one_of_them_names():
    """SMART-C6 SMART-C7."""
    scopes = ("user/Observation.rs?category=a", "user/Observation.rs?category=b")
    found = narrow(scopes, "Observation", "s", DOCTOR, compile_)
    assert either(Has("token", "Observation.category=a"), Has("token", "Observation.category=b")) == found
    assert EVERYTHING == narrow((*scopes, "user/Observation.s"), "Observation", "s", DOCTOR, compile_)


def test_reach_is_all_that_may_be_read_or_searched_and_nothing_else():
    """SMART-C7."""
    scopes = ("openid", "user/Patient.s", "user/Observation.r?category=a", "user/Consent.cud", "launch")
    expected = either(
        Has("resource", "Patient"),
        both(Has("resource", "Observation"), Has("token", "Observation.category=a")),
    )
    assert expected == reach(scopes, DOCTOR, compile_)
    assert NOTHING == reach(("user/Consent.cud",), DOCTOR, compile_)
    own = either(Has("patients", "p1"), Not(Exists("patients")))
    assert own == reach(("patient/*.rs",), HOLDER, compile_)


@given(st.lists(st.sampled_from(["patient/*.rs", "patient/Patient.r", "user/Observation.s", "user/*.c", "openid"])))
def test_reach_is_never_narrower_nor_wider_than_what_each_type_allows(scopes):
    scopes = tuple(scopes)
    everything = reach(scopes, HOLDER, compile_)
    for type_, owner in (("Patient", "p1"), ("Observation", "p1"), ("Observation", "p2"), ("Practitioner", None)):
        document = {"type": type_, "facts": {"patients": [owner]} if owner else {}}
        allowed = False
        for right in "rs":
            try:
                allowed = allowed or matches(narrow(scopes, type_, right, HOLDER, compile_), document)
            except Problem:
                continue
        assert allowed is matches(everything, document)


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (("user/Patient.s",), ()),
        (("user/Patient.rs?category=a", "user/*.rs"), ()),
        (("user/Patient.rs?category=a", "user/Patient.r", "user/Observation.s"), ((("category", "a"),),)),
        (("user/Patient.rs?category=a", "patient/Patient.rs"), ((("category", "a"),),)),
        (("user/Patient.s?category=a", "system/Patient.s?category=b"), ((("category", "a"),), (("category", "b"),))),
        (("user/Patient.r?category=a", "user/Observation.s?category=a"), ()),
    ],
)
def test_the_criteria_of_a_token_are_those_of_all_its_scopes_unless_one_has_none(scopes, expected):
    """DMP-101: what any of them guesses decides over a hit."""
    assert expected == conditions(scopes, "Patient", "s")


def test_which_scopes_need_a_patient():
    assert wants_patient(("openid", "launch/patient")) and wants_patient(("patient/*.rs",))
    assert not wants_patient(chain(("openid", "user/*.rs", "launch")))


def test_a_scope_that_was_cut_down_is_written_in_the_second_form():
    assert "patient/X.rs?category=a|b" == Scope("patient", "X", "rs", (("category", "a|b"),)).write()


def test_who_is_signed_in_may_be_read_where_the_app_may_know_it():
    """SMART-O7: the fhirUser of the id_token, read with the access token; it and nothing else."""
    own = Has("id", "Practitioner/d")
    doctor = replace(DOCTOR, reference="Practitioner/d")
    scopes = ("openid", "fhirUser", "user/Observation.rs")
    assert own == narrow(scopes, "Practitioner", "r", doctor, compile_)
    assert own == narrow(scopes, "Practitioner", "r", replace(doctor, purpose=Purpose.BREAK_GLASS), compile_)
    assert either(Has("resource", "Observation"), own) == reach(scopes, doctor, compile_)
    assert EVERYTHING == narrow((*scopes, "user/*.r"), "Practitioner", "r", doctor, compile_)
    for asked, type_, right in (
        (scopes, "Practitioner", "s"),
        (scopes, "Practitioner", "u"),
        (scopes, "Patient", "r"),
        (scopes[2:], "Practitioner", "r"),
    ):
        with pytest.raises(Problem):
            narrow(asked, type_, right, doctor, compile_)
    with pytest.raises(Problem):
        narrow(scopes, "Practitioner", "r", DOCTOR, compile_)
