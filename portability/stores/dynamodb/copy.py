"""A unit copied page by page. What changes meanwhile is the channel's: it parks those keys until the unit is done."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from portability.model.run import Cursor
from portability.stores.base import Copied
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.plane import chunks
from portability.stores.dynamodb.reading import Leaf, Reading, from_cursor, to_cursor
from portability.stores.dynamodb.sync import Sync

INDEX_SETTLE = 2.0  # seconds
PAGE_PART = 500  # items written before others may have their keys


@dataclass(frozen=True)
class Copy:
    """Copies units of one direction."""

    reading: Reading
    sync: Sync

    def __call__(self, unit: str, cursor: Cursor | None, *, pool: Executor | None = None) -> Iterator[Copied]:
        """Copy from `cursor` on. Every yielded page was acknowledged, or its keys are in doubt or unwritable."""
        if cursor is not None and cursor.done:
            return
        before = cursor or Cursor(unit=unit, position=None)
        items, size = before.items, before.bytes
        if unit.startswith("g/") and cursor is None:
            # What was written before the pin, and is no stream's any more, must have reached the index.
            self.reading.plane.retry.sleep(INDEX_SETTLE)
        for leaf in self.reading.pages(unit, from_cursor(before.position)):
            page_bytes = self._write(leaf, pool, named=unit.startswith("p/"))
            items, size = items + len(leaf.items), size + page_bytes
            position = to_cursor(leaf.next)
            yield Copied(
                Cursor(unit=unit, position=position, items=items, bytes=size, done=position is None),
                len(leaf.items),
                page_bytes,
            )

    def _write(self, leaf: Leaf, pool: Executor | None, *, named: bool) -> int:
        """Write a page, part by part, so that what is known of an item is still at hand when it is sent; its bytes."""
        layout, sync = self.reading.plane.layout, self.sync
        size = 0
        for some in chunks(leaf.items, PAGE_PART):
            for item in () if named else layout.one_a_partition(some):  # a named partition is one that is looked at
                if not layout.is_placed(item):
                    raise layout.unplaced(item)
            size += digest.raw_size(some)
            with sync.in_flight.hold(layout.key_ids(some)):
                written = sync.write(some, pool=pool)
            if written.indefinite:
                # The lost write may carry an old value: sync reads the origin again, and again after the horizon.
                sync(written.indefinite, pool=pool)
        return size
