"""The two sides of a move, and what stands between them in each direction."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from portability import errors
from portability.aws.cloudwatch import PERIOD, Metric
from portability.aws.dynamodb import Dynamo
from portability.aws.session import Aws
from portability.model.estate import Model, StoreSpec
from portability.model.plan import Side
from portability.retry import Retry
from portability.stores.base import Flow
from portability.stores.dynamodb.capacity import CONSUMED, LOOKED_BACK, UNKNOWN, Peak
from portability.stores.dynamodb.carry import Carry
from portability.stores.dynamodb.doubt import Doubt
from portability.stores.dynamodb.in_flight import InFlight
from portability.stores.dynamodb.layout import Index, Layout, Reach
from portability.stores.dynamodb.pattern import Pattern
from portability.stores.dynamodb.plane import Plane
from portability.stores.dynamodb.reader import Readers
from portability.stores.dynamodb.reading import Reading
from portability.stores.dynamodb.stream import TableStream
from portability.stores.dynamodb.sync import Sync
from portability.stores.dynamodb.table import Table, observe
from portability.stores.dynamodb.unwritable import Unwritable
from portability.stores.throttle import Lanes


class Clock(Protocol):
    """Time, injected: as `steps.base.Clock`."""

    def now(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds for measuring."""

    def sleep(self, seconds: float) -> None:
        """Sleep."""


@dataclass(frozen=True)
class Surroundings:
    """What a move is given from outside."""

    aws: Aws
    clock: Clock
    retry: Retry
    rng: random.Random
    horizon: float  # seconds a write without an answer may take to land
    readers: Readers = field(default_factory=Readers)  # of this process's streams


@dataclass(frozen=True)
class End:
    """One side: a table, and how the tenant's items are found in it."""

    side: Side
    layout: Layout
    around: Surroundings
    dynamo: Dynamo
    plane: Plane
    reading: Reading
    reach: Reach

    def observed(self) -> Table | None:
        """The table's structure now."""
        return observe(self.dynamo, self.side.table)

    def peak(self, before: float) -> Peak:
        """Units a second in the busiest minute of the hours before a time; None where there are no metrics."""
        metrics = {unit: Metric(self.side.table, name) for unit, name in CONSUMED.items()}
        cloudwatch = self.around.aws.cloudwatch(region=self.side.region, role=self.side.role)
        try:
            sums = cloudwatch.sums(list(metrics.values()), start=before - LOOKED_BACK, end=before)
        except (errors.AwsError, errors.Unauthorised, errors.EndpointDown):
            return UNKNOWN
        return {unit: max(sums[metric]) / PERIOD if sums[metric] else None for unit, metric in metrics.items()}

    def stream(self) -> TableStream:
        """The table's change stream."""
        streams = self.around.aws.streams(region=self.side.region, role=self.side.role)
        return TableStream(self.side.table, self.dynamo, streams, self.around.clock.monotonic, self.around.retry)


def end(side: Side, layout: Layout, spec: StoreSpec, around: Surroundings) -> End:
    """A side, ready to be read and written."""
    dynamo = around.aws.dynamodb(region=side.region, role=side.role)
    items = around.aws.items(region=side.region, role=side.role)
    plane = Plane(side.table, layout, dynamo, items, around.retry, monotonic=around.clock.monotonic)
    owned = side.model != Model.POOL
    index = layout.enumerate_by if spec.tenant.enumerate.gsi is not None else None
    return End(side, layout, around, dynamo, plane, Reading(plane, owned, index), layout.reach(owned=owned))


@dataclass(frozen=True)
class Direction:
    """One way between the sides; the keys in flight and in doubt are those of its destination."""

    flow: Flow
    origin: End
    destination: End
    in_flight: InFlight
    doubt: Doubt
    unwritable: Unwritable
    carry: Carry | None = None
    sync: Sync = field(init=False)

    def through(self, lanes: Lanes) -> tuple[Reading, Sync]:
        """How a unit is read and written where every request goes through `lanes`.

        The keys in flight and in doubt stay those of this direction; the channel's requests go through no lane.
        """
        origin = replace(self.origin.plane, lanes=lanes)
        destination = replace(self.destination.plane, lanes=lanes)
        return replace(self.origin.reading, plane=origin), replace(self.sync, origin=origin, destination=destination)

    def __post_init__(self) -> None:
        sync = Sync(self.origin.plane, self.destination.plane, self.in_flight, self.doubt, self.unwritable, self.carry)
        object.__setattr__(self, "sync", sync)


def direction(
    flow: Flow, source: End, target: End, monotonic: Callable[[], float], carry: Carry | None = None
) -> Direction:
    """The direction of a flow."""
    origin, destination = (source, target) if flow is Flow.FORWARD else (target, source)
    layout, horizon = source.layout, source.around.horizon
    doubt = Doubt(layout, monotonic, horizon)
    return Direction(flow, origin, destination, InFlight(), doubt, Unwritable(layout), carry)


def layout_of(store: str, spec: StoreSpec, tenant: str, canary_prefix: str, suffixes: tuple[int, int] | None) -> Layout:
    """A tenant's layout in a store."""
    listed = spec.tenant.enumerate
    return Layout(
        store=store,
        tenant=tenant,
        pattern=Pattern(spec.tenant.pattern),
        partition_key=spec.partition_key,
        sort_key=spec.sort_key,
        suffixes=suffixes,
        enumerate_by=None if listed.gsi is None else Index(listed.gsi, listed.attribute or spec.partition_key),
        canary_prefix=canary_prefix,
    )
