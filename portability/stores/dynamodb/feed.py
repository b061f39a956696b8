"""One channel's place in every shard of its stream: which are over, which may begin, and what is lost.

Positions are kept as text by `<stream ARN>|<shard>`: `AT:<number>`, `AFTER:<number>`, `TRIM_HORIZON`, or `END` for a
shard that was read to its end or was closed before the pin. `<stream ARN>|` itself says that the stream was pinned:
from then on a shard without a position is one that was born later, and is read from its beginning, when its parent was
read to its end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from portability.aws.streams import Shard, Streams
from portability.stores.dynamodb.shard import TRIM_HORIZON, Read

END, PINNED = "END", "PINNED"
BACKLOG = 10  # pages of a shard that a pin reads through to find its end
PROBES = 8  # looks at the end of a shard with a longer backlog, until it shows a record
PINNERS = 16  # threads that take places side by side
KEPT = 23 * 3600.0  # seconds for which no record is trimmed, with an hour for clocks; AWS keeps them 24 hours


@dataclass
class Feed:
    """The positions of one stream. They are changed here, by one thread, and saved by the channel.

    `dirty` are those to be saved soon: something of the tenant's, or a shard's beginning or end, lies before them.
    `stale` are those behind which only others' records were read: reading those again costs time and changes nothing.
    """

    streams: Streams
    arn: str
    now: Callable[[], float]
    pause: Callable[[], None]
    before_listing: Callable[[], None] = lambda: None
    positions: dict[str, str] = field(default_factory=dict)
    dirty: dict[str, str] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)
    lost: bool = False  # records may have been missed: every unit must be compared
    open_shards: set[str] = field(default_factory=set)
    parents: dict[str, str] = field(default_factory=dict)  # child -> parent
    childless: set[str] = field(default_factory=set)  # closed, and no child of it was listed: those are still to come
    _strangers: set[str] = field(default_factory=set)  # shards whose parent was not listed, once

    @property
    def pinned(self) -> bool:
        """Whether this very stream has positions."""
        return self.positions.get(f"{self.arn}|") == PINNED

    # ------------------------------------------------------------------------------------------------------------- pin

    def pin(self, *, fresh: bool) -> None:
        """Take a place in every shard. `fresh`: the stream was turned on by us, just now."""
        if self.pinned:
            return
        shards = self.streams.describe(self.arn, before=self.before_listing)
        busy = [] if fresh else [shard for shard in shards if shard.open]
        with ThreadPoolExecutor(PINNERS, thread_name_prefix="pin") as pool:
            places = dict(zip((shard.id for shard in busy), pool.map(self._place, busy), strict=True))
        for shard in shards:
            self._put(shard.id, TRIM_HORIZON if fresh else places.get(shard.id, END))
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

    # --------------------------------------------------------------------------------------------------------- lineage

    def refresh(self, shards: Sequence[Shard]) -> bool:
        """Take in a listing: what vanished unread is lost. Whether to list again: a shard's parent is not in it."""
        listed = {shard.id: shard for shard in shards}
        self.open_shards = {shard.id for shard in shards if shard.open}
        self.parents = {shard.id: shard.parent for shard in shards if shard.parent is not None}
        self.childless = listed.keys() - self.open_shards - set(self.parents.values())
        strangers = set()
        for shard in listed:
            if f"{self.arn}|{shard}" not in self.positions:
                self._put(shard, TRIM_HORIZON)
                if self.parents.get(shard, shard) not in listed:
                    strangers.add(shard)
        again = bool(strangers - self._strangers)
        self._strangers |= strangers
        for shard in self._tracked() - listed.keys():
            if self._position(shard) != END:
                self.lost = True
            self._drop(shard)
        return again

    @property
    def active(self) -> list[str]:
        """The shards that are not over."""
        return sorted(shard for shard in self._tracked() if self._position(shard) != END)

    @property
    def readable(self) -> dict[str, str]:
        """The shards that may be read now, with their places: a child waits until its parent was read to its end."""
        active = set(self.active)
        return {shard: self._position(shard) for shard in sorted(active) if self.parents.get(shard) not in active}

    # ------------------------------------------------------------------------------------------------------- positions

    def advance(self, reads: Iterable[Read]) -> None:
        """What these told is done with: the positions may say so. A trimmed place sets `lost`."""
        for read in reads:
            if f"{self.arn}|{read.shard}" not in self.positions:
                continue  # it vanished from the listing meanwhile, and that said what was lost
            if read.trimmed:
                self.lost = self.lost or not self._young()
                self._put(read.shard, TRIM_HORIZON)
            if read.closed:
                self._put(read.shard, END)
            elif read.position is not None:
                self._put(read.shard, f"AFTER:{read.position}", soon=bool(read.records))

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

    def saved(self, positions: Mapping[str, str]) -> None:
        """These were made durable."""
        self.dirty = {name: place for name, place in self.dirty.items() if positions.get(name) != place}
        self.stale = {name: place for name, place in self.stale.items() if positions.get(name) != place}

    def _tracked(self) -> set[str]:
        start = f"{self.arn}|"
        return {name.removeprefix(start) for name in self.positions if name.startswith(start) and name != start}

    def _position(self, shard: str) -> str:
        return self.positions[f"{self.arn}|{shard}"]

    def _put(self, shard: str, place: str, *, soon: bool = True) -> None:
        name = f"{self.arn}|{shard}"
        if self.positions.get(name) == place:
            return
        self.positions[name] = place
        if soon or name in self.dirty:
            self.dirty[name] = place
            self.stale.pop(name, None)
        else:
            self.stale[name] = place

    def _drop(self, shard: str) -> None:
        name = f"{self.arn}|{shard}"
        self.positions.pop(name, None)
        self.stale.pop(name, None)
        self.dirty[name] = ""
