"""Writes without a definite answer may land late: their keys are kept, durably, and synced again after the horizon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portability.stores.base import DOUBT, Horizon, Key, Ledger
from portability.stores.dynamodb.layout import KeyId, Layout


@dataclass(frozen=True)
class Due:
    """A batch of doubtful keys. `at` is monotonic seconds; `id` is the journal's, "" while nothing durable holds it."""

    id: str
    at: float
    keys: list[Key]


class Doubt:
    """The doubtful keys of one direction. Thread-safe.

    Without a ledger (`attach` was not called) they are in memory only.
    """

    def __init__(self, layout: Layout, monotonic: Callable[[], float], horizon: float) -> None:
        self._layout = layout
        self._monotonic = monotonic
        self._horizon = horizon
        self._batches: list[Due] = []
        self._lock = threading.Lock()
        self._securing = threading.Lock()
        self._ledger: Ledger | None = None
        self._channel = ""
        self._taken_over: Horizon | None = None
        self._inherited: set[KeyId] = set()
        self.total = 0  # keys that were ever in doubt

    def attach(self, ledger: Ledger, channel: str, taken_over: Horizon | None) -> None:
        """Keep doubts in the journal from now on, and take up those that an earlier process left there.

        Theirs begin anew: no clock tells how old they are, and waiting a horizon too long costs only time.
        """
        with self._lock:
            self._ledger, self._channel, self._taken_over = ledger, channel, taken_over
        self.secure()
        self.reload()

    def reload(self) -> None:
        """Take up the batches that the journal holds and this object does not know."""
        if self._ledger is None:
            return
        stored = self._ledger.parked(self._channel)
        at = self._monotonic() + self._horizon
        if self._taken_over is not None:
            at = max(at, self._taken_over.since + self._taken_over.seconds)
        with self._lock:
            known = {batch.id for batch in self._batches}
            self._batches += [
                Due(id_, at, keys) for id_, (group, keys) in stored.items() if group == DOUBT and id_ not in known
            ]

    def add(self, keys: Sequence[Key]) -> None:
        """These keys' last write has no definite answer."""
        self._add(list(keys), self._monotonic() + self._horizon)

    def inherit(self, keys: Sequence[Key]) -> None:
        """These keys are about to be synced while a write of a replaced process may still land on them."""
        taken = self._taken_over
        if taken is None or self._monotonic() >= taken.since + taken.seconds:
            return
        new = []
        with self._lock:
            for key in keys:
                key_id = self._layout.key_id(key)
                if key_id not in self._inherited:
                    self._inherited.add(key_id)
                    new.append(key)
        if new:
            self._add(new, taken.since + taken.seconds)

    def secure(self) -> None:
        """Bring into the journal what it refused before. A write must not go on while one of its keys' doubts is not.

        Raises what the journal raises.
        """
        if self._ledger is None:
            return
        with self._securing:
            with self._lock:
                unkept = [batch for batch in self._batches if not batch.id]
            for batch in unkept:
                kept = Due(self._ledger.park(self._channel, DOUBT, batch.keys), batch.at, batch.keys)
                with self._lock:
                    self._batches = [kept if one is batch else one for one in self._batches]

    def _add(self, keys: list[Key], at: float) -> None:
        # In memory first: should the journal not take it, it is in doubt all the same, and nothing may flip.
        with self._lock:
            self._batches.append(Due("", at, keys))
            self.total += len(keys)
        self.secure()

    def due(self) -> list[Due]:
        """The batches whose horizon has passed."""
        self.secure()
        now = self._monotonic()
        with self._lock:
            return [batch for batch in self._batches if batch.at <= now and (batch.id or self._ledger is None)]

    def settled(self, batch: Due) -> None:
        """The batch's keys were synced after its horizon."""
        if batch.id and self._ledger is not None:
            self._ledger.unpark(self._channel, [batch.id])
        with self._lock:
            self._batches.remove(batch)

    @property
    def count(self) -> int:
        """How many keys are in doubt."""
        with self._lock:
            return sum(len(batch.keys) for batch in self._batches)

    @property
    def youngest(self) -> float | None:
        """When the last doubt ends, monotonic seconds; None where there is none."""
        with self._lock:
            return max((batch.at for batch in self._batches), default=None)
