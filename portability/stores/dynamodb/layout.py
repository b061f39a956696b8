"""Where a tenant's items are in one table, and which unit of a copy each key belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import msgspec

from portability import errors
from portability.aws.attributes import RawItem, plain_scalar
from portability.aws.streams import Record
from portability.stores.base import Key
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.pattern import Pattern

SEGMENTS = 4
"""Scan segments of a table that is read whole: fixed, because units are stable for a run."""

_NO_VALUE: Mapping[str, Any] = {}

KeyId = bytes
"""A key as canonical bytes: the same for every spelling of a number."""

_AS_IT_IS = rb'\{"(?:[SB]":"[ !#-\[\]-~]*+|N":"(?:0|-?[1-9][0-9]*+))"\}'
"""A key attribute's value, undecoded, that is canonical as it stands: nothing escaped, no space, a whole number."""


@dataclass(frozen=True)
class Partitions:
    """The tenant's partitions can be named: each is a unit `p/<partition key>`."""

    keys: tuple[str, ...]

    @property
    def units(self) -> list[str]:
        """One a partition, in the order of the suffixes."""
        return [f"p/{each}" for each in self.keys]


@dataclass(frozen=True)
class Index:
    """The tenant's keys are listed by an index whose partition key is the tenant id: one unit `g/<index>`."""

    name: str
    attribute: str

    @property
    def units(self) -> list[str]:
        """The one unit."""
        return [f"g/{self.name}"]


@dataclass(frozen=True)
class Segments:
    """The table is scanned and each key looked at: units `s/0002of0004`."""

    count: int = SEGMENTS

    @property
    def units(self) -> list[str]:
        """One a segment."""
        return [f"s/{each:04}of{self.count:04}" for each in range(self.count)]

    @staticmethod
    def parse(unit: str) -> tuple[int, int]:
        """(segment, of) of a unit's name."""
        segment, _, count = unit.removeprefix("s/").partition("of")
        return int(segment), int(count)


Reach = Partitions | Index | Segments


@dataclass(frozen=True)
class Layout:
    """One tenant's keys in one store. `suffixes` is the inclusive range, None where the pattern has none."""

    store: str
    tenant: str
    pattern: Pattern
    partition_key: str
    sort_key: str | None = None
    suffixes: tuple[int, int] | None = None
    enumerate_by: Index | None = None
    canary_prefix: str = "portability-canary"

    @property
    def key_names(self) -> tuple[str, ...]:
        """The primary key's attributes."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)

    @cached_property
    def partitions(self) -> tuple[str, ...] | None:
        """Every partition key the tenant may use, or None where a part of the key is free."""
        if self.pattern.has_rest:
            return None
        if not self.pattern.has_suffix:
            return (self.pattern.render(self.tenant),)
        if self.suffixes is None:
            raise errors.PreflightRefused(
                f"store {self.store} spreads tenants over suffixes, and the estate does not say which",
                next="portability validate",
            )
        low, high = self.suffixes
        return tuple(self.pattern.render(self.tenant, str(each)) for each in range(low, high + 1))

    def reach(self, *, owned: bool) -> Reach:
        """How the tenant's items are listed: in a table that is the tenant's own (`owned`), or in a shared one."""
        if owned:
            return Segments()
        if self.partitions is not None:
            return Partitions(self.partitions)
        return self.enumerate_by or Segments()

    def key(self, item: Mapping[str, Any]) -> Key:
        """The primary key of an item, plain."""
        return {name: plain_scalar(item[name]) for name in self.key_names}

    def partition(self, key: Mapping[str, Any]) -> str | None:
        """The partition key's text; None where it is no string."""
        value = plain_scalar(key.get(self.partition_key, {})).get("S")
        return value if isinstance(value, str) else None

    def is_mine(self, key: Mapping[str, Any]) -> bool:
        """Whether a key parses as this tenant's."""
        text = self.partition(key)
        parsed = None if text is None else self.pattern.parse(text)
        return parsed is not None and parsed.tenant == self.tenant

    def is_canary(self, key: Mapping[str, Any]) -> bool:
        """Whether a key is one of this tool's own."""
        return (self.partition(key) or "").startswith(f"{self.canary_prefix}#")

    def sift(self, records: Sequence[Record]) -> list[Record]:
        """The records of this tenant's keys and of this tool's own; of most others only the partition key is looked at.

        A whole pool passes here. A key that does not hold the tenant's id anywhere cannot parse as the tenant's.
        """
        name, tenant, canary = self.partition_key, self.tenant, self.canary_prefix
        found = []
        for record in records:
            text = record.keys.get(name, _NO_VALUE).get("S")
            if text is None or (tenant not in text and not text.startswith(canary)):
                continue
            if self.is_mine(record.keys) or self.is_canary(record.keys):
                found.append(record)
        return found

    def is_placed(self, key: Mapping[str, Any]) -> bool:
        """Whether a key of the tenant lies where it is looked for; a suffix outside the range does not."""
        return self.partitions is None or self.partition(key) in self._partition_set

    def one_a_partition(self, items: Sequence[RawItem]) -> Iterable[RawItem]:
        """An item of each partition among these: whose it is and where it lies depends on its partition only.

        A page is of one partition mostly, and every item of a copy passes here.
        """
        values = list(map(itemgetter(self.partition_key), items))
        if values and b"".join(values) == bytes(values[0]) * len(values):
            return (items[0],)
        return dict(zip(map(bytes, values), items, strict=True)).values()

    @cached_property
    def _partition_set(self) -> frozenset[str]:
        return frozenset(self.partitions or ())

    def group_of(self, key: Mapping[str, Any], reach: Reach) -> str:
        """The group of units whose end makes a parked key ready. Raises `Mismatch` for a key that is in no unit."""
        if not self.is_placed(key):
            raise self.unplaced(key)
        match reach:
            case Partitions():
                return f"p/{self.partition(key)}"
            case Index(name=name):
                return f"g/{name}"
            case Segments():
                return "s"

    def unplaced(self, key: Mapping[str, Any]) -> errors.Mismatch:
        """What a key of the tenant in no unit stops the run with."""
        return errors.Mismatch(
            f"{self.store}: a key of {self.tenant} is in no unit of the copy: {digest.key_hash(self.key(key))}"
            f" (suffixes {self.suffixes}); widen the range in the estate",
            next=f"portability doctor {self.tenant}",
            changed=f"The {errors.SIDE} serves; the run stopped.",
        )

    def guard(self, keys: Iterable[Mapping[str, Any]], *, canaries: bool = False) -> None:
        """Refuse to write a key that is not this tenant's: neighbours are untouchable. Raises `ValueError`."""
        for key in keys:
            if not self.is_mine(key) and not (canaries and self.is_canary(key)):
                msg = f"{self.store}: a write outside {self.tenant} was stopped: {digest.key_hash(self.key(key))}"
                raise ValueError(msg)

    def key_id(self, key: Mapping[str, Any]) -> KeyId:
        """The key's identity, for sets and maps."""
        form, first, last, is_canonical, _ = self._spelling
        if type(key[first]) is type(key[last]) is msgspec.Raw:
            text: bytes = form % (key[first] if first == last else (key[first], key[last]))
            if is_canonical(text):
                return text
        return digest.canonical({name: key[name] for name in self.key_names})

    def key_ids(self, items: Sequence[RawItem]) -> list[KeyId]:
        """`key_id` of each of a page's items: every item of a copy passes here."""
        form, first, last, _, are_canonical = self._spelling
        values = map(itemgetter(first) if first == last else itemgetter(first, last), items)
        texts: list[bytes] = list(map(form.__mod__, values))
        if are_canonical(b"\n".join([*texts, b""])):
            return texts
        return [self.key_id(item) for item in items]

    @cached_property
    def _spelling(self) -> tuple[bytes, str, str, Callable[[bytes], object], Callable[[bytes], object]]:
        """How a key is written, its names in order; what tells whether one, or many, a line each, are canonical so."""
        names = sorted(self.key_names)
        openings = [msgspec.json.encode(name) + b":" for name in names]
        form = b"{" + b",".join(each.replace(b"%", b"%%") + b"%b" for each in openings) + b"}"
        as_it_is = rb"\{" + b",".join(re.escape(each) + _AS_IT_IS for each in openings) + rb"\}"
        is_canonical, are_canonical = (re.compile(each).fullmatch for each in (as_it_is, rb"(?:%b\n)*+" % as_it_is))
        return form, names[0], names[-1], is_canonical, are_canonical


def group(unit: str) -> str:
    """The group a unit belongs to: its own, or for a scanned table the whole table's."""
    return "s" if unit.startswith("s/") else unit


def finished(units: Iterable[str], done: Iterable[str]) -> set[str]:
    """The groups all of whose units are done."""
    over = set(done)
    open_groups = {group(unit) for unit in units if unit not in over}
    return {group(unit) for unit in units} - open_groups
