"""The threads of a copy kept on one core, the one that the system would give to a newcomer.

They share one interpreter lock. On several cores each thread that comes back from a call of the system finds it taken,
and sleeps and is woken once more: measured against a server that answers at once, a copy on one core takes 45 % less
CPU time and is faster by 30 to 70 %; against one that is slow it is slower by a tenth. See docs/decisions/0017.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

STAT = Path("/proc/thread-self/stat")
ALONE, CROWDED = 0.3, 0.6
"""Cores that the process keeps busy: up to the first it is let go, above the second it is brought together again."""
PROCESSOR = 36  # words behind the name of a thread and its parenthesis. Source: proc(5), field 39


def core_of_this_thread() -> int | None:
    """The core on which this thread was last put; None where the system does not say."""
    try:
        return int(STAT.read_text().rpartition(")")[2].split()[PROCESSOR])
    except (OSError, ValueError, IndexError):
        return None


class Busy:
    """How many cores this process kept busy since it was last asked."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def __call__(self) -> float:
        """CPU seconds a second; infinite within one tick of the clock."""
        wall, cpu = time.monotonic(), time.process_time()
        passed, used = wall - self._wall, cpu - self._cpu
        self._wall, self._cpu = wall, cpu
        return used / passed if passed > 0.0 else math.inf


def _put(thread: int, cores: AbstractSet[int]) -> None:
    os.sched_setaffinity(thread, cores)


class OneCore:
    """Threads that `join` stay on one core while they keep it busy; `look` lets them follow the thread that calls it.

    That thread sleeps most of the time, so that it is woken where there is room. Threads that these start stay with
    them; the caller's own, and the processes it starts, go where they like. Where answers take their time the threads
    seldom meet, and all of them do too. Nothing happens where threads cannot be placed. `core`, `put` and `busy` are
    injected.
    """

    def __init__(
        self,
        core: Callable[[], int | None] = core_of_this_thread,
        put: Callable[[int, AbstractSet[int]], None] | None = _put if hasattr(os, "sched_setaffinity") else None,
        busy: Callable[[], float] | None = None,
    ) -> None:
        self._where = core
        self._put = put
        self._busy = busy or Busy()
        self._anywhere: AbstractSet[int] = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self._core = core()
        self._together = True
        self._threads: set[int] = set()
        self._lock = threading.Lock()

    def join(self) -> None:
        """Keep the calling thread, and those that it will start, with the others."""
        with self._lock:
            self._threads.add(threading.get_native_id())
            if self._together:
                self._place({threading.get_native_id()})

    def leave(self) -> None:
        """The calling thread ends."""
        with self._lock:
            self._threads.discard(threading.get_native_id())

    def look(self) -> None:
        """Move everybody to where the calling thread is now; or let them go, where they have little to do."""
        core, busy = self._where(), self._busy()
        with self._lock:
            together = busy > (ALONE if self._together else CROWDED)
            if core is not None and (together, core) != (self._together, self._core):
                self._together, self._core = together, core
                self._place(self._threads)

    def _place(self, threads: AbstractSet[int]) -> None:
        if self._core is None or self._put is None:
            return
        try:
            for thread in threads:
                self._put(thread, {self._core} if self._together else self._anywhere)
        except OSError:
            self._put = None  # not allowed here, or the core is gone: they go where they like
