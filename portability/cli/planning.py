"""A plan, made and made again: what a move would change against what is observed now. Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from portability import errors
from portability.cli.wiring import Desk
from portability.engine import preview
from portability.model.change import Change, Finding, Sign
from portability.model.plan import Plan
from portability.model.tenant import checked_tenant
from portability.plan.compile import NothingToDo, compile_plan
from portability.plan.digest import differences
from portability.steps.directory import location as directory_location
from portability.steps.preflight import gather
from portability.stores.base import Estimate


@dataclass(frozen=True)
class Planned:
    """A plan with what was seen while it was made."""

    plan: Plan
    findings: list[Finding]

    @property
    def blocks(self) -> list[Finding]:
        """What stands in the way."""
        return [finding for finding in self.findings if finding.level == "block"]


def make_plan(desk: Desk, tenant: str, to: str, *, exact: bool = False) -> Planned | NothingToDo:
    """Compile `tenant`'s move to `tier[@placement]` against what is observed now. No mutating call."""
    plan = draft(desk, tenant, to)
    if isinstance(plan, NothingToDo):
        return plan
    observation = desk.observation(plan)
    steps = desk.steps(plan)
    plan = draft(desk, tenant, to, facts=preview.facts(observation, steps))
    if isinstance(plan, NothingToDo):
        return plan
    observation = desk.observation(plan)
    findings = gather(observation, [step for _, step in steps])
    blocked = any(finding.level == "block" for finding in findings)
    changes: list[Change] = [] if blocked else preview.changes(observation, steps)
    if exact and not blocked:
        counted = {move.store: move.estimate(exact=True) for move in observation.moves}
        changes = [_counted(change, counted) for change in changes]
    made = f"{desk.rng.getrandbits(64):016x}"
    return Planned(plan=msgspec.structs.replace(plan, changes=changes, made=made), findings=findings)


def _counted(change: Change, counted: Mapping[str, Estimate]) -> Change:
    """A copy's line with its items and bytes as they were counted, not guessed."""
    known = counted.get(change.name) if change.sign is Sign.MOVE else None
    if known is None:
        return change
    figures = {**(change.estimate or {}), "items": float(known.items), "bytes": float(known.bytes)}
    return msgspec.structs.replace(change, detail=f"{known.items:,} items", estimate=figures)


def fresh(desk: Desk, saved: Plan) -> Planned | NothingToDo:
    """A saved plan with what is found now. Raises `PlanRejected` where the estate is not as it was."""
    to = f"{saved.target.tier}@{saved.target.placement}"
    now = make_plan(desk, saved.tenant, to)
    refuse_stale(saved, now)
    if isinstance(now, NothingToDo):
        return now
    return Planned(plan=saved, findings=now.findings)


def draft(desk: Desk, tenant: str, to: str, *, facts: dict[str, object] | None = None) -> Plan | NothingToDo:
    """The compiled plan without the changes."""
    checked_tenant(tenant)
    account = desk.account
    record = desk.directory.read(tenant)
    if record is None:
        msg = f"tenant {tenant} is not in the directory {desk.estate.directory.table}"
        raise errors.UnknownName(msg, next="check the id, or the estate's directory.table")
    return compile_plan(
        estate=desk.estate,
        recipes=desk.recipes,
        tenant=tenant,
        record_location=directory_location(desk.estate, record),
        to=to,
        account=account,
        facts=facts or {},
    )


def refuse_stale(saved: Plan, now: Planned | NothingToDo) -> None:
    """Raise `PlanRejected` naming the fields that differ between a saved plan and a fresh look."""
    to = f"{saved.target.tier}@{saved.target.placement}"
    again = f"portability plan {saved.tenant} --to {to} --out FILE"
    if isinstance(now, NothingToDo):
        msg = f"the plan is stale: {saved.tenant} is already in {to}"
        raise errors.PlanRejected(msg, next=again)
    if now.plan.digest != saved.digest:
        what = "; ".join(differences(saved, now.plan)) or "the digest differs"
        msg = f"the plan is stale: {what}"
        raise errors.PlanRejected(msg, next=again)
