"""aws-dynamodb-parallel-scan with `batch_writer`: the table in as many segments as there are workers, all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import aws_dynamodb_parallel_scan
import boto3


def prepared(source: str, target: str, keys: Sequence[str], workers: int) -> Callable[[], int]:
    """What copies these partitions and tells the items."""
    resource = boto3.resource("dynamodb")
    return partial(_copy, resource.meta.client, resource.Table(target), source, frozenset(keys), workers)


def _copy(client: Any, target: Any, source: str, keys: frozenset[str], workers: int) -> int:
    items = 0
    pages = aws_dynamodb_parallel_scan.get_paginator(client).paginate(
        TableName=source, TotalSegments=workers, ConsistentRead=True
    )
    with target.batch_writer() as batch:
        for page in pages:
            for item in page["Items"]:
                if item["pk"] in keys:
                    batch.put_item(Item=item)
                    items += 1
    return items
