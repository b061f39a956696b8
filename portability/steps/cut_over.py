"""Cut over: pause this tenant's writes, prove both sides equal, and make the other side serve."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from portability.model.change import Change, Finding
from portability.model.estate import Duration, Value, seconds
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.channels import Channels, open_channels, retiring, running
from portability.steps.cutover.around import Around
from portability.steps.cutover.gates import Limits
from portability.steps.cutover.leg import changes, channels_towards, leg_of
from portability.steps.cutover.preflight import fence_findings
from portability.steps.cutover.routing import intend_routing
from portability.steps.cutover.take_back import find_out, undo_leg
from portability.steps.cutover.turn import Turn, outcome
from portability.steps.directory import directory_of
from portability.steps.fence import catalog, hook_probe
from portability.steps.guardian.beside import Beside, beside
from portability.stores.base import Flow


class CutOverWith(Value, frozen=True, kw_only=True):
    """Options of `cut_over`."""

    threshold: Duration = "1s"  # how far behind a channel may be
    window: Duration = "2s"  # for how long it must have been below that
    patience: Duration = "5m"  # how long to wait for lag, doubts and canaries before the run parks
    workers: Annotated[int, Meta(ge=1, le=64)] = 4  # units compared at a time, where a verification is stale
    # source: a target that is provisioned below what the source has, or consumed before the run, blocks the cutover;
    # any: you have sized it for this tenant yourself
    capacity: Literal["source", "any"] = "source"


@dataclass(frozen=True)
class CutOver:
    """Gates, fence, drain, compare, flip, in this order; the way back is open before the fence is raised.

    Flip and abort compete for one item: before a fence is lifted, the next epoch is written conditionally. When the
    pause reaches its limit the cutover takes itself back, and a guardian process does where this one was killed or
    stands still. After the flip the old side stays closed to the application, is watched for late writes, and is then
    kept current.
    """

    with_: CutOverWith = field(default_factory=CutOverWith)
    around: Around = field(default_factory=Around)
    run_probe: hook_probe.Run = hook_probe.run_argv
    beside: Beside = beside
    uses: ClassVar[str] = "cut_over"
    phase: ClassVar[Phase] = "flip"
    With: ClassVar[type[CutOverWith]] = CutOverWith

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """`~ cutover` with fence and limit; `~ stream` where the way back needs one. Routing is stage_config's."""
        return changes(ctx, Flow.FORWARD)

    def findings(self, ctx: Observe) -> Sequence[Finding]:
        """A fence that cannot keep its promise blocks."""
        return fence_findings(ctx.estate, catalog.build(ctx.estate, self.run_probe)) if ctx.moves else []

    def apply(self, ctx: Context) -> Output:
        """Flip once, from wherever an earlier process was left."""
        leg = leg_of(ctx)
        for change in changes(ctx, leg.flow):
            ctx.intend(change, existed=False)
        intend_routing(ctx, leg.flow)
        Turn(
            ctx=ctx,
            leg=leg,
            limits=Limits(
                threshold=seconds(self.with_.threshold),
                window=seconds(self.with_.window),
                patience=seconds(self.with_.patience),
                workers=self.with_.workers,
                capacity=self.with_.capacity == "source",
            ),
            around=self.around,
            fence=catalog.build(ctx.estate, self.run_probe),
            beside=self.beside,
            channels=channels_towards(ctx, leg) if ctx.moves else None,
        ).go()
        return outcome(ctx, leg)

    def unfence(self, ctx: Context) -> None:
        """Take back by epoch what an earlier process announced, unless its flip came first: then it is recorded."""
        find_out(ctx, leg_of(ctx), None)

    def undo(self, ctx: Context) -> None:
        """Before the flip only: lift the fence by epoch, take the stamp away, close the way back."""
        undo_leg(ctx, leg_of(ctx))

    def end(self, ctx: Context) -> None:
        """Close the way back, where no step of the recipe did, and take the stamp off."""
        if ctx.moves and not retiring(ctx):
            for flow in Flow:
                open_channels(ctx, flow, copied=True).close()
        directory_of(ctx).unstamp(ctx.plan.tenant, ctx.run)

    def resident(self, ctx: Context) -> AbstractContextManager[Channels]:
        """After the flip: the channels that keep the other side current."""
        return running(ctx, ctx.flow.opposite, copied=True)
