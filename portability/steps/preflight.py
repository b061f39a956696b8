"""Preflight: everything that would stop the move, found before anything is written, each with its fix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from portability import errors
from portability.model.change import Change, Finding, Sign
from portability.steps import catalog
from portability.steps.attributes import mapped
from portability.steps.base import Context, Observe, Output, Phase, Preflighting, Step
from portability.steps.directory import DirectoryRecord, directory_of
from portability.steps.record_guard import fingerprint, routing_of

COULD_NOT_LOOK = (errors.AwsError, errors.Refused, errors.Mismatch)
"""What one finding's source may die of without silencing the others."""


@dataclass(frozen=True)
class Preflight:
    """Gather every finding; refuse on the first block, with all of them in the refusal.

    Where a tenant leaves tables of its own for shared ones, every item's attributes are looked at: one that the shared
    table does not know, and the estate does not map, stops the run (exit 11) before anything is copied.
    """

    uses: ClassVar[str] = "preflight"
    phase: ClassVar[Phase] = "prepare"

    def facts(self, ctx: Observe) -> Mapping[str, Any]:
        """The directory fields the move rests on."""
        record = directory_of(ctx).read(ctx.plan.tenant)
        return {} if record is None else {"record": routing_of(ctx.estate.directory, record)}

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """Where the tenant is, and the consumers the estate declares: nothing here acts."""
        source = ctx.plan.source
        where = f"{source.tier} ({source.model}), {source.placement}"
        lines = [Change(step=self.uses, sign=Sign.SAME, kind="tenant", name=ctx.plan.tenant, detail=where)]
        for store in ctx.plan.moving:
            lines += [
                Change(
                    step=self.uses,
                    sign=Sign.NOTE,
                    kind="consumer",
                    name=one.name,
                    detail=f"{store.store}: {one.on_move}",
                )
                for one in ctx.estate.stores[store.store].consumers
            ]
        return [*lines, *mapped(ctx)]

    def apply(self, ctx: Context) -> Output:
        """Raises `PreflightRefused` (what, where and the fix of every block) and `SchemaDrift`; warnings are noted."""
        found = _look(ctx, [catalog.build(spec) for spec in ctx.plan.steps])
        if blocks := _blocks(found):
            raise refusal(ctx.plan.tenant, blocks)
        drift = [finding for move in ctx.moves for finding in move.drift(check=ctx.check)]
        if blocks := _blocks(drift):
            raise _drifted(ctx, blocks)
        found += drift
        warnings = [{"about": finding.about, "text": finding.text} for finding in found if finding.level == "warn"]
        if warnings:
            ctx.note("warnings", found=warnings)
        record = directory_of(ctx).read(ctx.plan.tenant)
        hashes = {} if record is None else fingerprint(ctx.estate.directory, record, salt=ctx.run)
        return {"account": ctx.plan.account, "warnings": len(warnings), "record": hashes}

    def undo(self, ctx: Context) -> None:
        """Nothing was changed."""


def gather(ctx: Observe, steps: Sequence[Step]) -> list[Finding]:
    """Every finding about the move, read-only: what `plan` and `doctor` show. Attributes are looked at in a sample.

    The estate first, then the tenant's record, the stores, and the steps' own conditions. A source that cannot be read
    is itself a block. Raises `Unauthorised`, `EndpointDown` and what says that this process must stop.
    """
    return [*_look(ctx, steps), *(one for move in ctx.moves for one in _looked(move.store, move.drift))]


def _look(ctx: Observe, steps: Sequence[Step]) -> list[Finding]:
    found = [*_looked("account", lambda: _account(ctx)), *_looked("journal", lambda: _journal(ctx))]
    found += [*_looked("directory", lambda: _directory(ctx)), *_hooks(ctx)]
    for move in ctx.moves:
        found += _looked(move.store, move.findings)
    for step in steps:
        if isinstance(step, Preflighting):
            found += _looked(step.uses, lambda step=step: step.findings(ctx))  # type: ignore[misc]
    return found


def _drifted(ctx: Context, blocks: Sequence[Finding]) -> errors.SchemaDrift:
    """What a plan's sample did not show."""
    return errors.SchemaDrift(
        f"{ctx.plan.tenant} cannot move with these attributes:\n  {_listed(blocks)}",
        next=f"portability cancel {ctx.run}, then correct the estate, which a run keeps as it began, and migrate anew",
        changed="The source serves; nothing was copied.",
    )


def _blocks(found: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.level == "block"]


def refusal(tenant: str, blocks: Sequence[Finding]) -> errors.PreflightRefused:
    """The refusal that lists every block with its fix."""
    return errors.PreflightRefused(f"{tenant} cannot move:\n  {_listed(blocks)}", next=f"portability doctor {tenant}")


def _listed(blocks: Sequence[Finding]) -> str:
    return "\n  ".join(f"{one.about}: {one.text}" + (f"  Fix: {one.next}" if one.next else "") for one in blocks)


def _looked(about: str, source: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(source())
    except (errors.EndpointDown, errors.ReadOnlyClient):
        raise
    except COULD_NOT_LOOK as error:
        return [Finding(level="block", about=about, text=f"could not be looked at: {error.what}", next=error.next)]


def _account(ctx: Observe) -> Iterator[Finding]:
    allowed, regions = ctx.estate.accounts.allowed, ctx.estate.accounts.regions
    account = ctx.aws.sts().account()
    if account not in allowed or account != ctx.plan.account:
        text = f"the credentials belong to account {account}, the plan is for {ctx.plan.account}"
        yield _block("account", text, "use the credentials of the plan's account, or plan again")
    else:
        yield _ok("account", account)
    for region in sorted({ctx.plan.source.region, ctx.plan.target.region} - set(regions)):
        yield _block("region", f"{region} is not a region of this estate", "add it to accounts.regions")


def _journal(ctx: Observe) -> Iterator[Finding]:
    table = ctx.estate.journal.table
    described = ctx.aws.dynamodb(region=ctx.estate.journal_region).describe(table)
    if described is None:
        yield _block("journal", f"the table {table} is not there", "portability init")
        return
    keys = [key["AttributeName"] for key in described.get("KeySchema", [])]
    if keys != ["pk", "sk"]:
        yield _block("journal", f"the table {table} is no journal: its key is {', '.join(keys)}", "name another table")
    elif described.get("TableStatus", "ACTIVE") not in ("ACTIVE", "UPDATING"):
        yield _block("journal", f"the table {table} is {described['TableStatus']}", "wait, then try again")
    else:
        yield _ok("journal", table)


def _hooks(ctx: Observe) -> Iterator[Finding]:
    """Hooks that would fail the run when their step's turn comes."""
    for spec in () if ctx.estate.hooks.enabled else ctx.plan.steps:
        if argv := spec.hooks.before or spec.hooks.after:
            text = f"step {spec.id} names a hook ({argv[0]}), and this estate does not enable hooks"
            yield _block("hooks", text, "set `hooks: {enabled: true}`, or take it out of the recipe")


def _directory(ctx: Observe) -> Iterator[Finding]:
    spec, plan = ctx.estate.directory, ctx.plan
    record = directory_of(ctx).read(plan.tenant)
    if record is None:
        yield _block("directory", f"{plan.tenant} is not in {spec.table}", "check the tenant id, or directory.table")
        return
    if spec.active is not None and record.active is not True:
        yield _block("directory", f"{plan.tenant} is not active", f"set {spec.active} in {spec.table} first")
    yield from _place(ctx, record)
    run = getattr(ctx, "run", None)  # a plan has none
    if record.stamp is not None and record.stamp.run != run:
        text = f"the record carries the stamp of run {record.stamp.run}"
        yield _block("directory", text, f"portability status {record.stamp.run}")
    yield from _unchanged(ctx, record)


def _place(ctx: Observe, record: DirectoryRecord) -> Iterator[Finding]:
    source = ctx.plan.source
    placement = record.placement or "default"
    known = ctx.estate.tiers[source.tier].placements
    if record.tier != source.tier or (placement != source.placement and placement in known):
        text = f"the record says {record.tier}@{placement}, the plan {source.tier}@{source.placement}"
        yield _block("directory", text, f"portability plan {ctx.plan.tenant} --to {ctx.plan.target.tier}")
    else:
        yield _ok("directory", f"{record.tenant} in {record.tier}")


def _unchanged(ctx: Observe, record: DirectoryRecord) -> Iterator[Finding]:
    """The routing fields are those that the plan was made on."""
    planned = ctx.plan.facts.get("preflight", {}).get("record")
    if planned is None:
        return
    now = routing_of(ctx.estate.directory, record)
    moved = sorted(name for name in {**planned, **now} if planned.get(name) != now.get(name))
    if moved:
        fix = f"portability plan {ctx.plan.tenant} --to {ctx.plan.target.tier}"
        yield _block("directory", f"these fields changed since the plan was made: {', '.join(moved)}", fix)


def _ok(about: str, text: str) -> Finding:
    return Finding(level="ok", about=about, text=text)


def _block(about: str, text: str, fix: str) -> Finding:
    return Finding(level="block", about=about, text=text, next=fix)
