"""Where the time goes, by looking at every thread's innermost frame again and again."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Self

EVERY = 0.005  # seconds
WAITING = frozenset({"wait", "acquire", "_wait_for_tstate_lock", "sleep", "select", "poll", "_worker", "get"})
"""Functions in which a thread only waits for others."""


class Profile:
    """Samples the threads of this process for a block."""

    def __init__(self, *, on: bool) -> None:
        self._seen: Counter[str] = Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True) if on else None

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def top(self, most: int = 12) -> list[tuple[str, float]]:
        """The functions seen most, with their share of all samples."""
        total = sum(self._seen.values()) or 1
        return [(where, round(count / total, 4)) for where, count in self._seen.most_common(most)]

    def _sample(self) -> None:
        while not self._over.wait(EVERY):
            for ident, frame in sys._current_frames().items():
                if ident != threading.get_ident() and frame.f_code.co_name not in WAITING:
                    self._seen[_name(frame)] += 1


def _name(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    return f"{'/'.join(path.parts[-2:])}:{frame.f_code.co_qualname}"
