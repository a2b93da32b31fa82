"""A signature of a Provenance falls with who signed: what it is for was found by, though the reader was shown none."""

from __future__ import annotations

import pytest

from tests.http.test_compartment_searches import observed
from tests.kit import people
from tests.kit.clinical import MASKED
from tests.security import test_holes

world = test_holes.world
PURPOSE = "1.2.840.10065.1.12.1.1"


@pytest.fixture
def signed(world):
    """A measurement that the device signed which made it; the device is masked to professionals."""
    world.put(observed("a"))
    world.put({"resourceType": "Device", "id": "d", "patient": {"reference": "Patient/lea"}, "meta": MASKED})
    signature = {
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": PURPOSE}],
        "when": "2026-01-01T00:00:00Z",
        "who": {"reference": "Device/d"},
    }
    world.put(
        {
            "resourceType": "Provenance",
            "id": "p",
            "target": [{"reference": "Observation/a"}],
            "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/bernard"}}],
            "signature": [signature],
        }
    )
    return world


@pytest.mark.parametrize(("who", "seen"), [(people.radiologist(), False), (people.doctor(), True)])
def test_what_a_hidden_one_signed_for_was_found_by(signed, who, seen):
    """R105: the Provenance is there for both, the signature for who sees the device alone."""
    read = signed.ask(who, "GET", "Provenance/p")
    assert (200, seen) == (read.status, "signature" in read.json)
    for asked, found in (
        (f"signature-type={PURPOSE}", seen),
        (f"signature-type=urn:iso-astm:E1762-95:2013|{PURPOSE}", seen),
        (f"signature-type:not={PURPOSE}", not seen),
        ("signature-type:missing=false", seen),
        ("signature-type:missing=true", not seen),
    ):
        assert found == ("Provenance/p" in signed.ask(who, "GET", f"Provenance?{asked}").ids), asked
