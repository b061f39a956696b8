"""The boto3 client on threads: one partition a thread, a page read, its items written in batches of 25."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
from botocore.config import Config

AT_ONCE = 25  # requests; AWS: BatchWriteItem
PAUSE = 0.05  # seconds before what was not processed is sent again


def prepared(source: str, target: str, keys: Sequence[str], workers: int) -> Callable[[], tuple[int, int]]:
    """What copies these partitions and tells (items, bytes of the pages' JSON)."""
    dynamodb = boto3.client("dynamodb", config=Config(max_pool_connections=workers))
    read: list[int] = []
    dynamodb.meta.events.register(
        "before-parse.dynamodb.Query", lambda response_dict, **_: read.append(len(response_dict["body"]))
    )
    schema = dynamodb.describe_table(TableName=source)["Table"]["KeySchema"]
    (name,) = (each["AttributeName"] for each in schema if each["KeyType"] == "HASH")
    partition = partial(_partition, dynamodb, source, target, name)

    def copy() -> tuple[int, int]:
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(partition, keys)), sum(read)

    return copy


def _partition(dynamodb: Any, source: str, target: str, name: str, key: str) -> int:
    items = 0
    asked: dict[str, Any] = {
        "TableName": source,
        "KeyConditionExpression": "#p = :p",
        "ExpressionAttributeNames": {"#p": name},
        "ExpressionAttributeValues": {":p": {"S": key}},
        "ConsistentRead": True,
    }
    while True:
        page = dynamodb.query(**asked)
        found = page["Items"]
        for at in range(0, len(found), AT_ONCE):
            write(dynamodb, target, found[at : at + AT_ONCE])
        items += len(found)
        if "LastEvaluatedKey" not in page:
            return items
        asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def write(dynamodb: Any, target: str, some: Sequence[Any]) -> None:
    """Put at most 25 items; what was not processed is sent again."""
    left: Any = {target: [{"PutRequest": {"Item": item}} for item in some]}
    while left:
        left = dynamodb.batch_write_item(RequestItems=left)["UnprocessedItems"]
        if left:
            time.sleep(PAUSE)
