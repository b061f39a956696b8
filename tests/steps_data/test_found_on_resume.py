"""What an earlier process left of a cutover is found out first, whatever is asked for next."""

from __future__ import annotations

import pytest

from portability import errors
from portability.model.status import Fact, Goal, RunState, Status
from portability.steps.directory import STAMP
from tests.steps_data.moments import at, facts
from tests.steps_data.run_plan import RUN
from tests.steps_data.run_world import Estate42, Killed, Process
from tests.steps_data.test_changed_minds import killed_inside_the_fence


def landed(world: Estate42) -> bool:
    return any(act == "flipped" for act, _ in world.stamps)


@pytest.mark.parametrize("data", (True, False))
def test_a_cancel_of_a_flip_that_landed_unrecorded_is_refused_and_the_run_goes_forward(*, data: bool) -> None:
    clean = Process(Estate42(elsewhere=True, data=data))
    clean.go()
    sent = max(number for number, label in enumerate(clean.traps) if label == "before transact")
    found = 0
    for number in range(sent - 3, sent + 4):
        world = Estate42(elsewhere=True, data=data)
        with pytest.raises(Killed):
            Process(world, kill_at=number).go()
        if not landed(world):
            assert Process(world).go(Goal.CANCEL).state is RunState.UNWOUND
            assert STAMP not in world.record
            world.check_end("source")
            continue
        if Fact.FLIPPED in facts(world):
            continue  # the verb itself refuses
        found += 1
        with pytest.raises(errors.UsageMistake) as refused:
            Process(world).go(Goal.CANCEL)
        assert refused.value.next == f"portability reverse {RUN}"
        assert not [entry for entry in world.entries() if entry.fact is Fact.UNDOING]
        view = Process(world).go()
        assert (view.state, view.serving) == (RunState.SOAKING, "target")
        assert view.step("cut-over").status is Status.DONE, "it was settled, and not merely left as it was"
        world.check_end("target")
        assert Process(world).go(Goal.REVERSE).state is RunState.REVERSED
        assert Process(world).go(Goal.CANCEL).state is RunState.UNWOUND
        world.check_end("source")
    assert found


def test_a_plain_flip_that_is_sent_late_is_refused_once_a_cancel_has_looked() -> None:
    world = Estate42(elsewhere=True, data=False)
    sent: list[list[dict[str, object]]] = []
    process = Process(world)

    def hold_back(items: list[dict[str, object]]) -> None:
        sent.append(items)
        process.dead = True
        raise Killed

    process._elsewhere = hold_back  # type: ignore[method-assign,assignment]
    with pytest.raises(Killed):
        process.go()
    canceller = Process(world)

    def land(label: str) -> None:
        # After the cancel looked, and before it takes the stamp away.
        if label == "before append" and Fact.UNDOING in [entry.fact for entry in world.entries()] and sent:
            with pytest.raises(errors.ConditionFailed):
                world.dynamo.apply(sent.pop())

    canceller.on_trap = land
    assert canceller.go(Goal.CANCEL).state is RunState.UNWOUND
    assert not sent
    assert not landed(world)
    assert STAMP not in world.record


@pytest.mark.parametrize("goal", (None, Goal.CANCEL))
def test_a_stamp_taken_away_inside_the_fence_ends_the_pause_and_not_the_run(goal: Goal | None) -> None:
    world = Estate42()
    killed_inside_the_fence(world)
    spent = world.stamps[-1][1]
    del world.record[STAMP]
    view = Process(world).go(goal)
    lifted = next(entry for entry in world.entries() if entry.fact is Fact.UNFENCED)
    assert "stamp is gone" in lifted.data["why"]
    if goal is None:
        assert view.state is RunState.SOAKING
        assert min(epoch for act, epoch in world.stamps if act == "stamped" and epoch != world.stamps[0][1]) > spent
        world.check_end("target")
    else:
        assert view.state is RunState.UNWOUND
        world.check_end("source")


def test_a_stamp_taken_away_while_this_process_holds_the_fence_parks_it_and_a_resume_goes_on() -> None:
    world = Estate42()
    process = Process(world)
    at(process, "cut-over", "after drain Order-forward", lambda: world.record.pop(STAMP))
    with pytest.raises((errors.Parked, errors.Mismatch)):
        process.go()
    assert facts(world)[-2:] == [Fact.UNFENCED, Fact.PARKED]
    assert Process(world).go().state is RunState.SOAKING
    world.check_end("target")


def test_a_stamp_taken_away_after_a_flip_that_was_not_recorded_is_told_by_the_routing() -> None:
    world = Estate42(elsewhere=True)
    process = Process(world)

    def die() -> None:
        process.dead = True
        raise Killed

    at(process, "cut-over", "after transact", lambda: die() if landed(world) else None, once=False)
    with pytest.raises(Killed):
        process.go()
    assert Fact.FLIPPED not in facts(world)
    del world.record[STAMP]
    view = Process(world).go()
    assert (view.state, view.serving) == (RunState.SOAKING, "target")
    world.check_end("target")


def test_a_reverse_that_is_not_settled_is_not_cancelled() -> None:
    from portability.cli.operations import allow

    world = Estate42()
    Process(world).go()
    process = Process(world)
    at(process, "cut-over.2", "asleep", lambda: process.stop.request(2) if len(world.flips) > 1 else None, once=False)
    with pytest.raises(errors.Interrupted):
        process.go(Goal.REVERSE)
    view = Process(world).journal().view(RUN)
    assert view.serving == "source"
    with pytest.raises(errors.UsageMistake) as refused:
        allow(view, Goal.CANCEL)
    assert refused.value.next == f"portability resume {RUN}"
    allow(Process(world).go(), Goal.CANCEL)


@pytest.mark.parametrize("goal", (None, Goal.CANCEL))
def test_a_fence_that_was_lifted_by_hand_as_the_guardian_does_is_recorded(goal: Goal | None) -> None:
    world = Estate42()
    killed_inside_the_fence(world)
    stamp = world.record[STAMP]["M"]
    spent = int(stamp["epoch"]["N"])
    assert stamp["fenced"] == {"BOOL": True}
    stamp |= {"epoch": {"N": str(spent + 1)}, "fenced": {"BOOL": False}, "act": {"S": "aborted"}}
    view = Process(world).go(goal)
    lifted = next(entry for entry in world.entries() if entry.fact is Fact.UNFENCED)
    assert (lifted.data["epoch"], lifted.data["by"]) == (spent + 1, "guardian")
    assert view.state is (RunState.SOAKING if goal is None else RunState.UNWOUND)
    world.check_end("target" if goal is None else "source")
