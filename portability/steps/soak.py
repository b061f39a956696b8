"""Keep the old side current after the flip, so that the way back loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from portability.model.change import Change, Sign
from portability.model.estate import Duration, Value, seconds
from portability.model.run import Cursor
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.catch_up import report_lag
from portability.steps.channels import Channels
from portability.steps.verify_data import verify_all

ALIVE = "alive"
"""The checkpoint that says when a process last kept the way back current."""

STALE = 23 * 3600.0
"""Seconds without a process after which the way back is compared whole: a stream keeps records for 24 hours."""

PASS = 60.0
"""Seconds of one pass while the command waits."""

TICK = 0.01
"""The shortest sleep, in seconds: what is left of a pass may be less than a clock can tell."""


class SoakWith(Value, frozen=True, kw_only=True):
    """Options of `soak`."""

    for_: Duration | None = msgspec.field(name="for", default=None)  # how long; default: the estate's `soak`
    sample: Duration = "10s"  # how often the lag is looked at
    workers: Annotated[int, Meta(ge=1, le=64)] = 4  # units compared at a time after a day without a process


@dataclass(frozen=True)
class Soak:
    """Wait while the reverse channel keeps the old side current; `reverse` is possible until the run is completed.

    The end counts from the flip, through pauses and new processes, and is never further away than a whole soak,
    whatever clock told it; a new cutover after a reverse soaks anew. After a day without a process the way back is
    compared whole and repaired before it is called current again.
    """

    with_: SoakWith = field(default_factory=SoakWith)
    uses: ClassVar[str] = "soak"
    phase: ClassVar[Phase] = "soak"
    With: ClassVar[type[SoakWith]] = SoakWith

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """`= soak` with its length."""
        detail = f"{self._length(ctx)}; reversible until complete"
        return [Change(step="", sign=Sign.SAME, kind="soak", name=ctx.plan.tenant, detail=detail)]

    def apply(self, ctx: Context) -> Output:
        """Pass after pass until the recorded end."""
        while not self.advance(ctx, PASS):
            pass
        notes = ctx.view.step(ctx.step).notes
        return {"until": notes["soak"]["until"], "rebaselined": notes.get("rebaselined", {}).get("stores", {})}

    def undo(self, ctx: Context) -> None:
        """Nothing: it changed nothing but the old side, which serves again."""

    def advance(self, ctx: Context, budget: float) -> bool:
        """One pass of at most `budget` seconds (a comparison that is due may take longer); whether the soak is over."""
        until = self._until(ctx)
        channels: Channels = ctx.resident("cut_over")
        self._rebaseline(ctx, channels)
        began = ctx.clock.monotonic()
        while True:
            ctx.check()
            now = ctx.clock.now()
            report_lag(ctx, channels.lag())
            ctx.progress("soaking", seconds_left=max(0.0, until - now))
            self._alive(ctx, now)
            if now >= until:
                return True
            left = budget - (ctx.clock.monotonic() - began)
            if left <= 0:
                return False
            ctx.clock.sleep(max(TICK, min(seconds(self.with_.sample), until - now, left)))

    def _until(self, ctx: Context) -> float:
        length = seconds(self._length(ctx))
        noted = ctx.view.step(ctx.step).notes.get("soak")
        until = float(ctx.view.flipped["at"]) + length if noted is None else float(noted["until"])
        # Further away than a whole soak: a clock that was ahead of this one told it.
        latest = ctx.clock.now() + length
        if noted is None or until > latest:
            until = min(until, latest)
            ctx.note("soak", until=until)
        return until

    def _rebaseline(self, ctx: Context, channels: Channels) -> None:
        seen = ctx.load_cursors().get(ALIVE)
        last = float((seen.position or {})["at"]) if seen else float(ctx.view.flipped["at"])
        if not channels.by_store or ctx.clock.now() - last < STALE:
            return
        ctx.progress("rebaselining", hours=round((ctx.clock.now() - last) / 3600))
        stores = verify_all(ctx, channels, repair=True, workers=self.with_.workers)
        ctx.note("rebaselined", stores=stores)
        self._alive(ctx, ctx.clock.now())

    def _alive(self, ctx: Context, now: float) -> None:
        ctx.save_cursor(Cursor(unit=ALIVE, position={"at": now}))

    def _length(self, ctx: Observe) -> str:
        return self.with_.for_ or ctx.estate.soak
