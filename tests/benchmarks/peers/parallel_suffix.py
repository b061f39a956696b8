"""The parallel-suffix script: a thread for every suffix queries the tenant's partition, then all is put in batches.

So AWS describes reading a tenant of a pooled, suffixed table ("Partitioning Pooled Multi-Tenant SaaS Data with Amazon
DynamoDB"): one thread a suffix, the answers gathered in one list. Pages after the first are read here too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import boto3

from tests.benchmarks.peers.boto3_threads import AT_ONCE, write


def prepared(source: str, target: str, keys: Sequence[str], _workers: int) -> Callable[[], int]:
    """What copies these partitions and tells the items."""
    return partial(_copy, boto3.client("dynamodb"), source, target, keys)


def _copy(dynamodb: Any, source: str, target: str, keys: Sequence[str]) -> int:
    gathered: list[Any] = []

    def read(key: str) -> None:
        pages = dynamodb.get_paginator("query").paginate(
            TableName=source, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": key}}
        )
        for page in pages:
            gathered.extend(page["Items"])

    threads = [threading.Thread(target=read, args=[key]) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at in range(0, len(gathered), AT_ONCE):
        write(dynamodb, target, gathered[at : at + AT_ONCE])
    return len(gathered)
