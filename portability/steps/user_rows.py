"""Rows of the user mapping table: the user's first `sub`, and the one their new pool gave them.

The table is the application's (`tenantId`, `userName`); a row it has keeps what it has and gains our attributes. What
an earlier run left in them is kept beside, so that this run can be taken back.
"""

from __future__ import annotations

from portability import errors
from portability.aws.dynamodb import Condition, Dynamo, Item
from portability.retry import RETRYABLE
from portability.steps.base import Context

TENANT, USER = "tenantId", "userName"
FIRST, SUB, RUN, MADE = "legacySub", "sub", "portabilityRun", "portabilityMadeBy"
PRIOR_SUB, PRIOR_RUN = "portabilityPriorSub", "portabilityPriorRun"
ANYWAY = (*RETRYABLE, errors.NoDefiniteAnswer)


def ensure(ctx: Context, username: str, *, legacy: str, sub: str) -> None:
    """Ensure the row of a user who has a new `sub`; nothing where the estate has no mapping table."""
    table = _table(ctx)
    if table is None:
        return
    key = {TENANT: {"S": ctx.plan.tenant}, USER: {"S": username}}
    names = {"#first": FIRST, "#sub": SUB, "#run": RUN}
    values: Item = {":first": {"S": legacy}, ":sub": {"S": sub}, ":run": {"S": ctx.run}}
    dynamo = _dynamo(ctx)
    row = dynamo.get(table, key)
    if row is not None and row.get(RUN) == {"S": ctx.run}:
        if row.get(SUB) == {"S": sub}:
            return
        row = {}  # ours already, of a user made anew: what was there before us is kept beside by now
    expression = "SET #first = if_not_exists(#first, :first), #sub = :sub, #run = :run"
    if row is None:
        expression += ", #made = :run"
        names["#made"] = MADE
    elif SUB in row and RUN in row:
        expression += ", #prior_sub = :prior_sub, #prior_run = :prior_run"
        names |= {"#prior_sub": PRIOR_SUB, "#prior_run": PRIOR_RUN}
        values |= {":prior_sub": row[SUB], ":prior_run": row[RUN]}
    ctx.retry.call(lambda: dynamo.update(table, key, expression, names, values), on=ANYWAY)


def take_back(ctx: Context) -> int:
    """Ensure that no row tells of this run; the number that did. Rows it made are deleted, others keep the rest."""
    table = _table(ctx)
    if table is None:
        return 0
    dynamo, start, found = _dynamo(ctx), None, 0
    condition = Condition("#tenant = :tenant", {"#tenant": TENANT}, {":tenant": {"S": ctx.plan.tenant}})
    while True:
        page = dynamo.query(table, condition, start=start)
        for row in page.items:
            if row.get(RUN) == {"S": ctx.run}:
                _restore(ctx, dynamo, table, row)
                found += 1
        if page.next is None:
            return found
        start = page.next


def _restore(ctx: Context, dynamo: Dynamo, table: str, row: Item) -> None:
    key = {TENANT: row[TENANT], USER: row[USER]}
    ours = Condition("#run = :run", {"#run": RUN}, {":run": {"S": ctx.run}})
    try:
        if row.get(MADE) == {"S": ctx.run}:
            ctx.retry.call(lambda: dynamo.delete(table, key, ours), on=ANYWAY)
            return
        names = {"#sub": SUB, **ours.names}
        values = dict(ours.values)
        if PRIOR_SUB in row:
            names |= {"#prior_sub": PRIOR_SUB, "#prior_run": PRIOR_RUN}
            values |= {":sub": row[PRIOR_SUB], ":prior": row[PRIOR_RUN]}
            expression = "SET #sub = :sub, #run = :prior REMOVE #prior_sub, #prior_run"
        else:
            names["#first"] = FIRST
            expression = "REMOVE #first, #sub, #run"
        ctx.retry.call(lambda: dynamo.update(table, key, expression, names, values, ours.expression), on=ANYWAY)
    except errors.ConditionFailed:
        return  # done already, and the reply was lost


def _table(ctx: Context) -> str | None:
    return None if ctx.estate.cognito is None else ctx.estate.cognito.mapping_table


def _dynamo(ctx: Context) -> Dynamo:
    return ctx.aws.dynamodb(region=ctx.estate.directory_region)
