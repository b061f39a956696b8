"""What a town's processes hold on to: a directory and a journal whose every call is a moment, guardians, clocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portability import errors
from portability.journal.memory import MemoryTable
from portability.journal.rows import CURSOR, ENTRY, KEYS, POSITION, active_key
from portability.journal.table import Member
from portability.model.run import Holder
from portability.model.status import ParkReason
from portability.retry import Retry
from portability.steps.directory import DirectoryTable
from portability.steps.guardian.abort import abort
from tests.steps_data.fake_aws import Clock, TrappedTable
from tests.steps_data.fake_dynamo import FakeDynamo
from tests.steps_data.run_plan import TENANT

if TYPE_CHECKING:
    from tests.machine.town import Town

Effect = Callable[[], Any]


@dataclass(eq=False)
class Guard:
    """A guardian: it acts when its process is gone or its time is up, unless something happened to it."""

    town: Town
    run: str
    budget: float
    epoch: int | None = None
    until: float = 0.0
    gone: bool = False

    def ready(self) -> None:
        self.check()

    def arm(self, epoch: int) -> None:
        self.check()
        self.epoch, self.until = epoch, self.town.clock.monotonic() + self.budget

    def check(self) -> None:
        if self.gone:
            raise errors.Parked("the guardian of this cutover is gone", reason=ParkReason.GATE, next="resume")

    def leave(self) -> None:
        self.epoch = None

    def act(self) -> None:
        """Take the fence back."""
        epoch, self.epoch = self.epoch, None
        if epoch is None or self.gone:
            return
        with self.town.hush():
            table = DirectoryTable(self.town.plan.estate, self.town.dynamo, Retry(attempts=1))
            abort(table, TENANT, self.run, epoch)


class TownClock(Clock):
    """Time moves when somebody sleeps; nothing lands after its horizon."""

    town: Town

    def sleep(self, seconds: float) -> None:
        self.town.land(before=self.mono + seconds)
        super().sleep(seconds)


@dataclass
class Late:
    """An effect on its way: it lands after so many moments, and in no case after its horizon."""

    effect: Effect
    moments: int
    until: float


@dataclass(frozen=True)
class HostClock:
    """A host's clock: it is off by so many seconds, and measures as well as any."""

    true: Clock
    off: float

    def now(self) -> float:
        return self.true.now() + self.off

    def monotonic(self) -> float:
        return self.true.monotonic()

    def sleep(self, seconds: float) -> None:
        self.true.sleep(seconds)


@dataclass(frozen=True)
class Seen:
    """What one host knows of processes: its own, and of the others nothing."""

    town: Town
    host: str

    def gone(self, holder: Holder) -> bool:
        return holder.host == self.host and holder.pid in self.town.dead


class WiredDynamo(FakeDynamo):
    """A directory table whose every call is a moment."""

    town: Town

    def _trapped(self, label: str, effect: Effect) -> Any:
        return self.town.send(f"directory {label}", effect)


class WiredTable(TrappedTable):
    """A journal table whose every write is a moment, and that knows under which lease number it was sent."""

    town: Town

    def transact(self, members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        sender = self.town.turn
        fence = None if sender is None else sender.fence

        def land() -> None:
            row = self.rows.get(members[0].key)
            held = row.get("fence") if row and members[0].key.sk == "LEASE" else None
            MemoryTable.transact(self, members, token=token, foreign=foreign)
            self.town.begun(self.rows.get(active_key(TENANT)))
            if held is not None and fence is not None and held != fence:
                self.town.broken.append(f"the journal took a write under lease {fence} while lease {held} stood")

        self.town.send(f"journal {_what(members)}", land, signed=False)


def _what(members: Sequence[Member]) -> str:
    kinds = {ENTRY: "entry", CURSOR: "checkpoint", POSITION: "position", KEYS: "parked keys"}
    return next((name for member in members for sk, name in kinds.items() if member.key.sk.startswith(sk)), "lease")
