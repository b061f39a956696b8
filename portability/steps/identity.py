"""Where a tenant's users live: which pool, on which side of a move, and which of its users and groups are theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portability import errors
from portability.aws import cognito_settings as settings
from portability.aws.cognito import Cognito, User
from portability.model.estate import Cognito as CognitoSpec
from portability.model.estate import Identity
from portability.model.plan import Location
from portability.model.run import RunView
from portability.model.tenant import slug
from portability.steps.base import Observe, Output
from portability.steps.directory import DirectoryRecord, directory_of

LEGACY = "custom:legacySub"
"""The user's first `sub`, kept in pools that this tool makes: set at creation, unchangeable after."""

LEGACY_SCHEMA = {"Name": LEGACY, "AttributeDataType": "String", "Mutable": False, "Required": False}

RUN_TAG, TENANT_TAG = "portability:run", "portability:tenant"

USER_PAGE = "user page"
"""The kind of intent that says, as marks, which users a page is about to create."""


@dataclass(frozen=True)
class Home:
    """One side's user pool. In a `shared` one the tenant's users are those of `group`, and nobody else is touched."""

    cognito: Cognito = field(repr=False)
    pool: str
    client: str | None
    shared: bool
    tier: str
    group: str
    schema: Mapping[str, Mapping[str, Any]] = field(repr=False)
    logins: tuple[str, ...] = ()  # attributes that stand for the username, where the pool makes usernames itself
    folded: bool = False  # usernames are told apart without regard to case
    mfa: bool = False
    minimum_password: int = 8

    def login(self, user: User) -> str:
        """What a user is created and found by in this pool."""
        return next((user.attributes[name] for name in self.logins if user.attributes.get(name)), user.username)

    def key(self, user: User) -> str:
        """`login`, as this pool tells one from another."""
        return self.login(user).lower() if self.folded else self.login(user)

    def page(self, token: str | None) -> tuple[list[User], str | None]:
        """One page of the tenant's users; none where the shared pool has no group of theirs."""
        if not self.shared:
            return self.cognito.users(self.pool, token)
        try:
            return self.cognito.users_in_group(self.pool, self.group, token)
        except errors.NotFound:
            return [], None

    @property
    def groupless(self) -> bool:
        """Whether a shared pool has no group of this tenant: then nothing tells whose its users are."""
        return self.shared and self.cognito.group(self.pool, self.group) is None


def spec_of(ctx: Observe) -> CognitoSpec:
    """The estate's Cognito section. Raises `UnknownName` where users should move and there is none."""
    if ctx.estate.cognito is None:
        msg = "this move takes users along, and the estate has no `cognito` section"
        raise errors.UnknownName(msg, next="describe the shared user pool under `cognito:` in the estate")
    return ctx.estate.cognito


def moves(ctx: Observe) -> bool:
    """Whether users go from one pool to another."""
    return ctx.plan.moves_identity and Identity.NONE not in (ctx.plan.source.identity, ctx.plan.target.identity)


def group_of(ctx: Observe) -> str:
    """The name of the tenant's group in the shared pool."""
    return spec_of(ctx).group.format(tenant=ctx.plan.tenant, slug=slug(ctx.plan.tenant))


def silo_name(ctx: Observe) -> str:
    """The name of the tenant's own pool."""
    return spec_of(ctx).silo_pool.format(tenant=ctx.plan.tenant, slug=slug(ctx.plan.tenant))


def cognito_at(ctx: Observe, location: Location) -> Cognito:
    """The Cognito client of a side."""
    return ctx.aws.cognito(region=location.region, role=location.role)


def shared_ids(ctx: Observe) -> tuple[str | None, str | None]:
    """Pool id and client id of the shared pool: from the estate, else from its settings table; None where unnamed."""
    spec = spec_of(ctx)
    return spec.pool_id or setting(ctx, spec.setting), spec.client_id or setting(ctx, spec.client_setting)


def setting(ctx: Observe, name: str) -> str | None:
    """A value of the settings table, strongly consistent; None without table or row."""
    spec = ctx.estate.cognito
    if spec is None or spec.settings_table is None:
        return None
    region = ctx.estate.directory_region
    row = ctx.aws.dynamodb(region=region).get(spec.settings_table, {spec.setting_key: {"S": name}})
    value = None if row is None else row.get(spec.setting_value, {}).get("S")
    return None if value is None else str(value)


def ids_at_source(ctx: Observe, record: DirectoryRecord | None) -> tuple[str | None, str | None]:
    """Pool id and client id where the users are before the flip."""
    if ctx.plan.source.identity is Identity.POOL:
        return shared_ids(ctx)
    return (None, None) if record is None else (record.user_pool, record.client)


def our_pools(ctx: Observe, run: str | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Pools that bear the silo's name: those that are this tenant's, and those that are somebody else's.

    A pool is the tenant's by its tags. With `provision: {with: adopt}` the operator's own stack makes it, so an
    untagged one counts as well.
    """
    cognito = cognito_at(ctx, ctx.plan.target)
    adopt = ctx.estate.tiers[ctx.plan.target.tier].provision.with_ == "adopt"
    ours: list[dict[str, Any]] = []
    foreign: list[dict[str, Any]] = []
    for pool in cognito.pools_named(silo_name(ctx)):
        tags = pool.get("UserPoolTags", {})
        named = tags.get(TENANT_TAG)
        mine = named == ctx.plan.tenant or (run is not None and tags.get(RUN_TAG) == run)
        (ours if mine or (adopt and named is None) else foreign).append(pool)
    return ours, foreign


def home(ctx: Observe, location: Location, pool: str, client: str | None, described: Mapping[str, Any]) -> Home:
    """A side's home from its described pool."""
    policy = described.get("Policies", {}).get("PasswordPolicy", {})
    return Home(
        cognito=cognito_at(ctx, location),
        pool=pool,
        client=client,
        shared=location.identity is Identity.POOL,
        tier=location.tier,
        group=group_of(ctx),
        schema=settings.attributes(described),
        logins=tuple(described.get("UsernameAttributes") or ()),
        folded=described.get("UsernameConfiguration", {}).get("CaseSensitive") is False,
        mfa=described.get("MfaConfiguration", "OFF") != "OFF",
        minimum_password=int(policy.get("MinimumLength", 8)),
    )


def homes(ctx: Observe, ported: Output) -> tuple[Home, Home]:
    """Source and target, from what `port_identity` left. Raises `Mismatch` where a pool is gone."""
    plan = ctx.plan
    found = []
    for location, pool, client in (
        (plan.source, ported["source_pool_id"], ported.get("source_client_id")),
        (plan.target, ported["pool_id"], ported.get("client_id")),
    ):
        described = cognito_at(ctx, location).pool(pool)
        if described is None:
            msg = f"the user pool {pool} of {plan.tenant} is gone"
            raise errors.Mismatch(msg, next=f"portability status {plan.tenant}")
        found.append(home(ctx, location, pool, client, described))
    return found[0], found[1]


def mark(run: str, pool: str, login: str) -> str:
    """A user in the journal: a hash that only this run, for this pool, makes of a login."""
    return hashlib.sha256(f"{run}\0{pool}\0{login.lower()}".encode()).hexdigest()[:24]


def created_marks(view: RunView, pool: str) -> set[str]:
    """Marks of the users that this run meant to create in a pool, from its intents."""
    found: set[str] = set()
    for change, existed in view.intents():
        if change.kind == USER_PAGE and not existed and change.after and change.after.get("pool") == pool:
            found.update(change.after["marks"])
    return found


@dataclass
class Groups:
    """Which groups of a shared pool belong to other tenants: those the pattern reads as a tenant of the directory."""

    ctx: Observe
    _known: dict[str, bool] = field(default_factory=dict)

    def foreign(self, names: Sequence[str]) -> list[str]:
        """The groups of other tenants among `names`."""
        return [name for name in names if self._is_foreign(name)]

    def _is_foreign(self, name: str) -> bool:
        if name not in self._known:
            tenant = self._tenant_of(name)
            self._known[name] = (
                tenant not in (None, self.ctx.plan.tenant) and directory_of(self.ctx).read(str(tenant)) is not None
            )
        return self._known[name]

    def _tenant_of(self, name: str) -> str | None:
        before, _, after = spec_of(self.ctx).group.partition("{tenant}")
        fits = name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)
        return name[len(before) : len(name) - len(after)] if fits else None
