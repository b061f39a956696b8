"""`verify` as a function: compare both sides of a run, under its lease."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from portability import errors
from portability.cli.wiring import Desk
from portability.engine.observer import Observer
from portability.engine.runner import Options, Runner
from portability.model.estate import seconds
from portability.model.run import RunView
from portability.model.status import Fact, ParkReason, RunState, Status
from portability.report.text import moment
from portability.steps.channels import Channels
from portability.steps.verify_data import VerifyData, VerifyWith, verify_all, verify_some
from portability.stores.base import Flow
from portability.stores.dynamodb.feed import KEPT

SAMPLE = 1000
"""Keys of each side that a sample looks at, per store."""

PATIENCE = 3600.0
"""Seconds that reading a day of a busy stream may take."""

if TYPE_CHECKING:
    from portability.engine.context import RunContext
    from portability.journal.base import Held


def flow_of(view: RunView) -> Flow:
    """The way data goes now: from the side that serves."""
    return Flow.FORWARD if view.serving == "source" else Flow.REVERSE


def refuse_too_early(view: RunView) -> None:
    """Raise `UsageMistake` where the two sides are not meant to be equal."""
    run = view.header.run
    if view.ended:
        raise errors.UsageMistake(f"run {run} is {view.state}: one side is left", next=f"portability report {run}")
    if view.state in (RunState.UNWINDING, RunState.STUCK):
        raise errors.UsageMistake(f"run {run} is being taken back", next=f"portability cancel {run}")
    if not view.header.plan.moving:
        raise errors.UsageMistake(f"run {run} moves no data", next=f"portability status {run}")
    copies = [spec.id for spec in view.header.plan.steps if spec.uses == "copy_data"]
    if any(view.step(step).status is not Status.DONE for step in copies):
        raise errors.UsageMistake(f"the copy of run {run} is not finished", next=f"portability resume {run}")


def proven_at(desk: Desk, view: RunView) -> float:
    """Epoch seconds since when a change may be unproven: the last flip, before one the full verification.

    Raises `UsageMistake` where nothing is proven yet, or where the stream may not go back that far.
    """
    run = view.header.run
    flips = [entry.at for entry in desk.journal.entries(run) if entry.fact is Fact.FLIPPED]
    checks = [view.step(spec.id) for spec in view.header.plan.steps if spec.uses == "verify_data"]
    began = [step.started_at for step in checks if step.status is Status.DONE and step.started_at is not None]
    if not flips and not began:
        raise errors.UsageMistake(f"run {run} was not verified in full yet", next=f"portability verify {run}")
    at = flips[-1] if flips else max(began)
    if desk.clock.now() - at > KEPT:
        raise errors.UsageMistake(
            f"what changed since {moment(at)} is older than the stream keeps", next=f"portability verify {run}"
        )
    return at


def compare_run(
    desk: Desk, run: str, *, repair: bool, wait: float, observer: Observer, mode: str
) -> dict[str, dict[str, Any]]:
    """Take the run's lease, let its channels catch up, compare what `mode` says of every store; figures per store.

    A fence that a killed cutover left is lifted first: a tenant waits. With `repair` the side that does not serve is
    made equal to the one that does. Workers and patience are those of the plan's own verification. The run is left as
    it was found. Raises `Mismatch` for a difference that lasts, `StepFailed` for what stops a repair: `Refused` says
    that nothing was written.
    """
    before = desk.journal.view(run)
    refuse_too_early(before)
    since = proven_at(desk, before) if mode == "recent" else 0.0
    held = desk.journal.acquire(run, desk.holder, wait=wait)
    runner = desk.runner(held, Options(), observer)
    outcome = before.what
    try:
        with ExitStack() as stack:
            stack.callback(runner.residents.leave_all)
            runner.find_out()
            return _compare(held, runner, mode, since, repair=repair)
    except errors.PortabilityError as error:
        outcome = f"{error.code} {error.what}"
        if repair:
            _half_repaired(held, error)
        raise
    finally:
        put_back(held, before, outcome)


def _half_repaired(held: Held, error: errors.PortabilityError) -> None:
    """What stopped a repair does not say that nothing was changed. Raises `StepFailed` for what would be exit 3."""
    changed = f"The {held.view().serving} serves. Some items of the other side may have been repaired."
    if isinstance(error, errors.Unauthorised):
        error.changed = changed
    if isinstance(error, errors.Refused | errors.AwsError):
        again = f"portability verify {held.run} --repair"
        raise errors.StepFailed(f"{error.code} {error.what}", next=again, changed=changed) from error


def _compare(held: Held, runner: Runner, mode: str, since: float, *, repair: bool) -> dict[str, dict[str, Any]]:
    view = held.view()
    flow, context = flow_of(view), None
    for station in runner.route.lasting(view):
        context = runner.context(station)
        runner.residents.enter(station, context)
    found = [one for one in runner.residents.values.values() if isinstance(one, Channels) and one.flow is flow]
    if context is None or not found:
        raise errors.UsageMistake(
            f"no channel of run {held.run} runs from the side that serves", next=f"portability resume {held.run}"
        )
    context, channels = _flowing(context, flow), found[-1]
    planned = next((step.with_ for _, step in runner.route.steps if isinstance(step, VerifyData)), VerifyWith())
    patience = seconds(planned.patience)
    match mode:
        case "sample":
            stores = verify_some(
                context, channels, lambda move, _: move.sample(flow, SAMPLE), repair=repair, patience=patience
            )
        case "recent":
            stores = verify_some(
                context,
                channels,
                lambda _, channel: channel.recent(since, patience=PATIENCE),
                repair=repair,
                patience=patience,
            )
        case _:
            stores = verify_all(context, channels, repair=repair, workers=planned.workers, patience=patience)
    return {store: dict(figures) for store, figures in stores.items()}


def _flowing(context: RunContext, flow: Flow) -> RunContext:
    import dataclasses

    return dataclasses.replace(context, flow=flow)


def put_back(held: Held, before: RunView, outcome: str) -> None:
    """Leave the run in the state it was found in: a parked one is parked again, for the same reason."""
    try:
        if before.state is RunState.PARKED:
            held.append(Fact.PARKED, {"reason": before.reason or ParkReason.GATE.value, "what": outcome[:2000]})
        elif before.state is RunState.RUNNING:
            held.append(Fact.PARKED, {"reason": ParkReason.SIGNAL.value, "what": "verified by an operator"})
        held.release()
    except errors.PortabilityError:
        held.abandon()
