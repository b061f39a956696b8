"""What DynamoDB compares of a value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def meaning(value: Any) -> Any:
    """What DynamoDB compares: built from Python's own values, not from our bytes."""
    ((tag, inner),) = value.items()
    match tag:
        case "N":
            return ("N", Decimal(inner))
        case "NS":
            return ("NS", frozenset(map(Decimal, inner)))
        case "SS" | "BS":
            return (tag, frozenset(inner))
        case "L":
            return ("L", tuple(meaning(each) for each in inner))
        case "M":
            return ("M", frozenset((name, meaning(each)) for name, each in inner.items()))
        case _:
            return (tag, inner)
