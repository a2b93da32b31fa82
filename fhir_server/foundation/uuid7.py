"""UUID version 7 (RFC 9562 §5.7): ids that sort by the moment they were made.

May live here: making one, and the random bytes for it. They are taken from the system some hundreds at a time: asking
it for each id would let go of the interpreter each time, and in a crowd a thread that lets go waits for its turn.
"""

from __future__ import annotations

import os
import time

_LENGTH = 12
_AT_ONCE = 256
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
    moment = time.time_ns() // 1_000_000
    number = moment << 80 | int.from_bytes(random_bytes()[:10])
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
