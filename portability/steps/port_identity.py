"""Port the identity store: pool, app client, groups and users go where the target tier keeps them.

Where both tiers share a user pool there is nothing to do and no call is made. No user is written to, no trigger is
attached that the recipe does not name, and the shared pool's settings and client are never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from portability import errors
from portability.aws import cognito_settings as settings
from portability.model.change import Change, Finding, Sign
from portability.model.estate import Identity, Value
from portability.model.status import ParkReason
from portability.steps import user_rows
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.directory import directory_of
from portability.steps.identity import (
    LEGACY_SCHEMA,
    RUN_TAG,
    TENANT_TAG,
    Home,
    cognito_at,
    group_of,
    home,
    ids_at_source,
    moves,
    our_pools,
    shared_ids,
    silo_name,
    spec_of,
)
from portability.steps.identity_findings import findings as identity_findings
from portability.steps.identity_findings import seen_users
from portability.steps.user_removal import remove_group, take_back
from portability.steps.users import again, carry_between
from portability.stores.base import Flow

POOL, CLIENT, GROUP, USERS = "user pool", "app client", "group", "users"


class PortIdentityWith(Value, frozen=True, kw_only=True):
    """What a recipe may say about users."""

    shared_groups: tuple[str, ...] = ()  # groups of the shared pool, beside the tenant's, that users may join there
    triggers: tuple[str, ...] = ()  # Lambda triggers of the shared pool that a new pool gets, as CustomMessage
    leave_providers: bool = False  # the tenant's pool has its identity providers already, or needs none


@dataclass(frozen=True)
class PortIdentity:
    """Ensure the target's user pool, app client and group, and carry every user of the tenant into it."""

    with_: PortIdentityWith = field(default_factory=PortIdentityWith)

    uses: ClassVar[str] = "port_identity"
    phase: ClassVar[Phase] = "prepare"
    With: ClassVar[type[PortIdentityWith]] = PortIdentityWith

    def facts(self, ctx: Observe) -> Mapping[str, Any]:
        """Ids, schema attributes and sign-in settings of both pools; nothing where users stay."""
        if not moves(ctx) or ctx.estate.cognito is None:
            return {}
        pool, client = ids_at_source(ctx, directory_of(ctx).read(ctx.plan.tenant))
        source = None if pool is None else cognito_at(ctx, ctx.plan.source).pool(pool)
        if ctx.plan.target.identity is Identity.SILO:
            ours, _ = our_pools(ctx)
            target: Mapping[str, Any] | None = ours[0] if ours else None
        else:
            shared, _ = shared_ids(ctx)
            target = None if shared is None else cognito_at(ctx, ctx.plan.target).pool(shared)
        return {"source": {**_structure(source), "client": client}, "target": _structure(target)}

    def findings(self, ctx: Observe) -> Sequence[Finding]:
        """Pools, schemas, clients, groups and usernames that stand in the way."""
        if not moves(ctx):
            return self._same_pool(ctx)
        if ctx.estate.cognito is None:
            fix = "describe the shared user pool under `cognito:`, or set the tiers' identity to none"
            text = "the users would move and the estate has no `cognito` section"
            return [Finding(level="block", about="identity", text=text, next=fix)]
        found = identity_findings(
            ctx,
            directory_of(ctx).read(ctx.plan.tenant),
            shared_groups=self.with_.shared_groups,
            triggers=self.with_.triggers,
            leave_providers=self.with_.leave_providers,
        )
        return list(found)

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """The pool, client and group that are missing, and the users who go."""
        if not moves(ctx):
            return []
        source = self._source(ctx)
        target = self._target_pool(ctx, None)
        name = _name(ctx, target)
        lines = [_change(Sign.SAME if target else Sign.CREATE, POOL, name)]
        own = target or {}
        cognito = cognito_at(ctx, ctx.plan.target)
        if ctx.plan.target.identity is Identity.SILO:
            client = self._client_name(source)
            there = bool(own) and bool(cognito.clients_named(own["Id"], client))
            lines.append(_change(Sign.SAME if there else Sign.CREATE, CLIENT, client))
        group = group_of(ctx)
        there = bool(own) and cognito.group(own["Id"], group) is not None
        lines.append(_change(Sign.SAME if there else Sign.CREATE, GROUP, group))
        users, complete = seen_users(source)
        more = "" if complete else "more than "
        detail = f"{more}{len(users)} users, each sets a new password" + (" and enrols MFA again" * source.mfa)
        lines.append(
            msgspec.structs.replace(_change(Sign.MOVE, USERS, name, detail), estimate={"users": float(len(users))})
        )
        return lines

    def apply(self, ctx: Context) -> Output:
        """Ensure pool, client and group, carry the users; ids and counts."""
        source = self._source(ctx)
        pool = self._ensure_pool(ctx, source)
        client = self._ensure_client(ctx, source, pool)
        described = self._described(ctx, pool)
        target = home(ctx, ctx.plan.target, pool, client, described)
        ctx.intend(_change(Sign.MOVE, USERS, str(described.get("Name", pool)), step=ctx.step), existed=False)
        shared_groups = self.with_.shared_groups
        counts = carry_between(ctx, Flow.FORWARD, source, target, shared_groups=shared_groups)
        return {
            "pool_id": pool,
            "client_id": client,
            "source_pool_id": source.pool,
            "source_client_id": source.client,
            "shared_groups": list(shared_groups),
            "users": counts.get("users", 0),
            "groups": sum(1 for change, _ in ctx.view.intents() if change.kind == GROUP),
            "must_reset": counts.get("must_reset", 0),
            "mfa": counts.get("mfa", 0),
            "counts": counts,
        }

    def undo(self, ctx: Context) -> None:
        """Delete the pool this run made, or in a pool that was there the users, group and client it made."""
        if not moves(ctx):
            return
        user_rows.take_back(ctx)
        made = {(change.kind, change.name) for change, existed in ctx.view.intents() if not existed}
        cognito = cognito_at(ctx, ctx.plan.target)
        if (POOL, silo_name(ctx)) in made and ctx.plan.target.identity is Identity.SILO:
            for pool in cognito.pools_named(silo_name(ctx)):
                if pool.get("UserPoolTags", {}).get(RUN_TAG) == ctx.run:
                    again(ctx, lambda pool=pool: cognito.delete_pool(pool["Id"]))  # type: ignore[misc]
            return
        described = self._target_pool(ctx, ctx.run)
        if described is None:
            return
        target = home(ctx, ctx.plan.target, described["Id"], None, described)
        take_back(ctx, target, self._source(ctx))
        for change, existed in ctx.view.intents():
            if change.kind == GROUP and not existed and (change.after or {}).get("pool") == target.pool:
                remove_group(ctx, target, change.name)
            if change.kind == CLIENT and not existed:
                for client in cognito.clients_named(target.pool, change.name):
                    again(ctx, lambda client=client: cognito.delete_client(target.pool, client))  # type: ignore[misc]

    def _same_pool(self, ctx: Observe) -> list[Finding]:
        """No call is made here."""
        spec, plan = ctx.estate.cognito, ctx.plan
        if spec is None or plan.source.identity is Identity.NONE or plan.source.tier == plan.target.tier:
            return []
        text = f"the users stay in their pool, so {spec.tier_attribute} goes on saying {plan.source.tier}"
        return [Finding(level="warn", about="identity", text=text)]

    def _source(self, ctx: Observe) -> Home:
        pool, client = ids_at_source(ctx, directory_of(ctx).read(ctx.plan.tenant))
        described = None if pool is None else cognito_at(ctx, ctx.plan.source).pool(pool)
        if pool is None or described is None:
            msg = f"the user pool of {ctx.plan.tenant} was not found"
            raise errors.Mismatch(msg, next=f"portability doctor {ctx.plan.tenant}")
        return home(ctx, ctx.plan.source, pool, client, described)

    def _target_pool(self, ctx: Observe, run: str | None) -> dict[str, Any] | None:
        """The target's pool as described; None where it is still to be made."""
        if ctx.plan.target.identity is Identity.SILO:
            ours, _ = our_pools(ctx, run)
            return ours[0] if ours else None
        pool, _ = shared_ids(ctx)
        return None if pool is None else cognito_at(ctx, ctx.plan.target).pool(pool)

    def _described(self, ctx: Observe, pool: str) -> dict[str, Any]:
        described = cognito_at(ctx, ctx.plan.target).pool(pool)
        if described is None:
            msg = f"the user pool {pool} is gone"
            raise errors.Mismatch(msg, next=f"portability doctor {ctx.plan.tenant}")
        return described

    def _client_name(self, source: Home) -> str:
        app = None if source.client is None else source.cognito.client(source.pool, source.client)
        if app is None:
            msg = f"the app client {source.client} of {source.pool} was not found"
            raise errors.Mismatch(msg, next="portability doctor")
        return str(app["ClientName"])

    def _ensure_pool(self, ctx: Context, source: Home) -> str:
        if ctx.plan.target.identity is Identity.POOL:
            pool, _ = shared_ids(ctx)
            if pool is None:
                msg = "the shared user pool was not found"
                raise errors.Mismatch(msg, next=f"portability doctor {ctx.plan.tenant}")
            return pool
        ours, foreign = our_pools(ctx, ctx.run)
        if not ours:
            return self._make_pool(ctx, source, foreign)
        if ours[0].get("UserPoolTags", {}).get(RUN_TAG) == ctx.run:
            self._finish_pool(ctx, source, ours[0]["Id"])  # made before a crash, perhaps not to its end
        return str(ours[0]["Id"])

    def _make_pool(self, ctx: Context, source: Home, foreign: Sequence[Mapping[str, Any]]) -> str:
        name, cognito = silo_name(ctx), cognito_at(ctx, ctx.plan.target)
        if foreign:
            msg = f"a user pool called {name} is there and does not say whose it is"
            fix = f"tag it portability:tenant={ctx.plan.tenant}, or change cognito.silo_pool; then {errors.AGAIN}"
            raise errors.PreflightRefused(msg, next=fix)
        if ctx.estate.tiers[ctx.plan.target.tier].provision.with_ == "adopt":
            msg = f"the user pool {name} is not there yet"
            raise errors.Parked(msg, reason=ParkReason.GATE, next=f"portability resume {ctx.run}")
        like = source.cognito.pool(source.pool) or {}
        tags = {RUN_TAG: ctx.run, TENANT_TAG: ctx.plan.tenant}
        ctx.intend(_change(Sign.CREATE, POOL, name, step=ctx.step), existed=False)
        # No token makes this idempotent: a lost reply is found by name and tag when the step is repeated.
        pool = cognito.clone_pool(like, name=name, tags=tags, add=[LEGACY_SCHEMA])
        self._finish_pool(ctx, source, pool)
        return pool

    def _finish_pool(self, ctx: Context, source: Home, pool: str) -> None:
        """What CreateUserPool does not take: MFA, resource servers, and the triggers the recipe names."""
        cognito = cognito_at(ctx, ctx.plan.target)
        wanted = source.cognito.mfa(source.pool)
        if wanted.get("MfaConfiguration", "OFF") != "OFF" and cognito.mfa(pool) != wanted:
            again(ctx, lambda: cognito.set_mfa(pool, wanted))
        there = {server["Identifier"] for server in cognito.resource_servers(pool)}
        for server in source.cognito.resource_servers(source.pool):
            if server["Identifier"] not in there:
                cognito.create_resource_server(pool, server)
        like = source.cognito.pool(source.pool) or {}
        triggers = {name: arn for name, arn in like.get("LambdaConfig", {}).items() if name in self.with_.triggers}
        described = self._described(ctx, pool)
        if triggers and described.get("LambdaConfig", {}) != triggers:
            again(ctx, lambda: cognito.update_pool(pool, {"LambdaConfig": triggers}))
        left = set(like.get("LambdaConfig", {})) - set(triggers)
        differs = [name for name in settings.differences(like, self._described(ctx, pool)) if name not in _EXPECTED]
        ctx.note("user pool compared", pool=pool, differs=differs, triggers_left=sorted(left))

    def _ensure_client(self, ctx: Context, source: Home, pool: str) -> str | None:
        if ctx.plan.target.identity is Identity.POOL:
            return shared_ids(ctx)[1]
        cognito, name = cognito_at(ctx, ctx.plan.target), self._client_name(source)
        there = cognito.clients_named(pool, name)
        if there:
            return there[0]
        like = source.cognito.client(source.pool, str(source.client)) or {}
        ctx.intend(_change(Sign.CREATE, CLIENT, name, step=ctx.step), existed=False)
        return cognito.clone_client(pool, like)


_EXPECTED = frozenset({"SchemaAttributes", "LambdaConfig"})
"""The new pool's schema has one attribute more, and its triggers are chosen."""


def _structure(described: Mapping[str, Any] | None) -> dict[str, Any]:
    if described is None:
        return {"pool": None}
    custom = {name: kind for name, kind in settings.attributes(described).items() if ":" in name}
    return {
        "pool": described["Id"],
        "attributes": custom,
        "username_attributes": sorted(described.get("UsernameAttributes") or ()),
        "mfa": described.get("MfaConfiguration", "OFF"),
    }


def _name(ctx: Observe, target: Mapping[str, Any] | None) -> str:
    if target is not None:
        return str(target.get("Name", target["Id"]))
    return silo_name(ctx) if ctx.plan.target.identity is Identity.SILO else spec_of(ctx).setting


def _change(sign: Sign, kind: str, name: str, detail: str = "", *, step: str = "port_identity") -> Change:
    return Change(step=step, sign=sign, kind=kind, name=name, detail=detail)
