"""What the stream still tells of the tenant's keys: read beside the channel, from the oldest record there is."""

from __future__ import annotations

from collections.abc import Mapping

from portability import errors
from portability.model.status import ParkReason
from portability.stores.base import Key
from portability.stores.dynamodb.feed import END
from portability.stores.dynamodb.layout import KeyId
from portability.stores.dynamodb.reader import Around
from portability.stores.dynamodb.shard import TRIM_HORIZON, Read, number_of
from portability.stores.dynamodb.stream import On
from portability.stores.dynamodb.wiring import Wiring

ROUNDED = 61.0  # seconds by which a record may be younger than it says: see `Record`
QUIET = 3.0  # seconds at the tip after which a shard's records up to the channel's place are taken to be trimmed
TICK = 0.02  # seconds between two looks at what came


def recent(w: Wiring, on: On, places: Mapping[str, str], since: float, *, deadline: float) -> list[Key]:
    """The tenant's keys in records from `since` (epoch seconds) on that lie before the channel's `places`.

    What lies behind them the channel itself learns. Raises `Parked` at `deadline` (monotonic), and what the reader
    raises once it has failed for as long as a channel may.
    """
    layout = w.origin.layout
    found: dict[KeyId, Key] = {}
    subscription = w.readers.follow(
        w.stream.streams,
        on.arn,
        Around(w.now, w.monotonic, w.sleep),
        w.pace.looks,
        keys_only=on.keys_only,
        sift=layout.sift,
        news=lambda: None,
    )
    try:
        shards = [shard.id for shard in subscription.reader.shards(since=w.monotonic())]
        left = {shard: Left(places.get(f"{on.arn}|{shard}", TRIM_HORIZON)) for shard in shards}
        for shard in shards:
            subscription.follow(shard, TRIM_HORIZON)
        while left:
            for read in subscription.take():
                mine = [record.keys for record in read.records if record.created >= since - ROUNDED]
                found |= {layout.key_id(key): layout.key(key) for key in mine if layout.is_mine(key)}
                if read.shard in left and left[read.shard].is_read(read):
                    del left[read.shard]
            failing = subscription.failing
            if failing is not None and w.monotonic() - failing[0] > w.pace.outage:
                raise failing[1]
            if left and w.monotonic() >= deadline:
                raise errors.Parked(
                    f"{len(left)} shards of {w.origin.table}'s stream are not read yet",
                    reason=ParkReason.GATE,
                    next=errors.AGAIN,
                )
            w.sleep(TICK)
    finally:
        subscription.close()
    return list(found.values())


class Left:
    """A shard that is not read up to the channel's place."""

    def __init__(self, place: str) -> None:
        self._number = None if place == END else number_of(place)  # None: to its end
        self._quiet_since: float | None = None

    def is_read(self, read: Read) -> bool:
        """Whether nothing before the channel's place is left to come. An empty page alone says nothing."""
        reached = -1 if read.position is None else int(read.position)
        if read.closed or (self._number is not None and reached >= self._number):
            return True
        if read.tip is None or read.records or read.foreign:
            self._quiet_since = read.tip
            return False
        if self._quiet_since is None:
            self._quiet_since = read.tip
        return read.tip - self._quiet_since >= QUIET
