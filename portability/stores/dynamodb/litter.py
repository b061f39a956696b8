"""Canary items that are in a table now: known durably before they are written, and removed whatever happens."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portability import errors
from portability.aws.attributes import raw_item
from portability.stores.base import Key, Ledger
from portability.stores.dynamodb.parking import CANARY
from portability.stores.dynamodb.plane import Plane


@dataclass(frozen=True)
class _Batch:
    """`beyond`: they are let through to the other side, or may have been."""

    not_before: float
    keys: list[Key]
    beyond: bool


class Litter:
    """This tool's own items in one table, and what became of them on the other side. Thread-safe."""

    def __init__(
        self,
        plane: Plane,
        beyond: Plane,
        ledger: Ledger,
        *,
        channel: str,
        monotonic: Callable[[], float],
        horizon: float,
    ) -> None:
        self._plane = plane
        self._beyond = beyond
        self._ledger = ledger
        self._channel = channel
        self._monotonic = monotonic
        self._horizon = horizon
        self._batches: dict[str, _Batch] = {}  # by the journal's id
        self._lock = threading.Lock()
        self.lands_until = 0.0  # until when a replaced process's write of one may land

    def load(self) -> None:
        """Take up what an earlier process left: nobody is there any more to carry its removal to the other side."""
        parked = self._ledger.parked(self._channel).items()
        left = {id_: _Batch(self.lands_until, list(keys), beyond=True) for id_, (of, keys) in parked if of == CANARY}
        with self._lock:
            self._batches = left | self._batches

    def write(self, keys: Sequence[Key], *, keep: bool = False) -> None:
        """Write canary items: their keys are all they hold. With `keep` only who asks for it removes them."""
        id_ = self._ledger.park(self._channel, CANARY, keys)
        written = self._plane.write([raw_item(key) for key in keys], canaries=True)
        # One that may land late must not be removed before it has.
        not_before = math.inf if keep else self._monotonic() + self._horizon if written.indefinite else 0.0
        with self._lock:
            self._batches[id_] = _Batch(not_before, list(keys), beyond=keep)

    def withdraw(self) -> None:
        """Delete those that are kept, on this side: that shows how a deletion fares. They stay known."""
        with self._lock:
            kept = [batch.keys for batch in self._batches.values() if batch.not_before == math.inf]
        for keys in kept:
            self._plane.write(deletes=keys, canaries=True)

    def remove(self, *, even_kept: bool = False) -> None:
        """Delete what may be deleted now, on both sides where it may be on both; with `even_kept` everything."""
        now = self._monotonic()
        with self._lock:
            ready = {id_: batch for id_, batch in self._batches.items() if even_kept or batch.not_before <= now}
        for id_, batch in ready.items():
            sides = (self._plane, self._beyond) if batch.beyond else (self._plane,)
            gone = [self._gone(side, batch.keys) for side in sides]
            if not all(gone):
                continue
            self._ledger.unpark(self._channel, [id_])
            with self._lock:
                self._batches.pop(id_, None)

    @staticmethod
    def _gone(side: Plane, keys: Sequence[Key]) -> bool:
        with contextlib.suppress(errors.NotFound):  # the table went, and they with it
            return not side.write(deletes=keys, canaries=True).indefinite
        return True
