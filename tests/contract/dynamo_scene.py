"""Our own store in the contract suite: a pool and a silo on DynamoDB Local."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from portability.aws.attributes import plain_item
from portability.journal.table import Table
from portability.stores.base import Key, Move
from portability.testing import StoreScene, Wire
from portability.testing.store_scene import Place
from tests.stores.world import AwsWith, World

MUTATING = {
    "put",
    "update",
    "delete",
    "create_table",
    "update_table",
    "delete_table",
    "enable_ttl",
    "enable_pitr",
    "tag",
}


class WiredItems:
    """`Items` whose writes pass the suite's hand."""

    def __init__(self, items: Any, wire: Wire) -> None:
        self._items, self._wire = items, wire

    def batch_write(self, table: str, puts: Sequence[Any], deletes: Sequence[Key]) -> Any:
        keys = [{name: plain_item(item)[name] for name in ("pk", "sk")} for item in puts]
        return self._wire([*keys, *deletes], lambda: self._items.batch_write(table, puts, deletes))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._items, name)


class WiredDynamo:
    """`Dynamo` likewise."""

    def __init__(self, dynamo: Any, wire: Wire) -> None:
        self._dynamo, self._wire = dynamo, wire

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._dynamo, name)
        if name not in MUTATING:
            return method
        return lambda *args, **more: self._wire([], lambda: method(*args, **more))


class WiredAws(AwsWith):
    """`Aws` with both."""

    def __init__(self, aws: Any, wire: Wire) -> None:
        super().__init__(aws, lambda items: WiredItems(items, wire))
        self._wire = wire

    def dynamodb(self, **where: Any) -> Any:
        return WiredDynamo(self._aws.dynamodb(**where), self._wire)


class DynamoScene(StoreScene):
    """Tables of one rule, with three neighbours in the pool."""

    items = 15
    most_kills = 5

    def __init__(self, prefix: str, table: Callable[[], Table] | None = None) -> None:
        self.world = World(prefix)
        self._table = table
        self.world.make(self.world.pool)
        self.world.gsi = True  # its index wants text, so that an item with a number there cannot be written
        self.world.make(self.world.silo)
        self.world.settle_neighbours(self.world.pool, count=6)
        self.tables: dict[Place, str] = {"source": self.world.pool, "target": self.world.silo}

    def move(self, wire: Wire) -> Move:
        plain, self.world.aws = self.world.aws, WiredAws(self.world.aws, wire)  # type: ignore[assignment]
        try:
            return self.world.move(horizon=self.horizon)
        finally:
            self.world.aws = plain

    def write(self, place: Place, number: int, value: str | None) -> Key:
        item = self.world.item(number, value=value or "")
        key = self.world.key(item)
        if value is None:
            self.world.dynamo.delete(self.tables[place], key)
        else:
            self.world.dynamo.put(self.tables[place], item)
        return key

    def held(self, place: Place) -> dict[int, str]:
        if self.world.dynamo.describe(self.tables[place]) is None:
            return {}
        return {int(item["sk"]["S"]): item["value"]["S"] for item in self.world.mine(self.tables[place]).values()}

    def others(self, place: Place) -> object:
        return self.world.others(self.tables[place]) if place == "source" else None

    def foreign_key(self) -> Key:
        return self.world.key(self.world.item(1, tenant="tenant-4"))

    def unwritable(self) -> Key | None:
        item = self.world.item(900, tenantId={"N": "42"})
        self.world.dynamo.put(self.world.pool, item)
        return self.world.key(item)

    def without_target(self) -> bool:
        self.world.dynamo.delete_table(self.world.silo)
        return True

    def journal(self) -> Table:
        return super().journal() if self._table is None else self._table()

    def close(self) -> None:
        for table in self.tables.values():
            if self.world.dynamo.describe(table) is not None:
                self.world.dynamo.delete_table(table)
