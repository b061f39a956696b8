"""Lift a fence by writing the next epoch first, and undo a leg that never flipped."""

from __future__ import annotations

from portability import errors
from portability.model.status import Fact
from portability.steps.base import Context
from portability.steps.channels import Channels, open_channels
from portability.steps.cutover.flip import record_flip
from portability.steps.cutover.leg import Leg, flipped
from portability.steps.cutover.routing import routing
from portability.steps.directory import ABORTED, FLIPPED, LIFTED, REPEATABLE, Stamp, directory_of
from portability.steps.fence.base import lower_stamp
from portability.stores.base import ChannelState

PASSING: tuple[type[Exception], ...] = (*REPEATABLE, errors.EndpointDown)
"""What a later attempt to lift a fence may outlive."""

PATIENCE = 60.0
"""Seconds for which a fence is tried to be lifted; a lease that is lost ends it sooner."""

AGAIN = 0.5
"""Seconds between two such rounds, each of the policy's own attempts."""


def find_out(ctx: Context, leg: Leg, channels: Channels | None) -> None:
    """What an earlier process left of this leg: what it announced is taken back, or recorded where it came to pass.

    Needs the journal and the directory only. May be repeated.
    """
    if not flipped(ctx, leg) and _announced(ctx) is not None:
        take_back(ctx, leg, channels, why="found on resume")


def take_back(ctx: Context, leg: Leg, channels: Channels | None, *, why: str) -> str:
    """Abort the fence, or the flip without one, that the journal announced last; what stands: a stamp's `act`.

    The epoch is raised first. Only when that succeeded is the fence lifted, recorded, and do the channels sync again;
    `aborted` is the same done by the guardian, and recorded here. Where our flip came first nothing is lifted, and the
    flip is recorded if its entry is missing. Where somebody took our stamp off the record nothing of ours holds writes
    back, and what the record routes to tells the two apart.
    """
    announced = _announced(ctx) or 0
    try:
        stamp = _lowered(ctx, announced)
    except errors.StampMoved as moved:
        if moved.run == ctx.run:
            raise
        stamp, why = _without_stamp(ctx, leg, announced), f"{why}; this run's stamp is gone: nothing was fenced by it"
    if stamp.act == FLIPPED:
        record_flip(ctx, leg, stamp)
        return stamp.act
    if ctx.view.fenced:
        guarded = stamp.act == ABORTED
        why = f"{why}; the guardian had lifted the fence" if guarded else why
        by = {"by": "guardian"} if guarded else {}
        ctx.commit(Fact.UNFENCED, {"epoch": stamp.epoch, "step": ctx.step, "why": why, **by})
        ctx.progress("unfenced", why=why)
    if channels is not None:
        channels.become(ChannelState.SYNC)
    return stamp.act


def _announced(ctx: Context) -> int | None:
    """The epoch below that of the flip that may have been sent; None where none was."""
    if ctx.view.fenced:
        return int(ctx.view.fenced_by["epoch"])
    planned = ctx.view.step(ctx.step).notes.get("flip")
    return None if planned is None else int(planned["epoch"]) - 1


def _lowered(ctx: Context, announced: int) -> Stamp:
    """Lift, whatever it takes: a process that gives up here leaves a tenant that cannot write."""
    until = ctx.clock.monotonic() + PATIENCE
    while True:
        try:
            return lower_stamp(ctx, announced)
        except PASSING:
            if ctx.clock.monotonic() >= until:
                raise
            ctx.progress("waiting", about="the directory, to lift the fence")
            ctx.clock.sleep(AGAIN)


def _without_stamp(ctx: Context, leg: Leg, announced: int) -> Stamp:
    """What our last write did, told by the routing: a flip needs our stamp, so none can come to pass any more."""
    record = ctx.retry.call(lambda: directory_of(ctx).read(ctx.plan.tenant), on=PASSING)
    before, after = routing(ctx, leg.before), routing(ctx, leg.after)
    there = {} if record is None else {name: record.text(name) for name in after}
    act = FLIPPED if there == after and after != before else LIFTED
    return Stamp(run=ctx.run, epoch=announced + 1, fenced=False, act=act)


def undo_leg(ctx: Context, leg: Leg) -> None:
    """Take back what a leg did around its flip: fence, stamp, and the channels of the way back.

    Raises `Mismatch` where the target serves: only a reverse takes that back.
    """
    find_out(ctx, leg, None)
    if ctx.view.serving != "source":
        raise errors.Mismatch(
            f"the target serves {ctx.plan.tenant}: its writes would be lost",
            next=f"portability reverse {ctx.run}",
        )
    directory_of(ctx).unstamp(ctx.plan.tenant, ctx.run)
    if ctx.moves:
        open_channels(ctx, leg.flow.opposite, copied=True).close()
