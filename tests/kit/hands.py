"""Hands: the battery dealt out, so that a hundred worlds are asked all of it and each of them little.

May live here: what makes two requests of one kind, and which hand a kind is in. May not know: what is asked.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from zlib import crc32

from tests.kit.twin import Step

HANDS = 16
_IDS = re.compile(r"\d{8}-0000-7000-8000-\d{12}|(lettre|consentement|w)-[cdw]+\d")


def kind_of(step: Step) -> str:
    """What a request is, whatever it is about: two of one kind differ in ids alone."""
    body = step.body
    if isinstance(body, dict) and body.get("resourceType") == "Bundle":
        body = [body["type"], len(body["entry"]) > 1, sorted(body["entry"][0]["request"])]
    return _IDS.sub("@", f"{step.method} {step.url} {sorted(step.more.items())} {json.dumps(body, sort_keys=True)}")


def dealt(probes: Sequence[Step], hand: int, seed: int) -> list[Step]:
    """One request, which the seed draws, of each kind that is in the hand."""
    kinds: dict[str, list[Step]] = {}
    for each in probes:
        kind = kind_of(each)
        if crc32(kind.encode()) % HANDS == hand:
            kinds.setdefault(kind, []).append(each)
    drawn = random.Random(seed)
    return [drawn.choice(each) for each in kinds.values()]
