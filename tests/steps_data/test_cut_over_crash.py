"""The cutover killed at every call, in a whole run with an application that writes all the time."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest

from portability import errors
from portability.engine.runner import Options
from portability.model.estate import Estate
from portability.model.status import Fact, Goal, RunState
from tests.steps_data.run_plan import ESTATE
from tests.steps_data.run_world import Estate42, Killed, Process


def moved(*, data: bool = True) -> Estate42:
    """An estate whose tenant was moved, and soaks."""
    estate = Estate42(data=data)
    Process(estate).go()
    return estate


def reversed_() -> Estate42:
    """An estate whose tenant went there and back."""
    estate = moved()
    Process(estate).go(Goal.REVERSE)
    return estate


def traps_of(prepare: Callable[[], Estate42], goal: Goal | None, step: str) -> int:
    process = Process(prepare(), trap_from=step)
    process.go(goal)
    assert process.traps, "nothing to be killed at"
    return len(process.traps)


def some(count: int, runs: int, rng: random.Random) -> range:
    """Every call in a long campaign (`--runs 10`), every third from a random one on in a short one."""
    step = 1 if runs >= 10 else 3
    return range(rng.randrange(step), count, step)


def kill_and_resume(estate: Estate42, number: int, goal: Goal | None, step: str) -> Process:
    with pytest.raises(Killed):
        Process(estate, kill_at=number, trap_from=step).go(goal)
    process = Process(estate)
    process.go(goal)
    return process


def test_a_clean_run_flips_once_and_loses_nothing() -> None:
    estate = Estate42()
    view = Process(estate).go()
    assert view.state is RunState.SOAKING
    assert estate.flips == ["target"]
    assert estate.refused > 0
    estate.check_end("target")


def test_a_run_killed_at_any_call_of_the_cutover_resumes_to_the_same_world() -> None:
    for number in range(traps_of(Estate42, None, "cut-over")):
        estate = Estate42()
        kill_and_resume(estate, number, None, "cut-over")
        assert estate.flips == ["target"], number
        done = next(entry for entry in estate.entries() if (entry.step, entry.fact) == ("cut-over", Fact.DONE))
        assert done.data["certificate"]["verified"], number
        estate.check_end("target")


def test_a_flip_in_another_region_killed_at_any_call_is_found_by_its_stamp() -> None:
    def prepare() -> Estate42:
        return Estate42(elsewhere=True)

    for number in range(traps_of(prepare, None, "cut-over")):
        estate = prepare()
        kill_and_resume(estate, number, None, "cut-over")
        assert estate.flips == ["target"], number
        estate.check_end("target")


def test_a_flip_in_another_region_whose_reply_is_lost_is_not_taken_back(runs: int, rng: random.Random) -> None:
    def prepare() -> Estate42:
        return Estate42(elsewhere=True)

    for number in some(traps_of(prepare, None, "cut-over"), runs, rng):
        estate = prepare()
        process = Process(estate)
        lose_reply(process, number)
        try:
            process.go()
        except errors.PortabilityError:
            Process(estate).go()
        assert estate.flips == ["target"], number
        estate.check_end("target")


def test_a_reverse_killed_at_any_call_resumes_and_loses_no_write_made_at_the_target(
    runs: int, rng: random.Random
) -> None:
    for number in some(traps_of(moved, Goal.REVERSE, "cut-over.2"), runs, rng):
        estate = moved()
        kill_and_resume(estate, number, Goal.REVERSE, "cut-over.2")
        assert estate.flips == ["target", "source"], number
        estate.check_end("source")


def test_a_third_leg_killed_at_any_call_resumes(runs: int, rng: random.Random) -> None:
    for number in some(traps_of(reversed_, Goal.CUTOVER, "cut-over.3"), runs, rng):
        estate = reversed_()
        kill_and_resume(estate, number, Goal.CUTOVER, "cut-over.3")
        assert estate.flips == ["target", "source", "target"], number
        estate.check_end("target")


def test_a_second_kill_during_the_resume_changes_nothing(runs: int, rng: random.Random) -> None:
    most = traps_of(Estate42, None, "cut-over")
    for _ in range(20 * runs):
        estate = Estate42()
        first, second = rng.randrange(most), rng.randrange(most)
        with pytest.raises(Killed):
            Process(estate, kill_at=first).go()
        try:
            Process(estate, kill_at=second).go()
        except Killed:
            Process(estate).go()
        assert estate.flips == ["target"], (first, second)
        estate.check_end("target")


def test_a_move_without_data_killed_at_any_call_flips_once_and_fences_nothing() -> None:
    def prepare() -> Estate42:
        return Estate42(data=False)

    for number in range(traps_of(prepare, None, "cut-over")):
        estate = prepare()
        kill_and_resume(estate, number, None, "cut-over")
        # Nothing is fenced; what a killed process may still have under way is refused by a new epoch.
        assert [act for act, _ in estate.stamps if act != "lifted"] == ["stamped", "flipped"], number
        assert estate.record["tenantTier"] == {"S": "standard"}
        estate.check_end("target")


def test_a_lost_reply_to_any_call_of_the_cutover_leaves_one_flip_or_none_after_a_resume(
    runs: int, rng: random.Random
) -> None:
    for number in some(traps_of(Estate42, None, "cut-over"), runs, rng):
        estate = Estate42()
        process = Process(estate)
        lose_reply(process, number)
        try:
            process.go()
        except errors.PortabilityError:
            Process(estate).go()
        assert estate.flips == ["target"], number
        estate.check_end("target")


def lose_reply(process: Process, number: int) -> None:
    """The `number`-th call takes effect, or not, and its answer never comes."""

    def on_trap(_label: str) -> None:
        if process.armed and len(process.traps) == number:
            process.traps.append("lost")
            raise errors.NoDefiniteAnswer("no answer", operation="any", aws_code="ReadTimeout")

    process.on_trap = on_trap


def test_a_cancel_after_a_kill_at_any_call_before_the_flip_leaves_no_stamp_and_the_source_serving(
    runs: int, rng: random.Random
) -> None:
    for number in some(traps_of(Estate42, None, "cut-over"), runs, rng):
        estate = Estate42()
        with pytest.raises(Killed):
            Process(estate, kill_at=number).go()
        if estate.flips:
            continue
        view = Process(estate).go(Goal.CANCEL)
        assert view.state is RunState.UNWOUND, number
        assert "portability" not in estate.record, number
        estate.check_end("source")


def test_nothing_flips_while_a_write_of_a_replaced_process_may_land() -> None:
    """A page copied again is not doubtful; landing after the flip, its first copy would undo what the tenant wrote."""
    declared = msgspec.convert({**ESTATE, "journal": {**ESTATE["journal"], "horizon": "600s"}}, Estate)
    estate = Estate42(declared)
    estate.writing = False  # no key changes, so none is doubtful
    kill_and_resume(estate, 0, None, "copy-data")
    entries = estate.entries()
    resumed = next(entry.at for entry in entries if entry.fact is Fact.RESUMED)
    fenced, flipped = (next(e.at for e in entries if e.fact is fact) for fact in (Fact.FENCED, Fact.FLIPPED))
    assert fenced >= resumed + 600
    assert flipped < fenced + 5, "the wait is before the fence: the tenant does not notice it"
    estate.check_end("target")


@pytest.mark.parametrize(("killed_in", "goal"), (("copy-data", Goal.CANCEL), ("retire-source", Goal.COMPLETE)))
def test_a_run_ends_when_nothing_of_a_killed_process_can_land(killed_in: str, goal: Goal) -> None:
    """The tenant's next run may make the same tables again: what came late would be in them."""
    declared = msgspec.convert({**ESTATE, "journal": {**ESTATE["journal"], "horizon": "600s"}}, Estate)
    estate = Estate42(declared)
    if goal is Goal.COMPLETE:
        Process(estate).go()
    with pytest.raises(Killed):
        Process(estate, kill_at=0, trap_from=killed_in).go(goal if goal is Goal.COMPLETE else None)
    began = estate.clock.now()
    process = Process(estate)
    view = process.go(goal)
    assert view.ended
    assert 600 <= estate.clock.now() - began < 660
    retired = [entry.at for entry in estate.entries() if entry.data.get("about") == "archiving"]
    assert all(at >= began + 600 for at in retired), "an archive, or a deletion, that something late outlives"


def test_a_run_that_ends_and_is_stopped_is_ended_by_the_next_process() -> None:
    declared = msgspec.convert({**ESTATE, "journal": {**ESTATE["journal"], "horizon": "600s"}}, Estate)
    estate = Estate42(declared)
    with pytest.raises(Killed):
        Process(estate, kill_at=0, trap_from="copy-data").go()
    process = Process(estate)
    process.on_trap = lambda _label: process.stop.request(2) if ("ending" in dict(process.events)) else None
    with pytest.raises(errors.Interrupted):
        process.go(Goal.CANCEL)
    assert Process(estate).go(Goal.CANCEL).state is RunState.UNWOUND


def test_nothing_is_undone_before_what_a_dead_process_sent_has_landed() -> None:
    declared = msgspec.convert({**ESTATE, "journal": {**ESTATE["journal"], "horizon": "600s"}}, Estate)
    estate = Estate42(declared)
    with pytest.raises(Killed):
        Process(estate, kill_at=0, trap_from="copy-data").go()
    began = estate.clock.now()
    assert Process(estate).go(Goal.CANCEL).state is RunState.UNWOUND
    undone = [entry.at for entry in estate.entries() if entry.fact is Fact.UNDOING]
    assert undone
    assert min(undone) >= began + 600, "a table whose creation lands late would outlive the cancel"


def test_a_run_is_not_unwound_before_what_its_undo_sent_has_landed() -> None:
    declared = msgspec.convert({**ESTATE, "journal": {**ESTATE["journal"], "horizon": "600s"}}, Estate)
    estate = Estate42(declared)
    with pytest.raises(errors.Parked):
        Process(estate).go(options=Options(until="copy-data"))
    process = Process(estate)
    sent: list[float] = []

    def unheard(_label: str) -> None:
        if not sent and process.held is not None and process.held.view().state is RunState.UNWINDING:
            process.held.unanswered()
            sent.append(estate.clock.now())

    process.on_trap = unheard
    assert process.go(Goal.CANCEL).state is RunState.UNWOUND
    ended = next(entry.at for entry in estate.entries() if entry.fact is Fact.UNWOUND)
    assert ended >= sent[0] + 600


def test_a_third_process_waits_for_the_writes_of_the_first() -> None:
    """The second was stopped in good order; that a day has gone by since no clock tells."""
    declared = msgspec.convert({**ESTATE, "journal": {**ESTATE["journal"], "horizon": "600s"}}, Estate)
    estate = Estate42(declared)
    estate.writing = False
    with pytest.raises(Killed):
        Process(estate, kill_at=0, trap_from="copy-data").go()
    began = estate.clock.now()
    with pytest.raises(errors.Parked):
        Process(estate).go(options=Options(until="copy-data"))
    waited = estate.clock.now() - began
    estate.clock.sleep(86_400)
    began = estate.clock.now()
    Process(estate).go()
    fenced = next(entry.at for entry in estate.entries() if entry.fact is Fact.FENCED)
    assert waited < 60
    assert began + 600 - waited <= fenced < began + 605
    estate.check_end("target")
