"""What the hot operations ask, as the API takes it: the same for boto3 and for our own client.

Source: DynamoDB API 2012-08-10 (Query, Scan, BatchGetItem, BatchWriteItem).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portability import errors

MOST_READ = 100  # keys of a BatchGetItem
MOST_WRITTEN = 25  # requests of a BatchWriteItem
TOTAL = {"ReturnConsumedCapacity": "TOTAL"}


@dataclass(frozen=True)
class Condition:
    """A condition in expression form; names and values are always placeholders, never concatenated."""

    expression: str
    names: dict[str, str]
    values: dict[str, Any]


def query(  # noqa: PLR0917 - the operation's own members
    table: str,
    key_condition: Condition,
    start: Mapping[str, Any] | None,
    limit: int | None,
    index: str | None,
    consistent: bool,  # noqa: FBT001 - as above
    keys_only: Sequence[str],
    *,
    backward: bool = False,
) -> dict[str, Any]:
    """Query: one page. A GSI is never read consistently."""
    request = _page(table, start, limit, consistent=consistent and index is None)
    if backward:
        request["ScanIndexForward"] = False
    request["KeyConditionExpression"] = key_condition.expression
    if index is not None:
        request["IndexName"] = index
    projected, names = _projection(keys_only, key_condition.names)
    return {**request, **projected, **placeholders(names, key_condition.values)}


def scan(  # noqa: PLR0917 - the operation's own members
    table: str,
    segment: int,
    of: int,
    start: Mapping[str, Any] | None,
    limit: int | None,
    consistent: bool,  # noqa: FBT001 - as above
    keys_only: Sequence[str],
) -> dict[str, Any]:
    """Scan: one page of one segment."""
    request = _page(table, start, limit, consistent=consistent)
    if of > 1:
        request |= {"Segment": segment, "TotalSegments": of}
    projected, names = _projection(keys_only, {})
    return {**request, **projected, **placeholders(names, {})}


def batch_get(table: str, keys: Sequence[Mapping[str, Any]], keys_only: Sequence[str]) -> dict[str, Any]:
    """BatchGetItem of one table, strongly consistent."""
    at_most(MOST_READ, len(keys), "dynamodb.BatchGetItem", table)
    projected, names = _projection(keys_only, {})
    asked = {"Keys": list(keys), "ConsistentRead": True, **projected, **placeholders(names, {})}
    return {"RequestItems": {table: asked}, **TOTAL}


def batch_write(table: str, puts: Sequence[Mapping[str, Any]], deletes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """BatchWriteItem of one table."""
    at_most(MOST_WRITTEN, len(puts) + len(deletes), "dynamodb.BatchWriteItem", table)
    requests: list[dict[str, Any]] = [{"PutRequest": {"Item": item}} for item in puts]
    requests += [{"DeleteRequest": {"Key": key}} for key in deletes]
    return {"RequestItems": {table: requests}, **TOTAL}


def placeholders(names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    """The maps of an expression's placeholders: an empty one of either is refused by the service."""
    named = {"ExpressionAttributeNames": names} if names else {}
    return named | ({"ExpressionAttributeValues": values} if values else {})


def at_most(most: int, given: int, operation: str, table: str) -> None:
    """The service's own limit, held here too: an emulator takes more."""
    if given > most:
        raise errors.BadRequest(
            f"{operation}{f' on {table}' if table else ''}: {given} requests, at most {most} go together",
            operation=operation,
            aws_code="ValidationException",
        )


def _projection(attributes: Sequence[str], names: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """A projection of these attributes, and the names it needs beside those that a condition has."""
    if not attributes:
        return {}, names
    own = {f"#projected{number}": attribute for number, attribute in enumerate(attributes)}
    return {"ProjectionExpression": ", ".join(own)}, {**names, **own}


def _page(table: str, start: Mapping[str, Any] | None, limit: int | None, *, consistent: bool) -> dict[str, Any]:
    request: dict[str, Any] = {"TableName": table, "ConsistentRead": consistent, **TOTAL}
    if start is not None:
        request["ExclusiveStartKey"] = start
    if limit is not None:
        request["Limit"] = limit
    return request
