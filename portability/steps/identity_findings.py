"""What stands in the way of taking users along, read-only and within a bounded number of calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portability.aws import cognito_settings as settings
from portability.aws.cognito import FEDERATED, User
from portability.model.change import Finding
from portability.model.estate import Identity
from portability.steps.base import Observe
from portability.steps.directory import DirectoryRecord
from portability.steps.identity import (
    LEGACY,
    Home,
    cognito_at,
    group_of,
    home,
    ids_at_source,
    our_pools,
    shared_ids,
    silo_name,
    spec_of,
)

PAGES = 10
"""Pages of 60 users that a preview looks at; beyond them it says so."""

COLLISIONS = 120
"""Usernames that a preview looks up in the shared pool, one call each; `apply` looks up every one."""

ABOUT = "identity"


def seen_users(at: Home) -> tuple[list[User], bool]:
    """The first users of a home, and whether those are all."""
    users: list[User] = []
    token: str | None = None
    for _ in range(PAGES):
        page, token = at.page(token)
        users += page
        if not token:
            return users, True
    return users, False


def findings(
    ctx: Observe,
    record: DirectoryRecord | None,
    *,
    shared_groups: Sequence[str],
    triggers: Sequence[str],
    leave_providers: bool,
) -> Iterator[Finding]:
    """Blocks and warnings about both pools, their schemas, users, groups and clients."""
    plan = ctx.plan
    pool, client = ids_at_source(ctx, record)
    described = None if pool is None else cognito_at(ctx, plan.source).pool(pool)
    if pool is None or described is None:
        yield _block("the source's user pool was not found", "check the directory record and `cognito:` in the estate")
        return
    yield from _record_agrees(ctx, record, pool)
    source = home(ctx, plan.source, pool, client, described)
    app = None if client is None else source.cognito.client(pool, client)
    if app is None:
        yield _block(f"the app client {client} of {pool} was not found", "check the directory record")
    elif not leave_providers:
        yield from _providers(app)
    if source.groupless:
        yield _block(f"the group {source.group} is not in {pool}", "create it with the tenant's users in it")
        return
    users, complete = seen_users(source)
    yield from _owners(ctx, users)
    if plan.target.identity is Identity.SILO:
        yield from _towards_silo(ctx, described, triggers)
    else:
        yield from _towards_shared(ctx, source, users, shared_groups)
    yield from _people(source, users, complete=complete)


def _record_agrees(ctx: Observe, record: DirectoryRecord | None, pool: str) -> Iterator[Finding]:
    if record is not None and ctx.estate.directory.user_pool and record.user_pool != pool:
        yield _block(
            f"the directory names the user pool {record.user_pool}, the estate {pool}",
            "correct the record, or `cognito:` in the estate",
        )


def _providers(app: Mapping[str, Any]) -> Iterator[Finding]:
    others = [name for name in app.get("SupportedIdentityProviders", []) if name != "COGNITO"]
    if others:
        yield _block(
            f"users sign in through {', '.join(others)}, whose secret no API tells: after the flip they could not",
            "set up the provider in the tenant's pool, then `with: {leave_providers: true}` in the step",
        )


def _owners(ctx: Observe, users: Sequence[User]) -> Iterator[Finding]:
    attribute = spec_of(ctx).tenant_attribute
    foreign = sum(1 for user in users if user.attributes.get(attribute) not in (None, "", ctx.plan.tenant))
    if foreign:
        yield _block(
            f"{foreign} users of {group_of(ctx)} carry another tenant's id in {attribute}",
            "take them out of the group, or correct the attribute",
        )


def _towards_silo(ctx: Observe, source: Mapping[str, Any], triggers: Sequence[str]) -> Iterator[Finding]:
    ours, foreign = our_pools(ctx)
    name = silo_name(ctx)
    if foreign and not ours:
        yield _block(
            f"a user pool called {name} is there and does not say whose it is",
            f"tag it portability:tenant={ctx.plan.tenant}, or change cognito.silo_pool",
        )
    if not ours and ctx.estate.tiers[ctx.plan.target.tier].provision.with_ == "adopt":
        yield _block(f"the user pool {name} is not there", "have your own stack make it, then plan again")
    if ours:
        yield from _schemas(source, ours[0], name)
    left = sorted(name for name in source.get("LambdaConfig", {}) if name not in triggers)
    if left and not ours:
        yield _warn(f"triggers of the shared pool that the new one does not get: {', '.join(left)}")
    if source.get("Domain"):
        yield _warn("the hosted sign-in domain stays with the shared pool")


def _towards_shared(
    ctx: Observe, source: Home, users: Sequence[User], shared_groups: Sequence[str]
) -> Iterator[Finding]:
    pool, client = shared_ids(ctx)
    cognito = cognito_at(ctx, ctx.plan.target)
    described = None if pool is None else cognito.pool(pool)
    if pool is None or described is None:
        yield _block("the shared user pool was not found", "check `cognito:` in the estate and its settings table")
        return
    if client is None or cognito.client(pool, client) is None:
        yield _block(f"the app client {client} of {pool} was not found", "check `cognito:` in the estate")
    own = source.cognito.pool(source.pool) or {}
    yield from _schemas(own, described, pool)
    allowed = {source.group, *shared_groups}
    stray = sorted(group.name for group in source.cognito.groups(source.pool) if group.name not in allowed)
    if stray:
        yield _block(
            f"groups of the tenant's own pool without a place in the shared one: {', '.join(stray)}",
            "name those that users may join there in the step: with: {shared_groups: [...]}",
        )
    attribute = spec_of(ctx).tenant_attribute
    target = home(ctx, ctx.plan.target, pool, client, described)
    taken = 0
    for user in users[:COLLISIONS]:
        found = cognito.user(pool, target.login(user))
        if found is not None and found.attributes.get(attribute) != ctx.plan.tenant:
            taken += ctx.plan.tenant not in cognito.groups_of(pool, found.username)
    if taken:
        yield _block(
            f"{taken} usernames are taken in the shared pool by users who are not of this tenant",
            "rename those users at the source",
        )
    if len(users) > COLLISIONS:
        yield _warn(f"only the first {COLLISIONS} usernames were looked up in the shared pool")


def _schemas(source: Mapping[str, Any], target: Mapping[str, Any], name: str) -> Iterator[Finding]:
    one, other = settings.attributes(source), settings.attributes(target)
    own = {attribute for attribute in one if ":" in attribute and attribute != LEGACY}
    lacking = sorted(own - other.keys())
    if lacking:
        yield _block(
            f"the schema of {name} lacks {', '.join(lacking)}",
            "aws cognito-idp add-custom-attributes; an attribute cannot be removed again",
        )
    both = own & other.keys()
    typed = sorted(attribute for attribute in both if one[attribute]["type"] != other[attribute]["type"])
    if typed:
        yield _block(f"the schemas disagree about the type of {', '.join(typed)}", "choose attributes of one type")
    fixed = sorted(attribute for attribute in both if one[attribute]["mutable"] and not other[attribute]["mutable"])
    if fixed:
        yield _warn(f"in {name} these cannot change once set: {', '.join(fixed)}")
    if list(source.get("UsernameAttributes") or ()) != list(target.get("UsernameAttributes") or ()):
        yield _block(f"{name} tells users apart by other attributes than the source", "choose a pool of the same kind")


def _people(source: Home, users: Sequence[User], *, complete: bool) -> Iterator[Finding]:
    federated = sum(1 for user in users if user.status == FEDERATED)
    if federated:
        yield _warn(f"{federated} federated users are not carried: they are made at their first sign-in")
    native = len(users) - federated
    if native:
        more = "" if complete else " at least"
        yield _warn(f"{more} {native} users set a new password: no API carries one".strip())
    if source.mfa and native:
        yield _warn("second factors, remembered devices and sessions are not carried: users enrol and sign in again")


def _block(text: str, fix: str) -> Finding:
    return Finding(level="block", about=ABOUT, text=text, next=fix)


def _warn(text: str) -> Finding:
    return Finding(level="warn", about=ABOUT, text=text)
