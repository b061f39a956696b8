"""What a guardian waits for: a word of the cutover, the end of its process, or the end of the pause."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

from portability.steps.guardian.orders import ARMED, LEAVE

TICK = 0.25
"""Seconds after which the clock is looked at again: waiting does not count the time a machine sleeps."""

SIZE = 1 << 16


def boot_seconds() -> float:
    """Seconds that only grow, also while the machine sleeps where it can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Line:
    """The reading end of a pipe, in lines. It ends with the process at its other end, however that dies."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._read = b""

    def word(self, within: float | None) -> str | None:
        """The next line; None when there was none within so many seconds; "" when the other end is gone."""
        while b"\n" not in self._read:
            readable, _, _ = select.select([self._fd], [], [], within)
            if not readable:
                return None
            more = os.read(self._fd, SIZE)
            if not more:
                return ""
            self._read += more
        word, _, self._read = self._read.partition(b"\n")
        return word.decode()


def stand_by(
    line: Line,
    say: Callable[[str], None],
    *,
    budget: float,
    look: Callable[[], object],
    act: Callable[[int], object],
    now: Callable[[], float] = boot_seconds,
) -> None:
    """Wait to be armed with an epoch, then `act` on it once the other end is gone or `budget` seconds are over.

    Told to leave, or left before it was armed, it does nothing. `look` proves once more that the directory answers;
    what it raises comes out, and nothing was armed.
    """
    word = line.word(None)
    if word in (None, "", LEAVE):
        return
    epoch, until = int(str(word)), now() + budget
    look()
    say(ARMED)
    word = None
    while word is None and (left := until - now()) > 0:
        word = line.word(min(left, TICK))
    if word != LEAVE:
        act(epoch)
