"""So many calls a second, some of them at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Allowance:
    """A token bucket: `rate` calls a second, `burst` of them at once. Thread-safe."""

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._left = burst
        self._at = monotonic()
        self._lock = threading.Lock()

    def spend(self, cost: float = 1.0) -> float:
        """Spend, on credit where it must be; seconds until the next call is allowed, 0.0 for at once."""
        with self._lock:
            now = self._monotonic()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate) - cost
            self._at = now
            return max(0.0, (1.0 - self._left) / self._rate)

    def wait(self, sleep: Callable[[float], None]) -> None:
        """Spend one call and sleep until it may be made."""
        delay = self.spend() - 1.0 / self._rate
        if delay > 0:
            sleep(delay)
