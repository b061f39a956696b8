"""A channel's feed and the reader behind it, driven by hand on a virtual clock."""

from __future__ import annotations

import random
from typing import Any

from portability.retry import Retry
from portability.stores.dynamodb.allowance import Allowance
from portability.stores.dynamodb.feed import Feed
from portability.stores.dynamodb.reader import Around, Looks, StreamReader, Subscription
from portability.stores.dynamodb.shard import Read
from tests.stores.fake_streams import ARN, FakeStreams


def key(number: int) -> dict[str, Any]:
    return {"pk": {"S": f"t-{number}"}}


class VirtualClock:
    def __init__(self) -> None:
        self.time = 5.0

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Reader:
    """A feed that is read and saved as a channel does it; `resume` is the next process."""

    clock: VirtualClock
    reader: StreamReader

    def __init__(
        self,
        streams: FakeStreams,
        durable: dict[str, str] | None = None,
        *,
        beside: Reader | None = None,
        looks: Looks = Looks(),
    ) -> None:
        self.streams = streams
        self.durable = {} if durable is None else durable
        self.looks = looks
        self.beside = beside  # another channel of the same process
        self.pauses: list[Any] = []
        self.clock = VirtualClock() if beside is None else beside.clock
        self.feed = Feed(
            streams,  # type: ignore[arg-type]
            ARN,
            now=lambda: 1000.0,
            pause=self._pause,
            positions=dict(self.durable),
        )
        self.on_pause: Any = None
        self.keys_only = True

    def _pause(self) -> None:
        self.pauses.append(1)
        if self.on_pause:
            self.on_pause()

    def pin(self, *, fresh: bool = False) -> Reader:
        self.feed.pin(fresh=fresh)
        self.reader = self.new_reader() if self.beside is None else self.beside.reader
        self.subscription = Subscription(self.reader, list, lambda: None, self._leave)
        self.reader.join(self.subscription)
        self.refresh()
        return self

    def _leave(self, subscription: Subscription) -> None:
        self.reader.leave(subscription)

    def new_reader(self) -> StreamReader:
        around = Around(lambda: 1000.0, self.clock.monotonic, self.clock.sleep, Retry(rng=random.Random(1)))
        allowance = Allowance(5, 5, self.clock.monotonic)
        return StreamReader(
            self.streams,  # type: ignore[arg-type]
            ARN,
            around,
            self.looks,
            allowance,
            keys_only=self.keys_only,
        )

    def refresh(self) -> None:
        self.feed.refresh(self.reader.shards(since=self.clock.time))
        self.begin()
        self.save()

    def begin(self) -> None:
        readable = self.feed.readable
        self.subscription.keep(readable)
        for shard, place in readable.items():
            self.subscription.follow(shard, place)

    def lost(self) -> bool:
        return self.feed.lost

    def save(self) -> None:
        for name, place in {**self.feed.dirty, **self.feed.stale}.items():
            if place:
                self.durable[name] = place
            else:
                self.durable.pop(name, None)
        self.feed.saved({**self.feed.dirty, **self.feed.stale})

    def wait(self, seconds: float = 1.0) -> None:
        """Let the reader look for so long."""
        end = self.clock.time + seconds
        while self.clock.time < end:
            self.clock.time = min(end, self.clock.time + max(1e-6, self.reader.pump()))

    def take(self) -> list[Read]:
        """What comes in a second."""
        self.wait()
        return self.subscription.take()

    def read(self, turns: int = 10) -> list[int]:
        """Numbers of the keys read in so many turns."""
        seen = []
        for _ in range(turns):
            reads = self.take()
            seen += [int(record.keys["pk"]["S"][2:]) for read in reads for record in read.records]
            self.feed.advance(reads)
            if any(read.closed for read in reads):
                self.refresh()
            self.begin()
            self.save()
        return seen

    def resume(self) -> Reader:
        return Reader(self.streams, dict(self.durable)).pin()
