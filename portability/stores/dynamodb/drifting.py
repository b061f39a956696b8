"""A move from a table of the tenant's own to a shared one, as far as attributes may differ between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from portability.model.change import Finding
from portability.model.estate import Model, StoreSpec
from portability.stores.base import Estimate, Flow
from portability.stores.dynamodb import estimate
from portability.stores.dynamodb.carry import Carry
from portability.stores.dynamodb.drift import Drift, declared, schema_of
from portability.stores.dynamodb.inventory import Inventory, Schema, learn
from portability.stores.dynamodb.layout import Layout
from portability.stores.dynamodb.mapping import AttributeMapping
from portability.stores.dynamodb.reading import Reading
from portability.stores.dynamodb.sides import End
from portability.stores.dynamodb.table import Table


@dataclass(frozen=True)
class Sampled:
    """What a plan's reading tells, for the estimate and for the inventory alike."""

    estimate: Estimate
    inventory: Inventory


class Drifting:
    """The mapping of one move, and what it is held against. Thread-safe."""

    def __init__(self, spec: StoreSpec, layout: Layout, source: End, target: End) -> None:
        self._spec = spec
        self._layout = layout
        self._source = source
        self._target = target
        self._mapping = AttributeMapping.of(spec.attributes.of(layout.tenant))
        self._sampled: Sampled | None = None

    def carry(self, flow: Flow) -> Carry | None:
        """What becomes of items on their way; None where they go as they are.

        What the estate declares of the shared table holds while the run goes on; what was learnt of it does not.
        """
        known = declared(self._spec)
        schema = None if known is None else schema_of(self._spec, self._layout.tenant, known)
        guarded = schema is not None and flow is Flow.FORWARD
        return Carry(flow, self._mapping, self._layout, schema) if self._mapping or guarded else None

    def compared(self, one: End) -> Reading:
        """A side in the shared table's terms."""
        if one.side.model is Model.POOL or not self._mapping:
            return one.reading
        return replace(one.reading, plane=replace(one.reading.plane, image=self._mapping.shown))

    # ------------------------------------------------------------------------------------------------------- inventory

    @cached_property
    def _known(self) -> tuple[Schema, float]:
        """What the shared table knows, and the read units it took to learn it."""
        known, rcu = declared(self._spec), 0.0
        if known is None:
            there = self._target.observed() is not None
            known, rcu = learn(self._target.plane, self._layout) if there else ({}, 0.0)
        return schema_of(self._spec, self._layout.tenant, known), rcu

    def sampled(self, table: Table) -> Sampled:
        """One reading within the plan's budget; the same for whoever asks again."""
        if self._sampled is None:
            _, spent = self._known
            inventory, reading = Inventory(self._mapping), self._source.reading
            budget = estimate.BUDGET - spent
            units = list(self._source.reach.units)
            guess = estimate.within_budget(reading, units, table, budget=budget, look=inventory.add)
            inventory.whole = guess.exact
            self._sampled = Sampled(guess, inventory)
        return self._sampled

    def findings(self, check: Callable[[], None] | None) -> list[Finding]:
        """See `Move.drift`."""
        table, target = self._source.observed(), self._target.observed()
        if table is None or target is None:
            return []
        inventory = self.sampled(table).inventory if check is None else self._whole(check)
        drift = Drift(
            store=self._layout.store,
            spec=self._spec,
            tenant=self._layout.tenant,
            source=table.name,
            target=target.name,
            schema=self._known[0],
            inventory=inventory,
            types=target.types,
        )
        return list(drift.findings())

    def _whole(self, check: Callable[[], None]) -> Inventory:
        """Every item. Not strongly consistent: what is written meanwhile comes after any reading."""
        inventory = Inventory(self._mapping, whole=True)
        for unit in self._source.reach.units:
            start = None
            while True:
                check()
                leaf = self._source.reading.page(unit, start, consistent=False)
                inventory.add(leaf.items)
                start = leaf.next
                if start is None:
                    break
        return inventory
