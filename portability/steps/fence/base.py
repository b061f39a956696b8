"""What a fence is, when it holds, and how anyone lifts it.

Every kind writes the same stamp; kinds differ in how the application obeys it, and so in what proves that it does.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

from portability import errors
from portability.retry import RETRYABLE
from portability.steps.base import Context
from portability.steps.directory import ABORTED, FLIPPED, LIFTED, DirectoryTable, Stamp, directory_of

LIFT_ROUNDS = 10
"""How often a lift looks again when another process moved the stamp between its look and its write."""

UNTOLD: tuple[type[Exception], ...] = (*RETRYABLE, errors.NoDefiniteAnswer, errors.EndpointDown)
"""What leaves it open whether the fence stands: the next probe may tell."""

PATIENCE = 0.02
"""Seconds until the next probe after one that was not refused."""


class Answer(enum.StrEnum):
    """What one probe saw."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"


class Fence(Protocol):
    """One kind of fence. Times are seconds."""

    @property
    def kind(self) -> str:
        """Its name in the estate."""

    @property
    def effective_within(self) -> float:
        """How long after it is raised a write may still be accepted."""

    @property
    def lifts_within(self) -> float:
        """How long after it is lifted, or after the flip, a write may still be refused."""

    @property
    def closes_in_flight(self) -> bool:
        """Whether a write that began before it was raised cannot land after it holds."""

    def probe(self, ctx: Context, before: Stamp) -> Answer:
        """Whether a write under the epoch of `before` would be accepted now; over a fresh connection."""


def raise_stamp(ctx: Context, before: Stamp) -> Stamp:
    """Close the tenant's writes: one epoch on from `before`. Raises `StampMoved`."""
    return directory_of(ctx, quick=True).raise_epoch(ctx.plan.tenant, ctx.run, before.epoch, fenced=True)


def lower_stamp(ctx: Context, fenced_epoch: int) -> Stamp:
    """`lift`, on the plan's directory."""
    return lift(directory_of(ctx), ctx.plan.tenant, ctx.run, fenced_epoch)


def lift(table: DirectoryTable, tenant: str, run: str, fenced_epoch: int) -> Stamp:
    """Write epoch + 1 and open the tenant's writes; needs nothing but the journal's FENCED entry.

    `fenced_epoch` is the epoch that entry announced. Returns the stamp that stands: `act` is `lifted`, `aborted` where
    the guardian was first, or `flipped` where a flip under that fence came first: then nothing was lifted and the run
    goes forward. May be repeated.
    Raises `StampMoved` where the record carries no stamp of this run.
    """
    for _ in range(LIFT_ROUNDS):
        record = table.read(tenant)
        there = None if record is None else record.stamp
        if there is None or there.run != run:
            raise errors.StampMoved(
                f"the directory record of {tenant} carries no stamp of {run}: its fence cannot be lifted",
                run=None if there is None else there.run,
                epoch=None if there is None else there.epoch,
                act=None if there is None else there.act,
                next=f"portability status {tenant}",
            )
        if there.epoch > fenced_epoch and not there.fenced and there.act in (FLIPPED, LIFTED, ABORTED):
            return there
        if there.epoch == fenced_epoch and there.act == ABORTED:
            return there  # the guardian wrote the epoch that the fence was about to have: it can never be raised
        try:
            return table.raise_epoch(tenant, run, there.epoch, fenced=False)
        except errors.StampMoved as moved:
            if moved.run != run:
                raise
    raise errors.StampMoved(
        f"the stamp of {run} on the record of {tenant} kept moving while it was being lifted",
        run=run,
        epoch=None,
        act=None,
        next=f"portability status {tenant}",
    )


def hold(ctx: Context, fence: Fence, before: Stamp, *, refusals: int, spent: Callable[[], None]) -> int:
    """Probe until `refusals` consecutive refusals span `effective_within`; the number of probes made.

    One acceptance restarts the count; an unknown answer neither counts nor restarts it. `spent` raises when the pause
    has lasted too long.
    """
    streak, since, probes = 0, 0.0, 0
    gap = fence.effective_within / refusals
    patient = max(gap, PATIENCE)
    while True:
        spent()
        asked = ctx.clock.monotonic()
        answer = fence.probe(ctx, before)
        probes += 1
        if answer is Answer.ACCEPTED:
            streak = 0
        elif answer is Answer.REFUSED:
            since = asked if streak == 0 else since
            streak += 1
            if streak >= refusals and asked - since >= fence.effective_within:
                return probes
        wait = gap if answer is Answer.REFUSED else patient
        if wait > 0:
            ctx.clock.sleep(wait)


def combined(answers: list[Answer]) -> Answer:
    """Several probes of one fence: one acceptance is an acceptance, and only refusals by all are a refusal."""
    if Answer.ACCEPTED in answers:
        return Answer.ACCEPTED
    return Answer.REFUSED if answers and all(one is Answer.REFUSED for one in answers) else Answer.UNKNOWN
