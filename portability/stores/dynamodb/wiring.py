"""What a channel stands on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from portability.stores.base import Compared, Difference
from portability.stores.dynamodb.layout import Reach
from portability.stores.dynamodb.plane import Plane
from portability.stores.dynamodb.reader import Looks, Readers
from portability.stores.dynamodb.stream import TableStream
from portability.stores.dynamodb.sync import Sync


@dataclass(frozen=True)
class Pace:
    """How often things are done, in seconds."""

    idle: float = 0.1  # between two turns: what comes meanwhile is synced together
    shards: float = 10.0  # between two listings of the shards
    positions: float = 1.0  # between two savings of the positions
    rows: float = 20.0  # positions saved a second, over longer times: many shards are saved less often
    stale: float = 120.0  # between two savings of positions behind which nothing was the tenant's
    measured: float = 5.0  # between two savings of lag and backlog
    outage: float = 120.0  # how long the poller lives without an answer
    canary: float = 0.25  # for how long a round of canaries is waited for
    looks: Looks = field(default_factory=Looks)


@dataclass(frozen=True)
class Wiring:
    """One direction of one store, as its channel sees it."""

    name: str
    origin: Plane
    reach: Reach
    units: tuple[str, ...]
    sync: Sync
    stream: TableStream
    compare: Callable[[str], Compared]  # compares a unit and syncs what differs
    strays: Callable[[], list[Difference]]
    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    nonce: Callable[[], str]
    writers: Callable[[], Executor | None]  # writes batches side by side while units are copied
    horizon: float
    readers: Readers
    pace: Pace = Pace()
