"""A run as its journal tells it: header, entries, and the view that folds them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from portability.model.change import Change
from portability.model.estate import Value
from portability.model.plan import Plan
from portability.model.rate import TunedRate
from portability.model.status import ENDED, Fact, Goal, RunState, Status, next_state, next_status

ENTRY_SCHEMA = 1
SUPPORTED_SCHEMAS = (1,)


class Holder(Value, frozen=True, kw_only=True):
    """Who holds a lease. `boot`, `namespace`, `pid` and `started` tell whether the process is certainly gone."""

    name: str  # user@host, shown to operators
    host: str
    boot: str  # boot id of the machine, empty where it has none
    namespace: str  # PID namespace, empty where it has none
    pid: int
    started: str  # the process's start time as the kernel counts it


class Header(Value, frozen=True, kw_only=True):
    """Written once, never changed."""

    run: str
    tenant: str
    plan: Plan
    operator: str
    version: str  # of this tool
    reason: str = ""
    change_ref: str = ""
    at: float = 0.0  # epoch seconds
    postponed: bool = False  # begun with the cutover put off: it waits until an operator asks for it


class Lease(Value, frozen=True, kw_only=True):
    """The lease item as read."""

    run: str
    holder: Holder | None  # None: released
    fence: int  # the lease fence, only grows
    beat: int  # only grows; a watcher compares it with what it saw before
    seq: int  # head: the last entry's number
    head: str  # head: the last entry's hash
    beat_at: float = 0.0  # epoch seconds of the last beat by the holder's clock: for people, never compared


class Entry(Value, frozen=True, kw_only=True):
    """One append-only journal entry. `step` is empty for run facts; `hash` covers everything else and `prev`."""

    run: str
    seq: int
    step: str
    fact: Fact
    data: dict[str, Any]
    at: float  # epoch seconds, for people; never used to order
    by: str
    fence: int
    write_id: str
    prev: str
    hash: str
    schema: int = ENTRY_SCHEMA


class Cursor(Value, frozen=True, kw_only=True):
    """A unit's checkpoint: where to go on, and what was acknowledged up to there."""

    unit: str
    position: dict[str, Any] | None  # None with done=False: from the start
    items: int = 0
    bytes: int = 0
    done: bool = False


class Tuning(Value, frozen=True, kw_only=True):
    """What an operator asked of a running copy (`run tune`); None is as it was."""

    rate: TunedRate | None = None  # `none` lifts the limit
    units: Annotated[int, Meta(ge=1, le=64)] | None = None  # units copied at a time
    by: str = ""
    id: str = ""  # of the request: what was adopted once is not journaled again


class Throughput(Value, frozen=True, kw_only=True):
    """What a copy does a second, as its process told it last, and what it may."""

    items: float  # a second
    wcu: float  # write units a second, consumed
    rcu: float
    granted: str | None  # as `model.rate` reads it; None: no limit
    allowed_wcu: float | None  # at this moment: less than granted while it backs off; None: no limit
    allowed_rcu: float | None
    units: int  # copied at a time
    throttled: int  # throttled answers since the process began
    pressed: bool | None  # whether the shared tables throttle more than before the copy; None: unknown
    at: float  # epoch seconds


class StepView(Value, frozen=True, kw_only=True):
    """A step as the entries tell it."""

    id: str
    status: Status = Status.PENDING
    attempts: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    output: dict[str, Any] = {}
    intents: list[dict[str, Any]] = []  # {"change": …, "existed": bool}, in order
    notes: dict[str, dict[str, Any]] = {}  # the last NOTE about each thing
    error: str = ""


class RunView(Value, frozen=True, kw_only=True):
    """A run as its entries tell it; built by `fold`, never stored."""

    header: Header
    state: RunState | None = None
    goal: Goal = Goal.MIGRATE
    reason: str = ""  # ParkReason while parked
    what: str = ""  # the parked message, for people
    serving: str = "source"
    fenced: bool = False
    flips: int = 0
    steps: dict[str, StepView] = {}
    seq: int = 0
    last_at: float = 0.0
    postponed: bool = False  # no flip until `run cutover`: part of what was asked for last, by whatever process goes on
    fenced_by: dict[str, Any] = {}  # data of the last FENCED entry
    flipped: dict[str, Any] = {}  # data of the last FLIPPED entry

    @property
    def ended(self) -> bool:
        """Whether the tenant is free again."""
        return self.state in ENDED

    def step(self, step_id: str) -> StepView:
        """The step's view; a pending one if nothing is known."""
        return self.steps.get(step_id, StepView(id=step_id))

    def created(self) -> list[Change]:
        """Every resource this run recorded the intent to create and that was not there before, in order."""
        return [change for change, existed in self.intents() if not existed and change.sign == "+"]

    def intents(self) -> list[tuple[Change, bool]]:
        """Every recorded intent with whether the thing existed before."""
        return [
            (msgspec.convert(intent["change"], Change), bool(intent["existed"]))
            for step in self.steps.values()
            for intent in step.intents
        ]


def fold(header: Header, entries: list[Entry]) -> RunView:
    """Fold entries, in order, into a view. Raises `IllegalTransition` on a path no run can take."""
    view = RunView(header=header)
    for entry in entries:
        view = advance(view, entry)
    return view


def advance(view: RunView, entry: Entry) -> RunView:
    """The view after one more entry. Raises `IllegalTransition`."""
    data = entry.data
    if entry.step:
        steps = {**view.steps, entry.step: _after(view.step(entry.step), entry)}
        return msgspec.structs.replace(view, steps=steps, seq=entry.seq, last_at=entry.at)
    goal = Goal(data["goal"]) if "goal" in data else view.goal
    parked = entry.fact is Fact.PARKED
    return msgspec.structs.replace(
        view,
        state=next_state(view.state, entry.fact, goal),
        goal=goal,
        reason=data.get("reason", "") if parked else "",
        what=data.get("what", "") if parked else "",
        serving=data["serving"] if entry.fact is Fact.FLIPPED else view.serving,
        flips=view.flips + (entry.fact is Fact.FLIPPED),
        fenced=_fenced(entry.fact, before=view.fenced),
        postponed=_postponed(view, entry),
        fenced_by=data if entry.fact is Fact.FENCED else view.fenced_by,
        flipped=data if entry.fact is Fact.FLIPPED else view.flipped,
        seq=entry.seq,
        last_at=entry.at,
    )


def _postponed(view: RunView, entry: Entry) -> bool:
    """What was asked for when the run began, or last: every GOAL says it anew."""
    if entry.fact is Fact.RUN_STARTED:
        return view.header.postponed
    return bool(entry.data.get("postponed")) if entry.fact is Fact.GOAL else view.postponed


def _fenced(fact: Fact, *, before: bool) -> bool:
    if fact is Fact.FENCED:
        return True
    return False if fact in (Fact.UNFENCED, Fact.FLIPPED) else before


def _after(step: StepView, entry: Entry) -> StepView:
    fact, data = entry.fact, entry.data
    starts = fact is Fact.STARTED
    ends = fact in (Fact.DONE, Fact.SKIPPED, Fact.FAILED, Fact.UNDONE, Fact.UNDO_FAILED)
    return msgspec.structs.replace(
        step,
        status=next_status(step.status, fact),
        attempts=step.attempts + starts,
        started_at=entry.at if _begins(step, fact) else step.started_at,
        ended_at=entry.at if ends else step.ended_at,
        output=data if fact in (Fact.DONE, Fact.SKIPPED) else step.output,
        intents=[*step.intents, data] if fact is Fact.INTENT else step.intents,
        notes={**step.notes, str(data.get("about", "")): data} if fact is Fact.NOTE else step.notes,
        error=_error(step, entry),
    )


def _begins(step: StepView, fact: Fact) -> bool:
    """Whether the time of a step counts from here: its first start, and while it is undone the first undoing."""
    undoing = (Status.UNDOING, Status.UNDO_FAILED)
    return (fact is Fact.STARTED and step.started_at is None) or (fact is Fact.UNDOING and step.status not in undoing)


def _error(step: StepView, entry: Entry) -> str:
    """What the step failed of last; a success since then clears it."""
    if entry.fact in (Fact.FAILED, Fact.UNDO_FAILED):
        return str(entry.data.get("error", ""))
    return "" if entry.fact in (Fact.DONE, Fact.SKIPPED, Fact.UNDONE) else step.error
