"""The one conditional write that makes the other side serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portability import errors
from portability.model.status import Fact, Goal
from portability.steps.base import Context
from portability.steps.cutover.leg import Leg
from portability.steps.cutover.routing import stack_member
from portability.steps.directory import FLIPPED, DirectoryRecord, Stamp, directory_of

QUICK = (errors.TransactionConflict, errors.Throttled)
"""Definite refusals: nothing was written, and the same flip may be sent again."""


def commit_flip(
    ctx: Context,
    leg: Leg,
    record: DirectoryRecord,
    stamp: Stamp,
    *,
    fields: Mapping[str, str | None],
    data: Mapping[str, Any],
) -> None:
    """Write directory record, stack-mapping row and FLIPPED entry in one transaction.

    The condition holds `stamp` (run, epoch, fence) and the value in `record` of every attribute that changes. Raises
    `ConditionFailed` where any of them is another; then nothing was written.
    """
    table = directory_of(ctx, quick=True)
    tenant = ctx.plan.tenant
    after = stamp.after(FLIPPED)
    items = [
        table.flip_member(
            tenant,
            record,
            run=ctx.run,
            epoch=stamp.epoch,
            fenced=stamp.fenced,
            fields=fields,
            stamp_after=after,
        )
    ]
    row = stack_member(ctx, leg.flow)
    items += [] if row is None else [row]
    facts = flip_facts(ctx, leg, epoch=after.epoch, **data)
    ctx.retry.call(lambda: ctx.commit(Fact.FLIPPED, facts, items), on=QUICK)


def record_flip(ctx: Context, leg: Leg, stamp: Stamp) -> None:
    """Write the FLIPPED entry of a flip that stands in the directory and whose entry may be missing.

    A flip that came before a cancel could hear of it stands: what was asked for before is what the run goes on with.
    """
    if ctx.view.serving == leg.after:
        return
    facts = flip_facts(ctx, leg, epoch=stamp.epoch, found=True)
    if ctx.view.goal is Goal.CANCEL:
        facts["goal"] = Goal.CUTOVER.value
    ctx.commit(Fact.FLIPPED, facts)


def flip_facts(ctx: Context, leg: Leg, *, epoch: int, **data: Any) -> dict[str, Any]:
    """What a FLIPPED entry says: names, numbers and times, no value of the record."""
    return {"serving": leg.after, "epoch": epoch, "step": ctx.step, "at": ctx.clock.now(), **data}
