"""DynamoDB: items and tables, in attribute-value JSON, with errors translated by code.

Source: DynamoDB API 2012-08-10 (GetItem, PutItem, UpdateItem, DeleteItem, Query, Scan, BatchGetItem, BatchWriteItem,
TransactWriteItems, DescribeTable, CreateTable, UpdateTable, TimeToLive, ContinuousBackups, TagResource).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portability import errors
from portability.aws.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""Attribute-value JSON: `{"pk": {"S": "…"}, "n": {"N": "1"}}`; binary as bytes."""

MOST_READ = 100  # keys of a BatchGetItem
MOST_WRITTEN = 25  # requests of a BatchWriteItem
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


@dataclass(frozen=True)
class Condition:
    """A condition in expression form; names and values are always placeholders, never concatenated."""

    expression: str
    names: dict[str, str]
    values: dict[str, Any]


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
        answer = self._call(self._client.update_item, **request, **_placeholders(names, values), ReturnValues="ALL_NEW")
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
    ) -> Page:
        """One page. `keys_only` projects these attributes. A GSI is never read consistently."""
        request = _page_request(table, start=start, limit=limit, consistent=consistent and index is None)
        request["KeyConditionExpression"] = key_condition.expression
        if index is not None:
            request["IndexName"] = index
        if count_only:
            request["Select"] = "COUNT"
        projected, names = _projection(keys_only, key_condition.names)
        return _page(
            self._call(self._client.query, **request, **projected, **_placeholders(names, key_condition.values))
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
        """One page of one segment."""
        request = _page_request(table, start=start, limit=limit, consistent=consistent)
        if of > 1:
            request |= {"Segment": segment, "TotalSegments": of}
        projected, names = _projection(keys_only, {})
        return _page(self._call(self._client.scan, **request, **projected, **_placeholders(names, {})))

    def batch_get(
        self, table: str, keys: Sequence[Item], *, keys_only: Sequence[str] = ()
    ) -> tuple[list[Item], list[Item]]:
        """One strongly consistent BatchGetItem of at most 100 distinct keys: (items, unprocessed keys)."""
        if not keys:
            return [], []
        _at_most(MOST_READ, len(keys), "dynamodb.BatchGetItem", table)
        projected, names = _projection(keys_only, {})
        asked = {"Keys": list(keys), "ConsistentRead": True, **projected, **_placeholders(names, {})}
        answer = self._call(self._client.batch_get_item, RequestItems={table: asked})
        left = answer.get("UnprocessedKeys", {}).get(table, {"Keys": []})
        return list(answer.get("Responses", {}).get(table, [])), [dict(key) for key in left["Keys"]]

    def batch_write(self, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """One BatchWriteItem, at most 25 requests, one attempt: (unprocessed puts, unprocessed deletes).

        Raises `NoDefiniteAnswer`, `Throttled`, `BadRequest`.
        """
        requests: list[dict[str, Any]] = [{"PutRequest": {"Item": item}} for item in puts]
        requests += [{"DeleteRequest": {"Key": key}} for key in deletes]
        if not requests:
            return [], []
        _at_most(MOST_WRITTEN, len(requests), "dynamodb.BatchWriteItem", table)
        answer = self._call(self._client.batch_write_item, RequestItems={table: requests})
        left: list[Any] = list(answer.get("UnprocessedItems", {}).get(table, []))
        return (
            [request["PutRequest"]["Item"] for request in left if "PutRequest" in request],
            [request["DeleteRequest"]["Key"] for request in left if "DeleteRequest" in request],
        )

    def transact(self, items: Sequence[dict[str, Any]], *, token: str) -> None:
        """One TransactWriteItems of `TransactItems` members with a ClientRequestToken.

        At most 100 members; the token is 1 to 36 characters and makes a repetition harmless for 10 minutes. Members
        without `ReturnValuesOnConditionCheckFailure` have no `old`. Raises `ConditionFailed` with `old`/`failed` per
        member, `TransactionConflict`, `NoDefiniteAnswer`.
        """
        _at_most(MOST_TOGETHER, len(items), "dynamodb.TransactWriteItems", "")
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
    placeholders = _placeholders(condition.names, condition.values)
    return {"ConditionExpression": condition.expression, **placeholders, **ALL_OLD}


def _placeholders(names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    # An empty map of either is refused by the service.
    named = {"ExpressionAttributeNames": names} if names else {}
    return named | ({"ExpressionAttributeValues": values} if values else {})


def _projection(attributes: Sequence[str], names: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """A projection of these attributes, and the names it needs beside those that a condition has."""
    if not attributes:
        return {}, names
    own = {f"#projected{number}": attribute for number, attribute in enumerate(attributes)}
    return {"ProjectionExpression": ", ".join(own)}, {**names, **own}


def _page_request(table: str, *, start: Item | None, limit: int | None, consistent: bool) -> dict[str, Any]:
    request: dict[str, Any] = {
        "TableName": table,
        "ConsistentRead": consistent,
        "ReturnConsumedCapacity": "TOTAL",
    }
    if start is not None:
        request["ExclusiveStartKey"] = start
    if limit is not None:
        request["Limit"] = limit
    return request


def _page(answer: Any) -> Page:  # noqa: ANN401 - Query and Scan answer in one shape and two types
    return Page(
        items=answer.get("Items", []),
        next=answer.get("LastEvaluatedKey") or None,
        rcu=float(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)),
        count=int(answer["Count"]),
    )


def _at_most(most: int, given: int, operation: str, table: str) -> None:
    """The service's own limit, held here too: an emulator takes more."""
    if given > most:
        raise errors.BadRequest(
            f"{operation}{f' on {table}' if table else ''}: {given} requests, at most {most} go together",
            operation=operation,
            aws_code="ValidationException",
        )
