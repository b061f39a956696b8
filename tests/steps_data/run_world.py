"""A whole run in memory: the engine, the memory journal, a directory, one store, and an application that writes.

A `Process` is one turn of the command. It may be killed at any call; what is left is what the tables hold.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from portability import errors
from portability.aws.session import Aws
from portability.aws.tally import Tally
from portability.engine.route import Route
from portability.engine.runner import Options, Runner
from portability.engine.stop import Stop
from portability.engine.world import World as EngineWorld
from portability.journal.base import Held
from portability.journal.chain import entry_of
from portability.journal.memory import MemoryJournal
from portability.model.estate import Estate, seconds
from portability.model.run import Entry, Header, Holder, RunView
from portability.model.status import Fact, Goal, ParkReason
from portability.retry import Retry
from portability.steps.base import Context, Step
from portability.steps.catch_up import CatchUp, CatchUpWith
from portability.steps.copy_data import CopyData, CopyWith
from portability.steps.cut_over import CutOver, CutOverWith
from portability.steps.cutover.around import Around
from portability.steps.directory import STAMP, DirectoryTable
from portability.steps.guardian.abort import abort
from portability.steps.open_channel import OpenChannel
from portability.steps.retire_source import RetireSource
from portability.steps.soak import Soak, SoakWith
from portability.steps.verify_data import VerifyData, VerifyWith
from portability.stores.base import ChannelState, Flow, Move
from tests.steps_data.fake_aws import Clock, FakeAws, FakeCloudWatch, FakeS3, Gone, TrappedTable
from tests.steps_data.fake_dynamo import FakeDynamo, no_trap
from tests.steps_data.fake_store import FakeChannel, FakeMove, World
from tests.steps_data.run_plan import DIRECTORY, MAPPING, RUN, TENANT, Staged, estate, plan


class Killed(BaseException):
    """The process died here."""


class Estate42:
    """Everything that outlives a process, with an application that writes at every trap."""

    def __init__(
        self, declared: Estate | None = None, *, data: bool = True, items: int = 6, elsewhere: bool = False
    ) -> None:
        self.elsewhere = elsewhere  # the directory is in another region than the journal
        self.plan = plan(declared or estate(), data=data)
        self.clock = Clock()
        self.world = World()
        for shelf in (self.world.source, self.world.target):
            shelf.now = self.clock.now
        self.dynamo = FakeDynamo({DIRECTORY: "tenantId", MAPPING: "tenantId"})
        self.dynamo.rows[DIRECTORY, f'{{"S": "{TENANT}"}}'] = {
            "tenantId": {"S": TENANT},
            "tenantTier": {"S": "basic"},
            "dedicatedTenancy": {"S": "false"},
            "orderTable": {"S": "Order-pooled"},
        }
        on = {"StreamSpecification": {"StreamEnabled": True}}
        self.dynamo.described = {
            name: {**on, "LatestStreamArn": f"arn:{name}"} for name in ("Order-pooled", "Order-tenant-42")
        }
        self.dynamo.watch = self._watch
        self.bucket = FakeS3()
        self.metrics = FakeCloudWatch()
        self.sent = Tally()
        self.table = TrappedTable(self.dynamo.apply)
        self.acked: dict[str, int | None] = {}
        self.stamps: list[tuple[str, int]] = []  # act and epoch of every stamp written
        self.flips: list[str] = []
        self.broken: list[str] = []  # invariants found broken, in words
        self.refused = 0
        self.writes = 0
        self.writing = True
        self.rng = random.Random(7)
        self.armed: int | None = None  # the epoch of the fence that a guardian stands beside
        for number in range(items):
            self._app_write(f"order-{number}", number)

    def guardian_acts(self) -> bool:
        """What a guardian does when its process is gone or its time is up; whether there was one beside a fence."""
        if self.armed is None:
            return False
        epoch, self.armed = self.armed, None
        before, self.dynamo.trap = self.dynamo.trap, no_trap
        abort(DirectoryTable(self.plan.estate, self.dynamo), TENANT, RUN, epoch)
        self.dynamo.trap = before
        return True

    # ------------------------------------------------------------------------------------------------ the application

    @property
    def record(self) -> dict[str, Any]:
        return self.dynamo.rows[DIRECTORY, f'{{"S": "{TENANT}"}}']

    def app(self) -> None:
        """One write: insert, update or delete; refused while the stamp is fenced, as its transaction would be."""
        if not self.writing:
            return
        number = self.rng.randrange(8)
        self._app_write(f"order-{number}", None if self.rng.random() < 0.2 else self.writes + 1000)

    def _app_write(self, name: str, value: int | None) -> None:
        self.writes += 1
        stamp = self.record.get(STAMP)
        if stamp is not None and stamp["M"]["fenced"]["BOOL"]:
            self.refused += 1
            return
        shelf = self.world.target if self.record["orderTable"]["S"] == "Order-tenant-42" else self.world.source
        if value is None and name not in shelf.items:
            return
        shelf.write(name, value)
        self.acked[name] = value

    def _watch(self, table: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        """Invariants at every write of the directory record."""
        if table != DIRECTORY or new is None or STAMP not in new:
            return
        stamp = new[STAMP]["M"]
        act, epoch = stamp["act"]["S"], int(stamp["epoch"]["N"])
        if self.stamps and epoch <= self.stamps[-1][1]:
            self.broken.append(f"the epoch went from {self.stamps[-1]} to {act} {epoch}")
        if act in ("lifted", "aborted") and self.plan.moving and not self._fence_announced():
            self.broken.append("a fence was lifted after the flip, or without one")
        self.stamps.append((act, epoch))
        if act == "flipped" and old is not None and self.plan.moving:
            self._at_flip(old, new)

    def _fence_announced(self) -> bool:
        """Whether the journal's last word is that the tenant may be paused."""
        facts = [entry.fact for entry in self.entries()]
        ended = facts.count(Fact.FLIPPED) + facts.count(Fact.UNFENCED)
        return facts.count(Fact.FENCED) > ended

    def entries(self) -> list[Entry]:
        """The run's entries as the journal has them now."""
        rows = sorted((key.sk, row) for key, row in self.table.rows.items() if key.sk.startswith("E#"))
        return [entry_of({"sk": sk, **row}, RUN) for sk, row in rows]

    def _at_flip(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        to_target = new["orderTable"]["S"] == "Order-tenant-42"
        self.flips.append("target" if to_target else "source")
        shelf = self.world.target if to_target else self.world.source
        held = {name: value for name, value in self.acked.items() if value is not None}
        if shelf.items != held:
            lost = sorted(name for name in {*shelf.items, *held} if shelf.items.get(name) != held.get(name))
            self.broken.append(f"at the flip the {self.flips[-1]} lacked acknowledged writes of {lost}")
        if not old[STAMP]["M"]["fenced"]["BOOL"]:
            self.broken.append("data moved and the flip was not fenced")
        name = f"Order-{'forward' if to_target else 'reverse'}"
        if any(row.get("channel") == name and row.get("count") for row in self.table.rows.values()):
            self.broken.append("at the flip keys were parked")

    def check_end(self, serving: str) -> None:
        """The invariants at rest."""
        assert self.broken == []
        assert Process(self).journal().verify(RUN) == len(self.entries())
        table = "Order-tenant-42" if serving == "target" else "Order-pooled"
        if self.plan.moving:
            assert self.record["orderTable"]["S"] == table
            shelf = self.world.target if serving == "target" else self.world.source
            assert shelf.items == {name: value for name, value in self.acked.items() if value is not None}
        if STAMP in self.record:
            assert self.record[STAMP]["M"]["fenced"]["BOOL"] is False


@dataclass
class FakeGuardian:
    """A guardian as its cutover knows it."""

    estate: Estate42
    gone: bool = False  # killed by somebody

    def ready(self) -> None:
        self.check()

    def arm(self, epoch: int) -> None:
        self.check()
        self.estate.armed = epoch

    def check(self) -> None:
        if self.gone:
            raise errors.Parked("the guardian of this cutover is gone", reason=ParkReason.GATE, next="resume")

    def leave(self) -> None:
        self.estate.armed = None


class Process:
    """One turn of the command. `kill_at` counts traps from the step `trap_from` on; -1 never dies."""

    def __init__(
        self, estate42: Estate42, *, kill_at: int = -1, trap_from: str = "cut-over", late: bool = False
    ) -> None:
        self.estate = estate42
        self.kill_at, self.trap_from = kill_at, trap_from
        self.traps: list[str] = []
        self.dead = False
        self.armed = False
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.move = FakeMove("Order", estate42.world, self.trap)
        self.move.sleep = estate42.clock.sleep
        self.move.now = estate42.clock.now
        self.move.told = self._told
        self.retry = Retry(attempts=4, base=0.001, cap=0.01, sleep=lambda _seconds: None, rng=random.Random(3))
        self.stop = Stop()
        self.around = Around(
            carry=lambda _ctx, _flow: {}, value_now=lambda _ctx, _at: None, switch_plan=lambda _ctx, _at: 0.0
        )
        self.run_probe: Callable[..., int | None] = lambda *_: 1
        self.guardians: list[FakeGuardian] = []
        self.held: Held | None = None
        self.on_trap: Callable[[str], None] = lambda _label: None
        estate42.dynamo.trap = self.trap
        estate42.table.trap = self.trap
        estate42.clock.each = lambda: self.trap("asleep")

    def trap(self, label: str) -> None:
        if self.dead:
            raise Killed(label)
        if self.move.hushed:
            return
        self.estate.app()
        for flow in Flow:
            if self.estate.rng.random() < 0.3:
                self.move.catch_up(flow)
        self.on_trap(label)
        if not self.armed:
            return
        if len(self.traps) == self.kill_at:
            self.dead = True
            raise Killed(label)
        self.traps.append(label)

    def _told(self, channel: FakeChannel, state: ChannelState) -> None:
        """A channel may sync only towards the side that does not serve."""
        serving = "target" if self.estate.record["orderTable"]["S"] == "Order-tenant-42" else "source"
        origin = "source" if channel.flow is Flow.FORWARD else "target"
        if state is ChannelState.SYNC and serving != origin:
            self.estate.broken.append(f"{channel.name} was told to sync while the {serving} serves")

    def journal(self) -> MemoryJournal:
        return MemoryJournal(
            self.estate.plan.estate.journal,
            self.estate.clock,
            self.retry,
            table=self.estate.table,
            liveness=Gone(),
            heartbeat="steady",
        )

    def observe(self, event: str, /, **fields: Any) -> None:
        self.events.append((event, fields))
        if event == "step_started" and fields.get("step") == self.trap_from:
            self.armed = True

    @property
    def aws(self) -> Aws:
        return cast("Aws", FakeAws(self.estate.dynamo, self.estate.bucket, self.estate.metrics, self.estate.sent))

    @property
    def moves(self) -> list[Move]:
        return [cast("Move", self.move)] if self.estate.plan.moving else []

    def _elsewhere(self, items: Sequence[dict[str, Any]]) -> None:
        self.estate.dynamo.transact(items, token="token")

    @contextlib.contextmanager
    def _beside(self, _ctx: Context, budget: float) -> Iterator[FakeGuardian]:
        assert 0 < budget <= seconds(self.estate.plan.estate.fence.freeze_max)
        self.guardians.append(FakeGuardian(self.estate))
        yield self.guardians[-1]

    def steps(self) -> list[Step]:
        cut_over = CutOver(
            with_=CutOverWith(threshold="1s", window="0s", patience="30s", workers=1),
            around=self.around,
            run_probe=self.run_probe,
            beside=self._beside,
        )
        made: list[Any] = [
            Staged(),
            OpenChannel(),
            CopyData(with_=CopyWith(workers=1)),
            CatchUp(with_=CatchUpWith(threshold="1s", window="0s", patience="30s")),
            VerifyData(with_=VerifyWith(workers=1)),
            cut_over,
            Soak(with_=SoakWith(sample="10m", workers=1)),
            RetireSource(),
        ]
        return cast("list[Step]", made)

    @staticmethod
    def holder() -> Holder:
        return _holder()

    def go(self, goal: Goal | None = None, options: Options | None = None) -> RunView:
        """Start or take over the run, and go on until it rests. Raises `Killed`, or what parked it."""
        journal, holder = self.journal(), _holder()
        armed, self.armed = self.armed, False
        if journal.active(TENANT) is None:
            header = Header(run=RUN, tenant=TENANT, plan=self.estate.plan, operator="me", version="0")
            held = journal.start(header, holder, write_id="w1")
        else:
            held = journal.acquire(RUN, holder)
        self.held = held
        if goal is not None and (held.view().goal is not goal or held.view().postponed):
            held.append(Fact.GOAL, {"goal": goal.value, "by": "me"})
        self.armed = armed
        world = EngineWorld(
            aws=self.aws,
            moves=self.moves,
            clock=self.estate.clock,
            retry=self.retry,
            rng=random.Random(5),
            write_elsewhere=self._elsewhere if self.estate.elsewhere else None,
        )
        kinds = {step.uses: step for step in self.steps()}
        steps = tuple((spec, kinds[spec.uses]) for spec in self.estate.plan.steps)
        route = Route(plan=self.estate.plan, steps=steps)
        return Runner(
            held=held,
            plan=self.estate.plan,
            route=route,
            world=world,
            stop=self.stop,
            observer=self.observe,
            options=options or Options(),
        ).go()


def _holder() -> Holder:
    return Holder(name="me@here", host="here", boot="b", namespace="n", pid=1, started="1")
