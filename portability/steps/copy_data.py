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
from portability.model.estate import Model, Value
from portability.model.rate import RateText, parse_rate
from portability.model.run import Cursor
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.channels import Channels
from portability.steps.copy_pace import CopyPace
from portability.steps.erase_guard import erase, guard_for
from portability.steps.late_writes import wait_for_late_writes
from portability.steps.table_pressure import TablePressure
from portability.steps.unit_pool import Crew, run_units
from portability.stores.base import Flow, Move
from portability.stores.throttle import Throttle


class CopyWith(Value, frozen=True, kw_only=True):
    """Options of `copy_data`."""

    workers: Annotated[int, Meta(ge=1, le=64)] = 4  # units copied at a time, over all stores
    # capacity units a second, over all stores: 500wcu, 1500rcu or 500wcu+1500rcu; left out: what the tables bear
    rate: RateText | None = None
    table_pressure: bool = True  # slow down while a shared table throttles more than before the copy (CloudWatch)


@dataclass(frozen=True)
class CopyData:
    """Copy every item of the tenant that a strongly consistent read shows, page by page.

    A page is done when every write of it was acknowledged; a run that was killed reads at most the pages in flight
    again. What changes meanwhile is the channel's. A throttled answer halves the rate, which then grows back;
    `portability run tune` changes it, and the units copied at a time, while the copy runs.
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
                    estimate={"items": float(guess.items), "bytes": float(guess.bytes), **self._granted()},
                )
            )
        return changes

    def apply(self, ctx: Context) -> Output:
        """Copy what the cursors do not say is done; counts per store."""
        for move in ctx.moves:
            ctx.intend(copy_change(move), existed=False)
        cursors = ctx.load_cursors()
        if ctx.moves:
            pace = self._pace(ctx)
            pace.look()
            channels: Channels = ctx.resident("open_channel")
            jobs = {
                unit_name(move, unit): partial(
                    _copy, ctx, channels, move, pace, unit=unit, saved=cursors.get(unit_name(move, unit))
                )
                for move in ctx.moves
                for unit in move.units(Flow.FORWARD)
            }
            cursors |= run_units(ctx.moves, jobs, pace.crew, meanwhile=pace.look)
        return {"stores": {move.store: _totals(move, cursors) for move in ctx.moves}}

    def _granted(self) -> dict[str, float]:
        rate = parse_rate(self.with_.rate)
        return {kind: units for kind, units in (("wcu", rate.wcu), ("rcu", rate.rcu)) if units is not None}

    def _pace(self, ctx: Context) -> CopyPace:
        rate = parse_rate(self.with_.rate)
        throttle = Throttle(rate, monotonic=ctx.clock.monotonic, sleep=ctx.clock.sleep, check=ctx.check)
        pressure = TablePressure(ctx) if self.with_.table_pressure else None
        return CopyPace(ctx, throttle, Crew(self.with_.workers), rate, pressure)

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


def _copy(
    ctx: Context,
    channels: Channels,
    move: Move,
    pace: CopyPace,
    halt: threading.Event,
    *,
    unit: str,
    saved: Cursor | None,
) -> Cursor:
    name = unit_name(move, unit)
    last = saved or Cursor(unit=name, position=None)
    if not last.done:
        resume = None if saved is None else msgspec.structs.replace(saved, unit=unit)
        pages = move.copy(Flow.FORWARD, unit, resume, throttle=pace.throttle)
        while True:
            with pace.crew.turn():
                if halt.is_set():
                    return last
                page = next(pages, None)
            if page is None:
                break
            last = msgspec.structs.replace(page.cursor, unit=name)
            ctx.save_cursor(last)
            pace.count(page.items)
            ctx.progress("copied", store=move.store, unit=unit, items=page.items, bytes=page.bytes)
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
