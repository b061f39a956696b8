"""The channel: keys of our own synced on DynamoDB Local, and a whole pool's records read from a stream made here."""

from __future__ import annotations

import statistics
import time
from typing import Any, NamedTuple

from portability.retry import Retry
from portability.stores.base import ChannelState, Compared, Flow
from portability.stores.dynamodb.channel import DynamoChannel
from portability.stores.dynamodb.doubt import Doubt
from portability.stores.dynamodb.in_flight import InFlight
from portability.stores.dynamodb.layout import Layout, Partitions
from portability.stores.dynamodb.pattern import Pattern
from portability.stores.dynamodb.plane import Plane
from portability.stores.dynamodb.reader import Readers
from portability.stores.dynamodb.sync import Sync
from portability.stores.dynamodb.unwritable import Unwritable
from portability.stores.dynamodb.wiring import Wiring
from tests.benchmarks import engine, items, moving
from tests.benchmarks.measured import Stopwatch
from tests.benchmarks.results import Part, Row, percentile
from tests.benchmarks.sizes import Sizes
from tests.benchmarks.whole_pool import Pool, Tables, TheStream, lags
from tests.stores.memory_ledger import MemoryLedger

PATIENCE = 120.0  # seconds for the last changed keys
SETTLED = 4.0  # seconds before the end whose records are not asked for: they may be on their way


class Followed(NamedTuple):
    """One look at a whole pool."""

    records: float  # a second
    lag_p50: float  # seconds
    lag_p99: float
    cpu: float  # share of a core, without what making the pages took
    journal: float  # writes a second


def measure(sizes: Sizes) -> dict[str, Part]:
    """The rate at which our own keys are applied, then the pool."""
    applied = _applied(sizes)
    followed = [_followed(sizes) for _ in range(sizes.pairs)]
    rows = [
        Row("records of a whole pool read", "records/s", [round(each.records) for each in followed]),
        Row("its lag, p50", "s", [round(each.lag_p50, 3) for each in followed]),
        Row("its lag, p99", "s", [round(each.lag_p99, 3) for each in followed]),
        Row("its CPU", "cores", [round(each.cpu, 2) for each in followed]),
        Row("its journal writes", "writes/s", [round(each.journal, 2) for each in followed]),
        Row("changed keys of our own applied on DynamoDB Local", "keys/s", applied),
    ]
    notes = [
        f"The pool: {sizes.shards} shards, {sizes.records:,.0f} records a second for {sizes.streamed:g} s, 1 % ours.",
        "Lag is from a record's writing to the answer that its key is synced; its p99 is held at the worst run's.",
        f"Our own: {sizes.changed:,} keys changed at once, until the last is synced.",
    ]
    figures = {
        "records_per_second": statistics.median(each.records for each in followed),
        "lag_p99_seconds": max(each.lag_p99 for each in followed),
    }
    return {"channel": Part(rows, figures, notes)}


def _applied(sizes: Sizes) -> list[float]:
    """Keys a second, from the moment at which the channel begins with them all behind it until it is settled."""
    over = items.partitions(engine.WORKERS)
    found = []
    with engine.running() as local:
        for _ in range(sizes.warm + sizes.pairs):
            with local.table(stream=True) as source, local.table() as target:
                move = moving.new_move(
                    moving.new_aws(),
                    items.TENANT,
                    (1, len(over)),
                    source=source,
                    target=target,
                    key_names=moving.KEY_NAMES,
                )
                channel = move.channel(Flow.FORWARD, MemoryLedger(), done=move.units(Flow.FORWARD), taken_over=None)
                channel.pin()
                local.fill(source, sizes.changed, over)
                began = time.monotonic()
                channel.start(ChannelState.SYNC)
                try:
                    channel.settle(patience=PATIENCE)
                    seconds, synced = time.monotonic() - began, channel.counts()["synced"]
                finally:
                    channel.stop()
                if synced < sizes.changed:
                    message = f"{synced} of {sizes.changed} changed keys were synced"
                    raise RuntimeError(message)
                found.append(round(sizes.changed / seconds, 1))
    return found[sizes.warm :]


def _followed(sizes: Sizes) -> Followed:
    """Reader, channel, sync and the saving of positions are the product's own."""
    pool, tables, ledger = Pool(sizes.shards, sizes.records), Tables(), MemoryLedger()
    channel = _channel(pool, tables, ledger)
    channel.pin()
    pool.began = time.time()
    watch = Stopwatch.started()
    channel.start(ChannelState.SYNC)
    while watch.read()[0] < sizes.streamed:
        time.sleep(0.25)
        channel.lag()
    seconds, cpu = watch.read()
    read, making, writes = pool.read, pool.making, len(ledger.told)
    until = time.time() - SETTLED
    time.sleep(1.0)
    channel.stop()
    late = lags(pool, tables, until)
    return Followed(
        read / seconds, percentile(late, 0.5), percentile(late, 0.99), (cpu - making) / seconds, writes / seconds
    )


def _channel(pool: Pool, tables: Tables, ledger: MemoryLedger) -> DynamoChannel:
    layout = Layout("Order", items.TENANT, Pattern("{tenant}-{suffix}"), "pk", "sk", (1, 10))
    reach = Partitions(layout.partitions or ())
    answering: Any = tables
    stream: Any = TheStream(pool)
    plane = Plane("pool", layout, answering, answering, Retry())
    wiring = Wiring(
        name="Order.forward",
        origin=plane,
        reach=reach,
        units=tuple(reach.units),
        sync=Sync(plane, plane, InFlight(), Doubt(layout, time.monotonic, 30.0), Unwritable(layout)),
        stream=stream,
        compare=lambda unit: Compared(unit, 0, 0, "", ""),
        strays=list,
        now=time.time,
        monotonic=time.monotonic,
        sleep=time.sleep,
        nonce=lambda: "0",
        writers=lambda: None,
        horizon=30.0,
        readers=Readers(),
    )
    return DynamoChannel(wiring, ledger, done=reach.units, taken_over=None, live=set())
