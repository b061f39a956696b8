"""The two transition tables. Journal entries are folded through them; there is no second source of truth."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """Where a step is."""

    PENDING = "pending"
    STARTED = "started"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


class Fact(enum.StrEnum):
    """What a journal entry says. Step facts carry a step id; run facts carry none (except where noted)."""

    # step facts
    STARTED = "started"
    INTENT = "intent"  # an effect is about to happen: its Change, and whether the thing existed before
    NOTE = "note"  # something worth keeping, without a change of status
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"
    # run facts
    RUN_STARTED = "run_started"
    GOAL = "goal"  # what the operator asked for next: migrate, cutover, reverse, complete, cancel
    RESUMED = "resumed"  # a process took the lease again, with the holder it replaced
    LEASE_BROKEN = "lease_broken"  # an operator took the lease from its holder; nothing else changes
    PARKED = "parked"
    FENCED = "fenced"  # written BEFORE the fence takes effect: from here on the tenant may be paused
    UNFENCED = "unfenced"
    FLIPPED = "flipped"  # with `serving`
    SOAKING = "soaking"
    REVERSED = "reversed"
    COMPLETED = "completed"
    UNWOUND = "unwound"
    STUCK = "stuck"


class RunState(enum.StrEnum):
    """Where a run is."""

    RUNNING = "running"
    PARKED = "parked"
    SOAKING = "soaking"
    REVERSED = "reversed"
    COMPLETED = "completed"
    UNWINDING = "unwinding"
    UNWOUND = "unwound"
    STUCK = "stuck"


class ParkReason(enum.StrEnum):
    """Why a run is parked."""

    GATE = "gate"
    APPROVAL = "approval"
    POSTPONED = "postponed"
    SIGNAL = "signal"
    FAILURE = "failure"
    ZOMBIE = "zombie"
    MISMATCH = "mismatch"


class Goal(enum.StrEnum):
    """What the operator asked the run for last."""

    MIGRATE = "migrate"
    CUTOVER = "cutover"
    REVERSE = "reverse"
    COMPLETE = "complete"
    CANCEL = "cancel"


ENDED = frozenset({RunState.COMPLETED, RunState.UNWOUND})
"""States that release the tenant."""

_S, _F, _R = Status, Fact, RunState

STEP_TABLE: dict[tuple[Status, Fact], Status] = {
    (_S.PENDING, _F.STARTED): _S.STARTED,
    (_S.PENDING, _F.SKIPPED): _S.SKIPPED,  # nothing to do
    (_S.STARTED, _F.STARTED): _S.STARTED,  # we crashed, and came back
    (_S.STARTED, _F.INTENT): _S.STARTED,
    (_S.STARTED, _F.NOTE): _S.STARTED,
    (_S.STARTED, _F.DONE): _S.DONE,
    (_S.STARTED, _F.SKIPPED): _S.SKIPPED,  # looked closer: nothing to do
    (_S.STARTED, _F.FAILED): _S.FAILED,
    (_S.FAILED, _F.STARTED): _S.STARTED,  # resumed
    (_S.FAILED, _F.NOTE): _S.FAILED,  # an operator's word on what it failed of
    (_S.DONE, _F.STARTED): _S.STARTED,  # its result went stale (a verification after a restart)
    (_S.DONE, _F.NOTE): _S.DONE,
    (_S.SKIPPED, _F.NOTE): _S.SKIPPED,
    (_S.STARTED, _F.UNDOING): _S.UNDOING,
    (_S.FAILED, _F.UNDOING): _S.UNDOING,
    (_S.DONE, _F.UNDOING): _S.UNDOING,
    (_S.UNDOING, _F.UNDOING): _S.UNDOING,  # we crashed while undoing
    (_S.UNDOING, _F.NOTE): _S.UNDOING,
    (_S.UNDOING, _F.UNDONE): _S.UNDONE,
    (_S.UNDOING, _F.UNDO_FAILED): _S.UNDO_FAILED,
    (_S.UNDO_FAILED, _F.UNDOING): _S.UNDOING,
}

RUN_TABLE: dict[tuple[RunState | None, Fact], RunState] = {
    (None, _F.RUN_STARTED): _R.RUNNING,
    (_R.RUNNING, _F.RESUMED): _R.RUNNING,  # we crashed, and came back
    (_R.RUNNING, _F.PARKED): _R.PARKED,
    (_R.RUNNING, _F.GOAL): _R.RUNNING,
    (_R.RUNNING, _F.FENCED): _R.RUNNING,
    (_R.RUNNING, _F.UNFENCED): _R.RUNNING,
    (_R.RUNNING, _F.FLIPPED): _R.RUNNING,
    (_R.RUNNING, _F.SOAKING): _R.SOAKING,
    (_R.RUNNING, _F.REVERSED): _R.REVERSED,
    (_R.RUNNING, _F.COMPLETED): _R.COMPLETED,
    (_R.PARKED, _F.RESUMED): _R.RUNNING,
    (_R.PARKED, _F.GOAL): _R.RUNNING,
    (_R.PARKED, _F.UNFENCED): _R.PARKED,  # `doctor` or a fresh process lifts a fence left behind
    (_R.SOAKING, _F.RESUMED): _R.SOAKING,
    (_R.SOAKING, _F.PARKED): _R.SOAKING,  # the soak stops and goes on; it is not lost
    (_R.SOAKING, _F.GOAL): _R.RUNNING,
    (_R.REVERSED, _F.RESUMED): _R.REVERSED,
    (_R.REVERSED, _F.PARKED): _R.REVERSED,
    (_R.REVERSED, _F.GOAL): _R.RUNNING,
    (_R.UNWINDING, _F.RESUMED): _R.UNWINDING,
    (_R.UNWINDING, _F.UNFENCED): _R.UNWINDING,
    (_R.UNWINDING, _F.FLIPPED): _R.RUNNING,  # found: it came before the cancel, and is not taken back behind its back
    (_R.UNWINDING, _F.PARKED): _R.UNWINDING,
    (_R.UNWINDING, _F.GOAL): _R.UNWINDING,
    (_R.UNWINDING, _F.UNWOUND): _R.UNWOUND,
    (_R.UNWINDING, _F.STUCK): _R.STUCK,
    (_R.STUCK, _F.RESUMED): _R.STUCK,
    (_R.STUCK, _F.GOAL): _R.UNWINDING,
}

RUN_TABLE |= {(state, _F.LEASE_BROKEN): state for state in RunState if state not in ENDED}


class IllegalTransition(Exception):
    """An entry that no legal path leads to: the journal was tampered with, or we have a bug."""


def next_status(status: Status, fact: Fact) -> Status:
    """The step's status after `fact`; raises `IllegalTransition`."""
    try:
        return STEP_TABLE[status, fact]
    except KeyError:
        msg = f"a step that is {status} cannot see {fact}"
        raise IllegalTransition(msg) from None


def next_state(state: RunState | None, fact: Fact, goal: Goal | None = None) -> RunState:
    """The run's state after `fact`; a `GOAL` of cancel unwinds. Raises `IllegalTransition`."""
    try:
        after = RUN_TABLE[state, fact]
    except KeyError:
        msg = f"a run that is {state} cannot see {fact}"
        raise IllegalTransition(msg) from None
    if fact is Fact.GOAL and goal is Goal.CANCEL:
        return RunState.UNWINDING
    return after
