"""Canary items that are in a table now: known durably before they are written, and removed whatever happens."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

from portability.aws.attributes import raw_item
from portability.stores.base import Key, Ledger
from portability.stores.dynamodb.parking import CANARY
from portability.stores.dynamodb.plane import Plane


class Litter:
    """This tool's own items in one table. Thread-safe."""

    def __init__(
        self, plane: Plane, ledger: Ledger, channel: str, monotonic: Callable[[], float], horizon: float
    ) -> None:
        self._plane = plane
        self._ledger = ledger
        self._channel = channel
        self._monotonic = monotonic
        self._horizon = horizon
        self._batches: dict[str, tuple[float, list[Key]]] = {}  # journal's id -> not before, keys
        self._lock = threading.Lock()

    def load(self) -> None:
        """Take up what an earlier process left in the table."""
        left = {id_: (0.0, keys) for id_, (of, keys) in self._ledger.parked(self._channel).items() if of == CANARY}
        with self._lock:
            self._batches = left | self._batches

    def write(self, keys: Sequence[Key], *, keep: bool = False) -> None:
        """Write canary items: their keys are all they hold. With `keep` only who asks for it removes them."""
        id_ = self._ledger.park(self._channel, CANARY, keys)
        written = self._plane.write([raw_item(key) for key in keys], canaries=True)
        # One that may land late must not be removed before it has.
        not_before = math.inf if keep else self._monotonic() + self._horizon if written.indefinite else 0.0
        with self._lock:
            self._batches[id_] = (not_before, list(keys))

    def remove(self, *, even_kept: bool = False) -> None:
        """Delete what may be deleted now; with `even_kept` everything."""
        now = self._monotonic()
        with self._lock:
            ready = {id_: keys for id_, (at, keys) in self._batches.items() if even_kept or at <= now}
        for id_, keys in ready.items():
            if self._plane.write(deletes=keys, canaries=True).indefinite:
                continue
            self._ledger.unpark(self._channel, [id_])
            with self._lock:
                self._batches.pop(id_, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._batches)
