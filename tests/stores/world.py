"""A pool, a silo, neighbours, and a tenant that keeps writing: on DynamoDB Local."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import msgspec

from portability.aws.items import Items
from portability.aws.session import Aws
from portability.model.estate import Estate, Model
from portability.model.plan import Side, StoreMove
from portability.retry import Retry
from portability.stores.base import Flow
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.channel import DynamoChannel
from portability.stores.dynamodb.move import DynamoMove
from portability.stores.dynamodb.reader import Looks, Readers
from portability.stores.dynamodb.sides import Surroundings, layout_of
from portability.stores.dynamodb.wiring import Pace
from tests.stores.memory_ledger import MemoryLedger

REGION = "us-east-1"
LOOKS = Looks(calls=200.0, burst=50.0, quiet=0.02, hurry=0.005, listings=100.0)
PACE = Pace(idle=0.01, shards=0.5, positions=0.02, rows=1e6, stale=0.02, measured=3600.0, outage=3.0, looks=LOOKS)
Item = dict[str, Any]


class QuickClock:
    """Real time, but nobody sleeps long."""

    longest = 0.05

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, self.longest))


class AwsWith:
    """An `Aws` whose hot operations are wrapped."""

    def __init__(self, aws: Aws, wrap: Callable[[Items], Any]) -> None:
        self._aws = aws
        self._wrap = wrap

    def items(self, **where: Any) -> Any:
        return self._wrap(self._aws.items(**where))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._aws, name)


class World:
    """Tables of one test. The tenant is `tenant-42`; `tenant-42-1`, `tenant-4` and `tenant` are its neighbours."""

    tenant = "tenant-42"
    neighbours = ("tenant-42-1", "tenant-4", "tenant")

    def __init__(
        self,
        prefix: str,
        *,
        pattern: str = "{tenant}-{suffix}",
        sort_type: str = "S",
        sort_key: str | None = "sk",
        gsi: bool = False,
        horizon: str = "300ms",
        ttl: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        self.prefix = prefix
        self.sort_type = sort_type
        self.gsi = gsi
        self.pool, self.silo, self.pool_b = f"{prefix}-pool", f"{prefix}-{self.tenant}", f"{prefix}-pool-b"
        self.aws = Aws(region=REGION, read_only=False, retry=Retry(attempts=4, base=0.01, cap=0.05))
        self.dynamo = self.aws.dynamodb()
        self.clock = QuickClock()
        self.estate = msgspec.convert(
            {
                "apiVersion": "portability/v1",
                "kind": "Estate",
                "accounts": {"allowed": ["123456789012"], "regions": [REGION]},
                "journal": {"table": f"{prefix}-journal", "horizon": horizon},
                "directory": {"table": f"{prefix}-directory"},
                "tiers": {"basic": {"model": "pool"}, "premium": {"model": "silo"}},
                "stores": {
                    "Order": {
                        "pool": f"{prefix}-{{pool}}",
                        "silo": f"{prefix}-{{slug}}",
                        "partition_key": "pk",
                        **({"sort_key": sort_key} if sort_key else {}),
                        **({"ttl": ttl} if ttl else {}),
                        "attributes": attributes or {},
                        "tenant": {
                            "pattern": pattern,
                            **({"suffixes": {"default": [1, 3]}} if "suffix" in pattern else {}),
                            **({"enumerate": {"gsi": "by-tenant", "attribute": "tenantId"}} if gsi else {}),
                        },
                    }
                },
            },
            Estate,
        )

    # ----------------------------------------------------------------------------------------------------------- tables

    def make(self, name: str, *, stream: str | None = None) -> None:
        """A table as the estate says."""
        sort = self.estate.stores["Order"].sort_key
        attributes = [{"AttributeName": "pk", "AttributeType": "S"}]
        schema = [{"AttributeName": "pk", "KeyType": "HASH"}]
        if sort is not None:
            attributes.append({"AttributeName": sort, "AttributeType": self.sort_type})
            schema.append({"AttributeName": sort, "KeyType": "RANGE"})
        request: dict[str, Any] = {}
        if self.gsi:
            attributes.append({"AttributeName": "tenantId", "AttributeType": "S"})
            keys = [{"AttributeName": "tenantId", "KeyType": "HASH"}]
            index = {"IndexName": "by-tenant", "KeySchema": keys, "Projection": {"ProjectionType": "KEYS_ONLY"}}
            request["GlobalSecondaryIndexes"] = [index]
        if stream is not None:
            request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream}
        self.dynamo.create_table(
            TableName=name, AttributeDefinitions=attributes, KeySchema=schema, BillingMode="PAY_PER_REQUEST", **request
        )

    def move(
        self,
        source: str | None = None,
        target: str | None = None,
        *,
        wrap: Callable[[Items], Any] | None = None,
        seed: int = 1,
        pace: Pace = PACE,
        horizon: float = 0.3,
        clock: Any = None,
        clone: bool = True,
        readers: Readers | None = None,
    ) -> DynamoMove:
        """The move from pool to silo, unless said otherwise; every call gives a new process's."""
        spec = self.estate.stores["Order"]
        suffixes = (1, 3) if "suffix" in spec.tenant.pattern else None
        around = Surroundings(
            aws=self.aws if wrap is None else AwsWith(self.aws, wrap),  # type: ignore[arg-type]
            clock=clock or self.clock,
            retry=Retry(attempts=6, base=0.01, cap=0.05, rng=random.Random(seed)),
            rng=random.Random(seed),
            horizon=horizon,
            readers=readers or Readers(),
        )
        plan_move = StoreMove(
            store="Order", source=self.side(source or self.pool), target=self.side(target or self.silo)
        )
        layout = layout_of("Order", spec, self.tenant, "portability-canary", suffixes)
        return DynamoMove(spec, plan_move, layout, around, clone=clone, canaries=True, pace=pace)

    def side(self, table: str) -> Side:
        """A table as one side of a move."""
        return Side(table=table, model=Model.SILO if table == self.silo else Model.POOL, region=REGION)

    # ------------------------------------------------------------------------------------------------------------ items

    def partition(self, tenant: str, number: int) -> str:
        """One of a tenant's partition keys."""
        pattern = self.estate.stores["Order"].tenant.pattern
        return pattern.format(tenant=tenant, suffix=number % 3 + 1, rest=f"part{number % 7}")

    def item(self, number: int, *, tenant: str = tenant, value: str = "first", **more: Any) -> Item:
        """An item of a tenant."""
        item: Item = {
            "pk": {"S": self.partition(tenant, number)},
            "value": {"S": value},
            "tenantId": {"S": tenant},
            **more,
        }
        sort = self.estate.stores["Order"].sort_key
        if sort is None:
            item["pk"] = {"S": f"{item['pk']['S']}"}
        else:
            item[sort] = sort_value(self.sort_type, number)
        return item

    def key(self, item: Item) -> Item:
        """An item's key."""
        return {name: item[name] for name in ("pk", "sk") if name in item}

    def fill(self, table: str, items: Sequence[Item]) -> None:
        """Put items, in batches."""
        for at in range(0, len(items), 25):
            left: Sequence[Item] = items[at : at + 25]
            while left:
                left = self.dynamo.batch_write(table, left, []).puts

    def settle_neighbours(self, *tables: str, count: int = 20) -> None:
        """Give every neighbour items in the shared tables."""
        for table in tables:
            self.fill(table, [self.item(number, tenant=each) for each in self.neighbours for number in range(count)])

    def all(self, table: str) -> list[Item]:
        """Every item of a table."""
        items, start = [], None
        while True:
            page = self.dynamo.scan(table, start=start)
            items += page.items
            start = page.next
            if start is None:
                return items

    def mine(self, table: str) -> dict[bytes, Item]:
        """The tenant's items by key."""
        layout = self.move_layout
        return {layout.key_id(item): item for item in self.all(table) if layout.is_mine(item)}

    @property
    def move_layout(self) -> Any:
        """The tenant's layout."""
        spec = self.estate.stores["Order"]
        return layout_of(
            "Order", spec, self.tenant, "portability-canary", (1, 3) if "suffix" in spec.tenant.pattern else None
        )

    def others(self, table: str) -> tuple[int, str]:
        """Count and digest of everybody else's items, canaries left out."""
        layout = self.move_layout
        found = digest.tally(
            item for item in self.all(table) if not layout.is_mine(item) and not layout.is_canary(item)
        )
        return found.items, found.digest

    def assert_equal(self, left: str, right: str) -> None:
        """Both tables hold the same items of the tenant."""
        ours, theirs = self.mine(left), self.mine(right)
        different = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
        shown = [(ours.get(key), theirs.get(key)) for key in different[:3]]
        assert not different, f"{len(different)} of {len(ours)} differ: {shown}"


def sort_value(kind: str, number: int) -> Item:
    """A sort key of a type."""
    return {kind: {"S": f"{number:05}", "N": str(number), "B": number.to_bytes(4)}[kind]}


class Writer:
    """The tenant's application: it inserts, updates and deletes, on a few hot keys and many cold ones.

    `acknowledged` is what the table must hold, by key; None where the last acknowledged write was a deletion.
    """

    def __init__(self, world: World, table: str, numbers: range, *, seed: int = 7, pause: float = 0.001) -> None:
        self.acknowledged: dict[str, Item | None] = {}
        self.writes = 0
        self._world = world
        self._dynamo = world.aws.dynamodb(fresh=True)
        self._table = table
        self._numbers = numbers
        self._rng = random.Random(seed)
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Write no more."""
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def wait_for(self, writes: int) -> None:
        """Wait until that many more writes were acknowledged."""
        wanted = self.writes + writes
        while self.writes < wanted and self._thread.is_alive():
            time.sleep(0.005)

    def _run(self) -> None:
        try:
            for turn in itertools.count():
                if self._stop.is_set():
                    return
                hot = self._rng.random() < 0.3
                number = self._rng.choice(self._numbers[:5] if hot else self._numbers)
                item = self._world.item(number, value=f"turn {turn}")
                key = self._world.key(item)
                if self._rng.random() < 0.25:
                    self._dynamo.delete(self._table, key)
                    self.acknowledged[str(key)] = None
                else:
                    self._dynamo.put(self._table, item)
                    self.acknowledged[str(key)] = item
                self.writes += 1
                time.sleep(self._pause)
        except BaseException as failure:  # noqa: BLE001 - raised where the writer is stopped
            self._failure = failure

    def assert_kept(self, table: str) -> None:
        """The table holds what was acknowledged: no write lost, no deleted item back."""
        held = {str(self._world.key(item)): item for item in self._world.all(table)}
        for key, item in self.acknowledged.items():
            assert held.get(key) == item, f"{key} of {table}: acknowledged {item}, found {held.get(key)}"


def copy_all(move: DynamoMove, flow: Flow, channel: DynamoChannel | None = None) -> int:
    """Copy every unit; the number of items."""
    items = 0
    for unit in move.units(flow):
        items += sum(page.items for page in move.copy(flow, unit, None))
        if channel is not None:
            channel.unit_done(unit)
    return items


def opened(
    move: DynamoMove, flow: Flow, ledger: MemoryLedger, *, done: Sequence[str] = (), **more: Any
) -> DynamoChannel:
    """A pinned channel."""
    channel = move.channel(flow, ledger, done=done, taken_over=more.get("taken_over"))
    assert isinstance(channel, DynamoChannel)
    channel.pin()
    return channel


def until(holds: Callable[[], bool], patience: float = 10.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def keys_of(ledger: MemoryLedger, channel: str) -> Iterator[tuple[str, Item]]:
    """What is parked, with its group."""
    for group, keys in ledger.parked(channel).values():
        yield from ((group, key) for key in keys)
