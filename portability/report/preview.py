"""A plan as people read it before they say yes. One function renders what another performs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portability.model.change import Change, Finding
from portability.model.estate import seconds
from portability.model.plan import Plan
from portability.report.columns import fold, row, widest
from portability.report.text import count, plain, size, span

KIND, LONGEST_KIND, NAME = 12, 16, 34
RETIRES = "retire_source"
HOUSEKEEPING = frozenset({"channel", "lag", "verify", "soak", "stamp", "tenant", "cutover"})
"""Kinds of lines that say how a step works, not what becomes of a resource."""

ALWAYS = "Other tenants written: none.   Reversible until: complete"


@dataclass(frozen=True)
class Surroundings:
    """What a preview says beside the plan: who looks, and what looking cost."""

    identity: str  # `ops/anna`, of the caller's ARN
    mutating_calls: int
    rcu: float
    blocks: Sequence[Finding] = ()
    warnings: Sequence[Finding] = ()


def preview_text(plan: Plan, around: Surroundings, *, everything: bool = False, room: int | None = None) -> str:
    """The whole preview; with `everything`, also the steps' own waiting and checking.

    `room` is the width of the terminal; None where lines may be as long as they are.
    """
    last = {spec.id for spec in plan.steps if spec.uses == RETIRES}
    now = [change for change in plan.changes if change.step not in last]
    later = [change for change in plan.changes if change.step in last and (everything or change.acts)]
    shown = [change for change in now if everything or change.kind not in HOUSEKEEPING]
    found = [*around.warnings, *around.blocks]
    kinds = [*(plain(change.kind) for change in [*shown, *later]), *(plain(finding.about) for finding in found)]
    grid = _Grid(room, kind=widest(kinds, least=KIND, most=LONGEST_KIND))
    lines = [_head(plan, around, room), *(grid.change(change) for change in shown)]
    lines += [grid.finding(finding) for finding in found]
    if around.blocks:
        lines.append(f"Refused: {len(around.blocks)} of these must be mended first.")
    else:
        lines.append("  - nothing is deleted until `portability complete`" + (", then:" if later else ""))
        lines += [grid.change(change, lead="    ") for change in later]
        lines.append(fold(_pause(plan), room=room))
    lines.append(fold(_foot(plan, around), room=room))
    return "\n".join(lines) + "\n"


def _head(plan: Plan, around: Surroundings, room: int | None) -> str:
    to = plan.target.tier + ("" if plan.target.placement == "default" else f"@{plan.target.placement}")
    region = plan.estate.home_region
    verb = f"portability plan {plan.tenant} --to {to}"
    where = f"estate {plan.estate.name} · account {plan.account} · {region} · as {plain(around.identity)}"
    line = f"{verb:<46} {where}"
    return line if room is None or len(line) <= room else f"{verb}\n{fold('  ' + where, room=room, indent='')}"


@dataclass(frozen=True)
class _Grid:
    """Where the columns of one preview stand."""

    room: int | None
    kind: int

    def change(self, change: Change, *, lead: str = "  ") -> str:
        detail = plain(change.detail)
        if change.estimate and "items" in change.estimate and "bytes" in change.estimate:
            detail = _guesses(change.estimate, about="~" * detail.startswith("~"))
        cells = (plain(change.kind), plain(change.name), detail)
        return row(cells, (self.kind, NAME), room=self.room, lead=f"{lead}{change.sign.value} ")

    def finding(self, finding: Finding) -> str:
        lead = f"  {'!' if finding.level == 'warn' else 'x'} "
        about, text = plain(finding.about), plain(finding.text)
        fix = f"Fix: {plain(finding.next)}" if finding.next else ""
        whole = row((about, f"{text}   {fix}" if fix else text), (self.kind,), room=None, lead=lead)
        if self.room is None or max(len(line) for line in whole.split("\n")) <= self.room:
            return whole
        told = row((about, text), (self.kind,), room=self.room, lead=lead)
        # A fix is mostly a command: it is typed again, so it is not folded.
        return told if not fix else told + f"\n{'':<{len(lead) + self.kind + 1}}{fix}"


def _guesses(guess: Mapping[str, float], *, about: str) -> str:
    """A copy's size, and what moving that much takes: time at the recipe's rate or a stated one, and list price."""
    items, bytes_ = guess["items"], guess["bytes"]
    units = items * max(1, math.ceil(bytes_ / items / UNIT)) if items else 0.0
    usd = units * USD_PER_UNIT
    price = f"~{usd:,.1f} USD" if usd >= 0.1 else "under 0.1 USD"  # noqa: PLR2004 - cents are noise here
    wcu, rcu = guess.get("wcu"), guess.get("rcu")
    needed = {f"{rcu or 0:.0f} RCU": bytes_ / READ_UNIT / rcu if rcu else 0.0}
    needed[f"{wcu or WCU:.0f} WCU"] = units / (wcu or WCU) if wcu or not rcu else 0.0
    slowest = max(needed, key=lambda rate: needed[rate])
    return f"{about}{count(items)} items  {size(bytes_)}  ~{span(needed[slowest])} at {slowest}, {price}"


UNIT = 1024
"""Bytes that one write unit writes. AWS: DynamoDB."""

READ_UNIT = 4096
"""Bytes that one read unit reads, strongly consistent. AWS: DynamoDB."""

WCU = 500
"""Write units a second at which the time is told where the recipe grants no rate."""

USD_PER_UNIT = 0.625e-6
"""List price of a write unit, on demand, us-east-1, standard table class."""


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
