"""What exists: accounts, directory, tiers, stores, identity, fence. One file, `plans/estate.yaml`.

The comment on each field is its text in the generated reference page; `Meta(description=…)` is what an error says was
expected of a field's text.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from portability.model.tenant import slug

Name = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}\Z", description="a name of letters, digits and _ . @ -")
]
Word = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,512}\Z", description="one line of text")]
TableName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.-]{3,255}\Z", description="a table name: 3 to 255 letters, digits and _ . -")
]
TableTemplate = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.{}-]{3,255}\Z", description="a table name, with a placeholder in braces")
]
StackTemplate = Annotated[str, Meta(pattern=r"^[A-Za-z0-9{}-]{1,128}\Z", description="a stack name, with {slug} in it")]
Region = Annotated[str, Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}\Z", description="a region such as us-east-1")]
Role = Annotated[
    str,
    Meta(
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,128}\Z",
        description="a role ARN such as arn:aws:iam::123456789012:role/portability",
    ),
]
Duration = Annotated[
    str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h|d)\Z", description="a duration: 500ms, 5s, 10m, 24h, 7d")
]
AttributeTypes = Annotated[
    str,
    Meta(
        pattern=r"^(S|N|B|BOOL|SS|NS|BS|L|M)( (S|N|B|BOOL|SS|NS|BS|L|M))*\Z",
        description="types: one or several of S N B BOOL SS NS BS L M, with a space between",
    ),
]
TenantName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:@-]{1,128}\Z", description="a tenant id")]

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

    # accounts whose credentials may run a move
    allowed: list[Annotated[str, Meta(pattern=r"^[0-9]{12}\Z", description="an account: 12 digits, in quotes")]]
    regions: list[Region]  # regions a placement, the journal or the directory may be in; the first is the home region


class JournalTable(Value, frozen=True, kw_only=True):
    """Where runs are journaled, and how long a silent holder keeps its lease."""

    table: TableName  # the journal table, made by `portability init`
    lease: Duration = "60s"  # how long a holder that gives no sign of life keeps a run
    beat: Duration = "10s"  # how often a holder gives a sign of life; a lease lasts at least three beats
    horizon: Duration = "30s"  # how late a write of a process that died on this host may still land
    far_horizon: Duration = "16m"  # the same where the old holder may live elsewhere: signature life plus skew
    region: Region | None = None  # default: the first of accounts.regions


class Directory(Value, frozen=True, kw_only=True):
    """The tenant directory: the record the application routes by. Values name attributes of the record."""

    table: TableName  # the directory table
    key: Name = "tenantId"  # its partition key, the tenant id
    tier: Name = "tenantTier"  # carries the tier's name
    user_pool: Name | None = "userPoolId"  # carries the user pool's id
    client: Name | None = "appClientId"  # carries the app client's id
    api_key: Name | None = "apiKey"  # carries the API key's value, read at the flip and never kept
    url: Name | None = "apiGatewayUrl"  # carries the URL the tenant's front end calls
    dedicated: Name | None = "dedicatedTenancy"  # the *string* true or false, as the reference writes it
    placement: Name | None = None  # carries the tenant's placement where a tier has several; absent means default
    active: Name | None = "isActive"  # carries whether the tenant is active
    stores: dict[str, Name] = {}  # store -> the attribute that carries its table name
    json: dict[str, list[Name]] = {}  # attribute holding a JSON string -> the attributes above that live inside it
    region: Region | None = None  # default: the first of accounts.regions
    cache: Duration = "5s"  # how long the application may act on a record it has read, its longest request included


class StackMapping(Value, frozen=True, kw_only=True):
    """The tenant to stack table; the row `pooled_row` stands for every pooled tenant."""

    table: TableName  # the table that maps tenants to stacks
    key: Name = "tenantId"  # its partition key, the tenant id
    stack: Name = "stackName"  # carries the stack's name
    pooled_row: Name = "pooled"  # the key of the row that stands for every pooled tenant
    # the name of a tenant's own stack; {slug} is the tenant id made fit for resource names
    name: StackTemplate = "stack-{slug}"


class Placement(Value, frozen=True, kw_only=True):
    """One place where a tier's tenants live."""

    region: Region | None = None  # default: the first of accounts.regions
    role: Role | None = None  # ARN assumed for every call there
    pool: Name = "pooled"  # fills {pool} in a store's pool table name


class Provision(Value, frozen=True, kw_only=True):
    """How a silo target comes to be."""

    # adopt: your own IaC makes it and the plan waits for it; clone: made like the pooled one
    with_: Literal["adopt", "clone"] = msgspec.field(name="with", default="clone")


class Identity(enum.StrEnum):
    """Where a tier's users live."""

    POOL = "pool"
    SILO = "silo"
    NONE = "none"


class Tier(Value, frozen=True, kw_only=True):
    """A service level."""

    model: Model  # where its data lives: pool (shared tables), bridge, or silo (the tenant's own tables)
    identity: Identity = Identity.POOL  # where its users live: pool (shared user pool), silo (their own), none
    usage_plan: Word | None = None  # name of the API Gateway usage plan a tenant's key belongs to
    provision: Provision = Provision()  # how a silo target comes to be
    # where its tenants live; `--to basic@pool-b` names one
    placements: dict[Name, Placement] = msgspec.field(default_factory=lambda: {"default": Placement()})


class Suffixes(Value, frozen=True, kw_only=True):
    """The range of suffixes the application draws from, ends included."""

    # [lowest, highest], ends included
    default: tuple[Annotated[int, Meta(ge=0, le=1_000_000)], Annotated[int, Meta(ge=0, le=1_000_000)]]
    table: TableName | None = None  # a mapping table with a row per tenant, if there is one
    key: Name = "tenantId"  # that table's partition key, the tenant id
    low: Name = "suffixStart"  # carries the lowest suffix
    high: Name = "suffixEnd"  # carries the highest suffix


class Enumerate(Value, frozen=True, kw_only=True):
    """How keys with a free part are listed: through a GSI (named) or a scan."""

    gsi: Name | None = None  # the index that lists a tenant's keys
    attribute: Name | None = None  # the GSI's partition key, equal to the tenant id
    scan: bool = False  # read the whole pool table instead, where no index lists a tenant's keys


class TenantKey(Value, frozen=True, kw_only=True):
    """How the tenant is found in a store's keys."""

    in_: Literal["partition_key"] = msgspec.field(name="in", default="partition_key")  # where the tenant id stands
    # the key: {tenant}, then {suffix} (a number from `suffixes`) or {rest} (free, see `enumerate`)
    pattern: Word = "{tenant}"
    suffixes: Suffixes | None = None  # the range of {suffix}
    enumerate: Enumerate = Enumerate()  # how the keys of a pattern with {rest} are listed


class Consumer(Value, frozen=True, kw_only=True):
    """A declared reader of a store's changes, and what it does about a move."""

    # the Lambda function or Kinesis stream, as AWS lists it; of anything else any name, for the plan to show
    name: Word
    # what you do about it, shown in the plan; nothing acts on it. attach_at_flip: you attach it to the target;
    # tolerate: it may see copy and deletion as changes; hook: a command of yours
    on_move: Literal["attach_at_flip", "tolerate", "hook"]


class Drift(Value, frozen=True, kw_only=True):
    """What becomes of a tenant's attributes on the way to the shared table. Names are those of the tenant's table."""

    rename: dict[Word, Word] = {}  # attribute -> its name in the shared table
    cast: dict[Word, Literal["S", "N"]] = {}  # attribute -> its type there
    keep: list[Word] = []  # goes as it is
    archive: list[Word] = []  # is left out there


class Attributes(Value, frozen=True, kw_only=True):
    """What becomes of a tenant's attributes when it goes from a table of its own to the shared one.

    Names are those of the tenant's own table. The way back is exact: a value that did not change comes back as it was.
    """

    # attribute -> its types in the shared table, such as S, or `S N`; keys and TTL need no line, and no other attribute
    # gets there, while the run goes on neither. Left out: learnt from a sample of the shared table, before the run
    pool: dict[Word, AttributeTypes] | None = None
    rename: dict[Word, Word] = {}  # attribute -> its name in the shared table
    cast: dict[Word, Literal["S", "N"]] = {}  # attribute -> its type there: a number as text, or text as a number
    keep: list[Word] = []  # goes as it is, although the shared table does not have it, or not with that type
    archive: list[Word] = []  # is left out there; it stays with the old copy, which `complete` archives whole
    tenants: dict[TenantName, Drift] = {}  # tenants to which other lines apply, instead of the four above

    def of(self, tenant: str) -> Drift:
        """The lines that apply to a tenant."""
        mine = Drift(rename=self.rename, cast=self.cast, keep=self.keep, archive=self.archive)
        return self.tenants.get(tenant, mine)


class StoreSpec(Value, frozen=True, kw_only=True):
    """One body of tenant data."""

    kind: Word = "dynamodb"  # the engine: dynamodb, or a kind that an installed package brings
    pool: TableTemplate  # the shared table; {pool} is the placement's pool
    silo: TableTemplate  # a tenant's own table; {slug} is the tenant id made fit for resource names
    partition_key: Name  # the tables' partition key
    sort_key: Name | None = None  # the tables' sort key, if they have one
    tenant: TenantKey = TenantKey()  # how the tenant is found in the partition key
    mapping: Literal["keep"] = "keep"  # keys stay as they are: clients hold them
    ttl: Name | None = None  # the TTL attribute, whose expired items stay outside verification
    attributes: Attributes = Attributes()  # the shared table's attributes, and what becomes of a tenant's that differ
    # every reader of the pool table's changes; an undeclared Lambda function or Kinesis destination is refused
    consumers: list[Consumer] = []
    iac: Literal["acknowledged"] | None = None  # acknowledged: a table that a stack owns may be changed (stream, TTL)
    options: dict[str, Any] = {}  # what a kind of another package is told; dynamodb takes none

    @property
    def in_dynamodb(self) -> bool:
        """Whether its tables are DynamoDB's: nothing else may be asked there about them."""
        return self.kind == "dynamodb"

    def pool_table(self, placement: Placement) -> str:
        """The pooled table's name in `placement`."""
        return self.pool.format(pool=placement.pool)

    def silo_table(self, tenant: str) -> str:
        """The name of `tenant`'s own table."""
        return self.silo.format(slug=slug(tenant))


class Cognito(Value, frozen=True, kw_only=True):
    """The shared user pool and what the tool needs to know of it."""

    settings_table: TableName | None = None  # the table that names the shared pool
    setting: Word = "userPoolId-pooled"  # the row that carries the shared pool's id
    client_setting: Word = "appClientId-pooled"  # the row that carries its app client's id
    setting_key: Name = "settingName"  # the settings table's partition key
    setting_value: Name = "settingValue"  # carries a row's value
    pool_id: Word | None = None  # the shared pool's id, where no settings table names it
    client_id: Word | None = None  # its app client's id, likewise
    group: Word = "{tenant}"  # the tenant's group in the shared pool
    silo_pool: Word = "{slug}-users"  # the name of a tenant's own pool
    tenant_attribute: Word = "custom:tenantId"  # the user attribute that carries the tenant id
    tier_attribute: Word = "custom:tenantTier"  # the user attribute that carries the tier
    mapping_table: TableName | None = None  # user mapping rows, tenantId + userName


class ApiKeys(enum.StrEnum):
    """Who has an API key."""

    PER_TENANT = "per_tenant"
    SHARED_PER_TIER = "shared_per_tier"
    NONE = "none"


class Probe(Value, frozen=True, kw_only=True):
    """The operator's own write probe: exit 0 means the write was accepted, 1 refused, else unknown."""

    hook: list[Word]  # the command as an argv list, never a shell line


class Fence(Value, frozen=True, kw_only=True):
    """How this tenant's writes are paused at cutover."""

    # epoch: the application checks the tenant's epoch with each write; directory_flag: it reads a flag it may cache
    use: list[Literal["epoch", "directory_flag"]] = msgspec.field(default_factory=lambda: ["epoch"])
    probe: Probe | None = None  # your own write probe, beside the tool's
    effective_within: Duration | None = None  # how long until no write passes; default: declared by the kind
    lifts_within: Duration | None = None  # how long until writes pass again; default: declared by the kind
    refusals: Annotated[int, Meta(ge=1, le=100)] = 3  # consecutive refused probes, over new connections, that prove it
    freeze_max: Duration = "5s"  # the longest this tenant's writes may pause; then the cutover takes itself back
    drain: Duration = "2s"  # the part of freeze_max meant for draining and comparing
    attempts: Annotated[int, Meta(ge=1, le=20)] = 3  # cutovers tried before the run parks
    tripwire: Duration = "5s"  # how long the old side is watched for late application writes after the flip
    max_in_flight: Duration | None = None  # directory_flag and re-reading applications: the longest request


class Canary(Value, frozen=True, kw_only=True):
    """Whether the tool may write items of its own, outside every tenant's keys, into data tables."""

    allowed: bool = True  # canary items prove the way back and shorten the pause; consumers see them
    partition_key: Name = "portability-canary"  # what their partition keys begin with


class Archive(Value, frozen=True, kw_only=True):
    """Where `complete` puts the verified archive of the old copy."""

    bucket: Word  # an S3 bucket
    prefix: Word = "portability/"  # what the objects' keys begin with


class Hooks(Value, frozen=True, kw_only=True):
    """Hooks run only where the operator's own configuration says so."""

    enabled: bool = False  # let recipes run the commands they name, with a scrubbed environment


class Estate(Value, frozen=True, kw_only=True):
    """The whole file."""

    apiVersion: Literal["portability/v1"]  # noqa: N815 - the version of this format
    kind: Literal["Estate"]  # tells an estate from a recipe
    name: Name = "estate"  # shown above every plan
    accounts: Accounts  # the accounts and regions the tool may touch
    journal: JournalTable  # where runs are journaled
    directory: Directory  # the tenant directory the application routes by
    stack_mapping: StackMapping | None = None  # the tenant to stack table, where there is one
    api_keys: ApiKeys = ApiKeys.NONE  # per_tenant, shared_per_tier, or none
    api_key_parameter: Word | None = None  # SSM parameter of a tier's shared key, with {tier}
    cognito: Cognito | None = None  # the shared user pool; left out: no users to move
    tiers: dict[Name, Tier]  # the service levels, by name
    stores: dict[Name, StoreSpec]  # the bodies of tenant data, by name
    fence: Fence = Fence()  # how this tenant's writes are paused at cutover
    canary: Canary = Canary()  # whether the tool may write items of its own
    archive: Archive | None = None  # where the old copy is archived; no plan without it, unless the recipe makes none
    hooks: Hooks = Hooks()  # whether recipes may run commands
    soak: Duration = "24h"  # how long the old side is kept current after the flip
    retries: Annotated[int, Meta(ge=1, le=50)] = 8  # attempts of one AWS call that was throttled or met a 5xx
    recipes: Word = "."  # directory of the recipes, relative to this file; a missing pair comes from the tool's own

    @property
    def home_region(self) -> str:
        """The region of what names none."""
        return self.accounts.regions[0]

    @property
    def directory_region(self) -> str:
        """The region of the tenant directory, and of what an application keeps beside it."""
        return self.directory.region or self.home_region

    @property
    def journal_region(self) -> str:
        """The region of the journal."""
        return self.journal.region or self.home_region

    def kept_in(self, region: str) -> Estate:
        """The same estate with journal and directory in `region`, where the file names none."""
        return msgspec.structs.replace(
            self,
            journal=msgspec.structs.replace(self.journal, region=self.journal.region or region),
            directory=msgspec.structs.replace(self.directory, region=self.directory.region or region),
        )
