"""Made-up business data: the same numbers give the same item, and every DynamoDB type occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    from portability.sandbox.ensure_tables import Item

STATUSES = ("placed", "paid", "packed", "shipped", "returned")
CATEGORIES = ("tea", "coffee", "crockery", "spices", "books")
_WORDS = (
    "Darjeeling",
    "Größe",
    "café crème",
    "茶道",
    "чай",
    "naïve",
    "plain",
    "ñandú",
    "smörgås",
    "zażółć",
    "☕ to go",
)
_FAR_FUTURE = 4_102_444_800  # the year 2100: TTL attributes that never expire during a run


def order(rng: random.Random) -> Item:
    """An order without its key: 300 to 1,000 bytes; one in eight is in no index, half never expire."""
    lines = [_line(rng) for _ in range(rng.randint(1, 3))]
    item: Item = {
        "orderName": {"S": _words(rng, 2)},
        "orderProducts": {"L": lines},
        "total": {"N": decimal(rng)},
        "customer": {
            "M": {"name": {"S": _words(rng, 2)}, "vat": {"NULL": True}, "loyal": {"BOOL": rng.choice((True, False))}}
        },
        "tags": {"SS": sorted(rng.sample(_WORDS, 2))},
        "ratings": {"NS": sorted({"0", "0.5", str(rng.randint(1, 99))})},
        "checksum": {"B": rng.randbytes(16)},
        "note": {"S": rng.choice(("", _words(rng, 8)))},
    }
    if rng.random() < 0.875:  # noqa: PLR2004
        item["orderStatus"] = {"S": rng.choice(STATUSES)}
        item["orderedAt"] = {"S": moment(rng)}
    if rng.random() < 0.5:  # noqa: PLR2004
        item["expiresAt"] = {"N": str(_FAR_FUTURE + rng.randint(0, 10**6))}
    if rng.random() < 0.1:  # noqa: PLR2004
        item["ledgerBalance"] = {"N": str(rng.randint(10**37, 10**38 - 1))}  # 38 digits, DynamoDB's most
    return item


def product(rng: random.Random) -> Item:
    """A product without its key: 300 to 700 bytes."""
    return {
        "sku": {"S": f"SKU-{rng.randint(0, 10**8):08d}"},
        "name": {"S": _words(rng, 3)},
        "category": {"S": rng.choice(CATEGORIES)},
        "price": {"N": decimal(rng)},
        "stock": {"N": str(rng.randint(0, 10**6))},
        "dimensions": {"M": {side: {"N": decimal(rng)} for side in ("height", "width", "depth")}},
        "images": {"BS": sorted(rng.randbytes(8) for _ in range(2))},
        "description": {"S": _words(rng, rng.randint(4, 20))},
        "variants": {"L": [{"S": _words(rng, 1)}, {"N": "-0.5"}, {"L": []}, {"M": {}}]},
    }


def record(rng: random.Random) -> Item:
    """A record of a customer-relations service without its key: 300 to 600 bytes."""
    return {
        "title": {"S": _words(rng, 4)},
        "amount": {"N": decimal(rng)},
        "stage": {"S": rng.choice(STATUSES)},
        "contact": {"M": {"name": {"S": _words(rng, 2)}, "phones": {"L": [{"S": ""}, {"S": "+44 20 7946 0000"}]}}},
        "labels": {"SS": sorted(rng.sample(CATEGORIES, 2))},
        "text": {"S": _words(rng, rng.randint(6, 20))},
        "token": {"B": rng.randbytes(24)},
    }


def event(rng: random.Random) -> Item:
    """An audit event without its key: about 300 bytes."""
    return {
        "action": {"S": rng.choice(("read", "write", "export", "sign-in"))},
        "actor": {"S": _words(rng, 2)},
        "at": {"S": moment(rng)},
        "detail": {"M": {"before": {"S": _words(rng, 5)}, "after": {"S": _words(rng, 5)}, "ok": {"BOOL": True}}},
    }


def moment(rng: random.Random) -> str:
    """A moment of 2026, ISO 8601."""
    return (
        f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        f"T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}Z"
    )


def decimal(rng: random.Random) -> str:
    """A number with two places that is never of the form 1.10: engines that normalise numbers keep it."""
    return f"{rng.randint(0, 9999)}.{rng.randint(0, 9)}{rng.randint(1, 9)}"


def _line(rng: random.Random) -> dict[str, Any]:
    return {
        "M": {
            "productId": {"S": f"{rng.getrandbits(64):016x}"},
            "quantity": {"N": str(rng.randint(1, 40))},
            "price": {"N": decimal(rng)},
        }
    }


def _words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(count))
