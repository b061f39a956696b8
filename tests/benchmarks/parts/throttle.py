"""A copy that has a grant: what the table took of it in each second, on the table's own clock."""

from __future__ import annotations

import statistics
import time
from itertools import accumulate

from portability.model.rate import Rate
from portability.stores.base import Flow
from portability.stores.throttle import Throttle
from tests.benchmarks import engine, items, moving, stub
from tests.benchmarks.results import Part, Row
from tests.benchmarks.sizes import Sizes

AHEAD = """\
Beyond the grant is the most by which what was written was ahead of what was granted, at any moment, as a share of the
copy. It is ahead in its first second: what it was granted while it made its connections comes at once."""
TENTHS = 10  # the stub tells what it took in each tenth of a second


def measure(sizes: Sizes) -> dict[str, Part]:
    """Copies against the stub server, which takes whatever comes: only the grant holds the copy back."""
    over = items.partitions(engine.WORKERS)
    used: list[float] = []
    overshoot: list[float] = []
    written: list[float] = []
    size = items.SIZES[0]
    with (
        stub.running(size=size, per_partition=sizes.throttled // len(over), tls=False) as server,
        engine.running(server.endpoint),
    ):
        for _ in range(sizes.pairs):
            before = len(server.units())
            _copy(over, sizes.granted)
            taken = of_a_copy(server.units()[before:])
            used.append(round(sum(taken[1:-1]) / (sizes.granted * (len(taken) - 2) / TENTHS), 4))
            overshoot.append(round(ahead(taken, sizes.granted) / sum(taken), 4))
            written += [float(sum(taken[at : at + TENTHS])) for at in range(1, len(taken) - TENTHS, TENTHS)]
    rows = [
        Row("granted write units used", "share", used),
        Row("write units beyond the grant", "share", overshoot),
        Row("written in each second", "WCU", written),
    ]
    notes = [
        f"{sizes.throttled:,} items of 1 KB, {sizes.granted:,.0f} WCU granted, {engine.WORKERS} workers.",
        "Against the stub server, on its clock.",
        AHEAD,
    ]
    return {"throttle": Part(rows, {"used": statistics.median(used), "overshoot": max(overshoot)}, notes)}


def of_a_copy(tenths: list[int]) -> list[int]:
    """The tenths from the first in which something was written to the last. Raises ValueError for too short a copy."""
    busy = [at for at, units in enumerate(tenths) if units]
    taken = tenths[busy[0] : busy[-1] + 1] if busy else []
    if len(taken) < TENTHS + 2:
        message = "the copy was over within a second"
        raise ValueError(message)
    return taken


def ahead(taken: list[int], granted: float) -> float:
    """The most units by which what was taken was ahead of the grant at the end of any tenth; 0 where it never was."""
    allowed = (granted * (number + 1) / TENTHS for number in range(len(taken)))
    return max(0.0, *(used - most for used, most in zip(accumulate(taken), allowed, strict=True)))


def _copy(over: list[str], granted: float) -> None:
    move = moving.new_move(
        moving.new_aws(), items.TENANT, (1, len(over)), source="pooled", target="own", key_names=moving.KEY_NAMES
    )
    throttle = Throttle(Rate(wcu=granted), monotonic=time.monotonic, sleep=time.sleep)
    moving.copy({move: move.units(Flow.FORWARD)}, engine.WORKERS, throttle=throttle)
