"""The proof that a stream was read past a moment, shard by shard."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterable

from portability.stores.dynamodb.layout import KeyId, Layout
from portability.stores.dynamodb.shard import Read

MOST = 200  # canaries in a round


class Drain:
    """What each open shard has shown. A shard is proven by one of three.

    * A canary written for this drain: whatever was written to that shard before it has been read.
    * Its own end: all that was ever written to it has been read.
    * Without canaries, a record created in a later second than `after` (records carry whole seconds).
    """

    def __init__(self, layout: Layout, after: float | None) -> None:
        self._layout = layout
        self._floor = None if after is None else math.floor(after)
        self._need: set[str] | None = None
        self._shown: set[str] = set()
        self._canaries: set[KeyId] = set()
        self._whole = False  # the last listing lacked nothing, and no shard ended since
        self._lock = threading.Lock()

    @property
    def listed(self) -> bool:
        """Whether the shards were listed, and whole, since the drain began and since one of them ended."""
        return self._need is not None and self._whole

    def another_stream(self) -> None:
        """The stream was replaced: its shards prove nothing more, and what they held is found by comparing."""
        with self._lock:
            self._need, self._whole = None, False
            self._shown = set()

    def listing(self, shards: Iterable[str], *, childless: Collection[str] = ()) -> None:
        """The shards that are open, or not read to their end, now; what is listed counts until a listing was whole.

        A listing may lag: it may show a shard that was split, and not yet the children that took the last writes. It
        then shows one that is closed and `childless`, and is not whole; nor is one from before a shard's end.
        """
        with self._lock:
            if not self._whole:
                self._need = (self._need or set()) | set(shards)
            self._whole = not childless

    def expect(self, canaries: Iterable[KeyId]) -> None:
        """These canaries are about to be written."""
        with self._lock:
            self._canaries |= set(canaries)

    def see(self, page: Read) -> None:
        """A page whose keys are dealt with."""
        with self._lock:
            self._whole = self._whole and not (page.closed and page.shard in (self._need or ()))
            if page.closed or self._proves(page):
                self._shown.add(page.shard)

    def _proves(self, page: Read) -> bool:
        if self._floor is not None:
            return page.newest is not None and page.newest > self._floor
        return any(
            record.event != "REMOVE"
            and self._layout.is_canary(record.keys)
            and self._layout.key_id(record.keys) in self._canaries
            for record in page.records
        )

    @property
    def missing(self) -> set[str]:
        """Shards that have proven nothing yet."""
        with self._lock:
            return (self._need or set()) - self._shown

    def round(self, before: int) -> int:
        """How many canaries to write next: enough to hit every shard almost surely, then twice as many."""
        shards = len(self._need or ())
        return min(MOST, before * 2 or max(4, math.ceil(shards * (math.log(max(1, shards)) + 2))))
