"""Schema drift: what a tenant's own table has that the shared one does not, and the lines that would say what becomes
of it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from portability.model.change import Finding
from portability.model.estate import StoreSpec
from portability.stores.dynamodb.inventory import Inventory, Schema
from portability.stores.dynamodb.mapping import AttributeMapping

SHOWN = 12
"""Attributes named in a finding."""
ALIKE = 0.75
"""How like two names are before one is taken for the other."""

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_RESERVED = frozenset({"yes", "no", "on", "off", "true", "false", "null"})


def always_of(spec: StoreSpec) -> frozenset[str]:
    """Attributes that no mapping may touch: keys, the one an index lists the tenant by, and TTL."""
    names = (spec.partition_key, spec.sort_key, spec.tenant.enumerate.attribute, spec.ttl)
    return frozenset(name for name in names if name is not None)


def schema_of(spec: StoreSpec, tenant: str, known: Mapping[str, frozenset[str]]) -> Schema:
    """What may get to the shared table, where it has the attributes `known`."""
    drift = spec.attributes.of(tenant)
    return Schema(dict(known), AttributeMapping.of(drift), frozenset(drift.keep), always_of(spec))


def declared(spec: StoreSpec) -> dict[str, frozenset[str]] | None:
    """The shared table's attributes as the estate declares them; None where it does not."""
    pool = spec.attributes.pool
    return None if pool is None else {name: frozenset(types.split()) for name, types in pool.items()}


@dataclass(frozen=True)
class Drift:
    """One store's inventory held against what the shared table knows. `types` are those of its index keys."""

    store: str
    spec: StoreSpec
    tenant: str
    source: str
    target: str
    schema: Schema
    inventory: Inventory
    types: Mapping[str, str]

    def findings(self) -> Iterator[Finding]:
        """A block for undeclared attributes, one for items without an image, one for index keys of another type."""
        if not self.schema.known and self.spec.attributes.pool is None:
            text = f"{self.target} has no items to learn its attributes from: drift of {self.source} would not be seen"
            yield Finding(
                level="warn", about=self.store, text=text, next=f"declare them: stores.{self.store}.attributes.pool"
            )
        else:
            yield from self._undeclared()
        for why, count in self.inventory.unmappable.most_common(SHOWN):
            text = f"{self._of(count)} of {self.source} cannot be mapped: {_plain(why)}"
            fix = f"correct the items, or stores.{self.store}.attributes in the estate"
            yield Finding(level="block", about=self.store, text=text, next=fix)
        yield from self._index_keys()

    def _undeclared(self) -> Iterator[Finding]:
        found = {what: n for what, n in sorted(self.inventory.seen.items()) if not self.schema.admits(*what)}
        if not found:
            return
        told = [
            f"{_plain(name)} ({tag}, {self._of(count)}{self._there(name, tag)})" for (name, tag), count in found.items()
        ]
        more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        text = f"{self.source} has attributes, or types of them, that {self.target} does not know: "
        text += "; ".join(told[:SHOWN]) + more
        text += f" (every item read, {self.inventory.items:,})" if self.inventory.whole else " (from a sample)"
        yield Finding(level="block", about=self.store, text=text, next=self._lines(list(found)))

    def _of(self, count: int) -> str:
        about = "" if self.inventory.whole else "~"
        return f"{about}{count:,} item{'s' if count != 1 else ''}"

    def _there(self, name: str, tag: str) -> str:
        image = self.schema.mapping.image_of(name, tag)
        known = self.schema.known.get(image[0]) if image else None
        return f", {' '.join(sorted(known))} there" if known else ""

    def _index_keys(self) -> Iterator[Finding]:
        for (name, tag), count in self.inventory.seen.items():
            image = self.schema.mapping.image_of(name, tag)
            if image is None or image == (name, tag):
                continue
            wanted = self.types.get(image[0])
            if wanted is not None and wanted != image[1]:
                text = (
                    f"{_plain(name)} of {self._of(count)} would be {_plain(image[0])} ({image[1]}),"
                    f" an index key of {self.target} with type {wanted}"
                )
                fix = f"correct stores.{self.store}.attributes in the estate"
                yield Finding(level="block", about=self.store, text=text, next=fix)

    # ------------------------------------------------------------------------------------------------------ what to add

    def _lines(self, found: list[tuple[str, str]]) -> str:
        """The estate's line with the least that would let these attributes go."""
        drift = self.spec.attributes.of(self.tenant)
        rename, keep = dict(drift.rename), list(drift.keep)
        cast: dict[str, str] = dict(drift.cast)
        taken = {name for name, _ in self.inventory.seen} | set(rename.values())
        for name in sorted({name for name, _ in found}):
            tags = {tag for other, tag in self.inventory.seen if other == name}
            there = rename.get(name, name)
            if there not in self.schema.known:
                like = difflib.get_close_matches(name, sorted(self.schema.known.keys() - taken), n=1, cutoff=ALIKE)
                if like and len(tags) == 1 and tags <= self.schema.known[like[0]]:
                    rename[name] = like[0]
                    taken.add(like[0])
                    continue
            elif len(wanted := sorted(self.schema.known[there] & {"S", "N"})) == 1 and tags <= {"S", "N"}:
                cast[name] = wanted[0]
                continue
            keep.append(name)
        lines: dict[str, Any] = {"rename": rename, "cast": cast, "keep": keep, "archive": list(drift.archive)}
        where = f"stores.{self.store}.attributes"
        if self.tenant in self.spec.attributes.tenants:
            where += f".tenants.{self.tenant}"
        given = ", ".join(f"{name}: {_yaml(value)}" for name, value in lines.items() if value)
        return (
            f"in the estate, {where}: {{{given}}} (archive instead of keep leaves one out of the shared table);"
            " or declare it under `pool`"
        )


def _yaml(value: Any) -> str:  # noqa: ANN401 - a list or mapping of names
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(name)}: {_yaml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return str(value) if _BARE.match(value) and value.lower() not in _RESERVED else json.dumps(value)


def _plain(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:63]}…"  # noqa: PLR2004 - fits a line
