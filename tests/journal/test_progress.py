"""What a run keeps beside its entries: checkpoints, positions, parked keys, users of a stream."""

from __future__ import annotations

from typing import Any

import pytest

from portability import errors
from portability.journal import rows
from portability.journal.table import Put
from portability.model.run import Cursor, Throughput, Tuning
from portability.model.status import Fact
from tests.journal.world import Fault, World, at_once, no_answer, throttled

KEY: dict[str, Any] = {"shardId": {"S": "tenant-42-3"}, "n": {"N": "1.50"}, "b": {"B": b"\x00\xff\xfe"}}

# ---------------------------------------------------------------------------------------------------------- checkpoints


def test_a_checkpoint_comes_back_as_it_was_bytes_included(world: World) -> None:
    held = world.start(run="r-1")
    cursor = Cursor(unit="p/tenant-42-3", position=KEY, items=12, bytes=3456)
    done = Cursor(unit="s/0002of0004", position=None, items=7, bytes=8, done=True)
    held.save_cursor("copy-orders", cursor, now=True)
    held.save_cursor("copy-orders", done)
    held.save_cursor("copy-orders-2", Cursor(unit="p/x", position=None), now=True)
    assert held.load_cursors("copy-orders") == {cursor.unit: cursor, done.unit: done}
    assert world.process().cursors("r-1") == {
        ("copy-orders", cursor.unit): cursor,
        ("copy-orders", done.unit): done,
        ("copy-orders-2", "p/x"): Cursor(unit="p/x", position=None),
    }


def test_names_with_a_separator_in_them_do_not_run_into_each_other(world: World) -> None:
    held = world.start(run="r-1")
    for step, unit in (("a", "b#c"), ("a#b", "c"), ("a%23b", "c")):
        held.save_cursor(step, Cursor(unit=unit, position=None, items=len(step)), now=True)
    assert list(held.load_cursors("a")) == ["b#c"]
    assert held.load_cursors("a#b")["c"].items == 3
    assert held.load_cursors("a%23b")["c"].items == 5
    held.park("ch", "g", [KEY])
    held.park("ch#1", "g", [KEY])
    held.drop_channel("ch")
    assert (held.parked("ch"), len(held.parked("ch#1"))) == ({}, 1)


def test_checkpoints_are_coalesced_to_a_few_writes_a_second_and_the_last_one_stands(memory: World) -> None:
    held = memory.start(run="r-1")
    calls = memory.table.calls
    for number in range(1000):
        memory.clock.advance(0.01)
        held.save_cursor("copy", Cursor(unit=f"u{number % 5}", position=None, items=number))
    writes = memory.table.calls - calls
    assert 35 <= writes <= 41
    held.pulse()
    memory.clock.advance(0.25)
    held.pulse()
    assert {unit: cursor.items for (_, unit), cursor in memory.process().cursors("r-1").items()} == {
        f"u{number}": 995 + number for number in range(5)
    }


def test_a_unit_that_is_done_is_written_at_once_with_whatever_waits(memory: World) -> None:
    held = memory.start(run="r-1")
    held.save_cursor("copy", Cursor(unit="a", position=None, items=1))
    held.save_cursor("copy", Cursor(unit="a", position=None, items=2))
    assert memory.process().cursors("r-1")["copy", "a"].items == 1
    calls = memory.table.calls
    held.save_cursor("copy", Cursor(unit="b", position=None, items=3, done=True))
    assert memory.table.calls == calls + 1
    assert memory.process().cursors("r-1")["copy", "a"].items == 2
    assert memory.process().cursors("r-1")["copy", "b"].done


def test_what_waits_is_written_before_it_is_read_and_before_a_release(memory: World) -> None:
    held = memory.start(run="r-1")
    for number in range(3):
        held.save_cursor("copy", Cursor(unit="a", position=None, items=number))
    assert held.load_cursors("copy")["a"].items == 2
    held.save_cursor("copy", Cursor(unit="a", position=None, items=5))
    held.release()
    assert memory.process().cursors("r-1")["copy", "a"].items == 5


def test_a_checkpoint_that_could_not_be_written_waits_on_but_never_over_a_newer_one(memory: World) -> None:
    held = memory.start(memory.process(attempts=1), run="r-1")
    writer = held._writer
    writer._retry = type(writer._retry)(attempts=1)
    memory.table.fail_next(Fault(throttled))
    with pytest.raises(errors.Throttled):
        held.save_cursor("copy", Cursor(unit="a", position=None, items=1), now=True)
    held.save_cursor("copy", Cursor(unit="b", position=None, items=2), now=True)
    assert {unit for _, unit in memory.process().cursors("r-1")} == {"a", "b"}


def test_hundreds_of_checkpoints_are_written_in_as_few_transactions_as_aws_allows(world: World) -> None:
    held = world.start(run="r-1")
    held.save_cursor("copy", Cursor(unit="first", position=None))
    for number in range(250):
        held.save_cursor("copy", Cursor(unit=f"u{number}", position=KEY))
    calls = world.table.calls
    assert len(held.load_cursors("copy")) == 251
    assert world.table.calls == calls + 3


def test_threads_may_save_their_own_units_at_the_same_time(world: World) -> None:
    held = world.start(run="r-1")

    def copy(unit: str) -> None:
        for number in range(10):
            held.save_cursor("copy", Cursor(unit=unit, position=None, items=number))
            world.clock.advance(0.05)
        held.save_cursor("copy", Cursor(unit=unit, position=None, items=10, done=True))

    assert at_once(*(lambda unit=unit: copy(unit) for unit in "abcdefgh")) == [None] * 8
    assert {cursor.items for cursor in held.load_cursors("copy").values()} == {10}


# ------------------------------------------------------------------------------------------------------------ positions


def test_positions_are_durable_when_saved_and_an_empty_one_deletes(world: World) -> None:
    held = world.start(run="r-1")
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/Order-pooled/stream/2026-01-01T00:00:00.000"
    held.save_positions("forward", {f"{arn}|shardId-1": "100", f"{arn}|shardId-2": "200"})
    held.save_positions("reverse", {f"{arn}|shardId-1": "7"})
    held.save_positions("forward", {f"{arn}|shardId-1": "101", f"{arn}|shardId-2": ""})
    held.abandon()
    world.liveness.names.add("ana@host-a")
    again = world.acquire("r-1")
    assert again.load_positions("forward") == {f"{arn}|shardId-1": "101"}
    assert again.load_positions("reverse") == {f"{arn}|shardId-1": "7"}
    assert world.process().position("r-1", "reverse", f"{arn}|shardId-1") == "7", "without a lease too"
    assert world.process().position("r-1", "reverse", "another") is None


def test_a_position_that_stands_already_is_not_written_again_but_the_lease_is_looked_at(memory: World) -> None:
    held = memory.start(run="r-1")
    held.save_positions("forward", {"a": "1", "b": "2"})
    calls = memory.table.calls
    held.save_positions("forward", {"a": "1", "b": "2"})
    assert memory.table.calls == calls
    held.save_positions("forward", {"a": "1", "b": "3"})
    assert memory.table.calls == calls + 1
    held.drop_channel("forward")
    held.save_positions("forward", {"a": "1"})
    assert held.load_positions("forward") == {"a": "1"}
    memory.clock.advance(41)
    with pytest.raises(errors.LeaseLost):
        held.save_positions("forward", {"a": "1"})


# ---------------------------------------------------------------------------------------------------------- parked keys


def test_parked_keys_come_back_with_their_group_under_their_batch_s_id(world: World) -> None:
    held = world.start(run="r-1")
    first = held.park("forward", "unit-1", [KEY, {"pk": {"S": "b"}}])
    second = held.park("forward", "doubtful", [{"pk": {"S": "c"}}])
    held.park("reverse", "unit-1", [KEY])
    assert held.parked("forward") == {
        first: ("unit-1", [KEY, {"pk": {"S": "b"}}]),
        second: ("doubtful", [{"pk": {"S": "c"}}]),
    }
    assert world.process().parked_counts("r-1") == {"forward": 3, "reverse": 1}
    held.unpark("forward", [first])
    held.unpark("forward", [first])
    assert list(held.parked("forward")) == [second]
    held.drop_channel("forward")
    assert held.parked("forward") == {}
    assert world.process().parked_counts("r-1") == {"reverse": 1}


def test_thousands_of_long_keys_are_parked_in_rows_that_fit(world: World) -> None:
    held = world.start(run="r-1")
    keys = [{"pk": {"S": f"{number:06}" + "x" * 1500}, "sk": {"S": "y" * 1000}} for number in range(2000)]
    batch = held.park("forward", "unit", keys)
    found = world.table.query("RUN#r-1", rows.KEYS)
    assert all(len(row["keys"]) <= rows.MOST_BYTES for row in found)
    assert len(found) > 10
    assert held.parked("forward") == {batch: ("unit", keys)}
    assert world.process().parked_counts("r-1") == {"forward": 2000}
    held.unpark("forward", [batch])
    assert world.table.query("RUN#r-1", rows.KEYS) == []


def test_parking_nothing_writes_nothing(memory: World) -> None:
    held = memory.start(run="r-1")
    calls = memory.table.calls
    batch = held.park("forward", "unit", [])
    held.unpark("forward", [batch])
    held.unpark("forward", [])
    assert memory.table.calls == calls
    assert held.parked("forward") == {}
    memory.clock.advance(41)
    with pytest.raises(errors.LeaseLost):
        held.park("forward", "unit", [])


def test_a_lost_reply_to_a_parking_parks_once(world: World) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(no_answer, acts=True))
    batch = held.park("forward", "unit", [KEY])
    assert held.parked("forward") == {batch: ("unit", [KEY])}


# ---------------------------------------------------------------------------------------------------- users of a stream


def test_the_last_run_that_uses_a_stream_sees_nobody_left(world: World) -> None:
    one, two = world.start(run="r-1"), world.start(run="r-2")
    assert one.stream_users("Order-pooled", add=True) == ["r-1"]
    assert two.stream_users("Order-pooled", add=True) == ["r-1", "r-2"]
    assert two.stream_users("Order-pooled", add=True) == ["r-1", "r-2"]
    assert one.stream_users("Order-pooled") == ["r-1", "r-2"]
    assert one.stream_users("Product-pooled") == []
    assert one.stream_users("Order-pooled", add=False) == ["r-2"]
    assert two.stream_users("Order-pooled", add=False) == []


def test_rows_beside_the_chain_do_not_disturb_it(world: World) -> None:
    held = world.start(run="r-1")
    held.append(Fact.STARTED, {}, step="copy")
    held.save_cursor("copy", Cursor(unit="u", position=KEY), now=True)
    held.park("forward", "unit", [KEY])
    held.save_positions("forward", {"a": "1"})
    held.append(Fact.DONE, {"items": 3}, step="copy")
    assert world.process().verify("r-1") == 3
    assert world.process().view("r-1").step("copy").output == {"items": 3}


# ----------------------------------------------------------------------------------------------------- the copy's pace


def test_anybody_tunes_an_active_run_and_what_is_not_named_stays(world: World) -> None:
    held = world.start(run="r-1")
    assert held.tuning() is None
    other = world.process()
    other.tune("r-1", Tuning(rate="250wcu", by="bo"))
    first = held.tuning()
    other.tune("r-1", Tuning(units=8, by="anna"))
    second = held.tuning()
    assert first is not None
    assert second is not None
    assert (first.rate, first.units, first.by) == ("250wcu", None, "bo")
    assert (second.rate, second.units, second.by) == ("250wcu", 8, "anna")
    assert first.id != second.id
    assert other.tuned("r-1") == second
    assert other.verify("r-1") == held.view().seq, "the chain is the holder's alone"


def test_a_run_that_is_not_active_any_more_is_not_tuned(world: World) -> None:
    held = world.start(run="r-1")
    held.append(Fact.GOAL, {"goal": "cancel"})
    held.append(Fact.UNWOUND, {})
    held.release()
    with pytest.raises(errors.Refused, match="nothing left to copy"):
        world.process().tune("r-1", Tuning(rate="250wcu", by="bo"))
    assert world.process().tuned("r-1") is None
    with pytest.raises(errors.UnknownName):
        world.process().tune("r-2", Tuning(rate="250wcu", by="bo"))


def test_a_tuning_whose_answer_was_lost_is_sent_until_it_stands(memory: World) -> None:
    memory.start(run="r-1")
    memory.table.fail_next(Fault(no_answer, acts=True))
    memory.process().tune("r-1", Tuning(rate="250wcu", by="bo"))
    tuned = memory.process().tuned("r-1")
    assert tuned is not None
    assert tuned.rate == "250wcu"


def test_what_was_asked_of_a_copy_is_checked_when_it_is_read(memory: World) -> None:
    held = memory.start(run="r-1")
    memory.table.table.transact([Put(rows.run_key("r-1", rows.TUNE), {"rate": "9e9", "write": "w"})], token="t")
    with pytest.raises(errors.JournalBroken, match="asked of its copy"):
        held.tuning()


def test_what_a_copy_does_a_second_is_kept_under_the_lease(world: World) -> None:
    held = world.start(run="r-1")
    told = Throughput(
        items=812.5, wcu=490.0, rcu=61.0, granted="500wcu", allowed_wcu=500.0, allowed_rcu=None, units=4,
        throttled=2, pressed=None, at=1.0,
    )  # fmt: skip
    assert world.process().throughput("r-1") is None
    held.save_throughput(told)
    assert world.process().throughput("r-1") == told
