"""What must hold between the fields of an estate. Each check yields (path, text)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from portability.model.estate import ApiKeys, Estate, Identity, Model, StoreSpec, Tier, seconds
from portability.model.tenant import TENANT_ID
from portability.plan.check_attributes import check_attributes
from portability.plan.document import Path, shown
from portability.plan.shape import suggestion
from portability.steps.fence import catalog as fences
from portability.stores import catalog

Problems = Iterator[tuple[Path, str]]

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_MAX_SUFFIXES = 10_000
BEATS = 3
"""How many beats a lease lasts at least: one may be late, one lost."""


def check_estate(estate: Estate) -> Problems:
    """Every problem between fields; the shape is right already."""
    yield from _accounts(estate)
    yield from _journal(estate)
    yield from _directory(estate)
    yield from _names(estate)
    yield from _tiers(estate)
    for name, store in estate.stores.items():
        yield from _kind(("stores", name), store)
        yield from _tables(("stores", name), store)
        yield from _tenant(("stores", name, "tenant"), store)
        yield from check_attributes(("stores", name, "attributes"), store)
    yield from _stores(estate)
    yield from _fence(estate)


def _accounts(estate: Estate) -> Problems:
    for name in ("allowed", "regions"):
        if not getattr(estate.accounts, name):
            yield ("accounts", name), "at least one is needed"


def _region(estate: Estate, path: Path, region: str | None) -> Problems:
    regions = estate.accounts.regions
    if region is not None and region not in regions:
        yield path, f"{region} is not among accounts.regions{suggestion(region, regions)}"


def _journal(estate: Estate) -> Problems:
    journal = estate.journal
    lease, beat = seconds(journal.lease), seconds(journal.beat)
    if beat <= 0:
        yield ("journal", "beat"), "must be longer than nothing"
    elif lease < BEATS * beat:
        yield ("journal", "lease"), f"{journal.lease} is shorter than {BEATS} beats of {journal.beat}"
    if seconds(journal.far_horizon) < seconds(journal.horizon):
        yield ("journal", "far_horizon"), f"{journal.far_horizon} is shorter than horizon, {journal.horizon}"
    yield from _region(estate, ("journal", "region"), journal.region)


def _directory(estate: Estate) -> Problems:
    directory = estate.directory
    yield from _region(estate, ("directory", "region"), directory.region)
    for store in directory.stores:
        if store not in estate.stores:
            yield ("directory", "stores", store), f"there is no store {shown(store)}{suggestion(store, estate.stores)}"
    named = {
        directory.tier, directory.user_pool, directory.client, directory.api_key, directory.url, directory.dedicated,
        directory.placement, directory.active, *directory.stores.values(),
    }  # fmt: skip
    attributes = {name for name in named if name is not None}
    where: dict[str, str] = {}
    for attribute, inside in directory.json.items():
        if attribute in attributes or attribute == directory.key:
            yield ("directory", "json", attribute), "holds JSON, and cannot carry a field itself"
        for index, name in enumerate(inside):
            path: Path = ("directory", "json", attribute, index)
            if name not in attributes:
                yield path, f"no field above names the attribute {shown(name)}{suggestion(name, attributes)}"
            if name in where:
                yield path, f"{shown(name)} lives in {where[name]} already"
            where.setdefault(name, attribute)


def _names(estate: Estate) -> Problems:
    """Placeholders of everything that is a pattern for names."""
    if estate.stack_mapping is not None:
        yield from _template(("stack_mapping", "name"), estate.stack_mapping.name, {"slug", "tenant"}, one=True)
    if estate.cognito is not None:
        yield from _template(("cognito", "group"), estate.cognito.group, {"slug", "tenant"}, one=True)
        yield from _template(("cognito", "silo_pool"), estate.cognito.silo_pool, {"slug", "tenant"}, one=True)
    elif any(tier.identity is Identity.SILO for tier in estate.tiers.values()):
        yield ("tiers",), "a tier has identity silo: `cognito` must name the shared user pool"
    if estate.api_key_parameter is not None:
        yield from _template(("api_key_parameter",), estate.api_key_parameter, {"tier"}, one=True)
    elif estate.api_keys is ApiKeys.SHARED_PER_TIER:
        yield ("api_keys",), "shared_per_tier needs `api_key_parameter`, such as /saas/api-keys/{tier}"


def _template(path: Path, text: str, allowed: set[str], *, one: bool) -> Problems:
    """`one`: a name without any placeholder would be the same for every tenant."""
    found = _PLACEHOLDER.findall(text)
    if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
        yield path, f"{shown(text)} has a brace without its partner"
    for name in sorted({name for name in found if name not in allowed}):
        yield path, f"{shown('{' + name + '}')} means nothing here; known: {_braced(allowed)}"
    if one and not allowed.intersection(found):
        yield path, f"{shown(text)} needs {_braced(allowed, ' or ')}: without it every name would be the same"


def _braced(names: set[str], between: str = ", ") -> str:
    return between.join(f"{{{name}}}" for name in sorted(names))


def _tiers(estate: Estate) -> Problems:
    if not estate.tiers:
        yield ("tiers",), "at least one is needed"
    for name, tier in estate.tiers.items():
        path = ("tiers", name)
        if "@" in name:
            yield path, "a tier's name may not contain @: `--to tier@placement` could not be read"
        if not tier.placements:
            yield (*path, "placements"), "at least one is needed; leave the key out for one called default"
        for placement_name, placement in tier.placements.items():
            here = (*path, "placements", placement_name)
            if "@" in placement_name:
                yield here, "a placement's name may not contain @"
            yield from _region(estate, (*here, "region"), placement.region)
            if placement.role is not None and placement.role.split(":")[4] not in estate.accounts.allowed:
                yield (*here, "role"), "the role's account is not among accounts.allowed"
        yield from _routed(estate, path, tier)


def _routed(estate: Estate, path: Path, tier: Tier) -> Problems:
    """The application must be able to tell from the record where a tenant is."""
    if estate.directory.placement is not None:
        return
    if "default" not in tier.placements and tier.placements:
        yield (*path, "placements"), "one must be called default, or `directory.placement` must name an attribute"
    elif len(tier.placements) > 1 and set(estate.directory.stores) != set(estate.stores):
        yield (
            (*path, "placements"),
            "several, but neither `directory.placement` nor `directory.stores` says which one a tenant has",
        )


def _kind(path: Path, store: StoreSpec) -> Problems:
    if store.kind not in (kinds := catalog.known()):
        yield (*path, "kind"), f"no installed package brings {shown(store.kind)}{suggestion(store.kind, kinds)}"
    elif store.in_dynamodb and store.options:
        yield (*path, "options"), "a dynamodb store takes none"


def _tables(path: Path, store: StoreSpec) -> Problems:
    yield from _template((*path, "pool"), store.pool, {"pool"}, one=False)
    yield from _template((*path, "silo"), store.silo, {"slug"}, one=True)
    if store.sort_key == store.partition_key:
        yield (*path, "sort_key"), "is the partition key too"


def _tenant(path: Path, store: StoreSpec) -> Problems:
    """The pattern must pick one tenant's keys and nobody else's, whatever the ids are."""
    tenant, here = store.tenant, (*path, "pattern")
    found = _PLACEHOLDER.findall(tenant.pattern)
    before = len(found)
    problems = list(_template(here, tenant.pattern, {"tenant", "suffix", "rest"}, one=False))
    yield from problems
    if problems:
        return
    if found.count("tenant") != 1 or before != len(set(found)):
        yield here, f"{shown(tenant.pattern)} needs {{tenant}} once, and nothing twice"
        return
    if {"suffix", "rest"} <= set(found):
        yield here, "{suffix} and {rest} cannot stand in one pattern"
        return
    if "suffix" in found:
        yield from _suffix(path, store)
    elif tenant.suffixes is not None:
        yield (*path, "suffixes"), "the pattern has no {suffix}"
    listed = tenant.enumerate
    if "rest" in found:
        yield from _rest(path, store)
    elif listed.gsi or listed.attribute or listed.scan:
        yield (*path, "enumerate"), "only a pattern with {rest} needs its keys listed"


def _suffix(path: Path, store: StoreSpec) -> Problems:
    tenant = store.tenant
    if tenant.suffixes is None:
        yield (*path, "pattern"), "{suffix} needs `suffixes`, such as suffixes: {default: [1, 10]}"
    else:
        low, high = tenant.suffixes.default
        if low > high:
            yield (*path, "suffixes", "default"), f"the lowest, {low}, is above the highest, {high}"
        elif high - low >= _MAX_SUFFIXES:
            yield (*path, "suffixes", "default"), f"more than {_MAX_SUFFIXES:,} suffixes"
    between = re.fullmatch(r".*\{tenant\}(.*)\{suffix\}", tenant.pattern)
    if between is None or not between[1] or between[1][-1].isdigit():
        yield (
            (*path, "pattern"),
            f"{shown(tenant.pattern)} is ambiguous: {{suffix}} ends the key, a separator that is no digit before it",
        )


def _rest(path: Path, store: StoreSpec) -> Problems:
    listed = store.tenant.enumerate
    if listed.scan == bool(listed.gsi):
        yield (
            (*path, "enumerate"),
            "{rest} needs its keys listed: either enumerate: {gsi: INDEX, attribute: NAME} or enumerate: {scan: true}",
        )
    if bool(listed.gsi) != bool(listed.attribute):
        yield (*path, "enumerate"), "`gsi` and `attribute` go together"
    # A separator that an id may contain would let tenant `a` claim the keys of tenant `a-b`.
    after = re.search(r"\{tenant\}(.*)\{rest\}", store.tenant.pattern)
    before = re.search(r"\{rest\}(.*)\{tenant\}", store.tenant.pattern)
    between = after[1][:1] if after else before[1][-1:] if before else ""
    if not between or TENANT_ID.match(between):
        text = f"{shown(store.tenant.pattern)} is ambiguous: between {{tenant}} and {{rest}} stands a character that"
        yield (*path, "pattern"), f"{text} no tenant id has, such as #"


def _stores(estate: Estate) -> Problems:
    if not estate.stores:
        yield ("stores",), "at least one is needed"
    for (one, first), (other, second) in combinations(estate.stores.items(), 2):
        if first.silo == second.silo:
            yield ("stores", other, "silo"), f"is the table of {one} too"
        if first.pool == second.pool and first.tenant.pattern == second.tenant.pattern:
            yield ("stores", other, "pool"), f"is the table of {one} too, with the same pattern"
    tables = {estate.journal.table: "the journal", estate.directory.table: "the directory"}
    pools = {p.pool for tier in estate.tiers.values() if tier.model is Model.POOL for p in tier.placements.values()}
    for name, store in estate.stores.items():
        for table in sorted({store.pool.replace("{pool}", pool) for pool in pools} & tables.keys()):
            yield ("stores", name, "pool"), f"{table} is the table of {tables[table]}"


def _fence(estate: Estate) -> Problems:
    fence = estate.fence
    if not fence.use:
        yield ("fence", "use"), "at least one kind is needed"
    if "directory_flag" in fence.use and fence.max_in_flight is None:
        yield ("fence",), "directory_flag needs `max_in_flight`, the longest request of the application"
    if seconds(fence.freeze_max) <= 0:
        yield ("fence", "freeze_max"), "must be longer than nothing"
    if fence.use:
        declared = fences.build(estate)
        parts = (declared.effective_within, seconds(fence.drain), declared.lifts_within)
        if sum(parts) > seconds(fence.freeze_max):
            whole = "effective_within {:g}s + drain {:g}s + lifts_within {:g}s".format(*parts)
            yield ("fence", "freeze_max"), f"{fence.freeze_max} is shorter than {whole}"
