"""The one primitive: make the destination's state of these keys equal to the origin's."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from portability import errors
from portability.aws.attributes import RawItem
from portability.stores.base import Key, Synced
from portability.stores.dynamodb.carry import Carry
from portability.stores.dynamodb.doubt import Doubt
from portability.stores.dynamodb.in_flight import InFlight
from portability.stores.dynamodb.plane import GET_AT_ONCE, Plane, Written, chunks, distinct
from portability.stores.dynamodb.unwritable import Unwritable


@dataclass(frozen=True)
class Sync:
    """Syncs keys from one side to the other. Idempotent, needs no order of events, thread-safe.

    Whatever a write leaves uncertain or undone is in `doubt` or `unwritable` before the call returns or raises.
    """

    origin: Plane
    destination: Plane
    in_flight: InFlight
    doubt: Doubt
    unwritable: Unwritable
    carry: Carry | None = None  # what becomes of attributes on the way; None: items go as they are

    def __call__(self, keys: Sequence[Key], *, canaries: bool = False, pool: Executor | None = None) -> Synced:
        """Sync keys of this tenant (with `canaries`, this tool's own too).

        Raises `ValueError` for a neighbour's key, `Unavailable` when the destination gives no definite answer.
        """
        layout = self.origin.layout
        layout.guard(keys, canaries=canaries)
        put = deleted = 0
        refused: list[tuple[Key, str]] = []
        for some in chunks(distinct(layout, keys), GET_AT_ONCE):
            written = self._some(some, canaries=canaries, pool=pool)
            put, deleted = put + written.put, deleted + written.deleted
            refused += written.unwritable
        return Synced(put, deleted, refused)

    def _some(self, keys: Sequence[Key], *, canaries: bool, pool: Executor | None) -> Written:
        layout, retry = self.origin.layout, self.destination.retry
        ids = {layout.key_id(key): key for key in keys}
        self.doubt.inherit([key for key in keys if not layout.is_canary(key)])
        total = Written()
        with self.in_flight.hold(ids):
            for attempt in range(1, retry.attempts + 1):
                # Read while the keys are held: of two syncs of a key the later one reads the later state.
                found = self.origin.present(list(ids.values()))
                deletes = [key for key_id, key in ids.items() if key_id not in found]
                written = self.write(list(found.values()), deletes, canaries=canaries, pool=pool)
                total.count(written.put, written.deleted)
                total.unwritable += written.unwritable
                if not written.indefinite:
                    self.unwritable.written(
                        {layout.key_id(key) for key in keys} - {layout.key_id(k) for k, _ in total.unwritable}
                    )
                    return total
                ids = {layout.key_id(key): key for key in written.indefinite}
                retry.sleep(retry.pause(attempt))
        raise no_answer(self.destination.table, retry.attempts)

    def write(
        self,
        puts: Sequence[RawItem],
        deletes: Sequence[Key] = (),
        *,
        canaries: bool = False,
        pool: Executor | None = None,
    ) -> Written:
        """Write at the destination; what it leaves open is recorded even when it raises. The caller holds the keys."""
        self.doubt.secure()
        written = Written()
        try:
            if self.carry is not None and puts:
                puts, refused = self.carry(puts, self.destination)
                written.unwritable += refused
            return self.destination.write(puts, deletes, canaries=canaries, pool=pool, into=written)
        finally:
            if written.indefinite:
                self.doubt.add(written.indefinite)
            if written.unwritable:
                self.unwritable.add(written.unwritable)


def no_answer(table: str, attempts: int) -> errors.Unavailable:
    """The destination was asked again and again and never answered."""
    return errors.Unavailable(
        f"{table} gave no definite answer in {attempts} attempts; the keys are recorded as doubtful",
        operation="dynamodb.BatchWriteItem",
        aws_code="NoDefiniteAnswer",
        next=errors.AGAIN,
    )
