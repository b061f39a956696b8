"""The tenant's items of one unit, page by page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from portability import errors
from portability.aws.attributes import RawItem
from portability.aws.dynamodb import Page
from portability.stores.base import Key
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.layout import Index, Segments
from portability.stores.dynamodb.page_size import PageSize
from portability.stores.dynamodb.plane import Plane


@dataclass(frozen=True)
class Leaf:
    """One page of a unit: this tenant's items, and where the next page starts (None at the end)."""

    items: list[RawItem]
    next: Key | None
    rcu: float = 0.0


@dataclass(frozen=True)
class Reading:
    """Reads the units of one side. `owned` tables are the tenant's alone: any other item in them stops the run."""

    plane: Plane
    owned: bool
    index: Index | None = None

    def pages(self, unit: str, start: Key | None = None, *, names: Sequence[str] = ()) -> Iterator[Leaf]:
        """Every page from `start` on, strongly consistent (an index lists keys, the table gives the items)."""
        size = PageSize(self.plane.monotonic)
        while True:
            leaf = size.timed(partial(self._sized, unit, start, names))
            yield leaf
            if leaf.next is None:
                return
            start = leaf.next

    def _sized(self, unit: str, start: Key | None, names: Sequence[str], most: int) -> Leaf:
        return self.page(unit, start, names=names, limit=most)

    def page(
        self,
        unit: str,
        start: Key | None = None,
        *,
        names: Sequence[str] = (),
        limit: int | None = None,
        consistent: bool = True,
    ) -> Leaf:
        """One page, of at most a megabyte and `limit` items."""
        kind, _, rest = unit.partition("/")
        match kind:
            case "p":
                page = self.plane.partition(rest, start, names=names, limit=limit, consistent=consistent)
                return Leaf(page.items, page.next, page.rcu)
            case "s":
                segment, count = Segments.parse(unit)
                page = self.plane.segment(segment, count, start, names=names, limit=limit, consistent=consistent)
                return Leaf(self._mine(page), page.next, page.rcu)
            case "g" if self.index is not None:
                page = self.plane.listed(self.index, start, limit=limit)
                keys = [item for item in page.items if self.plane.layout.is_mine(item)]
                return Leaf(list(self.plane.present(keys, names=names).values()), page.next, page.rcu + len(keys))
            case _:
                msg = f"{self.plane.table} has no unit {unit}"
                raise LookupError(msg)

    def _mine(self, page: Page) -> list[RawItem]:
        layout = self.plane.layout
        mine = [item for item in page.items if layout.is_mine(item)]
        if self.owned and len(mine) < len(page.items):
            strange = next(
                (item for item in page.items if not layout.is_mine(item) and not layout.is_canary(item)), None
            )
            if strange is not None:
                raise foreign(self.plane, strange)
        return mine


def foreign(plane: Plane, item: RawItem) -> errors.Mismatch:
    """The tenant's own table holds an item that is not the tenant's."""
    key_hash = digest.key_hash(plane.layout.key(item))
    return errors.Mismatch(
        f"{plane.table} is {plane.layout.tenant}'s own, and holds an item that is not: {key_hash}",
        next=f"portability doctor {plane.layout.tenant}",
        changed=f"The {errors.SIDE} serves; the run stopped.",
    )


def to_cursor(key: Key | None) -> dict[str, Any] | None:
    """A page's start key as plain JSON: binary in base64."""
    if key is None:
        return None
    return {
        name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value for name, value in key.items()
    }


def from_cursor(position: dict[str, Any] | None) -> Key | None:
    """What `to_cursor` made, as a start key."""
    if position is None:
        return None
    return {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in position.items()}
