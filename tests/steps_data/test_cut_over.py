"""The cutover's rules, one by one, in whole runs in memory."""

from __future__ import annotations

import msgspec
import pytest

from portability import errors
from portability.engine.context import Observation
from portability.engine.runner import Options
from portability.model.change import Finding
from portability.model.estate import Identity
from portability.model.plan import Location
from portability.model.status import Fact, Goal, RunState
from portability.steps.base import Context
from portability.steps.cutover.around import Around
from portability.steps.directory import STAMP
from portability.steps.stage_config import DIRECTORY as DIRECTORY_KIND
from portability.stores.base import ChannelState, Flow
from tests.steps_data.moments import at, facts, notes
from tests.steps_data.run_world import Estate42, Process


def test_every_sub_step_happens_in_the_order_of_the_design() -> None:
    world = Estate42()
    process = Process(world)
    process.go()
    history = process.move.history
    wanted = [
        "Order-forward sync",
        "Order-reverse canary",
        "Order-reverse proven",
        "Order-forward drained",
        "Order-forward park",
        "Order-forward watch",
        "Order-reverse park",
        "Order-reverse sync",
        "Order-forward closed",
    ]
    places = [history.index(one) for one in wanted]
    assert places == sorted(places), history


@pytest.mark.parametrize("heard", (None, 12_345.0))
def test_a_stream_is_drained_past_the_fence_by_the_clock_that_dates_its_records(heard: float | None) -> None:
    world = Estate42()
    world.sent.heard = heard
    process = Process(world)
    process.go()
    fenced = next(entry.at for entry in world.entries() if entry.fact is Fact.FENCED)
    flipped = next(entry.at for entry in world.entries() if entry.fact is Fact.FLIPPED)
    (after,) = process.move.drained_after
    assert after == heard if heard is not None else fenced <= after <= flipped


def test_the_fence_is_announced_before_it_is_raised() -> None:
    world = Estate42()
    seen: list[bool] = []
    before = world.dynamo.watch

    def watch(table: str, old: dict[str, object] | None, new: dict[str, object] | None) -> None:
        before(table, old, new)
        if world.stamps and world.stamps[-1][0] == "fenced" and not seen:
            seen.append(Fact.FENCED in facts(world))

    world.dynamo.watch = watch
    Process(world).go()
    assert seen == [True]


def test_the_output_has_the_pause_its_parts_and_a_certificate_without_values() -> None:
    world = Estate42()
    view = Process(world).go()
    output = view.step("cut-over").output
    assert output["serving"] == "target"
    assert output["fence"] == "epoch"
    assert output["late_events"] == 0
    assert output["pause_ms"] >= output["fence_ms"] + output["drain_ms"] + output["verify_ms"]
    assert output["certificate"]["verified"]["Order"]["items"] > 0
    assert output["certificate"]["epoch"] == world.stamps[-1][1]


def test_what_was_previewed_is_what_was_intended() -> None:
    world = Estate42()
    process = Process(world)
    planned = Observation(plan=world.plan, aws=process.aws, moves=process.moves, clock=world.clock, retry=process.retry)
    world.writing = False
    previewed = {change.identity for step in process.steps()[1:] for change in step.preview(planned) if change.acts}
    process.go()
    view = Process(world).go(Goal.COMPLETE)
    intended = {change.identity for change, _ in view.intents() if change.acts}
    staged = {identity for identity in intended if identity[1] in (DIRECTORY_KIND, "stack mapping")}
    assert intended - staged == previewed
    assert staged == {
        ("~", "directory", "tenantTier, dedicatedTenancy, orderTable"),
        ("~", "stack mapping", "none -> stack-tenant-42"),
    }


def test_items_that_cannot_be_written_park_before_anything_is_frozen() -> None:
    world = Estate42()
    process = Process(world)
    at(process, "cut-over", "before append", lambda: setattr(process.move, "unwritable", 2))
    with pytest.raises(errors.Parked) as parked:
        process.go()
    assert "cannot be written" in parked.value.what
    assert Fact.FENCED not in facts(world)


def test_a_replaced_change_stream_parks_before_anything_is_frozen() -> None:
    world = Estate42()
    process = Process(world)
    renew = {"StreamSpecification": {"StreamEnabled": True}, "LatestStreamArn": "arn:another"}
    at(process, "cut-over", "before canary", lambda: world.dynamo.described.update({"Order-pooled": renew}))
    with pytest.raises(errors.Parked) as parked:
        process.go()
    assert "stream of Order was replaced" in parked.value.what
    assert Fact.FENCED not in facts(world)


def test_a_change_stream_replaced_inside_the_fence_aborts() -> None:
    world = Estate42()
    process = Process(world)
    renew = {"StreamSpecification": {"StreamEnabled": True}, "LatestStreamArn": "arn:another"}
    at(
        process,
        "cut-over",
        "after drain Order-forward",
        lambda: world.dynamo.described.update({"Order-pooled": renew}),
    )
    with pytest.raises(errors.Parked):
        process.go()
    assert world.flips == []


def test_a_silent_shard_has_its_units_compared_inside_the_fence() -> None:
    world = Estate42()
    process = Process(world)
    process.move.silent = ["shard-1"]
    inside: list[str] = []

    def on_trap(label: str) -> None:
        if label.startswith("before compare u") and world.stamps and world.stamps[-1][0] == "fenced":
            inside.append(label)

    process.on_trap = on_trap
    process.go()
    assert inside == ["before compare u0", "before compare u1"]
    world.check_end("target")


def test_a_deletion_of_which_a_silent_shard_did_not_tell_is_found_inside_the_fence() -> None:
    world = Estate42()
    process = Process(world)
    process.move.silent = ["shard-1"]

    def outlived(label: str) -> None:
        if label == "after drain Order-forward":
            world.world.target.items["order-1000"] = 1  # copied, then deleted at the source, and no record of it

    process.on_trap = outlived
    with pytest.raises(errors.Mismatch, match="1 extra"):
        process.go()
    assert world.flips == []


def test_a_verification_made_before_a_restart_is_made_again() -> None:
    world = Estate42()
    with pytest.raises(errors.Parked):
        Process(world).go(options=Options(postpone_cutover=True))
    process = Process(world)
    compared: list[str] = []
    process.on_trap = lambda label: compared.append(label) if label.startswith("before compare u") else None
    process.go(Goal.CUTOVER)
    assert compared
    world.check_end("target")


def test_a_channel_that_fell_behind_while_the_sides_were_compared_is_waited_for() -> None:
    world = Estate42()
    with pytest.raises(errors.Parked):
        Process(world).go(options=Options(postpone_cutover=True))
    process = Process(world)
    seen: list[str] = []

    def fall_behind(label: str) -> None:
        if "before compare u1" in seen and label == "before lag Order-forward" and label not in seen:
            world.world.source.write("order-1", 999_999)
            world.acked["order-1"] = 999_999
            world.clock.wall += 60.0
        if "before compare u1" in seen or label == "before compare u1":
            seen.append(label)

    process.on_trap = fall_behind
    process.go(Goal.CUTOVER)
    assert "before lag Order-forward" in seen
    assert world.flips == ["target"]
    world.check_end("target")


def test_a_fresh_verification_is_not_made_again() -> None:
    world = Estate42()
    process = Process(world)
    compared: list[str] = []
    process.on_trap = lambda label: (
        compared.append(label) if process.armed and label.startswith("before compare u") else None
    )
    process.go()
    assert compared == []


def test_users_go_over_before_the_flip_and_the_usage_plan_after_it() -> None:
    world = Estate42()
    target = msgspec.structs.replace(world.plan.target, identity=Identity.SILO)
    world.plan = msgspec.structs.replace(world.plan, target=target)
    process = Process(world)
    order: list[str] = []

    def carry(_ctx: Context, flow: Flow) -> dict[str, int]:
        order.append(f"carry {flow.value} {len(world.flips)}")
        return {}

    def value_now(_ctx: Context, to: Location) -> None:
        order.append(f"value {to.tier} {len(world.flips)}")

    def switch_plan(_ctx: Context, to: Location) -> float:
        order.append(f"switch {to.tier} {len(world.flips)}")
        return 0.25

    def carry_late(_ctx: Context, flow: Flow) -> dict[str, int]:
        order.append(f"late {flow.value} {len(world.flips)}")
        return {}

    process.around = Around(carry=carry, value_now=value_now, switch_plan=switch_plan, carry_late=carry_late)
    process.go()
    assert order == ["carry forward 0", "value premium 0", "switch premium 1", "late forward 1"]
    assert notes(world)["usage plan switched"]["gap_ms"] == 250


def test_a_reverse_takes_the_stack_row_away_that_the_flip_made() -> None:
    world = Estate42()
    Process(world).go()
    row = ("Mapping", '{"S": "tenant-42"}')
    assert world.dynamo.rows[row]["stackName"] == {"S": "stack-tenant-42"}
    view = Process(world).go(Goal.REVERSE)
    assert view.state is RunState.REVERSED
    assert row not in world.dynamo.rows
    world.check_end("source")


def test_cancel_after_a_reverse_takes_the_stamp_off() -> None:
    world = Estate42()
    Process(world).go()
    Process(world).go(Goal.REVERSE)
    view = Process(world).go(Goal.CANCEL)
    assert view.state is RunState.UNWOUND
    assert STAMP not in world.record
    world.check_end("source")


def test_a_resumed_channel_only_watches_the_side_that_no_longer_serves() -> None:
    world = Estate42()
    Process(world).go()
    world.dynamo.trap = lambda _label: None
    process = Process(world)
    process.go(Goal.REVERSE)
    assert process.move.history[0] == f"Order-reverse {ChannelState.SYNC.value}"
    assert "Order-forward canary" in process.move.history


# ------------------------------------------------------------------------------------------------------------- capacity


def test_a_target_that_is_not_warm_parks_with_nothing_frozen_and_goes_on_when_it_is() -> None:
    world = Estate42()
    process = Process(world)
    cold = Finding(level="block", about="capacity", text="Order-tenant-42 is provisioned for 5 WCU", next="raise it")
    process.move.short = [cold]
    with pytest.raises(errors.Parked) as parked:
        process.go()
    assert parked.value.reason == "gate"
    assert parked.value.exit_code == 7
    assert notes(world)["gates"]["blocked_by"] == ["Order-tenant-42 is provisioned for 5 WCU: raise it"]
    assert Fact.FENCED not in facts(world)
    assert world.refused == 0
    view = Process(world).go()
    assert view.serving == "target"
    world.check_end("target")


def test_a_capacity_that_is_not_known_is_noted_and_blocks_nothing() -> None:
    world = Estate42()
    process = Process(world)
    process.move.short = [Finding(level="warn", about="capacity", text="not known", next="compare")]
    process.go()
    assert notes(world)["gates"]["unknown"] == ["not known: compare"]
    world.check_end("target")


def test_a_stack_row_that_somebody_changed_meanwhile_is_not_overwritten() -> None:
    world = Estate42()
    process = Process(world)
    row = ("Mapping", '{"S": "tenant-42"}')
    theirs = {"tenantId": {"S": "tenant-42"}, "stackName": {"S": "stack-of-theirs"}}
    at(process, "cut-over", "before pin Order-reverse", lambda: world.dynamo.rows.__setitem__(row, theirs))
    with pytest.raises(errors.Parked, match=r"the stack mapping changed since it was planned.*stack-of-theirs"):
        process.go()
    assert (world.flips, world.dynamo.rows[row], facts(world).count(Fact.FENCED)) == ([], theirs, 0)
    world.check_end("source")
