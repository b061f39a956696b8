"""Canary items that are in a table now: known durably before they are written, and removed whatever happens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from portability import errors
from portability.aws.attributes import raw_item
from portability.stores.base import Key, Ledger
from portability.stores.dynamodb.parking import CANARY
from portability.stores.dynamodb.plane import Plane, Written


@dataclass(frozen=True)
class _Batch:
    """`lands`: until when a write of them may land late, which must not come behind their removal.

    `beyond`: they are let through to the other side, or may have been. `kept`: only who asks for it removes them.
    """

    keys: list[Key]
    lands: float
    beyond: bool
    kept: bool = False


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
        lands = max(self.lands_until, self._monotonic() + self._horizon)
        left = {id_: _Batch(list(keys), lands, beyond=True) for id_, (of, keys) in parked if of == CANARY}
        with self._lock:
            self._batches = left | self._batches

    def write(self, keys: Sequence[Key], *, keep: bool = False) -> None:
        """Write canary items: their keys are all they hold. With `keep` only who asks for it removes them.

        Those are sent until the answer is definite; `Unavailable` where none is.
        """
        id_ = self._ledger.park(self._channel, CANARY, keys)
        batch = _Batch(list(keys), self._monotonic() + self._horizon, beyond=keep, kept=keep)
        with self._lock:
            self._batches[id_] = batch
        items = [raw_item(key) for key in keys]
        lands = self._sent(lambda: self._plane.write(items, canaries=True), once=not keep)
        with self._lock:
            self._batches[id_] = replace(batch, lands=lands)

    def withdraw(self) -> None:
        """Delete those that are kept, on this side: that shows how a deletion fares. They stay known."""
        with self._lock:
            kept = [key for batch in self._batches.values() if batch.kept for key in batch.keys]
        self._sent(lambda: self._plane.write(deletes=kept, canaries=True), once=False)

    def _sent(self, write: Callable[[], Written], *, once: bool) -> float:
        """Until when a write that was sent may land late; 0.0 where it cannot."""
        retry, lands = self._plane.retry, 0.0
        for attempt in range(1, retry.attempts + 1):
            if not write().indefinite:
                return lands
            lands = self._monotonic() + self._horizon
            if once:
                return lands
            retry.sleep(retry.pause(attempt))
        raise errors.Unavailable(
            f"nobody says whether a canary was written to {self._plane.table} or deleted there",
            operation="dynamodb.BatchWriteItem",
            aws_code="NoAnswer",
            next=errors.AGAIN,
        )

    @property
    def lands(self) -> float:
        """Until when a write of those that are known may land late."""
        with self._lock:
            return max((batch.lands for batch in self._batches.values()), default=0.0)

    def remove(self, *, even_kept: bool = False) -> None:
        """Delete what may be deleted now, on both sides where it may be on both.

        With `even_kept` nothing is kept from now on; what may still land late is deleted later.
        """
        now = self._monotonic()
        with self._lock:
            if even_kept:
                self._batches = {id_: replace(batch, kept=False) for id_, batch in self._batches.items()}
            ready = {id_: one for id_, one in self._batches.items() if not one.kept and one.lands <= now}
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
