"""`init --discover`, the stores: which tables are shared, how a tenant is in their keys, which are a tenant's own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from portability.model.tenant import slug

POOLED = "pooled"
_SUFFIXED = re.compile(r"(?P<tenant>.+)(?P<between>[-_#.:|/])(?P<suffix>[0-9]{1,6})\Z")
ENOUGH = 0.5
"""The part of a table's keys that must read as tenants' before the table is taken for a store."""


@dataclass(frozen=True)
class DataTable:
    """A table with a sample of its partition keys, which stay in memory. `consumers` is asked for where it matters."""

    name: str
    described: Mapping[str, Any] = field(repr=False)
    partitions: tuple[str, ...] = field(repr=False)
    ttl: str | None
    consumers: Callable[[], tuple[str, ...]] = field(repr=False)


@dataclass(frozen=True)
class Pattern:
    """How the tenant is in a key: `text` as the estate writes it, the suffixes seen, the index that lists the rest."""

    text: str
    suffixes: tuple[int, int] | None = None
    gsi: tuple[str, str] | None = None
    part: float = 0.0


@dataclass(frozen=True)
class StoreSeen:
    """A store: its shared tables' and own tables' names as the estate writes them, and what was seen of its keys."""

    name: str
    pool: str
    silo: str
    siloed: tuple[str, ...]  # tenants with a table of their own
    pools: tuple[str, ...]
    tables: tuple[str, ...]
    partition_key: str
    sort_key: str | None
    pattern: Pattern
    sampled: int
    ttl: str | None
    consumers: tuple[str, ...]


def key_names(described: Mapping[str, Any]) -> tuple[str, ...]:
    """The key's attributes, the partition key first."""
    return tuple(str(one["AttributeName"]) for one in described.get("KeySchema", []))


def stores_of(tables: Iterable[DataTable], tenants: Collection[str]) -> tuple[StoreSeen, ...]:
    """The stores among `tables`: those named `…-pooled` first, then any whose keys hold more than one tenant's id."""
    left = {table.name: table for table in tables}
    found = []
    for name in sorted(left, key=lambda name: (not name.endswith(POOLED), name)):
        table = left.get(name)
        if table is None:
            continue
        pattern = pattern_of(table, tenants)
        if pattern is None or _belongs(name, tenants):
            continue
        store = _store(table, pattern, left, tenants)
        found.append(store)
        for mine in store.tables:
            left.pop(mine, None)
    return tuple(found)


def pattern_of(table: DataTable, tenants: Collection[str]) -> Pattern | None:
    """How most of the sampled keys hold a tenant's id; None where they do not, or where there are none."""
    keys = table.partitions
    if not keys:
        return None
    whole = Pattern("{tenant}", part=sum(key in tenants for key in keys) / len(keys))
    found = [whole, _suffixed(keys, tenants), _free(table, tenants)]
    best = max((pattern for pattern in found if pattern is not None), key=lambda pattern: pattern.part)
    return best if best.part >= ENOUGH else None


def _suffixed(keys: Collection[str], tenants: Collection[str]) -> Pattern | None:
    read = [match for match in map(_SUFFIXED.match, keys) if match and match["tenant"] in tenants]
    if not read:
        return None
    between = Counter(match["between"] for match in read).most_common(1)[0][0]
    numbers = [int(match["suffix"]) for match in read]
    return Pattern(f"{{tenant}}{between}{{suffix}}", suffixes=(min(numbers), max(numbers)), part=len(read) / len(keys))


def _free(table: DataTable, tenants: Collection[str]) -> Pattern | None:
    """`PREFIX#{tenant}#{rest}`: between the tenant and the rest stands a character that no tenant id has."""
    longest = sorted(tenants, key=len, reverse=True)
    shapes: Counter[str] = Counter()
    for key in table.partitions:
        for tenant in longest:
            before, there, after = key.partition(tenant)
            if there and after[:1] in ("#", "|", "/"):
                shapes[f"{before}{{tenant}}{after[0]}{{rest}}"] += 1
                break
    if not shapes:
        return None
    text, number = shapes.most_common(1)[0]
    gsi = None
    for index in table.described.get("GlobalSecondaryIndexes", []):
        first = key_names(index)[0]
        if first.replace("_", "").lower() in ("tenant", "tenantid"):
            gsi = (str(index["IndexName"]), first)
    return Pattern(text, gsi=gsi, part=number / len(table.partitions))


def _belongs(name: str, tenants: Collection[str]) -> bool:
    """Whether the table is named after one tenant."""
    return any(name.endswith(f"{between}{slug(tenant)}") for tenant in tenants for between in "-_.")


def _store(table: DataTable, pattern: Pattern, others: Mapping[str, DataTable], tenants: Collection[str]) -> StoreSeen:
    named = table.name.endswith(POOLED) and len(table.name) > len(POOLED) + 1
    prefix = table.name[: -len(POOLED)] if named else f"{table.name}-"
    own = {slug(tenant): tenant for tenant in tenants}
    siloed, pools, tables = [], [POOLED], [table.name]
    for name, other in sorted(others.items()):
        rest = name.removeprefix(prefix)
        if name in {table.name, rest} or key_names(other.described) != key_names(table.described):
            continue
        if rest in own:
            siloed.append(own[rest])
        elif named and pattern_of(other, tenants) is not None:
            pools.append(rest)
        else:
            continue
        tables.append(name)
    key = key_names(table.described)
    return StoreSeen(
        name=prefix.rstrip("-_."),
        pool=f"{prefix}{{pool}}" if named else table.name,
        silo=f"{prefix}{{slug}}",
        siloed=tuple(siloed),
        pools=tuple(pools),
        tables=tuple(tables),
        partition_key=key[0],
        sort_key=key[1] if len(key) > 1 else None,
        pattern=pattern,
        sampled=len(table.partitions),
        ttl=table.ttl,
        consumers=table.consumers(),
    )
