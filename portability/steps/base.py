"""What a step is, and what it is given.

A step is a frozen value with three verbs. It cannot write its own history: what it needs of the journal is on its
Context, which the engine implements.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from portability.aws.session import Aws
from portability.model.change import Change, Finding
from portability.model.estate import Estate
from portability.model.plan import Plan
from portability.model.run import Cursor, Entry, RunView, Throughput, Tuning
from portability.model.status import Fact
from portability.retry import Retry
from portability.stores.base import Flow, Horizon, Ledger, Move

Output = Mapping[str, Any]
"""What a step leaves for later steps and for `status`: names, ids, counts, hashes; never values or secrets."""

Phase = Literal["prepare", "flip", "soak", "retire"]
"""When a step runs: `migrate` runs prepare and flip, the soak follows, `complete` runs retire."""


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> float:
        """Epoch seconds, for people and for comparing with stream records."""

    def monotonic(self) -> float:
        """Seconds for measuring."""

    def sleep(self, seconds: float) -> None:
        """Sleep; returns early when the run is asked to stop."""


class Observe(Protocol):
    """What `preview` gets: the plan and clients that refuse every mutating call."""

    @property
    def plan(self) -> Plan:
        """The compiled plan."""

    @property
    def estate(self) -> Estate:
        """The estate it was compiled against."""

    @property
    def aws(self) -> Aws:
        """Clients; read-only where a plan is previewed."""

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def retry(self) -> Retry:
        """The one retry policy."""

    @property
    def moves(self) -> Sequence[Move]:
        """The stores whose data moves; empty where nothing has to."""


class Progress(Protocol):
    """Where a step tells how far it is; rendered by `report/`, never journaled."""

    def __call__(self, event: str, /, **fields: Any) -> None:
        """`event` is `copied`, `lag`, `compared`, `waiting`, `fenced`, `flipped`, …; fields are counts and names."""


class Context(Observe, Protocol):
    """What `apply` and `undo` get."""

    @property
    def run(self) -> str:
        """The run's id."""

    @property
    def step(self) -> str:
        """This step's id; a leg after the first flip, and a soak after the first, has its own: `cutover.2`."""

    @property
    def rng(self) -> random.Random:
        """Randomness."""

    @property
    def progress(self) -> Progress:
        """Tells how far the step is."""

    @property
    def ledger(self) -> Ledger:
        """Positions and parked keys, for channels."""

    @property
    def taken_over(self) -> Horizon | None:
        """Set when this process replaced a holder whose last writes may still land."""

    def late_left(self) -> float:
        """Seconds until nothing that any process of this run sent can land any more; 0.0 where nothing can."""

    @property
    def view(self) -> RunView:
        """The run as the journal tells it now."""

    @property
    def flow(self) -> Flow:
        """The way data goes here: FORWARD before the first flip, REVERSE in the leg that goes back; fixed per step."""

    def output(self, uses: str) -> Output:
        """The output of the latest step of that kind, {} if it has not run."""

    def intend(self, change: Change, existed: bool) -> bool:  # noqa: FBT001 - a fact, not a switch
        """Record an intent before its effect; on a repeat the first record stands. Returns its `existed`."""

    def note(self, about: str, **data: Any) -> Entry:
        """Append a NOTE to this step."""

    def commit(self, fact: Fact, data: Mapping[str, Any], items: Sequence[dict[str, Any]] = ()) -> Entry:
        """Append a *run* fact, in one transaction with `items` (foreign DynamoDB writes) where there are any.

        Raises `ConditionFailed` whose `old`/`failed` line up with `items`. A lost reply is recognised and is success.
        """

    def load_cursors(self) -> dict[str, Cursor]:
        """This step's checkpoints by unit."""

    def save_cursor(self, cursor: Cursor) -> None:
        """Save a checkpoint, after every write of it was acknowledged."""

    def tuning(self) -> Tuning | None:
        """What an operator asked of the copy while it runs, read strongly consistent; None where nobody did."""

    def save_throughput(self, told: Throughput) -> None:
        """Keep what the copy does a second, for `status`."""

    def resident(self, uses: str) -> Any:  # noqa: ANN401 - each kind of step gives its own
        """What the resident of the latest step of that kind gave; raises `LookupError` if it is not running."""

    def check(self) -> None:
        """Raise `Parked(signal)`, `LeaseLost`, or what a resident died of. Call between pages."""


@runtime_checkable
class Step(Protocol):
    """One idempotent, resumable unit of a recipe."""

    uses: ClassVar[str]
    phase: ClassVar[Phase]

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """What `apply` would do, from what is observed. No mutating call. Empty: nothing to do, the step is skipped."""

    def apply(self, ctx: Context) -> Output:
        """Do it: observe, then act; every effect is preceded by `ctx.intend`. May be repeated at any point."""

    def undo(self, ctx: Context) -> None:
        """Take back what this run did, and only that. May be repeated at any point."""


@runtime_checkable
class Resident(Protocol):
    """A step whose effect outlives it (a channel)."""

    def resident(self, ctx: Context) -> AbstractContextManager[Any]:
        """Entered after the step is done, again on resume, left when the step that names it in `closes:` is done.

        A crash of what runs inside reaches the current step through `ctx.check()`.
        """


@runtime_checkable
class Fencing(Protocol):
    """A step that pauses the tenant's writes for a while."""

    def unfence(self, ctx: Context) -> None:
        """Lift what an earlier process left, needing the journal and the directory only; or find that it flipped.

        Called on resume before anything else. May be repeated.
        """


@runtime_checkable
class Ending(Protocol):
    """A step that leaves something in place for as long as the run is open, whatever else the recipe names."""

    def end(self, ctx: Context) -> None:
        """Take it away: the run is about to be completed, and no resident runs any more. May be repeated."""


@runtime_checkable
class Preflighting(Protocol):
    """A step with conditions of its own that `preflight`, `plan` and `doctor` ask for before anything is written."""

    def findings(self, ctx: Observe) -> Sequence[Finding]:
        """What stands in the way, read-only."""


@runtime_checkable
class Advancing(Protocol):
    """A step that lasts long and can be taken on in bounded passes: what one `tick` of a soak is."""

    def advance(self, ctx: Context, budget: float) -> bool:
        """One pass of about `budget` seconds inside a started step; True when `apply` would return at once."""


@runtime_checkable
class Factual(Protocol):
    """A step whose decisions rest on structural facts beyond the stores' (a user pool's schema, a usage plan)."""

    def facts(self, ctx: Observe) -> Mapping[str, Any]:
        """Structural facts for the plan's digest; never counts, times, or personal data."""


Undo = Callable[[Context], None]


def irreversible(reason: str) -> Undo:
    """An `undo` for what cannot be taken back: declared, last in the recipe, never reached by `cancel`."""

    def refuse(_: Context) -> None:
        msg = f"this cannot be undone: {reason}"
        raise RuntimeError(msg)

    return refuse
