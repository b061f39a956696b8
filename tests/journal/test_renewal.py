"""The own deadline: renewing a lease, and stopping in time."""

from __future__ import annotations

import threading

import pytest

from portability import errors
from portability.journal.memory import MemoryJournal
from portability.model.estate import JournalTable
from portability.model.run import Cursor
from portability.model.status import Fact
from portability.retry import Retry
from tests.journal.world import (
    Fault,
    Gone,
    RealClock,
    World,
    eventually,
    header,
    holder,
    throttled,
)


def test_a_runner_stops_when_two_thirds_of_a_lease_have_passed_since_it_sent_its_last_renewal(memory: World) -> None:
    held = memory.start(run="r-1")
    memory.clock.advance(40)
    held.look()
    memory.clock.advance(0.1)
    with pytest.raises(errors.LeaseLost, match="could not be renewed in time") as lost:
        held.look()
    assert lost.value.next == "portability status r-1"
    memory.clock.advance(-40)
    with pytest.raises(errors.LeaseLost):
        held.look()


def test_the_deadline_counts_from_when_a_renewal_was_sent_not_from_its_answer(memory: World) -> None:
    held = memory.start(run="r-1")
    memory.clock.advance(10)
    slow = memory.table.calls + 1
    memory.table.before = lambda call: memory.clock.advance(25) if call == slow else None
    held.pulse()
    memory.clock.advance(15)
    held.look()
    memory.clock.advance(0.1)
    with pytest.raises(errors.LeaseLost):
        held.look()


def test_a_slow_append_counts_from_when_it_was_first_sent(memory: World) -> None:
    held = memory.start(run="r-1")
    memory.clock.advance(5)
    slow = memory.table.calls + 1
    memory.table.before = lambda call: memory.clock.advance(30) if call == slow else None
    held.append(Fact.FENCED, {})
    memory.clock.advance(9)
    held.look()
    memory.clock.advance(3)
    with pytest.raises(errors.LeaseLost):
        held.look()


def test_a_pulse_renews_when_a_beat_is_due_and_says_when_to_come_again(world: World) -> None:
    held = world.start(run="r-1")
    beat = world.process().lease("r-1").beat
    assert held.pulse() == pytest.approx(10)
    assert world.process().lease("r-1").beat == beat
    for _ in range(20):
        world.clock.advance(10)
        held.pulse()
        held.look()
    after = world.process().lease("r-1")
    assert (after.beat, after.fence, after.seq) == (beat + 20, 1, 1)
    assert after.beat_at == world.clock.now()


def test_a_renewal_that_failed_is_tried_again_soon_and_the_deadline_is_not_moved(memory: World) -> None:
    held = memory.start(run="r-1")
    memory.clock.advance(10)
    memory.table.fail_next(Fault(throttled, times=2))
    for _ in range(2):
        with pytest.raises(errors.Throttled):
            held.pulse()
        memory.clock.advance(1)
    assert held.pulse() == pytest.approx(10)
    memory.clock.advance(40)
    held.look()


def test_a_renewal_that_meets_a_raised_fence_loses_the_lease_at_once(world: World) -> None:
    held = world.start(run="r-1")
    world.liveness.names.add("ana@host-a")
    world.acquire("r-1")
    world.clock.advance(10)
    held.look()
    with pytest.raises(errors.LeaseLost, match="raised the lease fence"):
        held.pulse()
    with pytest.raises(errors.LeaseLost):
        held.look()


def test_who_stood_still_asks_the_journal_and_stays_or_stops(world: World) -> None:
    held = world.start(run="r-1")
    world.clock.advance(39)
    held.reread()
    world.clock.advance(39)
    held.look()
    world.liveness.names.add("ana@host-a")
    world.acquire("r-1")
    with pytest.raises(errors.LeaseLost):
        held.reread()


def test_with_a_steady_heartbeat_virtual_time_moves_on_without_losing_the_lease(memory: World) -> None:
    held = memory.start(memory.process(heartbeat="steady"), run="r-1")
    memory.clock.advance(86_400)
    held.look()
    memory.clock.advance(86_400)
    held.append(Fact.FENCED, {})
    memory.liveness.names.add("ana@host-a")
    memory.acquire("r-1")
    memory.clock.advance(10)
    with pytest.raises(errors.LeaseLost):
        held.look()


def test_a_thread_beats_and_flushes_by_itself_and_stops_on_release(memory: World) -> None:
    clock = RealClock()
    spec = JournalTable(table="journal", lease="600ms", beat="20ms")
    journal = MemoryJournal(spec, clock, Retry(), heartbeat="thread")
    held = journal.start(header("r-1"), holder("ana"), write_id="w")
    before = journal.lease("r-1").beat
    held.save_cursor("copy", Cursor(unit="u", position={"k": {"S": "1"}}))
    assert eventually(lambda: journal.lease("r-1").beat >= before + 3)
    assert eventually(lambda: journal.cursors("r-1") != {})
    held.look()
    held.release()
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat r-1"]


def test_a_thread_that_finds_the_fence_raised_stops_and_the_run_with_it() -> None:
    spec = JournalTable(table="journal", lease="600ms", beat="20ms")
    journal = MemoryJournal(spec, RealClock(), Retry(), heartbeat="thread", liveness=Gone({"ana@host-a"}))
    held = journal.start(header("r-1"), holder("ana"), write_id="w")
    other = journal.acquire("r-1", holder("bo"))

    def lost() -> bool:
        try:
            held.look()
        except errors.LeaseLost:
            return True
        return False

    assert eventually(lost)
    other.look()
    other.abandon()


def test_a_beat_that_cannot_keep_the_lease_is_refused(memory: World) -> None:
    with pytest.raises(errors.Refused, match="cannot keep a lease"):
        memory.process(lease="20s", beat="10s")
