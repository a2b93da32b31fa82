"""A process that answers leaves what it was built of to itself."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import gc, json
from fhir_server.commands import serve
before = gc.get_freeze_count()
serve._settle_down()
print(json.dumps([before, gc.get_freeze_count(), gc.get_threshold(), gc.isenabled()]))
"""


def test_the_collector_passes_over_what_was_built_at_the_start_and_goes_on_with_what_comes_after():
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, after, threshold, enabled = json.loads(told.stdout)
    assert before == 0
    assert after > 10_000
    assert (True, [20_000, 10, 20]) == (enabled, threshold)
