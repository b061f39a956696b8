"""One DynamoDB store of one tenant, between its two sides. Implements `stores.base.Move`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from portability import errors
from portability.model.change import Change, Finding
from portability.model.estate import Model, StoreSpec
from portability.model.plan import StoreMove
from portability.model.rate import Rate
from portability.model.run import Cursor
from portability.model.status import ParkReason
from portability.stores.base import (
    Channel,
    Compared,
    Copied,
    Difference,
    Estimate,
    Flow,
    Horizon,
    Key,
    Ledger,
    Synced,
    channel_name,
)
from portability.stores.dynamodb import canary, capacity, digest, estimate
from portability.stores.dynamodb.channel import DynamoChannel
from portability.stores.dynamodb.compare import Compare
from portability.stores.dynamodb.copy import Copy
from portability.stores.dynamodb.drifting import Drifting
from portability.stores.dynamodb.erase import Erase
from portability.stores.dynamodb.findings import End as Observed
from portability.stores.dynamodb.findings import Look
from portability.stores.dynamodb.layout import KeyId, Layout, Partitions, Segments
from portability.stores.dynamodb.plane import GET_AT_ONCE, SIDE_BY_SIDE, chunks, distinct
from portability.stores.dynamodb.provision import Provision
from portability.stores.dynamodb.reading import Reading
from portability.stores.dynamodb.sample import sample
from portability.stores.dynamodb.sides import Direction, End, Surroundings, direction, end
from portability.stores.dynamodb.wiring import Pace, Wiring
from portability.stores.throttle import Lanes, Throttle

MOST_WRITERS = 64
"""Batches that are written side by side, over all units."""

PARTITION = Rate(wcu=1000.0, rcu=3000.0)
"""What one partition key bears. AWS: DynamoDB."""


class DynamoMove:
    """Thread-safe: units are copied and compared side by side. Holds what is in flight and in doubt, per direction."""

    def __init__(
        self,
        spec: StoreSpec,
        plan_move: StoreMove,
        layout: Layout,
        around: Surroundings,
        *,
        clone: bool,
        canaries: bool,
        pace: Pace = Pace(),
    ) -> None:
        self.store = plan_move.store
        self._spec = spec
        self._layout = layout
        self._around = around
        self._clone = clone
        self._canaries = canaries
        self._pace = pace
        self._source = end(plan_move.source, layout, spec, around)
        self._target = end(plan_move.target, layout, spec, around)
        # Attributes are mapped on the way from a table of the tenant's own to the shared one, and back again.
        pools = plan_move.source.model is Model.SILO and plan_move.target.model is Model.POOL
        self._drift = Drifting(spec, layout, self._source, self._target) if pools else None
        self._ways = {flow: self._way(flow) for flow in Flow}
        self._live: dict[Flow, set[DynamoChannel]] = {flow: set() for flow in Flow}
        self._writers: Executor | None = None
        self._types: dict[str, str] = {}  # of the key attributes

    def _way(self, flow: Flow) -> Direction:
        carry = None if self._drift is None else self._drift.carry(flow)
        return direction(flow, self._source, self._target, self._around.clock.monotonic, carry)

    # ------------------------------------------------------------------------------------------------- plan and target

    def facts(self) -> dict[str, Any]:
        """See `Move`."""
        return {
            "suffixes": None if self._layout.suffixes is None else list(self._layout.suffixes),
            **{
                side: None if (table := one.observed()) is None else table.facts()
                for side, one in (("source", self._source), ("target", self._target))
            },
        }

    def findings(self) -> list[Finding]:
        """See `Move`."""
        return Look(
            store=self.store,
            spec=self._spec,
            layout=self._layout,
            source=self._observed(self._source),
            target=self._observed(self._target),
            adopts=not self._clone,
        ).findings()

    def _observed(self, one: End) -> Observed:
        table = one.observed()
        tags = {} if table is None else one.dynamo.tags(table.arn) or {}
        sources = self._around.aws.eventsources(region=one.side.region, role=one.side.role)
        return Observed(one.reading, table, tags, sources)

    def estimate(self, *, exact: bool) -> Estimate:
        """See `Move`."""
        units = self.units(Flow.FORWARD)
        if exact:
            return estimate.exact(self._source.reading, units)
        table = self._source.observed()
        if table is None:
            return Estimate(0, 0, 0.0, exact=True)
        if self._drift is not None:
            return self._drift.sampled(table).estimate
        return estimate.within_budget(self._source.reading, units, table)

    def drift(self, *, check: Callable[[], None] | None = None) -> list[Finding]:
        """See `Move`."""
        return [] if self._drift is None else self._drift.findings(check)

    def provisioning(self) -> list[Change]:
        """See `Move`."""
        return self._provision.preview()

    def provision(self, *, run: str, intend: Callable[[Change, bool], bool | None]) -> None:
        """See `Move`."""
        self._provision.ensure(run, intend)

    def unprovision(self, *, run: str, created: bool) -> None:
        """See `Move`."""
        self._provision.remove(run, created=created)

    @property
    def _provision(self) -> Provision:
        clock = self._around.clock
        return Provision(
            store=self.store,
            tenant=self._layout.tenant,
            source=self._source.dynamo,
            source_table=self._source.side.table,
            target=self._target.dynamo,
            target_table=self._target.side.table,
            clone=self._clone,
            streamed=bool(self._spec.consumers),
            monotonic=clock.monotonic,
            sleep=clock.sleep,
        )

    # ------------------------------------------------------------------------------------------------------------ data

    def units(self, flow: Flow) -> list[str]:
        """See `Move`."""
        return list(self._ways[flow].origin.reach.units)

    def copy(
        self, flow: Flow, unit: str, cursor: Cursor | None, *, throttle: Throttle | None = None
    ) -> Iterator[Copied]:
        """See `Move`. A unit that is one partition key has that key's ceiling."""
        way = self._ways[flow]
        ceiling = PARTITION if unit.startswith("p/") else Rate()
        reading, sync = way.through(Lanes() if throttle is None else throttle.lanes(ceiling=ceiling))
        return Copy(reading, sync)(unit, cursor, pool=self._writers)

    def sync(self, flow: Flow, keys: Sequence[Key]) -> Synced:
        """See `Move`."""
        return self._ways[flow].sync(keys, pool=self._writers)

    def channel(self, flow: Flow, ledger: Ledger, *, done: Iterable[str], taken_over: Horizon | None) -> Channel:
        """See `Move`."""
        way, around = self._ways[flow], self._around
        wiring = Wiring(
            name=channel_name(self.store, flow),
            origin=way.origin.plane,
            reach=way.origin.reach,
            units=tuple(self.units(flow)),
            sync=way.sync,
            stream=way.origin.stream(),
            compare=lambda unit: self._compare(flow, excuse=False).unit(unit, repair=True),
            strays=lambda: self._strays(flow, excuse=False),
            now=around.clock.now,
            monotonic=around.clock.monotonic,
            sleep=around.clock.sleep,
            nonce=lambda: f"{int(around.clock.now() * 1000):x}-{around.rng.getrandbits(64):016x}",
            writers=lambda: self._writers,
            horizon=around.horizon,
            readers=around.readers,
            pace=self._pace,
        )
        return DynamoChannel(wiring, ledger, done=done, taken_over=taken_over, live=self._live[flow])

    def compare(self, flow: Flow, unit: str, *, repair: bool) -> Compared:
        """See `Move`. A key that changed since the channel's `mark`, and differs still, is the channel's to tell."""
        return self._compare(flow).unit(unit, repair=repair)

    def compare_keys(self, flow: Flow, keys: Sequence[Key]) -> Compared:
        """See `Move`."""
        self._layout.guard(keys)
        return self._compare(flow).keys(keys)

    def compare_some(self, flow: Flow, keys: Sequence[Key], *, repair: bool) -> Compared:
        """See `Move`. A key that changed since the channel's `mark`, and differs still, is the channel's to tell."""
        self._layout.guard(keys)
        return self._compare(flow).some(keys, repair=repair)

    def sample(self, flow: Flow, most: int) -> list[Key]:
        """See `Move`."""
        way, rng = self._ways[flow], self._around.rng
        sides = (way.origin, way.destination)
        return distinct(self._layout, [key for one in sides for key in sample(one.reading, one.reach.units, most, rng)])

    def _compare(self, flow: Flow, *, excuse: bool = True) -> Compare:
        way, clock = self._ways[flow], self._around.clock
        return Compare(
            origin=self._compared(way.origin),
            destination=self._compared(way.destination),
            sync=way.sync,
            now=clock.now,
            sleep=clock.sleep,
            ttl=self._spec.ttl,
            excused=lambda key_id: excuse and self._has_changed(flow, key_id),
        )

    def _compared(self, one: End) -> Reading:
        """A side as it is compared: both in the shared table's terms."""
        return one.reading if self._drift is None else self._drift.compared(one)

    def _has_changed(self, flow: Flow, key_id: KeyId) -> bool:
        return any(channel.has_changed(key_id) for channel in self._live[flow].copy())

    def strays(self, flow: Flow) -> list[Difference]:
        """See `Move`. Where a unit is a named partition, comparing it finds its extra keys; others are found here."""
        return self._strays(flow, excuse=True)

    def _strays(self, flow: Flow, *, excuse: bool) -> list[Difference]:
        way = self._ways[flow]
        if isinstance(way.origin.reach, Partitions):
            return self._outside(way.destination)
        extra = self._compare(flow, excuse=excuse).strays(self._keys(way.destination))
        return [*extra, *self._outside(way.destination)]

    def _keys(self, one: End) -> Iterator[Sequence[Key]]:
        """The tenant's keys at a side, those of its units."""
        for unit in one.reach.units:
            for leaf in one.reading.pages(unit, names=self._layout.key_names):
                keys = [self._layout.key(item) for item in leaf.items if self._layout.is_placed(item)]
                yield from chunks(keys, GET_AT_ONCE)

    def _outside(self, one: End) -> list[Difference]:
        """Keys at a side in no unit: beyond the suffixes, or in the tenant's own table and not the tenant's."""
        found: list[Key] = []
        if isinstance(one.reach, Segments) and one.reading.owned:
            for unit in one.reach.units:
                for leaf in one.reading.pages(unit, names=self._layout.key_names):
                    found += [self._layout.key(item) for item in leaf.items if not self._layout.is_placed(item)]
        elif self._layout.suffixes is not None:
            low, high = self._layout.suffixes
            for suffix in {low - 1, high + 1} - {-1}:
                page = one.plane.partition(
                    self._layout.pattern.render(self._layout.tenant, str(suffix)), names=self._layout.key_names
                )
                found += [self._layout.key(item) for item in page.items]
        return [Difference(key, "extra", digest.key_hash(key)) for key in found]

    def capacity(self, flow: Flow, *, before: float | None) -> list[Finding]:
        """See `Move`."""
        way = self._ways[flow]
        origin, destination = way.origin.observed(), way.destination.observed()
        if origin is None or destination is None or destination.on_demand:
            return []
        peak = capacity.UNKNOWN if before is None else way.origin.peak(before)
        return list(capacity.findings(origin, destination, peak))

    def archive(self, flow: Flow) -> Iterator[bytes]:
        """See `Move`."""
        origin = self._ways[flow].origin
        for unit in origin.reach.units:
            for leaf in origin.reading.pages(unit):
                for item in leaf.items:
                    yield digest.json_line(item)

    def erase(self, flow: Flow, *, guard: Callable[[], None], keep_table: bool = False) -> int:
        """See `Move`."""
        origin, clock = self._ways[flow].origin, self._around.clock
        # What is written to the origin is the other direction's: deletions take the same registry.
        in_flight = self._ways[flow.opposite].in_flight
        erase = Erase(
            origin.reading,
            self.units(flow),
            in_flight,
            self._around.horizon,
            clock.monotonic,
            clock.sleep,
            keep_table=keep_table,
        )
        return erase(guard)

    # ---------------------------------------------------------------------------------------------------------- canary

    def canary(self, run: str) -> Callable[[str], Key] | None:
        """See `Move`."""
        if not self._canaries:
            return None
        if not self._types:  # asked again inside the fence, where every call costs the tenant
            description = self._source.dynamo.describe(self._source.side.table) or {}
            given = description.get("AttributeDefinitions", [])
            self._types = {each["AttributeName"]: each["AttributeType"] for each in given}
        return canary.maker(self._layout, self._types, run) if self._types else None

    def canary_roundtrip(self, flow: Flow, channel: Channel, *, run: str, patience: float) -> None:
        """See `Move`."""
        make = self.canary(run)
        if make is None or not isinstance(channel, DynamoChannel):
            return
        way, clock = self._ways[flow], self._around.clock
        key = make(f"{flow}-{int(clock.now() * 1000):x}-{self._around.rng.getrandbits(32):08x}")
        deadline = clock.monotonic() + patience
        channel.put_canary(key)
        arrived = self._seen(way, key, present=True, deadline=deadline, channel=channel)
        channel.withdraw_canaries()
        left = self._seen(way, key, present=False, deadline=deadline, channel=channel)
        channel.remove_canaries()  # known until now: were this process killed, the next would have to delete it there
        if not (arrived and left):
            what = "did not arrive" if not arrived else "was not deleted"
            raise errors.Parked(
                f"a canary {what} on its way {flow} from {way.origin.side.table} to {way.destination.side.table}"
                f" within {patience:g} s",
                reason=ParkReason.GATE,
                next=f"portability resume {run}",
            )

    def _seen(self, way: Direction, key: Key, *, present: bool, deadline: float, channel: Channel) -> bool:
        while True:
            channel.lag()
            if bool(way.destination.plane.present([key])) is present:
                return True
            if self._around.clock.monotonic() >= deadline:
                return False
            self._around.clock.sleep(0.05)

    @contextmanager
    def workers(self, pool_size: int) -> Iterator[None]:
        """See `Move`. While it is open, the batches of a page are written side by side."""
        with ThreadPoolExecutor(
            min(SIDE_BY_SIDE * pool_size, MOST_WRITERS), thread_name_prefix=f"write {self.store}"
        ) as pool:
            self._writers = pool
            try:
                yield
            finally:
                self._writers = None
