"""Taking a lease: released, dead here, watched, raced for, broken."""

from __future__ import annotations

import functools

import pytest

from portability import errors
from portability.journal.held import HeldRun
from portability.model.status import Fact, RunState
from tests.journal.world import (
    Fault,
    HandClock,
    World,
    at_once,
    holder,
    no_answer,
)


def test_a_released_lease_is_taken_at_once_and_the_taking_is_journaled(world: World) -> None:
    first = world.start(run="r-1")
    first.append(Fact.PARKED, {"reason": "gate"})
    first.release()
    released = world.process().lease("r-1")
    assert (released.holder, released.fence) == (None, 2)
    second = world.acquire("r-1")
    assert (second.fence, second.previous, second.late_for) == (3, None, 0)
    assert second.view().state is RunState.RUNNING
    last = world.process().entries("r-1")[-1]
    assert (last.fact, last.fence, last.by, last.data["previous"]) == (Fact.RESUMED, 3, "bo@host-a", None)
    assert world.process().lease("r-1").holder == holder("bo")
    second.append(Fact.FENCED, {})
    assert world.process().verify("r-1") == 4


def test_a_holder_certainly_dead_on_this_host_is_replaced_at_once(world: World) -> None:
    first = world.start(run="r-1", by="ana")
    first.abandon()
    world.liveness.names.add("ana@host-a")
    began = world.clock.monotonic()
    second = world.acquire("r-1")
    assert world.clock.monotonic() == began
    assert (second.fence, second.previous, second.late_for) == (2, holder("ana"), 30)
    last = world.process().entries("r-1")[-1]
    assert last.data["previous"]["name"] == "ana@host-a"


def test_a_holder_that_may_live_is_not_replaced_without_being_watched(world: World) -> None:
    world.start(run="r-1", tenant="tenant-42", by="ana")
    world.clock.advance(86_400)
    with pytest.raises(errors.LeaseHeld, match=r"run r-1 \(ana@host-a, last beat 86400 s ago\)"):
        world.acquire("r-1")
    assert world.process().verify("r-1") == 1


def test_a_beat_unchanged_for_a_whole_lease_on_the_watcher_s_own_clock_is_taken_over(world: World) -> None:
    world.start(run="r-1", by="ana")
    watcher = HandClock(at=-5e6)  # another host's clock: weeks behind
    second = world.acquire("r-1", journal=world.process(clock=watcher), wait=61)
    assert 60 <= watcher.monotonic() - 100.0 < 61
    assert (second.fence, second.previous, second.late_for) == (2, holder("ana"), 16 * 60)
    assert second.taken_at == watcher.monotonic()
    assert world.process().verify("r-1") == 2


def test_a_watch_shorter_than_a_lease_never_takes_over(world: World) -> None:
    world.start(run="r-1", by="ana")
    watcher = HandClock()
    with pytest.raises(errors.LeaseHeld):
        world.acquire("r-1", journal=world.process(clock=watcher), wait=59.9)
    assert watcher.monotonic() - 100.0 == pytest.approx(59.9)


def test_a_holder_that_beats_is_never_taken_over_however_long_it_is_watched(world: World) -> None:
    held = world.start(run="r-1", by="ana")
    watcher = HandClock()

    def beat() -> None:
        world.clock.advance(watcher.monotonic() - 100.0 - (world.clock.monotonic() - 100.0))
        held.pulse()

    watcher.while_asleep = beat
    with pytest.raises(errors.LeaseHeld, match="last beat"):
        world.acquire("r-1", journal=world.process(clock=watcher), wait=300)
    held.look()
    assert world.process().lease("r-1").fence == 1


@pytest.mark.parametrize("off", (3600.0, 86_400.0, -3600.0, -86_400.0))
def test_a_clock_that_is_off_takes_nothing_over_too_early_and_keeps_nothing_alive(memory: World, off: float) -> None:
    memory.start(run="r-1", by="ana")
    watcher = HandClock(at=memory.clock.now() + off)
    with pytest.raises(errors.LeaseHeld):
        memory.acquire("r-1", journal=memory.process(clock=watcher))
    watcher.while_asleep = lambda: setattr(watcher, "wall", watcher.wall - off)
    assert memory.acquire("r-1", journal=memory.process(clock=watcher), wait=60).fence == 2
    assert watcher.monotonic() - 100.0 == pytest.approx(60)


def test_a_beat_that_comes_while_the_lease_is_being_taken_stops_the_taking(memory: World) -> None:
    held = memory.start(run="r-1", by="ana")
    watcher = HandClock()
    memory.clock.advance(30)

    def last_moment(call: int) -> None:
        memory.table.before = lambda _: None
        held.pulse()

    journal = memory.process(clock=watcher)
    watcher.while_asleep = lambda: (
        setattr(memory.table, "before", last_moment) if watcher.monotonic() - 100.0 >= 60 else None
    )
    with pytest.raises(errors.LeaseHeld):
        memory.acquire("r-1", journal=journal, wait=100)
    held.look()
    assert memory.process().verify("r-1") == 1


def test_a_release_while_watching_is_taken_at_once(world: World) -> None:
    held = world.start(run="r-1", by="ana")
    watcher = HandClock()
    watcher.while_asleep = held.release
    second = world.acquire("r-1", journal=world.process(clock=watcher), wait=60)
    assert second.previous is None
    assert watcher.monotonic() - 100.0 <= 10


def test_a_watcher_that_is_asked_to_stop_leaves(memory: World) -> None:
    memory.start(run="r-1", by="ana")
    watcher = HandClock()
    watcher.stopped = True
    with pytest.raises(errors.LeaseHeld):
        memory.acquire("r-1", journal=memory.process(clock=watcher), wait=600)


def test_of_two_that_take_a_lease_at_the_same_instant_one_wins_in_every_round(on_dynamodb: World) -> None:
    held = on_dynamodb.start(run="r-1", by="op")
    for round_ in range(20):
        held.release()
        calls = [functools.partial(on_dynamodb.acquire, "r-1", f"op{round_}-{n}") for n in range(2)]
        results = at_once(*calls)
        winners = [result for result in results if isinstance(result, HeldRun)]
        losers = [result for result in results if isinstance(result, errors.LeaseHeld)]
        assert (len(winners), len(losers)) == (1, 1), results
        (held,) = winners
    assert on_dynamodb.process().verify("r-1") == 21


def test_of_two_that_take_over_a_dead_holder_one_wins_in_every_round(on_dynamodb: World) -> None:
    on_dynamodb.start(run="r-1", by="op")
    on_dynamodb.liveness.names.add("op@host-a")
    for round_ in range(20):
        names = [f"op{round_}-{n}" for n in range(2)]
        results = at_once(*(functools.partial(on_dynamodb.acquire, "r-1", name) for name in names))
        winners = [result for result in results if isinstance(result, HeldRun)]
        assert len(winners) == 1, results
        assert len([result for result in results if isinstance(result, errors.LeaseHeld)]) == 1, results
        on_dynamodb.liveness.names |= {f"{name}@host-a" for name in names}
    assert on_dynamodb.process().verify("r-1") == 21


def test_a_lost_reply_to_the_taking_is_recognised(world: World) -> None:
    world.start(run="r-1").release()
    world.table.fail_next(Fault(no_answer, acts=True))
    held = world.acquire("r-1")
    held.append(Fact.FENCED, {})
    assert held.fence == 3
    assert world.process().verify("r-1") == 3


def test_a_run_that_was_tampered_with_is_not_taken(memory: World) -> None:
    held = memory.start(run="r-1")
    held.append(Fact.FENCED, {})
    held.release()
    rows = memory.table.table.rows  # type: ignore[attr-defined]
    rows["RUN#r-1", "E#000000000002"]["body"] = rows["RUN#r-1", "E#000000000002"]["body"].replace("fenced", "unfenced")
    with pytest.raises(errors.JournalBroken, match="entry 2 was edited"):
        memory.acquire("r-1")


def test_breaking_a_lease_needs_its_observed_number_and_is_journaled(world: World) -> None:
    held = world.start(run="r-1", by="ana")
    with pytest.raises(errors.LeaseHeld):
        world.process().break_lease("r-1", fence=2, reason="gone", by="root")
    world.process().break_lease("r-1", fence=1, reason="laptop stolen", by="root")
    assert (world.process().lease("r-1").holder, world.process().lease("r-1").fence) == (None, 2)
    last = world.process().entries("r-1")[-1]
    assert (last.fact, last.by, last.data["reason"]) == (Fact.LEASE_BROKEN, "root", "laptop stolen")
    with pytest.raises(errors.LeaseLost):
        held.append(Fact.FENCED, {})
    with pytest.raises(errors.Refused, match="nothing to break"):
        world.process().break_lease("r-1", fence=2, reason="again", by="root")
    taken = world.acquire("r-1", by="bo")
    assert (taken.previous, taken.fence) == (holder("ana"), 3)
    assert world.process().verify("r-1") == 3


def test_the_lease_of_an_ended_run_is_not_broken(world: World) -> None:
    world.start(run="r-1", by="ana").append(Fact.COMPLETED, {})  # and it died before it gave the lease back
    with pytest.raises(errors.Refused, match="completed: nothing is left to break") as refused:
        world.process().break_lease("r-1", fence=1, reason="gone", by="root")
    assert refused.value.next == "portability report r-1 --format md"
    assert world.process().verify("r-1") == 2


def test_a_lost_reply_to_the_breaking_breaks_once(world: World) -> None:
    world.start(run="r-1", by="ana")
    world.table.fail_next(Fault(no_answer, acts=True))
    world.process().break_lease("r-1", fence=1, reason="x", by="root")
    assert world.process().lease("r-1").fence == 2
    assert world.process().verify("r-1") == 2


def test_a_request_reaches_the_holder_it_was_left_for_and_no_other(world: World) -> None:
    held = world.start(run="r-1")
    journal = world.process()
    assert journal.asked("r-1", held.fence) is None
    world.table.fail_next(Fault(no_answer, acts=True))
    assert journal.ask("r-1", "pause", by="bo").fence == held.fence
    assert journal.asked("r-1", held.fence) == "pause"
    held.release()
    with pytest.raises(errors.Refused, match="nobody to ask"):
        journal.ask("r-1", "pause", by="bo")
    assert journal.asked("r-1", world.acquire("r-1").fence) is None
