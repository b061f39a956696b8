"""`init --discover`, the looking: what of an estate can be seen from outside, by clients that cannot write.

Items are read to tell patterns and attribute names from them, a page of each table; none of their values is kept but
tenant ids, tier names and names of tables, pools and settings.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from portability import errors
from portability.aws.session import Aws
from portability.cli.survey_stores import DataTable, StoreSeen, key_names, stores_of
from portability.model.tenant import TENANT_ID, slug

T = TypeVar("T")

PAGE = 200
"""Items read of a table, at most."""

ROLES: dict[str, tuple[str, ...]] = {
    "tier": ("tenanttier", "tier"),
    "user_pool": ("userpoolid",),
    "client": ("appclientid", "clientid"),
    "api_key": ("apikey",),
    "url": ("apigatewayurl", "apiurl"),
    "dedicated": ("dedicatedtenancy", "dedicated"),
    "active": ("isactive", "active"),
}
"""Fields of `directory`, and the names their attributes go by, in lower case without underscores."""


@dataclass(frozen=True)
class Row:
    """A tenant's directory record, as far as a draft needs it."""

    tier: str
    dedicated: bool
    pool_id: str | None
    key_digest: str | None
    others: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class DirectorySeen:
    """The tenant directory: `roles` are fields of `directory` and the attributes that carry them."""

    table: str
    key: str
    roles: Mapping[str, str]
    inside: Mapping[str, tuple[str, ...]]  # attribute with a JSON string -> the attributes that live in it
    tenants: Mapping[str, Row]
    also: tuple[str, ...]  # other tables that could be the directory


@dataclass(frozen=True)
class MappingSeen:
    """The tenant to stack table."""

    table: str
    key: str
    stack: str
    pooled_row: str | None
    name: str | None  # the template, where a tenant's own stack shows it


@dataclass(frozen=True)
class UsersSeen:
    """The shared user pool and what leads to it; None where nothing was seen."""

    pool_id: str
    settings_table: str | None
    setting_key: str
    setting_value: str
    setting: str
    client_setting: str | None
    mapping_table: str | None
    tenant_attribute: str | None
    tier_attribute: str | None
    grouped: bool  # groups are named by tenant ids
    silo_pool: str | None  # the template, where a tenant's own pool shows it


@dataclass(frozen=True)
class TierSeen:
    """A tier that tenants are in. `model` is pool or silo, `identity` pool, silo or none, as most of them have it."""

    model: str
    identity: str
    tenants: int
    usage_plan: str | None


@dataclass(frozen=True)
class Survey:
    """Everything that was seen."""

    account: str
    region: str
    journal: str | None
    directory: DirectorySeen
    mapping: MappingSeen | None
    users: UsersSeen | None
    tiers: Mapping[str, TierSeen]
    idle_plans: tuple[str, ...]  # usage plans that no tier is named after
    api_keys: str
    api_key_parameter: str | None
    placement: str | None  # the directory's attribute that names a pool
    stores: tuple[StoreSeen, ...]
    archive: str | None  # a bucket whose name says that it is for archives
    unclaimed: tuple[str, ...]
    unseen: tuple[str, ...]  # what could not be looked at, and why


def survey(aws: Aws) -> Survey:
    """Look at everything once. Raises `Refused` where there is no directory, or no shared table."""
    return _Look(aws).all()


class _Look:
    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.dynamo = aws.dynamodb()
        self.unseen: list[str] = []
        self.described = {name: self.dynamo.describe(name) or {} for name in self.dynamo.tables()}
        self.keys = {name: key_names(described) for name, described in self.described.items()}
        self.claimed: set[str] = set()

    def all(self) -> Survey:
        account = self.aws.sts().account()
        journal = self._journal()
        directory = self._directory()
        mapping = self._mapping(directory)
        users = self._users(directory)
        stores = stores_of(self._data_tables(), directory.tenants)
        if not stores:
            what = f"no shared table was found in {self.aws.region} whose keys hold a tenant of {directory.table}"
            raise errors.Refused(what, next="portability init, then write the estate file by hand")
        plans = {plan.name for plan in self._seen("usage plans", self.aws.apigateway().usage_plans)}
        tiers = _tiers(directory, stores, users, plans)
        keys, parameter = self._api_keys(directory, tiers)
        own = {table for store in stores for table in store.tables}
        return Survey(
            account=account,
            region=self.aws.region,
            journal=journal,
            directory=directory,
            mapping=mapping,
            users=users,
            tiers=tiers,
            idle_plans=tuple(sorted(plans - set(tiers))),
            api_keys=keys,
            api_key_parameter=parameter,
            placement=_placement(directory, {pool for store in stores for pool in store.pools}),
            stores=stores,
            archive=self._archive(),
            unclaimed=tuple(sorted(set(self.described) - self.claimed - own)),
            unseen=tuple(self.unseen),
        )

    def _seen(self, what: str, look: Callable[[], Iterable[T]]) -> list[T]:
        """What a service lists; nothing, and a word about it, where it may not be read."""
        try:
            return list(look())
        except (errors.Unauthorised, errors.AwsError) as error:
            self.unseen.append(f"{what}: {error.what}")
            return []

    def _journal(self) -> str | None:
        found = sorted(name for name, keys in self.keys.items() if keys == ("pk", "sk") and name.endswith("journal"))
        self.claimed.update(found[:1])
        return found[0] if found else None

    def _archive(self) -> str | None:
        names = self._seen("buckets", self.aws.s3().buckets)
        found = sorted(
            (name for name in names if "archive" in name), key=lambda name: ("portability" not in name, name)
        )
        return found[0] if found else None

    def _items(self, table: str) -> list[dict[str, Any]]:
        return list(self.dynamo.scan(table, limit=PAGE, consistent=False).items)

    def _by_tenant(self) -> list[str]:
        return sorted(name for name, keys in self.keys.items() if len(keys) == 1 and _folded(keys[0]) == "tenantid")

    def _directory(self) -> DirectorySeen:
        found = [seen for name in self._by_tenant() if (seen := self._read_directory(name)) is not None]
        if not found:
            what = f"no tenant directory was found in {self.aws.region}: no table has tenantId as its key and a tier"
            raise errors.Refused(what, next="portability init, then write the estate file by hand")
        best = max(found, key=lambda seen: len(seen.roles))
        self.claimed.add(best.table)
        also = tuple(seen.table for seen in found if seen is not best)
        return DirectorySeen(best.table, best.key, best.roles, best.inside, best.tenants, also)

    def _read_directory(self, table: str) -> DirectorySeen | None:
        (key,) = self.keys[table]
        rows: dict[str, dict[str, str]] = {}
        inside: dict[str, set[str]] = {}
        for item in self._items(table):
            flat, found = _flat(item)
            inside |= found
            tenant = flat.get(key, "")
            if TENANT_ID.match(tenant):
                rows[tenant] = flat
        names = {name for flat in rows.values() for name in flat}
        roles = {role: name for role, known in ROLES.items() for name in sorted(names) if _folded(name) in known}
        if "tier" not in roles:
            return None
        held = {attribute: tuple(sorted(within & set(roles.values()))) for attribute, within in inside.items()}
        tenants = {tenant: _row(flat, roles) for tenant, flat in rows.items() if roles["tier"] in flat}
        return DirectorySeen(table, key, roles, {name: some for name, some in held.items() if some}, tenants, ())

    def _mapping(self, directory: DirectorySeen) -> MappingSeen | None:
        for table in self._by_tenant():
            rows = [] if table in self.claimed else [_flat(item)[0] for item in self._items(table)]
            stacks = sorted({name for row in rows for name in row if _folded(name) in ("stackname", "stack")})
            if not stacks:
                continue
            self.claimed.add(table)
            (key,) = self.keys[table]
            own = {row[key]: row.get(stacks[0], "") for row in rows if key in row}
            strangers = sorted(set(own) - set(directory.tenants))
            names = [_template(own[tenant], tenant) for tenant in own if tenant in directory.tenants]
            return MappingSeen(
                table=table,
                key=key,
                stack=stacks[0],
                pooled_row="pooled" if "pooled" in strangers else None,
                name=next((name for name in names if name), None),
            )
        return None

    def _users(self, directory: DirectorySeen) -> UsersSeen | None:
        settings = self._settings()
        used = Counter(row.pool_id for row in directory.tenants.values() if row.pool_id and not row.dedicated)
        pool_id = settings.get("pool_id") or (used.most_common(1)[0][0] if used else None)
        if pool_id is None:
            return None
        cognito = self.aws.cognito()
        described = self._pool(pool_id)
        groups = {group.name for group in self._seen("groups", lambda: cognito.groups(pool_id))}
        schema = {str(one.get("Name")) for one in described.get("SchemaAttributes", [])}
        users = [name for name, keys in self.keys.items() if [_folded(key) for key in keys] == ["tenantid", "username"]]
        self.claimed.update(users)
        silo = None
        for tenant, row in directory.tenants.items():
            if row.pool_id is not None and row.pool_id != pool_id and silo is None:
                own = self._pool(row.pool_id)
                silo = _template(str(own.get("Name", "")), tenant)
        return UsersSeen(
            pool_id=pool_id,
            settings_table=settings.get("table"),
            setting_key=settings.get("key", ""),
            setting_value=settings.get("value", ""),
            setting=settings.get("setting", ""),
            client_setting=settings.get("client_setting"),
            mapping_table=users[0] if users else None,
            tenant_attribute=next((name for name in sorted(schema) if _folded(name) == "custom:tenantid"), None),
            tier_attribute=next((name for name in sorted(schema) if _folded(name) == "custom:tenanttier"), None),
            grouped=bool(groups & set(directory.tenants)),
            silo_pool=silo,
        )

    def _pool(self, pool_id: str) -> Mapping[str, Any]:
        found = self._seen("user pool", lambda: [self.aws.cognito().pool(pool_id)])
        return (found[0] if found else None) or {}

    def _settings(self) -> dict[str, str]:
        for table in sorted(
            name for name, keys in self.keys.items() if len(keys) == 1 and "setting" in _folded(keys[0])
        ):
            (key,) = self.keys[table]
            rows = {row[key]: row for row in (_flat(item)[0] for item in self._items(table)) if key in row}
            pools = sorted(name for name in rows if _folded(name).startswith("userpoolid"))
            clients = sorted(name for name in rows if _folded(name).startswith("appclientid"))
            values = sorted({name for row in rows.values() for name in row} - {key})
            if pools and values:
                self.claimed.add(table)
                found = {"table": table, "key": key, "value": values[0], "setting": pools[0]}
                found |= {"client_setting": clients[0]} if clients else {}
                return found | {"pool_id": rows[pools[0]].get(values[0], "")}
        return {}

    def _data_tables(self) -> list[DataTable]:
        found = []
        for name, described in self.described.items():
            if name in self.claimed or not self.keys[name]:
                continue
            page = self.dynamo.scan(name, limit=PAGE, consistent=False, keys_only=self.keys[name][:1])
            texts = [str(item[self.keys[name][0]]["S"]) for item in page.items if "S" in item[self.keys[name][0]]]
            found.append(
                DataTable(
                    name=name,
                    described=described,
                    partitions=tuple(texts),
                    ttl=self.dynamo.ttl(name),
                    consumers=lambda name=name, described=described: self._consumers(name, described),  # type: ignore[misc]
                )
            )
        return found

    def _consumers(self, table: str, described: Mapping[str, Any]) -> tuple[str, ...]:
        arn = str(described.get("TableArn", ""))
        lambdas = self._seen("event sources", lambda: self.aws.eventsources().mappings(arn))
        reading = [source.function for source in lambdas if source.state not in {"Disabled", "Deleting"}]
        names = [arn.partition(":function:")[2].partition(":")[0] or arn for arn in reading]
        return (*names, *(one.rpartition("/")[2] for one in self.dynamo.kinesis_destinations(table)))

    def _api_keys(self, directory: DirectorySeen, tiers: Mapping[str, TierSeen]) -> tuple[str, str | None]:
        digests = [row.key_digest for row in directory.tenants.values() if row.key_digest]
        if digests and len(set(digests)) == len(digests):
            return "per_tenant", None
        names = set(self._seen("parameters", self.aws.ssm().names))
        for name in sorted(names):
            for tier in tiers:
                template = name.replace(tier, "{tier}")
                if template != name and all(template.replace("{tier}", each) in names for each in tiers):
                    return "shared_per_tier", template
        return "none", None


def _tiers(
    directory: DirectorySeen, stores: Iterable[StoreSeen], users: UsersSeen | None, plans: set[str]
) -> dict[str, TierSeen]:
    alone = {tenant for store in stores for tenant in store.siloed}
    found: dict[str, list[tuple[str, str]]] = {}
    for tenant, row in directory.tenants.items():
        model = "silo" if row.dedicated or tenant in alone else "pool"
        identity = "none" if users is None else "pool" if row.pool_id in (None, users.pool_id) else "silo"
        found.setdefault(row.tier, []).append((model, identity))
    tiers = {}
    for tier, seen in sorted(found.items()):
        (model, identity), _ = Counter(seen).most_common(1)[0]
        tiers[tier] = TierSeen(model, identity, len(seen), tier if tier in plans else None)
    return tiers


def _placement(directory: DirectorySeen, pools: set[str]) -> str | None:
    """The attribute whose every value is the name of a pool."""
    values: dict[str, set[str]] = {}
    for row in directory.tenants.values():
        for name, value in row.others.items():
            values.setdefault(name, set()).add(value)
    return next((name for name, seen in sorted(values.items()) if seen and seen <= pools), None)


def _flat(item: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, set[str]]]:
    """An item's text attributes, those inside a JSON string too; and which JSON string holds which."""
    flat, inside = {}, {}
    for name, value in item.items():
        if "BOOL" in value:
            flat[name] = str(value["BOOL"]).lower()
        if "S" not in value:
            continue
        text = str(value["S"])
        flat[name] = text
        if text.startswith("{"):
            try:
                held = json.loads(text)
            except ValueError:
                continue
            del flat[name]
            inside[name] = set(held)
            flat |= {key: within for key, within in held.items() if isinstance(within, str)}
    return flat, inside


def _row(flat: Mapping[str, str], roles: Mapping[str, str]) -> Row:
    def told(role: str) -> str | None:
        return flat.get(roles[role]) if role in roles else None

    key = told("api_key")
    return Row(
        tier=flat[roles["tier"]],
        dedicated=(told("dedicated") or "").lower() == "true",
        pool_id=told("user_pool"),
        key_digest=hashlib.sha256(key.encode()).hexdigest() if key else None,
        others={name: value for name, value in flat.items() if name not in roles.values()},
    )


def _template(name: str, tenant: str) -> str | None:
    return name.replace(slug(tenant), "{slug}") if name and slug(tenant) in name else None


def _folded(name: str) -> str:
    return name.replace("_", "").lower()
