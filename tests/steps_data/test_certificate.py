"""The certificate of a flip has that flip's own figures, while its leg is not done too."""

from __future__ import annotations

from typing import Any

import pytest

from portability import errors
from portability.model.status import Fact, Goal, Status
from portability.report.certificate import certificate, certificate_line
from portability.report.documents import report_markdown
from portability.report.status_object import seen
from tests.steps_data.moments import at
from tests.steps_data.run_plan import RUN
from tests.steps_data.run_world import Estate42, Killed, Process
from tests.steps_data.test_cut_over_crash import moved
from tests.steps_data.test_slips_overruled import stopped


def told(world: Estate42) -> tuple[dict[str, Any], str]:
    """The certificate and its line, as `report` gives them."""
    journal = Process(world).journal()
    view, lease, entries = journal.view(RUN), journal.lease(RUN), world.entries()
    assert report_markdown(seen(view=view, lease=lease, cursors={}, parked={}, now=view.last_at), entries)
    one = certificate(view, lease, entries)
    assert one is not None
    return one, certificate_line(one)


def test_a_flip_stopped_by_a_late_write_has_its_figures_and_the_late_write() -> None:
    world = stopped()
    one, line = told(world)
    verified = Process(world).journal().view(RUN).step("cut-over").notes["verified"]["stores"]["Order"]
    assert one["stores"] == {"Order": {name: verified[name] for name in ("units", "items", "digest", "repaired")}}
    assert one["late_events"] == 1
    assert f"both sides equal: Order {verified['items']} items {verified['digest'][:12]}…; late events 1;" in line


def test_a_flip_whose_process_died_right_behind_it_has_what_was_proven_before() -> None:
    world = Estate42()
    process = Process(world)

    def die() -> None:
        if world.flips:
            process.dead = True
            raise Killed

    at(process, "cut-over", "before append", die, once=False)
    with pytest.raises(Killed):
        process.go()
    one, line = told(world)
    proven = one["stores"]["Order"]
    assert f"both sides equal: Order {proven['items']} items {proven['digest'][:12]}…; late events unknown;" in line
    Process(world).go()
    assert "late events 0" in told(world)[1]


def test_a_reverse_that_is_not_settled_has_none_of_the_first_flips_figures() -> None:
    world = moved()
    first = Process(world).journal().view(RUN).step("cut-over").output["certificate"]["verified"]["Order"]["digest"]
    process = Process(world)
    at(process, "cut-over.2", "asleep", lambda: process.stop.request(2) if len(world.flips) > 1 else None, once=False)
    with pytest.raises(errors.Interrupted):
        process.go(Goal.REVERSE)
    view = Process(world).journal().view(RUN)
    assert view.step("cut-over.2").status is Status.STARTED
    own = view.step("cut-over.2").notes["verified"]["stores"]["Order"]["digest"]
    one, line = told(world)
    assert own != first
    assert f"{own[:12]}…; late events unknown; journal {one['journal']['flip_hash'][:12]}…" in line
    flip = [entry for entry in world.entries() if entry.fact is Fact.FLIPPED][-1]
    assert one["journal"]["flip_hash"] == flip.hash


def test_a_flip_within_one_pool_says_that_no_data_moved() -> None:
    world = Estate42(data=False)
    Process(world).go()
    assert "no data moved" in told(world)[1]


def test_status_has_the_pause_and_the_late_events_of_the_flip_it_shows() -> None:
    world = moved()
    process = Process(world)
    at(process, "cut-over.2", "asleep", lambda: process.stop.request(2) if len(world.flips) > 1 else None, once=False)
    with pytest.raises(errors.Interrupted):
        process.go(Goal.REVERSE)
    journal = process.journal()
    view = journal.view(RUN)
    shown = seen(view=view, lease=journal.lease(RUN), cursors={}, parked={}, now=view.last_at).value["cutover"]
    assert (shown["pause_ms"], shown["late_events"]) == (view.flipped["pause_ms"], None)
