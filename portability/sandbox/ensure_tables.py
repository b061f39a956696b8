"""Tables and their items, made so that making them again changes nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, cast

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, dict[str, Any]]  # DynamoDB attribute-value JSON
_BATCH = 25  # items of a BatchWriteItem
_WINDOW = 256  # batches in flight or waiting, so that a million items are never in memory at once
_WRITERS = 4
_BACKOFF = 0.02
_BACKOFF_CAP = 1.0


@dataclass(frozen=True)
class Attribute:
    """A key attribute: its name and its DynamoDB type."""

    name: str
    type: Literal["S", "N", "B"] = "S"


@dataclass(frozen=True)
class Index:
    """A global secondary index."""

    name: str
    key: tuple[Attribute, ...]
    projection: Literal["ALL", "KEYS_ONLY"] = "ALL"


@dataclass(frozen=True)
class Table:
    """A table as the seed wants it. `capacity` is read and write units, None is on-demand; no stream at first."""

    name: str
    key: tuple[Attribute, ...]
    indexes: tuple[Index, ...] = ()
    capacity: tuple[int, int] | None = None
    expires: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


def ensure_table(dynamodb: DynamoDBClient, table: Table) -> bool:
    """Make the table, its TTL and its tags where they are missing; True when the table is new."""
    capacity = _capacity(table)
    request: dict[str, Any] = {"TableName": table.name, "KeySchema": _schema(table.key), **capacity}
    attributes = {a.name: a.type for key in (table.key, *(index.key for index in table.indexes)) for a in key}
    request["AttributeDefinitions"] = [{"AttributeName": n, "AttributeType": t} for n, t in attributes.items()]
    if capacity.get("BillingMode") is None:
        request["BillingMode"] = "PROVISIONED"
    if table.indexes:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _schema(index.key),
                "Projection": {"ProjectionType": index.projection},
                **{k: v for k, v in capacity.items() if k == "ProvisionedThroughput"},
            }
            for index in table.indexes
        ]
    new = _unless("ResourceInUseException", lambda: dynamodb.create_table(**request))
    dynamodb.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    if table.expires:
        _ensure_expiry(dynamodb, table.name, table.expires)
    if table.tags:
        arn = dynamodb.describe_table(TableName=table.name)["Table"]["TableArn"]
        tags: list[Any] = [{"Key": key, "Value": value} for key, value in table.tags]
        _unless("UnknownOperationException", lambda: dynamodb.tag_resource(ResourceArn=arn, Tags=tags))
    return new


def ensure_items(
    dynamodb: DynamoDBClient,
    table: Table,
    items: Iterable[Item],
    *,
    new: bool,
    ours: Callable[[Item], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Make the table hold exactly `items` among the keys that are `ours`, and say how many that is.

    In a `new` table nothing can be left over, so nothing is looked for.
    """
    kept: set[tuple[str, ...]] = set()

    def noted() -> Iterator[Item]:
        for item in items:
            kept.add(_identity(table, item))
            yield item

    count = _write(dynamodb, table.name, ({"PutRequest": {"Item": item}} for item in noted()), sleep)
    if not new:
        strays = (key for key in scan_keys(dynamodb, table) if ours(key) and _identity(table, key) not in kept)
        _write(dynamodb, table.name, ({"DeleteRequest": {"Key": key}} for key in strays), sleep)
    return count


def scan(dynamodb: DynamoDBClient, name: str, **more: Any) -> Iterator[Item]:
    """Every item of a table, strongly consistent."""
    request: dict[str, Any] = {"TableName": name, "ConsistentRead": True, **more}
    while True:
        page = dynamodb.scan(**request)
        yield from cast("list[Item]", page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def scan_keys(dynamodb: DynamoDBClient, table: Table) -> Iterator[Item]:
    """Every key of a table, strongly consistent."""
    names = {f"#{n}": attribute.name for n, attribute in enumerate(table.key)}
    return scan(dynamodb, table.name, ProjectionExpression=", ".join(names), ExpressionAttributeNames=names)


def _write(
    dynamodb: DynamoDBClient, name: str, writes: Iterator[dict[str, Any]], sleep: Callable[[float], None]
) -> int:
    def send(batch: Sequence[dict[str, Any]]) -> int:
        rest: Any = {name: list(batch)}
        wait = _BACKOFF
        while rest:
            rest = dynamodb.batch_write_item(RequestItems=rest).get("UnprocessedItems")
            if rest:
                sleep(random.uniform(0, wait))  # noqa: S311 - full jitter
                wait = min(2 * wait, _BACKOFF_CAP)
        return len(batch)

    batches = iter(lambda: list(islice(writes, _BATCH)), [])
    with ThreadPoolExecutor(_WRITERS) as pool:
        return sum(sum(pool.map(send, window)) for window in iter(lambda: list(islice(batches, _WINDOW)), []))


def _identity(table: Table, item: Item) -> tuple[str, ...]:
    return tuple(str(item[attribute.name][attribute.type]) for attribute in table.key)


def _schema(key: tuple[Attribute, ...]) -> list[dict[str, str]]:
    return [{"AttributeName": a.name, "KeyType": kind} for a, kind in zip(key, ("HASH", "RANGE"), strict=False)]


def _capacity(table: Table) -> dict[str, Any]:
    if table.capacity is None:
        return {"BillingMode": "PAY_PER_REQUEST"}
    return {
        "ProvisionedThroughput": dict(zip(("ReadCapacityUnits", "WriteCapacityUnits"), table.capacity, strict=True))
    }


def _ensure_expiry(dynamodb: DynamoDBClient, name: str, attribute: str) -> None:
    now = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if now.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        wanted: Any = {"Enabled": True, "AttributeName": attribute}
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted)


def _unless(code: str, call: Callable[[], object]) -> bool:
    """Call; False when the service answers with this one error code."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
        return False
    return True
