"""The guardian beside a cutover: what it does when its process is gone or its time is up, and what it leaves alone."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from portability import errors
from portability.model.status import Fact, Goal, RunState
from portability.retry import Retry
from portability.steps.directory import ABORTED, FENCED, FLIPPED, LIFTED, STAMP, STAMPED, DirectoryTable, Stamp
from portability.steps.directory_record import stamp_value
from portability.steps.fence.base import lift
from portability.steps.guardian.abort import abort
from tests.steps_data.moments import at, facts
from tests.steps_data.run_plan import RUN, TENANT, estate
from tests.steps_data.run_world import Estate42, FakeGuardian, Killed, Process
from tests.steps_data.test_cut_over_crash import moved, some, traps_of

# ---------------------------------------------------------------------------------------------------- killed, in memory


def fenced(world: Estate42) -> bool:
    return bool(world.record.get(STAMP, {"M": {"fenced": {"BOOL": False}}})["M"]["fenced"]["BOOL"])


def lifted_by_guardian(world: Estate42) -> int:
    return sum(entry.fact is Fact.UNFENCED and entry.data.get("by") == "guardian" for entry in world.entries())


FORTH = (Estate42, None, "cut-over", ["target"])
ELSEWHERE = (lambda: Estate42(elsewhere=True), None, "cut-over", ["target"])
BACK = (moved, Goal.REVERSE, "cut-over.2", ["target", "source"])


@pytest.mark.parametrize("way", (FORTH, ELSEWHERE, BACK), ids=("forth", "elsewhere", "back"))
def test_killed_at_any_call_the_tenant_writes_again_before_anybody_resumes_and_the_move_is_completed(
    way: tuple[Callable[[], Estate42], Goal | None, str, list[str]], runs: int, rng: random.Random
) -> None:
    prepare, goal, step, flips = way
    aborted = left_alone = 0
    calls = traps_of(prepare, goal, step)
    for number in range(calls) if way is FORTH else some(calls, runs, rng):
        world = prepare()
        with pytest.raises(Killed):
            Process(world, kill_at=number, trap_from=step).go(goal)
        there, flipped = fenced(world), len(world.flips)
        guarded = world.guardian_acts()
        assert not fenced(world), number
        accepted = world.refused
        world.app()
        assert world.refused == accepted, number
        took_back = [act for act, _ in world.stamps[-1:]] == [ABORTED]
        assert took_back or not there, number
        aborted += took_back
        left_alone += guarded and not took_back
        assert not (took_back and flipped == len(flips)), number
        Process(world).go(goal)
        assert world.flips == flips, number
        assert lifted_by_guardian(world) == took_back, number
        world.check_end(flips[-1])
    assert aborted
    assert left_alone or way is not FORTH, "none was killed between its flip and the goodbye"


def test_a_guardian_whose_time_is_up_at_any_call_competes_with_the_flip_and_one_of_them_wins(
    runs: int, rng: random.Random
) -> None:
    calls = traps_of(Estate42, None, "cut-over")
    won = 0
    for number in some(calls, runs, rng):
        world = Estate42()
        process = Process(world)

        def stood_still(_label: str, process: Process = process, world: Estate42 = world, number: int = number) -> None:
            if process.armed and len(process.traps) == number:
                world.guardian_acts()

        process.on_trap = stood_still
        process.go()
        acts = [act for act, _ in world.stamps]
        assert acts.count(FLIPPED) == 1, number
        if ABORTED in acts:
            won += 1
            since = acts[acts.index(ABORTED) :]
            assert since.index(FENCED) < since.index(FLIPPED), f"{number}: flipped under a fence that was taken back"
            assert lifted_by_guardian(world) == 1, number
        assert world.armed is None
        world.check_end("target")
    assert won > 3


def test_a_process_that_wakes_up_after_its_guardian_had_acted_does_not_flip_and_parks() -> None:
    for label in ("before update", "after drain Order-forward", "before transact"):
        world = Estate42(estate(attempts=1), elsewhere=True)
        process = Process(world)

        def stood_still(seen: str, world: Estate42 = world, process: Process = process, label: str = label) -> None:
            at_the_flip = process.armed and world.entries()[-1].data.get("about") == "flip intended"
            if process.armed and seen == label and (at_the_flip or label != "before transact"):
                world.guardian_acts()

        process.on_trap = stood_still
        with pytest.raises(errors.Parked) as parked:
            process.go()
        assert parked.value.reason == "gate"
        assert world.flips == []
        assert facts(world)[-2:] == [Fact.UNFENCED, Fact.PARKED]
        assert lifted_by_guardian(world) == 1
        world.check_end("source")


def test_a_flip_that_was_on_its_way_does_not_land_under_the_next_fence() -> None:
    world = Estate42(elsewhere=True)
    killed, late = Process(world), list[Any]()

    def hold_back(items: Any) -> None:
        late.append(items)
        killed.dead = True
        raise Killed

    killed._elsewhere = hold_back  # type: ignore[method-assign]
    with pytest.raises(Killed):
        killed.go()
    assert world.guardian_acts()
    process = Process(world)

    def land() -> None:
        with pytest.raises(errors.ConditionFailed):
            world.dynamo.apply(late.pop())

    at(process, "cut-over", "after drain Order-forward", land)
    process.go()
    assert not late
    assert [act for act, _ in world.stamps] == [STAMPED, FENCED, ABORTED, FENCED, FLIPPED]
    world.check_end("target")


def test_a_guardian_that_is_gone_ends_the_attempt_before_the_flip_and_the_next_one_has_its_own() -> None:
    world = Estate42()
    process = Process(world)

    def kill() -> None:
        process.guardians[-1].gone = True

    at(process, "cut-over", "after drain Order-forward", kill)
    process.go()
    assert [act for act, _ in world.stamps] == [STAMPED, FENCED, LIFTED, FENCED, FLIPPED]
    assert len(process.guardians) == 2
    world.check_end("target")


def test_a_cutover_whose_guardian_cannot_start_parks_with_nothing_frozen() -> None:
    world = Estate42()
    with pytest.raises(errors.Parked) as parked:
        Cannot(world).go()
    assert parked.value.reason == "gate"
    assert Fact.FENCED not in facts(world)
    assert [act for act, _ in world.stamps] == [STAMPED]


class Cannot(Process):
    """A process whose guardians do not start."""

    def _beside(self, _ctx: Any, budget: float) -> Any:
        return contextlib.nullcontext(FakeGuardian(self.estate, gone=True))


def test_a_cancel_after_the_guardian_had_acted_leaves_no_stamp() -> None:
    world = Estate42()
    process = Process(world)
    at(process, "cut-over", "after drain Order-forward", lambda: setattr(process, "dead", True))
    with pytest.raises(Killed):
        process.go()
    assert world.guardian_acts()
    assert Process(world).go(Goal.CANCEL).state is RunState.UNWOUND
    assert STAMP not in world.record
    assert lifted_by_guardian(world) == 1
    world.check_end("source")


# ----------------------------------------------------------------------------------------- what it does, by what stands

EPOCH = 101
"""Of the fence that the guardian stands beside."""


@pytest.fixture
def world() -> Estate42:
    return Estate42()


@pytest.fixture
def table(world: Estate42) -> DirectoryTable:
    return DirectoryTable(world.plan.estate, world.dynamo, Retry(attempts=2, sleep=lambda _: None))


@pytest.mark.parametrize(
    ("stands", "leaves"),
    (
        (Stamp(RUN, 101, fenced=True, act=FENCED), Stamp(RUN, 102, fenced=False, act=ABORTED)),
        (Stamp(RUN, 100, fenced=False, act=STAMPED), Stamp(RUN, 101, fenced=False, act=ABORTED)),
        (Stamp(RUN, 100, fenced=False, act=LIFTED), Stamp(RUN, 101, fenced=False, act=ABORTED)),
        (Stamp(RUN, 101, fenced=False, act=LIFTED), None),
        (Stamp(RUN, 102, fenced=False, act=FLIPPED), None),
        (Stamp(RUN, 102, fenced=False, act=LIFTED), None),
        (Stamp(RUN, 103, fenced=True, act=FENCED), None),
        (Stamp("r-other", 101, fenced=True, act=FENCED), None),
        (None, None),
    ),
    ids=lambda stamp: "none" if stamp is None else f"{stamp.act}-{stamp.epoch}-{stamp.run[-5:]}",
)
def test_only_the_fence_it_was_armed_for_is_taken_back(
    world: Estate42, table: DirectoryTable, stands: Stamp | None, leaves: Stamp | None
) -> None:
    world.dynamo.watch = lambda *_: None
    if stands is not None:
        world.record[STAMP] = stamp_value(stands)
    before = dict(world.record)
    assert abort(table, TENANT, RUN, EPOCH) == leaves
    assert world.record == before if leaves is None else world.record[STAMP] == stamp_value(leaves)
    assert abort(table, TENANT, RUN, EPOCH) in (leaves, None), "it may be repeated"


def test_a_fence_that_was_on_its_way_cannot_be_raised_any_more_and_a_resume_knows_it(
    world: Estate42, table: DirectoryTable
) -> None:
    world.dynamo.watch = lambda *_: None
    world.record[STAMP] = stamp_value(Stamp(RUN, 100, fenced=False))
    abort(table, TENANT, RUN, EPOCH)
    with pytest.raises(errors.StampMoved):
        table.raise_epoch(TENANT, RUN, 100, fenced=True)
    assert lift(table, TENANT, RUN, EPOCH) == Stamp(RUN, 101, fenced=False, act=ABORTED)


def test_a_fence_that_lands_between_two_looks_is_taken_back(world: Estate42, table: DirectoryTable) -> None:
    world.dynamo.watch = lambda *_: None
    world.record[STAMP] = stamp_value(Stamp(RUN, 100, fenced=False))
    tries: list[str] = []

    def land(label: str) -> None:
        tries.append(label)
        if tries.count("before update") == 2:
            world.record[STAMP] = stamp_value(Stamp(RUN, 101, fenced=True, act=FENCED))

    world.dynamo.trap = land
    assert abort(table, TENANT, RUN, EPOCH) == Stamp(RUN, 102, fenced=False, act=ABORTED)


def test_a_lost_reply_is_recognised(world: Estate42, table: DirectoryTable) -> None:
    world.dynamo.watch = lambda *_: None
    world.record[STAMP] = stamp_value(Stamp(RUN, 101, fenced=True, act=FENCED))
    lost: list[str] = []

    def lose(label: str) -> None:
        if label == "after update" and not lost:
            lost.append(label)
            raise errors.NoDefiniteAnswer("no answer", operation="dynamodb.UpdateItem", aws_code="")

    world.dynamo.trap = lose
    assert abort(table, TENANT, RUN, EPOCH) == Stamp(RUN, 102, fenced=False, act=ABORTED)
