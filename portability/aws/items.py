"""The hot operations: items read and written in bulk, their attributes undecoded.

Two clients carry them, with the same answers and errors: `wire.WireItems`, and `BotoItems` where the set-up asks for
what our own client does not do (`route.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from portability.aws.attributes import RawItem, plain_item, raw_item
from portability.aws.dynamodb import Dynamo, Got, Item, Page, Wrote
from portability.aws.requests import Condition


class Items(Protocol):
    """Items of one region and role, by table. Thread-safe.

    Items are `RawItem`; keys, given and answered, are plain (binary as bytes). Reads are repeated by the session's
    policy; a write is one HTTP attempt (see `Caller` for what each error means). Units are those that the service says
    it took, indexes included.
    """

    def query(
        self,
        table: str,
        key_condition: Condition,
        *,
        start: Item | None = None,
        limit: int | None = None,
        index: str | None = None,
        consistent: bool = True,
        keys_only: Sequence[str] = (),
        backward: bool = False,
    ) -> Page:
        """One page, from the last key on where `backward`. `keys_only` projects these attributes.

        A GSI is never read consistently.
        """

    def scan(
        self,
        table: str,
        *,
        segment: int = 0,
        of: int = 1,
        start: Item | None = None,
        limit: int | None = None,
        consistent: bool = True,
        keys_only: Sequence[str] = (),
    ) -> Page:
        """One page of one segment."""

    def batch_get(self, table: str, keys: Sequence[Item], *, keys_only: Sequence[str] = ()) -> Got:
        """One strongly consistent BatchGetItem of at most 100 distinct keys."""

    def batch_write(self, table: str, puts: Sequence[RawItem], deletes: Sequence[Item]) -> Wrote:
        """One BatchWriteItem of at most 25 requests, one attempt.

        Raises `NoDefiniteAnswer`, `Unavailable`, `Throttled`, `BadRequest`, `EndpointDown`.
        """

    def close(self) -> None:
        """Close its connections: for a `fresh` one only, the others are shared."""


class BotoItems:
    """`Items` by boto3. Thread-safe."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    def close(self) -> None:
        """See `Items`."""
        self._dynamo.close()

    def query(
        self,
        table: str,
        key_condition: Condition,
        *,
        start: Item | None = None,
        limit: int | None = None,
        index: str | None = None,
        consistent: bool = True,
        keys_only: Sequence[str] = (),
        backward: bool = False,
    ) -> Page:
        """See `Items`."""
        return _raw(
            self._dynamo.query(
                table,
                key_condition,
                start=start,
                limit=limit,
                index=index,
                consistent=consistent,
                keys_only=keys_only,
                backward=backward,
            )
        )

    def scan(
        self,
        table: str,
        *,
        segment: int = 0,
        of: int = 1,
        start: Item | None = None,
        limit: int | None = None,
        consistent: bool = True,
        keys_only: Sequence[str] = (),
    ) -> Page:
        """See `Items`."""
        return _raw(
            self._dynamo.scan(
                table, segment=segment, of=of, start=start, limit=limit, consistent=consistent, keys_only=keys_only
            )
        )

    def batch_get(self, table: str, keys: Sequence[Item], *, keys_only: Sequence[str] = ()) -> Got:
        """See `Items`."""
        got = self._dynamo.batch_get(table, keys, keys_only=keys_only)
        return got._replace(items=[raw_item(item) for item in got.items])

    def batch_write(self, table: str, puts: Sequence[RawItem], deletes: Sequence[Item]) -> Wrote:
        """See `Items`."""
        wrote = self._dynamo.batch_write(table, [plain_item(item) for item in puts], deletes)
        return wrote._replace(puts=[raw_item(item) for item in wrote.puts])


def _raw(page: Page) -> Page:
    items: list[Item] = [raw_item(item) for item in page.items]
    return Page(items=items, next=page.next, rcu=page.rcu, count=page.count)
