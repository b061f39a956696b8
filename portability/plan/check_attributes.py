"""What becomes of a tenant's attributes must be one-to-one, and must leave keys and TTL alone."""

from __future__ import annotations

from collections.abc import Iterator

from portability.model.estate import Drift, StoreSpec
from portability.plan.document import Path, shown
from portability.plan.shape import suggestion

Problems = Iterator[tuple[Path, str]]


def check_attributes(path: Path, store: StoreSpec) -> Problems:
    """Every problem of one store's attributes, for every tenant that has lines of its own too."""
    attributes = store.attributes
    for name in attributes.pool or {}:
        if name in _fixed(store):
            yield (*path, "pool", name), f"is {_fixed(store)[name]}: it needs no line"
    yield from _drift(path, store, attributes.of(""))
    for tenant, drift in attributes.tenants.items():
        yield from _drift((*path, "tenants", tenant), store, drift)


def _fixed(store: StoreSpec) -> dict[str, str]:
    """Attributes that no mapping may touch, and what each is."""
    fixed = {
        store.ttl: "the TTL attribute",
        store.tenant.enumerate.attribute: "what the index lists tenants by",
        store.sort_key: "the sort key",
        store.partition_key: "the partition key",
    }
    return {name: what for name, what in fixed.items() if name is not None}


def _drift(path: Path, store: StoreSpec, drift: Drift) -> Problems:
    named = {verb: list(getattr(drift, verb)) for verb in ("rename", "cast", "keep", "archive")}
    under: dict[str, str] = {}
    for verb, names in named.items():
        for index, name in enumerate(names):
            here: Path = (*path, verb, name if verb in {"rename", "cast"} else index)
            if name in _fixed(store):
                yield here, f"{shown(name)} is {_fixed(store)[name]}: it stays as it is"
            elif name in under and (under[name], verb) != ("rename", "cast"):
                yield here, f"{shown(name)} is under {under[name]} already"
            under.setdefault(name, verb)
    yield from _renames((*path, "rename"), store, drift, under)
    pool = store.attributes.pool
    for name, tag in drift.cast.items():
        there = drift.rename.get(name, name)
        if pool is not None and tag not in pool.get(there, tag).split():
            yield (*path, "cast", name), f"{shown(there)} is {pool[there]} in the shared table"


def _renames(path: Path, store: StoreSpec, drift: Drift, under: dict[str, str]) -> Problems:
    fixed, pool = _fixed(store), store.attributes.pool
    taken: dict[str, str] = {}
    for name, new in drift.rename.items():
        here = (*path, name)
        if new == name:
            yield here, "is its name already"
        elif new in fixed:
            yield here, f"{shown(new)} is {fixed[new]}: nothing may become it"
        elif new in taken:
            yield here, f"{shown(taken[new])} becomes {shown(new)} already: two attributes would be one"
        elif new in under:
            yield here, f"{shown(new)} is under {under[new]}: on the way back the two could not be told apart"
        elif pool is not None and new not in pool:
            yield here, f"the shared table has no {shown(new)}{suggestion(new, pool)}"
        taken.setdefault(new, name)
