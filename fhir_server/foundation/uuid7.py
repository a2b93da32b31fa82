"""UUID version 7 (RFC 9562 §5.7): ids that sort by the moment they were made.

May live here: making one, and the random bytes for it. They are taken from the system some hundreds at a time: asking
it for each id would let go of the interpreter each time, and in a crowd a thread that lets go waits for its turn.
"""

from __future__ import annotations

import os
import time

_LENGTH = 12
_AT_ONCE = 256
_VARIANT = {digit: f"{0x8 | int(digit, 16) & 0x3:x}" for digit in "0123456789abcdef"}
"""Two bits of each digit drawn, behind the two that say which kind of UUID it is."""
_fresh: list[bytes] = []
# INVARIANT (no id twice): a child does not go on with the bytes of its parent
os.register_at_fork(after_in_child=_fresh.clear)


def random_bytes() -> bytes:
    """Twelve bytes from the system's generator, given to nobody else."""
    try:
        return _fresh.pop()
    except IndexError:
        block = os.urandom(_LENGTH * _AT_ONCE)
    _fresh.extend(block[place : place + _LENGTH] for place in range(_LENGTH, len(block), _LENGTH))
    return block[:_LENGTH]


def uuid7() -> str:
    """A new id as text: 48 bits of milliseconds, then 74 random bits."""
    moment = f"{time.time_ns() // 1_000_000:012x}"
    drawn = random_bytes().hex()
    return f"{moment[:8]}-{moment[8:]}-7{drawn[:3]}-{_VARIANT[drawn[3]]}{drawn[4:7]}-{drawn[7:19]}"
