"""Copy the tenant's items, unit by unit, while the tenant keeps working."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from portability.model.change import Change, Sign
from portability.model.estate import Model, Value, seconds
from portability.model.run import Cursor
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.channels import Channels
from portability.steps.erase_guard import erase, guard_for
from portability.steps.unit_pool import run_units
from portability.stores.base import DOUBT, Flow, Move, channel_name


class CopyWith(Value, frozen=True, kw_only=True):
    """Options of `copy_data`."""

    workers: Annotated[int, Meta(ge=1, le=64)] = 4  # units copied at a time, over all stores


@dataclass(frozen=True)
class CopyData:
    """Copy every item of the tenant that a strongly consistent read shows, page by page.

    A page is done when every write of it was acknowledged; a run that was killed reads at most the pages in flight
    again. What changes meanwhile is the channel's.
    """

    with_: CopyWith = field(default_factory=CopyWith)
    uses: ClassVar[str] = "copy_data"
    phase: ClassVar[Phase] = "prepare"
    With: ClassVar[type[CopyWith]] = CopyWith

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """`> copy` for each store that moves, with an estimate of its items and bytes."""
        changes = []
        for move in ctx.moves:
            guess = move.estimate(exact=False)
            about = "" if guess.exact else "~"
            changes.append(
                msgspec.structs.replace(
                    copy_change(move),
                    detail=f"{about}{guess.items:,} items",
                    estimate={"items": float(guess.items), "bytes": float(guess.bytes)},
                )
            )
        return changes

    def apply(self, ctx: Context) -> Output:
        """Copy what the cursors do not say is done; counts per store."""
        for move in ctx.moves:
            ctx.intend(copy_change(move), existed=False)
        cursors = ctx.load_cursors()
        if ctx.moves:
            channels: Channels = ctx.resident("open_channel")
            jobs = {
                unit_name(move, unit): partial(
                    _copy, ctx, channels, move, unit=unit, saved=cursors.get(unit_name(move, unit))
                )
                for move in ctx.moves
                for unit in move.units(Flow.FORWARD)
            }
            cursors |= run_units(ctx.moves, jobs, self.with_.workers)
        return {"stores": {move.store: _totals(move, cursors) for move in ctx.moves}}

    def undo(self, ctx: Context) -> None:
        """Nothing where the run made the target: the copies are taken back with the table they were written to.

        A pooled or an adopted target is not the run's, and held nothing of the tenant in preflight: the items there are
        the copies, and are erased key by key.
        """
        for planned, move in zip(ctx.plan.moving, ctx.moves, strict=True):
            if planned.target.model is not Model.POOL and not planned.adopt:
                continue
            guard = guard_for(ctx, "source")
            guard()
            wait_for_late_writes(ctx)
            erase(ctx, move, Flow.REVERSE, guard=guard, keep_table=True)


def unit_name(move: Move, unit: str) -> str:
    """A unit's name among those of all stores."""
    return f"{move.store}/{unit}"


def copy_change(move: Move) -> Change:
    """The one line of a store's copy, in a plan and as an intent."""
    return Change(step="", sign=Sign.MOVE, kind="copy", name=move.store)


def wait_for_late_writes(ctx: Context) -> None:
    """Wait until no write may land late any more: it would outlive the deletion.

    There are such writes where a process was replaced, or where an earlier one left doubtful keys in the journal.
    """
    taken, clock = ctx.taken_over, ctx.clock
    until = clock.monotonic() if taken is None else taken.since + taken.seconds
    names = [channel_name(move.store, flow) for move in ctx.moves for flow in Flow]
    if any(of == DOUBT for name in names for of, _ in ctx.ledger.parked(name).values()):
        until = max(until, clock.monotonic() + seconds(ctx.estate.journal.horizon))
    while (left := until - clock.monotonic()) > 0:
        ctx.check()
        ctx.progress("waiting", about="writes that may still land", seconds_left=left)
        clock.sleep(min(left, 1.0))


def _copy(
    ctx: Context, channels: Channels, move: Move, halt: threading.Event, *, unit: str, saved: Cursor | None
) -> Cursor:
    name = unit_name(move, unit)
    last = saved or Cursor(unit=name, position=None)
    if not last.done:
        resume = None if saved is None else msgspec.structs.replace(saved, unit=unit)
        for page in move.copy(Flow.FORWARD, unit, resume):
            last = msgspec.structs.replace(page.cursor, unit=name)
            ctx.save_cursor(last)
            ctx.progress("copied", store=move.store, unit=unit, items=page.items, bytes=page.bytes)
            if halt.is_set():
                return last
            ctx.check()
        if not last.done:
            last = msgspec.structs.replace(last, done=True)
            ctx.save_cursor(last)
    # Told again after a crash too: a channel that has just been opened parks the keys of every unit.
    channels.unit_done(move.store, unit)
    return last


def _totals(move: Move, cursors: dict[str, Cursor]) -> dict[str, int]:
    mine = [cursor for name, cursor in cursors.items() if name.partition("/")[0] == move.store]
    return {
        "units": len(mine),
        "items": sum(cursor.items for cursor in mine),
        "bytes": sum(cursor.bytes for cursor in mine),
    }
