"""One table's items, read and written: the only call sites of the hot operations."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from portability import errors
from portability.aws.answers import INDEFINITE
from portability.aws.attributes import RawItem
from portability.aws.dynamodb import Condition, Dynamo, Page
from portability.aws.items import Items
from portability.retry import Retry
from portability.stores.base import Key
from portability.stores.dynamodb import page_size
from portability.stores.dynamodb.layout import Index, KeyId, Layout
from portability.stores.throttle import PAGE_RCU, Lanes, Ticket

T = TypeVar("T")

GET_AT_ONCE = 100  # keys; AWS: BatchGetItem
WRITE_AT_ONCE = 25  # requests; AWS: BatchWriteItem. 25 items of at most 400 KB stay below its 16 MB
SIDE_BY_SIDE = 4  # batches of one `write` that are on their way: a unit alone does not fill the pool
WORTH_HELP = 0.005  # seconds an answer takes from which on another thread writes beside; below, they only hinder
REFUSED = (errors.Throttled, errors.TransactionConflict, errors.EndpointDown)
"""Answers to a write after which nothing was done, and nothing will be."""


@dataclass
class Written:
    """What became of a set of writes: each key is in exactly one of the four."""

    put: int = 0
    deleted: int = 0
    unwritable: list[tuple[Key, str]] = field(default_factory=list)  # refused by the service for what it is
    indefinite: list[Key] = field(default_factory=list)  # may land at any time within the horizon
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, put: int, deleted: int) -> None:
        """Add acknowledged writes, from any thread."""
        with self._lock:
            self.put += put
            self.deleted += deleted


@dataclass(frozen=True)
class Plane:
    """One table's items, their attributes undecoded. Reads are consistent unless asked otherwise. Thread-safe."""

    table: str
    layout: Layout
    dynamo: Dynamo
    items: Items
    retry: Retry
    lanes: Lanes = field(default_factory=Lanes)  # through which every request goes
    image: Callable[[RawItem], RawItem] | None = None  # what is read is shown as this; keys are never mapped
    monotonic: Callable[[], float] = time.monotonic

    def partition(
        self,
        partition: str,
        start: Key | None = None,
        *,
        names: Sequence[str] = (),
        limit: int | None = None,
        consistent: bool = True,
        backward: bool = False,
    ) -> Page:
        """One page of one partition, from its last key on where `backward`."""
        condition = Condition("#p = :p", {"#p": self.layout.partition_key}, {":p": {"S": partition}})
        return self._page(
            lambda most: self.items.query(
                self.table,
                condition,
                start=start,
                keys_only=names,
                limit=most,
                consistent=consistent,
                backward=backward,
            ),
            limit,
        )

    def segment(
        self,
        segment: int,
        of: int,
        start: Key | None = None,
        *,
        names: Sequence[str] = (),
        limit: int | None = None,
        consistent: bool = True,
    ) -> Page:
        """One page of one segment, every tenant's items in it."""
        return self._page(
            lambda most: self.items.scan(
                self.table, segment=segment, of=of, start=start, keys_only=names, limit=most, consistent=consistent
            ),
            limit,
        )

    def listed(self, index: Index, start: Key | None = None, *, limit: int | None = None) -> Page:
        """One page of the tenant's keys as an index lists them: eventually consistent."""
        condition = Condition("#p = :p", {"#p": index.attribute}, {":p": {"S": self.layout.tenant}})
        return self._page(
            lambda most: self.items.query(
                self.table,
                condition,
                start=start,
                index=index.name,
                consistent=False,
                keys_only=self.layout.key_names,
                limit=most,
            ),
            limit,
        )

    def _page(self, read: Callable[[int | None], Page], limit: int | None) -> Page:
        most = self.lanes.read.fit(limit or page_size.MOST)
        ticket = self.lanes.read.admit(most, PAGE_RCU)
        try:
            page = read(None if most == page_size.MOST else most)
        except errors.Throttled:
            ticket.throttled()
            raise
        ticket.settle(page.rcu, items=len(page.items))
        return page if self.image is None else replace(page, items=[self.image(item) for item in page.items])

    def present(self, keys: Sequence[Key], *, names: Sequence[str] = ()) -> dict[KeyId, RawItem]:
        """The items of these keys that exist, by key. A key that is missing here was answered and is absent."""
        waiting = {self.layout.key_id(key): self.layout.key(key) for key in keys}
        found: dict[KeyId, RawItem] = {}
        failures = 0
        while waiting:
            asked = dict(list(waiting.items())[: self.lanes.read.fit(GET_AT_ONCE)])
            ticket = self.lanes.read.admit(len(asked))
            items, left, rcu = self.items.batch_get(self.table, list(asked.values()), keys_only=names)
            found |= {self.layout.key_id(item): item for item in items}
            unanswered = {self.layout.key_id(key) for key in left}
            if unanswered:
                ticket.throttled(rcu)
            else:
                ticket.settle(rcu)
            for key in asked.keys() - unanswered:
                del waiting[key]
            failures = 0 if len(unanswered) < len(asked) else failures + 1
            if unanswered:
                self._pause(failures, "dynamodb.BatchGetItem")
        return found if self.image is None else {key_id: self.image(item) for key_id, item in found.items()}

    def write(
        self,
        puts: Sequence[RawItem] = (),
        deletes: Sequence[Key] = (),
        *,
        canaries: bool = False,
        pool: Executor | None = None,
        into: Written | None = None,
    ) -> Written:
        """Put items and delete keys, in batches (side by side in `pool`); no key may occur twice.

        Only unprocessed requests are sent again. `into` holds what became of the writes even when this raises: it
        raises `ValueError` before anything is sent if a key is not this tenant's, and what the service raises for
        reasons that are not one item's (throttling to the end, a lost lease, no permission).
        """
        self.layout.guard([*self.layout.one_a_partition(puts), *deletes], canaries=canaries)
        written = Written() if into is None else into
        lane, batches = self.lanes.write, deque(batched(puts, deletes, self.lanes.write.fit(WRITE_AT_ONCE)))
        turn = threading.Lock()

        def go_on(*, once: bool = False) -> None:
            try:
                while batches:
                    with turn:  # batches of one `write` are admitted one after the other
                        if not batches:
                            return
                        some_puts, some_deletes = batches.popleft()
                        ticket = lane.admit(len(some_puts) + len(some_deletes))
                    self._write_batch(some_puts, some_deletes, written, ticket)
                    if once:
                        return
            except BaseException:
                batches.clear()  # the others end with what they have begun
                raise

        # This thread writes too, and needs no other to come to an end: a full pool only means that it is alone.
        helpers: list[Future[None]] = []
        try:
            while batches:
                began = self.monotonic()
                go_on(once=True)
                slow = self.monotonic() - began > WORTH_HELP
                if pool is not None and slow and len(helpers) < min(SIDE_BY_SIDE - 1, len(batches)):
                    helpers.append(pool.submit(go_on))
        finally:
            # All of them, also when one failed: nothing may be in flight once the keys are let go.
            begun = [each for each in helpers if not each.cancel()]
            wait(begun)
        for each in begun:
            each.result()
        return written

    def _write_batch(
        self, puts: Sequence[RawItem], deletes: Sequence[Key], written: Written, ticket: Ticket | None = None
    ) -> None:
        failures = 0
        while puts or deletes:
            admitted, ticket = ticket or self.lanes.write.again(len(puts) + len(deletes)), None
            try:
                left_puts, left_deletes = self._send(puts, deletes, admitted)
            except REFUSED:
                failures += 1
                if failures >= self.retry.attempts:
                    raise
                self.retry.sleep(self.retry.pause(failures))
                continue
            except INDEFINITE:
                written.indefinite += [self.layout.key(each) for each in [*puts, *deletes]]
                return
            except errors.BadRequest as refusal:
                self._write_singly(puts, deletes, written, refusal)
                return
            written.count(len(puts) - len(left_puts), len(deletes) - len(left_deletes))
            moved = len(left_puts) + len(left_deletes) < len(puts) + len(deletes)
            failures = 0 if moved else failures + 1
            puts, deletes = left_puts, left_deletes
            if puts or deletes:
                self._pause(failures, "dynamodb.BatchWriteItem")

    def _send(
        self, puts: Sequence[RawItem], deletes: Sequence[Key], ticket: Ticket
    ) -> tuple[Sequence[RawItem], Sequence[Key]]:
        """One request; what it left undone. Its ticket is settled, whatever the answer."""
        try:
            left_puts, left_deletes, wcu = self.items.batch_write(self.table, puts, deletes)
        except errors.Throttled:
            ticket.throttled()
            raise
        except INDEFINITE:
            ticket.settle(None)
            raise
        except errors.PortabilityError:
            ticket.settle(0.0)
            raise
        if left_puts or left_deletes:
            ticket.throttled(wcu)
        else:
            ticket.settle(wcu)
        return left_puts, left_deletes

    def _write_singly(
        self, puts: Sequence[RawItem], deletes: Sequence[Key], written: Written, refusal: errors.BadRequest
    ) -> None:
        # One bad item refuses its whole batch, and nothing of it was written: the others are good alone.
        if len(puts) + len(deletes) == 1:
            written.unwritable.append((self.layout.key((*puts, *deletes)[0]), _reason(refusal)))
            return
        for item in puts:
            self._write_batch([item], [], written)
        for key in deletes:
            self._write_batch([], [key], written)

    def _pause(self, failures: int, operation: str) -> None:
        if failures >= self.retry.attempts:
            raise errors.Throttled(
                f"{self.table} took nothing in {failures} attempts",
                operation=operation,
                aws_code="Unprocessed",
                next=errors.AGAIN,
            )
        self.retry.sleep(self.retry.pause(max(1, failures)))


def _reason(refusal: errors.BadRequest) -> str:
    """Why the service refuses an item, in our words where they are known: its own may quote what a tenant wrote."""
    known = {"Item size": "larger than 400 KB", "Type mismatch for Index Key": "an index key of another type"}
    said = next((words for part, words in known.items() if part in refusal.what), "")
    return said or refusal.aws_code or "refused"


def batched(
    puts: Sequence[RawItem], deletes: Sequence[Key], size: int
) -> Iterator[tuple[Sequence[RawItem], Sequence[Key]]]:
    """(puts, deletes), of at most `size` together and all but the last of exactly that."""
    mixed = len(puts) // size * size
    yield from ((some, ()) for some in chunks(puts[:mixed], size))
    room = size - len(puts[mixed:])
    if room < size or deletes:
        yield puts[mixed:], deletes[:room]
    yield from (((), some) for some in chunks(deletes[room:], size))


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Slices of at most `size`."""
    return (values[at : at + size] for at in range(0, len(values), size))


def distinct(layout: Layout, keys: Sequence[Mapping[str, Any]]) -> list[Key]:
    """The keys without repeats, in order."""
    return list({layout.key_id(key): layout.key(key) for key in keys}.values())
