"""What exists: accounts, directory, tiers, stores, identity, fence. One file, `plans/estate.yaml`.

Every field's docstring-like comment is the text of the generated reference page.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from portability.model.tenant import slug

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$")]
TableName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.{}-]{3,255}$")]
Duration = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$")]

_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """`500ms`, `5s`, `10m`, `24h`, `7d` in seconds."""
    for unit in ("ms", "s", "m", "h", "d"):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * _UNIT[unit]
    msg = f"not a duration: {text!r}"
    raise ValueError(msg)


class Model(enum.StrEnum):
    """How a tier keeps its tenants."""

    POOL = "pool"
    BRIDGE = "bridge"
    SILO = "silo"


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every declared value: frozen, keyword-only, no unknown field."""


class Accounts(Value, frozen=True, kw_only=True):
    """The accounts and regions the tool may touch; anything else is refused before any write."""

    allowed: list[Annotated[str, Meta(pattern=r"^[0-9]{12}$")]]
    regions: list[str]


class JournalTable(Value, frozen=True, kw_only=True):
    """Where runs are journaled, and how long a silent holder keeps its lease."""

    table: TableName
    lease: Duration = "60s"
    beat: Duration = "10s"
    horizon: Duration = "30s"  # how late a write of a process that died on this host may still land
    far_horizon: Duration = "16m"  # the same where the old holder may live elsewhere: signature life plus skew
    region: str | None = None  # default: the first of accounts.regions


class Directory(Value, frozen=True, kw_only=True):
    """The tenant directory: the record the application routes by. Values name attributes of the record."""

    table: TableName
    key: Name = "tenantId"
    tier: Name = "tenantTier"
    user_pool: Name | None = "userPoolId"
    client: Name | None = "appClientId"
    api_key: Name | None = "apiKey"
    url: Name | None = "apiGatewayUrl"
    dedicated: Name | None = "dedicatedTenancy"  # the *string* true or false, as the reference writes it
    placement: Name | None = None  # names the tenant's pool where a tier has several; absent means default
    active: Name | None = "isActive"
    stores: dict[str, Name] = {}  # store -> attribute that carries its table name
    json: dict[str, list[Name]] = {}  # attribute holding a JSON string -> the fields above that live inside it
    region: str | None = None
    cache: Duration = "1s"  # how long the application may act on a record it has read


class StackMapping(Value, frozen=True, kw_only=True):
    """The tenant to stack table; the row `pooled_row` stands for every pooled tenant."""

    table: TableName
    key: Name = "tenantId"
    stack: Name = "stackName"
    pooled_row: Name = "pooled"
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9{}-]+$")] = "stack-{slug}"


class Placement(Value, frozen=True, kw_only=True):
    """One place where a tier's tenants live."""

    region: str | None = None
    role: str | None = None  # ARN assumed for every call there
    pool: Name = "pooled"  # fills {pool} in a store's pool table name


class Provision(Value, frozen=True, kw_only=True):
    """How a silo target comes to be."""

    with_: Literal["adopt", "clone"] = msgspec.field(name="with", default="clone")


class Identity(enum.StrEnum):
    """Where a tier's users live."""

    POOL = "pool"
    SILO = "silo"
    NONE = "none"


class Tier(Value, frozen=True, kw_only=True):
    """A service level."""

    model: Model
    identity: Identity = Identity.POOL
    usage_plan: str | None = None
    provision: Provision = Provision()
    placements: dict[Name, Placement] = msgspec.field(default_factory=lambda: {"default": Placement()})


class Suffixes(Value, frozen=True, kw_only=True):
    """The range of suffixes the application draws from, ends included."""

    default: tuple[int, int]
    table: TableName | None = None  # a mapping table with a row per tenant, if there is one
    key: Name = "tenantId"
    low: Name = "suffixStart"
    high: Name = "suffixEnd"


class Enumerate(Value, frozen=True, kw_only=True):
    """How keys with a free part are listed: through a GSI (named) or a scan."""

    gsi: Name | None = None
    attribute: Name | None = None  # the GSI's partition key, equal to the tenant id


class TenantKey(Value, frozen=True, kw_only=True):
    """How the tenant is found in a store's keys."""

    in_: Literal["partition_key"] = msgspec.field(name="in", default="partition_key")
    pattern: Annotated[str, Meta(pattern=r"\{tenant\}")] = "{tenant}"
    suffixes: Suffixes | None = None
    enumerate: Enumerate = Enumerate()


class Consumer(Value, frozen=True, kw_only=True):
    """A declared reader of a store's changes, and what it does about a move."""

    name: str
    on_move: Literal["attach_at_flip", "tolerate", "hook"]


class StoreSpec(Value, frozen=True, kw_only=True):
    """One body of tenant data."""

    kind: Literal["dynamodb"] = "dynamodb"
    pool: TableName
    silo: TableName
    partition_key: Name
    sort_key: Name | None = None
    tenant: TenantKey = TenantKey()
    mapping: Literal["keep"] = "keep"
    ttl: Name | None = None  # the TTL attribute, whose expired items stay outside verification
    consumers: list[Consumer] = []
    iac: Literal["acknowledged"] | None = None

    def pool_table(self, placement: Placement) -> str:
        """The pooled table's name in `placement`."""
        return self.pool.format(pool=placement.pool)

    def silo_table(self, tenant: str) -> str:
        """The name of `tenant`'s own table."""
        return self.silo.format(slug=slug(tenant))


class Cognito(Value, frozen=True, kw_only=True):
    """The shared user pool and what the tool needs to know of it."""

    settings_table: TableName | None = None  # the table that names the shared pool
    setting: str = "userPoolId-pooled"
    client_setting: str = "appClientId-pooled"
    setting_key: Name = "settingName"
    setting_value: Name = "settingValue"
    pool_id: str | None = None  # or named here
    client_id: str | None = None
    group: str = "{tenant}"  # the tenant's group in the shared pool
    silo_pool: str = "{slug}-users"
    tenant_attribute: str = "custom:tenantId"
    tier_attribute: str = "custom:tenantTier"
    mapping_table: TableName | None = None  # user mapping rows, tenantId + userName


class ApiKeys(enum.StrEnum):
    """Who has an API key."""

    PER_TENANT = "per_tenant"
    SHARED_PER_TIER = "shared_per_tier"
    NONE = "none"


class Probe(Value, frozen=True, kw_only=True):
    """The operator's own write probe: exit 0 means the write was accepted, 1 refused, else unknown."""

    hook: list[str]


class Fence(Value, frozen=True, kw_only=True):
    """How this tenant's writes are paused at cutover."""

    use: list[Literal["epoch", "directory_flag"]] = ["epoch"]
    probe: Probe | None = None
    effective_within: Duration | None = None  # default: declared by the kind
    lifts_within: Duration | None = None
    refusals: Annotated[int, Meta(ge=1, le=100)] = 3
    freeze_max: Duration = "5s"
    drain: Duration = "2s"  # the part of freeze_max meant for draining and comparing
    attempts: Annotated[int, Meta(ge=1, le=20)] = 3
    tripwire: Duration = "5s"  # credential lifetime plus settle: how long a late application write is watched for
    max_in_flight: Duration | None = None  # directory_flag and re-reading applications: the longest request


class Canary(Value, frozen=True, kw_only=True):
    """Whether the tool may write items of its own, outside every tenant's keys, into data tables."""

    allowed: bool = True
    partition_key: Name = "portability-canary"


class Archive(Value, frozen=True, kw_only=True):
    """Where `complete` puts the verified archive of the old copy."""

    bucket: str
    prefix: str = "portability/"


class Hooks(Value, frozen=True, kw_only=True):
    """Hooks run only where the operator's own configuration says so."""

    enabled: bool = False


class Estate(Value, frozen=True, kw_only=True):
    """The whole file."""

    apiVersion: Literal["portability/v1"]  # noqa: N815 - the file's own spelling
    kind: Literal["Estate"]
    name: Name = "estate"
    accounts: Accounts
    journal: JournalTable
    directory: Directory
    stack_mapping: StackMapping | None = None
    api_keys: ApiKeys = ApiKeys.NONE
    api_key_parameter: str | None = None  # SSM parameter of a tier's shared key, with {tier}
    cognito: Cognito | None = None
    tiers: dict[Name, Tier]
    stores: dict[Name, StoreSpec]
    fence: Fence = Fence()
    canary: Canary = Canary()
    archive: Archive | None = None
    hooks: Hooks = Hooks()
    soak: Duration = "24h"
    retries: Annotated[int, Meta(ge=1, le=50)] = 8
    recipes: str = "."  # directory of the recipes, relative to this file

    @property
    def home_region(self) -> str:
        """The region of journal and directory."""
        return self.accounts.regions[0]
