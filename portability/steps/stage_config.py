"""Stage the configuration: work out what the flip will write, for both sides, and check that it can be written.

Nothing live changes here. The tenant goes on with its key, plan, stack and record until the flip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from portability import errors
from portability.aws.apigateway import UsagePlan
from portability.model.change import Change, Finding, Sign
from portability.model.estate import ApiKeys, Model, Value
from portability.model.plan import Location
from portability.model.tenant import slug
from portability.steps.api_key import gateway, key_of, only, parameter, plan_change
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.directory import DirectoryRecord, directory_of
from portability.steps.identity import moves, setting

UNKNOWN = "(known when the pool is made)"
DIRECTORY, STACK = "directory", "stack mapping"


class StageConfigWith(Value, frozen=True, kw_only=True):
    """What a recipe may say about routing."""

    url: str | None = None  # the URL at the target; {slug} and {tenant} are filled in. Default: see `url_setting`
    url_setting: str = "apiGatewayUrl-Pooled"  # row of the settings table with the URL of pooled tenants


@dataclass(frozen=True)
class StageConfig:
    """Compute the routing fields of source and target; find the usage plans and the key."""

    with_: StageConfigWith = field(default_factory=StageConfigWith)

    uses: ClassVar[str] = "stage_config"
    phase: ClassVar[Phase] = "prepare"
    With: ClassVar[type[StageConfigWith]] = StageConfigWith

    def facts(self, ctx: Observe) -> Mapping[str, Any]:
        """Ids, stages and limits of both usage plans."""
        found = {side: _plan_at(ctx, at) for side, at in (("source", ctx.plan.source), ("target", ctx.plan.target))}
        return {side: _described(plan) for side, plan in found.items()}

    def findings(self, ctx: Observe) -> Sequence[Finding]:
        """Usage plans, key and parameter that are missing or ambiguous."""
        if ctx.estate.api_keys is ApiKeys.NONE:
            return []
        return list(self._findings(ctx))

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """The usage plan, and the attributes of the directory record that will differ."""
        lines: list[Change] = []
        before, after = (ctx.estate.tiers[at.tier].usage_plan for at in (ctx.plan.source, ctx.plan.target))
        if before and after and before != after and ctx.estate.api_keys is ApiKeys.PER_TENANT:
            lines.append(plan_change(self.uses, before, after))
        source, target = self._both(ctx, {})
        attributes = _attributes(ctx, source, target)
        if attributes:
            change = Change(step=self.uses, sign=Sign.CHANGE, kind=DIRECTORY, name=", ".join(attributes))
            lines.append(change)
        lines += _stack_lines(self._stack(ctx), step=self.uses)
        return lines or [Change(step=self.uses, sign=Sign.SAME, kind=DIRECTORY, name=ctx.plan.tenant)]

    def apply(self, ctx: Context) -> Output:
        """`fields` by side under the estate's logical names, `stores` a table by store, None where an attribute goes.

        Further `stack` before and after, and ids of usage plans and key; never the key's value.
        """
        blocks = [finding for finding in self.findings(ctx) if finding.level == "block"]
        if blocks:
            msg = "; ".join(f"{finding.about}: {finding.text}" for finding in blocks)
            raise errors.Mismatch(msg, next=blocks[0].next or f"portability doctor {ctx.plan.tenant}")
        learned = dict(ctx.output("provision_resources").get("learned", {}))
        ported = dict(ctx.output("port_identity"))
        source, target = self._both(ctx, {**learned, **ported})
        output: dict[str, Any] = {
            "fields": {"source": source, "target": target},
            "stack": self._stack(ctx),
        }
        if ctx.estate.api_keys is not ApiKeys.NONE:
            plans = {"source": _plan_at(ctx, ctx.plan.source), "target": _plan_at(ctx, ctx.plan.target)}
            output["usage_plans"] = {side: None if plan is None else plan.id for side, plan in plans.items()}
        if ctx.estate.api_keys is ApiKeys.PER_TENANT:
            key = key_of(gateway(ctx, ctx.plan.source), _record(ctx))
            output["key_id"] = None if key is None else key.id
        return output

    def undo(self, ctx: Context) -> None:
        """Nothing was changed."""

    def _both(self, ctx: Observe, known: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Routing fields of both sides; `known` is what earlier steps left, {} in a plan."""
        record, plan = _record(ctx), ctx.plan
        source: dict[str, Any] = {
            "tier": plan.source.tier,
            "user_pool": record.user_pool,
            "client": record.client,
            "url": record.url,
            "dedicated": record.dedicated,
            "placement": record.placement,
            "stores": dict(record.stores),
        }
        pool, client = source["user_pool"], source["client"]
        if moves(ctx):
            pool, client = known.get("pool_id", UNKNOWN), known.get("client_id", UNKNOWN)
        target: dict[str, Any] = {
            "tier": plan.target.tier,
            "user_pool": pool,
            "client": client,
            "url": self._url(ctx, record, known),
            "dedicated": "true" if plan.target.model is Model.SILO else "false",
            "placement": None if plan.target.placement == "default" else plan.target.placement,
            "stores": {move.store: move.target.table for move in plan.stores if move.store in record.stores},
        }
        declared = {"stores", "tier"} | {name for name in target if getattr(ctx.estate.directory, name, None)}
        return (
            {name: value for name, value in source.items() if name in declared},
            {name: value for name, value in target.items() if name in declared},
        )

    def _url(self, ctx: Observe, record: DirectoryRecord, known: Mapping[str, Any]) -> str | None:
        """The target's URL: as the recipe says, as provisioning wrote it, as settings say for pools, else unchanged."""
        if self.with_.url is not None:
            return self.with_.url.format(slug=slug(ctx.plan.tenant), tenant=ctx.plan.tenant)
        if "url" in known:
            return str(known["url"])
        if ctx.plan.target.model is not Model.SILO:
            return setting(ctx, self.with_.url_setting) or record.url
        return record.url

    def _stack(self, ctx: Observe) -> dict[str, str | None]:
        """The tenant's row of the stack mapping: None is no row, the tenant belongs to the pooled stack."""
        directory = directory_of(ctx)
        own = ctx.plan.target.model is Model.SILO
        return {
            "before": directory.stack_row(ctx.plan.tenant),
            "after": directory.stack_name(ctx.plan.tenant) if own else None,
        }

    def _findings(self, ctx: Observe) -> Iterator[Finding]:
        for at in (ctx.plan.source, ctx.plan.target):
            name = ctx.estate.tiers[at.tier].usage_plan
            if name is not None and _plan_at(ctx, at) is None:
                yield _block("usage plan", f"there is not exactly one usage plan called {name}", "create it, or rename")
        if ctx.estate.api_keys is ApiKeys.SHARED_PER_TIER:
            yield from _parameters(ctx)
        else:
            yield from _key(ctx)


def _parameters(ctx: Observe) -> Iterator[Finding]:
    for at in (ctx.plan.source, ctx.plan.target):
        name = parameter(ctx.estate, at.tier)
        if name is None:
            yield _block(
                "API key", "keys are shared per tier and the estate names no parameter", "set api_key_parameter"
            )
        elif ctx.aws.ssm(region=at.region, role=at.role).get_parameter(name) is None:
            yield _block("API key", f"the parameter {name} is not there", f"store the key of tier {at.tier} in it")


def _key(ctx: Observe) -> Iterator[Finding]:
    api, record = gateway(ctx, ctx.plan.source), directory_of(ctx).read(ctx.plan.tenant)
    if record is None:
        return  # preflight says so
    key = key_of(api, record)
    if key is None:
        yield _block("API key", "the key that the directory record carries is not in API Gateway", "correct the record")
        return
    if not key.enabled:
        yield Finding(level="warn", about="API key", text=f"the key {key.id} is disabled, and stays so")
    plan = _plan_at(ctx, ctx.plan.source)
    if plan is not None and not api.is_in(plan.id, key.id):
        text = f"the key {key.id} is not in the usage plan {plan.name} of tier {ctx.plan.source.tier}"
        yield _block("API key", text, "put it there, or correct the tenant's tier")


def _record(ctx: Observe) -> DirectoryRecord:
    record = directory_of(ctx).read(ctx.plan.tenant)
    if record is None:
        msg = f"tenant {ctx.plan.tenant} is not in the directory {ctx.estate.directory.table}"
        raise errors.UnknownName(msg, next=f"portability doctor {ctx.plan.tenant}")
    return record


def _plan_at(ctx: Observe, at: Location) -> UsagePlan | None:
    name = ctx.estate.tiers[at.tier].usage_plan
    return None if name is None or ctx.estate.api_keys is ApiKeys.NONE else only(gateway(ctx, at).find_by_name(name))


def _described(plan: UsagePlan | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    limits = {"rate": plan.rate, "burst": plan.burst, "quota": plan.quota, "period": plan.period}
    return {"id": plan.id, "stages": sorted(plan.stages), **limits}


def _stack_lines(stack: Mapping[str, str | None], *, step: str) -> list[Change]:
    """A row that was there and is no longer needed stays until `complete`: it is the way back."""
    before, after = stack["before"], stack["after"]
    if before == after:
        return []
    if before is not None and after is None:
        return [Change(step=step, sign=Sign.NOTE, kind=STACK, name=before, detail="stays until complete")]
    return [Change(step=step, sign=Sign.CHANGE, kind=STACK, name=f"{before or 'none'} -> {after or 'none'}")]


def _routing(ctx: Observe, side: Mapping[str, Any]) -> dict[str, str | None]:
    """A side's fields under the record's own attribute names, stores too."""
    spec = ctx.estate.directory
    fields = {getattr(spec, name): value for name, value in side.items() if name != "stores"}
    return fields | {spec.stores[store]: table for store, table in side["stores"].items()}


def _attributes(ctx: Observe, source: Mapping[str, Any], target: Mapping[str, Any]) -> list[str]:
    """The record's own names of what differs, in the estate's order."""
    before, after = _routing(ctx, source), _routing(ctx, target)
    names = [name for name, value in after.items() if before.get(name) != value]
    if ctx.estate.api_keys is ApiKeys.SHARED_PER_TIER and ctx.estate.directory.api_key:
        names += [ctx.estate.directory.api_key] if source["tier"] != target["tier"] else []
    return names


def _block(about: str, text: str, fix: str) -> Finding:
    return Finding(level="block", about=about, text=text, next=fix)
