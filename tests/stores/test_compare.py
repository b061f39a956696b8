"""Two sides in memory, paged and spelt as it pleases the service: equal exactly where every item means the same."""

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portability.aws.attributes import plain_item, raw_item
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.compare import Compare
from portability.stores.dynamodb.layout import Layout
from portability.stores.dynamodb.pattern import Pattern
from portability.stores.dynamodb.reading import Leaf, Reading
from portability.stores.dynamodb.sync import Sync
from tests.stores.test_digest import ITEMS, shuffled_item
from tests.support.meaning import meaning

Item = dict[str, Any]
LAYOUT = Layout("Order", "tenant-42", Pattern("{tenant}-{suffix}"), "pk", "sk", (1, 1))
SIDES = st.dictionaries(st.integers(0, 12), ITEMS, max_size=8)


class Shelf:
    """A side: items by sort key, a few on a page, their nested names in an order of its own."""

    def __init__(self, items: dict[int, Item], rng: random.Random, *, page: int = 3) -> None:
        self.plane = self
        self.layout = LAYOUT
        self.items = {number: _spelt({**item, **_key(number)}, rng) for number, item in items.items()}
        self.page_size = page
        self.read = 0

    def page(self, _unit: str, start: Item | None = None) -> Leaf:
        numbers = [each for each in sorted(self.items) if start is None or each > int(start["sk"]["N"])]
        here, left = numbers[: self.page_size], numbers[self.page_size :]
        self.read += len(here)
        return Leaf([self.items[each] for each in here], _key(here[-1]) if left else None)

    def pages(self, unit: str) -> Iterator[Leaf]:
        leaf = self.page(unit)
        yield leaf
        while leaf.next is not None:
            leaf = self.page(unit, leaf.next)
            yield leaf

    def present(self, keys: Sequence[Item]) -> dict[bytes, Item]:
        wanted = {LAYOUT.key_id(key) for key in keys}
        some = [item for item in self.items.values() if LAYOUT.key_id(item) in wanted]
        return {LAYOUT.key_id(item): item for item in reversed(some)}


@given(ours=SIDES, theirs=SIDES, seed=st.integers(), unit=st.sampled_from(("p/tenant-42-1", "s/0000of0001")))
def test_sides_are_equal_exactly_where_every_item_means_the_same(
    ours: dict[int, Item], theirs: dict[int, Item], seed: int, unit: str
) -> None:
    rng = random.Random(seed)
    common = dict(rng.sample(sorted(ours.items()), rng.randint(0, len(ours))))
    theirs = {**theirs, **common} if rng.random() < 0.5 else dict(ours)
    if unit.startswith("s/"):  # keys that only the destination has are found elsewhere
        theirs = {number: item for number, item in theirs.items() if number in ours}
    compared = _compare(Shelf(ours, rng), Shelf(theirs, rng, page=rng.randint(1, 4))).unit(unit, repair=False)
    meant = [{number: meaning({"M": item}) for number, item in side.items()} for side in (ours, theirs)]
    different = {number for number in ours.keys() | theirs.keys() if meant[0].get(number) != meant[1].get(number)}
    assert compared.equal == (not different)
    assert {one.key_hash for one in compared.differences} == {digest.key_hash(_key(number)) for number in different}
    assert (compared.source_items, compared.target_items) == (len(ours), len(theirs))
    for side, told in ((ours, compared.source_digest), (theirs, compared.target_digest)):
        assert told == digest.tally({**item, **_key(number)} for number, item in side.items()).digest


def test_a_digest_does_not_tell_how_a_side_spells_its_items() -> None:
    """It is certified and journaled: another run, another table or another day must say the same of the same items."""
    items = {n: {"n": {"N": "1.50"}, "m": {"M": {"b": {"S": "x"}, "a": {"NS": ["2", "1.0"]}}}} for n in range(7)}
    digests = set()
    for seed in range(4):
        one = Shelf(items, random.Random(seed))
        digests.add(_compare(one, one).unit("p/tenant-42-1", repair=False).source_digest)
    assert digests == {digest.tally({**item, **_key(number)} for number, item in items.items()).digest}


def test_an_item_that_came_in_the_same_bytes_on_both_sides_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf({n: {"v": {"S": "x"}} for n in range(50)}, random.Random(0))
    decoded: list[int] = []
    hashed = digest.item_hash

    def counted(item: Item) -> int:
        decoded.append(1)
        return hashed(item)

    monkeypatch.setattr(digest, "item_hash", counted)
    assert _compare(shelf, shelf).unit("p/tenant-42-1", repair=False).equal
    assert len(decoded) == 50


def test_equal_sides_are_read_once_and_of_unequal_ones_only_the_unequal_buckets_are_remembered() -> None:
    items = {n: {"v": {"S": "x"}} for n in range(50)}
    ours, theirs = Shelf(items, random.Random(0)), Shelf(items, random.Random(0))
    assert _compare(ours, theirs).unit("p/tenant-42-1", repair=False).equal
    assert (ours.read, theirs.read) == (50, 50)
    theirs.items[7] = raw_item({**_key(7), "v": {"S": "y"}})
    assert len(_compare(ours, theirs).unit("p/tenant-42-1", repair=False).differences) == 1
    assert (ours.read, theirs.read) == (150, 150)


def _compare(ours: Shelf, theirs: Shelf) -> Compare:
    return Compare(cast("Reading", ours), cast("Reading", theirs), cast("Sync", None), time.time, lambda _: None)


def _key(number: int) -> Item:
    return {"pk": {"S": "tenant-42-1"}, "sk": {"N": str(number)}}


def _spelt(item: Item, rng: random.Random) -> Item:
    """The same item as another engine may answer it: other spellings, another order, spaces, escapes."""
    if rng.random() < 0.5:
        return raw_item(item)
    loose = raw_item(shuffled_item(item, rng))
    assert meaning({"M": plain_item(loose)}) == meaning({"M": item})
    return {name: msgspec.Raw(bytes(loose[name]).replace(b"{", b"{ ", 1)) for name in loose}
