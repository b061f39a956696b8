"""Nothing of a replaced holder lands, and who takes over learns whose writes may."""

from __future__ import annotations

import pytest

from portability import errors
from portability.journal.held import BETWEEN_TELLS, HeldRun
from portability.model.run import Cursor
from portability.model.status import Fact
from tests.journal.world import (
    Fault,
    HandClock,
    World,
    holder,
    no_answer,
)


def test_nothing_is_accepted_under_an_old_fence(world: World) -> None:
    stale = world.start(run="r-1", by="ana")
    stale.save_cursor("copy", Cursor(unit="u", position=None, items=1), now=True)
    stale.save_positions("ch", {"shard": "5"})
    parked = stale.park("ch", "unit", [{"pk": {"S": "k"}}])
    stale.stream_users("Order-pooled", add=True)
    world.liveness.names.add("ana@host-a")
    owner = world.acquire("r-1")
    before = world.table.query("RUN#r-1")
    journal = world.process()
    attempts = (
        lambda held: held.append(Fact.FENCED, {}, foreign=[world.put_elsewhere("flag")]),
        lambda held: held.save_cursor("copy", Cursor(unit="u", position=None, items=2), now=True),
        lambda held: held.save_positions("ch", {"shard": "6"}),
        lambda held: held.save_positions("ch", {"shard": ""}),
        lambda held: held.park("ch", "unit", [{"pk": {"S": "k2"}}]),
        lambda held: held.unpark("ch", [parked]),
        lambda held: held.drop_channel("ch"),
        lambda held: held.stream_users("Order-pooled", add=False),
        lambda held: held.release(),
        lambda held: held.pulse(),
    )
    for attempt in attempts:
        zombie = _zombie(world, stale)
        world.clock.advance(10)
        owner.pulse()
        before = world.table.query("RUN#r-1")
        with pytest.raises(errors.LeaseLost, match="raised the lease fence"):
            attempt(zombie)  # type: ignore[no-untyped-call]
        assert world.table.query("RUN#r-1") == before
        assert world.elsewhere("flag") is None
        assert journal.parked_counts("r-1") == {"ch": 1}
        assert owner.stream_users("Order-pooled") == ["r-1"]
    owner.append(Fact.FENCED, {})
    assert journal.verify("r-1") == 3


def _zombie(world: World, stale: HeldRun) -> HeldRun:
    """The stale process as it thaws: it has not noticed, and its deadline has not passed."""
    writer = stale._writer
    fresh = type(writer)(
        world.table,
        stale.run,
        stale.fence,
        write=writer._write,
        sent=world.clock.monotonic(),
        timing=writer._timing,
        clock=world.clock,
        retry=writer._retry,
        new_id=writer.new_id,
        heartbeat="hand",
    )
    return HeldRun(fresh, stale.view(), stale._head, stale._holder, previous=None, late_for=0.0)


def test_a_raised_fence_alone_refuses_an_append(memory: World) -> None:
    held = memory.start(run="r-1")
    rows = memory.table.table.rows  # type: ignore[attr-defined]
    rows["RUN#r-1", "LEASE"]["fence"] = 2
    with pytest.raises(errors.LeaseLost, match="raised the lease fence"):
        held.append(Fact.FENCED, {})


def test_a_write_that_was_on_its_way_when_the_lease_was_released_never_lands(world: World) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(no_answer, late=True))
    held.save_cursor("copy", Cursor(unit="u", position=None, items=1), now=True)
    held.save_cursor("copy", Cursor(unit="u", position=None, items=2), now=True)
    held.release()
    assert world.table.deliver() == [errors.ConditionFailed]
    assert world.process().cursors("r-1")["copy", "u"].items == 2


def test_an_abandoned_lease_is_neither_released_nor_written_to(world: World) -> None:
    held = world.start(run="r-1")
    held.save_cursor("copy", Cursor(unit="u", position=None), now=True)
    held.save_cursor("copy", Cursor(unit="u", position=None, items=9))
    calls = world.table.calls
    held.abandon()
    with pytest.raises(errors.LeaseLost, match="abandoned"):
        held.look()
    assert world.table.calls == calls
    assert world.process().lease("r-1").holder == holder("ana")
    assert world.process().cursors("r-1")["copy", "u"].items == 0


FAR, HERE = 16 * 60.0, 30.0


def _live(world: World, held: HeldRun, seconds: int) -> None:
    for _ in range(seconds):
        world.clock.advance(1)
        held.pulse()


def test_a_clean_release_does_not_end_the_horizon_of_a_holder_replaced_before(memory: World) -> None:
    memory.start(run="r-1", by="ana")
    second = memory.acquire("r-1", by="bo", wait=60)
    assert second.late_for == FAR
    _live(memory, second, 100)
    second.release()
    third = memory.acquire("r-1", by="cy")
    assert (third.previous, third.late_for) == (None, FAR - 100)
    _live(memory, third, int(FAR) - 101)
    third.release()
    fourth = memory.acquire("r-1", by="di")
    assert fourth.late_for == 1
    memory.clock.advance(1)
    fourth.release()
    assert memory.acquire("r-1", by="ed").late_for == 0


@pytest.mark.parametrize("clock", (-86_400.0, 3600.0, 86_400.0))
def test_no_clock_tells_how_long_late_writes_may_land(memory: World, clock: float) -> None:
    """Time in which there was no process is waited again: a clock that is a day ahead looks the same."""
    memory.start(run="r-1", by="ana")
    memory.acquire("r-1", by="bo", wait=60).release()
    elsewhere = memory.process(clock=HandClock(at=memory.clock.now() + clock))
    held = elsewhere.acquire("r-1", holder("cy", host="host-b", boot="boot-b"))
    assert (held.previous, held.late_for) == (None, FAR)


def test_what_a_process_waited_is_told_while_it_waits(world: World) -> None:
    world.start(run="r-1", by="ana")
    second = world.acquire("r-1", by="bo", wait=60)
    _live(world, second, 64)
    second.abandon()
    world.liveness.names.add("bo@host-a")
    third = world.acquire("r-1", by="cy")
    assert third.previous == holder("bo")
    assert FAR - 64 <= third.late_for <= FAR - 64 + BETWEEN_TELLS


def test_it_is_over_once_a_process_has_seen_it_pass(world: World) -> None:
    world.start(run="r-1", by="ana").abandon()
    world.liveness.names.add("ana@host-a")
    second = world.acquire("r-1", by="bo")
    assert second.late_for == HERE
    _live(world, second, 30)
    told = world.table.query("RUN#r-1", "LATE")
    _live(world, second, 30)
    assert world.table.query("RUN#r-1", "LATE") == told, "what is over is told once"
    second.release()
    assert world.acquire("r-1", by="cy").late_for == 0


def test_one_far_holder_makes_the_horizon_far_even_where_the_last_one_died_here(memory: World) -> None:
    memory.start(run="r-1", by="far")
    memory.acquire("r-1", by="bo", wait=60).abandon()
    memory.liveness.names.add("bo@host-a")
    held = memory.acquire("r-1", by="cy")
    assert (held.previous, held.late_for) == (holder("bo"), FAR)


def test_a_holder_whose_lease_was_broken_may_go_on_for_a_lease(memory: World) -> None:
    memory.start(run="r-1", by="ana")
    memory.process().break_lease("r-1", fence=1, reason="gone", by="root")
    held = memory.acquire("r-1", by="bo")
    assert (held.previous, held.late_for) == (holder("ana"), FAR + 60)


def test_what_went_unanswered_may_land_for_a_horizon_and_the_next_process_is_told(memory: World) -> None:
    held = memory.start(run="r-1", by="ana")
    assert held.late_left() == 0
    held.unanswered()
    memory.clock.advance(10)
    assert held.late_left() == HERE - 10
    held.unanswered()
    assert held.late_left() == HERE
    memory.clock.advance(5)
    held.release()
    second = memory.acquire("r-1", by="bo")
    assert (second.previous, second.late_for) == (None, HERE - 5)
    memory.clock.advance(HERE)
    assert second.late_left() == 0
    second.release()
    assert memory.acquire("r-1", by="cy").late_for == 0


def test_what_went_unanswered_is_over_before_what_a_replaced_holder_sent(memory: World) -> None:
    memory.start(run="r-1", by="ana")
    second = memory.acquire("r-1", by="bo", wait=60)
    second.unanswered()
    assert second.late_left() == FAR


def test_a_run_of_an_older_version_tells_of_nothing_waited(memory: World) -> None:
    memory.start(run="r-1", by="ana")
    memory.acquire("r-1", by="bo", wait=60).release()
    rows = memory.table.table.rows  # type: ignore[attr-defined]
    del rows["RUN#r-1", "LATE"]
    assert memory.acquire("r-1", by="cy").late_for == FAR
