"""One writer of the small tenant application: what it writes next, and what it notes about it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from portability.sandbox.data_access import DataAccess, ItemConditionFailed, StillFenced
from portability.sandbox.shape import WRITE_ID, Shape

if TYPE_CHECKING:
    from portability.sandbox.ensure_tables import Item
    from portability.sandbox.ledger import Kind, Ledger, Operation

HOT_KEYS = 4
HOT = 0.3  # of all writes go to the few hot keys
HOT_DELETE = 0.2
COLD = (("Put", 0.36), ("Update", 0.34), ("Delete", 0.30))
REVIVE = 0.25  # of the inserts bring a deleted key back


@dataclass(eq=False)
class Owned:
    """A key that this writer alone writes, and whether its item is there."""

    store: str
    key: Item
    present: bool


class Writer:
    """Inserts, updates and deletes on keys of its own, one after the other; each value is written once, ever.

    `seeded` are items that were there before, as (store, key): the writer takes those that `share` gives it, so that
    no two writers with different shares touch one key.
    """

    def __init__(
        self,
        name: str,
        shape: Shape,
        tenant: str,
        access: DataAccess,
        ledger: Ledger,
        *,
        rng: random.Random,
        seeded: Iterable[tuple[str, Item]] = (),
        share: tuple[int, int] = (0, 1),
        within: float = 30.0,
    ) -> None:
        self._name = name
        self._shape = shape
        self._tenant = tenant
        self._access = access
        self._ledger = ledger
        self._rng = rng
        self._within = within
        self._number = 0
        stores = list(shape.stores)
        self._hot = [self._fresh(stores[n % len(stores)]) for n in range(HOT_KEYS)]
        self._cold = [Owned(store, key, present=True) for store, key in seeded if self._is_ours(store, key, share)]
        self._gone: list[Owned] = []
        self.counts: dict[str, int] = dict.fromkeys(("ack", "refused", "unknown", "rejected", "gave_up"), 0)

    def write_once(self) -> Kind:
        """Choose a write, make it, note how it ended."""
        operation, owned = self._choose()
        self._number += 1
        value = f"{self._name}:{self._number:08d}"
        key = self._shape.stores[owned.store].plain(owned.key)

        def note(kind: Kind) -> None:
            self._ledger.note(kind, self._number, op=operation, store=owned.store, key=key, value=value)
            if kind in self.counts:
                self.counts[kind] += 1

        note("attempt")
        outcome = self._attempt(operation, owned, value, lambda: note("refused"))
        note(outcome)
        self._remember(operation, owned, outcome)
        return outcome

    def _attempt(self, operation: Operation, owned: Owned, value: str, refused: Callable[[], None]) -> Kind:
        request = self._request(operation, owned, value)
        try:
            self._access.write(owned.store, operation, request, refused=refused, within=self._within)
        except ItemConditionFailed:
            return "rejected"
        except StillFenced:
            return "gave_up"
        except (BotoCoreError, ClientError):  # a time-out, a reset, a 5xx: it may land, now or later
            return "unknown"
        return "ack"

    def _choose(self) -> tuple[Operation, Owned]:
        if self._hot and self._rng.random() < HOT:
            owned = self._rng.choice(self._hot)
            if not owned.present:
                return "Put", owned
            return ("Delete" if self._rng.random() < HOT_DELETE else "Update"), owned
        (operation,) = self._rng.choices([op for op, _ in COLD], [weight for _, weight in COLD])
        if operation == "Put" or not self._cold:
            if self._gone and self._rng.random() < REVIVE:
                return "Put", self._rng.choice(self._gone)
            return "Put", self._fresh(self._rng.choice(list(self._shape.stores)))
        return ("Update" if operation == "Update" else "Delete"), self._rng.choice(self._cold)

    def _request(self, operation: Operation, owned: Owned, value: str) -> dict[str, Any]:
        keys = self._shape.stores[owned.store]
        if operation == "Put":
            return {"Item": owned.key | keys.fill(self._tenant, self._rng) | {WRITE_ID: {"S": value}}}
        if operation == "Delete":
            return {"Key": owned.key}
        return {
            "Key": owned.key,
            "UpdateExpression": "SET #id = :value, revised = :value",
            "ConditionExpression": "attribute_exists(#key)",
            "ExpressionAttributeNames": {"#id": WRITE_ID, "#key": keys.key[0].name},
            "ExpressionAttributeValues": {":value": {"S": value}},
        }

    def _remember(self, operation: Operation, owned: Owned, outcome: Kind) -> None:
        if outcome == "gave_up":
            return
        for keys in (self._hot, self._cold, self._gone):
            if owned in keys and (outcome != "ack" or keys is not self._hot):
                keys.remove(owned)
        if outcome != "ack":  # such a key is never touched again
            if len(self._hot) < HOT_KEYS:
                self._hot.append(self._fresh(owned.store))
            return
        owned.present = operation != "Delete"
        if owned not in self._hot:
            (self._cold if owned.present else self._gone).append(owned)

    def _fresh(self, store: str) -> Owned:
        self._number += 1
        key = self._shape.stores[store].new_key(self._tenant, f"{self._name}-{self._number:08d}", self._rng)
        return Owned(store, key, present=False)

    def _is_ours(self, store: str, key: Item, share: tuple[int, int]) -> bool:
        index, of = share
        return zlib.crc32(repr((store, self._shape.stores[store].plain(key))).encode()) % of == index
