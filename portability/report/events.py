"""Machine events as JSON lines: to a file beside a human screen, or to a writer."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from portability import errors


def line(event: str, fields: Mapping[str, Any], now: float) -> dict[str, Any]:
    """One event: its name, epoch seconds, and names, ids, counts and seconds."""
    return {"event": event, "at": round(now, 3), **fields}


class EventFile:
    """An observer that appends to a file. A disk that fills up later is said once and does not stop a run."""

    def __init__(self, file: TextIO, warn: Callable[[str], None], now: Callable[[], float] = time.time) -> None:
        self._file, self._warn, self._now = file, warn, now
        self._lock = threading.Lock()
        self._broken = False

    @classmethod
    def open(cls, path: Path, warn: Callable[[str], None]) -> EventFile:
        """Open for appending. Raises `CannotWriteFile`: nothing is begun that could not be told."""
        try:
            return cls(path.open("a", encoding="utf-8", buffering=1), warn)
        except OSError as error:
            what = f"--events {path}: {error.strerror}"
            raise errors.CannotWriteFile(what, next="name a file that can be written") from None

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()

    def __call__(self, event: str, /, **fields: Any) -> None:
        """See `engine.observer.Observer`."""
        text = json.dumps(line(event, fields, self._now()), default=str) + "\n"
        with self._lock:
            if self._broken:
                return
            try:
                self._file.write(text)
            except (OSError, ValueError) as error:
                self._broken = True
                self._warn(f"events are no longer written: {getattr(error, 'strerror', None) or error}")


class EventLines:
    """An observer that hands events to a writer, progress no more often than every `every` seconds and step."""

    def __init__(
        self,
        write: Callable[[dict[str, Any]], None],
        *,
        every: float = 15.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._every, self._monotonic = write, every, monotonic
        self._last: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def __call__(self, event: str, /, **fields: Any) -> None:
        """See `engine.observer.Observer`."""
        with self._lock:
            if event in OFTEN:
                now, key = self._monotonic(), (event, str(fields.get("store", "")))
                if now - self._last.get(key, now - self._every) < self._every:
                    return
                self._last[key] = now
            self._write(line(event, fields, time.time()))


OFTEN = frozenset({"copied", "pace", "lag", "compared", "waiting", "users", "soaked"})
"""Events that come many times in a step."""
