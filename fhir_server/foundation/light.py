"""Light: dataclasses that nobody changes, made many times in each request.

May live here: that one decorator. The type checker holds them to be frozen, as it is written: `@light(frozen=True, …)`.
While the server runs nothing looks: a frozen dataclass sets each of its fields by a call, a quarter of a microsecond
each, and some sixty are set for each read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["light"]

if TYPE_CHECKING:
    from dataclasses import dataclass as light
else:
    from dataclasses import dataclass

    def light(*, frozen: bool, slots: bool) -> object:
        """As `dataclass`, with the same fields, equality and hash; its fields are set as any attribute is."""
        return dataclass(slots=slots, unsafe_hash=frozen)
