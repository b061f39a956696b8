"""What a flip writes, by the names the record itself uses, from what stage_config found for both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portability import errors
from portability.model.change import Change, Sign
from portability.model.estate import ApiKeys
from portability.model.plan import Plan
from portability.steps.base import Context
from portability.steps.directory import directory_of
from portability.stores.base import Flow

ORDER = ("tier", "user_pool", "client", "url", "dedicated", "placement")
"""Logical fields in the order a plan shows them; the journal keeps no order."""


def routing(ctx: Context, side: str) -> dict[str, str | None]:
    """The attributes that route the tenant to `side`, as staged; the API key's value is not among them."""
    return named(ctx.plan, _staged(ctx)["fields"][side])


def named(plan: Plan, logical: Mapping[str, Any]) -> dict[str, str | None]:
    """Logical fields under the record's own names; `stores` is a table name by store."""
    spec = plan.estate.directory
    fields = {getattr(spec, name): logical[name] for name in ORDER if name in logical}
    stores = logical.get("stores") or {}
    return fields | {spec.stores[move.store]: stores[move.store] for move in plan.stores if move.store in stores}


def intend_routing(ctx: Context, flow: Flow) -> None:
    """Record what stage_config previewed and this flip performs."""
    before, after = ("source", "target") if flow is Flow.FORWARD else ("target", "source")
    old, new = routing(ctx, before), routing(ctx, after)
    names = [name for name, value in new.items() if value != old.get(name)]
    fields, spec = _staged(ctx)["fields"], ctx.estate.directory
    if (
        ctx.estate.api_keys is ApiKeys.SHARED_PER_TIER
        and spec.api_key
        and fields["source"]["tier"] != fields["target"]["tier"]
    ):
        names.append(spec.api_key)
    if names:
        ctx.intend(Change(step=ctx.step, sign=Sign.CHANGE, kind="directory", name=", ".join(names)), existed=True)
    stack = _staged(ctx)["stack"]
    if stack[_key(before)] != stack[_key(after)] and not waits_for_retirement(ctx, flow):
        ctx.intend(stack_change(ctx, flow), existed=stack["before"] is not None)


def stack_change(ctx: Context, flow: Flow) -> Change:
    """The line `~ stack mapping none -> stack-tenant-42`."""
    stack = _staged(ctx)["stack"]
    old, new = (stack["before"], stack["after"]) if flow is Flow.FORWARD else (stack["after"], stack["before"])
    return Change(step=ctx.step, sign=Sign.CHANGE, kind="stack mapping", name=f"{old or 'none'} -> {new or 'none'}")


def waits_for_retirement(ctx: Context, flow: Flow) -> bool:
    """Whether the flip leaves a row that the tenant no longer needs: one that was there before this run.

    It carries attributes that are not ours to keep, and it is the way back; it goes when the old side goes.
    """
    stack = _staged(ctx)["stack"]
    return flow is Flow.FORWARD and stack["before"] is not None and stack["after"] is None


def staged_stacks(ctx: Context) -> tuple[str | None, str | None]:
    """What the mapping row says of the tenant while the source serves, and what when the target does."""
    stack = _staged(ctx)["stack"]
    return stack["before"], stack["after"]


def stack_member(ctx: Context, flow: Flow, there: str | None) -> dict[str, Any] | None:
    """The mapping row's member of the flip, from the stack that is `there`; None where nothing changes."""
    if waits_for_retirement(ctx, flow):
        return None
    before, after = staged_stacks(ctx)
    wanted = after if flow is Flow.FORWARD else before
    return directory_of(ctx).stack_member(ctx.plan.tenant, before=there, after=wanted)


def _key(side: str) -> str:
    return "before" if side == "source" else "after"


def _staged(ctx: Context) -> Mapping[str, Any]:
    staged = ctx.output("stage_config")
    if not staged.get("fields"):
        raise errors.StepFailed(
            "no routing was staged: a cutover needs a stage_config step before it",
            next="portability validate",
            changed="Nothing is frozen.",
        )
    return {"stack": {"before": None, "after": None}, **staged}
