"""The `directory_flag` fence: the application reads the stamp's `fenced` from a record it may cache."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

from portability.model.estate import Estate, seconds
from portability.steps.base import Context
from portability.steps.directory import Stamp, directory_of
from portability.steps.fence import hook_probe
from portability.steps.fence.base import UNTOLD, Answer, combined


@dataclass(frozen=True)
class DirectoryFlag:
    """Takes effect when the application has stopped acting on records read before it: `directory.cache`.

    That has the longest request in it, so `max_in_flight` is waited out only where it is longer: an application that
    caches nothing. Undeclared, no write in flight is known to be closed, and preflight refuses the fence.
    """

    effective_within: float
    lifts_within: float
    closes_in_flight: bool
    run_probe: hook_probe.Run = hook_probe.run_argv
    kind: ClassVar[str] = "directory_flag"

    @classmethod
    def of(cls, estate: Estate, run_probe: hook_probe.Run = hook_probe.run_argv) -> DirectoryFlag:
        """As the estate declares it."""
        fence, cache = estate.fence, seconds(estate.directory.cache)
        declared = fence.effective_within
        return cls(
            effective_within=seconds(declared) if declared else max(cache, seconds(fence.max_in_flight or "0s")),
            lifts_within=seconds(fence.lifts_within) if fence.lifts_within else cache,
            closes_in_flight=fence.max_in_flight is not None,
            run_probe=run_probe,
        )

    def probe(self, ctx: Context, before: Stamp) -> Answer:
        """See `Fence`: what the application would read, over a fresh connection, and the declared hook's answer."""
        return combined([_look(ctx, before), *hook_probe.ask(ctx, self.run_probe)])


def _look(ctx: Context, before: Stamp) -> Answer:
    try:
        with closing(ctx.aws.dynamodb(region=ctx.estate.directory_region, fresh=True)) as fresh:
            record = directory_of(ctx).reading(fresh).read(ctx.plan.tenant)
    except UNTOLD:
        return Answer.UNKNOWN
    there = None if record is None else record.stamp
    closed = there is not None and there.fenced and there.epoch > before.epoch
    return Answer.REFUSED if closed else Answer.ACCEPTED
