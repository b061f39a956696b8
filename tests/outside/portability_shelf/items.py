"""An item's key, its unit, and what may be journaled of it."""

from __future__ import annotations

import hashlib

from portability.stores.base import Key

UNITS = ("even", "odd")
"""Units by the number's parity."""


def key_of(number: int) -> Key:
    """An item's key."""
    return {"id": {"N": str(number)}}


def number_of(key: Key) -> int:
    """The number in a key. Raises `ValueError` for a key of something else."""
    if set(key) != {"id"}:
        msg = "no key of this tenant's"
        raise ValueError(msg)
    return int(key["id"]["N"])


def unit_of(number: int) -> str:
    """The unit an item is in."""
    return UNITS[number % len(UNITS)]


def hash_of(text: str) -> str:
    """What may be journaled of a key."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
