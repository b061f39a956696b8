"""How far a channel is behind the shards of its stream."""

from __future__ import annotations

from portability.stores.dynamodb.feed import Feed
from portability.stores.dynamodb.shard import Read

DAY = 86400.0  # seconds a record is kept; AWS: DynamoDB Streams


class Gauge:
    """When each shard was last read to its tip, and what was read of it. Written by one thread, read by any."""

    def __init__(self) -> None:
        self.since: float | None = None  # monotonic: everything older was read; None before every tip was seen
        self.proven: float | None = None  # the same, of shards that were read themselves
        self._tips: dict[str, float] = {}
        self._heard: dict[str, int] = {}

    def forget(self) -> None:
        """Another stream is read."""
        self._tips.clear()
        self.since = self.proven = None

    def see(self, reads: list[Read]) -> None:
        """What was read, and is dealt with."""
        for read in reads:
            if read.newest is not None:
                self._heard[read.shard] = read.newest
            if read.tip is not None and not read.closed:
                self._tips[read.shard] = read.tip

    def level(self, feed: Feed, listed: float) -> None:
        """Compare the shards that are not over. `listed`: when (monotonic) there were none at all."""
        active = feed.active
        self.proven = _oldest([self._tips.get(shard) for shard in active], listed)
        self.since = _oldest([self._tip(shard, feed.parents) for shard in active], listed)
        known = {*active, *feed.parents.values()}
        self._tips = {shard: tip for shard, tip in self._tips.items() if shard in known}
        self._heard = {shard: newest for shard, newest in self._heard.items() if shard in known}

    def _tip(self, shard: str | None, parents: dict[str, str]) -> float | None:
        # All that a child holds was written after its parent had been at its tip and open.
        while shard is not None and shard not in self._tips:
            shard = parents.get(shard)
        return None if shard is None else self._tips.get(shard)

    def behind(self, now: float, monotonic: float) -> float | None:
        """Seconds that the oldest unread record may be old; None where nothing is known."""
        if self.since is not None:
            return max(0.0, monotonic - self.since)
        heard = list(self._heard.copy().values())
        return max(0.0, now - min(heard)) if heard else None


def _oldest(tips: list[float | None], listed: float) -> float | None:
    return None if None in tips else min((tip for tip in tips if tip is not None), default=listed)
