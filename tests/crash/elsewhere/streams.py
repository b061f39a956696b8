"""R12: whatever a stream does to its reader, every change arrives, or what may be missing is compared anew.

A trial is a schedule drawn by its seed: writes of the tenant and of a neighbour, duplicates, records out of order, a
key in two shards, splits, shards that show nothing for a while, trims, streams turned off and on, a day without a
process, and calls that are throttled, refused, answered with nothing, or with an iterator that has expired. When it is
over and the service is well again, the channel has to settle and to be drained, as inside a fence, and both sides must
hold the same items.
"""

from __future__ import annotations

import dataclasses
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from portability.stores.base import MEASURED, ChannelState, Flow, Key, Measured, channel_name
from portability.stores.dynamodb.channel import DynamoChannel
from tests.crash.elsewhere.base import Around, Made, Trials
from tests.crash.elsewhere.estates import on_engines
from tests.stores.fake_service import Moods, OfTable, Service
from tests.stores.memory_ledger import MemoryLedger
from tests.stores.world import PACE, World

STEPS, KEYS, NEIGHBOUR = 40, 12, "tenant-4"
PATIENCE = 60.0
DAY = 25 * 3600.0
PACED = dataclasses.replace(PACE, shards=0.05, outage=PATIENCE)
NAME = channel_name("Order", Flow.FORWARD)


class Lost(AssertionError):
    """A change that did not arrive, and that nothing compared."""


@dataclass(frozen=True)
class FakedStreams:
    """The row."""

    says: str = "streams that repeat, reorder, split, stall, trim, expire, throttle and change: all arrives"
    figure: int | None = 300

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        with on_engines(around):
            yield OfStreams(self.figure or 0)


@dataclass(frozen=True)
class OfStreams:
    """Trials by seed."""

    most: int

    def names(self, seed: int) -> Sequence[str]:
        rng = random.Random(f"{seed}/R12")
        return [str(rng.getrandbits(32)) for _ in range(self.most)]

    def run(self, name: str) -> Made:
        world = World(f"r12-{uuid.uuid4().hex[:10]}")
        for table in (world.pool, world.silo):
            world.make(table)
        schedule = Schedule(world, random.Random(name))
        try:
            schedule.go()
        finally:
            schedule.close()
            for table in (world.pool, world.silo):
                world.dynamo.delete_table(table)
        return Made(frozenset(schedule.happened))


@dataclass
class Schedule:
    """One tenant, its tables, and a stream that does as drawn."""

    world: World
    rng: random.Random
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    happened: Counter[str] = field(default_factory=Counter)
    untold: list[tuple[dict[str, Any], str]] = field(default_factory=list)  # written, and in no shard yet

    def __post_init__(self) -> None:
        self.service = Service(random.Random(self.rng.getrandbits(32)))
        for _ in range(self.rng.randint(0, 2)):
            self.service.born(None)
        self.channel: DynamoChannel | None = None

    def go(self) -> None:
        """The whole of it. Raises `Lost`, or `Parked` where the channel does not settle."""
        ways: dict[Callable[[], None], int] = {
            self.write: 14,
            self.tell: 8,
            self.duplicate: 3,
            self.neighbour: 2,
            self.split: 3,
            self.hold: 3,
            self.let_go: 3,
            self.trim: 2,
            self.another_stream: 1,
            self.restart: 2,
            self.a_day_without_a_process: 1,
            self.mood: 4,
            self.wait: 6,
        }
        self.begin()
        for way in self.rng.choices(list(ways), weights=list(ways.values()), k=STEPS):
            self.happened[way.__name__.replace("_", " ")] += 1
            way()
        self.end()

    def close(self) -> None:
        if self.channel is not None:
            self.channel.stop()

    # ---------------------------------------------------------------------------------------------------- what happens

    def begin(self) -> None:
        """A process opens the channel; every unit was copied."""
        move = self.world.move(pace=PACED)
        self.canaries: Any = move.canary("r-1")
        template = cast("DynamoChannel", move.channel(Flow.FORWARD, MemoryLedger(), done=(), taken_over=None))
        wiring = dataclasses.replace(template._w, stream=cast("Any", OfTable(self.service)))
        units, live = move.units(Flow.FORWARD), move._live[Flow.FORWARD]
        self.channel = DynamoChannel(wiring, self.ledger, done=units, taken_over=None, live=live)
        self.well(self.channel.pin)
        self.channel.start(ChannelState.SYNC)

    def well(self, act: Callable[[], None]) -> None:
        """Do something with a service that is well: a pin that is refused ends its process, and is begun again."""
        moods, self.service.moods = self.service.moods, Moods()
        act()
        self.service.moods = moods

    def write(self) -> None:
        """The tenant inserts, updates or deletes; its stream tells of it later, or out of order."""
        item = self.world.item(self.rng.randrange(KEYS), value=f"v{self.rng.getrandbits(32)}")
        key = self.world.key(item)
        if self.rng.random() < 0.25:
            self.world.dynamo.delete(self.world.pool, key)
            self.untold.append((key, "REMOVE"))
        else:
            self.world.dynamo.put(self.world.pool, item)
            self.untold.append((key, "MODIFY"))

    def tell(self) -> None:
        """What was written is in the shards, in any order, a key now here and now there."""
        self.rng.shuffle(self.untold)
        for key, event in self.untold:
            self.service.write(self.rng.choice(self.service.open), key, event)
        self.untold = []

    def duplicate(self) -> None:
        """A record of something that was long told."""
        key = self.world.key(self.world.item(self.rng.randrange(KEYS)))
        self.service.write(self.rng.choice(self.service.open), key)

    def neighbour(self) -> None:
        """Somebody else's record."""
        key = self.world.key(self.world.item(self.rng.randrange(KEYS), tenant=NEIGHBOUR))
        self.service.write(self.rng.choice(self.service.open), key)

    def split(self) -> None:
        self.service.split(self.rng.choice(self.service.open), self.rng.randint(1, 2))

    def hold(self) -> None:
        self.rng.choice(list(self.service.shards.values())).held = True

    def let_go(self) -> None:
        for shard in self.service.shards.values():
            shard.held = False

    def trim(self) -> None:
        """A shard that is read on from a day too late: what is behind its place is gone.

        Only where that place is durable: of a shard read from its beginning no service tells what was there before.
        """
        durable = self.ledger.load_positions(NAME)
        for shard in list(self.service.shards.values()):
            if durable.get(f"{self.service.arn}|{shard.id}", "").startswith("AFTER:"):
                shard.trim(shard.shown + self.rng.randint(0, 3))

    def another_stream(self) -> None:
        """Off for a while, and on again: nothing tells of what was written meanwhile."""
        self.tell()
        for _ in range(self.rng.randint(0, 3)):
            self.write()
        self.untold = []
        self.service.renew()

    def restart(self) -> None:
        """The process ends, and another goes on from what is durable."""
        self.close()
        self.begin()

    def a_day_without_a_process(self) -> None:
        """Everything that was written is trimmed, and closed shards are gone."""
        self.close()
        self.write()
        self.tell()
        for shard in list(self.service.shards.values()):
            shard.trim(len(shard.records))
            if shard.closed:
                self.service.forget(shard)
        kept = Measured.of(self.ledger.load_positions(NAME)[MEASURED])
        self.ledger.save_positions(NAME, {MEASURED: dataclasses.replace(kept, at=kept.at - DAY).text()})
        self.begin()

    def mood(self) -> None:
        """The service is unwell in one way for a while."""
        way = self.rng.choice([each.name for each in dataclasses.fields(Moods)])
        self.happened[way] += 1
        self.service.moods = Moods(**{way: self.rng.choice([0.1, 0.5])})

    def wait(self) -> None:
        time.sleep(self.rng.uniform(0, 0.05))

    # -------------------------------------------------------------------------------------------------------- the end

    def canary(self, label: str) -> Key:
        """A canary of the drain's, in a shard as it happens."""
        key: Key = self.canaries(label)
        self.service.write(self.rng.choice(self.service.open), key, "INSERT")
        return key

    def end(self) -> None:
        """What a cutover does inside its fence: an empty or a short page is no proof that a shard was read, this is."""
        self.tell()
        self.let_go()
        self.service.moods = Moods()
        assert self.channel is not None
        self.channel.settle(patience=PATIENCE)
        unseen = self.channel.drain(after=time.time(), canary=self.canary, patience=PATIENCE)
        if unseen:
            raise Lost(f"nothing proves that {unseen} were read, after {dict(self.happened)}")
        ours, theirs = (self.world.mine(table) for table in (self.world.pool, self.world.silo))
        if ours != theirs:
            different = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
            raise Lost(f"drained, and {len(different)} of {len(ours)} items differ, after {dict(self.happened)}")
        if len(self.world.all(self.world.silo)) != len(theirs):
            raise Lost("somebody else's item is at the target")
