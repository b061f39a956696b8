"""The boto3 resource: a query, its pages one after the other, every item put through `batch_writer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key


def prepared(source: str, target: str, keys: Sequence[str], _workers: int) -> Callable[[], int]:
    """What copies these partitions and tells the items."""
    resource = boto3.resource("dynamodb")
    return partial(_copy, resource.Table(source), resource.Table(target), keys)


def _copy(source: Any, target: Any, keys: Sequence[str]) -> int:
    items = 0
    with target.batch_writer() as batch:
        for key in keys:
            asked: dict[str, Any] = {"KeyConditionExpression": Key("pk").eq(key), "ConsistentRead": True}
            while True:
                page = source.query(**asked)
                for item in page["Items"]:
                    batch.put_item(Item=item)
                items += len(page["Items"])
                if "LastEvaluatedKey" not in page:
                    break
                asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return items
