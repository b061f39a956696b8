"""The items that every part moves: an order of 1 KB, six lines and forty values, and a record of 200 B, seven values.

Sizes are DynamoDB's: names and values. The keys are `pk`, `<tenant>-<suffix>`, and `sk`, ten digits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from portability.stores.dynamodb import digest

Item = dict[str, Any]
TENANT = "tenant-42"
SIZES = (1024, 200)
KEY_SCHEMA = (("pk", "HASH"), ("sk", "RANGE"))


def partitions(count: int) -> list[str]:
    """The tenant's first partition keys."""
    return [f"{TENANT}-{suffix}" for suffix in range(1, count + 1)]


def item(size: int, partition: str, number: int | str) -> Item:
    """One item of about `size` bytes; `number` is its sort key, as a number or as it stands."""
    made: Item = {
        "pk": {"S": partition},
        "sk": {"S": f"{number:010}" if isinstance(number, int) else number},
        "tenantId": {"S": TENANT},
        "status": {"S": "PAID"},
        "total": {"N": "1204.95"},
        "createdAt": {"S": "2025-03-02T10:00:00.000Z"},
    }
    if size > SIZES[-1]:
        made |= {
            "version": {"N": "7"},
            "paid": {"BOOL": True},
            "customer": {"S": "customer-000001234567"},
            "lines": {
                "L": [
                    {
                        "M": {
                            "sku": {"S": f"sku-{line:08}"},
                            "title": {"S": "Coffee filter, 4"},
                            "quantity": {"N": "3"},
                            "price": {"N": "401.65"},
                        }
                    }
                    for line in range(6)
                ]
            },
            "address": {"M": {"street": {"S": "12 Long Street"}, "city": {"S": "Springfield"}, "zip": {"S": "01101"}}},
        }
    filler = size - digest.size_of(made) - len("note")
    return made | {"note": {"S": ("the quick brown fox jumps over the lazy dog " * 30)[: max(1, filler)]}}


def template(size: int) -> str:
    """An item's JSON with `@PK@` and `@SK@` for its key, sized as with real ones."""
    text = json.dumps(item(size, "\0" * len(f"{TENANT}-10"), "0" * 10), separators=(",", ":"))
    return text.replace("\\u0000" * len(f"{TENANT}-10"), "@PK@").replace('"' + "0" * 10 + '"', '"@SK@"')


def spread(size: int, count: int, over: Sequence[str]) -> list[Item]:
    """`count` items, dealt to the partitions in turn."""
    return [item(size, over[number % len(over)], number // len(over)) for number in range(count)]
