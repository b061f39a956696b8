"""Units whose change records were lost: each is compared and synced before the channel may call itself caught up."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from portability.stores.base import Ledger
from portability.stores.dynamodb.layout import group

PREFIX = "rebaseline|"
"""A position of this name, with a unit behind it, says that the unit is due."""
STRAYS = "*"
"""The pseudo unit of keys that only the destination has; it comes last."""


class Rebaseline:
    """The due units of one channel. They are kept with its positions, and are written before any position moves."""

    def __init__(self, ledger: Ledger, channel: str, units: Collection[str]) -> None:
        self._ledger = ledger
        self._channel = channel
        self._units = [*units, STRAYS]
        self._due: set[str] = set()
        self._lock = threading.Lock()

    def load(self, positions: Mapping[str, str]) -> None:
        """Take up what an earlier process left due."""
        with self._lock:
            self._due |= {name.removeprefix(PREFIX) for name in positions if name.startswith(PREFIX)}

    def mark(self) -> None:
        """Every unit is due: nobody knows whose records were lost."""
        self._ledger.save_positions(self._channel, {f"{PREFIX}{unit}": "due" for unit in self._units})
        with self._lock:
            self._due |= set(self._units)

    def next(self, finished: Collection[str]) -> str | None:
        """A due unit whose copy is finished; the strays when every unit was done."""
        with self._lock:
            ready = sorted(unit for unit in self._due if unit != STRAYS and group(unit) in finished)
            if ready:
                return ready[0]
            return STRAYS if self._due == {STRAYS} else None

    def done(self, unit: str) -> None:
        """The unit was compared, and what differed was synced."""
        self._ledger.save_positions(self._channel, {f"{PREFIX}{unit}": ""})
        with self._lock:
            self._due.discard(unit)

    def __len__(self) -> int:
        with self._lock:
            return len(self._due)
