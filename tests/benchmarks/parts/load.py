"""Copy and channel together, with and without an application that writes to the same partitions."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

from portability.steps.unit_pool import run_units
from portability.stores.base import Channel, ChannelState, Flow, Move
from tests.benchmarks import engine, items, moving
from tests.benchmarks.measured import python
from tests.benchmarks.results import Part, Row, ratios
from tests.benchmarks.sizes import Sizes
from tests.stores.memory_ledger import MemoryLedger

PATIENCE = 60.0  # seconds for the last changed keys


def measure(sizes: Sizes) -> dict[str, Part]:
    """Pairs of copies."""
    over = items.partitions(engine.WORKERS)
    calm: list[float] = []
    busy: list[float] = []
    synced: list[float] = []
    with engine.running() as local, local.table(stream=True) as source:
        local.fill(source, sizes.load, over)
        for number in range(sizes.warm + sizes.pairs):
            for written in (False, True) if number % 2 else (True, False):
                with contextlib.ExitStack() as stack:
                    target = stack.enter_context(local.table())
                    if written:
                        stack.enter_context(_application(local, source, over, sizes))
                    seconds, keys = _copy(source, target, over)
                (busy if written else calm).append(round(seconds, 3))
                if written:
                    synced.append(float(keys))
    rows = [Row("under a writer", "s", busy[sizes.warm :]), Row("without", "s", calm[sizes.warm :])]
    longer = ratios(*rows)
    notes = [f"{sizes.load:,} items, {engine.WORKERS} workers, {sizes.rate:g} writes per second."]
    return {
        "load": Part(
            [longer, *rows, Row("keys synced meanwhile", "keys", synced[sizes.warm :])],
            {"longer": longer.median},
            notes,
        )
    }


def _copy(source: str, target: str, over: Sequence[str]) -> tuple[float, int]:
    """Seconds from the first read until every unit is copied and every key changed until then is synced."""
    move = moving.new_move(
        moving.new_aws(), items.TENANT, (1, len(over)), source=source, target=target, key_names=moving.KEY_NAMES
    )
    channel = move.channel(Flow.FORWARD, MemoryLedger(), done=[], taken_over=None)
    channel.pin()
    channel.start(ChannelState.SYNC)
    try:
        began = time.monotonic()
        jobs = {unit: partial(_unit, move, channel, unit=unit) for unit in move.units(Flow.FORWARD)}
        run_units([move], jobs, engine.WORKERS)
        channel.settle(patience=PATIENCE)
        return time.monotonic() - began, channel.counts()["synced"]
    finally:
        channel.stop()


def _unit(move: Move, channel: Channel, _halt: threading.Event, *, unit: str) -> None:
    for _ in move.copy(Flow.FORWARD, unit, None):
        pass
    channel.unit_done(unit)


@contextlib.contextmanager
def _application(local: engine.Engine, table: str, over: Sequence[str], sizes: Sizes) -> Iterator[None]:
    """A process that writes for the block."""
    argv = python("tests.benchmarks.writer", local.endpoint, table, str(sizes.rate), str(sizes.load), ",".join(over))
    process = subprocess.Popen(argv, env=dict(local.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or not process.stdout.readline():
            message = "the writer did not start"
            raise RuntimeError(message)
        yield
    finally:
        process.communicate()
