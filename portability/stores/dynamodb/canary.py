"""Items of the tool's own: they show that a shard was read past the fence, and that a channel works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portability.stores.base import Key
from portability.stores.dynamodb.layout import Layout

_SORT = {"S": "portability", "N": "0", "B": b"portability"}


@dataclass(frozen=True)
class Canary:
    """Makes canary keys of one run, of the table's own types, outside every tenant's partitions."""

    layout: Layout
    types: Mapping[str, str]  # key attribute -> S, N or B
    run: str

    def __call__(self, label: str) -> Key:
        """The canary key of a label."""
        key: dict[str, Any] = {self.layout.partition_key: {"S": f"{self.layout.canary_prefix}#{self.run}#{label}"}}
        if self.layout.sort_key is not None:
            kind = self.types[self.layout.sort_key]
            key[self.layout.sort_key] = {kind: _SORT[kind]}
        return key


def maker(layout: Layout, types: Mapping[str, str], run: str) -> Callable[[str], Key] | None:
    """A maker of canary keys; None where such a key would be somebody's, or the partition key is not text."""
    make = Canary(layout, types, run)
    collides = layout.pattern.parse(f"{layout.canary_prefix}#{run}#0") is not None
    return None if collides or types[layout.partition_key] != "S" else make
