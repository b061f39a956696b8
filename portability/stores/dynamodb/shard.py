"""One shard of a stream, read once for all who follow it.

A cursor is a place in the shard that is read from; whoever follows the shard stands at one. Those who begin elsewhere
(pinned earlier, resumed, or held up by their own destination) have a cursor of their own until it meets another's:
then the two are one. Sequence numbers are compared as integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from portability.aws.streams import Batch, Reader, Record, Streams
from portability.stores.dynamodb.allowance import Allowance

TRIM_HORIZON = "TRIM_HORIZON"
PAGE_BYTES = 400_000.0
"""What one call may bring on average. AWS: 2 MB a second and 5 calls a second of a shard."""


@dataclass
class Read:
    """What came of one shard since it was last asked for: the follower's own records, and where it stands now."""

    shard: str
    records: list[Record]
    position: str | None  # the last sequence number read, whoever's; None where there was none
    closed: bool = False
    tip: float | None = None  # monotonic seconds at which nothing was behind it; None where something was
    newest: int | None = None  # epoch seconds of the last record read, whoever's
    foreign: int = 0  # records of others, dropped by their key
    trimmed: bool = False  # its place was gone: it was read anew from what is left

    def add(self, later: Read) -> None:
        """What came behind it."""
        self.records += later.records
        self.position = later.position if later.position is not None or later.trimmed else self.position
        self.closed = later.closed
        self.tip = self.tip if later.tip is None else later.tip
        self.newest = self.newest if later.newest is None else later.newest
        self.foreign += later.foreign
        self.trimmed = self.trimmed or later.trimmed


class Listener(Protocol):
    """Who follows a stream."""

    @property
    def full(self) -> bool:
        """Whether it wants no more for now."""

    def sift(self, records: Sequence[Record]) -> list[Record]:
        """The records that are its own."""

    def hear(self, read: Read) -> None:
        """Take what came."""


@dataclass
class Follower:
    """A listener's place: `number` is the last sequence number behind it, -1 for the beginning of the shard."""

    listener: Listener
    place: str
    number: int


@dataclass
class Cursor:
    """One place that is read from, and who stands there."""

    place: str
    number: int
    followers: list[Follower]
    reader: Reader | None = None
    empty: float | None = None  # monotonic seconds at which the last page was asked for, where it was empty

    @property
    def wanted(self) -> bool:
        """Whether anybody here takes more."""
        return any(not follower.listener.full for follower in self.followers)

    def tip(self, batch: Batch, asked: float, *, at_tip: bool) -> float | None:
        """`Read.tip` of a page asked for at `asked`, the pages taken in order.

        The first of two empty pages was the tip. AWS: GetRecords may give empty pages before one with records.
        """
        before, self.empty = self.empty, None if batch.records else asked
        if not batch.records and not batch.closed:
            return before
        return asked if at_tip else None


def number_of(place: str) -> int:
    """The last sequence number that is behind a place."""
    kind, _, number = place.partition(":")
    return -1 if kind == TRIM_HORIZON else int(number) - (kind == "AT")


@dataclass
class SharedShard:
    """The cursors of one shard. Not thread-safe: `StreamReader` lets one thread at it at a time."""

    id: str
    allowance: Allowance
    due: float  # monotonic seconds of the next look
    not_before: float = 0.0  # what its limits allow
    interval: float = 0.0
    busy: bool = False
    failures: int = 0
    failing: tuple[float, Exception] | None = None  # since when, and the last
    cursors: list[Cursor] = field(default_factory=list)

    def join(self, listener: Listener, place: str) -> None:
        """Follow from a place (`AT:<number>`, `AFTER:<number>`, `TRIM_HORIZON`)."""
        self._place(Follower(listener, place, number_of(place)))

    def leave(self, listener: Listener) -> None:
        """Follow no more."""
        for cursor in self.cursors:
            cursor.followers = [each for each in cursor.followers if each.listener is not listener]
        self.cursors = [cursor for cursor in self.cursors if cursor.followers]

    def follows(self, listener: Listener) -> bool:
        """Whether this listener follows it."""
        return any(each.listener is listener for cursor in self.cursors for each in cursor.followers)

    def next(self) -> Cursor | None:
        """The cursor to read now, each in its turn; who is full stays behind at its own place."""
        for cursor in list(self.cursors):
            if cursor.wanted:
                self.cursors.remove(cursor)
                self.cursors.append(cursor)
                for follower in [each for each in cursor.followers if each.listener.full]:
                    cursor.followers.remove(follower)
                    self._place(follower, apart=cursor)
                return cursor
        return None

    @property
    def behind(self) -> bool:
        """Whether somebody who takes more stands elsewhere than the others."""
        return sum(cursor.wanted for cursor in self.cursors) > 1

    def read(self, cursor: Cursor, streams: Streams, arn: str) -> Batch:
        """One page of a cursor. Raises what `Reader.read` raises."""
        if cursor.reader is None:
            kind, _, number = cursor.place.partition(":")
            cursor.reader = streams.records(
                arn,
                self.id,
                at=number if kind == "AT" else None,
                after=number if kind == "AFTER" else None,
                trim_horizon=kind == TRIM_HORIZON,
            )
        return cursor.reader.read()

    def trimmed(self, cursor: Cursor) -> None:
        """The place is gone: begin with what is left, and say so."""
        if cursor not in self.cursors:
            return
        cursor.place, cursor.number, cursor.reader, cursor.empty = TRIM_HORIZON, -1, None, None
        for follower in cursor.followers:
            follower.place, follower.number = TRIM_HORIZON, -1
            follower.listener.hear(Read(self.id, [], None, trimmed=True))

    def deal(self, cursor: Cursor, batch: Batch, tip: float | None) -> None:
        """Give every follower what is new to it."""
        if cursor not in self.cursors:
            return  # everybody left while it was read
        before = cursor.number
        if batch.records:
            last = batch.records[-1].sequence
            cursor.place, cursor.number = f"AFTER:{last}", int(last)
        self._meet(cursor, before, batch)
        newest = max((record.created for record in batch.records), default=None)
        for follower in cursor.followers:
            records: Sequence[Record] = batch.records
            if follower.number > before:
                records = [record for record in records if int(record.sequence) > follower.number]
            mine = follower.listener.sift(records)
            follower.place, follower.number = cursor.place, cursor.number
            follower.listener.hear(
                Read(self.id, mine, batch.position, batch.closed, tip, newest, len(records) - len(mine))
            )
        if batch.closed:
            self.cursors.remove(cursor)

    def _meet(self, cursor: Cursor, before: int, batch: Batch) -> None:
        """Take in whoever stands where nothing was missed between `before` and the end of this page."""
        # What lies before the first record at the horizon may have been trimmed: who stands there must hear of it.
        first = int(batch.records[0].sequence) if batch.records and before < 0 else before
        for other in list(self.cursors):
            met = other.number == before or first <= other.number <= cursor.number
            if met and other is not cursor and other.wanted:
                cursor.followers += other.followers
                self.cursors.remove(other)

    def spend(self, size: int = 0) -> float:
        """Count a call; seconds until the next one is allowed."""
        return self.allowance.spend(max(1.0, size / PAGE_BYTES))

    def _place(self, follower: Follower, apart: Cursor | None = None) -> None:
        for cursor in self.cursors:
            if cursor is not apart and cursor.number == follower.number:
                cursor.followers.append(follower)
                return
        self.cursors.append(Cursor(follower.place, follower.number, [follower]))
