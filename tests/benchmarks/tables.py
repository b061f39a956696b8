"""Tables of a benchmark on DynamoDB Local: made for one copy and dropped after it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

from portability.aws.dynamodb import Dynamo
from tests.benchmarks.items import KEY_SCHEMA


@contextlib.contextmanager
def table(dynamo: Dynamo, *, stream: bool = False) -> Iterator[str]:
    """An empty table with the keys of the benchmark's items, on demand; `stream` gives it one that carries keys."""
    name = f"benchmark-{uuid.uuid4().hex[:12]}"
    dynamo.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in KEY_SCHEMA],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in KEY_SCHEMA],
        BillingMode="PAY_PER_REQUEST",
        **({"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}} if stream else {}),
    )
    try:
        yield name
    finally:
        dynamo.delete_table(name)


def count(dynamo: Dynamo, name: str) -> int:
    """How many items a table holds."""
    items, start = 0, None
    while True:
        page = dynamo.scan(name, start=start, keys_only=[key for key, _ in KEY_SCHEMA])
        items, start = items + len(page.items), page.next
        if start is None:
            return items
