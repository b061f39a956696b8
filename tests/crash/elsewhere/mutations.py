"""R13: whatever differs is found and named, repair makes it equal, and nothing else is ever called a difference.

One trial is a hundred mutations of one target: three rounds of thirty at once, and ten of one alone. The report must
name exactly the mutated keys, each with the right reason; after the repair both sides must mean the same.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from portability.stores.base import Flow
from portability.stores.dynamodb import digest
from tests.crash.elsewhere.base import Around, Made, Trials
from tests.crash.elsewhere.estates import on_engines
from tests.crash.elsewhere.items import attributes, corrupted, respelt
from tests.stores.both import LAYOUTS, Both
from tests.support.meaning import meaning

ITEMS, ROUNDS, AT_ONCE, ALONE = 90, 3, 30, 10
EACH = ROUNDS * AT_ONCE + ALONE

Item = dict[str, Any]
Found = list[tuple[str, str]]


class Wrong(AssertionError):
    """A difference that was not found, or one that is none."""


@dataclass(frozen=True)
class Mutations:
    """The row."""

    says: str = "100 items of a target corrupted, omitted or added: each found, named and repaired, no false alarm"
    figure: int | None = 100

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        with on_engines(around):
            yield OfMutations(self.figure or 0)


@dataclass(frozen=True)
class OfMutations:
    """Trials by layout and seed."""

    most: int

    def names(self, seed: int) -> Sequence[str]:
        rng, layouts = random.Random(f"{seed}/R13"), list(LAYOUTS)
        return [f"{layouts[number % len(layouts)]}/{rng.getrandbits(32)}" for number in range(self.most)]

    def run(self, name: str) -> Made:
        layout, _, seed = name.rpartition("/")
        prefix = f"r13-{uuid.uuid4().hex[:10]}"
        both = Both(prefix, items=0, **LAYOUTS[layout])
        try:
            target = Target(both, random.Random(seed))
            return Made(frozenset(target.mutated()), EACH)
        finally:
            for table in (both.world.pool, both.world.silo):
                both.world.dynamo.delete_table(table)


@dataclass
class Target:
    """The side that is mutated, and what it should be."""

    both: Both
    rng: random.Random
    items: list[Item] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    added: int = 0

    def __post_init__(self) -> None:
        self.both.world.clock.longest = 0.001
        self.items = [self.item(number) for number in range(ITEMS)]
        for table in (self.both.source, self.both.target):
            self.both.world.fill(table, self.items)

    def item(self, number: int) -> Item:
        return self.both.world.item(number, **attributes(self.rng))

    def mutated(self) -> set[str]:
        """Go through the rounds; the kinds of mutations there were. Raises `Wrong`."""
        self._is_equal("untouched")
        self.both.world.fill(self.both.target, [respelt(item, self.rng) for item in self.items])
        self._is_equal("spelt otherwise")
        for _ in range(ROUNDS):
            self._finds(self._mutate(AT_ONCE))
            self._repairs(AT_ONCE)
        for _ in range(ALONE):
            self._finds(self._mutate(1))
            self._repairs(1)
        if self.both.world.others(self.both.world.pool) != self.both.others:
            raise Wrong("a neighbour's item differs from what it was")
        return self.kinds

    def _mutate(self, count: int) -> Found:
        """Mutate so many keys of the target; what a comparison has to say of them."""
        world, found = self.both.world, []
        puts, keys = [], []
        for item in self.rng.sample(self.items, count):
            way = self.rng.choice(["corrupt", "corrupt", "omit", "add"])
            if way == "corrupt":
                how, made = corrupted(item, self.rng)
                puts.append(made)
            elif way == "omit":
                how = "omitted"
                keys.append(world.key(item))
            else:
                how, item = "added", self._new()  # noqa: PLW2901 - it is about another key
                puts.append(item)
            self.kinds.add(how)
            why = {"omit": "missing", "add": "extra"}.get(way, "differs")
            found.append((why, digest.key_hash(world.key(item))))
        world.fill(self.both.target, puts)
        for at in range(0, len(keys), 25):
            world.dynamo.batch_write(self.both.target, [], keys[at : at + 25])
        return sorted(found)

    def _new(self) -> Item:
        self.added += 1
        return self.item(ITEMS + self.added)

    def _finds(self, wanted: Found) -> None:
        found = self.both.found()
        if found != wanted:
            missed, more = sorted({*wanted} - {*found}), sorted({*found} - {*wanted})
            raise Wrong(f"of {len(wanted)} mutations {len(missed)} were missed {missed[:3]}, too many {more[:3]}")

    def _repairs(self, count: int) -> None:
        repaired = sum(unit.repaired for unit in self.both.compared(repair=True))
        strays = self.both.move.strays(Flow.FORWARD)
        self.both.move.sync(Flow.FORWARD, [stray.key for stray in strays])
        if repaired + len(strays) != count:
            raise Wrong(f"{repaired} were repaired and {len(strays)} were strays, of {count}")
        self._is_equal("repaired")

    def _is_equal(self, when: str) -> None:
        """By the product's word, and by ours."""
        compared, strays = self.both.compared(), self.both.move.strays(Flow.FORWARD)
        if strays or not all(unit.equal for unit in compared):
            raise Wrong(f"{when}, and {sum(not unit.equal for unit in compared)} units differ, {len(strays)} strays")
        sides = [
            {key: meaning({"M": item}) for key, item in self.both.world.mine(table).items()}
            for table in (self.both.source, self.both.target)
        ]
        if sides[0] != sides[1]:
            raise Wrong(f"{when}, and called equal where the sides are not")
