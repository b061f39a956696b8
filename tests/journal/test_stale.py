"""Nothing of a replaced holder lands, and who takes over learns whose writes may."""

from __future__ import annotations

import pytest

from portability import errors
from portability.journal.held import HeldRun
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
    return HeldRun(fresh, stale.view(), stale._head, stale._holder, previous=None, same_host=False)


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


def test_a_clean_release_does_not_end_the_horizon_of_a_holder_replaced_shortly_before(memory: World) -> None:
    memory.start(run="r-1", by="ana")
    memory.acquire("r-1", by="bo", wait=60)
    second = memory.acquire("r-1", by="cy", wait=60)
    second.release()
    third = memory.acquire("r-1", by="di")
    assert third.previous == holder("bo")
    assert not third.same_host
    third.release()
    memory.clock.advance(16 * 60 + 60 - 1)
    fourth = memory.acquire("r-1", by="eve")
    assert fourth.previous == holder("bo")
    fourth.release()
    memory.clock.advance(2)
    assert memory.acquire("r-1", by="ed").previous is None


def test_a_clock_of_another_host_is_given_half_an_hour_of_skew(memory: World) -> None:
    memory.start(run="r-1", by="ana")
    memory.acquire("r-1", by="bo", wait=60).release()
    elsewhere = HandClock(at=memory.clock.now() + 16 * 60 + 60 + 1000)
    journal = memory.process(clock=elsewhere)
    held = journal.acquire("r-1", holder("cy", host="host-b", boot="boot-b"))
    assert held.previous == holder("ana")
    held.release()
    elsewhere.advance(1000)
    assert journal.acquire("r-1", holder("cy", host="host-b", boot="boot-b")).previous is None


def test_a_holder_dead_on_this_host_has_the_short_horizon(memory: World) -> None:
    memory.start(run="r-1", by="ana").abandon()
    memory.liveness.names.add("ana@host-a")
    memory.acquire("r-1", by="bo").release()
    held = memory.acquire("r-1", by="cy")
    assert (held.previous, held.same_host) == (holder("ana"), True)
    held.release()
    memory.clock.advance(31)
    assert memory.acquire("r-1", by="di").previous is None


def test_one_far_holder_makes_the_horizon_far_even_where_the_last_one_died_here(memory: World) -> None:
    memory.start(run="r-1", by="far")
    memory.acquire("r-1", by="bo", wait=60).abandon()
    memory.liveness.names.add("bo@host-a")
    held = memory.acquire("r-1", by="cy")
    assert (held.previous, held.same_host) == (holder("bo"), False)
