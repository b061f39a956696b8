"""Names and types of top-level attributes: those a shared table knows, and those a tenant's own table has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from portability.aws.attributes import RawItem
from portability.stores.dynamodb.layout import SEGMENTS, Layout
from portability.stores.dynamodb.mapping import AttributeMapping, Unmappable, tag_of
from portability.stores.dynamodb.plane import Plane

MOST_NAMES = 2_000
"""Names kept; of an application that makes up names no inventory is of use."""
LEARNT_FROM = 40.0
"""Read units that learning a shared table's attributes may use."""
PAGE = 100  # items


@dataclass(frozen=True)
class Schema:
    """What may get to the shared table: its attributes with their types, by the names they have in the silo's items.

    `always` are attributes that are no matter of a mapping: keys and TTL. A NULL goes where its name is known.
    """

    known: dict[str, frozenset[str]]
    mapping: AttributeMapping = field(default_factory=AttributeMapping)
    keep: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()

    def admits(self, name: str, tag: str) -> bool:
        """Whether a silo's attribute, mapped, is one of the shared table's."""
        if name in self.always or name in self.keep:
            return True
        image = self.mapping.image_of(name, tag)
        if image is None:
            return True
        types = self.known.get(image[0])
        return types is not None and (image[1] in types or tag == "NULL")

    def stranger(self, item: RawItem) -> str:
        """The first attribute of a silo's item that is not admitted, as `name (type)`; "" where there is none."""
        return next(
            (f"{name} ({tag})" for name, value in item.items() if not self.admits(name, tag := tag_of(value))), ""
        )


@dataclass
class Inventory:
    """Attributes of a tenant's own items: how many items have each, by name and type, and how many have no image."""

    mapping: AttributeMapping
    items: int = 0
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    unmappable: Counter[str] = field(default_factory=Counter)
    whole: bool = False  # whether every item was looked at

    def add(self, items: Iterable[RawItem]) -> None:
        """Look at items."""
        for item in items:
            self.items += 1
            for name, value in item.items():
                what = (name, tag_of(value))
                if what in self.seen or len(self.seen) < MOST_NAMES:
                    self.seen[what] += 1
            if self.mapping:
                try:
                    self.mapping.to_pool(item)
                except Unmappable as why:
                    self.unmappable[str(why)] += 1


def learn(plane: Plane, layout: Layout) -> tuple[dict[str, frozenset[str]], float]:
    """Names and types that other tenants' items of a shared table have, from a sample; and the read units it took.

    Of each item only the names, and the types of the values, are looked at. Nothing of the tenant's own is: what an
    earlier attempt left there would make its drift known.
    """
    found: dict[str, set[str]] = {}
    spent = 0.0
    for items, rcu in _sample(plane):
        spent += rcu
        for item in items:
            if not layout.is_mine(item) and not layout.is_canary(item):
                for name, value in item.items():
                    if name in found or len(found) < MOST_NAMES:
                        found.setdefault(name, set()).add(tag_of(value))
        if spent >= LEARNT_FROM:
            break
    return {name: frozenset(tags) for name, tags in found.items()}, spent


def _sample(plane: Plane) -> Iterator[tuple[list[RawItem], float]]:
    """Pages of every segment in turn: what one part of the table lacks another may have."""
    starts = dict.fromkeys(range(SEGMENTS))
    while starts:
        for segment, start in list(starts.items()):
            page = plane.segment(segment, SEGMENTS, start, limit=PAGE, consistent=False)
            yield page.items, page.rcu
            if page.next is None:
                del starts[segment]
            else:
                starts[segment] = page.next
