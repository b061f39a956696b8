"""DynamoDB Streams as its API answers, with what no engine shows: the streams that one table has one after another.

`Streams` of the product stands on it as on boto3's client. Whether an answer is late, short, empty or refused is drawn
by lot, in shares that `Moods` says; what the shards hold is up to the test.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from portability import errors
from portability.aws.records import Change, RecordsPage, StreamRecord
from portability.aws.streams import Streams
from portability.stores.dynamodb.stream import On

PAGE_OF_SHARDS = 2
READING = "dynamodb-streams.GetRecords"


@dataclass
class Moods:
    """Shares of the calls that go otherwise than well. All are 0 in a service that is well."""

    empty: float = 0.0
    throttled: float = 0.0
    expired: float = 0.0
    down: float = 0.0
    late_listing: float = 0.0  # a listing that does not show the newest shards yet


@dataclass
class Shard:
    """Records in order; the first `trimmed` of all there ever were are gone. A `held` one shows nothing for now."""

    id: str
    parent: str | None
    first: int
    closed: bool = False
    held: bool = False
    trimmed: int = 0
    shown: int = 0  # how many were ever handed out, or are behind one that was
    records: list[StreamRecord] = field(default_factory=list)
    listed: bool = False

    def trim(self, count: int) -> None:
        """The oldest records are a day old."""
        self.trimmed = max(self.trimmed, min(count, len(self.records)))


class Service:
    """The service. Thread-safe; `now` is its own clock."""

    def __init__(self, rng: random.Random, now: Callable[[], float] = time.time) -> None:
        self.moods = Moods()
        self.table: dict[str, dict[str, Shard]] = {}
        self.keys_only = True
        self._rng, self._now = rng, now
        self._number = 7  # 9 is less than 10 as numbers, and not as text
        self._iterators: dict[str, tuple[str, str, int]] = {}
        self._born = 0
        self._fresh: set[str] = set()  # iterators that were only just taken
        self._lock = threading.RLock()
        self.renew()

    # ----------------------------------------------------------------------------------------------------- by the test

    @property
    def arn(self) -> str:
        return list(self.table)[-1]

    @property
    def shards(self) -> dict[str, Shard]:
        """Those of the stream that is on."""
        return self.table[self.arn]

    @property
    def open(self) -> list[Shard]:
        return [shard for shard in self.shards.values() if not shard.closed]

    def renew(self) -> None:
        """The stream was turned off and on: another ARN, one new shard."""
        with self._lock:
            number = len(self.table) + 1
            for shard in self.table[self.arn].values() if self.table else ():
                shard.closed = True
            self.table[f"arn:aws:dynamodb:us-east-1:123456789012:table/pool/stream/{number}"] = {}
            self.keys_only = self._rng.random() < 0.5
            self.born(None)

    def born(self, parent: str | None) -> Shard:
        with self._lock:
            self._born += 1
            name = f"shard-{len(self.table)}-{self._born:03}"
            self.shards[name] = Shard(name, parent, self._number)
            return self.shards[name]

    def split(self, shard: Shard, children: int) -> None:
        with self._lock:
            shard.closed = True
            for _ in range(children):
                self.born(shard.id)

    def write(self, shard: Shard, key: dict[str, Any], event: str = "MODIFY") -> None:
        with self._lock:
            self._number += 1
            change = Change(keys=key, sequence_number=str(self._number), approximate_creation_date_time=self._now())
            shard.records.append(StreamRecord(dynamodb=change, event_name=event))

    def forget(self, shard: Shard) -> None:
        """A closed shard whose records are all gone is listed no more."""
        with self._lock:
            del self.shards[shard.id]

    # -------------------------------------------------------------------------------------------------- by the product

    def streams(self) -> Streams:
        return Streams(cast("Any", self), cast("Any", lambda method, **asked: method(**asked)), self.get_records)

    def describe_stream(self, **asked: Any) -> dict[str, Any]:
        arn, start = asked["StreamArn"], asked.get("ExclusiveStartShardId")
        with self._lock:
            self._may_fail()
            status = "ENABLED" if arn == self.arn else "DISABLED"
            shown = [each for each in self.table[arn].values() if each.listed or not self._draws("late_listing")]
            for shard in shown:
                shard.listed = True
            names = [shard.id for shard in shown]
            first = names.index(start) + 1 if start in names else 0
            page = shown[first : first + min(asked.get("Limit", PAGE_OF_SHARDS), PAGE_OF_SHARDS)]
            described = {"StreamStatus": status, "Shards": list(map(_described, page))}
            more = first + len(page) < len(shown)
            return {"StreamDescription": described | ({"LastEvaluatedShardId": page[-1].id} if more else {})}

    def get_shard_iterator(self, **asked: Any) -> dict[str, Any]:
        with self._lock:
            self._may_fail()
            shard = self._shard(asked["StreamArn"], asked["ShardId"])
            at = self._place(shard, asked["ShardIteratorType"], asked.get("SequenceNumber", ""))
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self._now()))
            iterator = self._iterator(asked["StreamArn"], shard, at)
            self._fresh.add(iterator)
            return {"ShardIterator": iterator, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    def get_records(self, iterator: str, limit: int) -> RecordsPage:
        with self._lock:
            self._may_fail()
            if iterator not in self._fresh and self._draws("expired"):
                raise errors.BadRequest("15 minutes", operation=READING, aws_code="ExpiredIteratorException")
            arn, name, at = self._iterators[iterator]
            shard = self._shard(arn, name)
            if at < shard.trimmed:
                raise _trimmed()
            if shard.held or self._draws("empty"):
                return RecordsPage([], self._iterator(arn, shard, at), self._now(), 0)
            page = shard.records[at : at + min(limit, self._rng.randint(1, 4))]
            at += len(page)
            shard.shown = max(shard.shown, at)
            over = shard.closed and at == len(shard.records)
            return RecordsPage(page, None if over else self._iterator(arn, shard, at), self._now(), 0)

    def _may_fail(self) -> None:
        if self._draws("throttled"):  # as where a third reads the shard
            raise errors.Throttled("slow down", operation=READING, aws_code="LimitExceededException")
        if self._draws("down"):
            raise errors.Unavailable("no", operation=READING, aws_code="InternalServerError")

    def _draws(self, mood: str) -> bool:
        share: float = getattr(self.moods, mood)
        return share > 0 and self._rng.random() < share

    def _shard(self, arn: str, name: str) -> Shard:
        found = self.table.get(arn, {}).get(name)
        if found is None:
            raise errors.NotFound("no such shard", operation=READING, aws_code="ResourceNotFoundException")
        return found

    @staticmethod
    def _place(shard: Shard, kind: str, number: str) -> int:
        if kind == "TRIM_HORIZON":
            return shard.trimmed
        if kind == "LATEST":
            return len(shard.records)
        numbers = [int(record.dynamodb.sequence_number) for record in shard.records]
        if shard.trimmed and int(number) < numbers[shard.trimmed - 1] + (kind == "AT_SEQUENCE_NUMBER"):
            raise _trimmed()
        return sum(each < int(number) + (kind == "AFTER_SEQUENCE_NUMBER") for each in numbers)

    def _iterator(self, arn: str, shard: Shard, at: int) -> str:
        name = f"iterator-{len(self._iterators)}"
        self._iterators[name] = (arn, shard.id, at)
        return name


class OfTable:
    """The table's stream, as a channel asks for it."""

    table = "pool"

    def __init__(self, service: Service) -> None:
        self.streams = service.streams()
        self._service = service

    def latest(self) -> On:
        return On(self._service.arn, self._service.keys_only)

    def ensure(self, _ledger: Any) -> tuple[On, bool]:
        return self.latest(), False

    def let_go(self, _ledger: Any) -> None:
        pass


def _described(shard: Shard) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": str(shard.first)}
    if shard.closed:
        last = [record.dynamodb.sequence_number for record in shard.records[-1:]]
        numbers["EndingSequenceNumber"] = last[0] if last else str(shard.first)
    parent = {"ParentShardId": shard.parent} if shard.parent else {}
    return {"ShardId": shard.id, "SequenceNumberRange": numbers, **parent}


def _trimmed() -> errors.Trimmed:
    return errors.Trimmed("gone", operation=READING, aws_code="TrimmedDataAccessException")
