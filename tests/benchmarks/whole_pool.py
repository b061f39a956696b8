"""A table that a whole pool of tenants writes to, and its stream, made as it is read.

Pages are JSON with both images, decoded as the channel's client decodes them, each after the pause a network has; the
tables answer at once after such a pause. What it costs to make the pages is measured and told apart.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from portability.aws.attributes import RawItem, plain_key, raw_item
from portability.aws.dynamodb import Got, Wrote
from portability.aws.records import RecordsAnswer
from portability.aws.streams import Batch, Record, Shard, _record
from portability.stores.base import Key
from portability.stores.dynamodb.stream import On

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/pool/stream/2024-01-01T00:00:00.000"
NETWORK = 0.008  # seconds an answer takes
OURS = 100  # one record in so many
KEYS = 5000  # distinct keys of ours
VALUE = raw_item({"value": {"S": "v" * 400}})
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

    def batch_get(self, _table: str, keys: Sequence[Key], **_: Any) -> Got:
        """Every item, undecoded."""
        time.sleep(NETWORK)
        return Got([{**raw_item(key), **VALUE} for key in keys], [], 0.0)

    def batch_write(self, _table: str, puts: Sequence[RawItem], _deletes: Sequence[Key]) -> Wrote:
        """Take all."""
        time.sleep(NETWORK)
        now = time.time()
        with self._lock:
            self.keys += len(puts)
            for item in puts:
                key = plain_key({"pk": item["pk"], "sk": item["sk"]})
                self.written.setdefault((key["pk"]["S"], key["sk"]["S"]), []).append(now)
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


def lags(pool: Pool, tables: Tables, until: float) -> list[float]:
    """From each of our records, written before `until`, to the first answered write of its key after it."""
    found = []
    for shard in range(len(pool.shards)):
        for number in range(1, int((until - pool.began) * pool.rate)):
            pk, sk = pool.key(shard, number)
            if pk.startswith("tenant-42-"):
                created = pool.created(shard, number)
                moments = tables.written.get((pk, sk), [])
                at = bisect.bisect_left(moments, created)
                found.append(moments[at] - created if at < len(moments) else float("inf"))
    return found
