"""Appending: one transaction with the lease, a write id, foreign writes or none."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from portability import errors
from portability.journal.runs import fresh_id
from portability.model.status import Fact, IllegalTransition, Status
from tests.journal.world import (
    Fault,
    World,
    at_once,
    conflict,
    endpoint_down,
    no_answer,
    throttled,
    unauthorised,
    unavailable,
)


def facts(world: World, run: str) -> list[tuple[str, Fact]]:
    return [(entry.step, entry.fact) for entry in world.process().entries(run)]


def test_an_append_is_an_entry_and_a_new_head_and_a_beat_in_one_transaction(world: World) -> None:
    held = world.start(run="r-1")
    before = world.process().lease("r-1")
    calls = world.table.calls
    world.clock.advance(3)
    entry = held.append(Fact.STARTED, {"uses": "copy_data", "tables": ("a", "b")}, step="copy-orders")
    assert world.table.calls == calls + 1
    after = world.process().lease("r-1")
    assert (after.seq, after.head, after.beat) == (2, entry.hash, before.beat + 1)
    assert world.process().entries("r-1")[-1] == entry
    assert (entry.seq, entry.step, entry.fence, entry.by) == (2, "copy-orders", 1, "ana@host-a")
    assert entry.at == world.clock.now()
    assert entry.data == {"uses": "copy_data", "tables": ["a", "b"]}
    assert held.view() == world.process().view("r-1")
    assert held.view().step("copy-orders").status is Status.STARTED


def test_an_entry_that_no_legal_path_leads_to_is_refused_before_it_is_written(world: World) -> None:
    held = world.start(run="r-1")
    calls = world.table.calls
    with pytest.raises(IllegalTransition):
        held.append(Fact.DONE, {}, step="copy-orders")
    with pytest.raises(IllegalTransition):
        held.append(Fact.UNWOUND, {})
    assert world.table.calls == calls
    assert held.append(Fact.STARTED, {}, step="copy-orders").seq == 2


@pytest.mark.parametrize(
    "data",
    (
        {"key": b"bytes"},
        {"deep": [{"er": {"key": bytearray(b"x")}}]},
        {"text": "x" * 30_001},
        {"set": {1}},
        {"nan": float("nan")},
        {1: "number as a name"},
        {"object": object()},
    ),
    ids=("bytes", "bytes inside", "over 30 KB", "set", "nan", "key", "object"),
)
def test_data_that_is_no_plain_fact_is_a_bug_and_refused(memory: World, data: dict[Any, Any]) -> None:
    held = memory.start()
    calls = memory.table.calls
    with pytest.raises(ValueError, match=r"journal|data"):
        held.append(Fact.STARTED, data, step="copy-orders")
    assert memory.table.calls == calls


@pytest.mark.parametrize("number", (0, -1, 2**53 + 1, 2**63, 2**80, 0.1, 1e22, -0.0, 5e-324))
def test_numbers_in_data_keep_the_chain_intact(memory: World, number: float) -> None:
    held = memory.start(run="r-1")
    held.append(Fact.STARTED, {"n": number}, step="copy-orders")
    assert memory.process().verify("r-1") == 2


def test_foreign_writes_land_with_the_entry_or_not_at_all(world: World) -> None:
    held = world.start(run="r-1")
    held.append(Fact.FENCED, {}, foreign=[world.put_elsewhere("flag")])
    assert world.elsewhere("flag") is not None
    with pytest.raises(errors.ConditionFailed) as refused:
        held.append(
            Fact.FLIPPED, {"serving": "target"}, foreign=[world.put_elsewhere("row"), world.put_elsewhere("flag")]
        )
    assert refused.value.failed == [False, True]
    assert refused.value.old == [None, {"id": {"S": "flag"}, "n": {"N": "1"}}]
    assert world.elsewhere("row") is None
    assert held.view().serving == "source"
    assert facts(world, "r-1") == [("", Fact.RUN_STARTED), ("", Fact.FENCED)]
    held.append(Fact.UNFENCED, {})
    assert world.process().verify("r-1") == 3


def test_more_foreign_writes_than_a_transaction_holds_are_a_bug(memory: World) -> None:
    held = memory.start()
    with pytest.raises(ValueError, match="100"):
        held.append(Fact.FENCED, {}, foreign=[memory.put_elsewhere(f"{n}") for n in range(99)])
    held.append(Fact.FENCED, {}, foreign=[memory.put_elsewhere(f"{n}") for n in range(98)])


@pytest.mark.parametrize(
    ("error", "acts"),
    (
        (throttled, False),
        (conflict, False),
        (unavailable, False),
        (unavailable, True),
        (no_answer, False),
        (no_answer, True),
    ),
    ids=("throttled", "conflict", "5xx before", "5xx after", "lost request", "lost reply"),
)
def test_an_append_whose_answer_fails_is_written_once(world: World, error: Any, acts: bool) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(error, acts))
    entry = held.append(Fact.FENCED, {})
    assert world.process().entries("r-1")[1:] == [entry]
    held.append(Fact.UNFENCED, {})
    assert world.process().verify("r-1") == 3


@pytest.mark.parametrize("refusal", (throttled, conflict, endpoint_down))
def test_a_definite_refusal_of_an_append_that_writes_elsewhere_too_is_told_at_once(world: World, refusal: Any) -> None:
    held = world.start(run="r-1")
    calls, began = world.table.calls, world.clock.monotonic()
    world.table.fail_next(Fault(refusal))
    with pytest.raises(type(refusal())):
        held.append(Fact.FENCED, {}, foreign=[world.put_elsewhere("flag")])
    assert (world.table.calls, world.clock.monotonic()) == (calls + 1, began)
    assert world.elsewhere("flag") is None
    entry = held.append(Fact.FENCED, {}, foreign=[world.put_elsewhere("flag")])
    assert world.process().entries("r-1")[1:] == [entry]


@pytest.mark.parametrize("acts", (True, False))
def test_a_throttle_of_an_append_whose_first_answer_was_lost_is_no_definite_refusal(world: World, acts: bool) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(no_answer, acts))
    second = world.table.calls + 2

    def throttle(call: int) -> None:
        if call == second:
            raise throttled()

    world.table.before = throttle
    entry = held.append(Fact.FENCED, {}, foreign=[world.put_elsewhere("flag")])
    assert world.elsewhere("flag") is not None
    assert world.process().entries("r-1")[1:] == [entry]


def test_our_own_lost_reply_counts_even_where_the_foreign_condition_now_fails_because_of_it(world: World) -> None:
    held = world.start(run="r-1")
    world.table.get = lambda key: (_ for _ in ()).throw(unavailable())  # type: ignore[method-assign]
    world.table.fail_next(Fault(no_answer, acts=True))
    held.append(Fact.FENCED, {}, foreign=[world.put_elsewhere("flag")])
    assert held.view().fenced


def test_a_lost_reply_is_found_by_reading_the_lease_before_anything_is_sent_again(world: World) -> None:
    held = world.start(run="r-1")
    calls = world.table.calls
    world.table.fail_next(Fault(no_answer, acts=True))
    held.append(Fact.FENCED, {})
    assert world.table.calls == calls + 1


def test_a_transaction_conflict_is_never_read_as_a_lost_lease(world: World) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(conflict, times=6))
    held.append(Fact.FENCED, {})
    held.look()


def test_an_outage_shorter_than_the_lease_is_outlived_and_a_longer_one_loses_it_cleanly(memory: World) -> None:
    held = memory.start(run="r-1")
    memory.table.fail_next(Fault(endpoint_down, times=8))
    held.append(Fact.FENCED, {})
    memory.table.fail_next(Fault(unavailable, times=10_000))
    began, calls = memory.clock.monotonic(), memory.table.calls
    with pytest.raises(errors.LeaseLost, match="could not be renewed in time"):
        held.append(Fact.UNFENCED, {})
    assert memory.clock.monotonic() - began < 60
    assert memory.table.calls - calls < 100
    memory.table.faults.clear()
    calls = memory.table.calls
    with pytest.raises(errors.LeaseLost):
        held.append(Fact.UNFENCED, {})
    assert memory.table.calls == calls


def test_an_append_that_is_refused_for_long_renews_the_lease_between_its_attempts(memory: World) -> None:
    held = memory.start(run="r-1")
    refuse_until = memory.clock.monotonic() + 200
    real = memory.table.table.transact

    def transact(members: Any, **rest: Any) -> None:
        if len(members) > 1 and memory.clock.monotonic() < refuse_until:
            raise conflict()
        real(members, **rest)

    memory.table.table.transact = transact  # type: ignore[method-assign]
    held.append(Fact.FENCED, {})
    assert memory.clock.monotonic() >= refuse_until
    held.look()


def test_a_refused_append_whose_first_copy_is_still_on_its_way_can_never_land(world: World) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(no_answer, late=True))
    second = world.table.calls + 2

    def somebody_else(call: int) -> None:
        if call == second:
            world.table.table.transact([], token=fresh_id(), foreign=[world.put_elsewhere("flag")])

    world.table.before = somebody_else
    with pytest.raises(errors.ConditionFailed) as refused:
        held.append(Fact.FENCED, {}, foreign=[world.put_elsewhere("flag")])
    assert refused.value.failed == [True]
    world.remove_elsewhere("flag")
    assert world.table.deliver() == [errors.ConditionFailed]
    assert facts(world, "r-1") == [("", Fact.RUN_STARTED)]
    held.append(Fact.FENCED, {})
    assert world.process().verify("r-1") == 2


def test_a_first_copy_that_lands_between_its_refused_repetition_and_what_voids_it_is_success(world: World) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(no_answer, late=True))
    second = world.table.calls + 2

    def somebody_else(call: int) -> None:
        if call == second:
            world.table.table.transact([], token=fresh_id(), foreign=[world.put_elsewhere("flag")])
        if call == second + 1:
            world.remove_elsewhere("flag")
            assert world.table.deliver() == [None]

    world.table.before = somebody_else
    held.append(Fact.FENCED, {}, foreign=[world.put_elsewhere("flag")])
    assert held.view().fenced
    held.append(Fact.UNFENCED, {})
    assert world.process().verify("r-1") == 3


def test_an_append_that_landed_late_after_its_repetition_is_not_written_twice(world: World) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(no_answer, late=True))
    held.append(Fact.FENCED, {})
    assert world.table.deliver() == [errors.ConditionFailed]
    held.append(Fact.UNFENCED, {})
    assert world.process().verify("r-1") == 3


def test_after_a_refused_signature_the_journal_says_whose_lease_it_is(world: World) -> None:
    held = world.start(run="r-1")
    world.table.fail_next(Fault(unauthorised))
    held.append(Fact.FENCED, {})
    world.table.fail_next(Fault(unauthorised, times=2))
    with pytest.raises(errors.Unauthorised):
        held.append(Fact.UNFENCED, {})
    held.append(Fact.UNFENCED, {})
    world.liveness.names.add("ana@host-a")
    other = world.acquire("r-1")
    calls = world.table.calls
    world.table.fail_next(Fault(unauthorised))
    with pytest.raises(errors.LeaseLost, match="raised the lease fence"):
        held.append(Fact.FENCED, {})
    assert world.table.calls == calls + 1, "nothing is signed again once the journal names another holder"
    other.append(Fact.FENCED, {})
    assert world.process().verify("r-1") == 5


def test_eight_threads_append_one_chain(world: World) -> None:
    held = world.start(run="r-1")
    each = 5

    def append(step: str) -> None:
        held.append(Fact.STARTED, {}, step=step)
        for number in range(each - 1):
            held.append(Fact.NOTE, {"n": number}, step=step)

    results = at_once(*(functools.partial(append, step) for step in "abcdefgh"))
    assert results == [None] * 8
    assert world.process().verify("r-1") == 1 + 8 * each
    entries = world.process().entries("r-1")
    for step in "abcdefgh":
        said = [entry.data["n"] for entry in entries if entry.step == step and entry.fact is Fact.NOTE]
        assert said == list(range(each - 1))


def test_an_entry_that_ends_the_run_frees_the_tenant_with_it(world: World) -> None:
    held = world.start(run="r-1", tenant="tenant-42")
    held.append(Fact.COMPLETED, {})
    assert world.process().active("tenant-42") is None
    held.release()
    held.release()
    assert world.process().lease("r-1").holder is None
    with pytest.raises(errors.Refused, match="nothing is left to resume"):
        world.acquire("r-1")
    assert world.process().verify("r-1") == 2
    world.start(run="r-2", tenant="tenant-42")


def test_who_appended_after_a_release_is_refused(world: World) -> None:
    held = world.start(run="r-1")
    held.release()
    with pytest.raises(errors.LeaseLost, match="was released"):
        held.append(Fact.FENCED, {})
    assert world.process().verify("r-1") == 1


def test_an_interrupted_append_leaves_a_lost_lease_because_it_may_have_landed(memory: World) -> None:
    held = memory.start(run="r-1")
    memory.table.fail_next(Fault(KeyboardInterrupt, acts=True))
    with pytest.raises(KeyboardInterrupt):
        held.append(Fact.FENCED, {})
    with pytest.raises(errors.LeaseLost, match="may land late"):
        held.append(Fact.FENCED, {})
    assert memory.process().verify("r-1") == 2


def test_a_write_id_is_unique_per_entry_and_short_enough_for_a_token(memory: World) -> None:
    held = memory.start(run="r-1")
    for _ in range(3):
        held.append(Fact.FENCED, {})
        held.append(Fact.UNFENCED, {})
    ids = [entry.write_id for entry in memory.process().entries("r-1")]
    assert len(set(ids)) == 7
    assert all(len(one) <= 36 for one in ids)
