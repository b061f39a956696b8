"""Lift a fence by writing the next epoch first, and undo a leg that never flipped."""

from __future__ import annotations

from portability import errors
from portability.model.status import Fact
from portability.steps.base import Context
from portability.steps.channels import Channels, open_channels
from portability.steps.cutover.flip import record_flip
from portability.steps.cutover.leg import Leg
from portability.steps.directory import FLIPPED, REPEATABLE, Stamp, directory_of
from portability.steps.fence.base import Fence
from portability.stores.base import ChannelState

PASSING: tuple[type[Exception], ...] = (*REPEATABLE, errors.EndpointDown)
"""What a later attempt to lift a fence may outlive."""

PATIENCE = 60.0
"""Seconds for which a fence is tried to be lifted; a lease that is lost ends it sooner."""

AGAIN = 0.5
"""Seconds between two such rounds, each of the policy's own attempts."""


def take_back(ctx: Context, leg: Leg, channels: Channels | None, fence: Fence, *, why: str) -> bool:
    """Abort the fence the journal's last FENCED entry announced; whether its flip stands instead.

    The epoch is raised first. Only when that succeeded is the fence lifted, recorded, and do the channels sync again;
    where our flip came first nothing is lifted, and the flip is recorded if its entry is missing.
    """
    stamp = _lowered(ctx, fence)
    if stamp.act == FLIPPED:
        record_flip(ctx, leg, stamp)
        return True
    ctx.commit(Fact.UNFENCED, {"epoch": stamp.epoch, "step": ctx.step, "why": why})
    ctx.progress("unfenced", why=why)
    if channels is not None:
        channels.become(ChannelState.SYNC)
    return False


def _lowered(ctx: Context, fence: Fence) -> Stamp:
    """Lift, whatever it takes: a process that gives up here leaves a tenant that cannot write."""
    announced = int(ctx.view.fenced_by["epoch"])
    until = ctx.clock.monotonic() + PATIENCE
    while True:
        try:
            return fence.lower(ctx, announced)
        except PASSING:
            if ctx.clock.monotonic() >= until:
                raise
            ctx.progress("waiting", about="the directory, to lift the fence")
            ctx.clock.sleep(AGAIN)


def undo_leg(ctx: Context, leg: Leg, fence: Fence) -> None:
    """Take back what a leg did around its flip: fence, stamp, and the channels of the way back.

    Raises `Mismatch` where the target serves: only a reverse takes that back.
    """
    if ctx.view.fenced:
        take_back(ctx, leg, None, fence, why="taken back")
    if ctx.view.serving != "source":
        raise errors.Mismatch(
            f"the target serves {ctx.plan.tenant}: its writes would be lost",
            next=f"portability reverse {ctx.run}",
        )
    directory_of(ctx).unstamp(ctx.plan.tenant, ctx.run)
    if ctx.moves:
        open_channels(ctx, leg.flow.opposite, copied=True).close()
