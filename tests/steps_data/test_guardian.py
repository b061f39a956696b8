"""The guardian beside a cutover: what it does when its process is gone or its time is up, and what it leaves alone."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from portability import errors
from portability.model.status import Fact, Goal, RunState
from portability.retry import Retry
from portability.steps.directory import ABORTED, FENCED, FLIPPED, LIFTED, STAMP, STAMPED, DirectoryTable, Stamp
from portability.steps.directory_record import stamp_value
from portability.steps.fence.base import lift
from portability.steps.guardian.abort import PATIENCE, abort, insist
from portability.steps.guardian.orders import ARMED, LEAVE
from portability.steps.guardian.stand_by import TICK, Line, stand_by
from tests.steps_data.run_world import RUN, TENANT, Estate42, FakeGuardian, Killed, Process, estate
from tests.steps_data.test_cut_over import at, facts
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


def test_a_directory_that_does_not_answer_is_asked_again_for_a_quarter_of_an_hour_and_not_for_ever() -> None:
    clock = Clock()
    down = errors.Unavailable("down", operation="dynamodb.UpdateItem", aws_code="")
    answers: list[Stamp | Exception] = [*[down] * 100, Stamp(RUN, 102, fenced=False, act=ABORTED)]

    def act() -> Stamp | None:
        answer = answers.pop(0) if answers else down
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert insist(act, now=clock.now, sleep=clock.sleep) == Stamp(RUN, 102, fenced=False, act=ABORTED)
    began = clock.at
    with pytest.raises(errors.Unavailable):
        insist(act, now=clock.now, sleep=clock.sleep)
    assert PATIENCE <= clock.at - began < PATIENCE + 5


# ---------------------------------------------------------------------------------------------------- when it does it


@dataclass
class Clock:
    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Standing:
    """A guardian that stands by in this process, at the end of a pipe."""

    told: int
    line: Line
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)
    acted: list[int] = field(default_factory=list)
    looks: int = 0

    def tell(self, *words: str) -> None:
        os.write(self.told, "".join(f"{word}\n" for word in words).encode())

    def look(self) -> None:
        self.looks += 1

    def stand(self, budget: float = 5.0) -> None:
        stand_by(
            self.line,
            self.said.append,
            budget=budget,
            look=self.look,
            act=self.acted.append,
            now=self.clock.now,
        )


@pytest.fixture
def standing() -> Iterator[Standing]:
    reading, writing = os.pipe()
    made = Standing(writing, Line(reading))
    yield made
    os.close(reading)
    if made.told >= 0:
        os.close(made.told)


def die(standing: Standing) -> None:
    os.close(standing.told)
    standing.told = -1


def test_one_that_was_never_armed_does_nothing_when_its_process_is_gone(standing: Standing) -> None:
    die(standing)
    standing.stand()
    assert (standing.acted, standing.said, standing.looks) == ([], [], 0)


def test_one_that_is_told_to_leave_does_nothing(standing: Standing) -> None:
    standing.tell("101", LEAVE)
    die(standing)
    standing.stand()
    assert (standing.acted, standing.said) == ([], [ARMED])


def test_one_that_was_armed_acts_when_its_process_is_gone(standing: Standing) -> None:
    standing.tell("101")
    die(standing)
    standing.stand()
    assert (standing.acted, standing.said, standing.looks) == ([101], [ARMED], 1)


def test_a_word_that_was_cut_short_by_a_kill_is_the_end_of_its_process(standing: Standing) -> None:
    standing.tell("101")
    os.write(standing.told, LEAVE.encode()[:3])
    die(standing)
    standing.stand()
    assert standing.acted == [101]


def test_one_whose_process_says_nothing_acts_when_the_time_is_up_and_not_before(standing: Standing) -> None:
    standing.tell("101")
    began = standing.clock.at
    waited = standing.line.word

    def tick(within: float | None) -> str | None:
        if within is None or standing.said == []:
            return waited(within)
        assert within <= TICK
        standing.clock.sleep(within)
        return None

    standing.line.word = tick  # type: ignore[method-assign]
    standing.stand(budget=5.0)
    assert standing.acted == [101]
    assert standing.clock.at - began == pytest.approx(5.0)


def test_one_that_slept_with_its_machine_acts_at_the_next_tick(standing: Standing) -> None:
    standing.tell("101")
    standing.look = lambda: standing.clock.sleep(3600.0)  # type: ignore[method-assign]
    standing.stand(budget=5.0)
    assert standing.acted == [101]


def test_one_that_cannot_read_any_more_says_so_and_is_not_armed(standing: Standing) -> None:
    def denied() -> None:
        raise errors.Unauthorised("denied", next="portability doctor")

    standing.look = denied  # type: ignore[method-assign]
    standing.tell("101")
    with pytest.raises(errors.Unauthorised):
        standing.stand()
    assert (standing.acted, standing.said) == ([], [])
