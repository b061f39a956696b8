"""Both sides of a unit, re-read and held against each other.

The sides are read in parallel, and items that stand in the same place are compared as the bytes they came in: where
these are the same, the item is decoded once for both sides' sums, and only an item that differs is decoded on each.
What is summed is always the canonical item: a digest means the same however the service happened to spell it.

Items fall into 256 buckets by a hash of their key; each bucket has a count and a sum on each side. Only the keys of
unequal buckets are read a second time and remembered one by one, so that a large unit costs no memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest

from portability.aws.attributes import RawItem, plain_item
from portability.stores.base import Compared, Difference, Key
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.digest import Tally
from portability.stores.dynamodb.layout import KeyId, Layout
from portability.stores.dynamodb.reading import Leaf, Reading
from portability.stores.dynamodb.sync import Sync

BUCKETS = 256
SETTLE = 0.7  # seconds before a difference is looked at again
LOOKS = 3  # at most, each after a settle time

Chunk = tuple[Sequence[RawItem], Sequence[RawItem]]
"""Some items of the origin, and some of the destination."""
Seen = tuple[int | None, int | None]
"""A key's item hash at the origin and at the destination; None where there is no item, or an expired one."""


@dataclass
class Side:
    """What one side of a unit holds."""

    buckets: list[Tally] = field(default_factory=lambda: [Tally() for _ in range(BUCKETS)])

    def sum(self, chosen: Iterable[int] | None = None) -> Tally:
        """The tally over some buckets, or all."""
        total = Tally()
        for at in range(BUCKETS) if chosen is None else chosen:
            total.merge(self.buckets[at])
        return total


@dataclass
class Outcome:
    """How a comparison ends: what each side holds, what was repaired, and what is left."""

    source: Tally = field(default_factory=Tally)
    target: Tally = field(default_factory=Tally)
    repaired: int = 0
    left: list[Difference] = field(default_factory=list)

    def agrees(self, item_hash: int | None) -> None:
        """Both sides hold this item, or neither holds one."""
        if item_hash is not None:
            self.source.add(item_hash)
            self.target.add(item_hash)

    def holds(self, ours: int | None, theirs: int | None) -> None:
        """The sides hold these: the sums tell that they are not equal."""
        for tally, item_hash in ((self.source, ours), (self.target, theirs)):
            if item_hash is not None:
                tally.add(item_hash)

    def differs(self, key: Key, ours: int | None, theirs: int | None) -> None:
        """The sides hold different items under this key."""
        self.holds(ours, theirs)
        why = "missing" if theirs is None else "extra" if ours is None else "differs"
        self.left.append(Difference(key, why, digest.key_hash(key)))

    def compared(self, unit: str) -> Compared:
        """The answer."""
        source, target = self.source, self.target
        return Compared(unit, source.items, target.items, source.digest, target.digest, self.repaired, self.left)


@dataclass(frozen=True)
class Compare:
    """Compares one direction. `excused(key)`: the channel has seen this key change since the verification began.

    An excused key is in the channel's `changed`, and is compared by value inside the fence: it is no difference here,
    and leaves the sums unequal if the sides are.
    """

    origin: Reading
    destination: Reading
    sync: Sync
    now: Callable[[], float]
    sleep: Callable[[float], None]
    ttl: str | None = None
    excused: Callable[[KeyId], bool] = lambda _: False

    @property
    def layout(self) -> Layout:
        """The tenant's keys."""
        return self.origin.plane.layout

    def unit(self, unit: str, *, repair: bool) -> Compared:
        """See `Move.compare`."""
        ours, theirs = Side(), Side()
        for some, others in self._chunks(unit):
            for mine, other in zip_longest(some, others):
                self._fold(mine, other, ours, theirs)
        unequal = {at for at in range(BUCKETS) if ours.buckets[at] != theirs.buckets[at]}
        equal = set(range(BUCKETS)) - unequal
        outcome = Outcome(ours.sum(equal), theirs.sum(equal))
        if unequal:
            suspects = self._second_reading(unit, unequal, outcome)
            self._settle(suspects, outcome, looks=LOOKS, repair=repair)
        return outcome.compared(unit)

    def keys(self, keys: Sequence[Key]) -> Compared:
        """See `Move.compare_keys`: as both sides are now, without waiting."""
        outcome = Outcome()
        self._settle({self.layout.key_id(key): self.layout.key(key) for key in keys}, outcome, excuse=False)
        return outcome.compared("keys")

    def some(self, keys: Sequence[Key], *, repair: bool) -> Compared:
        """See `Move.compare_some`."""
        outcome = Outcome()
        wanted = {self.layout.key_id(key): self.layout.key(key) for key in keys}
        self._settle(wanted, outcome, looks=LOOKS, repair=repair)
        return outcome.compared("keys")

    def strays(self, candidates: Iterable[Sequence[Key]]) -> list[Difference]:
        """Those of the destination's keys that the origin does not have, looked at again after a settle time."""
        extra: dict[KeyId, Key] = {}
        for keys in candidates:
            there = self.origin.plane.present(keys, names=self.layout.key_names)
            extra |= {key_id: key for key in keys if (key_id := self.layout.key_id(key)) not in there}
        outcome = Outcome()
        self._settle(extra, outcome, looks=LOOKS)
        return outcome.left

    # --------------------------------------------------------------------------------------------------------- reading

    def _chunks(self, unit: str) -> Iterator[Chunk]:
        """The unit at both sides. A named partition is read at both; of other units the origin tells the keys."""
        if unit.startswith("p/"):
            with ThreadPoolExecutor(2, thread_name_prefix="compare") as pool:
                ours, theirs = _ahead(self.origin, unit, pool), _ahead(self.destination, unit, pool)
                for mine, other in zip_longest(ours, theirs):
                    yield mine.items if mine else (), other.items if other else ()
            return
        with ThreadPoolExecutor(1, thread_name_prefix="compare") as pool:
            for leaf in _ahead(self.origin, unit, pool):
                found = self.destination.plane.present([self.layout.key(item) for item in leaf.items])
                # In the origin's order, as far as they are there.
                yield (
                    leaf.items,
                    [found[key_id] for item in leaf.items if (key_id := self.layout.key_id(item)) in found],
                )

    def _fold(self, mine: RawItem | None, other: RawItem | None, ours: Side, theirs: Side) -> None:
        """Add what stands in the same place of both sides' pages; the keys may be two."""
        if mine == other:
            self._add(mine, ours, theirs)
            return
        self._add(mine, ours)
        self._add(other, theirs)

    def _add(self, item: RawItem | None, *sides: Side) -> None:
        if item is None or self._expired(item):
            return
        bucket, item_hash = self._bucket(item), digest.item_hash(item)
        for side in sides:
            side.buckets[bucket].add(item_hash)

    def _second_reading(self, unit: str, unequal: set[int], outcome: Outcome) -> dict[KeyId, Key]:
        """Read the unequal buckets again, tally the keys that are equal in them, and give those that are not."""
        keys: dict[KeyId, Key] = {}
        ours: dict[KeyId, int] = {}
        theirs: dict[KeyId, int] = {}
        for mine, others in self._chunks(unit):
            for items, known in ((mine, ours), (others, theirs)):
                for item in items:
                    if self._bucket(item) in unequal and not self._expired(item):
                        key_id = self.layout.key_id(item)
                        keys[key_id] = self.layout.key(item)
                        known[key_id] = digest.item_hash(item)
        for key_id in list(keys):
            if ours.get(key_id) == theirs.get(key_id):
                outcome.agrees(ours[key_id])
                del keys[key_id]
        return keys

    def _bucket(self, item: RawItem) -> int:
        return zlib.crc32(self.layout.key_id(item)) % BUCKETS

    def _expired(self, item: RawItem) -> bool:
        if self.ttl is None or self.ttl not in item:
            return False
        value = plain_item({self.ttl: item[self.ttl]})[self.ttl].get("N")
        return value is not None and Decimal(value) < Decimal(self.now())

    # -------------------------------------------------------------------------------------------------------- settling

    def _settle(
        self, suspects: dict[KeyId, Key], outcome: Outcome, *, looks: int = 0, repair: bool = False, excuse: bool = True
    ) -> None:
        """Look at suspects until none differs, `looks` times more at most; with `repair` sync the rest and look."""
        seen: dict[KeyId, Seen] = {}
        for look in range(looks + 1):
            if look and suspects:
                self.sleep(SETTLE)
            seen = self._look(suspects)
            suspects = {key_id: suspects[key_id] for key_id in self._open(seen, outcome, excuse=excuse)}
        if suspects and repair:
            self.sync(list(suspects.values()))
            outcome.repaired = len(suspects)
            seen = self._look(suspects)
            suspects = {key_id: suspects[key_id] for key_id in self._open(seen, outcome, excuse=excuse)}
            outcome.repaired -= len(suspects)
        for key_id, key in suspects.items():
            outcome.differs(key, *seen[key_id])

    def _look(self, keys: dict[KeyId, Key]) -> dict[KeyId, Seen]:
        sides = [self._hashes(side.plane.present(list(keys.values()))) for side in (self.origin, self.destination)]
        return {key_id: (sides[0].get(key_id), sides[1].get(key_id)) for key_id in keys}

    def _hashes(self, found: dict[KeyId, RawItem]) -> dict[KeyId, int]:
        return {key_id: digest.item_hash(item) for key_id, item in found.items() if not self._expired(item)}

    def _open(self, seen: dict[KeyId, Seen], outcome: Outcome, *, excuse: bool) -> list[KeyId]:
        """The keys that differ; the others are tallied."""
        differing = []
        for key_id, (ours, theirs) in seen.items():
            if ours == theirs:
                outcome.agrees(ours)
            elif excuse and self.excused(key_id):
                outcome.holds(ours, theirs)
            else:
                differing.append(key_id)
        return differing


def _ahead(reading: Reading, unit: str, pool: ThreadPoolExecutor) -> Iterator[Leaf]:
    """A unit's pages, the next one being read while one is worked on."""
    coming = pool.submit(reading.page, unit)
    while True:
        leaf = coming.result()
        if leaf.next is None:
            yield leaf
            return
        coming = pool.submit(reading.page, unit, leaf.next)
        yield leaf
