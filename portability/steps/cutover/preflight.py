"""Whether the declared fence can keep its promise; asked before anything is written."""

from __future__ import annotations

from portability.model.change import Finding
from portability.model.estate import Estate, seconds
from portability.steps.fence.base import Fence

ABOUT = "fence"


def fence_findings(estate: Estate, fence: Fence) -> list[Finding]:
    """A fence too slow for `freeze_max`, one that closes no write in flight, or a probe that may not run, blocks."""
    found = []
    needed = fence.effective_within + seconds(estate.fence.drain) + fence.lifts_within
    if needed > seconds(estate.fence.freeze_max):
        found.append(
            _block(
                f"`{fence.kind}` needs {needed:g} s (effective within {fence.effective_within:g} s, drain "
                f"{estate.fence.drain}, lifts within {fence.lifts_within:g} s) and freeze_max is "
                f"{estate.fence.freeze_max}",
                "raise fence.freeze_max, or use the epoch fence",
            )
        )
    if not fence.closes_in_flight:
        found.append(
            _block(
                f"`{fence.kind}` closes no write in flight: fence.max_in_flight does not say how long one may take",
                "declare fence.max_in_flight, or use the epoch fence",
            )
        )
    if estate.fence.probe is not None and not estate.hooks.enabled:
        found.append(
            _block("fence.probe names a command and this estate enables no hooks", "set `hooks: {enabled: true}`")
        )
    return found or [Finding(level="ok", about=ABOUT, text=f"`{fence.kind}` fits in {estate.fence.freeze_max}")]


def _block(text: str, fix: str) -> Finding:
    return Finding(level="block", about=ABOUT, text=text, next=fix)
