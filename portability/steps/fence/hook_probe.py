"""The operator's own write probe: an argv whose exit code is the answer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence

from portability.steps import command
from portability.steps.base import Context
from portability.steps.fence.base import Answer

Run = Callable[[Sequence[str], Mapping[str, str], float], int | None]
"""Runs an argv with names on its standard input (JSON), within seconds; its exit code, None where it gave none."""

TIMEOUT = 2.0
"""Seconds one probe may take: the tenant's writes are paused meanwhile."""


def run_argv(argv: Sequence[str], facts: Mapping[str, str], timeout: float) -> int | None:
    """Run the probe without a shell; None when it cannot be started or takes too long."""
    try:
        return command.run(argv, facts, timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None


def ask(ctx: Context, run: Run) -> list[Answer]:
    """The declared probe's answer: exit 0 accepted, 1 refused, else unknown. [] where none is declared or enabled."""
    probe = ctx.estate.fence.probe
    if probe is None or not ctx.estate.hooks.enabled:
        return []
    code = run(probe.hook, {"tenant": ctx.plan.tenant, "run": ctx.run}, TIMEOUT)
    return [{0: Answer.ACCEPTED, 1: Answer.REFUSED}.get(-1 if code is None else code, Answer.UNKNOWN)]
