"""A channel at a whole pool's rate: 256 shards, 20,000 records a second, one in a hundred of them ours.

    python -m tests.benchmarks.channel [--seconds 20] [--shards 256] [--rate 20500]

The stream is made here: pages of JSON with both images, decoded as the channel's client decodes them, each after the
pause a network has. Reader, channel, sync and the saving of positions are the product's own; the tables answer at once
after a pause. What it costs to make the pages is measured and told apart.
"""

from __future__ import annotations

import argparse
import bisect
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from portability.aws.dynamodb import Got, Wrote
from portability.aws.records import RecordsAnswer
from portability.aws.streams import Batch, Record, Shard, _record
from portability.retry import Retry
from portability.stores.base import ChannelState, Compared
from portability.stores.dynamodb.channel import DynamoChannel
from portability.stores.dynamodb.doubt import Doubt
from portability.stores.dynamodb.in_flight import InFlight
from portability.stores.dynamodb.layout import Layout, Partitions
from portability.stores.dynamodb.pattern import Pattern
from portability.stores.dynamodb.plane import Plane
from portability.stores.dynamodb.reader import Readers
from portability.stores.dynamodb.stream import On
from portability.stores.dynamodb.sync import Sync
from portability.stores.dynamodb.unwritable import Unwritable
from portability.stores.dynamodb.wiring import Wiring
from tests.stores.memory_ledger import MemoryLedger

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/pool/stream/2024-01-01T00:00:00.000"
NETWORK = 0.008  # seconds an answer takes
OURS = 100  # one record in so many
KEYS = 5000  # distinct keys of ours
IMAGE = b'{"pk":{"S":"x"},"sk":{"S":"x"},"value":{"S":"%s"}}' % (b"v" * 400)


class Pool:
    """A stream in which every shard gets its share of the rate, evenly, from `began` on."""

    def __init__(self, shards: int, rate: float) -> None:
        self.shards = [f"shardId-{number:020}" for number in range(shards)]
        self.rate = rate / shards
        self.began = time.time()
        self.making = 0.0  # CPU seconds spent on making pages
        self.read = self.pages = 0
        self._lock = threading.Lock()
        self._decode = msgspec.json.Decoder(RecordsAnswer).decode

    def describe(self, arn: str, *, before: Callable[[], None] = lambda: None) -> list[Shard]:
        """The shards, all open."""
        before()
        return [Shard(shard, None, open=True, first=None, last=None) for shard in self.shards]

    def records(self, arn: str, shard: str, **place: Any) -> Place:
        """A reader of one shard."""
        return Place(self, self.shards.index(shard), int(place.get("after") or 0))

    def page(self, shard: int, after: int) -> tuple[list[Record], int]:
        """The records behind a number, at most 1000, and the page's bytes."""
        time.sleep(NETWORK)
        began = time.thread_time()
        last = min(after + 1000, int((time.time() - self.began) * self.rate))
        text = b'{"Records":[' + b",".join(self._record(shard, number) for number in range(after + 1, last + 1)) + b"]}"
        spent = time.thread_time() - began
        found = [_record(told) for told in self._decode(text).records]
        with self._lock:
            self.making += spent
            self.read += len(found)
            self.pages += 1
        return found, len(text)

    def key(self, shard: int, number: int) -> tuple[str, str]:
        """Whose record that is."""
        at = number * len(self.shards) + shard
        if at % OURS:
            return f"tenant-{at % 997 + 100}-{at % 10 + 1}", str(at)
        return f"tenant-42-{at % 10 + 1}", str(at // OURS % KEYS)

    def created(self, shard: int, number: int) -> float:
        """When it was written, epoch seconds."""
        return self.began + number / self.rate

    def _record(self, shard: int, number: int) -> bytes:
        pk, sk = self.key(shard, number)
        keys = b'{"pk":{"S":"%s"},"sk":{"S":"%s"}}' % (pk.encode(), sk.encode())
        return (
            b'{"eventName":"MODIFY","dynamodb":{"ApproximateCreationDateTime":%d,"Keys":%s,"NewImage":%s,'
            b'"OldImage":%s,"SequenceNumber":"%d"}}'
        ) % (self.created(shard, number), keys, IMAGE, IMAGE, number)


class Place:
    """A reader of one shard of the pool."""

    def __init__(self, pool: Pool, shard: int, after: int) -> None:
        self._pool, self._shard, self._after = pool, shard, after
        self.position: str | None = str(after) if after else None

    def read(self) -> Batch:
        """The next page."""
        records, size = self._pool.page(self._shard, self._after)
        if records:
            self.position = records[-1].sequence
            self._after = int(self.position)
        return Batch(records, self.position, closed=False, size=size)


class Tables:
    """Both tables: every key is there, and a write is noted with its moment."""

    def __init__(self) -> None:
        self.written: dict[tuple[str, str], list[float]] = {}
        self.keys = 0
        self._lock = threading.Lock()

    def batch_get(self, _table: str, keys: Sequence[Any], **_: Any) -> Got:
        """Every item."""
        time.sleep(NETWORK)
        return Got([dict(key) for key in keys], [], 0.0)

    def batch_write(self, _table: str, puts: Sequence[Any], _deletes: Sequence[Any]) -> Wrote:
        """Take all."""
        time.sleep(NETWORK)
        now = time.time()
        with self._lock:
            self.keys += len(puts)
            for item in puts:
                self.written.setdefault((item["pk"]["S"], item["sk"]["S"]), []).append(now)
        return Wrote([], [], 0.0)


class TheStream:
    """The stream of the pool's table, on."""

    table = "pool"

    def __init__(self, pool: Pool) -> None:
        self.streams = pool

    def latest(self) -> On:
        """It is on."""
        return On(ARN, keys_only=False)

    def ensure(self, _ledger: Any) -> tuple[On, bool]:
        """It was on; pinned at its beginning, since nothing was written yet."""
        return self.latest(), True

    def let_go(self, _ledger: Any) -> None:
        """It stays on."""


def measure(*, seconds: float = 20.0, shards: int = 256, rate: float = 20_500.0) -> dict[str, Any]:
    """Records a second, lag in seconds (from the write at the source to its answer at the target), CPU seconds.

    The rate is a little above 20,000: what is written in the last half second is not read when the clock stops.
    """
    pool, tables, ledger = Pool(shards, rate), Tables(), MemoryLedger()
    layout = Layout("Order", "tenant-42", Pattern("{tenant}-{suffix}"), "pk", "sk", (1, 10))
    reach = Partitions(layout.partitions or ())
    plane: Any = Plane("pool", layout, dynamo=tables, items=tables, retry=Retry())  # type: ignore[arg-type]
    sync = Sync(plane, plane, InFlight(), Doubt(layout, time.monotonic, 30.0), Unwritable(layout))
    stream: Any = TheStream(pool)
    wiring = Wiring(
        name="Order.forward",
        origin=plane,
        reach=reach,
        units=tuple(reach.units),
        sync=sync,
        stream=stream,
        compare=lambda unit: Compared(unit, 0, 0, "", ""),
        strays=list,
        now=time.time,
        monotonic=time.monotonic,
        sleep=time.sleep,
        nonce=lambda: "0",
        writers=lambda: None,
        horizon=30.0,
        readers=Readers(),
    )
    channel = DynamoChannel(wiring, ledger, done=reach.units, taken_over=None, live=set())
    channel.pin()
    pool.began = time.time()
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    channel.start(ChannelState.SYNC)
    told: list[float] = []
    while time.monotonic() - began < seconds:
        time.sleep(0.25)
        lag = channel.lag()
        if lag.seconds is not None:
            told.append(lag.seconds)
    spent = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    read, pages, keys, making = pool.read, pool.pages, tables.keys, pool.making
    until = time.time() - 4.0
    time.sleep(1.0)
    channel.stop()
    lags = sorted(_lags(pool, tables, until))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "shards": shards,
        "seconds": round(spent, 2),
        "records_per_second": round(read / spent),
        "pages_per_second": round(pages / spent),
        "applied_keys_per_second": round(keys / spent),
        "lag_p50_seconds": round(lags[len(lags) // 2], 3),
        "lag_p99_seconds": round(lags[int(len(lags) * 0.99)], 3),
        "lag_told_worst_seconds": round(max(told, default=0.0), 3),
        "cpu_seconds": round(cpu - making, 2),
        "cpu_seconds_making_pages": round(making, 2),
        "journal_writes_per_second": round(len(ledger.told) / spent, 2),
        "positions_saved_per_second": round(sum(map(len, ledger.saved)) / spent, 1),
    }


def _lags(pool: Pool, tables: Tables, until: float) -> list[float]:
    """From each of our records, written before `until`, to the first answered write of its key after it."""
    lags = []
    for shard in range(len(pool.shards)):
        for number in range(1, int((until - pool.began) * pool.rate)):
            pk, sk = pool.key(shard, number)
            if pk.startswith("tenant-42-"):
                created = pool.created(shard, number)
                moments = tables.written.get((pk, sk), [])
                at = bisect.bisect_left(moments, created)
                lags.append(moments[at] - created if at < len(moments) else float("inf"))
    return lags


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print JSON; 1 where the lag or the rate is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--shards", type=int, default=256)
    parser.add_argument("--rate", type=float, default=20_500.0)
    asked = parser.parse_args(argv)
    found = measure(seconds=asked.seconds, shards=asked.shards, rate=asked.rate)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    return 0 if found["lag_p99_seconds"] < 3.0 and found["records_per_second"] >= 0.95 * asked.rate else 1


if __name__ == "__main__":
    sys.exit(main())
