"""One flip of a run: which side serves before and after it, and whether it has happened."""

from __future__ import annotations

from dataclasses import dataclass

from portability import errors
from portability.model.change import Change, Sign
from portability.model.plan import Location
from portability.steps.base import Context, Observe
from portability.steps.channels import Channels
from portability.steps.open_channel import stream_changes
from portability.stores.base import Flow


@dataclass(frozen=True)
class Leg:
    """FORWARD makes the target serve, REVERSE the source. `before` and `after` are what the journal calls `serving`."""

    flow: Flow
    origin: Location
    destination: Location
    before: str
    after: str


def leg_of(ctx: Context) -> Leg:
    """The leg this step is, fixed for the step."""
    source, target = ctx.plan.source, ctx.plan.target
    if ctx.flow is Flow.FORWARD:
        return Leg(flow=Flow.FORWARD, origin=source, destination=target, before="source", after="target")
    return Leg(flow=Flow.REVERSE, origin=target, destination=source, before="target", after="source")


def flipped(ctx: Context, leg: Leg) -> bool:
    """Whether the journal has this leg's flip."""
    return ctx.view.serving == leg.after


def channels_towards(ctx: Context, leg: Leg) -> Channels:
    """The running channels that feed the side about to serve: the previous leg's, or those opened before the copy."""
    for uses in ("cut_over", "open_channel"):
        try:
            channels = ctx.resident(uses)
        except LookupError:
            continue
        if isinstance(channels, Channels) and channels.flow is leg.flow:
            return channels
    raise errors.StepFailed(
        f"no channel runs from the {leg.before} to the {leg.after}",
        next=f"portability resume {ctx.run}",
        changed=f"The {leg.before} serves; nothing is frozen.",
    )


def changes(ctx: Observe, flow: Flow) -> list[Change]:
    """What a cutover does besides the routing that stage_config previews: one function for plan and intents."""
    detail = "no data moves, no pause"
    streams: list[Change] = []
    if ctx.moves:
        fence = ctx.estate.fence
        detail = f"fence `{'+'.join(fence.use)}`, at most {fence.freeze_max}"
        streams = stream_changes(ctx, flow.opposite)
    return [*streams, Change(step="", sign=Sign.CHANGE, kind="cutover", name=ctx.plan.tenant, detail=detail)]
