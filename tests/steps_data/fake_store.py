"""A store in memory with two sides, their change streams, and channels that poll only when their turn comes.

The application's writes and the channels' turns happen inside the traps, so that each run is one schedule of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from portability import errors
from portability.model.change import Change, Finding
from portability.model.run import Cursor
from portability.model.status import ParkReason
from portability.stores.base import (
    ChannelState,
    Compared,
    Copied,
    Difference,
    Estimate,
    Flow,
    Horizon,
    Key,
    Lag,
    Ledger,
    Synced,
)
from portability.stores.throttle import Throttle
from tests.steps_data.fake_dynamo import Trap, no_trap

UNITS = ("u0", "u1")
PAGE = 2


def key_of(name: str) -> Key:
    return {"id": {"S": name}}


def unit_of(name: str) -> str:
    return UNITS[int(name.rpartition("-")[2]) % len(UNITS)]


def key_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]


@dataclass
class Shelf:
    """One side: items by name, and the names that changed, in order, with the time of each."""

    items: dict[str, int] = field(default_factory=dict)
    log: list[tuple[str, float]] = field(default_factory=list)
    now: Callable[[], float] = lambda: 0.0

    def write(self, name: str, value: int | None) -> None:
        """As DynamoDB: a write that changes nothing leaves no record."""
        if self.items.get(name) == value:
            return
        if value is None:
            del self.items[name]
        else:
            self.items[name] = value
        self.log.append((name, self.now()))


@dataclass
class World:
    """What outlives a process: both sides of one store."""

    source: Shelf = field(default_factory=Shelf)
    target: Shelf = field(default_factory=Shelf)

    def ends(self, flow: Flow) -> tuple[Shelf, Shelf]:
        return (self.source, self.target) if flow is Flow.FORWARD else (self.target, self.source)


class FakeChannel:
    """Carries `stores.base.Channel`. Its position and parked keys are in the ledger, and nowhere else."""

    def __init__(self, move: FakeMove, flow: Flow, ledger: Ledger, *, done: Iterable[str]) -> None:
        self.name = f"{move.store}-{flow.value}"
        self._move, self.flow, self._ledger = move, flow, ledger
        self._done = set(done)
        self._state: ChannelState | None = None
        self._changed: dict[str, None] | None = None
        self._slips: list[str] = []
        self._synced = 0

    def _trap(self, what: str) -> None:
        self._move.trap(f"{what} {self.name}")

    def _position(self) -> int | None:
        text = self._ledger.load_positions(self.name).get("at")
        return None if text is None else int(text)

    def pin(self) -> None:
        self._trap("before pin")
        if self._position() is None:
            self._ledger.save_positions(self.name, {"at": str(len(self._move.world.ends(self.flow)[0].log))})
        self._trap("after pin")

    def start(self, state: ChannelState) -> None:
        self._trap("before start")
        assert self._position() is not None, "a channel is pinned before it starts"
        self._state = state
        self._move.told(self, state)
        self._move.running.append(self)
        self._move.history.append(f"{self.name} {state.value}")
        if state is ChannelState.SYNC:
            self._unpark()

    def become(self, state: ChannelState) -> None:
        self._trap("before become")
        self._state = state
        self._move.told(self, state)
        self._move.history.append(f"{self.name} {state.value}")
        if state is ChannelState.SYNC:
            self._unpark()
        self._trap("after become")

    def unit_done(self, unit: str) -> None:
        self._trap("before unit_done")
        self._done.add(unit)
        self._unpark()

    def poll(self) -> None:
        """What its thread would do all the time."""
        if self._state is None:
            return
        origin = self._move.world.ends(self.flow)[0]
        at = self._position() or 0
        news = [name for name, _ in origin.log[at:]]
        if not news:
            return
        ready = [name for name in news if self._state is ChannelState.SYNC and unit_of(name) in self._done]
        wait = [name for name in news if name not in ready]
        if self._changed is not None:
            self._changed.update(dict.fromkeys(news))
        if self._state is ChannelState.WATCH:
            self._slips += [key_hash(name) for name in news]
        if wait:
            self._ledger.park(self.name, "parked", [key_of(name) for name in dict.fromkeys(wait)])
        self._sync(ready)
        self._ledger.save_positions(self.name, {"at": str(at + len(news))})

    def _sync(self, names: Iterable[str]) -> None:
        if self._state is not None:
            self._move.sync(self.flow, [key_of(name) for name in dict.fromkeys(names)])

    def _unpark(self) -> None:
        if self._state is not ChannelState.SYNC:
            return
        for id_, (_, keys) in self._ledger.parked(self.name).items():
            if all(unit_of(key["id"]["S"]) in self._done for key in keys):
                self._move.sync(self.flow, keys)
                self._ledger.unpark(self.name, [id_])

    def _parked(self) -> int:
        return sum(len(keys) for _, keys in self._ledger.parked(self.name).values())

    def lag(self) -> Lag:
        self._trap("before lag")
        unread = self._move.world.ends(self.flow)[0].log[self._position() or 0 :]
        behind = self._move.now() - unread[0][1] if unread else 0.0
        lost = self._move.lost and self.flow is Flow.FORWARD and self._state is ChannelState.WATCH
        return Lag(seconds=behind, backlog=0, parked=self._parked(), doubtful=0, retention_left=None, lost=lost)

    def drain(self, *, after: float, canary: Callable[[str], Key] | None, patience: float) -> list[str]:
        self._trap("before drain")
        self._move.drained_after.append(after)
        self.poll()
        self._unpark()
        self._move.history.append(f"{self.name} drained")
        self._move.sleep(self._move.drain_seconds)
        self._trap("after drain")
        return list(self._move.silent)

    def changed(self) -> list[Key] | None:
        return None if self._changed is None else [key_of(name) for name in self._changed]

    def mark(self) -> None:
        self._trap("before mark")
        self._changed = {}

    def slips(self) -> list[str]:
        return list(self._slips)

    def settle(self, *, patience: float) -> None:
        self._trap("before settle")
        self.poll()
        self._unpark()
        if self._parked():
            raise errors.Parked("not settled", reason=ParkReason.GATE, next=errors.AGAIN)

    def counts(self) -> dict[str, int]:
        return {"synced": self._synced, "unwritable": self._move.unwritable}

    def refused(self) -> str:
        return "a hash (a reason)"

    def stop(self) -> None:
        self._state = None
        if self in self._move.running:
            self._move.running.remove(self)

    def close(self) -> None:
        self._trap("before close")
        self.stop()
        if not any(other.name == self.name for other in self._move.running):
            self._ledger.drop_channel(self.name)
            self._move.history.append(f"{self.name} closed")


class FakeMove:
    """Carries `stores.base.Move` for one process. `history` is what its channels were told, in order."""

    def __init__(self, store: str, world: World, trap: Trap = no_trap) -> None:
        self.store = store
        self.world = world
        self.trap = trap
        self.running: list[FakeChannel] = []
        self.history: list[str] = []
        self.drained_after: list[float] = []
        self.silent: list[str] = []
        self.lost = False  # records of the forward stream, before what it watches now
        self.unwritable = 0
        self.short: list[Finding] = []  # what a look at the capacities finds
        self.drain_seconds = 0.0
        self.sleep: Callable[[float], None] = lambda _seconds: None
        self.tamper: Callable[[], None] = lambda: None  # called before every comparison
        self.copied_pages: list[str] = []
        self.pool_sizes: list[int] = []
        self.hushed = False  # traps are not sprung
        self.stalled = False  # the channels' threads wait for the journal; who settles waits for them
        self.now: Callable[[], float] = lambda: 0.0
        self.told: Callable[[FakeChannel, ChannelState], None] = lambda _channel, _state: None

    def facts(self) -> dict[str, Any]:
        return {}

    def findings(self) -> list[Finding]:
        return []

    def drift(self, *, check: Callable[[], None] | None = None) -> list[Finding]:
        return []

    def estimate(self, *, exact: bool) -> Estimate:
        return Estimate(items=len(self.world.source.items), bytes=100, rcu=1.0, exact=exact)

    def provisioning(self) -> list[Change]:
        return []

    def provision(self, *, run: str, intend: Callable[[Change, bool], None]) -> None:
        raise AssertionError

    def unprovision(self, *, run: str, created: bool) -> None:
        raise AssertionError

    def units(self, _flow: Flow) -> list[str]:
        return list(UNITS)

    def copy(
        self, flow: Flow, unit: str, cursor: Cursor | None, *, throttle: Throttle | None = None
    ) -> Iterator[Copied]:
        origin, destination = self.world.ends(flow)
        start = str((cursor.position or {}).get("last", "")) if cursor else ""
        items = cursor.items if cursor else 0
        names = sorted(name for name in origin.items if unit_of(name) == unit and name > start)
        for at in range(0, len(names), PAGE):
            page = names[at : at + PAGE]
            self.trap(f"before page {unit}")
            for name in page:
                if name in origin.items:
                    destination.write(name, origin.items[name])
            self.copied_pages.append(f"{unit}:{page[0]}")
            self.trap(f"after page {unit}")
            items += len(page)
            done = at + PAGE >= len(names)
            yield Copied(
                Cursor(unit=unit, position={"last": page[-1]}, items=items, bytes=items * 10, done=done), len(page), 20
            )

    def sync(self, flow: Flow, keys: Sequence[Key]) -> Synced:
        origin, destination = self.world.ends(flow)
        for key in keys:
            name = key["id"]["S"]
            destination.write(name, origin.items.get(name))
        return Synced(put=len(keys), deleted=0)

    def channel(self, flow: Flow, ledger: Ledger, *, done: Iterable[str], taken_over: Horizon | None) -> FakeChannel:
        return FakeChannel(self, flow, ledger, done=done)

    def catch_up(self, flow: Flow) -> None:
        """What the channels' own threads do all the time, in one go: nothing else happens meanwhile."""
        if self.stalled:
            return
        before, self.hushed = self.hushed, True
        for channel in self.running:
            if channel.flow is flow:
                channel.poll()
        self.hushed = before

    def compare(self, flow: Flow, unit: str, *, repair: bool) -> Compared:
        self.trap(f"before compare {unit}")
        self.tamper()
        self.catch_up(flow)
        origin, _ = self.world.ends(flow)
        excused = self._excused(flow)
        names = {name for name in origin.items if unit_of(name) == unit} - excused  # the others are strays
        compared = self._compared(flow, unit, names)
        if repair and compared.differences:
            self.sync(flow, [difference.key for difference in compared.differences])
            again = self._compared(flow, unit, names)
            return Compared(
                unit, again.source_items, again.target_items, again.source_digest, again.target_digest,
                repaired=len(compared.differences), differences=again.differences,
            )  # fmt: skip
        return compared

    def _excused(self, flow: Flow) -> set[str]:
        """Keys that a running channel tells of by itself: they changed since its `mark`."""
        running = [channel for channel in self.running if channel.flow is flow]
        return {key["id"]["S"] for channel in running for key in channel.changed() or ()}

    def compare_keys(self, flow: Flow, keys: Sequence[Key]) -> Compared:
        self.trap("before compare_keys")
        self.tamper()
        return self._compared(flow, "keys", {key["id"]["S"] for key in keys})

    def _compared(self, flow: Flow, unit: str, names: set[str]) -> Compared:
        origin, destination = self.world.ends(flow)
        sides = [{name: shelf.items[name] for name in names if name in shelf.items} for shelf in (origin, destination)]
        differing = [name for name in sorted(names) if sides[0].get(name) != sides[1].get(name)]
        digests = [f"{sum(hash_of(*pair) for pair in side.items()) % 2**128:032x}" for side in sides]
        return Compared(
            unit, len(sides[0]), len(sides[1]), digests[0], digests[1],
            differences=[Difference(key_of(name), "differs", key_hash(name)) for name in differing],
        )  # fmt: skip

    def strays(self, flow: Flow) -> list[Difference]:
        origin, destination = self.world.ends(flow)
        extra = sorted(destination.items.keys() - origin.items.keys() - self._excused(flow))
        return [Difference(key_of(name), "extra", key_hash(name)) for name in extra]

    def capacity(self, flow: Flow, *, before: float | None) -> list[Finding]:
        return list(self.short)

    def archive(self, flow: Flow) -> Iterator[bytes]:
        for name, value in sorted(self.world.ends(flow)[0].items.items()):
            yield f'{{"id":{{"S":"{name}"}},"v":{{"N":"{value}"}}}}\n'.encode()

    def erase(self, flow: Flow, *, guard: Callable[[], None], keep_table: bool = False) -> int:
        shelf, count = self.world.ends(flow)[0], 0
        for name in sorted(shelf.items):
            guard()
            self.trap("before erase")
            shelf.write(name, None)
            count += 1
        return count

    def canary(self, _run: str) -> Callable[[str], Key] | None:
        return None

    def canary_roundtrip(self, flow: Flow, channel: Any, *, run: str, patience: float) -> None:
        self.trap("before canary")
        self.history.append(f"{channel.name} proven")

    def workers(self, pool_size: int) -> AbstractContextManager[None]:
        self.pool_sizes.append(pool_size)
        return nullcontext()


def hash_of(name: str, value: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{name}={value}".encode()).digest()[:16], "big")
