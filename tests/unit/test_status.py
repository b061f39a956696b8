"""The laws of the two transition tables, and of the fold that goes through them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portability.model.change import Change, Sign
from portability.model.run import Entry, Header, RunView, advance, fold
from portability.model.status import (
    ENDED,
    RUN_TABLE,
    STEP_TABLE,
    Fact,
    Goal,
    IllegalTransition,
    RunState,
    Status,
    next_state,
    next_status,
)
from tests.journal.world import header

HEADER: Header = header("r-1")
OPEN = [state for state in RunState if state not in ENDED]


def entry(seq: int, fact: Fact, data: dict[str, Any] | None = None, step: str = "") -> Entry:
    return Entry(
        run="r-1",
        seq=seq,
        step=step,
        fact=fact,
        data=data or {},
        at=1000.0 + seq,
        by="ana@host",
        fence=1,
        write_id=f"w{seq}",
        prev="",
        hash="",
    )


def told(*facts: tuple[str, Fact] | tuple[str, Fact, dict[str, Any]]) -> RunView:
    """The view of a run that started and then saw these facts."""
    entries = [entry(1, Fact.RUN_STARTED)]
    for step, fact, *data in facts:
        entries.append(entry(len(entries) + 1, fact, data[0] if data else {}, step))
    return fold(HEADER, entries)


def reachable(edges: Iterable[tuple[object, object]], start: object) -> set[object]:
    known, found = list(edges), {start}
    while new := {after for before, after in known if before in found} - found:
        found |= new
    return found


# -------------------------------------------------------------------------------------------------------------- steps


def test_a_step_starts_pending_and_every_status_can_be_reached() -> None:
    edges = [(status, after) for (status, _), after in STEP_TABLE.items()]
    assert reachable(edges, Status.PENDING) == set(Status)


@pytest.mark.parametrize("status", (Status.STARTED, Status.FAILED, Status.UNDOING, Status.UNDO_FAILED))
def test_a_step_that_was_cut_short_can_be_repeated(status: Status) -> None:
    again = Fact.UNDOING if status in (Status.UNDOING, Status.UNDO_FAILED) else Fact.STARTED
    assert next_status(status, again) in (Status.STARTED, Status.UNDOING)


@pytest.mark.parametrize("status", (Status.STARTED, Status.FAILED, Status.DONE, Status.UNDO_FAILED))
def test_whatever_had_an_effect_can_be_undone(status: Status) -> None:
    assert next_status(next_status(status, Fact.UNDOING), Fact.UNDONE) is Status.UNDONE


def test_the_time_of_a_step_that_is_undone_is_that_of_the_undoing_a_repeated_one_included() -> None:
    told_of = [("s", Fact.STARTED), ("s", Fact.DONE), ("t", Fact.STARTED), ("s", Fact.UNDOING)]
    assert told(*told_of).step("s").started_at == 1005.0
    undone = told(*told_of, ("s", Fact.UNDO_FAILED), ("s", Fact.UNDOING), ("s", Fact.UNDONE)).step("s")
    assert (undone.started_at, undone.ended_at) == (1005.0, 1008.0)


def test_an_undone_step_sees_nothing_more() -> None:
    assert not [fact for status, fact in STEP_TABLE if status is Status.UNDONE]


def test_an_outcome_is_preceded_by_a_start_and_an_intent_by_nothing_else() -> None:
    for fact in (Fact.DONE, Fact.FAILED, Fact.INTENT):
        assert [status for status, seen in STEP_TABLE if seen is fact] == [Status.STARTED]


@given(status=st.sampled_from(Status), fact=st.sampled_from(Fact))
def test_what_is_not_in_the_step_table_is_illegal(status: Status, fact: Fact) -> None:
    if (status, fact) in STEP_TABLE:
        assert next_status(status, fact) is STEP_TABLE[status, fact]
    else:
        with pytest.raises(IllegalTransition, match=f"a step that is {status} cannot see {fact}"):
            next_status(status, fact)


def test_step_facts_and_run_facts_do_not_overlap_and_cover_every_fact() -> None:
    run_facts, step_facts = {fact for _, fact in RUN_TABLE}, {fact for _, fact in STEP_TABLE}
    assert run_facts.isdisjoint(step_facts)
    assert run_facts | step_facts == set(Fact)


# --------------------------------------------------------------------------------------------------------------- runs


def test_a_run_begins_by_being_started_and_in_no_other_way() -> None:
    assert [fact for state, fact in RUN_TABLE if state is None] == [Fact.RUN_STARTED]
    assert [state for state, fact in RUN_TABLE if fact is Fact.RUN_STARTED] == [None]
    with pytest.raises(IllegalTransition):
        fold(HEADER, [entry(1, Fact.RESUMED)])


def test_every_run_state_can_be_reached_and_every_open_one_can_come_to_an_end() -> None:
    edges = [(state, after) for (state, _), after in RUN_TABLE.items()]
    edges += [(state, RunState.UNWINDING) for state, fact in RUN_TABLE if fact is Fact.GOAL]
    assert reachable(edges, None) == {None, *RunState}
    for state in OPEN:
        assert reachable(edges, state) & ENDED, state


def test_an_ended_run_sees_nothing_more() -> None:
    assert not [state for state, _ in RUN_TABLE if state in ENDED]


@pytest.mark.parametrize("state", OPEN)
def test_every_open_run_can_be_resumed_and_its_lease_broken(state: RunState) -> None:
    resumed = next_state(state, Fact.RESUMED)
    assert resumed is (RunState.RUNNING if state is RunState.PARKED else state)
    assert next_state(state, Fact.LEASE_BROKEN) is state


@pytest.mark.parametrize("state", [state for state, fact in RUN_TABLE if fact is Fact.GOAL])
def test_a_goal_sets_the_run_going_and_cancel_unwinds_from_anywhere(state: RunState) -> None:
    assert next_state(state, Fact.GOAL, Goal.CANCEL) is RunState.UNWINDING
    stays = state in (RunState.UNWINDING, RunState.STUCK)
    assert next_state(state, Fact.GOAL, Goal.REVERSE) is (RunState.UNWINDING if stays else RunState.RUNNING)


def test_only_a_run_that_unwinds_can_be_unwound() -> None:
    assert [state for state, fact in RUN_TABLE if fact is Fact.UNWOUND] == [RunState.UNWINDING]


@given(state=st.sampled_from([None, *RunState]), fact=st.sampled_from(Fact))
def test_what_is_not_in_the_run_table_is_illegal(state: RunState | None, fact: Fact) -> None:
    if (state, fact) in RUN_TABLE:
        assert next_state(state, fact) is RUN_TABLE[state, fact]
    else:
        with pytest.raises(IllegalTransition, match=f"a run that is {state} cannot see {fact}"):
            next_state(state, fact)


# ---------------------------------------------------------------------------------------------------------- the fold


@given(data=st.data())
def test_a_fold_is_one_entry_after_the_other_whatever_the_legal_path(data: st.DataObject) -> None:
    view = advance(RunView(header=HEADER), entry(1, Fact.RUN_STARTED))
    entries = [entry(1, Fact.RUN_STARTED)]
    for seq in range(2, data.draw(st.integers(2, 25))):
        run_facts = [fact for state, fact in RUN_TABLE if state is view.state]
        step_facts = [
            (step, fact) for step in ("a", "b") for status, fact in STEP_TABLE if status is view.step(step).status
        ]
        choices = [("", fact) for fact in run_facts] + ([] if view.ended else step_facts)
        if not choices:
            break
        step, fact = data.draw(st.sampled_from(choices))
        said = {Fact.FLIPPED: {"serving": "target"}, Fact.GOAL: {"goal": data.draw(st.sampled_from(Goal)).value}}
        entries.append(entry(seq, fact, said.get(fact, {}), step))
        view = advance(view, entries[-1])
        assert view.ended == (view.state in ENDED)
    assert fold(HEADER, entries) == view
    assert view.seq == len(entries)


def test_a_step_s_view_tells_its_attempts_its_times_its_output_and_its_error() -> None:
    view = told(
        ("copy", Fact.STARTED),
        ("copy", Fact.FAILED, {"error": "throttled"}),
        ("copy", Fact.STARTED),
        ("copy", Fact.DONE, {"items": 3}),
        ("copy", Fact.NOTE, {"about": "later"}),
    )
    step = view.step("copy")
    assert (step.status, step.attempts, step.started_at, step.ended_at) == (Status.DONE, 2, 1002.0, 1005.0)
    assert (step.output, step.error) == ({"items": 3}, "")
    failed = told(("copy", Fact.STARTED), ("copy", Fact.FAILED, {"error": "throttled"})).step("copy")
    assert (failed.status, failed.error) == (Status.FAILED, "throttled")
    assert view.step("unknown").status is Status.PENDING


def test_what_a_run_created_is_what_it_meant_to_create_and_was_not_there_before() -> None:
    made = Change(step="provision", sign=Sign.CREATE, kind="table", name="Order-tenant-42")
    there = Change(step="provision", sign=Sign.CREATE, kind="table", name="Product-tenant-42")
    moved = Change(step="provision", sign=Sign.CHANGE, kind="directory", name="tenant-42")
    intents = [
        ("provision", Fact.INTENT, {"change": msgspec.to_builtins(change), "existed": existed})
        for change, existed in ((made, False), (there, True), (moved, False))
    ]
    view = told(("provision", Fact.STARTED), *intents)
    assert view.intents() == [(made, False), (there, True), (moved, False)]
    assert view.created() == [made]


def test_the_reason_of_a_parking_is_forgotten_when_the_run_goes_on() -> None:
    parked = told(("", Fact.PARKED, {"reason": "gate", "what": "lag is 9 s"}))
    assert (parked.state, parked.reason, parked.what) == (RunState.PARKED, "gate", "lag is 9 s")
    resumed = told(("", Fact.PARKED, {"reason": "gate", "what": "lag is 9 s"}), ("", Fact.RESUMED))
    assert (resumed.state, resumed.reason, resumed.what) == (RunState.RUNNING, "", "")


def test_a_fence_stands_from_its_intent_until_it_is_lifted_or_the_target_serves() -> None:
    fenced = told(("", Fact.FENCED, {"kind": "epoch"}))
    assert (fenced.fenced, fenced.fenced_by, fenced.serving) == (True, {"kind": "epoch"}, "source")
    assert not told(("", Fact.FENCED), ("", Fact.UNFENCED)).fenced
    assert told(("", Fact.FENCED), ("copy", Fact.STARTED)).fenced
    flipped = told(("", Fact.FENCED), ("", Fact.FLIPPED, {"serving": "target", "epoch": 7}))
    assert (flipped.fenced, flipped.serving, flipped.flips) == (False, "target", 1)
    assert flipped.flipped == {"serving": "target", "epoch": 7}
    back = told(
        ("", Fact.FLIPPED, {"serving": "target"}),
        ("", Fact.SOAKING),
        ("", Fact.GOAL, {"goal": "reverse"}),
        ("", Fact.FENCED),
        ("", Fact.FLIPPED, {"serving": "source"}),
        ("", Fact.REVERSED),
    )
    assert (back.state, back.goal, back.serving, back.flips) == (RunState.REVERSED, Goal.REVERSE, "source", 2)


def test_a_run_fact_under_a_step_s_id_is_illegal_and_so_is_a_step_fact_without_one() -> None:
    with pytest.raises(IllegalTransition):
        told(("copy", Fact.SOAKING))
    with pytest.raises(IllegalTransition):
        told(("", Fact.DONE))


def test_advancing_leaves_the_earlier_view_as_it_was() -> None:
    before = told(("copy", Fact.STARTED))
    advance(before, entry(3, Fact.DONE, {"items": 1}, "copy"))
    assert before.step("copy").status is Status.STARTED
    assert before.seq == 2
