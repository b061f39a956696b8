"""Open the forward channel of every moving store, before the first item is read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from portability.model.change import Change, Sign
from portability.model.status import Status
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.channels import Channels, open_channels, running, stream_arns, streams_off
from portability.stores.base import Flow


@dataclass(frozen=True)
class OpenChannel:
    """Pin a durable position in the change stream of every store's source, and follow it from there.

    A stream that is off is enabled while the run needs it. The channel learns which of the tenant's keys change during
    the copy and keeps the target current until the cutover.
    """

    uses: ClassVar[str] = "open_channel"
    phase: ClassVar[Phase] = "prepare"

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """`~ stream` for each table whose stream is off, `= channel` for each store."""
        if not ctx.moves:
            return []
        followed = [
            Change(step="", sign=Sign.SAME, kind="channel", name=move.store, detail="learns keys, never values")
            for move in ctx.moves
        ]
        return [*stream_changes(ctx, Flow.FORWARD), *followed]

    def apply(self, ctx: Context) -> Output:
        """Pin the forward channels."""
        for change in stream_changes(ctx, Flow.FORWARD):
            ctx.intend(change, existed=False)
        channels = open_channels(ctx, Flow.FORWARD, copied=False)
        channels.pin()
        return {"streams": stream_arns(ctx, Flow.FORWARD)}

    def undo(self, ctx: Context) -> None:
        """Forget positions and keys; turn off a stream that this run was the last to need."""
        open_channels(ctx, Flow.FORWARD, copied=False).close()

    def resident(self, ctx: Context) -> AbstractContextManager[Channels]:
        """The running forward channels."""
        return running(ctx, Flow.FORWARD, copied=_copied(ctx))


def stream_changes(ctx: Observe, flow: Flow) -> list[Change]:
    """The streams that have to be enabled for a channel of that flow."""
    return [
        Change(step="", sign=Sign.CHANGE, kind="stream", name=table, detail="enabled while the run needs it")
        for table in streams_off(ctx, flow)
    ]


def _copied(ctx: Context) -> bool:
    """Whether every copy is finished. While one is not, it tells the channel of each finished unit itself."""
    copies = [spec.id for spec in ctx.plan.steps if spec.uses == "copy_data"]
    return all(ctx.view.step(step_id).status in (Status.DONE, Status.SKIPPED) for step_id in copies)
