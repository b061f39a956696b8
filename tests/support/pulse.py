"""How late this machine is: what a tenant waited because the directory did not answer at once is not the product's."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from portability.sandbox.seed import find_shape
from tests.support.world import World

PERIOD = 0.05
"""Seconds from one beat to the next one due."""

AT_ONCE = 0.05
"""Seconds in which a directory answers at once, waking up included; what a beat takes longer is late."""


@dataclass
class Pulse:
    """Moments of this host's monotonic clock, in seconds, at which the directory had answered a read of one record."""

    beats: list[float] = field(default_factory=list)

    def late(self, span: float) -> float:
        """By how many seconds beats were late in all, in the worst `span` seconds of those felt."""
        return most_late(self.beats, span)


def most_late(beats: Sequence[float], span: float) -> float:
    """The most that beats were late in all within any `span` seconds, in seconds; a gap counts where it ends."""
    late = [(at, max(0.0, at - before - PERIOD - AT_ONCE)) for before, at in pairwise(beats)]
    worst = within = 0.0
    first = 0
    for at, seconds in late:
        within += seconds
        while late[first][0] < at - span:
            within -= late[first][1]
            first += 1
        worst = max(worst, within)
    return worst


@contextlib.contextmanager
def felt(world: World, tenant: str) -> Iterator[Pulse]:
    """Read the tenant's record again and again, past every wire, until the block ends."""
    pulse, over = Pulse(), threading.Event()

    def beat() -> None:
        directory, dynamodb = find_shape(world.shape).directory, world.client("dynamodb")
        while not over.wait(PERIOD):
            dynamodb.get_item(TableName=directory.table, Key={directory.key: {"S": tenant}}, ConsistentRead=True)
            pulse.beats.append(time.monotonic())

    thread = threading.Thread(target=beat, name="pulse")
    thread.start()
    try:
        yield pulse
    finally:
        over.set()
        thread.join()
