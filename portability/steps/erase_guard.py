"""Deletions of a side: what is asked before each, and what an attempt that was cut short may have under way."""

from __future__ import annotations

from collections.abc import Callable

from portability import errors
from portability.steps.base import Context
from portability.steps.cutover.routing import routing
from portability.steps.directory import DirectoryRecord, directory_of, location
from portability.steps.late_writes import horizon_left
from portability.stores.base import Flow, Move


def guard_for(ctx: Context, serving: str) -> Callable[[], None]:
    """A guard that raises `Mismatch` unless the record routes to `serving`, and what `ctx.check` raises.

    While the target serves, the record must carry this run's open stamp too: another run may have moved the tenant.
    """
    table = directory_of(ctx)

    def guard() -> None:
        ctx.check()
        record = table.read(ctx.plan.tenant)
        reason = "the record is gone" if record is None else _reason(ctx, serving, record)
        if reason:
            raise errors.Mismatch(
                f"nothing more of {ctx.plan.tenant} is deleted: {reason}",
                next=f"portability status {ctx.plan.tenant}",
                changed="What was deleted before stays deleted; the archive has it.",
            )

    return guard


def erase(ctx: Context, move: Move, flow: Flow, *, guard: Callable[[], None], keep_table: bool = False) -> int:
    """`Move.erase`, of which nothing lands after it returned; the number of items this call deleted.

    Raises what `guard` raises, within about a second of when it would. An earlier attempt that was cut short may have
    sent deletions without a definite answer: they are waited out.
    """
    about = f"erasing {move.store}"
    cut_short = about in ctx.view.step(ctx.step).notes
    if not cut_short:
        ctx.note(about)
    count = move.erase(flow, guard=guard, keep_table=keep_table)
    if cut_short:
        wait_out(ctx, "deletions that may still land", guard=guard)
    return count


def wait_out(ctx: Context, about: str, *, guard: Callable[[], None]) -> None:
    """Wait until nothing of an earlier attempt can land any more. Raises what `guard` raises, within a second."""
    until = ctx.clock.monotonic() + horizon_left(ctx)
    while (left := until - ctx.clock.monotonic()) > 0:
        guard()
        ctx.progress("waiting", about=about, seconds_left=left)
        ctx.clock.sleep(min(left, 1.0))


def _reason(ctx: Context, serving: str, record: DirectoryRecord) -> str:
    stamp = record.stamp
    if stamp is not None and stamp.run != ctx.run:
        return f"the directory record carries the stamp of {stamp.run}"
    if serving == "target" and (stamp is None or stamp.fenced):
        return "the directory record does not carry this run's open stamp"
    if ctx.output("stage_config").get("fields"):
        drifted = sorted(name for name, value in routing(ctx, serving).items() if record.text(name) != value)
        return f"the directory record no longer routes to the {serving}: {', '.join(drifted)}" if drifted else ""
    at = ctx.plan.source if serving == "source" else ctx.plan.target
    if location(ctx.estate, record) != (at.tier, at.placement):
        return f"the directory record does not route to the {serving}"
    return ""
