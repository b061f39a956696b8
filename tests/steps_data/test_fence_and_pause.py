"""How a fence is proven, and how long a tenant waits behind it at most, in whole runs in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from portability import errors
from portability.engine.context import Observation
from portability.journal.table import Member
from portability.model.estate import Estate, seconds
from portability.model.plan import Plan
from portability.model.status import Fact, RunState
from portability.steps.cut_over import CutOver
from tests.steps_data.moments import at, facts
from tests.steps_data.run_plan import ESTATE, estate
from tests.steps_data.run_world import Estate42, Process


def with_hook(world: Estate42) -> Plan:
    hooked = {**ESTATE, "hooks": {"enabled": True}, "fence": {**ESTATE["fence"], "probe": {"hook": ["probe"]}}}
    return msgspec.structs.replace(world.plan, estate=msgspec.convert(hooked, Estate))


def test_a_fence_that_is_not_obeyed_never_flips() -> None:
    world = Estate42()
    process = Process(world)
    process.run_probe = lambda *_: 0  # the operator's probe was accepted
    world.plan = with_hook(world)
    with pytest.raises(errors.Parked) as parked:
        process.go()
    assert parked.value.reason == "gate"
    assert world.flips == []
    assert facts(world).count(Fact.UNFENCED) == world.plan.estate.fence.attempts
    world.check_end("source")


def test_one_accepted_probe_restarts_the_count() -> None:
    world = Estate42()
    process = Process(world)
    answers = [1, 1, 0, 1, 1, 1]
    process.run_probe = lambda *_: answers.pop(0)
    world.plan = with_hook(world)
    process.go()
    assert answers == []
    world.check_end("target")


def test_an_unknown_answer_counts_for_nothing() -> None:
    world = Estate42()
    process = Process(world)
    answers = [1, None, 2, 1, 1]
    process.run_probe = lambda *_: answers.pop(0)
    world.plan = with_hook(world)
    process.go()
    assert answers == []


def test_a_pause_that_lasts_too_long_is_taken_back_by_epoch_and_tried_again() -> None:
    world = Estate42()
    process = Process(world)
    process.move.drain_seconds = 6.0
    with pytest.raises(errors.Parked) as parked:
        process.go()
    assert "taken back" in parked.value.what
    assert [act for act, _ in world.stamps] == ["stamped", "fenced", "lifted", "fenced", "lifted"]
    assert world.flips == []
    assert process.move.history[-1] == "Order-forward sync"
    world.check_end("source")
    Process(world).go()
    world.check_end("target")


def test_the_time_a_lift_takes_to_arrive_is_kept_back_from_the_pause() -> None:
    world = Estate42(estate(lifts_within="3s", drain="1s"))
    process = Process(world)
    process.move.drain_seconds = 2.5
    with pytest.raises(errors.Parked):
        process.go()
    assert world.flips == []


@pytest.mark.parametrize(
    ("fence", "block"),
    (
        ({"use": ["epoch"]}, ""),
        ({"use": ["epoch"], "max_in_flight": "4s"}, "freeze_max"),
        ({"use": ["directory_flag"], "freeze_max": "30s"}, "in flight"),
        ({"use": ["directory_flag"], "freeze_max": "30s", "max_in_flight": "2s"}, ""),
        ({"use": ["directory_flag"], "max_in_flight": "3s"}, "freeze_max"),
        ({"use": ["epoch", "directory_flag"], "freeze_max": "30s"}, "in flight"),
        ({"use": ["epoch"], "probe": {"hook": ["x"]}}, "hooks"),
    ),
)
def test_a_fence_that_cannot_keep_its_promise_is_refused_in_preflight(fence: dict[str, object], block: str) -> None:
    world = Estate42(estate(**fence))
    process = Process(world)
    planned = Observation(plan=world.plan, aws=process.aws, moves=process.moves, clock=world.clock, retry=process.retry)
    blocks = [finding.text for finding in CutOver().findings(planned) if finding.level == "block"]
    assert bool(blocks) is bool(block), blocks
    assert all(block in text for text in blocks)


def test_a_comparison_that_outlasts_the_pause_is_not_flipped_after() -> None:
    world = Estate42()
    process = Process(world)
    at(process, "cut-over", "before compare_keys", lambda: world.clock.sleep(6.0), once=False)
    world.clock.each = lambda: None
    with pytest.raises(errors.Parked) as parked:
        process.go()
    assert parked.value.reason == "gate"
    assert world.flips == []
    assert world.stamps[-1][0] == "lifted"


def test_a_flip_that_keeps_conflicting_is_given_up_when_the_tenant_has_waited_long_enough() -> None:
    world = Estate42()
    process = Process(world)
    process.retry = dataclasses.replace(process.retry, base=0.05, cap=5.0, sleep=world.clock.sleep)
    real = world.table.transact

    def transact(members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        if foreign:
            raise errors.TransactionConflict(
                "a write of the application was quicker",
                operation="dynamodb.TransactWriteItems",
                aws_code="TransactionCanceledException",
            )
        real(members, token=token)

    world.table.transact = transact  # type: ignore[method-assign]
    with pytest.raises(errors.Parked, match="cutovers were taken back"):
        process.go()
    told = [(entry.fact, entry.at) for entry in world.entries() if entry.fact in (Fact.FENCED, Fact.UNFENCED)]
    pauses = [lifted - fenced for (_, fenced), (_, lifted) in zip(told[::2], told[1::2], strict=True)]
    limit = seconds(world.plan.estate.fence.freeze_max)
    assert len(pauses) == world.plan.estate.fence.attempts
    assert all(limit / 2 < pause <= limit + 1 for pause in pauses), pauses
    world.check_end("source")


@pytest.mark.parametrize("kind", ("epoch", "directory_flag"))
def test_a_probe_that_gets_no_connection_is_made_again(kind: str) -> None:
    world = Estate42(estate(use=[kind], max_in_flight="1s", freeze_max="30s"))
    process = Process(world)
    left = 3

    def down(label: str) -> None:
        nonlocal left
        if process.armed and label == f"before {'transact' if kind == 'epoch' else 'get'}" and world.refused and left:
            left -= 1
            raise errors.EndpointDown("refused", next=errors.AGAIN)

    process.on_trap = down
    assert process.go().state is RunState.SOAKING
    assert (left, facts(world).count(Fact.FENCED)) == (0, 1)
    world.check_end("target")
