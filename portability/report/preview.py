"""A plan as people read it before they say yes. One function renders what another performs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from portability.model.change import Change, Finding, Sign
from portability.model.estate import seconds
from portability.model.plan import Plan
from portability.report.text import count, plain, size, span
from portability.stores.base import Estimate

KIND, NAME = 12, 34
ALWAYS = "Other tenants written: none.   Reversible until: complete"


@dataclass(frozen=True)
class Surroundings:
    """What a preview says beside the plan: who looks, and what looking cost."""

    identity: str  # `ops/anna`, of the caller's ARN
    mutating_calls: int
    rcu: float
    blocks: Sequence[Finding] = ()
    warnings: Sequence[Finding] = ()
    estimates: Mapping[str, Estimate] = field(default_factory=dict)


def preview_text(plan: Plan, around: Surroundings) -> str:
    """The whole preview."""
    lines = [_head(plan, around), *(_line(change, around.estimates) for change in plan.changes)]
    lines += [_finding(finding) for finding in [*around.warnings, *around.blocks]]
    if around.blocks:
        lines.append(f"Refused: {len(around.blocks)} of these must be mended first.")
    else:
        if not any(change.sign is Sign.DELETE for change in plan.changes):
            lines.append("  - nothing is deleted until `portability complete`")
        lines.append(_pause(plan))
    lines.append(_foot(plan, around))
    return "\n".join(lines) + "\n"


def _head(plan: Plan, around: Surroundings) -> str:
    to = plan.target.tier + ("" if plan.target.placement == "default" else f"@{plan.target.placement}")
    region = plan.estate.home_region
    verb = f"portability plan {plan.tenant} --to {to}"
    return f"{verb:<46} estate {plan.estate.name} · account {plan.account} · {region} · as {plain(around.identity)}"


def _line(change: Change, estimates: Mapping[str, Estimate]) -> str:
    name = plain(change.name)
    detail = plain(change.detail)
    if change.sign is Sign.MOVE and change.name in estimates:
        known = estimates[change.name]
        about = "" if known.exact else "~"
        figures = f"{about}{count(known.items)} items  {size(known.bytes)}"
        detail = f"{figures}  {detail}".rstrip()
    elif change.estimate:
        detail = "  ".join([detail, *_guesses(change.estimate)]).strip()
    return f"  {change.sign.value} {plain(change.kind):<{KIND}} {name:<{NAME}}{' ' if detail else ''}{detail}".rstrip()


def _guesses(estimate: Mapping[str, float]) -> list[str]:
    said = []
    for name, figure in estimate.items():
        if name == "items":
            said.append(f"~{count(figure)} items")
        elif name == "bytes":
            said.append(f"~{size(figure)}")
        elif name == "seconds":
            said.append(f"~{span(figure)}")
        elif name == "usd":
            said.append(f"~{figure:.1f} USD")
        else:
            said.append(f"~{count(figure)} {name}")
    return said


def _finding(finding: Finding) -> str:
    mark = "!" if finding.level == "warn" else "x"
    fix = f"   Fix: {plain(finding.next)}" if finding.next else ""
    return f"  {mark} {plain(finding.about):<{KIND}} {plain(finding.text)}{fix}"


def _pause(plan: Plan) -> str:
    if not plan.moving:
        return f"Writes pause at cutover: for one conditional write, no data moves.   {ALWAYS}"
    fence = plan.estate.fence
    kinds = " and ".join(f"`{kind}`" for kind in fence.use)
    most = span(seconds(fence.freeze_max)) if seconds(fence.freeze_max) % 1 else f"{seconds(fence.freeze_max):.0f} s"
    expected = expected_pause(plan)
    told = f", expected {span(expected)}" if expected is not None else ""
    return f"Writes pause at cutover: fence {kinds}, at most {most}{told}.   {ALWAYS}"


def expected_pause(plan: Plan) -> float | None:
    """Seconds of refused writes to expect; None where the estate does not say enough to tell."""
    fence = plan.estate.fence
    if fence.effective_within is not None:
        return seconds(fence.effective_within) + EXPECTED_DRAIN
    return EXPECTED_DRAIN + PROBES if fence.use == ["epoch"] else None


EXPECTED_DRAIN = 0.3
"""Seconds: reading the streams' tips, syncing the last keys, comparing them, the flip. Measured in the sandbox."""

PROBES = 0.1
"""Seconds for three refusals over fresh connections."""


def _foot(plan: Plan, around: Surroundings) -> str:
    return (
        f"mutating calls made: {around.mutating_calls}   RCU used: {count(around.rcu)}   "
        f"plan {plan.digest[:12]}… (valid until the estate changes, single use)"
    )
