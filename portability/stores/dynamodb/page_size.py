"""How many items a page is asked for: as many as come promptly.

A page that takes long holds up the writes of its unit, and in an engine that does one thing at a time everybody else's.
So a unit begins with small pages, doubles them while they come promptly, and takes smaller ones when they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LEAST = 64  # items
MOST = 4096  # items; more of them in a page are so small that the page is cheap
PROMPT = 0.05  # seconds, at most half of which a page took that may be followed by a larger one


class PageSize:
    """The size of one unit's pages. For one thread."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.items = LEAST

    def timed(self, read: Callable[[int], T]) -> T:
        """Read a page of at most so many items, and learn from how long it took."""
        began = self._monotonic()
        page = read(self.items)
        took = self._monotonic() - began
        if took <= PROMPT / 2:
            self.items = min(MOST, self.items * 2)
        elif took > PROMPT:
            self.items = max(LEAST, self.items // 2)
        return page
