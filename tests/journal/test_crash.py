"""Every write of the journal fails, before and after it took effect, or the process dies there: one end state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from portability import errors
from portability.journal.held import HeldRun
from portability.model.run import Cursor
from portability.model.status import Fact, Goal, RunState, Status
from tests.journal.world import (
    Fault,
    Killed,
    World,
    conflict,
    endpoint_down,
    memory_table,
    no_answer,
    throttled,
    unavailable,
)
from tests.journal.world import FaultyTable as Faulty

RUN, TENANT = "r-1", "tenant-42"
KEY = {"pk": {"S": "k"}, "b": {"B": b"\xff"}}

FAULTS: dict[str, Fault] = {
    "throttled": Fault(throttled),
    "conflict": Fault(conflict),
    "5xx before": Fault(unavailable),
    "5xx after": Fault(unavailable, acts=True),
    "request lost": Fault(no_answer),
    "reply lost": Fault(no_answer, acts=True),
    "lands late": Fault(no_answer, late=True),
    "ten throttles": Fault(throttled, times=6),
    "six lost": Fault(no_answer, times=6),
}
KILLS = {"killed before": Fault(Killed), "killed after": Fault(Killed, acts=True)}


def work(world: World) -> None:
    """Go on with the run from wherever it is, as a runner does, to its end: every kind of write occurs."""
    held = _taken(world)
    if held.view().step("copy").status in (Status.PENDING, Status.STARTED):
        held.append(Fact.STARTED, {}, step="copy")
        if not held.view().step("copy").intents:
            held.append(Fact.INTENT, {"change": {}, "existed": False}, step="copy")
        held.save_positions("ch", {"shard": "1"})
        if not held.parked("ch"):
            held.park("ch", "u", [KEY])
        held.save_cursor("copy", Cursor(unit="u", position=KEY, items=5), now=True)
        held.stream_users("Order-pooled", add=True)
        held.save_positions("ch", {"shard": "2", "other": "1"})
        held.save_cursor("copy", Cursor(unit="u", position=None, items=9, done=True))
        held.append(Fact.DONE, {"items": 9}, step="copy")
        held.release()
        held = _taken(world)
    held.unpark("ch", list(held.parked("ch")))
    if not held.view().fenced and held.view().serving == "source":
        held.append(Fact.FENCED, {})
    if held.view().serving == "source":
        _flip(held, world)
    if held.view().state is RunState.RUNNING and held.view().goal is Goal.MIGRATE:
        held.append(Fact.SOAKING, {})
    if held.view().goal is not Goal.COMPLETE:
        held.append(Fact.GOAL, {"goal": "complete"})
    held.drop_channel("ch")
    held.stream_users("Order-pooled", add=False)
    held.append(Fact.COMPLETED, {})
    held.release()


def _flip(held: HeldRun, world: World) -> None:
    """As a cutover does: a definite refusal of what writes elsewhere too is told at once."""
    while True:
        with contextlib.suppress(errors.Throttled, errors.TransactionConflict):
            held.append(Fact.FLIPPED, {"serving": "target"}, foreign=[world.put_elsewhere("flip")])
            return


def _taken(world: World) -> HeldRun:
    journal = world.process()
    if journal.active(TENANT) is None:
        return world.start(journal, run=RUN, tenant=TENANT)
    return world.acquire(RUN, "ana", journal=journal)


def outcome(world: World) -> dict[str, Any]:
    """Everything the run left, without what may differ: how often it was resumed, ids, times."""
    journal = world.process()
    assert journal.verify(RUN) >= 8
    entries = journal.entries(RUN)
    said = [(entry.step, entry.fact, entry.data) for entry in entries if entry.fact is not Fact.RESUMED]
    return {
        "entries": said,
        "active": journal.active(TENANT),
        "cursors": journal.cursors(RUN),
        "parked": journal.parked_counts(RUN),
        "positions": world.table.query(f"RUN#{RUN}", "P#"),
        "users": world.table.query("STREAM#Order-pooled"),
        "flip": world.elsewhere("flip"),
        "runs": [head.run for head in journal.runs()],
    }


def fresh_memory() -> World:
    table, foreign = memory_table()
    return World(Faulty(table), foreign.items.get, foreign.items.pop)


def clean() -> tuple[int, dict[str, Any]]:
    world = fresh_memory()
    work(world)
    return world.table.calls, outcome(world)


CALLS, EXPECTED = clean()


def run_with(world: World, call: int, fault: Fault) -> None:
    world.table.faults[world.table.calls + call] = fault
    work(world)
    world.table.deliver()
    assert not world.table.waiting


def test_the_scenario_makes_every_kind_of_write() -> None:
    assert CALLS >= 18
    facts = [fact for _, fact, _ in EXPECTED["entries"]]
    assert facts[0] is Fact.RUN_STARTED
    assert facts[-1] is Fact.COMPLETED
    assert EXPECTED["active"] is None
    assert EXPECTED["parked"] == {}
    assert EXPECTED["positions"] == []
    assert EXPECTED["flip"] is not None


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_write_that_fails_ends_in_the_same_world(call: int, fault: str) -> None:
    world = fresh_memory()
    run_with(world, call, FAULTS[fault])
    assert outcome(world) == EXPECTED


@pytest.mark.parametrize("call", range(1, CALLS + 1, 3))
@pytest.mark.parametrize("fault", ("request lost", "reply lost", "5xx after", "lands late"))
def test_a_write_that_fails_on_dynamodb_ends_in_the_same_world(on_dynamodb: World, call: int, fault: str) -> None:
    run_with(on_dynamodb, call, FAULTS[fault])
    assert outcome(on_dynamodb) == EXPECTED


@pytest.mark.parametrize("call", (1, 2, 5, 10, 15, CALLS))
def test_one_actor_meets_the_same_world_on_the_sandbox_s_engine_which_knows_no_tokens(
    on_moto: World, call: int
) -> None:
    run_with(on_moto, call, FAULTS["reply lost"])
    assert outcome(on_moto) == EXPECTED


def killed_and_resumed(world: World, kills: list[tuple[int, Fault]]) -> None:
    for call, kill in kills:
        world.table.faults[world.table.calls + call] = kill
        try:
            work(world)
        except Killed:
            world.liveness.names.add("ana@host-a")
        world.table.faults.clear()
        if world.process().runs() and world.process().view(RUN).ended:
            return
    work(world)


def kill_outcome(world: World) -> dict[str, Any]:
    """A killed step is started again; nothing else is said twice."""
    found = outcome(world)
    seen: list[Any] = []
    for one in found["entries"]:
        if one[1] is Fact.STARTED and one in seen:
            continue
        seen.append(one)
    return found | {"entries": seen}


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_process_killed_at_any_write_resumes_to_the_same_world(call: int, kill: str) -> None:
    world = fresh_memory()
    killed_and_resumed(world, [(call, KILLS[kill])])
    assert kill_outcome(world) == EXPECTED


@pytest.mark.parametrize("first", range(1, CALLS + 1, 2))
def test_a_process_killed_again_during_its_resume_resumes_to_the_same_world(first: int) -> None:
    for second in range(1, CALLS + 2):
        for kill in KILLS.values():
            world = fresh_memory()
            killed_and_resumed(world, [(first, kill), (second, kill)])
            assert kill_outcome(world) == EXPECTED, (first, second)


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("call", range(2, CALLS + 1, 5))
def test_a_process_killed_on_dynamodb_resumes_to_the_same_world(on_dynamodb: World, call: int, kill: str) -> None:
    killed_and_resumed(on_dynamodb, [(call, KILLS[kill])])
    assert kill_outcome(on_dynamodb) == EXPECTED


@pytest.mark.parametrize(
    "act",
    (
        lambda held: held.append(Fact.FENCED, {}),
        lambda held: held.park("ch", "u", [KEY]),
        lambda held: held.save_positions("ch", {"s": "1"}),
        lambda held: held.save_cursor("copy", Cursor(unit="u", position=None), now=True),
        HeldRun.release,
    ),
    ids=("append", "park", "position", "checkpoint", "release"),
)
@pytest.mark.parametrize("error", (unavailable, no_answer, endpoint_down, throttled))
def test_a_long_outage_loses_the_lease_cleanly_within_a_bounded_number_of_calls(
    memory: World, act: Callable[[HeldRun], object], error: Callable[[], BaseException]
) -> None:
    held = memory.start(run=RUN, tenant=TENANT)
    calls = memory.table.calls
    memory.table.fail_next(Fault(error, times=10_000))
    with pytest.raises(errors.LeaseLost):
        act(held)
    assert memory.table.calls - calls < 100
    memory.table.faults.clear()
    memory.liveness.names.add("ana@host-a")
    memory.acquire(RUN).append(Fact.PARKED, {"reason": "failure"})
    assert memory.process().verify(RUN) == 3
