"""UUID version 7 (RFC 9562 §5.7): ids that sort by the moment they were made. May live here: making one."""

from __future__ import annotations

import secrets
import time
import uuid


def uuid7() -> str:
    """A new id as text: 48 bits of milliseconds, then 74 random bits."""
    moment = time.time_ns() // 1_000_000
    number = moment << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))
