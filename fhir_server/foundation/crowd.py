"""Crowd: whom it pays to wait for, where several who come at about the same time cost little more than one.

May live here: an estimate by what came before. May not know: what they come for, how they are waited for.
"""

from __future__ import annotations


class Crowd:
    """As it was at the last errand, of which it `took` so many seconds; one by one it is forgotten.

    Each of them alone would make an errand of his own. So it pays to wait for as many errands as there are others, and
    no longer than `longest` seconds. Who is alone waits for nobody.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._size = 1
        self._took = 0.0

    @property
    def others(self) -> int:
        """How many more will probably come, beside the first."""
        return self._size - 1

    @property
    def patience(self) -> float:
        """Seconds that it pays to wait for them."""
        return min(self.others * self._took, self._longest)

    def met(self, together: int, meanwhile: int, took: float) -> None:
        """An errand is done, `together` so many; `meanwhile` others came, who have to wait for the next."""
        self._took = took
        self._size = max(together + meanwhile, self._size - 1)
