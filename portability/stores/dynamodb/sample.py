"""Some keys of a side, from places taken by chance: for a look that must not read everything.

A place costs a few small reads. What lies in one partition is entered between its first and its last sort key; a table
that is scanned, at a small segment, and at another place of a partition in it. An index lists from its beginning.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

from portability.stores.base import Key
from portability.stores.dynamodb.plane import distinct
from portability.stores.dynamodb.reading import Reading

FINEST, COARSER = 4096, 4
"""Segments of a table that a sample begins with, and by how much they grow until one has anything in it."""

TRIES = 50
"""Texts that are thrown before the first key is taken."""

_DIGITS = Context(prec=30)


def sample(reading: Reading, units: Sequence[str], most: int, rng: random.Random) -> list[Key]:
    """About `most` of the tenant's keys, as many of each unit; all of them where there are no more.

    Of a shared table that is scanned, those on a few pages only.
    """
    layout = reading.plane.layout
    each = -(-most // len(units))
    if units[0].startswith("p/"):
        found = [key for unit in units for key in _of_partition(reading, unit, each, rng)]
    elif units[0].startswith("s/"):
        found = _of_table(reading, most, rng)
    else:
        found = [key for unit in units for key in _entered(reading, _keys(reading, unit, None, each), each, rng)]
    return [key for key in distinct(layout, found) if layout.is_placed(key)]


def between(low: dict[str, Any], high: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A key attribute's value anywhere between two of its type (S, N or B), both included."""
    ((tag, first),) = low.items()
    ((_, last),) = high.items()
    if tag == "S":
        return {tag: _text(first, last, rng)}
    if tag == "N":
        width = _DIGITS.subtract(Decimal(last), Decimal(first))
        place = _DIGITS.fma(width, Decimal(rng.random()), Decimal(first))
        return {tag: f"{place:f}"}
    size = max(len(first), len(last))
    ends = [int.from_bytes(bytes(end).ljust(size, b"\0")) for end in (first, last)]
    return {tag: rng.randint(*ends).to_bytes(size)}


def _text(low: str, high: str, rng: random.Random) -> str:
    """What both begin with, and then signs such as keys are made of: of all texts between them most are no key."""
    shared = next((low[:at] for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), low)
    ends = low[len(shared) :] + high[len(shared) :]
    signs = string.digits if ends.isdecimal() else "".join(sorted({*string.digits, *string.ascii_letters, *ends}))
    size = max(len(low), len(high)) - len(shared)
    for _ in range(TRIES):
        text = shared + "".join(rng.choices(signs, k=size))
        if low.encode() <= text.encode() <= high.encode():
            return text
    return low


def _of_partition(reading: Reading, unit: str, most: int, rng: random.Random) -> list[Key]:
    plane = reading.plane
    sort_key, partition = plane.layout.sort_key, unit.partition("/")[2]
    names = plane.layout.key_names
    ends = [plane.partition(partition, names=names, limit=1, backward=backward).items for backward in (False, True)]
    if sort_key is None or not all(ends):
        return [plane.layout.key(item) for item in ends[0]]
    first, last = (plane.layout.key(items[0]) for items in ends)
    start = {**first, sort_key: between(first[sort_key], last[sort_key], rng)}
    found = _keys(reading, unit, start, most)
    # Near the end there are too few: the rest is taken from the beginning.
    return found if len(found) >= most else found + _keys(reading, unit, None, most - len(found))


def _of_table(reading: Reading, most: int, rng: random.Random) -> list[Key]:
    """Keys of a small segment, and of larger ones until there are enough."""
    found: list[Key] = []
    segments = FINEST
    while segments and len(found) < most:
        unit = f"s/{rng.randrange(segments):04}of{segments:04}"
        here = _keys(reading, unit, None, most if reading.owned else None)
        found = distinct(reading.plane.layout, [*found, *_entered(reading, here, most, rng)])
        segments //= COARSER
    return found


def _entered(reading: Reading, found: list[Key], most: int, rng: random.Random) -> list[Key]:
    """At most so many keys, some from elsewhere in a partition that was found: it was read from its first key on."""
    if not found:
        return []
    layout = reading.plane.layout
    elsewhere = _of_partition(reading, f"p/{layout.partition(rng.choice(found))}", most, rng)
    return distinct(layout, [*elsewhere, *found])[:most]


def _keys(reading: Reading, unit: str, start: Key | None, most: int | None) -> list[Key]:
    leaf = reading.page(unit, start, names=reading.plane.layout.key_names, limit=most)
    return [reading.plane.layout.key(item) for item in leaf.items]
