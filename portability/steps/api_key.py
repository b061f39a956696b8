"""The tenant's API key: its value at the flip, and the usage plan it is in.

A value is read as late as possible, handed to the flip, and kept nowhere. Source: API Gateway, Systems Manager.
"""

from __future__ import annotations

from portability import errors
from portability.aws.apigateway import ApiGateway, ApiKey, UsagePlan, digest_of
from portability.model.change import Change, Sign
from portability.model.estate import ApiKeys, Estate
from portability.model.plan import Location
from portability.retry import RETRYABLE
from portability.steps.base import Context, Observe
from portability.steps.directory import DirectoryRecord

USAGE_PLAN = "usage plan"
ANYWAY = (*RETRYABLE, errors.NoDefiniteAnswer)


def value_now(ctx: Context, location: Location) -> str | None:
    """The API-key value for the directory record of a tenant at `location`; None where the estate has no keys.

    Per tenant it is the value of the tenant's key as it is now, shared it is the tier's parameter. Raises `Mismatch`
    where the key or the parameter is gone.
    """
    if ctx.estate.api_keys is ApiKeys.NONE:
        return None
    if ctx.estate.api_keys is ApiKeys.SHARED_PER_TIER:
        name = parameter(ctx.estate, location.tier)
        value = None if name is None else ctx.aws.ssm(region=location.region, role=location.role).get_parameter(name)
        what = f"the parameter {name}"
    else:
        key = _key_id(ctx)
        value, what = gateway(ctx, location).key_value(key), f"the API key {key}"
    if value is None:
        msg = f"{what} is gone"
        raise errors.Mismatch(msg, next=f"portability doctor {ctx.plan.tenant}")
    return value


def switch_plan(ctx: Context, to: Location) -> float:
    """Ensure that the tenant's key is in the usage plan of `to` and in no other of the same API stage.

    Returns the gap in seconds in which it was in none: 0.0 where nothing had to change. May be repeated at any point;
    nothing is done where keys are shared or absent. Raises `Mismatch` where the plan is not there.
    """
    wanted = ctx.estate.tiers[to.tier].usage_plan
    if ctx.estate.api_keys is not ApiKeys.PER_TENANT or wanted is None:
        return 0.0
    api, key = gateway(ctx, to), _key_id(ctx)
    target = only(api.find_by_name(wanted))
    if target is None:
        msg = f"there is not exactly one usage plan called {wanted}"
        raise errors.Mismatch(msg, next=f"portability doctor {ctx.plan.tenant}")
    holding = api.usage_plans(key=key)
    leave = [plan for plan in holding if plan.id != target.id and plan.stages & target.stages]
    inside = any(plan.id == target.id for plan in holding)
    if inside and not leave:
        return 0.0
    before = ctx.estate.tiers[_other(ctx, to).tier].usage_plan or ""
    ctx.intend(plan_change(ctx.step, before, wanted), existed=inside)
    began = ctx.clock.monotonic()
    for plan in leave:
        ctx.retry.call(lambda plan=plan: api.ensure_key_not_in_plan(plan.id, key), on=ANYWAY)  # type: ignore[misc]
    ctx.retry.call(lambda: api.ensure_key_in_plan(target.id, key), on=ANYWAY)
    return ctx.clock.monotonic() - began


def plan_change(step: str, before: str, after: str) -> Change:
    """The line `~ usage plan basic -> premium`."""
    return Change(step=step, sign=Sign.CHANGE, kind=USAGE_PLAN, name=f"{before} -> {after}", detail="key kept")


def gateway(ctx: Observe, location: Location) -> ApiGateway:
    """The API Gateway client of a side."""
    return ctx.aws.apigateway(region=location.region, role=location.role)


def parameter(estate: Estate, tier: str) -> str | None:
    """The name of the parameter that holds a tier's shared key."""
    return None if estate.api_key_parameter is None else estate.api_key_parameter.format(tier=tier)


def key_of(api: ApiGateway, record: DirectoryRecord) -> ApiKey | None:
    """The key whose value the directory record carries, found by the value's hash."""
    return None if not record.api_key else api.key_by_digest(digest_of(record.api_key))


def only(plans: list[UsagePlan]) -> UsagePlan | None:
    """The one plan, or None where there is none or more than one."""
    return plans[0] if len(plans) == 1 else None


def _other(ctx: Context, to: Location) -> Location:
    return ctx.plan.source if to == ctx.plan.target else ctx.plan.target


def _key_id(ctx: Context) -> str:
    key = ctx.output("stage_config").get("key_id")
    if not key:
        msg = f"no step has found the API key of {ctx.plan.tenant}"
        raise errors.Mismatch(msg, next=f"portability status {ctx.plan.tenant}")
    return str(key)
