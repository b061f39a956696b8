"""A stream with the shards and the faults that no engine shows: splits, trims, empty pages, delayed shards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from portability import errors
from portability.aws.streams import Batch, Record, Shard

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/pool/stream/1"


@dataclass
class FakeShard:
    id: str
    parent: str | None = None
    closed: bool = False
    records: list[Record] = field(default_factory=list)
    trimmed: int = 0  # records that are gone from the beginning
    page: int = 2
    empty_pages: int = 0  # given before the next records
    unlisted: bool = False  # there, and no listing shows it yet

    def trim(self, count: int) -> None:
        """So many records are gone."""
        self.trimmed += len(self.records[:count])
        self.records = self.records[count:]


class FakeStreams:
    """One stream. Sequence numbers grow over all shards; `9` is less than `10`, as numbers and not as text."""

    def __init__(self) -> None:
        self.shards: dict[str, FakeShard] = {}
        self.status_is = "ENABLED"
        self.failures: list[Exception] = []
        self.listings = 0
        self.size = 0  # bytes of a page
        self.pages = 0  # pages asked for
        self._number = 7

    def shard(self, id_: str, parent: str | None = None) -> FakeShard:
        self.shards[id_] = FakeShard(id_, parent)
        return self.shards[id_]

    def write(
        self, shard: str, key: dict[str, Any], *, created: int = 1000, event: str = "MODIFY", by_ttl: bool = False
    ) -> None:
        self._number += 1
        self.shards[shard].records.append(Record(key, str(self._number), created, event, by_ttl))

    def status(self, arn: str) -> str | None:
        return self.status_is if arn == ARN else None

    def describe(self, arn: str, *, before: Callable[[], None] = lambda: None) -> list[Shard]:
        assert arn == ARN
        before()
        self.listings += 1
        shown = [one for one in self.shards.values() if not one.unlisted]
        return [Shard(one.id, one.parent, not one.closed, None, None) for one in shown]

    def records(self, arn: str, shard: str, **place: Any) -> FakeReader:
        return FakeReader(self, shard, place)


class FakeReader:
    def __init__(self, streams: FakeStreams, shard: str, place: dict[str, Any]) -> None:
        self._streams, self._shard, self._place = streams, shard, place
        self._next: int | None = None
        self.position: str | None = place.get("after")

    def read(self) -> Batch:
        self._streams.pages += 1
        if self._streams.failures:
            raise self._streams.failures.pop(0)
        shard = self._streams.shards.get(self._shard)
        if shard is None:
            raise trimmed()
        if self._next is None:
            self._next = self._start(shard)
        if self._next < shard.trimmed:
            raise trimmed()
        if shard.empty_pages:
            shard.empty_pages -= 1
            return Batch([], self.position, closed=False)
        at = self._next - shard.trimmed
        page = shard.records[at : at + shard.page]
        self._next += len(page)
        if page:
            self.position = page[-1].sequence
        return Batch(page, self.position, shard.closed and at + len(page) >= len(shard.records), self._streams.size)

    def _start(self, shard: FakeShard) -> int:
        numbers = [record.sequence for record in shard.records]
        if self._place.get("trim_horizon"):
            return shard.trimmed
        if self._place.get("latest"):
            return shard.trimmed + len(numbers)
        place = self._place.get("at") or self._place["after"]
        if place not in numbers:
            raise trimmed()
        return shard.trimmed + numbers.index(place) + (self._place.get("at") is None)


def trimmed() -> errors.Trimmed:
    return errors.Trimmed("gone", operation="dynamodb-streams.GetRecords", aws_code="TrimmedDataAccessException")
