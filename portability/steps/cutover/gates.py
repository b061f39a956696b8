"""What must hold before a tenant's writes may be paused. An unmet gate parks with nothing frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portability import errors
from portability.model.change import Finding
from portability.model.estate import seconds
from portability.model.status import ParkReason
from portability.steps.base import Context
from portability.steps.catch_up import wait_caught_up
from portability.steps.channels import Channels, open_channels, stream_arns
from portability.steps.cutover.leg import Leg
from portability.steps.cutover.routing import routing, staged_stacks
from portability.steps.directory import DirectoryRecord, Stamp, directory_of
from portability.steps.late_writes import horizon_left
from portability.steps.verify_data import verify_all
from portability.stores.base import ChannelState, Flow, Lag


@dataclass(frozen=True)
class Limits:
    """How caught up is caught up, in seconds, and how long to wait for it."""

    threshold: float
    window: float
    patience: float
    workers: int
    capacity: bool = True  # whether the other side's capacity has to be that of the side that serves


@dataclass(frozen=True)
class Ready:
    """What a flip is conditional on, as it was read: the record, our stamp on it, the stack the tenant is mapped to."""

    record: DirectoryRecord
    stamp: Stamp
    stack: str | None


def stamp_record(ctx: Context) -> Stamp:
    """Put our stamp on the record and wait until no application acts on a record read before it.

    The wait is repeated by every process: none knows how long the stamp has been there.
    """
    view = ctx.view
    # Above whatever a lost stamp of ours had: a request sent under that one must not meet its epoch again.
    spent = max(
        int(facts.get("epoch", 0))
        for facts in (view.fenced_by, view.flipped, view.step(ctx.step).notes.get("flip", {}))
    )
    stamp = directory_of(ctx).stamp(ctx.plan.tenant, ctx.run, max(int(ctx.clock.now()), spent + 2))
    if ctx.moves:
        _wait(ctx, seconds(ctx.estate.directory.cache) + seconds(ctx.estate.fence.max_in_flight or "0s"))
    return stamp


def open_way_back(ctx: Context, leg: Leg, *, patience: float) -> Channels:
    """The opposite channels, pinned before any fence and proven by a canary: until the flip they write nothing else."""
    back = open_channels(ctx, leg.flow.opposite, copied=True)
    try:
        back.pin()
        back.start(ChannelState.CANARY)
        for store, channel in back.by_store.items():
            ctx.check()
            back.moves[store].canary_roundtrip(back.flow, channel, run=ctx.run, patience=patience)
    except BaseException:
        back.stop()
        raise
    return back


def make_ready(ctx: Context, channels: Channels, limits: Limits, verified: Mapping[str, Any] | None) -> dict[str, Any]:
    """Wait for the lag, settle doubts, and verify in full unless `verified` is still fresh; the verified figures."""
    _wait_out_the_replaced(ctx)
    wait_caught_up(ctx, channels, threshold=limits.threshold, window=limits.window, patience=limits.patience)
    channels.settle(patience=limits.patience + horizon_left(ctx))
    if verified is not None and channels.changed() is not None:
        return dict(verified)
    return verify_all(ctx, channels, repair=False, workers=limits.workers, patience=limits.patience)


def fresh_verification(ctx: Context, channels: Channels) -> Mapping[str, Any] | None:
    """What verify_data proved, if it proved it under these very channels and they remember every change since."""
    output = ctx.output("verify_data")
    if output.get("freshness") != channels.token or channels.changed() is None:
        return None
    return dict(output["stores"])


def refuse_unmet(ctx: Context, leg: Leg, channels: Channels | None, limits: Limits) -> Ready:
    """Raise `Parked(gate)` with every reason why the cutover cannot commit now; else what the flip is conditional on.

    A lag that rose while the sides were compared is waited out once more.
    """
    lag = None if channels is None else _lag(ctx, channels, limits)
    table = directory_of(ctx)
    record, stack = table.read(ctx.plan.tenant), table.stack_row(ctx.plan.tenant)
    reasons = ["the directory has no record of the tenant"] if record is None else _unrouted(ctx, leg, record)
    if stack not in staged_stacks(ctx):
        reasons.append(f"the stack mapping changed since it was planned: the tenant is mapped to {stack or 'no stack'}")
    if channels is not None and lag is not None:
        reasons += _behind(ctx, channels, lag, limits)
    unknown: list[str] = []
    for finding in _capacity(ctx, leg) if limits.capacity else []:
        told = f"{finding.text}: {finding.next}"
        (reasons if finding.level == "block" else unknown).append(told)
    ctx.note("gates", can_commit=not reasons, blocked_by=reasons, unknown=unknown)
    if reasons or record is None or record.stamp is None:
        raise errors.Parked(
            f"the cutover of {ctx.plan.tenant} cannot commit: {'; '.join(reasons)}",
            reason=ParkReason.GATE,
            next=f"portability resume {ctx.run}",
            changed=f"The {leg.before} serves; nothing is frozen.",
        )
    return Ready(record, record.stamp, stack)


def _capacity(ctx: Context, leg: Leg) -> list[Finding]:
    """The side about to serve takes the whole load at once."""
    before = ctx.view.header.at if leg.flow is Flow.FORWARD else None
    return [finding for move in ctx.moves for finding in move.capacity(leg.flow, before=before)]


def _unrouted(ctx: Context, leg: Leg, record: DirectoryRecord) -> list[str]:
    reasons = []
    if record.stamp is None or record.stamp.run != ctx.run:
        reasons.append("the directory record does not carry this run's stamp")
    elif record.stamp.fenced:
        reasons.append("the directory record is fenced")
    planned = routing(ctx, leg.before)
    drifted = sorted(name for name, value in planned.items() if record.text(name) != value)
    if drifted:
        reasons.append(f"the directory record changed since it was planned: {', '.join(drifted)}")
    return reasons


def _lag(ctx: Context, channels: Channels, limits: Limits) -> Lag:
    try:
        return wait_caught_up(ctx, channels, threshold=limits.threshold, window=0.0, patience=limits.patience)
    except errors.Parked as parked:
        if parked.reason != ParkReason.GATE:
            raise
        return channels.lag()  # told with whatever else is unmet


def _behind(ctx: Context, channels: Channels, lag: Lag, limits: Limits) -> list[str]:
    reasons = []
    if lag.seconds is None or lag.seconds >= limits.threshold:
        reasons.append("the channel is behind" if lag.seconds is None else f"the channel is {lag.seconds:.1f} s behind")
    if lag.parked:
        reasons.append(f"{lag.parked} keys are parked")
    if lag.doubtful:
        reasons.append(f"{lag.doubtful} writes are in doubt")
    reasons += channels.refused()
    now = stream_arns(ctx, channels.flow)
    reasons += [
        f"the change stream of {store} was replaced" for store, arn in channels.arns.items() if now[store] != arn
    ]
    if channels.changed() is None:
        reasons.append("the record of keys changed since the verification was lost")
    return reasons


def _wait_out_the_replaced(ctx: Context) -> None:
    """Wait until nothing that a replaced process sent can land: after the flip it would undo a write of the tenant.

    Its keys need not be doubtful: a page that was copied again is not synced as long as nobody changes it.
    """
    taken = ctx.taken_over
    if taken is not None and (left := taken.since + taken.seconds - ctx.clock.monotonic()) > 0:
        ctx.progress("waiting", about="writes that may still land", seconds_left=left)
        _wait(ctx, left)


def _wait(ctx: Context, duration: float) -> None:
    until = ctx.clock.monotonic() + duration
    while (left := until - ctx.clock.monotonic()) > 0:
        ctx.check()
        ctx.clock.sleep(left)
