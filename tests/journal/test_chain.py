"""`journal verify` finds every edit, deletion, reorder, truncation and illegal path."""

from __future__ import annotations

import copy
import hashlib
import json
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portability import errors
from portability.journal import chain, rows
from portability.journal.table import Key
from portability.model.run import Entry
from portability.model.status import Fact
from tests.journal.world import FaultyTable as Faulty
from tests.journal.world import World, holder, memory_table

Rows = dict[Key, dict[str, Any]]


def written() -> tuple[World, Rows]:
    """A run of twelve entries, some resumed, and its rows."""
    table, foreign = memory_table()
    world = World(Faulty(table), foreign.items.get, foreign.items.pop)
    held = world.start(run="r-1")
    held.append(Fact.STARTED, {"uses": "copy_data"}, step="copy")
    held.append(Fact.INTENT, {"change": {"kind": "table"}, "existed": False}, step="copy")
    for number in range(3):
        held.append(Fact.NOTE, {"about": "page", "items": number, "rate": 0.5}, step="copy")
    held.append(Fact.PARKED, {"reason": "gate", "what": "lag"})
    held.release()
    held = world.acquire("r-1")
    held.append(Fact.DONE, {"items": 12, "digest": "ab" * 16}, step="copy")
    held.append(Fact.FENCED, {"kind": "epoch"})
    held.append(Fact.FLIPPED, {"serving": "target"})
    held.append(Fact.SOAKING, {})
    return world, table.rows


PRISTINE = copy.deepcopy(written()[1])
ENTRIES = sorted(key for key in PRISTINE if key.sk.startswith("E#"))
FIELDS = ("run", "seq", "step", "fact", "data", "at", "by", "fence", "write_id", "prev", "schema")


def tampered(change: Callable[[Rows], object]) -> World:
    table, foreign = memory_table()
    table.rows = copy.deepcopy(PRISTINE)
    change(table.rows)
    return World(Faulty(table), foreign.items.get, foreign.items.pop)


def entry_of(row: dict[str, Any]) -> Entry:
    return chain.entry_of(row, "r-1")


def resealed(row: dict[str, Any], **fields: Any) -> None:
    """Edit an entry and make its own hash right again, as a careful forger would."""
    body = json.loads(row["body"]) | fields
    row["body"] = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    row["hash"] = hashlib.sha256(row["body"].encode()).hexdigest()


def assert_found(change: Callable[[Rows], object], match: str | None = None) -> None:
    with pytest.raises((errors.JournalBroken, errors.JournalNewer), match=match):
        tampered(change).process().verify("r-1")


def test_an_untouched_run_is_intact() -> None:
    assert tampered(lambda _: None).process().verify("r-1") == len(ENTRIES) == 12


@given(data=st.data(), seal=st.booleans())
def test_an_edit_of_any_field_of_any_entry_is_found_even_where_its_own_hash_was_made_right(
    data: st.DataObject, seal: bool
) -> None:
    key = data.draw(st.sampled_from(ENTRIES))
    name = data.draw(st.sampled_from(FIELDS))
    was = json.loads(PRISTINE[key]["body"])[name]
    plain = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))
    values = {
        "fact": st.sampled_from([fact.value for fact in Fact]),
        "data": st.dictionaries(st.text(max_size=5), plain, max_size=3),
        "at": st.floats(allow_nan=False, allow_infinity=False),
        "seq": st.integers(0, 2**40),
        "fence": st.integers(0, 2**40),
        "schema": st.integers(0, 9),
    }
    value = data.draw(values.get(name, st.text(max_size=70)))
    assume(value != was or type(value) is not type(was))

    def edit(found: Rows) -> None:
        before = found[key]["hash"]
        resealed(found[key], **{name: value})
        if not seal:
            found[key]["hash"] = before

    assert_found(edit)


@given(data=st.data())
def test_any_flipped_character_is_found(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(ENTRIES))
    name = data.draw(st.sampled_from(("body", "hash")))
    text = PRISTINE[key][name]
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    assume(other != text[at])
    assert_found(lambda found: found[key].update({name: text[:at] + other + text[at + 1 :]}))


@given(number=st.integers(0, len(ENTRIES) - 1), count=st.integers(1, 12))
def test_a_deletion_is_found_wherever_it_is(number: int, count: int) -> None:
    assert_found(lambda found: [found.pop(key) for key in ENTRIES[number : number + count]])


@pytest.mark.parametrize("kept", range(len(ENTRIES)))
def test_a_cut_tail_is_found_and_the_first_lost_entry_named(kept: int) -> None:
    match = "entry 1 is missing" if kept == 0 else f"entry {kept + 1} is missing"
    assert_found(lambda found: [found.pop(key) for key in ENTRIES[kept:]], match)


@pytest.mark.parametrize("kept", range(1, len(ENTRIES)))
def test_a_cut_tail_is_found_even_where_the_number_on_the_lease_was_put_back(kept: int) -> None:
    def cut(found: Rows) -> None:
        for key in ENTRIES[kept:]:
            del found[key]
        found[Key("RUN#r-1", "LEASE")]["seq"] = kept

    assert_found(cut, f"entry {kept} is not the head")


@given(numbers=st.lists(st.integers(0, len(ENTRIES) - 1), min_size=2, max_size=2, unique=True), keep=st.booleans())
def test_a_reorder_is_found_whether_or_not_the_numbers_move_with_the_entries(numbers: list[int], keep: bool) -> None:
    one, two = (ENTRIES[number] for number in numbers)

    def swap(found: Rows) -> None:
        first, second = dict(found[one]), dict(found[two])
        found[one] = second | {"pk": one.pk, "sk": one.sk}
        found[two] = first | {"pk": two.pk, "sk": two.sk}
        if keep:
            resealed(found[one], seq=numbers[0] + 1)
            resealed(found[two], seq=numbers[1] + 1)

    assert_found(swap)


def test_an_entry_added_behind_the_head_is_found() -> None:
    def add(found: Rows) -> None:
        last = found[ENTRIES[-1]]
        forged = dict(last, sk=rows.entry_key("r-1", 13).sk)
        resealed(forged, seq=13, fact="completed", data={}, prev=last["hash"])
        found[rows.entry_key("r-1", 13)] = forged

    assert_found(add, "entry 13 was never written under the lease")


def test_an_entry_of_another_run_is_found_even_under_the_same_number() -> None:
    world, _ = written()
    world.start(run="r-2")
    foreign = world.table.query("RUN#r-2", "E#")[0]
    assert_found(lambda found: found.update({ENTRIES[0]: foreign | {"pk": "RUN#r-1"}}))


@given(name=st.sampled_from(("seq", "head", "fence")), by=st.integers(-5, 5))
def test_an_edited_head_is_found_and_so_is_a_lowered_fence(name: str, by: int) -> None:
    lease = Key("RUN#r-1", "LEASE")
    assume(by != 0)
    assume(name != "fence" or by < 0)

    def edit(found: Rows) -> None:
        was = found[lease][name]
        found[lease][name] = was + by if name != "head" else f"{by:064d}"

    assert_found(edit)


@given(position=st.integers(0, 10_000), other=st.integers(0, 255))
def test_an_edit_of_the_header_is_found(position: int, other: int) -> None:
    header = Key("RUN#r-1", "HEADER")
    packed = zlib.decompress(PRISTINE[header]["header"])
    at = position % len(packed)
    assume(packed[at] != other)
    edited = packed[:at] + bytes([other]) + packed[at + 1 :]
    assert_found(lambda found: found[header].update({"header": zlib.compress(edited)}), "header")


def test_a_lost_header_or_lease_is_found() -> None:
    with pytest.raises(errors.UnknownName):
        tampered(lambda found: found.pop(Key("RUN#r-1", "HEADER"))).process().verify("r-1")
    assert_found(lambda found: found.pop(Key("RUN#r-1", "LEASE")), "its lease is missing")
    assert_found(lambda found: found[Key("RUN#r-1", "LEASE")].pop("head"), "the lease does not read")
    assert_found(lambda found: found[Key("RUN#r-1", "HEADER")].update(header=b"x"), "the header cannot be read")


def forged(number: int, **fields: Any) -> Callable[[Rows], object]:
    """Edit one entry and make every hash after it and the head right again: only what it says can give it away."""

    def forge(found: Rows) -> None:
        prev = chain.GENESIS
        for count, key in enumerate(ENTRIES, start=1):
            resealed(found[key], prev=prev, **(fields if count == number else {}))
            prev = found[key]["hash"]
        found[Key("RUN#r-1", "LEASE")]["head"] = prev

    return forge


@pytest.mark.parametrize(
    ("number", "fields", "match"),
    (
        (8, {"fact": "completed", "data": {}}, "entry 8: a run that is parked cannot see completed"),
        (10, {"fence": 1}, "entry 10 was written under a lease fence that had been passed"),
        (12, {"fence": 99}, "the lease fence 3 is lower than that of an entry"),
        (5, {"seq": 6}, "entry 5 is missing or out of order"),
        (5, {"run": "r-2"}, "entry 5 was edited"),
        (5, {"schema": 9}, "entry 5 was edited"),
        (1, {"data": {"header": "0" * 64}}, "the header is not the one the run started with"),
        (11, {"data": {}}, "entry 11: 'serving'"),
    ),
)
def test_a_chain_forged_to_its_end_is_found_by_what_its_entries_say(
    number: int, fields: dict[str, Any], match: str
) -> None:
    assert_found(forged(number, **fields), match)


@given(
    data=st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=5,
    )
)
def test_an_entry_s_hash_is_that_of_its_row_whatever_its_data(data: dict[str, Any]) -> None:
    entry = chain.sealed(msgspec.structs.replace(entry_of(PRISTINE[ENTRIES[3]]), data=chain.guarded(data)))
    row = chain.entry_row(entry)
    assert hashlib.sha256(row["body"].encode()).hexdigest() == row["hash"]
    assert entry_of(row) == entry


@pytest.mark.parametrize("where", (ENTRIES[3], Key("RUN#r-1", "HEADER")), ids=("entry", "header"))
def test_what_a_newer_version_wrote_is_refused_clearly_by_every_reader(where: Key) -> None:
    journal = tampered(lambda found: found[where].update(schema=2)).process()
    for read in (journal.view, journal.verify, lambda run: journal.acquire(run, holder("bo"), wait=60)):
        with pytest.raises(errors.JournalNewer, match="written with journal schema 2; this version reads 1") as newer:
            read("r-1")
        assert newer.value.next.startswith("install the version")
    with pytest.raises(errors.JournalNewer):
        (journal.header if where.sk == "HEADER" else journal.entries)("r-1")


def test_verification_beside_a_live_writer_raises_no_false_alarm(memory: World) -> None:
    held = memory.start(run="r-1")
    held.append(Fact.FENCED, {})
    real = memory.table.query

    def query(pk: str, prefix: str = "") -> list[dict[str, Any]]:
        held.append(Fact.UNFENCED, {})
        found = real(pk, prefix)
        held.append(Fact.FENCED, {})
        return found

    memory.table.query = query  # type: ignore[method-assign]
    assert memory.process().verify("r-1") == 3


def test_canonical_bytes_do_not_depend_on_the_order_in_which_data_was_written() -> None:
    first = entry_of(PRISTINE[ENTRIES[3]])
    one = chain.sealed(msgspec.structs.replace(first, data={"a": 1, "b": {"c": 2, "d": "é"}}))
    two = chain.sealed(msgspec.structs.replace(first, data={"b": {"d": "é", "c": 2}, "a": 1}))
    assert one.hash == two.hash
    assert chain.entry_row(one) == chain.entry_row(two)
    assert entry_of(chain.entry_row(one)) == one
    assert msgspec.json.decode(chain.entry_row(one)["body"])["data"]["b"]["d"] == "é"
