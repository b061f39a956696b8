"""The verbs, as functions over a Desk: they return values and raise our errors, and print nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

import msgspec

from portability import __version__, errors
from portability.cli.planning import Planned
from portability.cli.wiring import Desk
from portability.engine.observer import Observer
from portability.engine.route import FINISHED
from portability.engine.runner import Options
from portability.journal.base import Held
from portability.journal.lease import ThisHost, held_elsewhere
from portability.model.estate import seconds
from portability.model.run import Header, RunView, Tuning
from portability.model.status import Fact, Goal, ParkReason, RunState, Status
from portability.model.tenant import checked_tenant


def start_run(desk: Desk, planned: Planned, *, reason: str, change_ref: str, postponed: bool = False) -> Held:
    """Start a run of `planned`; nothing is written where preflight blocks. `postponed`: it stops before its cutover."""
    if planned.blocks:
        lines = "\n".join(
            f"  {one.about}: {one.text}" + (f"  Fix: {one.next}" if one.next else "") for one in planned.blocks
        )
        msg = f"{planned.plan.tenant} cannot move to {planned.plan.target.tier}:\n{lines}"
        raise errors.PreflightRefused(msg, next=f"portability doctor {planned.plan.tenant}")
    header = Header(
        run=new_run_id(desk.clock.now(), desk.rng.getrandbits),
        tenant=planned.plan.tenant,
        plan=planned.plan,
        operator=desk.operator,
        version=__version__,
        reason=reason,
        change_ref=change_ref,
        at=desk.clock.now(),
        postponed=postponed,
    )
    return desk.journal.start(header, desk.holder, write_id=header.run)


def adopt(desk: Desk, tenant: str, to: str, *, wait: float) -> Held | RunView | None:
    """The tenant's active run, if `migrate` may go on with it.

    None: there is none. A `RunView`: it soaks towards the same tier, so there is nothing to do. Raises `LeaseHeld`
    where the run has another target or goes another way.
    """
    run = desk.journal.active(tenant)
    if run is None:
        return None
    view = desk.journal.view(run)
    if not same_move(view, to):
        raise another_move(view)
    if view.state is RunState.SOAKING:
        return view
    return desk.journal.acquire(run, desk.holder, wait=wait)


def under_way(desk: Desk, tenant: str, to: str | None) -> RunView | None:
    """The tenant's active run, looked at by clients that cannot write; None where there is none, or no journal.

    It is one that `migrate` to `to` would go on with, or find done. Raises `LeaseHeld` where `migrate` would. `to` None
    takes any.
    """
    checked_tenant(tenant)
    journal = desk.journal_seen
    try:
        journal.check()
    except errors.JournalMissing:
        return None
    run = journal.active(tenant)
    if run is None:
        return None
    view = journal.view(run)
    if to is None:
        return view
    if not same_move(view, to):
        raise another_move(view)
    lease = journal.lease(run)
    if view.state is not RunState.SOAKING and lease.holder is not None and not ThisHost().gone(lease.holder):
        raise held_elsewhere(view.header, lease, desk.clock.now())
    return view


def same_move(view: RunView, to: str) -> bool:
    """Whether the run goes to `tier[@placement]`, and was asked for nothing else since."""
    target = view.header.plan.target
    return to in (target.tier, f"{target.tier}@{target.placement}") and view.goal in (Goal.MIGRATE, Goal.CUTOVER)


def another_move(view: RunView) -> errors.LeaseHeld:
    """The tenant has a run that goes elsewhere: what it is, and the verbs that end it."""
    run, tenant, target = view.header.run, view.header.tenant, view.header.plan.target
    verbs = f"portability status {tenant}"
    if view.state is RunState.SOAKING:
        verbs = f"portability reverse {run}, or portability complete {run} --confirm {tenant}"
    elif view.state is RunState.REVERSED:
        verbs = f"portability run cutover {run}, or portability cancel {run}"
    asked = "" if view.goal in (Goal.MIGRATE, Goal.CUTOVER) else f", asked to {view.goal}"
    msg = f"{tenant} has run {run} to {target.tier}@{target.placement}, which is {view.state}{asked}"
    return errors.LeaseHeld(msg, next=verbs)


def find_run(desk: Desk, named: str | None) -> str:
    """The run that TENANT or RUN names, or the only resumable one; raises `UsageMistake` listing several."""
    if named is None:
        found = [view.header for view in open_runs(desk)]
        if len(found) == 1:
            return found[0].run
        if not found:
            raise errors.UsageMistake(
                "no run is open", next="portability run list, or portability plan TENANT --to TIER"
            )
        listing = ", ".join(f"{header.run} ({header.tenant})" for header in found)
        raise errors.UsageMistake(f"which run? open runs: {listing}", next=f"{errors.AGAIN}, with one of them")
    if named.startswith("r-") and desk.journal.active(named) is None:
        return desk.journal.header(named).run
    run = desk.journal.active(checked_tenant(named)) or desk.journal.last(named)
    if run is None:
        msg = f"no run of {named} in the journal"
        raise errors.UnknownName(msg, next=f"portability plan {named} --to TIER")
    return run


REACHED = {
    Goal.MIGRATE: RunState.SOAKING,
    Goal.CUTOVER: RunState.SOAKING,
    Goal.REVERSE: RunState.REVERSED,
}
"""The state of a run that is where a goal brings it, and stays open."""


def take(desk: Desk, run: str, *, goal: Goal | None, wait: float = 0.0) -> Held:
    """Take the run's lease and, where the operator asks for something new, record the goal.

    Raises `UsageMistake` for a goal that the run's state does not allow, before the lease is taken.
    """
    view = desk.journal.view(run)
    if goal is not None:
        allow(view, goal)
    held = desk.journal.acquire(run, desk.holder, wait=wait)
    view = held.view()
    if goal is not None and not _is_old_news(view, goal):
        try:
            allow(view, goal)
        except errors.PortabilityError:
            held.release()
            raise
        held.append(Fact.GOAL, {"goal": goal.value, "by": desk.operator})
    return held


def _is_old_news(view: RunView, goal: Goal) -> bool:
    """Whether the run is where the goal would bring it, or on its way there."""
    under_way = view.goal is goal and view.state in (RunState.RUNNING, RunState.UNWINDING) and not view.postponed
    return under_way or view.state is REACHED.get(goal)


def allow(view: RunView, goal: Goal) -> None:
    """Raise `UsageMistake` naming the right verb where `goal` makes no sense for the run as it is."""
    run, tenant = view.header.run, view.header.tenant
    if view.ended:
        msg = f"run {run} is {view.state}"
        raise errors.UsageMistake(msg, next=f"portability report {run} --format md")
    if goal is not Goal.CANCEL and view.state in (RunState.UNWINDING, RunState.STUCK):
        msg = f"run {run} is being cancelled: it can only be taken back"
        raise errors.UsageMistake(msg, next=f"portability cancel {run}")
    flipped = view.serving == "target"
    if goal is Goal.CANCEL and (flipped or view.goal is Goal.COMPLETE):
        msg = f"the target serves {tenant}: cancel would lose what was written there"
        raise errors.UsageMistake(msg, next=f"portability reverse {run}")
    settled = not view.flips or view.step(view.flipped["step"]).status is Status.DONE
    if goal is Goal.CANCEL and not settled and view.state not in (RunState.UNWINDING, RunState.STUCK):
        # What reached the target after the flip back is looked for until the leg is done; a cancel deletes the target.
        msg = f"the reverse of run {run} is not settled: a late write may be at the target only"
        raise errors.UsageMistake(msg, next=f"portability resume {run}")
    if goal is Goal.REVERSE and not flipped and view.goal is not Goal.REVERSE:
        msg = f"the source serves {tenant}: there is nothing to reverse"
        raise errors.UsageMistake(msg, next=f"portability cancel {run}")
    if goal is Goal.COMPLETE and not flipped:
        msg = f"the source serves {tenant}: there is nothing to complete"
        raise errors.UsageMistake(msg, next=f"portability resume {run}")
    if goal is Goal.COMPLETE and view.goal is not Goal.COMPLETE and view.state is not RunState.SOAKING:
        # Without a running way back the old copy is not known to hold nothing that is nowhere else.
        msg = f"run {run} does not soak: its last cutover or reverse is not settled"
        reversing = view.goal is Goal.REVERSE
        raise errors.UsageMistake(msg, next=f"portability {'run cutover' if reversing else 'resume'} {run}")
    if view.goal is Goal.COMPLETE and goal is not Goal.COMPLETE:
        msg = f"run {run} is being completed: its old copy may be gone"
        raise errors.UsageMistake(msg, next=f"portability complete {run} --confirm {tenant}")


def drive(desk: Desk, held: Held, options: Options, observer: Observer) -> RunView:
    """Go on until the goal is reached or the run parks.

    What stops a run that has begun is never `Refused`, which says that nothing was written: it is `StepFailed`.
    """
    with asking(desk, held):
        try:
            return desk.runner(held, options, observer).go()
        except errors.Refused as error:
            msg = f"{error.code} {error.what}"
            changed = f"Run {held.run} is parked; nothing is frozen."
            raise errors.StepFailed(msg, next=f"portability resume {held.run}", changed=changed) from error


def tune(desk: Desk, run: str, settings: Sequence[str]) -> Tuning:
    """Ask the copy of `run` for `settings` (`rate=…`, `units=…`); what was asked.

    Raises `UsageMistake` for what is no setting, `Refused` where the run has nothing left to copy.
    """
    example = f"portability run tune {run} rate=500wcu units=8"
    given: dict[str, object] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in ("rate", "units") or name in given:
            what = "is given twice" if name in given else "is neither rate=… nor units=…"
            raise errors.UsageMistake(f"{setting!a} {what}", next=example)
        given[name] = int(value) if name == "units" and value.isascii() and value.isdigit() else value
    try:
        tuning = msgspec.convert({**given, "by": desk.operator}, Tuning)
    except msgspec.ValidationError:
        text = "rate is 1 to 999999 units a second, as 500wcu, 1500rcu or 500wcu+1500rcu, or none; units is 1 to 64"
        raise errors.UsageMistake(text, next=example) from None
    view = desk.journal.view(run)
    copies = [view.step(spec.id).status for spec in view.header.plan.steps if spec.uses == "copy_data"]
    if view.state is RunState.UNWINDING or all(status in FINISHED for status in copies):
        msg = f"run {run} has nothing left to copy"
        raise errors.Refused(msg, next=f"portability status {run}")
    desk.journal.tune(run, tuning)
    return tuning


@contextlib.contextmanager
def asking(desk: Desk, held: Held) -> Iterator[None]:
    """While the run is driven, look every beat whether somebody asked its holder to park (`run pause`)."""
    done = threading.Event()
    every = seconds(desk.estate.journal.beat)

    def look() -> None:
        while not done.wait(every):
            with contextlib.suppress(errors.PortabilityError):  # asked again at the next beat
                if desk.journal.asked(held.run, held.fence) == "pause":
                    desk.stop.request()
                    return

    listener = threading.Thread(target=look, name=f"requests {held.run}", daemon=True)
    listener.start()
    try:
        yield
    finally:
        done.set()
        listener.join()


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_run_id(now: float, bits: Callable[[int], int]) -> str:
    """`r-` and a ULID: 48 bits of milliseconds, 80 random ones, in Crockford base 32 (26 characters)."""
    number = (int(now * 1000) << 80) | bits(80)
    return "r-" + "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -5, -5))


def paused(desk: Desk, view: RunView) -> bool:
    """Whether this tenant's writes are refused. The journal announces a fence; the directory says whether it stands.

    A guardian lifts one without a word in the journal. Where the directory gives no answer the journal's word stands.
    """
    if not view.fenced:
        return False
    try:
        record = desk.directory.read(view.header.tenant)
    except errors.PortabilityError:
        return True
    stamp = None if record is None else record.stamp
    return stamp is not None and stamp.run == view.header.run and stamp.fenced


def watch(
    desk: Desk, run: str, *, timeout: float | None, each: Callable[[RunView], None], interval: float = 1.0
) -> RunView:
    """Call `each` with the run as it goes, until it rests or nobody goes on with it.

    Raises `WaitedTooLong` after `timeout` seconds, `StepFailed` where the process that held the run is gone.
    """
    began, left_at = desk.clock.monotonic(), -1
    while True:
        lease = desk.journal.lease(run)
        view = desk.journal.view(run)
        each(view)
        if view.state not in (RunState.RUNNING, RunState.UNWINDING):
            return view
        if lease.holder is None or ThisHost().gone(lease.holder):
            if left_at == view.seq:  # twice the same: not a run that is being given back, or taken over, just now
                msg = f"run {run} is {view.state} and the process that drove it is gone"
                again = f"portability {'cancel' if view.state is RunState.UNWINDING else 'resume'} {run}"
                raise errors.StepFailed(msg, next=again, changed=f"The {view.serving} serves.")
            left_at = view.seq
        if timeout is not None and desk.clock.monotonic() - began >= timeout:
            msg = f"run {run} is still {view.state} after {timeout:g} s"
            raise errors.WaitedTooLong(msg, next=f"portability status {run} --watch", changed="The run goes on.")
        desk.stop.wait(interval)


PARKED_CODE = {ParkReason.FAILURE: 8, ParkReason.ZOMBIE: 8, ParkReason.MISMATCH: 11}
STATE_CODE = {RunState.PARKED: 7, RunState.UNWOUND: 9, RunState.STUCK: 10}


def resting_code(view: RunView) -> int:
    """The exit code that the run's own process would have had."""
    if view.state is RunState.PARKED and view.reason:
        return PARKED_CODE.get(ParkReason(view.reason), STATE_CODE[RunState.PARKED])
    if view.state is RunState.UNWOUND and view.goal is Goal.CANCEL:
        return 0
    return STATE_CODE.get(view.state, 0) if view.state else 0


def every_run(desk: Desk, *, tenant: str | None = None) -> list[RunView]:
    """Every run's view, the newest first."""
    headers = desk.journal.runs()
    return [desk.journal.view(header.run) for header in headers if tenant in (None, header.tenant)]


def open_runs(desk: Desk) -> list[RunView]:
    """Runs that have not ended, the newest first."""
    return [view for view in every_run(desk) if not view.ended]
