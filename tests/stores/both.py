"""Both sides of a move, filled alike, for every way in which a tenant's items are found."""

from __future__ import annotations

from typing import Any

from portability.stores.base import Flow
from portability.stores.dynamodb import digest
from tests.stores.world import World

LAYOUTS: dict[str, dict[str, Any]] = {
    "pool to silo": {},
    "silo to pool": {"turned": True},
    "index to silo": {"pattern": "TENANT#{tenant}#{rest}", "gsi": True},
    "silo to index": {"pattern": "TENANT#{tenant}#{rest}", "gsi": True, "turned": True},
    "scan to silo": {"pattern": "TENANT#{tenant}#{rest}"},
    "one partition to silo": {"pattern": "{tenant}"},
}


class Both:
    """Both sides of a move, filled alike."""

    def __init__(self, prefix: str, *, turned: bool = False, items: int = 40, **shape: Any) -> None:
        self.world = World(prefix, **shape)
        self.world.make(self.world.pool)
        self.world.make(self.world.silo)
        self.world.settle_neighbours(self.world.pool, count=5)
        self.items = [self.world.item(number) for number in range(items)]
        self.source, self.target = self.world.pool, self.world.silo
        if turned:
            self.source, self.target = self.target, self.source
        for table in (self.source, self.target):
            self.world.fill(table, self.items)
        self.move = self.world.move(self.source, self.target)
        self.others = self.world.others(self.world.pool)

    def compared(self, *, repair: bool = False) -> list[Any]:
        return [self.move.compare(Flow.FORWARD, unit, repair=repair) for unit in self.move.units(Flow.FORWARD)]

    def found(self, *, repair: bool = False) -> list[tuple[str, str]]:
        """Why and whose hash, of units and strays together."""
        left = [one for unit in self.compared(repair=repair) for one in unit.differences]
        return sorted({(one.why, one.key_hash) for one in [*left, *self.move.strays(Flow.FORWARD)]})

    def hash(self, number: int) -> str:
        return digest.key_hash(self.world.key(self.world.item(number)))
