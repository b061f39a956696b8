"""An operator's word over a late write: it holds for what was seen, and nothing else is discarded."""

from __future__ import annotations

import pytest

from portability import errors
from portability.model.status import Fact, RunState
from portability.steps.cutover.tripwire import OVERRULED, decided, slipped
from portability.stores.base import Flow
from tests.steps_data.moments import at
from tests.steps_data.run_plan import RUN
from tests.steps_data.run_world import Estate42, Killed, Process

KEY, LATE = "order-9", 999_999
"""A key that the application does not write at the target by itself: only the overruling brings it back."""


def stopped() -> Estate42:
    """A run that a late write has stopped."""
    world = Estate42()
    process = Process(world)

    def slip() -> None:
        if world.flips:
            world.world.source.write(KEY, LATE)

    at(process, "cut-over", "asleep", slip, once=False)
    with pytest.raises(errors.Mismatch):
        process.go()
    assert world.world.source.items[KEY] == LATE
    return world


def overrule(world: Estate42) -> None:
    """Leave what `verify --repair --overrule` leaves in the journal."""
    process = Process(world)
    held = process.journal().acquire(RUN, process.holder())
    keys = slipped(process.journal().parked_keys(RUN, "Order-forward").items())
    seen = decided(process.move.compare_keys(Flow.FORWARD, keys), len(keys))
    held.append(Fact.NOTE, {"about": OVERRULED, "writes": 1, "stores": {"Order": seen}}, step="cut-over")
    held.release()


def test_a_late_write_that_was_overruled_gives_way_to_the_side_that_serves() -> None:
    world = stopped()
    overrule(world)
    world._app_write(KEY, 31)  # the tenant goes on with that very key where it is served
    assert world.world.source.items[KEY] == LATE
    view = Process(world).go()
    assert view.state is RunState.SOAKING
    assert world.world.source.items.get(KEY) != LATE
    assert (view.step("cut-over").output["late_events"], view.step("cut-over").output["overruled"]) == (1, 1)
    world.check_end("target")


def flipped_and_lost(*, late: bool) -> tuple[Estate42, Process]:
    """A run killed right after its flip, and a process that finds the old side's records gone, a late write's too."""
    world = Estate42()
    process = Process(world)
    dead = False

    def die() -> None:
        nonlocal dead
        if world.flips and not dead:
            dead = True
            raise Killed

    at(process, "cut-over", "asleep", die, once=False)
    with pytest.raises(Killed):
        process.go()
    if late:
        world.world.source.items[KEY] = LATE  # and no record of it
    after = Process(world)
    after.move.lost = True
    return world, after


def test_where_the_records_of_the_old_side_were_lost_only_what_the_tenant_changed_since_may_differ() -> None:
    world, process = flipped_and_lost(late=False)
    assert process.go().state is RunState.SOAKING
    world.check_end("target")


def test_a_late_write_whose_record_was_lost_stops_the_run_until_it_is_overruled() -> None:
    world, process = flipped_and_lost(late=True)
    with pytest.raises(errors.Mismatch, match="records were lost"):
        process.go()
    assert world.world.source.items[KEY] == LATE
    overrule(world)
    again = Process(world)
    again.move.lost = True
    view = again.go()
    assert view.state is RunState.SOAKING
    assert view.step("cut-over").output["overruled"] == 1
    assert world.world.source.items.get(KEY) != LATE
    world.check_end("target")


def test_a_lost_late_write_of_a_key_that_had_changed_since_the_verification_stops_the_run_too() -> None:
    world = Estate42()
    process = Process(world)

    def lose() -> None:
        if world.flips and not process.move.lost:
            world.world.source.items[KEY] = LATE  # and no record of it
            process.move.lost = True

    def change() -> None:
        world.world.source.write(KEY, 31)
        process.move.catch_up(Flow.FORWARD)
        at(process, "cut-over", "asleep", lose, once=False)

    at(process, "cut-over", "before pin Order-reverse", change)
    with pytest.raises(errors.Mismatch, match="records were lost"):
        process.go()
    assert world.world.source.items[KEY] == LATE


@pytest.mark.parametrize("name", (KEY, "order-3"))
def test_a_further_late_write_stops_the_run_again(name: str) -> None:
    world = stopped()
    overrule(world)
    world.world.source.write(name, LATE + 1)
    process = Process(world)
    at(process, "cut-over", "before lag", lambda: process.move.catch_up(Flow.FORWARD), once=False)
    with pytest.raises(errors.Mismatch):
        process.go()
    assert world.world.source.items[name] == LATE + 1


def test_a_run_killed_while_it_carries_out_an_overruling_carries_it_out_all_the_same() -> None:
    number = 0
    while True:
        world = stopped()
        overrule(world)
        world.writing = False
        process = Process(world, kill_at=number)
        try:
            process.go()
        except Killed:
            number += 2
        else:
            break
        assert Process(world).go().state is RunState.SOAKING
        assert world.world.source.items == world.world.target.items, number
        world.check_end("target")
