"""For how long a write that was sent before may still land, and the wait for its end."""

from __future__ import annotations

from portability.model.estate import seconds
from portability.steps.base import Context
from portability.stores.base import DOUBT, Flow, channel_name


def horizon_left(ctx: Context) -> float:
    """Seconds from now in which every write sent so far has landed or never will: ours, and a replaced process's."""
    taken = ctx.taken_over
    table = ctx.estate.journal
    own = seconds(table.horizon)
    if taken is None:
        return own
    return max(own, taken.since + taken.seconds - ctx.clock.monotonic())


def wait_for_late_writes(ctx: Context) -> None:
    """Wait until no write may land late any more: it would outlive the deletion.

    There are such writes where a process was replaced, where one was not answered, or where an earlier process left
    doubtful keys in the journal.
    """
    clock = ctx.clock
    until = clock.monotonic() + ctx.late_left()
    names = [channel_name(move.store, flow) for move in ctx.moves for flow in Flow]
    if any(of == DOUBT for name in names for of, _ in ctx.ledger.parked(name).values()):
        until = max(until, clock.monotonic() + seconds(ctx.estate.journal.horizon))
    while (left := until - clock.monotonic()) > 0:
        ctx.check()
        ctx.progress("waiting", about="writes that may still land", seconds_left=left)
        clock.sleep(min(left, 1.0))
