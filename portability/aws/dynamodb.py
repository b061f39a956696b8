"""DynamoDB: items and tables, in attribute-value JSON, with errors translated by code.

Source: DynamoDB API 2012-08-10 (GetItem, PutItem, UpdateItem, DeleteItem, Query, Scan, BatchGetItem, BatchWriteItem,
TransactWriteItems, DescribeTable, CreateTable, UpdateTable, TimeToLive, ContinuousBackups, TagResource).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portability.aws.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""Attribute-value JSON: `{"pk": {"S": "…"}, "n": {"N": "1"}}`; binary as bytes."""


@dataclass(frozen=True)
class Page:
    """One page of a query or scan; `next` is the exclusive start key of the following one, None at the end."""

    items: list[Item]
    next: Item | None
    rcu: float


@dataclass(frozen=True)
class Condition:
    """A condition in expression form; names and values are always placeholders, never concatenated."""

    expression: str
    names: dict[str, str]
    values: dict[str, Any]


class Dynamo:
    """One region and role. Thread-safe. Retries are the caller's, except that reads retry by the session's policy.

    Every write method makes exactly one HTTP attempt, so that a missing answer is seen as `NoDefiniteAnswer`.
    """

    def __init__(self, client: DynamoDBClient, call: Caller) -> None:
        self._client = client
        self._call = call

    def get(self, table: str, key: Item) -> Item | None:
        """Strongly consistent GetItem."""
        raise NotImplementedError

    def put(self, table: str, item: Item, condition: Condition | None = None) -> None:
        """PutItem; `ConditionFailed.old[0]` is the item as it stood."""
        raise NotImplementedError

    def update(  # noqa: PLR0917 - the API's own order
        self, table: str, key: Item, expression: str, names: dict[str, str], values: dict[str, Any], condition: str = ""
    ) -> Item:
        """UpdateItem; returns ALL_NEW. `ConditionFailed.old[0]` is the item as it stood."""
        raise NotImplementedError

    def delete(self, table: str, key: Item, condition: Condition | None = None) -> None:
        """DeleteItem."""
        raise NotImplementedError

    def query(
        self,
        table: str,
        key_condition: Condition,
        *,
        start: Item | None = None,
        limit: int | None = None,
        index: str | None = None,
        consistent: bool = True,
        count_only: bool = False,
        keys_only: Sequence[str] = (),
    ) -> Page:
        """One page. `keys_only` projects these attributes. A GSI is never read consistently."""
        raise NotImplementedError

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
        raise NotImplementedError

    def batch_get(
        self, table: str, keys: Sequence[Item], *, keys_only: Sequence[str] = ()
    ) -> tuple[list[Item], list[Item]]:
        """One strongly consistent BatchGetItem of at most 100 distinct keys: (items, unprocessed keys)."""
        raise NotImplementedError

    def batch_write(self, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """One BatchWriteItem, at most 25 requests, one attempt: (unprocessed puts, unprocessed deletes).

        Raises `NoDefiniteAnswer`, `Throttled`, `BadRequest`.
        """
        raise NotImplementedError

    def transact(self, items: Sequence[dict[str, Any]], *, token: str) -> None:
        """One TransactWriteItems of `TransactItems` members with a ClientRequestToken.

        Raises `ConditionFailed` with `old`/`failed` per member, `TransactionConflict`, `NoDefiniteAnswer`.
        """
        raise NotImplementedError

    def describe(self, table: str) -> dict[str, Any] | None:
        """DescribeTable's `Table`, or None where there is none."""
        raise NotImplementedError

    def tables(self) -> Iterator[str]:
        """ListTables, every page."""
        raise NotImplementedError

    def create_table(self, **request: Any) -> None:
        """CreateTable; `AlreadyExists` where it is there. Does not wait."""
        raise NotImplementedError

    def update_table(self, **request: Any) -> None:
        """UpdateTable. Does not wait."""
        raise NotImplementedError

    def delete_table(self, table: str) -> None:
        """DeleteTable; `NotFound` where there is none. Does not wait."""
        raise NotImplementedError

    def ttl(self, table: str) -> str | None:
        """The enabled TTL attribute's name, or None."""
        raise NotImplementedError

    def enable_ttl(self, table: str, attribute: str) -> None:
        """Ensure TTL on an attribute."""
        raise NotImplementedError

    def pitr(self, table: str) -> bool | None:
        """Whether point-in-time recovery is on; None where the engine lacks it."""
        raise NotImplementedError

    def enable_pitr(self, table: str) -> None:
        """Ensure PITR; nothing where the engine lacks it."""
        raise NotImplementedError

    def tags(self, arn: str) -> dict[str, str] | None:
        """The table's tags; None where the engine lacks them."""
        raise NotImplementedError

    def tag(self, arn: str, tags: dict[str, str]) -> None:
        """Ensure tags; nothing where the engine lacks them."""
        raise NotImplementedError

    def kinesis_destinations(self, table: str) -> list[str]:
        """ARNs of active Kinesis streaming destinations; [] where the engine lacks them."""
        raise NotImplementedError
