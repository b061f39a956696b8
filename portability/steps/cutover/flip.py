"""The one conditional write that makes the other side serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from portability import errors
from portability.model.status import Fact, Goal
from portability.steps.base import Context
from portability.steps.cutover.gates import Ready
from portability.steps.cutover.leg import Leg
from portability.steps.cutover.routing import stack_member
from portability.steps.directory import FLIPPED, Stamp, directory_of

QUICK = (errors.TransactionConflict, errors.Throttled, errors.EndpointDown)
"""Definite refusals: nothing was written, and the same flip may be sent again."""

ATTEMPTS, SOON = 200, 0.2
"""How often such a flip is sent again at most, and the longest pause in between, in seconds: a tenant waits."""


def commit_flip(
    ctx: Context,
    leg: Leg,
    ready: Ready,
    *,
    fields: Mapping[str, str | None],
    data: Mapping[str, Any],
    go_on: Callable[[], None],
) -> None:
    """Write directory record, stack-mapping row and FLIPPED entry in one transaction.

    The condition is what is `ready`: the stamp (run, epoch, fence), and the old value of every attribute and row that
    changes. Raises `ConditionFailed` where any of them is another; then nothing was written. `go_on` is asked before it
    is sent, and raises what stands against it.
    """
    after = ready.stamp.after(FLIPPED)
    items = [
        directory_of(ctx).flip_member(
            ctx.plan.tenant,
            ready.record,
            run=ctx.run,
            epoch=ready.stamp.epoch,
            fenced=ready.stamp.fenced,
            fields=fields,
            stamp_after=after,
        )
    ]
    row = stack_member(ctx, leg.flow, ready.stack)
    items += [] if row is None else [row]
    facts = flip_facts(ctx, leg, epoch=after.epoch, **data)

    def flip() -> None:
        go_on()
        ctx.commit(Fact.FLIPPED, facts, items)

    replace(ctx.retry, attempts=ATTEMPTS, cap=SOON).call(flip, on=QUICK)


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
