"""What is remembered of decisions: the same as decided anew, whichever way the clock is moved."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.consent import memory as room
from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directive import PRIVACY, Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.memory import Memory, span_of, step_of
from fhir_server.consent.request import AccessRequest, Life
from fhir_server.foundation.moment import Interval, from_micros, micros
from fhir_server.foundation.principal import Kind, Principal, Purpose

TYPES = "https://dmp-on-fhir.example/CodeSystem/dmp-consent-type"
KINDS = ("ps-autorisation", "ps-blocage", "medecin-traitant", "es-autorisation", "urgence-bris-de-glace", "foreign")
ACTORS = ("Practitioner/d", "Practitioner/x", "Organization/o", "CareTeam/t")
BIRTH = "2008-11-25"
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
DAY = 86_400_000_000
# a few days around an eighteenth birthday, in which periods begin and end at any second
FIRST, LAST = micros(datetime(2026, 11, 22, tzinfo=UTC)), micros(datetime(2026, 11, 28, tzinfo=UTC))

instants = st.integers(FIRST, LAST).map(from_micros) | st.sampled_from(
    [datetime(2026, 11, day, tzinfo=UTC) for day in range(22, 29)]
)
dates = st.sampled_from([f"2026-11-{day}" for day in range(22, 28)]) | instants.map(
    lambda at: at.replace(microsecond=0).isoformat()
)
periods = st.fixed_dictionaries({}, optional={"start": dates, "end": dates})
spans = st.tuples(st.integers(FIRST, LAST), st.integers(FIRST, LAST)).map(lambda pair: Interval(*sorted(pair)))


def provisions(**more):
    actor = st.sampled_from(ACTORS).map(lambda named: [{"reference": {"reference": named}}])
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["permit", "deny"])}, optional={"actor": actor, "period": periods, **more}
    )


consents = st.builds(
    lambda index, kind, status, provision: {
        "resourceType": "Consent",
        "id": f"c{index}",
        "status": status,
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [] if kind == "foreign" else [{"coding": [{"system": TYPES, "code": kind}]}],
        "patient": {"reference": "Patient/lea"},
        "provision": provision,
    },
    st.integers(0, 9),
    st.sampled_from(KINDS),
    st.sampled_from(["active", "active", "active", "inactive"]),
    provisions(provision=st.lists(provisions(), max_size=2)),
)
teams = st.dictionaries(st.sampled_from(["Practitioner/d", "ps:81"]), spans).map(lambda found: {"CareTeam/t": found})
records = st.builds(
    lambda found, team, terms: Directives(tuple(each for each in (parse(one, team) for one in found) if each), terms),
    st.lists(consents, max_size=4),
    teams,
    st.dictionaries(st.just("RelatedPerson/mere"), spans),
)
professionals = st.builds(
    lambda purpose, profession: Principal(
        Kind.PROFESSIONAL, "d", "c", reference="Practitioner/d", identities=frozenset({"Practitioner/d", "ps:81"}),
        organizations=frozenset({"Organization/o"}), profession=profession, purpose=purpose, reason="urgence",
    ),
    st.sampled_from([Purpose.TREATMENT, Purpose.BREAK_GLASS]),
    st.sampled_from(["10", "60"]),
)  # fmt: skip
DOCTOR = Principal(
    Kind.PROFESSIONAL, "d", "c", reference="Practitioner/d", identities=frozenset({"Practitioner/d"}), profession="10"
)
MOTHER = Principal(
    Kind.REPRESENTATIVE, "m", "c", reference="RelatedPerson/mere", identities=frozenset({"RelatedPerson/mere"})
)
HOLDER = Principal(Kind.HOLDER, "l", "c", reference="Patient/lea", identities=frozenset({"Patient/lea"}))
principals = professionals | st.sampled_from([MOTHER, HOLDER])


def asking(principal, now=NOW, **more):
    return AccessRequest(
        principal=principal, verb=more.pop("verb", "read"), type=more.pop("type", "DocumentReference"), patient="lea",
        now=now, standing="open", birth=BIRTH, representatives=frozenset({"RelatedPerson/mere"}), **more,
    )  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(records, st.lists(principals, min_size=1, max_size=2), st.lists(instants, min_size=2, max_size=8))
def test_what_is_remembered_is_what_would_be_decided_anew(directives, askers, moments):
    memory = Memory(Matrix.load())

    for moment in moments:
        for principal in askers:
            asked = asking(principal, moment)
            assert decide(asked, directives, Matrix.load()) == memory.decide(asked, directives)


@settings(max_examples=400, deadline=None)
@given(records, principals, instants, st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_throughout_its_span_a_decision_is_the_same(directives, principal, moment, within):
    span = span_of(micros(moment), directives, step_of(asking(principal, moment)))
    decided = decide(asking(principal, moment), directives, Matrix.load())
    places = [span.lo + int((span.hi - span.lo) * part) for part in within]

    assert span.lo <= micros(moment) <= span.hi
    for place in (span.lo, span.hi, *places):
        assert decided == decide(asking(principal, from_micros(place)), directives, Matrix.load())


def a_consent(kind, provision):
    coded = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]}
    category = [{"coding": [{"system": TYPES, "code": kind}]}] if kind else []
    return {"id": "c", "status": "active", "scope": coded, "category": category, "provision": provision}


MOMENT = micros(NOW)
FROM_NOON = {"period": {"start": "2026-11-24T12:00:00Z", "end": "2026-11-24T14:00:00Z"}}
NAMED = {"type": "permit", "actor": [{"reference": {"reference": "Practitioner/d"}}]}
TURNING = {
    "a root": Directives((parse(a_consent("ps-autorisation", {**NAMED, **FROM_NOON})),)),
    "a nested provision": Directives((parse(a_consent("", {**NAMED, "provision": [{"type": "deny", **FROM_NOON}]})),)),
    "a member of a team": Directives(
        (
            parse(
                a_consent("ps-autorisation", {**NAMED, "actor": [{"reference": {"reference": "CareTeam/t"}}]}),
                {"CareTeam/t": {"Practitioner/d": Interval(MOMENT + DAY // 12, MOMENT + DAY // 6 - 1)}},
            ),
        )
    ),
    "a representative": Directives((), {"RelatedPerson/mere": Interval(MOMENT + DAY // 12, MOMENT + DAY // 6 - 1)}),
}


@pytest.mark.parametrize("what", TURNING)
def test_whatever_begins_or_ends_is_decided_anew(what):
    directives, memory = TURNING[what], Memory(Matrix.load())
    asker = MOTHER if what == "a representative" else DOCTOR
    begin = MOMENT + DAY // 12
    end = next(turn for turn in directives.turns if turn > begin)

    for at in (begin - 1, begin, end - 1, end, end - 1, begin, begin - 1):
        asked = asking(asker, from_micros(at))
        assert decide(asked, directives, Matrix.load()) == memory.decide(asked, directives)
    decided = [decide(asking(asker, from_micros(at)), directives, Matrix.load()) for at in (begin - 1, begin, end)]
    assert decided[0] == decided[2] != decided[1]


def test_a_question_is_everything_a_decision_over_reading_may_use():
    others = {
        "principal": MOTHER, "verb": "search", "type": "Observation", "patient": "hugo", "operation": "everything",
        "standing": "closed", "birth": "1990", "representatives": frozenset(), "existence_check": True,
    }  # fmt: skip
    asked, memory = asking(HOLDER), Memory(Matrix.load())
    one = room._question(asked, Directives())

    for name, other in others.items():
        assert one != room._question(replace(asked, **{name: other}), Directives()), name
    # of a write, or worked out from the others
    not_asked = {"now", "at", "keys", "current", "proposed", "changes", "members", "life", "demanded"}
    assert {each.name for each in fields(AccessRequest)} == not_asked | others.keys()
    assert memory.decide(asked) is memory.decide(asked)


def test_other_directives_are_another_question_though_they_say_the_same():
    memory, asked = Memory(Matrix.load()), asking(HOLDER)

    assert memory.decide(asked, Directives()) is not memory.decide(asked, Directives())


def test_a_write_of_a_document_and_a_failure_are_not_remembered(monkeypatch):
    memory, directives = Memory(Matrix.load()), Directives()
    asked = asking(HOLDER)
    writing = replace(asked, verb="create", proposed={"resourceType": "Observation"})
    with monkeypatch.context() as broken:
        broken.setattr(room, "decide", lambda *_: Deny(("rule.failed",)))
        assert Deny(("rule.failed",)) == memory.decide(asked, directives)

    assert isinstance(memory.decide(asked, directives), Permit)
    assert memory.decide(writing, directives) is not memory.decide(writing, directives)
    assert decide(writing, directives, Matrix.load()) == memory.decide(writing, directives)

    authorised = Directives(
        (
            parse(
                {
                    "id": "c",
                    "status": "active",
                    "scope": {"coding": [{"system": PRIVACY[0], "code": PRIVACY[1]}]},
                    "provision": {"type": "permit", "actor": [{"reference": {"reference": "Practitioner/d"}}]},
                }
            ),
        )
    )
    patching = replace(asking(DOCTOR), verb="patch")
    assert decide(patching, authorised, Matrix.load()) == memory.decide(patching, authorised)
    assert memory.decide(patching, authorised) != memory.decide(patching, directives)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_day_is_decided_once(days):
    memory, directives = Memory(Matrix.load()), Directives()
    today = memory.decide(asking(DOCTOR), directives)

    assert memory.decide(asking(DOCTOR, NOW.replace(hour=23)), directives) is today
    last = NOW.replace(hour=23, minute=59, second=59, microsecond=999_999)
    assert memory.decide(asking(DOCTOR, last), directives) is today
    assert memory.decide(asking(DOCTOR, from_micros(micros(NOW) + days * DAY)), directives) is not today
    assert date(2026, 11, 24) == from_micros(span_of(micros(NOW), directives).lo).date()


@pytest.mark.parametrize("who", [HOLDER, MOTHER])
def test_for_the_holder_a_minute_is_decided_once(who):
    """DMP-134: in which minute what was hidden from him is shown."""
    memory, directives = Memory(Matrix.load()), Directives()
    now = memory.decide(asking(who), directives)

    assert memory.decide(asking(who, NOW.replace(second=59)), directives) is now
    assert memory.decide(asking(who, NOW.replace(minute=1)), directives) != now


# --- new data: remembered by who wrote it ---

OBSERVATION = {"resourceType": "Observation", "performer": [{"reference": "Practitioner/d"}]}
writers = st.sampled_from(["Practitioner/d", "Practitioner/x", "Organization/o", "#role"]).map(
    lambda named: [{"reference": named}]
)
ROLE = {"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "Practitioner/d"}}
data = st.fixed_dictionaries(
    {"resourceType": st.just("Observation"), "status": st.sampled_from(["final", "amended"])},
    optional={"performer": writers, "contained": st.just([ROLE]), "subject": st.just({"reference": "Patient/lea"})},
) | st.fixed_dictionaries(
    {"resourceType": st.just("Condition")}, optional={"asserter": writers.map(lambda found: found[0])}
)


def creating(principal, proposed, now=NOW, **more):
    return asking(principal, now, verb="create", type=proposed["resourceType"], proposed=proposed, **more)


@settings(max_examples=400, deadline=None)
@given(
    records,
    st.lists(principals, min_size=1, max_size=2),
    st.lists(instants, min_size=2, max_size=6),
    st.lists(data, min_size=1, max_size=3),
)
def test_of_new_data_is_remembered_what_would_be_decided_anew(directives, askers, moments, several):
    memory = Memory(Matrix.load())

    for moment in moments:
        for principal in askers:
            for proposed in several:
                asked = creating(principal, proposed, moment)
                assert decide(asked, directives, Matrix.load()) == memory.decide(asked, directives)


def test_of_new_data_the_question_is_who_asks_of_what_and_who_wrote_it():
    asked, memory, directives = creating(DOCTOR, OBSERVATION), Memory(Matrix.load()), Directives()
    decided = memory.decide(asked, directives)

    later = {**OBSERVATION, "status": "final", "id": "other"}
    assert memory.decide(replace(asked, proposed=later), directives) is decided
    foreign = {**OBSERVATION, "performer": [{"reference": "Practitioner/x"}]}
    assert isinstance(decided, Permit)
    assert Deny(("write.none",)) == memory.decide(replace(asked, proposed=foreign), directives)
    for name, other in {
        "principal": MOTHER, "patient": "hugo", "standing": "closed", "birth": "1990",
        "representatives": frozenset(), "life": Life(deceased=True),
    }.items():  # fmt: skip
        assert memory.decide(replace(asked, **{name: other}), directives) is not decided, name
    assert memory.decide(asked, Directives()) is not decided
    assert memory.decide(asked, directives) is decided
    assert memory.decide(creating(DOCTOR, OBSERVATION, from_micros(micros(NOW) + DAY)), directives) is not decided


def test_the_rules_are_shown_no_more_of_new_data_than_it_is_remembered_by(monkeypatch):
    shown = []
    monkeypatch.setattr(room, "decide", lambda asked, *_: shown.append(asked) or Deny(("write.none",)))
    Memory(Matrix.load()).decide(
        creating(
            DOCTOR,
            {**OBSERVATION, "note": [{"text": "x"}]},
            current={"facts": {}},
            changes=frozenset({"note"}),
            members={"CareTeam/t": {}},
        )
    )

    assert [creating(DOCTOR, OBSERVATION)] == shown
    assert [OBSERVATION] == [each.proposed for each in shown]
    assert [(None, None)] == [(each.current, each.members) for each in shown]


@pytest.mark.parametrize(
    "asked",
    [
        creating(DOCTOR, {"resourceType": "DocumentReference", "author": [{"reference": "Practitioner/d"}]}),
        creating(replace(DOCTOR, secret_session=True), OBSERVATION),
        creating(DOCTOR, OBSERVATION, operation="open-record-for"),
        creating(DOCTOR, OBSERVATION, demanded=True),
        creating(HOLDER, {"resourceType": "Consent"}),
        creating(HOLDER, {"resourceType": "RelatedPerson"}),
        creating(HOLDER, {"resourceType": "Patient"}),
        creating(DOCTOR, {**OBSERVATION, "performer": [{"reference": "Practitioner/d", "display": "d" * 1_000}]}),
        replace(creating(DOCTOR, OBSERVATION), proposed=None),
        replace(creating(DOCTOR, OBSERVATION), proposed={}),
        replace(creating(DOCTOR, OBSERVATION), type="Condition"),
        replace(creating(DOCTOR, OBSERVATION), verb="update"),
        replace(creating(DOCTOR, OBSERVATION), verb="patch"),
        replace(creating(DOCTOR, OBSERVATION), verb="delete"),
    ],
)
def test_any_other_write_is_decided_anew(asked):
    memory, directives = Memory(Matrix.load()), Directives()

    assert memory.decide(asked, directives) is not memory.decide(asked, directives)
    assert decide(asked, directives, Matrix.load()) == memory.decide(asked, directives)


def test_a_failure_over_new_data_is_not_remembered(monkeypatch):
    asked, memory, directives = creating(DOCTOR, OBSERVATION), Memory(Matrix.load()), Directives()
    with monkeypatch.context() as broken:
        broken.setattr(room, "decide", lambda *_: Deny(("rule.failed",)))
        assert Deny(("rule.failed",)) == memory.decide(asked, directives)

    assert isinstance(memory.decide(asked, directives), Permit)


def test_what_is_remembered_of_new_data_has_an_end_and_drives_no_reading_out(monkeypatch):
    monkeypatch.setattr(room, "REMEMBERED", 2)
    memory, directives = Memory(Matrix.load()), Directives()
    read = memory.decide(asking(HOLDER), directives)

    for type_ in ("Observation", "Condition", "Procedure", "Immunization"):
        memory.decide(creating(DOCTOR, {"resourceType": type_}), directives)

    assert len(memory._created) == 2
    assert memory.decide(asking(HOLDER), directives) is read


def test_what_is_remembered_has_an_end(monkeypatch):
    monkeypatch.setattr(room, "REMEMBERED", 2)
    memory, directives = Memory(Matrix.load()), Directives()

    for type_ in ("Observation", "Consent", "List", "Patient"):
        memory.decide(asking(HOLDER, type=type_), directives)

    assert len(memory._known) == 2
