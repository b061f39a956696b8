"""One reader a stream, shared by every channel of the process that follows it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

from portability import errors
from portability.aws.streams import MOST, Batch, Record, Shard, Streams
from portability.retry import Retry
from portability.stores.dynamodb.allowance import Allowance
from portability.stores.dynamodb.shard import Cursor, Read, SharedShard

READERS = 16  # threads that ask, at most
FRESH = 2.0  # seconds: a page of images that ends with a record as young as this reached the tip
FULL = 10_000  # records that wait for one channel before it is left behind
LEAST = 0.005  # seconds between two rounds of the dispatcher
TRANSIENT = (errors.Throttled, errors.Unavailable, errors.EndpointDown)
"""Answers that a shard is asked again after."""


@dataclass(frozen=True)
class Looks:
    """How often a stream is looked at. AWS: 5 calls a second of a shard, DescribeStream 10 a second of an account."""

    calls: float = 5.0  # a second, of one shard
    burst: float = 5.0
    quiet: float = 0.25  # seconds between two looks at a shard where nothing happens: two of them show its tip
    hurry: float = 0.03  # seconds between two looks inside the fence, while the burst lasts
    total: float = 512.0  # calls a second, of one stream
    listings: float = 5.0  # pages of shards a second, of this process: half of what there is


@dataclass(frozen=True)
class Around:
    """What a reader needs of the world."""

    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    retry: Retry = field(default_factory=lambda: Retry(base=0.1, rng=random.Random()))  # noqa: S311 - jitter


class Subscription:
    """What one channel hears of a stream. Thread-safe."""

    def __init__(
        self,
        reader: StreamReader,
        sift: Callable[[Sequence[Record]], list[Record]],
        news: Callable[[], None],
        leave: Callable[[Subscription], None],
    ) -> None:
        self.reader = reader
        self.sift = sift
        self.urgent = False
        self.most = FULL
        self.death: BaseException | None = None
        self.records = 0  # that wait
        self._news = news
        self._leave = leave
        self._waiting: dict[str, Read] = {}

    @property
    def full(self) -> bool:
        """Whether so much waits that it is left behind until it was taken."""
        return self.records >= self.most

    def hear(self, read: Read) -> None:
        """What came of a shard, under the reader's lock."""
        waiting = self._waiting.get(read.shard)
        if waiting is None:
            self._waiting[read.shard] = read
        else:
            waiting.add(read)
        self.records += len(read.records)
        if self.urgent:
            self._news()

    def follow(self, shard: str, place: str) -> None:
        """Hear of a shard from a place on, once."""
        self.reader.follow(self, shard, place)

    def keep(self, shards: Collection[str]) -> None:
        """Hear of no other shards any more."""
        self.reader.keep(self, shards)

    def take(self) -> list[Read]:
        """What came since, a shard at a time. Raises what the reader died of."""
        with self.reader.lock:
            if self.death is not None:
                raise self.death
            taken, self._waiting = self._waiting, {}
            was_full, self.records = self.full, 0
        if was_full:
            self.hurry()
        return list(taken.values())

    def waiting(self) -> list[Record]:
        """What waits to be taken, and stays."""
        with self.reader.lock:
            return [record for read in self._waiting.values() for record in read.records]

    def hurry(self) -> None:
        """Look at every shard now, as far as their limits allow."""
        self.reader.hurry(self)

    @property
    def failing(self) -> tuple[float, Exception] | None:
        """Since when (monotonic) a followed shard gives no answer, and what it said last."""
        return self.reader.failing(self)

    def close(self) -> None:
        """Hear no more."""
        self._leave(self)


class StreamReader:
    """Every shard of one stream. `pump` looks at what is due; `start` does so on a thread until the last one left.

    Who follows it is given what its own `sift` lets pass; what is nobody's is dropped here.
    """

    def __init__(
        self, streams: Streams, arn: str, around: Around, looks: Looks, listings: Allowance, *, keys_only: bool
    ) -> None:
        self.arn = arn
        self.lock = threading.RLock()
        self.calls = 0  # pages asked for
        self._streams = streams
        self._around = around
        self._looks = looks
        self._listings = listings
        self._keys_only = keys_only  # a page of keys ends where the shard does, or at `MOST`; one of images may before
        self._shards: dict[str, SharedShard] = {}
        self._subscriptions: list[Subscription] = []
        self._turned = threading.Condition(self.lock)
        self._until = 0.0  # the dispatcher sleeps until then
        self._listing = threading.Lock()
        self._listed: tuple[float, list[Shard]] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._stopped = False

    # ----------------------------------------------------------------------------------------------------- who follows

    def join(self, subscription: Subscription) -> None:
        """One more follows."""
        with self.lock:
            self._subscriptions.append(subscription)

    def leave(self, subscription: Subscription) -> bool:
        """One follows no more; whether it was the last."""
        with self.lock:
            self._subscriptions = [each for each in self._subscriptions if each is not subscription]
            for shard in list(self._shards.values()):
                shard.leave(subscription)
                self._forget_if_over(shard)
            return not self._subscriptions

    def follow(self, subscription: Subscription, shard: str, place: str) -> None:
        """A subscription follows a shard from a place on, once."""
        with self.lock:
            found = self._shards.get(shard)
            if found is None:
                looks, monotonic = self._looks, self._around.monotonic
                found = SharedShard(shard, Allowance(looks.calls, looks.burst, monotonic), monotonic())
                self._shards[shard] = found
            if not found.follows(subscription):
                found.join(subscription, place)
                self._look_at(found, self._around.monotonic())

    def keep(self, subscription: Subscription, shards: Collection[str]) -> None:
        """A subscription follows no other shards any more."""
        with self.lock:
            for shard in [each for each in self._shards.values() if each.id not in shards]:
                shard.leave(subscription)
                self._forget_if_over(shard)

    def hurry(self, subscription: Subscription) -> None:
        """Every shard of it is due now."""
        with self.lock:
            for shard in self._shards.values():
                if shard.follows(subscription):
                    self._look_at(shard, self._around.monotonic())

    def failing(self, subscription: Subscription) -> tuple[float, Exception] | None:
        """The longest failure among the shards that are followed."""
        with self.lock:
            failures = [shard.failing for shard in self._shards.values() if shard.follows(subscription)]
        return min((each for each in failures if each is not None), key=lambda each: each[0], default=None)

    # --------------------------------------------------------------------------------------------------------- listing

    def shards(self, *, since: float) -> list[Shard]:
        """Every shard, as a listing that began at `since` (monotonic) or later tells: one serves all who ask."""
        with self._listing:
            if self._listed is None or self._listed[0] < since:
                began = self._around.monotonic()
                found = self._streams.describe(self.arn, before=lambda: self._listings.wait(self._around.sleep))
                self._listed = (began, found)
            return self._listed[1]

    # --------------------------------------------------------------------------------------------------------- reading

    def start(self) -> None:
        """Read on threads from now on."""
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="shard")
        threading.Thread(target=self._dispatch, name=f"reader {self.arn}", daemon=True).start()

    def stop(self) -> None:
        """Read no more."""
        with self._turned:
            self._stopped = True
            self._turned.notify_all()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _dispatch(self) -> None:
        while True:
            with self._turned:
                if self._stopped:
                    return
                wait = self.pump(self._pool)
                self._turned.wait(max(LEAST, wait))

    def pump(self, pool: Executor | None = None) -> float:
        """Look at every shard that is due, in `pool` or here; seconds until the next one is."""
        with self.lock:
            now = self._around.monotonic()
            due = sorted((each for each in self._shards.values() if not each.busy and each.due <= now), key=_due)
            for shard in due:
                shard.busy = True
        for shard in due:
            if pool is None:
                self._look(shard)
            else:
                pool.submit(self._look, shard)
        with self.lock:
            next_due = min((each.due for each in self._shards.values() if not each.busy), default=now + 1.0)
            self._until = next_due
            return max(0.0, next_due - self._around.monotonic())

    def _look(self, shard: SharedShard) -> None:
        with self.lock:
            cursor = shard.next()
        asked = self._around.monotonic()
        try:
            if cursor is None:
                self._wait(shard, 0.0, self._looks.quiet)
            else:
                self._read(shard, cursor, asked)
        except TRANSIENT as error:
            self._failed(shard, error, asked)
        except BaseException as death:  # noqa: BLE001 - raised in every channel that follows the shard
            with self.lock:
                for subscription in self._subscriptions:
                    if shard.follows(subscription):
                        subscription.death = death
            self._failed(shard, None, asked)

    def _read(self, shard: SharedShard, cursor: Cursor, asked: float) -> None:
        self.calls += 1
        try:
            batch = shard.read(cursor, self._streams, self.arn)
        except errors.Trimmed:
            with self.lock:
                shard.trimmed(cursor)
                self._wait(shard, shard.spend(), 0.0)
            return
        with self.lock:
            shard.failures, shard.failing = 0, None
            at_tip = self._at_tip(batch)
            shard.deal(cursor, batch, cursor.tip(batch, asked, at_tip=at_tip))
            rest = at_tip and not (batch.records and shard.behind)
            pause = self._pause(shard, busy=bool(batch.records)) if rest else 0.0
            self._wait(shard, shard.spend(batch.size), pause)

    def _pause(self, shard: SharedShard, *, busy: bool) -> float:
        """Seconds until a shard that was at its tip is looked at again."""
        looks = self._looks
        if any(each.urgent for each in self._subscriptions):
            return looks.hurry
        least = max(1.0 / looks.calls, len(self._shards) / looks.total)
        shard.interval = least if busy else min(max(least, shard.interval * 2.0), max(least, looks.quiet))
        return shard.interval

    def _at_tip(self, batch: Batch) -> bool:
        """Whether nothing seems to be left: an empty page shows it only with the next one, see `Cursor.tip`."""
        if not batch.records:
            return True
        full = len(batch.records) >= MOST
        return not full and (self._keys_only or self._around.now() - batch.records[-1].created <= FRESH)

    def _failed(self, shard: SharedShard, error: Exception | None, since: float) -> None:
        with self.lock:
            shard.failures += 1
            if error is not None:
                shard.failing = (since if shard.failing is None else shard.failing[0], error)
            pause = self._around.retry.pause(min(shard.failures, 10))
            self._wait(shard, max(shard.spend(), pause), 0.0)

    def _wait(self, shard: SharedShard, forced: float, chosen: float) -> None:
        """Look again in so many seconds; whoever is in a hurry waits for the first of them only."""
        with self.lock:
            now = self._around.monotonic()
            shard.busy, shard.not_before = False, now + forced
            self._look_at(shard, now + chosen)
            self._forget_if_over(shard)

    def _look_at(self, shard: SharedShard, due: float) -> None:
        shard.due = max(due, shard.not_before)
        if shard.due < self._until:
            self._turned.notify_all()

    def _forget_if_over(self, shard: SharedShard) -> None:
        if not shard.cursors and not shard.busy:
            self._shards.pop(shard.id, None)


def _due(shard: SharedShard) -> float:
    return shard.due


class Readers:
    """The readers of this process: one a stream, for as long as anybody follows it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: dict[str, StreamReader] = {}
        self._listings: Allowance | None = None

    @property
    def open(self) -> Mapping[str, StreamReader]:
        """The readers by stream ARN."""
        return dict(self._readers)

    def listings(self, around: Around, looks: Looks) -> Allowance:
        """What DescribeStream may be called, by all together."""
        if self._listings is None:
            self._listings = Allowance(looks.listings, looks.listings, around.monotonic)
        return self._listings

    def follow(
        self,
        streams: Streams,
        arn: str,
        around: Around,
        looks: Looks,
        *,
        keys_only: bool,
        sift: Callable[[Sequence[Record]], list[Record]],
        news: Callable[[], None],
    ) -> Subscription:
        """Follow a stream; whoever is the first starts its reader."""
        with self._lock:
            reader = self._readers.get(arn)
            if reader is None:
                listings = self.listings(around, looks)
                reader = self._readers[arn] = StreamReader(streams, arn, around, looks, listings, keys_only=keys_only)
                reader.start()
            subscription = Subscription(reader, sift, news, self._leave)
            reader.join(subscription)
            return subscription

    def _leave(self, subscription: Subscription) -> None:
        reader = subscription.reader
        with self._lock:
            if reader.leave(subscription) and self._readers.get(reader.arn) is reader:
                del self._readers[reader.arn]
                reader.stop()
