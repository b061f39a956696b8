"""`Items` whose batch writes go wrong in a chosen way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from portability import errors
from portability.aws.attributes import plain_item
from portability.aws.dynamodb import Wrote
from portability.aws.items import Items

Item = dict[str, Any]
Requests = tuple[Sequence[Item], Sequence[Item]]
Fault = Callable[["Faulty", str, Sequence[Item], Sequence[Item]], Wrote]


class Faulty:
    """Delegates; `batch_write` goes through `fault` while there is one."""

    def __init__(self, items: Items, fault: Fault | None = None) -> None:
        self.items = items
        self.fault = fault
        self.calls: list[Requests] = []
        self.held: list[tuple[str, Sequence[Item], Sequence[Item]]] = []  # on their way, not landed
        self.lock = threading.Lock()

    def batch_write(self, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
        with self.lock:
            self.calls.append(([plain_item(item) for item in puts], list(deletes)))
            fault = self.fault
        if fault is None:
            return self.items.batch_write(table, puts, deletes)
        return fault(self, table, puts, deletes)

    def land(self) -> None:
        """What was on its way lands now."""
        with self.lock:
            held, self.held = self.held, []
        for table, puts, deletes in held:
            self.items.batch_write(table, puts, deletes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.items, name)


def lost(faulty: Faulty, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
    """The request is on its way, and nobody hears of it: it lands when `land` is called. Once."""
    with faulty.lock:
        faulty.held.append((table, list(puts), list(deletes)))
        faulty.fault = None
    raise no_answer()


def half(faulty: Faulty, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
    """Half of the requests are not processed, in every answer to more than one."""
    keep_puts, keep_deletes = (len(puts) + 1) // 2, (len(deletes) + 1) // 2
    faulty.items.batch_write(table, puts[:keep_puts], deletes[:keep_deletes])
    return Wrote(list(puts[keep_puts:]), list(deletes[keep_deletes:]), 0.0)


def none(faulty: Faulty, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
    """Nothing is ever processed."""
    return Wrote(list(puts), list(deletes), 0.0)


def silent(faulty: Faulty, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
    """No request is ever answered, and none arrives."""
    raise no_answer()


def throttled(faulty: Faulty, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
    """Every request is refused."""
    raise errors.Throttled("throttled", operation="dynamodb.BatchWriteItem", aws_code="ThrottlingException")


def picky(word: str) -> Fault:
    """A batch with an item whose value is `word` is refused whole, as for an index key of another type."""

    def fault(faulty: Faulty, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
        if any(plain_item(item)["value"] == {"S": word} for item in puts):
            raise errors.BadRequest("refused", operation="dynamodb.BatchWriteItem", aws_code="ValidationException")
        return faulty.items.batch_write(table, puts, deletes)

    return fault


def no_answer() -> errors.NoDefiniteAnswer:
    return errors.NoDefiniteAnswer("no answer", operation="dynamodb.BatchWriteItem", aws_code="ReadTimeout")
