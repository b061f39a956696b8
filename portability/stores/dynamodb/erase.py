"""The tenant's items deleted at one side. Neighbours are never named: every key was just read and parsed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from portability import errors
from portability.stores.base import Key
from portability.stores.dynamodb.in_flight import InFlight
from portability.stores.dynamodb.plane import WRITE_AT_ONCE, chunks
from portability.stores.dynamodb.provision import delete_table
from portability.stores.dynamodb.reading import Reading

ROUNDS = 20  # looks at an index, which lags behind what was deleted
SETTLE = 0.5  # seconds between them
PART = 1.0  # seconds of waiting between two looks at the guard


@dataclass(frozen=True)
class Erase:
    """Erases one side. `guard` raises when the deletion may not go on; it is asked before every batch."""

    reading: Reading
    units: list[str]
    in_flight: InFlight
    horizon: float
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    keep_table: bool = False  # a table of somebody else's making is emptied, and stays

    def __call__(self, guard: Callable[[], None]) -> int:
        """Erase; the number of items deleted. Raises `StepFailed` where the tenant's items do not come to an end."""
        return self._table(guard) if self.reading.owned and not self.keep_table else self._items(guard)

    def _table(self, guard: Callable[[], None]) -> int:
        plane = self.reading.plane
        there = plane.dynamo.describe(plane.table)
        if there is None:
            return 0
        items = 0
        going = there.get("TableStatus") == "DELETING"  # an earlier attempt's; it cannot be read any more
        for unit in (
            [] if going else self.units
        ):  # raises for an item that is not the tenant's: then the table is not the tenant's alone
            items += sum(len(leaf.items) for leaf in self.reading.pages(unit, names=plane.layout.key_names))
        guard()
        delete_table(plane.dynamo, plane.table, self.monotonic, lambda pause: self._wait(pause, guard))
        return items

    def _items(self, guard: Callable[[], None]) -> int:
        deleted = 0
        late = False
        for _ in range(ROUNDS):
            before = deleted
            for unit in self.units:
                start: Key | None = None
                while True:
                    leaf = self.reading.page(unit, start, names=self.reading.plane.layout.key_names)
                    number, indefinite = self._delete(
                        [self.reading.plane.layout.key(item) for item in leaf.items], guard
                    )
                    deleted, late = deleted + number, late or indefinite
                    if leaf.next is None:
                        break
                    start = leaf.next
            if deleted == before:
                break
            if any(unit.startswith("g/") for unit in self.units):
                self.sleep(SETTLE)
        else:
            plane = self.reading.plane
            raise errors.StepFailed(
                f"{plane.table} is still written to for {plane.layout.tenant}: each of {ROUNDS} looks found more items",
                next=f"stop what writes there, then {errors.AGAIN}",
                changed=f"{deleted} items of {plane.layout.tenant} were deleted.",
            )
        if late:
            self._wait(self.horizon, guard)  # a deletion that lands later could meet what another run brings here
        return deleted

    def _wait(self, seconds: float, guard: Callable[[], None]) -> None:
        """Sleep, in parts: the guard is heard meanwhile, and a sleep that was cut short is no time gone by."""
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:
            guard()
            self.sleep(min(left, PART))

    def _delete(self, keys: list[Key], guard: Callable[[], None]) -> tuple[int, bool]:
        plane, late, deleted = self.reading.plane, False, 0
        for some in chunks(keys, WRITE_AT_ONCE):
            with self.in_flight.hold([plane.layout.key_id(key) for key in some]):
                left = list(some)
                for attempt in range(1, plane.retry.attempts + 1):
                    guard()
                    written = plane.write(deletes=left)
                    deleted += written.deleted
                    if written.unwritable:
                        reason = written.unwritable[0][1]
                        raise errors.StepFailed(
                            f"{plane.table} refuses to delete {len(written.unwritable)} keys: {reason}",
                            next=errors.AGAIN,
                            changed=f"{deleted} items of {plane.layout.tenant} were deleted.",
                        )
                    left = written.indefinite
                    if not left:
                        break
                    late = True
                    plane.retry.sleep(plane.retry.pause(attempt))
                else:
                    raise errors.Unavailable(
                        f"{plane.table} gave no definite answer in {plane.retry.attempts} attempts",
                        operation="dynamodb.BatchWriteItem",
                        aws_code="NoDefiniteAnswer",
                        next=errors.AGAIN,
                    )
        return deleted, late
