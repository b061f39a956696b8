"""Processes of one scene, with every request and every write to the journal under the suite's hand."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from portability import errors
from portability.journal.base import Held
from portability.journal.runs import TableJournal
from portability.journal.table import Key as RowKey
from portability.journal.table import Member, Row, Table
from portability.model.run import Cursor, Header, Holder
from portability.retry import Retry
from portability.stores.base import Channel, ChannelState, Flow, Horizon, Key, Move
from portability.testing.breaking import ContractBroken, Killed, hold
from portability.testing.made_up import made_up_plan
from portability.testing.step_run import RUN, Gone
from portability.testing.step_scene import QuickClock
from portability.testing.store_scene import StoreCase, StoreScene

Fate = Literal["die before", "die after", "lands late", "dies, lands late"]


class Process:
    """One process: its requests and journal writes are points, and after its death it sends nothing.

    `fate` befalls the point with number `at`, or the next request after `strike`. What lands late does so when `land`
    is called.
    """

    def __init__(self, at: int | None = None, fate: Fate = "die before") -> None:
        self.at, self.fate = at, fate
        self.points = 0
        self.requests = 0
        self.dead = False
        self.unanswered = 0
        self.struck = False
        self._strike: Fate | None = None
        self._late: list[Callable[[], Any]] = []
        self._lock = threading.Lock()

    def __call__(self, keys: Sequence[Key], act: Callable[[], Any]) -> Any:  # noqa: ANN401, ARG002 - see `Wire`
        """See `Wire`."""
        fate = self._point(request=True)
        with self._lock:
            self.unanswered += 1
        if fate in ("lands late", "dies, lands late"):
            with self._lock:
                self._late.append(act)
                self.struck = True
            self._die(when=fate == "dies, lands late")
            raise errors.NoDefiniteAnswer("sent and not answered", operation="a write", aws_code="")
        self._die(when=fate == "die before")
        answer = act()
        self._die(when=fate == "die after")
        with self._lock:
            self.unanswered -= 1
        return answer

    def strike(self, fate: Fate) -> None:
        """Let a fate befall the next request."""
        with self._lock:
            self._strike, self.struck = fate, False

    def before_journal(self) -> None:
        """A journal write is about to be sent."""
        self._die(when=self._point(request=False) is not None)

    def land(self) -> None:
        """What was on its way arrives now."""
        with self._lock:
            late, self._late = self._late, []
        for act in late:
            with contextlib.suppress(errors.ConditionFailed):
                act()

    def _point(self, *, request: bool) -> Fate | None:
        with self._lock:
            if self.dead:
                raise Killed("a dead process sends nothing")
            number, self.points = self.points, self.points + 1
            self.requests += request
            if request and self._strike is not None:
                fate, self._strike = self._strike, None
                return fate
            return self.fate if number == self.at else None

    def _die(self, *, when: bool) -> None:
        if when:
            self.dead = True
            raise Killed("here")


class _WatchedTable:
    """A journal's table that knows whose writes come."""

    def __init__(self, table: Table, process: Process) -> None:
        self._table, self._process = table, process

    def ensure(self) -> bool:
        return self._table.ensure()

    def check(self) -> None:
        self._table.check()

    def get(self, key: RowKey) -> Row | None:
        return self._table.get(key)

    def query(self, pk: str, prefix: str = "") -> list[Row]:
        return self._table.query(pk, prefix)

    def transact(self, members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        self._process.before_journal()
        self._table.transact(members, token=token, foreign=foreign)


class StoreRun:
    """What outlives a process: the scene's two sides, the journal, and the checkpoints of the copy."""

    def __init__(self, scene: StoreScene) -> None:
        self.scene = scene
        self.clock = QuickClock()
        self.cursors: dict[str, Cursor] = {}
        self._table: Table | None = None

    def move(self, process: Process | None = None) -> Move:
        """A process's move."""
        return self.scene.move(process or Process())

    def fill(self, numbers: Sequence[int] | None = None, *, place: Literal["source", "target"] = "source") -> None:
        """Write items, each with a text of its own."""
        for number in range(self.scene.items) if numbers is None else numbers:
            self.scene.write(place, number, f"first {number}")

    def copy(self, move: Move, flow: Flow = Flow.FORWARD, channel: Channel | None = None) -> int:
        """Go on with the copy from the checkpoints, unit by unit; how many items were copied now."""
        items = 0
        for unit in move.units(flow):
            known = self.cursors.get(unit)
            if known is not None and known.done:
                continue
            for page in move.copy(flow, unit, known):
                self.cursors[unit] = page.cursor
                items += page.items
            self.cursors[unit] = Cursor(unit=unit, position=None, done=True)
            if channel is not None:
                channel.unit_done(unit)
        return items

    def done(self) -> list[str]:
        """Units whose copy is finished."""
        return [unit for unit, cursor in self.cursors.items() if cursor.done]

    def ledger(self, process: Process) -> Held:
        """The process's hold on the run."""
        first = self._table is None
        if self._table is None:
            self._table = self.scene.journal()
            self._table.ensure()
        plan = made_up_plan()
        retry = Retry(attempts=4, sleep=lambda _seconds: None)
        journal = TableJournal(
            _WatchedTable(self._table, process),
            plan.estate.journal,
            self.clock,
            retry,
            liveness=Gone(),
            heartbeat="steady",
        )
        holder = Holder(name="me@here", host="here", boot="b", namespace="n", pid=1, started="1")
        if first:
            header = Header(run=RUN, tenant=plan.tenant, plan=plan, operator="me", version="0")
            return journal.start(header, holder, write_id="first")
        return journal.acquire(RUN, holder)

    @contextmanager
    def channel(
        self,
        move: Move,
        held: Held,
        state: ChannelState | None = ChannelState.SYNC,
        *,
        flow: Flow = Flow.FORWARD,
        taken_over: float | None = None,
    ) -> Iterator[Channel]:
        """A pinned channel, started in `state`; stopped whatever happens. `taken_over` are seconds of the horizon."""
        horizon = None if taken_over is None else Horizon(since=self.clock.monotonic(), seconds=taken_over)
        channel = move.channel(flow, held, done=self.done(), taken_over=horizon)
        try:
            channel.pin()
            if state is not None:
                channel.start(state)
            yield channel
        finally:
            with contextlib.suppress(Killed, errors.PortabilityError):
                channel.stop()
            held.abandon()

    def settle(self, channel: Channel) -> None:
        """Wait for everything that the channel knows of or is about to read."""
        deadline = time.monotonic() + self.scene.patience + self.scene.horizon
        while True:
            channel.lag()  # raises what its poller died of
            try:
                channel.settle(patience=0.5)
            except errors.Parked:
                hold(time.monotonic() < deadline, f"after {self.scene.patience:g} s a channel still has keys to sync")
                continue
            if self.scene.held("source") == self.scene.held("target") or time.monotonic() > deadline:
                return

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until it holds; `what` says that it never did."""
        deadline = time.monotonic() + self.scene.patience
        while not holds():
            hold(time.monotonic() < deadline, what)
            time.sleep(0.005)

    def equal(self, when: str) -> None:
        """Raise `ContractBroken` unless both sides hold the same."""
        source, target = self.scene.held("source"), self.scene.held("target")
        wrong = sorted(number for number in {*source, *target} if source.get(number) != target.get(number))
        shown = "; ".join(f"{number}: {source.get(number)!r} and {target.get(number)!r}" for number in wrong[:5])
        hold(not wrong, f"{when}, {len(wrong)} items differ between source and target: {shown}")


@contextmanager
def scene_of(case: StoreCase) -> Iterator[StoreRun]:
    """A fresh scene's run; the scene is closed afterwards, and its neighbours are held to be untouched."""
    scene = case()
    try:
        run = StoreRun(scene)
        before = [scene.others("source"), scene.others("target")]
        yield run
        after = [scene.others("source"), scene.others("target")]
        hold(before == after, "what is not the tenant's has changed")
    finally:
        scene.close()


def died(of: BaseException | None) -> bool:
    """Whether an error is the process's death, or the channel's word of it."""
    while of is not None:
        if isinstance(of, Killed):
            return True
        of = of.__cause__ or of.__context__
    return False


def killed(process: Process, turn: Callable[[], object]) -> bool:
    """Let a process take its turn; whether it died. What else goes wrong in it is raised."""
    try:
        turn()
    except Killed:
        return True
    except ContractBroken:
        raise
    except Exception as error:
        if not (process.dead or died(error)):
            raise
        return True
    return process.dead
