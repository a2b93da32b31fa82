"""Moments: an aware datetime as microseconds and as the text of a FHIR instant, whatever its zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.moment import EPOCH, from_micros, instant, instant_at, micros

ZONES = st.sampled_from((UTC, timezone(timedelta(hours=-3, minutes=-30)), timezone(timedelta(hours=14))))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)


@given(MOMENTS)
def test_an_instant_is_the_moment_in_utc_cut_to_milliseconds(moment):
    said = moment.astimezone(UTC)
    expected = f"{said.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    assert (expected, expected) == (instant(moment), instant_at(micros(moment)))


@given(MOMENTS)
def test_microseconds_are_whole_and_lead_back(moment):
    assert moment == from_micros(micros(moment))
    assert EPOCH + micros(moment) * timedelta(microseconds=1) == moment


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_424_707_123_456, "2026-11-23T09:05:07.123Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_an_instant_has_three_digits_and_the_z(value, expected):
    assert expected == instant_at(value)
