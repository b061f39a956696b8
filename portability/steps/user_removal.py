"""Take users away: those this run made, when it is taken back; the source's, when the run is completed.

Only users of this tenant are ever named, and in a shared pool each is looked at once more before it goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from portability import errors
from portability.aws.cognito import User
from portability.model.change import Change, Sign
from portability.steps.base import Context, Observe, Output
from portability.steps.identity import Groups, Home, created_marks, homes, mark, spec_of
from portability.steps.users import again

NO_USERS = {"users": 0, "kept": 0}


def take_back(ctx: Context, home: Home, other: Home) -> int:
    """Delete from a pool that outlives the run the users that this run made there; the number deleted.

    They are found among the tenant's users there, then by the other side's users; where some are still unaccounted for
    (made, but not yet in the group) the pool is read whole and compared by mark. Repeatable.
    """
    left = created_marks(ctx.view, home.pool)
    deleted = 0
    for user in _candidates(home, other, left, ctx.run):
        ctx.check()
        left.discard(mark(ctx.run, home.pool, home.login(user)))
        if _ours(ctx, home, user):
            again(ctx, lambda user=user: home.cognito.ensure_no_user(home.pool, user.username))  # type: ignore[misc]
            deleted += 1
    return deleted


def remove_group(ctx: Context, home: Home, name: str) -> bool:
    """Delete a group that this run made, unless somebody else's user is in it by now; whether it is gone."""
    try:
        members, _ = home.cognito.users_in_group(home.pool, name)
    except errors.NotFound:
        return True
    if members:
        ctx.note("group kept", group=name, pool=home.pool, members=len(members))
        return False
    again(ctx, lambda: home.cognito.ensure_no_group(home.pool, name))
    return True


def archive(ctx: Observe, ported: Output) -> Iterator[bytes]:
    """The source's users as JSON lines: username, attributes, enabled, status, groups. For the archive object only."""
    source, _ = homes(ctx, ported)
    for user in _everyone(source):
        line = {
            "username": user.username,
            "attributes": dict(sorted(user.attributes.items())),
            "enabled": user.enabled,
            "status": user.status,
            "groups": sorted(source.cognito.groups_of(source.pool, user.username)),
        }
        yield json.dumps(line, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def retire(ctx: Context, users_archive: str) -> dict[str, int]:
    """Delete the source's identity: the tenant's users and group in the shared pool, or the tenant's own pool.

    `users_archive` names the verified archive of what `archive` gave; without one this is refused, unless the recipe
    says `archive: none` at this step. The tenant's own pool goes only if the plan names it. A user who is in another
    tenant's group as well leaves this tenant's group and stays. Nothing, without a call, where users did not move.
    Repeatable. Raises `Refused`.
    """
    ported = ctx.output("port_identity")
    if "pool_id" not in ported:
        return dict(NO_USERS)
    if not users_archive and not _waived(ctx):
        msg = "the source's users are deleted only after they were archived"
        raise errors.Refused(msg, next=f"name a bucket under `archive:` in the estate, then {errors.AGAIN}")
    pool = str(ported["source_pool_id"])
    found = _source(ctx, ported)
    if found is None:
        return dict(NO_USERS)
    if found.shared:
        return _retire_users(ctx, found)
    if pool not in _named(ctx.plan.facts.get("port_identity", {})):
        msg = f"the plan does not name the user pool {pool}, so it is not deleted"
        raise errors.Refused(msg, next=f"portability status {ctx.plan.tenant}", changed="The user pool stays.")
    count = sum(1 for _ in _everyone(found))
    change = Change(step=ctx.step, sign=Sign.DELETE, kind="user pool", name=pool, irreversible=True)
    ctx.intend(change, existed=True)
    again(ctx, lambda: found.cognito.delete_pool(pool))
    return {"users": count, "kept": 0}


def _retire_users(ctx: Context, home: Home) -> dict[str, int]:
    change = Change(step=ctx.step, sign=Sign.DELETE, kind="users", name=f"{home.pool}/{home.group}", irreversible=True)
    ctx.intend(change, existed=True)
    counts = dict(NO_USERS)
    groups = Groups(ctx)
    for user in list(_everyone(home)):
        ctx.check()
        if not _another_tenants(ctx, home, user, groups):
            again(ctx, lambda user=user: home.cognito.ensure_no_user(home.pool, user.username))  # type: ignore[misc]
            counts["users"] += 1
        else:
            again(
                ctx,
                lambda user=user: home.cognito.ensure_not_in_group(home.pool, user.username, home.group),  # type: ignore[misc]
            )
            counts["kept"] += 1
    remove_group(ctx, home, home.group)
    return counts


def _another_tenants(ctx: Context, home: Home, user: User, groups: Groups) -> bool:
    owner = user.attributes.get(spec_of(ctx).tenant_attribute)
    if owner and owner != ctx.plan.tenant:
        return True
    return bool(groups.foreign(home.cognito.groups_of(home.pool, user.username)))


def _ours(ctx: Context, home: Home, user: User) -> bool:
    """Whether a user with one of our marks is still this tenant's: a name may have been given away meanwhile."""
    owner = user.attributes.get(spec_of(ctx).tenant_attribute)
    if owner:
        return owner == ctx.plan.tenant
    names = home.cognito.groups_of(home.pool, user.username)
    return home.group in names or not Groups(ctx).foreign(names)


def _candidates(home: Home, other: Home, left: set[str], run: str) -> Iterator[User]:
    """Users of `home` with a mark in `left`, cheapest first; the caller takes marks out as it goes."""
    if not left:
        return
    for user in list(_everyone(home)):
        if mark(run, home.pool, home.login(user)) in left:
            yield user
    for user in _everyone(other):
        if mark(run, home.pool, home.login(user)) in left:
            found = home.cognito.user(home.pool, home.login(user))
            if found is not None:
                yield found
    if left:
        token: str | None = None
        known: list[User] = []
        while True:
            page, token = home.cognito.users(home.pool, token)
            known += [user for user in page if mark(run, home.pool, home.login(user)) in left]
            if not token:
                break
        yield from known


def _everyone(home: Home) -> Iterator[User]:
    token: str | None = None
    while True:
        page, token = home.page(token)
        yield from page
        if not token:
            return


def _source(ctx: Context, ported: Output) -> Home | None:
    """The source's home; None where its pool is gone already."""
    try:
        return homes(ctx, ported)[0]
    except errors.Mismatch:
        gone = ctx.aws.cognito(region=ctx.plan.source.region, role=ctx.plan.source.role)
        if gone.pool(str(ported["source_pool_id"])) is None:
            return None
        raise


def _waived(ctx: Context) -> bool:
    return any(spec.id == ctx.step and spec.with_.get("archive") == "none" for spec in ctx.plan.steps)


def _named(facts: object) -> set[str]:
    """Every text in a tree of facts."""
    if isinstance(facts, Mapping):
        return set().union(*(_named(value) for value in facts.values())) if facts else set()
    if isinstance(facts, list | tuple):
        values: list[Any] = list(facts)
        return set().union(*(_named(value) for value in values)) if values else set()
    return {str(facts)}
