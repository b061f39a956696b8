"""Asking a run to stop at the next safe point, and the clock that wakes up for it."""

from __future__ import annotations

import threading
import time

BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
"""The clock that goes on while a guest is frozen: on CLOCK_MONOTONIC a lease would look renewed a moment ago."""


class Stop:
    """Set by a signal or by `run pause`; read by every step between pages.

    `signum` is the signal that asked, or None for a pause.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signum: int | None = None

    def request(self, signum: int | None = None) -> None:
        """Ask once; the first asker's signal stands."""
        if not self._event.is_set():
            self.signum = signum
            self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep for at most `seconds`; True as soon as somebody asked."""
        return self._event.wait(seconds)


class SystemClock:
    """The machine's clocks; sleeping ends early when the run is asked to stop."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only grow, those of a suspended machine included where the system counts them (Linux)."""
        return time.monotonic() if BOOTTIME is None else time.clock_gettime(BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Sleep; after a stop was requested only briefly, so that clean-up that waits does not spin."""
        if self._stop.requested:
            time.sleep(min(seconds, 0.05))
        else:
            self._stop.wait(seconds)
