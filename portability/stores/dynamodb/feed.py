"""The shards of one table's stream: where each is read from, which are over, and what is lost.

Positions are kept as text by `<stream ARN>|<shard>`: `AT:<number>`, `AFTER:<number>`, `TRIM_HORIZON`, or `END` for a
shard that was read to its end or was closed before the pin. `<stream ARN>|` itself says that the stream was pinned:
from then on a shard without a position is one that was born later, and is read from its beginning.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from portability import errors
from portability.aws.streams import MOST, Batch, Reader, Record, Shard, Streams

TRIM_HORIZON, END, PINNED = "TRIM_HORIZON", "END", "PINNED"
BACKLOG = 10  # pages of a shard that a pin reads through to find its end
PROBES = 8  # looks at the end of a shard with a longer backlog, until it shows a record
ALONE, READERS = 3, 16  # shards that one thread reads; threads for more than those
KEPT = 23 * 3600.0  # seconds for which no record is trimmed, with an hour for clocks; AWS keeps them 24 hours
FRESH = 2.0  # seconds: a page of images that ends with a record as young as this reached the tip


@dataclass(frozen=True)
class Read:
    """One page of one shard. `at_tip`: there was nothing behind it when it was asked for."""

    shard: str
    records: list[Record]
    position: str | None
    closed: bool
    at_tip: bool
    asked: float  # monotonic


@dataclass
class Feed:
    """Every shard of one stream. Asked by one thread; positions are changed here and saved by the channel."""

    streams: Streams
    arn: str
    now: Callable[[], float]
    monotonic: Callable[[], float]
    pause: Callable[[], None]
    keys_only: bool = True  # a page of keys ends where the shard does, or at `MOST`; one of images may end before
    positions: dict[str, str] = field(default_factory=dict)
    dirty: dict[str, str] = field(default_factory=dict)
    lost: bool = False  # records may have been missed: every unit must be compared
    open_shards: set[str] = field(default_factory=set)
    _readers: dict[str, Reader] = field(default_factory=dict)

    @property
    def pinned(self) -> bool:
        """Whether this very stream has positions."""
        return self.positions.get(f"{self.arn}|") == PINNED

    def pin(self, *, fresh: bool) -> None:
        """Take a place in every shard. `fresh`: the stream was turned on by us, just now."""
        if self.pinned:
            return
        for shard in self.streams.describe(self.arn):
            if not shard.open:
                self._put(shard.id, TRIM_HORIZON if fresh else END)
            else:
                self._put(shard.id, TRIM_HORIZON if fresh else self._place(shard))
        self._put("", PINNED)

    def _place(self, shard: Shard) -> str:
        # What is read through here was written before the pin ends, and the copy, which begins later, reads it: no
        # clock decides. Too early a place only costs reading, and an empty page before the tip gives such a place.
        reader = self.streams.records(self.arn, shard.id, trim_horizon=True)
        empty = 0
        for _ in range(BACKLOG):
            batch = reader.read()
            empty = 0 if batch.records else empty + 1
            if batch.closed or empty > 1:
                break
        else:
            if (number := self._first_of_the_busy(shard)) is not None:
                return f"AT:{number}"
        return TRIM_HORIZON if reader.position is None else f"AFTER:{reader.position}"

    def _first_of_the_busy(self, shard: Shard) -> str | None:
        reader = self.streams.records(self.arn, shard.id, latest=True)
        for _ in range(PROBES):
            if records := reader.read().records:
                return records[0].sequence
            self.pause()
        return None

    def refresh(self) -> None:
        """List the shards again: children are read from their beginning, and what vanished unread is lost."""
        listed = {shard.id: shard for shard in self.streams.describe(self.arn)}
        self.open_shards = {shard.id for shard in listed.values() if shard.open}
        for shard in listed:
            if f"{self.arn}|{shard}" not in self.positions:
                self._put(shard, TRIM_HORIZON)
        for shard in self._tracked() - listed.keys():
            if self._position(shard) != END:
                self.lost = True
            self._drop(shard)

    def read(self) -> list[Read]:
        """One page of each shard that is not over. A trimmed place is taken from the beginning, and `lost` is set."""
        shards = self.active
        if len(shards) <= ALONE:
            read = [self._page(shard) for shard in shards]
        else:
            with ThreadPoolExecutor(min(READERS, len(shards)), thread_name_prefix="shard") as pool:
                read = list(pool.map(self._page, shards))
        for shard, page in zip(shards, read, strict=True):
            if page is None:
                self.lost = self.lost or not self._young()
                self._put(shard, TRIM_HORIZON)
        return [page for page in read if page is not None]

    def _young(self) -> bool:
        """Whether the stream is too young to have lost a record, by the moment of its making that its ARN ends with.

        DynamoDB Local calls a place trimmed when the first record of an empty shard comes; all of it is there still.
        """
        label = self.arn.rpartition("/")[2]
        try:
            made = dt.datetime.fromisoformat(label).replace(tzinfo=dt.UTC).timestamp()
        except ValueError:
            return False
        return 0.0 <= self.now() - made < KEPT

    def _page(self, shard: str) -> Read | None:
        """One page of a shard; None where its place was trimmed."""
        asked = self.monotonic()
        try:
            batch = self._reader(shard).read()
        except errors.Trimmed:
            self._readers.pop(shard, None)
            return None
        return Read(shard, batch.records, batch.position, batch.closed, self._at_tip(batch), asked)

    @property
    def active(self) -> list[str]:
        """The shards that are not over."""
        return sorted(shard for shard in self._tracked() if self._position(shard) != END)

    def advance(self, pages: Iterable[Read]) -> None:
        """What these pages told is done with: the positions may say so."""
        for page in pages:
            if page.closed:
                self._put(page.shard, END)
                self._readers.pop(page.shard, None)
            elif page.records and page.position is not None:
                self._put(page.shard, f"AFTER:{page.position}")

    def saved(self, positions: Mapping[str, str]) -> None:
        """These were made durable."""
        self.dirty = {name: place for name, place in self.dirty.items() if positions.get(name) != place}

    def rewind(self) -> None:
        """Forget the readers: the next pages are read from the positions."""
        self._readers.clear()

    def _reader(self, shard: str) -> Reader:
        if shard not in self._readers:
            place, _, number = self._position(shard).partition(":")
            self._readers[shard] = self.streams.records(
                self.arn,
                shard,
                at=number if place == "AT" else None,
                after=number if place == "AFTER" else None,
                trim_horizon=place == TRIM_HORIZON,
            )
        return self._readers[shard]

    def _at_tip(self, batch: Batch) -> bool:
        if not batch.records:
            return True
        full = len(batch.records) >= MOST
        return not full and (self.keys_only or self.now() - batch.records[-1].created <= FRESH)

    def _tracked(self) -> set[str]:
        start = f"{self.arn}|"
        return {name.removeprefix(start) for name in self.positions if name.startswith(start) and name != start}

    def _position(self, shard: str) -> str:
        return self.positions[f"{self.arn}|{shard}"]

    def _put(self, shard: str, place: str) -> None:
        name = f"{self.arn}|{shard}"
        if self.positions.get(name) != place:
            self.positions[name] = self.dirty[name] = place

    def _drop(self, shard: str) -> None:
        name = f"{self.arn}|{shard}"
        self.positions.pop(name, None)
        self._readers.pop(shard, None)
        self.dirty[name] = ""
