"""One process's work on one leg: the order of a cutover, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from portability import errors
from portability.model.estate import seconds
from portability.model.status import Fact, ParkReason
from portability.steps.base import Context
from portability.steps.catch_up import wait_caught_up
from portability.steps.channels import Channels, open_channels
from portability.steps.cutover.around import Around
from portability.steps.cutover.drain import compare_changed, drain, refuse_unsettled
from portability.steps.cutover.flip import commit_flip
from portability.steps.cutover.gates import (
    Limits,
    Ready,
    fresh_verification,
    make_ready,
    open_way_back,
    refuse_unmet,
    stamp_record,
)
from portability.steps.cutover.leg import Leg, flipped
from portability.steps.cutover.pause import Pause
from portability.steps.cutover.take_back import find_out, take_back
from portability.steps.cutover.tripwire import OVERRULED, SLIPS, carry_out, watch
from portability.steps.directory import ABORTED, FLIPPED
from portability.steps.fence.base import Fence, hold, raise_stamp
from portability.steps.guardian.beside import Beside, Guardian, budget_of
from portability.steps.late_writes import horizon_left
from portability.stores.base import ChannelState

BACK_OFF = 30.0
"""The longest pause between two attempts, in seconds."""


@dataclass
class Turn:
    """`channels` feed the side about to serve, None where no data moves; `back` feeds the side about to be left."""

    ctx: Context
    leg: Leg
    limits: Limits
    around: Around
    fence: Fence
    beside: Beside
    channels: Channels | None
    back: Channels | None = None

    def go(self) -> None:
        """Flip once, from wherever an earlier process was left, and stay until the way back is current."""
        try:
            find_out(self.ctx, self.leg, self.channels)
            if not flipped(self.ctx, self.leg):
                if self.channels is None:
                    self._flip_plainly()
                else:
                    self._attempts(self.channels)
            self._settle_in()
        finally:
            if self.back is not None:
                self.back.stop()

    def _flip_plainly(self) -> None:
        """No data moves: nothing to fence. The flip is conditional on the stamp and the planned values alone."""
        ctx, leg = self.ctx, self.leg
        stamp_record(ctx)
        self.around.bring_users(ctx, leg)
        fields = self.around.fields(ctx, leg)
        ready = refuse_unmet(ctx, leg, None, self.limits)
        ctx.note("flip", epoch=ready.stamp.epoch + 1)
        try:
            commit_flip(ctx, leg, ready, fields=fields, data={"fence": "none", "pause_ms": 0}, go_on=ctx.check)
        except errors.ConditionFailed as refused:
            raise _record_moved(ctx, leg) from refused
        ctx.progress("flipped", serving=leg.after)

    def _attempts(self, channels: Channels) -> None:
        ctx, attempts, why = self.ctx, self.ctx.estate.fence.attempts, ""
        stamp_record(ctx)
        verified = fresh_verification(ctx, channels)
        for attempt in range(1, attempts + 1):
            with self.beside(ctx, budget_of(ctx, self.fence.lifts_within)) as guardian:
                if self.back is None:
                    self.back = open_way_back(ctx, self.leg, patience=self.limits.patience)
                self.around.bring_users(ctx, self.leg)
                fields = self.around.fields(ctx, self.leg)
                guardian.ready()
                # Last, since all of the above takes time in which the tenant goes on writing.
                verified = make_ready(ctx, channels, self.limits, verified)
                ctx.note("verified", stores=verified)
                ready = refuse_unmet(ctx, self.leg, channels, self.limits)
                try:
                    self._fenced(channels, ready, fields, guardian)
                except errors.Parked as parked:
                    if parked.reason != ParkReason.GATE:
                        raise
                    why = parked.what
                    ctx.note("attempt", number=attempt, of=attempts, why=why)
                else:
                    return
            if attempt < attempts:
                ctx.clock.sleep(ctx.rng.uniform(0.0, min(BACK_OFF, 2.0**attempt)))
            ctx.check()
        raise errors.Parked(
            f"{attempts} cutovers were taken back; the last: {why}",
            reason=ParkReason.GATE,
            next=f"portability resume {ctx.run}",
            changed=f"The {self.leg.before} serves; nothing is frozen.",
        )

    def _fenced(
        self,
        channels: Channels,
        ready: Ready,
        fields: Mapping[str, str | None],
        guardian: Guardian,
    ) -> None:
        """Everything between the fence and the flip. Whatever goes wrong, the fence is taken back by epoch first.

        Where this process cannot do that (it is killed, stands still, or is refused) its guardian does.
        """
        ctx, limits, stamp = self.ctx, self.ctx.estate.fence, ready.stamp
        # The entry precedes the effect: whoever finds it knows that the tenant may be paused, and up to which epoch.
        ctx.commit(Fact.FENCED, {"epoch": stamp.epoch + 1, "fence": self.fence.kind, "step": ctx.step})
        pause = Pause(ctx.clock, limit=seconds(limits.freeze_max), lifts_within=self.fence.lifts_within, run=ctx.run)

        def go_on() -> None:
            """Raise what stands against holding this tenant's writes back any longer."""
            ctx.check()
            pause.spent()
            guardian.check()

        try:
            guardian.arm(stamp.epoch + 1)
            fenced = raise_stamp(ctx, stamp)
            ctx.progress("fenced", fence=self.fence.kind)
            hold(ctx, self.fence, stamp, refusals=limits.refusals, spent=go_on)
            # The service's clock, as it answered the last probe: it is what dates the records, and ours may be behind.
            held_at = ctx.aws.sent.heard or ctx.clock.now()
            pause.lap("fence_ms")
            silent = drain(ctx, channels, after=held_at, pause=pause)
            # From here on a record is no longer copied over: were it a slip, it would overwrite what the target gets.
            channels.become(ChannelState.PARK)
            refuse_unsettled(ctx, channels)
            pause.lap("drain_ms")
            compared = compare_changed(ctx, channels, silent, go_on=go_on)
            pause.lap("verify_ms")
            refuse_unsettled(ctx, channels)
            data = {**pause.figures, "fence": self.fence.kind, "compared": compared, "pause_ms": pause.ms}
            commit_flip(ctx, self.leg, replace(ready, stamp=fenced), fields=fields, data=data, go_on=go_on)
        except errors.LeaseLost:
            raise  # whoever has the run now takes the fence back, if our guardian is not quicker
        except Exception as error:
            stands = take_back(ctx, self.leg, channels, why=_why(error))
            guardian.leave()
            if stands == ABORTED and isinstance(error, errors.ConditionFailed | errors.Mismatch):
                # The tenant wrote again: what differs since then is no difference. One that is will be found again.
                raise _too_late(ctx, self.leg) from error
            if stands != FLIPPED:
                if isinstance(error, errors.ConditionFailed):
                    raise _record_moved(ctx, self.leg) from error
                raise
        guardian.leave()
        ctx.note("pause", pause_ms=pause.ms)
        ctx.progress("flipped", serving=self.leg.after, pause_ms=pause.ms)

    def _settle_in(self) -> None:
        """After the flip: watch the side just left, then bring it up to date and keep it so."""
        ctx, leg = self.ctx, self.leg
        if self.channels is not None:
            self.channels.become(ChannelState.WATCH)
        if self.back is None and self.channels is not None:
            self.back = open_channels(ctx, leg.flow.opposite, copied=True)
            self.back.pin()
            self.back.start(ChannelState.PARK)
        elif self.back is not None:
            self.back.become(ChannelState.PARK)
        gap = self.around.switch_plan(ctx, leg.destination)
        if gap:
            # Between the two plans the key had no limits and, where a plan is required, no access.
            ctx.note("usage plan switched", gap_ms=round(gap * 1000))
        if self.channels is None or self.back is None:
            self.around.bring_late_users(ctx, leg)
            return
        if "tripwire" not in ctx.view.step(ctx.step).notes:
            watch(ctx, leg, self.channels, self.back, within=seconds(ctx.estate.fence.tripwire))
            self.around.bring_late_users(ctx, leg)
            ctx.note("tripwire")
        # What the way back writes on the old side would look like slips from here on.
        self.channels.stop()
        self.back.become(ChannelState.SYNC)
        carry_out(ctx, leg, self.channels)
        patience = self.limits.patience + horizon_left(ctx)
        wait_caught_up(ctx, self.back, threshold=self.limits.threshold, window=0.0, patience=patience)
        self.back.settle(patience=patience)


def outcome(ctx: Context, leg: Leg) -> dict[str, Any]:
    """A flipped leg's figures, from the journal: the process that flipped may be gone."""
    facts, notes = ctx.view.flipped, ctx.view.step(ctx.step).notes
    slips = notes.get(SLIPS, {}).get("counts", {})
    return {
        "serving": leg.after,
        "fence": facts.get("fence"),
        "pause_ms": notes.get("pause", facts).get("pause_ms"),
        **{name: facts.get(name) for name in ("fence_ms", "drain_ms", "verify_ms")},
        "late_events": sum(slips.values()),
        "overruled": notes.get(OVERRULED, {}).get("writes", 0),
        "certificate": {
            "run": ctx.run,
            "serving": leg.after,
            "epoch": facts.get("epoch"),
            "flipped_at": facts.get("at"),
            "verified": notes.get("verified", {}).get("stores", {}),
            "compared_inside_the_fence": facts.get("compared"),
        },
    }


def _too_late(ctx: Context, leg: Leg) -> errors.Parked:
    return errors.Parked(
        "the guardian had taken the fence back when this process came to its next write",
        reason=ParkReason.GATE,
        next=f"portability resume {ctx.run}",
        changed=f"The {leg.before} serves; nothing is frozen.",
    )


def _record_moved(ctx: Context, leg: Leg) -> errors.Mismatch:
    return errors.Mismatch(
        f"the directory record of {ctx.plan.tenant} was changed by somebody else during the cutover",
        next=f"portability resume {ctx.run}",
        changed=f"The {leg.before} serves; nothing is frozen.",
    )


def _why(error: Exception) -> str:
    return error.what if isinstance(error, errors.PortabilityError) else type(error).__name__
