"""How many items and bytes, within a budget of read units."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from portability.aws.attributes import RawItem
from portability.stores.base import Estimate
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.layout import Segments
from portability.stores.dynamodb.reading import Reading
from portability.stores.dynamodb.table import Table

BUDGET = 200.0  # read units a store's estimate may use
SAMPLE = 100  # items of a page that is read for the sake of their size

Look = Callable[[Iterable[RawItem]], None]
"""Told of the tenant's items on every page that is read."""


@dataclass
class _Seen:
    items: int = 0
    bytes: int = 0
    budget: float = BUDGET
    look: Look = lambda _: None
    rcu: float = 0.0
    largest: float = 0.0  # read units of the largest page
    open: list[str] = field(default_factory=list)  # units not read to their end

    @property
    def may_read(self) -> bool:
        """Whether another page as large as the largest stays within the budget."""
        return self.rcu + self.largest <= self.budget

    def page(self, items: list[RawItem], rcu: float) -> None:
        """Count a page."""
        self.look(items)
        self.items += len(items)
        self.bytes += sum(map(digest.size_of, items))
        self.rcu += rcu
        self.largest = max(self.largest, rcu)

    @property
    def size(self) -> float:
        return self.bytes / self.items if self.items else 0.0


def exact(reading: Reading, units: list[str]) -> Estimate:
    """Read everything."""
    items = size = 0
    rcu = 0.0
    for unit in units:
        for leaf in reading.pages(unit):
            items += len(leaf.items)
            size += sum(map(digest.size_of, leaf.items))
            rcu += leaf.rcu
    return Estimate(items, size, rcu, exact=True)


def within_budget(
    reading: Reading, units: list[str], table: Table, *, budget: float = BUDGET, look: Look = lambda _: None
) -> Estimate:
    """Read pages until the budget (read units) is spent, showing each to `look`; guess the rest.

    The guess for named partitions lies between what was read and what the whole table holds (their geometric mean);
    for a scanned table the share of the tenant's items among those read is taken for the share of all.
    """
    total = int(table.description.get("ItemCount", 0))
    if all(unit.startswith("s/") for unit in units):
        return _share(reading, units, total, _Seen(budget=budget, look=look))
    seen = _Seen(budget=budget, look=look)
    for unit in units:
        _look(reading, unit, seen)
    if not seen.open:
        return Estimate(seen.items, seen.bytes, seen.rcu, exact=True)
    items = max(seen.items, round(math.sqrt(max(1, seen.items) * max(seen.items, total))))
    return Estimate(items, round(items * seen.size), seen.rcu, exact=False)


def _look(reading: Reading, unit: str, seen: _Seen) -> None:
    start = None
    while seen.may_read:
        leaf = reading.page(unit, start, limit=SAMPLE, consistent=False)
        seen.page(leaf.items, leaf.rcu)
        start = leaf.next
        if start is None:
            return
    seen.open.append(unit)


def _share(reading: Reading, units: list[str], total: int, seen: _Seen) -> Estimate:
    looked = 0
    for unit in units:
        segment, of = Segments.parse(unit)
        start = None
        while seen.may_read:
            page = reading.plane.segment(segment, of, start, limit=SAMPLE, consistent=False)
            seen.page([item for item in page.items if reading.plane.layout.is_mine(item)], page.rcu)
            looked += len(page.items)
            start = page.next
            if start is None:
                break
        else:
            seen.open.append(unit)
    if not seen.open:
        return Estimate(seen.items, seen.bytes, seen.rcu, exact=True)
    items = max(seen.items, round(total * seen.items / looked) if looked else total)
    return Estimate(items, round(items * seen.size), seen.rcu, exact=False)
