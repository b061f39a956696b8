"""DynamoDB Streams: shards and the keys of their records, never the images.

Source: DynamoDB Streams API 2012-08-10 (DescribeStream, GetShardIterator, GetRecords). A sequence number is text,
compared as an integer only; an iterator lives 15 minutes; a record lives 24 hours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from portability import errors
from portability.aws.caller import Caller
from portability.aws.records import GetRecords, RecordsPage, StreamRecord
from portability.aws.wire import heard_at

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_dynamodbstreams.type_defs import ShardTypeDef

MOST = 1000  # records a page
SAFE = 23 * 3600.0  # seconds between two answers in which no record can have come and been trimmed

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """One shard; `first` and `last` are sequence numbers as text, `last` only when the shard is closed."""

    id: str
    parent: str | None
    open: bool
    first: str | None
    last: str | None


class Record(msgspec.Struct, frozen=True, gc=False):
    """That a key changed: `sequence` is text, `created` is epoch seconds as the service gives them.

    AWS rounds `created` down to the second, DynamoDB Local down to the *minute*: a record may be younger than it says.
    """

    keys: dict[str, Any]  # attribute-value JSON
    sequence: str
    created: int
    event: str  # INSERT, MODIFY or REMOVE
    by_ttl: bool = False  # DynamoDB itself deleted an expired item. AWS: userIdentity of the record


@dataclass(frozen=True)
class Batch:
    """One page: `position` is the last sequence number read so far, None before the first; no page follows `closed`.

    `size` is the answer's bytes where the service said so: it is what the limit of a shard counts.
    """

    records: list[Record]
    position: str | None
    closed: bool
    size: int = field(default=0, compare=False)


class Streams:
    """Streams of one region and role. Thread-safe."""

    def __init__(self, client: DynamoDBStreamsClient, call: Caller, get_records: GetRecords) -> None:
        self._client = client
        self._call = call
        self._get_records = get_records

    def status(self, arn: str) -> str | None:
        """ENABLING, ENABLED, DISABLING or DISABLED; None where there is no such stream."""
        try:
            return self._call(self._client.describe_stream, StreamArn=arn, Limit=1)["StreamDescription"]["StreamStatus"]
        except errors.NotFound:
            return None

    def describe(self, arn: str, *, before: Callable[[], None] = lambda: None) -> list[Shard]:
        """Every shard of every page, in the service's order. Raises `NotFound` where there is no such stream.

        `before` is called before each page. AWS: DescribeStream, 100 shards a page, 10 calls a second in an account.
        """
        shards: list[Shard] = []
        request: dict[str, Any] = {"StreamArn": arn}
        while True:
            before()
            description = self._call(self._client.describe_stream, **request)["StreamDescription"]
            shards += [_shard(found) for found in description.get("Shards", [])]
            following = description.get("LastEvaluatedShardId")
            if not following:
                return shards
            request["ExclusiveStartShardId"] = following

    def records(
        self,
        arn: str,
        shard: str,
        *,
        after: str | None = None,
        at: str | None = None,
        trim_horizon: bool = False,
        latest: bool = False,
        limit: int = MOST,
    ) -> Reader:
        """A reader of one shard, from exactly one of four places; nothing is asked before its first `read`.

        `after` and `at` are sequence numbers, `trim_horizon` is the oldest record there is, `latest` is behind the
        newest. `limit` is records a page, at most 1000. Raises `ValueError` for none or two places.
        """
        places = {
            "AFTER_SEQUENCE_NUMBER": after is not None,
            "AT_SEQUENCE_NUMBER": at is not None,
            "TRIM_HORIZON": trim_horizon,
            "LATEST": latest,
        }
        chosen = [place for place, is_chosen in places.items() if is_chosen]
        if len(chosen) != 1:
            msg = f"a reader starts at exactly one place, not at {chosen or 'none'}"
            raise ValueError(msg)
        return Reader(
            self._client,
            self._call,
            self._get_records,
            arn=arn,
            shard=shard,
            place=chosen[0],
            number=after or at,
            limit=limit,
        )


class Reader:
    """Reads one shard page by page and keeps its place. For one thread.

    An expired iterator is renewed behind the last record that was read. Where that record, or the shard, or the place
    itself is gone, `read` raises `Trimmed`: records may have been missed, and what they changed must be compared anew.
    """

    def __init__(
        self,
        client: DynamoDBStreamsClient,
        call: Caller,
        get_records: GetRecords,
        *,
        arn: str,
        shard: str,
        place: str,
        number: str | None,
        limit: int,
    ) -> None:
        self._client = client
        self._call = call
        self._get_records = get_records
        self._arn = arn
        self._shard = shard
        self._place = place
        self._number = number
        self._limit = limit
        self._iterator: str | None = None
        self._position = number if place == "AFTER_SEQUENCE_NUMBER" else None
        self._closed = False
        self._heard: float | None = None

    @property
    def position(self) -> str | None:
        """The last sequence number that was read, or the one this reader starts after; None where there is none yet."""
        return self._position

    def open(self) -> None:
        """Ask for the iterator now, not with the first page: a reader at `latest` takes its place here.

        AWS does not say that LATEST is fixed by this call. A pin that must miss nothing starts at `trim_horizon`, or
        `at` the shard's first number, and drops what was created before.
        """
        if self._iterator is None and not self._closed:
            self._iterator = self._take()

    def read(self) -> Batch:
        """The next page; an empty one does not mean that the end was reached, `closed` does.

        Raises `Trimmed`, `Throttled` (more than two readers of a shard), `Unavailable`, `Unauthorised`.
        """
        if self._closed:
            return Batch([], self._position, closed=True)
        self.open()
        try:
            page = self._ask()
        except errors.BadRequest as error:
            if error.aws_code != "ExpiredIteratorException":
                raise
            page = self._renew()
        records = [_record(found) for found in page.records]
        if records:
            self._place, self._number = "AFTER_SEQUENCE_NUMBER", records[-1].sequence
            self._position = self._number
        self._iterator = page.next
        self._closed = self._iterator is None
        return Batch(records, self._position, self._closed, page.size)

    def _take(self) -> str:
        request: dict[str, Any] = {"StreamArn": self._arn, "ShardId": self._shard, "ShardIteratorType": self._place}
        if self._number is not None:
            request["SequenceNumber"] = self._number
        answer = self._lost_if_missing(lambda: self._call(self._client.get_shard_iterator, **request))
        self._heard = heard_at(answer["ResponseMetadata"]["HTTPHeaders"])
        return answer["ShardIterator"]

    def _ask(self) -> RecordsPage:
        iterator = self._iterator or ""
        page = self._lost_if_missing(lambda: self._get_records(iterator, self._limit))
        self._heard = page.heard
        return page

    def _renew(self) -> RecordsPage:
        before = self._heard
        if self._place == "LATEST":
            raise self._lost("its iterator expired before the first record gave a number")
        self._iterator = self._take()
        if self._place == "TRIM_HORIZON" and (not before or not self._heard or self._heard - before > SAFE):
            raise self._lost("nothing was read for so long that records may be gone unseen")
        return self._ask()

    def _lost_if_missing(self, effect: Callable[[], T]) -> T:
        try:
            return effect()
        except errors.NotFound as error:
            raise self._lost("the shard is gone", error.aws_code) from None

    def _lost(self, why: str, aws_code: str = "ExpiredIteratorException") -> errors.Trimmed:
        return errors.Trimmed(
            f"the position in shard {self._shard} of {self._arn} is lost: {why}",
            operation="dynamodb-streams.GetRecords",
            aws_code=aws_code,
        )


def _shard(found: ShardTypeDef) -> Shard:
    numbers = found.get("SequenceNumberRange", {})
    last = numbers.get("EndingSequenceNumber")
    return Shard(
        id=found.get("ShardId", ""),
        parent=found.get("ParentShardId"),
        open=last is None,
        first=numbers.get("StartingSequenceNumber"),
        last=last,
    )


def _record(found: StreamRecord) -> Record:
    change = found.dynamodb
    return Record(
        keys=found.keys,
        sequence=change.sequence_number,
        created=int(change.approximate_creation_date_time),
        event=found.event_name,
        by_ttl=found.by_ttl,
    )
