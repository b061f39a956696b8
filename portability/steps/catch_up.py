"""Wait until the channels have caught up with what the tenant wrote during the copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from portability import errors
from portability.model.change import Change, Sign
from portability.model.estate import Duration, Value, seconds
from portability.model.status import ParkReason
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.channels import Channels
from portability.stores.base import Lag

POLL = 0.2
"""Seconds between two looks at the lag."""


class CatchUpWith(Value, frozen=True, kw_only=True):
    """Options of `catch_up`."""

    threshold: Duration = "1s"  # how far behind a channel may be
    window: Duration = "2s"  # for how long it must have been below that
    patience: Duration | None = None  # how long to wait before the run parks; default: the step's own deadline


@dataclass(frozen=True)
class CatchUp:
    """Wait until every channel's lag stays under a threshold and no key is parked."""

    with_: CatchUpWith = field(default_factory=CatchUpWith)
    uses: ClassVar[str] = "catch_up"
    phase: ClassVar[Phase] = "prepare"
    With: ClassVar[type[CatchUpWith]] = CatchUpWith

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """`= lag`: it waits and writes nothing of its own."""
        if not ctx.moves:
            return []
        detail = f"under {self.with_.threshold} for {self.with_.window}"
        return [Change(step="", sign=Sign.SAME, kind="lag", name=ctx.plan.tenant, detail=detail)]

    def apply(self, ctx: Context) -> Output:
        """Wait; raises `Parked(gate)` when patience ends."""
        if not ctx.moves:
            return {}
        channels: Channels = ctx.resident("open_channel")
        lag = wait_caught_up(
            ctx,
            channels,
            threshold=seconds(self.with_.threshold),
            window=seconds(self.with_.window),
            patience=seconds(self.with_.patience) if self.with_.patience else None,
        )
        return {"lag_seconds": round(lag.seconds or 0.0, 3), "stores": channels.counts()}

    def undo(self, ctx: Context) -> None:
        """Nothing: it changed nothing."""


def wait_caught_up(ctx: Context, channels: Channels, *, threshold: float, window: float, patience: float | None) -> Lag:
    """Wait until the worst lag is under `threshold` for `window` seconds with nothing parked; that lag.

    Raises `Parked(gate)` when `patience` ends, and at once where a key cannot be written at the destination.
    """
    began = ctx.clock.monotonic()
    good_since: float | None = None
    while True:
        ctx.check()
        refuse_unwritable(ctx, channels)
        lag = channels.lag()
        now = ctx.clock.monotonic()
        report_lag(ctx, lag)
        if lag.seconds is not None and lag.seconds < threshold and lag.parked == 0:
            good_since = now if good_since is None else good_since
            if now - good_since >= window:
                return lag
        else:
            good_since = None
        if patience is not None and now - began > patience:
            behind = "has not seen the tip" if lag.seconds is None else f"is {lag.seconds:.1f} s behind"
            raise errors.Parked(
                f"the channel {behind}, with {lag.backlog} keys waiting and {lag.parked} parked, after {patience:g} s",
                reason=ParkReason.GATE,
                next=f"portability resume {ctx.run}",
            )
        ctx.clock.sleep(POLL)


def report_lag(ctx: Context, lag: Lag) -> None:
    """Tell the lag as a progress event."""
    ctx.progress(
        "lag",
        seconds=lag.seconds,
        backlog=lag.backlog,
        parked=lag.parked,
        doubtful=lag.doubtful,
        retention_left=lag.retention_left,
    )


def refuse_unwritable(ctx: Context, channels: Channels) -> None:
    """Park where the destination refuses items for what they are: waiting does not help them."""
    refused = channels.refused()
    if refused:
        raise errors.Parked(
            f"the destination refuses items for what they are; {'; '.join(refused)}",
            reason=ParkReason.GATE,
            next=f"correct them in the application, then portability resume {ctx.run}",
            changed=f"The {ctx.view.serving} serves; nothing is frozen.",
        )
