"""DynamoDB: items and tables, in attribute-value JSON, with errors translated by code.

Source: DynamoDB API 2012-08-10 (GetItem, PutItem, UpdateItem, DeleteItem, Query, Scan, BatchGetItem, BatchWriteItem,
TransactWriteItems, DescribeTable, CreateTable, UpdateTable, TimeToLive, ContinuousBackups, TagResource).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from portability import errors
from portability.aws import requests
from portability.aws.caller import Caller
from portability.aws.requests import Condition, at_most, placeholders

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Condition", "Dynamo", "Got", "Item", "Page", "Wrote"]

Item = dict[str, Any]
"""Attribute-value JSON: `{"pk": {"S": "…"}, "n": {"N": "1"}}`; binary as bytes. What `Items` carries is `RawItem`."""

MOST_TOGETHER = 100  # members of a TransactWriteItems
ALL_OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
TTL_ON = frozenset({"ENABLED", "ENABLING"})
KINESIS_ON = frozenset({"ACTIVE", "ENABLING", "UPDATING"})


@dataclass(frozen=True)
class Page:
    """One page of a query or scan; `next` is the exclusive start key of the following one, None at the end.

    `count` is the items that matched, also where `count_only` left `items` empty.
    """

    items: list[Item]
    next: Item | None
    rcu: float
    count: int = 0


class Got(NamedTuple):
    """What a BatchGetItem answered: an asked key that is in neither is absent."""

    items: list[Item]
    left: list[Item]  # unprocessed keys
    rcu: float


class Wrote(NamedTuple):
    """What a BatchWriteItem left undone."""

    puts: list[Item]
    deletes: list[Item]
    wcu: float  # of what was done


class Dynamo:
    """One region and role. Thread-safe. Retries are the caller's, except that reads retry by the session's policy.

    Every write method makes exactly one HTTP attempt, so that a missing answer is seen as `NoDefiniteAnswer`. A 5xx is
    `Unavailable`, and no definite answer either: the service may have acted. Every other error is a definite refusal.
    """

    def __init__(self, client: DynamoDBClient, call: Caller) -> None:
        self._client = client
        self._call = call

    def close(self) -> None:
        """Close its connections: for a `fresh` one only, the others are shared."""
        self._client.close()

    def get(self, table: str, key: Item) -> Item | None:
        """Strongly consistent GetItem."""
        answer = self._call(self._client.get_item, TableName=table, Key=key, ConsistentRead=True)
        return answer.get("Item")

    def put(self, table: str, item: Item, condition: Condition | None = None) -> None:
        """PutItem; `ConditionFailed.old[0]` is the item as it stood."""
        self._call(self._client.put_item, TableName=table, Item=item, **_conditional(condition))

    def update(  # noqa: PLR0917 - the API's own order
        self, table: str, key: Item, expression: str, names: dict[str, str], values: dict[str, Any], condition: str = ""
    ) -> Item:
        """UpdateItem; returns ALL_NEW. `ConditionFailed.old[0]` is the item as it stood."""
        request: dict[str, Any] = {"TableName": table, "Key": key, "UpdateExpression": expression}
        if condition:
            request |= {"ConditionExpression": condition} | ALL_OLD
        answer = self._call(self._client.update_item, **request, **placeholders(names, values), ReturnValues="ALL_NEW")
        return answer["Attributes"]

    def delete(self, table: str, key: Item, condition: Condition | None = None) -> None:
        """DeleteItem; nothing where there is none. `ConditionFailed.old[0]` is the item as it stood."""
        self._call(self._client.delete_item, TableName=table, Key=key, **_conditional(condition))

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
        backward: bool = False,
    ) -> Page:
        """One page, from the last key on where `backward`. `keys_only` projects these attributes.

        A GSI is never read consistently.
        """
        request = requests.query(table, key_condition, start, limit, index, consistent, keys_only, backward=backward)
        if count_only:
            request["Select"] = "COUNT"
        return _page(self._call(self._client.query, **request))

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
        return _page(
            self._call(self._client.scan, **requests.scan(table, segment, of, start, limit, consistent, keys_only))
        )

    def batch_get(self, table: str, keys: Sequence[Item], *, keys_only: Sequence[str] = ()) -> Got:
        """One strongly consistent BatchGetItem of at most 100 distinct keys."""
        if not keys:
            return Got([], [], 0.0)
        answer = self._call(self._client.batch_get_item, **requests.batch_get(table, keys, keys_only))
        left = answer.get("UnprocessedKeys", {}).get(table, {"Keys": []})
        items: list[Item] = list(answer.get("Responses", {}).get(table, []))
        return Got(items, [dict(key) for key in left["Keys"]], _units(answer))

    def batch_write(self, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
        """One BatchWriteItem, at most 25 requests, one attempt.

        Raises `NoDefiniteAnswer`, `Throttled`, `BadRequest`.
        """
        if not puts and not deletes:
            return Wrote([], [], 0.0)
        answer = self._call(self._client.batch_write_item, **requests.batch_write(table, puts, deletes))
        left: list[Any] = list(answer.get("UnprocessedItems", {}).get(table, []))
        return Wrote(
            [request["PutRequest"]["Item"] for request in left if "PutRequest" in request],
            [request["DeleteRequest"]["Key"] for request in left if "DeleteRequest" in request],
            _units(answer),
        )

    def transact(self, items: Sequence[dict[str, Any]], *, token: str) -> None:
        """One TransactWriteItems of `TransactItems` members with a ClientRequestToken.

        At most 100 members; the token is 1 to 36 characters and makes a repetition harmless for 10 minutes. Members
        without `ReturnValuesOnConditionCheckFailure` have no `old`. Raises `ConditionFailed` with `old`/`failed` per
        member, `TransactionConflict`, `NoDefiniteAnswer`.
        """
        at_most(MOST_TOGETHER, len(items), "dynamodb.TransactWriteItems", "")
        self._call(self._client.transact_write_items, TransactItems=list(items), ClientRequestToken=token)

    def describe(self, table: str) -> dict[str, Any] | None:
        """DescribeTable's `Table`, or None where there is none."""
        try:
            return dict(self._call(self._client.describe_table, TableName=table)["Table"])
        except errors.NotFound:
            return None

    def tables(self) -> Iterator[str]:
        """ListTables, every page."""
        pages = self._call.pages(
            self._client.list_tables, answered="LastEvaluatedTableName", asked="ExclusiveStartTableName"
        )
        return (name for page in pages for name in page["TableNames"])

    def create_table(self, **request: Any) -> None:
        """CreateTable; `AlreadyExists` where it is there. Does not wait."""
        self._call(self._client.create_table, **request)

    def update_table(self, **request: Any) -> None:
        """UpdateTable; `AlreadyExists` while another change is under way. Does not wait."""
        self._call(self._client.update_table, **request)

    def delete_table(self, table: str) -> None:
        """DeleteTable; `NotFound` where there is none. Does not wait."""
        self._call(self._client.delete_table, TableName=table)

    def ttl(self, table: str) -> str | None:
        """The enabled TTL attribute's name, or None."""
        found = self._call(self._client.describe_time_to_live, TableName=table)["TimeToLiveDescription"]
        return found.get("AttributeName") if found.get("TimeToLiveStatus") in TTL_ON else None

    def enable_ttl(self, table: str, attribute: str) -> None:
        """Ensure TTL on an attribute. Raises `BadRequest` where another one has it: it is not changed in one step."""
        if self.ttl(table) != attribute:
            wanted = {"Enabled": True, "AttributeName": attribute}
            self._call(self._client.update_time_to_live, TableName=table, TimeToLiveSpecification=wanted)

    def pitr(self, table: str) -> bool | None:
        """Whether point-in-time recovery is on; None where the engine lacks it."""
        try:
            answer = self._call(self._client.describe_continuous_backups, TableName=table)
        except errors.Unsupported:
            return None
        found = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        return found.get("PointInTimeRecoveryStatus") == "ENABLED"

    def enable_pitr(self, table: str) -> None:
        """Ensure PITR; nothing where the engine lacks it. `Unavailable` while a new table is not ready for it."""
        if self.pitr(table) is False:
            wanted = {"PointInTimeRecoveryEnabled": True}
            self._call(self._client.update_continuous_backups, TableName=table, PointInTimeRecoverySpecification=wanted)

    def tags(self, arn: str) -> dict[str, str] | None:
        """The table's tags; None where the engine lacks them."""
        pages = self._call.pages(
            self._client.list_tags_of_resource, answered="NextToken", asked="NextToken", ResourceArn=arn
        )
        try:
            return {tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags", [])}
        except errors.Unsupported:
            return None

    def tag(self, arn: str, tags: dict[str, str]) -> None:
        """Ensure tags; nothing where the engine lacks them. Other tags stay."""
        there = self.tags(arn)
        if there is None:
            return
        missing = [{"Key": key, "Value": value} for key, value in tags.items() if there.get(key) != value]
        if missing:
            self._call(self._client.tag_resource, ResourceArn=arn, Tags=missing)

    def kinesis_destinations(self, table: str) -> list[str]:
        """ARNs of active Kinesis streaming destinations; [] where the engine lacks them."""
        try:
            answer = self._call(self._client.describe_kinesis_streaming_destination, TableName=table)
        except errors.Unsupported:
            return []
        found = answer.get("KinesisDataStreamDestinations", [])
        return [each.get("StreamArn", "") for each in found if each.get("DestinationStatus") in KINESIS_ON]


def _conditional(condition: Condition | None) -> dict[str, Any]:
    if condition is None:
        return {}
    filled = placeholders(condition.names, condition.values)
    return {"ConditionExpression": condition.expression, **filled, **ALL_OLD}


def _page(answer: Any) -> Page:  # noqa: ANN401 - Query and Scan answer in one shape and two types
    return Page(
        items=answer.get("Items", []),
        next=answer.get("LastEvaluatedKey") or None,
        rcu=_units(answer),
        count=int(answer["Count"]),
    )


def _units(answer: Any) -> float:  # noqa: ANN401 - one shape for a page, a list of it for a batch
    told = answer.get("ConsumedCapacity") or []
    return sum(float(one.get("CapacityUnits", 0.0)) for one in (told if isinstance(told, list) else [told]))
