"""Everything that outlives a process: a tenant that writes, the directory, the journal, a neighbour, and time.

Every effect of every process passes `send`, and is a *moment*: there the application writes, the channels poll, what is
late lands, and whatever trouble the process is in strikes. What is found broken is kept, in words.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from portability import errors
from portability.journal.chain import entry_of
from portability.journal.memory import MemoryJournal, MemoryTable
from portability.journal.rows import ENTRY, KEYS, POSITION, active_key, run_key
from portability.journal.table import Put
from portability.model.estate import Estate, seconds
from portability.model.plan import Plan
from portability.model.run import Entry, RunView
from portability.retry import Retry
from portability.steps.directory import ABORTED, FENCED, FLIPPED, LIFTED, STAMP
from portability.stores.base import Flow, channel_name
from portability.stores.dynamodb.parking import is_pending
from tests.machine.trouble import THERE
from tests.machine.wires import Effect, Guard, HostClock, Late, Seen, TownClock, WiredDynamo, WiredTable
from tests.steps_data.fake_store import Shelf
from tests.steps_data.run_plan import DIRECTORY, ESTATE, MAPPING, TENANT
from tests.steps_data.run_world import Estate42, Killed

if TYPE_CHECKING:
    from tests.machine.trouble import Trouble
    from tests.machine.turn import Turn

NEIGHBOUR = "tenant-43"
KEYS_OF_THE_TENANT = 8
A_LITTLE = 1e-6
"""Seconds that adding and taking away fractions may be off."""


@dataclass(frozen=True)
class Shape:
    """What an example begins with. `busy` is how likely the application writes at a moment."""

    elsewhere: bool = False  # the directory is in another region than the journal
    items: int = 4
    busy: float = 0.5
    attempts: int = 2
    soak: str = "1h"
    off: float = 0.0  # seconds by which the other host's clock is off
    seed: int = 0


class Town(Estate42):
    """The world of one example. `truth` is what the tenant was told is written: the ledger outside the system."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.seed = shape, shape.seed
        self.truth: dict[str, int] = {}
        self.turn: Turn | None = None
        self.quiet = False
        self.cached: tuple[dict[str, Any], float] | None = None
        self.run = ""
        super().__init__(_estate(shape), items=0, elsewhere=shape.elsewhere)
        self.rng = random.Random(shape.seed)
        move = self.plan.stores[0]
        self.plan = msgspec.structs.replace(self.plan, stores=[msgspec.structs.replace(move, adopt=True)])
        self._wire()
        self.ids, self.values, self.pids, self.arns = (itertools.count(1000) for _ in range(4))
        self.dead: set[int] = set()
        self.late: list[Late] = []
        self.guards: list[Guard] = []
        self.hindered = False  # what happened meanwhile may make a pause longer than it may be
        self.fenced_at = self.flipped_at = 0.0
        self.foul = False  # something on either side was changed behind everybody's back
        self.slipped = False
        self.slips: dict[str, int] = {}
        for number in range(shape.items):
            self.write(f"order-{number}", next(self.values))
        self.neighbours()
        self.untouched = self.of_neighbours()

    def _wire(self) -> None:
        wired, clock = WiredDynamo(self.dynamo.keys), TownClock()
        wired.rows, wired.described, wired.watch = self.dynamo.rows, self.dynamo.described, self._watch
        table = WiredTable(wired.apply)
        wired.town = table.town = clock.town = self
        clock.each = self.asleep
        self.dynamo, self.table, self.clock = wired, table, clock
        for shelf in (self.world.source, self.world.target):
            shelf.now = clock.now

    def next_plan(self) -> Plan:
        """The plan of a run: each is compiled anew."""
        return msgspec.structs.replace(self.plan, made=f"{next(self.ids):016x}")

    # ------------------------------------------------------------------------------------------------------- moments

    def send(self, label: str, effect: Effect, *, signed: bool = True, late: bool = True) -> Any:
        """Perform an effect of the process whose turn it is. `late`: it may land after its answer was given up."""
        turn = self.turn
        if turn is None or self.quiet:
            return effect()
        if turn.dead:
            raise Killed(label)
        return effect() if turn.move.hushed else turn.moment(label, effect, signed=signed, late=late)

    def asleep(self) -> None:
        """Somebody slept."""
        turn = self.turn
        if turn is not None and not self.quiet and not turn.move.hushed:
            turn.moment("asleep", None, signed=False, late=False)

    def breathe(self, turn: Turn) -> None:
        """What goes on beside a process all the time."""
        if self.rng.random() < self.shape.busy:
            self.app()
        for flow in Flow:
            if self.rng.random() < 0.4 and turn.lagging <= 0:
                turn.move.catch_up(flow)
        turn.lagging -= 1
        for late in self.late:
            late.moments -= 1
        self.land()
        self.time_is_up()
        self.look()

    def time_is_up(self) -> None:
        """Guardians do not wait longer than the tenant may."""
        for guard in self.guards:
            if guard.epoch is not None and self.clock.monotonic() >= guard.until:
                guard.act()

    @contextmanager
    def hush(self) -> Iterator[None]:
        """Nothing that happens here is a moment."""
        before, self.quiet = self.quiet, True
        try:
            yield
        finally:
            self.quiet = before

    def hold(self, effect: Effect, moments: int) -> None:
        """Let an effect land later."""
        horizon = seconds(self.plan.estate.journal.horizon)
        self.late.append(Late(effect, moments, self.clock.monotonic() + horizon))

    def land(self, *, before: float | None = None) -> None:
        """Let land what is due, and what would be past its horizon at `before` (monotonic)."""
        due = [
            late for late in self.late if late.moments <= 0 or (before is not None and late.until < before + A_LITTLE)
        ]
        for late in due:
            self.late.remove(late)
            with self.hush(), suppress(errors.PortabilityError):
                late.effect()

    # --------------------------------------------------------------------------------------------- the tenant's writes

    def app(self) -> None:
        number = self.rng.randrange(KEYS_OF_THE_TENANT)
        self.write(f"order-{number}", None if self.rng.random() < 0.2 else next(self.values))

    def write(self, name: str, value: int | None) -> None:
        """One write of an application that goes by a record it read at most `directory.cache` ago.

        Where that record has a stamp the write is conditional on its epoch; refused, it is tried with a new record.
        """
        for _ in range(2):
            now = self.clock.monotonic()
            if self.cached is None or now - self.cached[1] > seconds(self.plan.estate.directory.cache) - A_LITTLE:
                self.cached = copy.deepcopy(self.record), now
            known, there = self.cached[0].get(STAMP), self.record.get(STAMP)
            if known is None or (there is not None and not there["M"]["fenced"]["BOOL"] and _epoch(known, there)):
                self._accept(self.cached[0], name, value)
                return
            self.cached = None
        self.refused += 1

    def _accept(self, known: dict[str, Any], name: str, value: int | None) -> None:
        shelf = self._shelf_of(known)
        if value is None and name not in shelf.items:
            return
        shelf.write(name, value)
        self.writes += 1
        if value is None:
            self.truth.pop(name, None)
        else:
            self.truth[name] = value

    def may_slip(self) -> bool:
        """Whether a side was just left, and is still watched for what slipped through."""
        if not self.flips or self.clock.now() >= self.flipped_at + seconds(self.plan.estate.fence.tripwire):
            return False
        view = self.view()
        known = view.flips == len(self.flips)
        return not (known and "tripwire" in view.step(str(view.flipped["step"])).notes)

    def slip(self, name: str) -> None:
        """A write that reaches the side just left, though it was fenced."""
        self.slipped = True
        self.slips[name] = next(self.values)
        self.old.write(name, self.slips[name])

    # ---------------------------------------------------------------------------------------------------- both sides

    def _shelf_of(self, record: dict[str, Any]) -> Shelf:
        return self.world.target if record["orderTable"]["S"] == "Order-tenant-42" else self.world.source

    @property
    def serving(self) -> str:
        """`source` or `target`, as the directory says."""
        return "target" if self._shelf_of(self.record) is self.world.target else "source"

    @property
    def fenced(self) -> bool:
        """Whether the tenant's writes are refused now."""
        stamp = self.record.get(STAMP)
        return stamp is not None and bool(stamp["M"]["fenced"]["BOOL"])

    @property
    def old(self) -> Shelf:
        """The side that does not serve."""
        return self.world.source if self.serving == "target" else self.world.target

    def corrupt(self, name: str) -> None:
        """Change one item of the side that does not serve, behind everybody's back: no stream tells of it."""
        if self.old.items.pop(name, None) is None:
            self.old.items[name] = next(self.values)
        self.foul = True

    def replace_stream(self, missed: int) -> None:
        """Replace the change stream of the side that serves; some writes are in neither stream."""
        self.foul = self.foul or missed > 0
        table = self.record["orderTable"]["S"]
        self.dynamo.described[table]["LatestStreamArn"] = f"arn:{table}:{next(self.arns)}"
        shelf = self._shelf_of(self.record)
        logged = len(shelf.log)
        for _ in range(missed):
            self.app()
        del shelf.log[logged:]

    # ------------------------------------------------------------------------------------------------------ the journal

    def entries(self) -> list[Entry]:
        pk = run_key(self.run, "").pk
        rows = sorted((key.sk, row) for key, row in self.table.rows.items() if key.pk == pk and key.sk[:2] == ENTRY)
        return [entry_of({"sk": sk, **row}, self.run) for sk, row in rows]

    def begun(self, active: dict[str, Any] | None) -> None:
        """Follow the tenant's run; each has stamps and flips of its own."""
        if active is not None and active["run"] != self.run:
            self.run = str(active["run"])
            self.stamps, self.flips = [], []

    def journal(self, host: str, retry: Retry | None = None) -> MemoryJournal:
        """The journal as a process on `host` sees it."""
        return MemoryJournal(
            self.plan.estate.journal,
            self.clock_of(host),
            retry or Retry(attempts=1),
            table=self.table,
            liveness=Seen(self, host),
            heartbeat="steady",
            new_id=lambda: f"w{next(self.ids):09d}",
        )

    def clock_of(self, host: str) -> HostClock:
        """The time as a process on `host` tells it."""
        return HostClock(self.clock, self.shape.off if host == THERE else 0.0)

    def open(self) -> bool:
        """Whether the tenant has an active run."""
        return active_key(TENANT) in self.table.rows

    def view(self) -> RunView:
        """The present run, or the last."""
        return self.journal("here").view(self.run)

    # ------------------------------------------------------------------------------------------------ what always holds

    def look(self) -> None:
        """At every moment: who serves holds every acknowledged write and nothing else; no slip is discarded."""
        shelf = self._shelf_of(self.record)
        if shelf.items != self.truth:
            wrong = {name for name in {*shelf.items, *self.truth} if shelf.items.get(name) != self.truth.get(name)}
            self.broken.append(f"I1: the {self.serving} serves and is wrong about {sorted(wrong)}")
            self.truth = dict(shelf.items)
        for name, value in list(self.slips.items()):
            if self.old.items.get(name) != value:
                del self.slips[name]
                if self.truth.get(name) != value:
                    self.broken.append(f"I1: the late write of {name} was discarded")

    def _watch(self, table: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        if table != DIRECTORY or new is None or STAMP not in new or new["tenantId"]["S"] != TENANT:
            return
        stamp = new[STAMP]["M"]
        act, epoch = stamp["act"]["S"], int(stamp["epoch"]["N"])
        if self.stamps and epoch <= self.stamps[-1][1]:
            self.broken.append(f"I2: the epoch went from {self.stamps[-1]} to {act} {epoch}")
        if act in (LIFTED, ABORTED) and not self._fence_announced():
            self.broken.append("I3: a fence was lifted after the flip, or without one")
        self.stamps.append((act, epoch))
        if act == FENCED:
            self.fenced_at = self.clock.monotonic()
            self.hindered = False
        if act in (LIFTED, ABORTED, FLIPPED) and self.stamps[-2][0] == FENCED:
            self._unfenced()
        if act == FLIPPED and old is not None:
            self._at_flip(old, new)

    def _unfenced(self) -> None:
        paused = self.clock.monotonic() - self.fenced_at
        if paused > seconds(self.plan.estate.fence.freeze_max) and not self.hindered:
            self.broken.append(f"I3: the tenant waited {paused:.1f} s")

    def _at_flip(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        shelf = self._shelf_of(new)
        self.flips.append("target" if shelf is self.world.target else "source")
        self.flipped_at = self.clock.now()
        if shelf.items != self.truth:
            wrong = {name for name in {*shelf.items, *self.truth} if shelf.items.get(name) != self.truth.get(name)}
            self.broken.append(f"I1: at the flip the {self.flips[-1]} is wrong about {sorted(wrong)}")
        if not old[STAMP]["M"]["fenced"]["BOOL"]:
            self.broken.append("I3: data moved and the flip was not fenced")
        channel = channel_name("Order", Flow.FORWARD if self.flips[-1] == "target" else Flow.REVERSE)
        waiting = [row for row in self.table.rows.values() if row.get("channel") == channel and row.get("count")]
        if any(is_pending(row["group"]) for row in waiting):
            self.broken.append("I1: keys were parked or in doubt at the flip")

    # ------------------------------------------------------------------------------------------------------- neighbours

    def neighbours(self) -> None:
        """Another tenant in the same tables, whose run is parked in the same journal."""
        self.dynamo.rows[DIRECTORY, f'{{"S": "{NEIGHBOUR}"}}'] = {"tenantId": {"S": NEIGHBOUR}, "n": {"N": "1"}}
        self.dynamo.rows[MAPPING, f'{{"S": "{NEIGHBOUR}"}}'] = {"tenantId": {"S": NEIGHBOUR}}
        keys = (run_key("r-neighbour", sk) for sk in ("LEASE", f"{ENTRY}1", f"{KEYS}Order.forward#b#0"))
        MemoryTable.transact(self.table, [Put(key, {"n": 1}) for key in keys], token="n")

    def of_neighbours(self) -> str:
        """Everything of theirs."""
        directory = {key: row for key, row in self.dynamo.rows.items() if NEIGHBOUR in key[1]}
        rows = {key: row for key, row in self.table.rows.items() if "neighbour" in key.pk}
        return repr((sorted(directory.items()), sorted(rows.items())))

    def neighbours_untouched(self) -> bool:
        return self.of_neighbours() == self.untouched

    # ------------------------------------------------------------------------------------------------------- at rest

    def process(self, trouble: Trouble, host: str) -> Turn:
        from tests.machine.turn import Turn

        return Turn(self, trouble, host=host)

    def settle(self) -> None:
        self.land(before=float("inf"))

    @property
    def flipped_times(self) -> int:
        return len(self.flips)

    def verified(self) -> int:
        return self.journal("here").verify(self.run)

    def inventoried(self) -> bool:
        copies = self.open() and self.serving == "source" and self.world.target.items and not self.foul
        return not copies or any(change.kind == "copy" for change, _ in self.view().intents())

    def left_behind(self) -> str:
        if STAMP in self.record:
            return "the stamp is still on the directory record"
        if self.old.items:
            return f"the side that does not serve still holds {sorted(self.old.items)}"
        pk = run_key(self.run, "").pk
        kept = [key.sk for key in self.table.rows if key.pk == pk and key.sk.startswith((POSITION, KEYS))]
        return f"the journal still keeps {kept}" if kept else ""


def _epoch(known: dict[str, Any], there: dict[str, Any]) -> bool:
    return bool(known["M"]["epoch"] == there["M"]["epoch"])


def _estate(shape: Shape) -> Estate:
    fence = {**ESTATE["fence"], "attempts": shape.attempts}
    return msgspec.convert({**ESTATE, "fence": fence, "soak": shape.soak}, Estate)
