"""Copy, soak and retire, each killed at any call, in whole runs in memory."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json

import msgspec
import pytest

from portability import errors
from portability.engine.runner import Options
from portability.model.run import Entry
from portability.model.status import Fact, Goal, RunState, Status
from portability.steps.base import Advancing
from portability.steps.directory import STAMP
from portability.steps.soak import Soak
from tests.steps_data.moments import at
from tests.steps_data.run_plan import RUN, TENANT
from tests.steps_data.run_world import Estate42, Killed, Process

UNTIL_COPY = Options(until="copy-data")


def copied(world: Estate42, process: Process) -> None:
    with contextlib.suppress(errors.Parked):  # a copy that is done already is passed by
        process.go(options=UNTIL_COPY)


def traps_of_copy() -> int:
    process = Process(Estate42(items=12), trap_from="copy-data")
    copied(process.estate, process)
    assert process.traps, "nothing to be killed at"
    return len(process.traps)


def test_a_copy_killed_at_any_call_goes_on_from_its_cursors() -> None:
    for number in range(traps_of_copy()):
        world = Estate42(items=12)
        first = Process(world, kill_at=number, trap_from="copy-data")
        with pytest.raises(Killed):
            first.go(options=UNTIL_COPY)
        second = Process(world)
        copied(world, second)
        again = [page for page in second.move.copied_pages if page in first.move.copied_pages]
        # One unit is copied at a time, and pages share a checkpoint: of a finished unit nothing is read again.
        assert len({page.partition(":")[0] for page in again}) <= 1, number
        assert first.journal().verify(world.entries()[0].run) == len(world.entries())
        view = Process(world).go()
        assert view.step("copy-data").output["stores"]["Order"]["units"] == 2
        world.check_end("target")


def test_the_copy_counts_every_item_once_whatever_the_number_of_resumes() -> None:
    world = Estate42(items=12)
    world.writing = False
    for number in (4, 6, 8):
        with pytest.raises(Killed):
            Process(world, kill_at=number, trap_from="copy-data").go(options=UNTIL_COPY)
    copied(world, Process(world))
    output = next(e for e in world.entries() if e.step == "copy-data" and e.fact is Fact.DONE).data
    assert output["stores"]["Order"] == {"units": 2, "items": 12, "bytes": 120}


def soaking() -> Estate42:
    world = Estate42()
    Process(world).go()
    return world


def test_the_end_of_a_soak_is_recorded_once_and_counts_through_new_processes() -> None:
    world = soaking()
    began = float(Process(world).journal().view(RUN).flipped["at"])
    world.clock.sleep(50)
    with pytest.raises(Killed):
        Process(world, kill_at=20, trap_from="soak").go(options=Options(wait_soak=True))
    world.clock.each = lambda: None
    until = float(soak_note(world).data["until"])
    assert until == began + 3600, "from the flip on, whenever a process first looked"
    world.clock.sleep(1800)
    view = Process(world).go(options=Options(wait_soak=True))
    assert until <= world.clock.now() < until + 700
    assert view.step("soak").output["until"] == until


def test_no_clock_makes_a_soak_longer_than_a_whole_one() -> None:
    """The flip was told by a clock that is a day ahead, and the soak's end by one that is an hour ahead."""
    world = Estate42()
    process = Process(world)
    world.clock.wall += 86_400
    process.go()
    world.clock.wall -= 82_800
    with pytest.raises(Killed):
        Process(world, kill_at=20, trap_from="soak").go(options=Options(wait_soak=True))
    world.clock.wall -= 3_600
    world.clock.each = lambda: None
    began = world.clock.now()
    view = Process(world).go(options=Options(wait_soak=True))
    assert began + 3_600 <= view.step("soak").output["until"] <= world.clock.now() < began + 4_300


def test_a_new_cutover_after_a_reverse_soaks_anew_from_its_own_flip() -> None:
    world = soaking()
    world.clock.each = lambda: None
    first = Process(world).go(options=Options(wait_soak=True))
    assert first.step("soak").status is Status.DONE
    Process(world).go(Goal.REVERSE)
    world.clock.sleep(10_000)
    view = Process(world).go(Goal.CUTOVER)
    view = Process(world).go(options=Options(tick=60.0))
    assert view.step("soak.2").status is Status.STARTED
    view = Process(world).go(options=Options(wait_soak=True))
    assert view.step("soak.2").output["until"] == float(view.flipped["at"]) + 3600
    assert world.clock.now() >= float(view.flipped["at"]) + 3600
    assert Process(world).go(Goal.REVERSE).state is RunState.REVERSED
    assert Process(world).go(Goal.CANCEL).state is RunState.UNWOUND


def soak_note(world: Estate42) -> Entry:
    return next(entry for entry in world.entries() if entry.step == "soak" and entry.data.get("about") == "soak")


def test_a_soak_can_be_taken_on_in_bounded_passes() -> None:
    assert isinstance(Soak(), Advancing)


def test_the_old_side_is_current_at_the_end_of_a_soak() -> None:
    world = soaking()
    process = Process(world)
    process.go(options=Options(wait_soak=True))
    world.writing = False
    Process(world).go(Goal.REVERSE)
    world.check_end("source")


def test_a_day_without_a_process_has_the_way_back_compared_whole() -> None:
    world = soaking()
    world.clock.each = lambda: None
    world.writing = False
    world.clock.sleep(30 * 3600.0)
    world.world.source.items["order-1"] = -5  # what a trimmed record would have told
    process = Process(world)
    view = process.go(options=Options(wait_soak=True))
    assert view.step("soak").output["rebaselined"]["Order"]["repaired"] >= 1
    assert world.world.source.items.get("order-1") != -5
    assert process.move.pool_sizes[-1] == 1, "as the recipe says"


def test_less_than_a_day_without_a_process_compares_nothing() -> None:
    world = soaking()
    world.clock.each = lambda: None
    world.clock.sleep(3 * 3600.0)
    view = Process(world).go(options=Options(wait_soak=True))
    assert view.step("soak").output["rebaselined"] == {}


def test_completing_archives_verifies_and_deletes_the_old_copy() -> None:
    world = soaking()
    process = Process(world)
    view = process.go(Goal.COMPLETE)
    assert view.state is RunState.COMPLETED
    assert world.world.source.items == {}
    assert STAMP not in world.record
    output = view.step("retire-source").output
    (bucket, key), body = next(iter(world.bucket.objects.items()))
    old = [json.loads(line) for line in gzip.decompress(body).splitlines()]
    assert (bucket, key) == ("archive-bucket", f"portability/tenant-42/{view.header.run}.jsonl.gz")
    assert {line["store"] for line in old} == {"Order"}
    assert output["archive"]["counts"] == {"Order": len(old)}
    assert output["erased"]["Order"] > 0
    assert any(line["what"] == "point-in-time recovery" for line in output["residual"])
    world.check_end("target")


def test_completing_killed_at_any_call_never_deletes_without_a_verified_archive() -> None:
    process = Process(soaking(), trap_from="retire-source")
    process.go(Goal.COMPLETE)
    for number in range(len(process.traps)):
        world = soaking()
        held = dict(world.world.source.items)
        first = Process(world, kill_at=number, trap_from="retire-source")
        with pytest.raises(Killed):
            first.go(Goal.COMPLETE)
        gone = sum(name not in world.world.source.items for name in held)
        noted = any(entry.data.get("about") == "archived" for entry in world.entries())
        erased = sum(label == "before erase" for label in first.traps)
        assert noted or erased == 0, (number, gone)
        if Process(world).journal().active("tenant-42") is not None:
            view = Process(world).go(Goal.COMPLETE)
            assert view.state is RunState.COMPLETED, number
        assert world.world.source.items == {}, number
        assert STAMP not in world.record
        world.check_end("target")


def test_a_deletion_that_was_cut_short_is_waited_out_before_anything_follows_it() -> None:
    world = soaking()
    process = Process(world)
    at(process, "retire-source", "before erase", lambda: process.stop.request(15))
    with pytest.raises(errors.Interrupted):
        process.go(Goal.COMPLETE)
    assert not any(entry.data.get("about") == "erased Order" for entry in world.entries())
    world.clock.each = lambda: None
    before = world.clock.now()
    again = Process(world)
    assert again.go().state is RunState.COMPLETED
    assert any(fields.get("about") == "deletions that may still land" for _, fields in again.events)
    assert world.clock.now() - before >= 1.0, "the estate's horizon"
    assert world.world.source.items == {}


def test_an_archive_that_lands_late_does_not_replace_the_one_that_was_verified() -> None:
    world = soaking()
    under_way: list[tuple[str, str, bytes]] = []
    put = world.bucket.put

    def killed_while_it_puts(bucket: str, key: str, body: bytes) -> str:
        under_way.append((bucket, key, b"older"))
        raise Killed

    world.bucket.put = killed_while_it_puts  # type: ignore[method-assign]
    with pytest.raises(Killed):
        Process(world).go(Goal.COMPLETE)
    world.bucket.put = put  # type: ignore[method-assign]
    lands = world.clock.now() + 0.9  # within the estate's horizon

    def late() -> None:
        if under_way and world.clock.now() >= lands:
            put(*under_way.pop())

    again = Process(world)
    world.clock.each = late
    view = again.go(Goal.COMPLETE)
    for body in under_way:
        put(*body)
    assert view.state is RunState.COMPLETED
    (stored,) = world.bucket.objects.values()
    assert hashlib.sha256(stored).hexdigest() == view.step("retire-source").output["archive"]["sha256"]
    assert any(fields.get("about") == "an archive that may still land" for _, fields in again.events)


def test_an_archive_is_never_written_again_from_a_copy_that_is_partly_deleted() -> None:
    world = soaking()
    process = Process(world, trap_from="retire-source")
    process.go(Goal.COMPLETE)
    place = process.traps.index("before erase") + 5
    world = soaking()
    with pytest.raises(Killed):
        Process(world, kill_at=place, trap_from="retire-source").go(Goal.COMPLETE)
    before = dict(world.bucket.objects)
    Process(world).go(Goal.COMPLETE)
    assert world.bucket.objects == before


def test_a_lost_archive_keeps_everything_that_is_left() -> None:
    world = soaking()
    process = Process(world, trap_from="retire-source")
    process.go(Goal.COMPLETE)
    place = process.traps.index("before erase")
    world = soaking()
    with pytest.raises(Killed):
        Process(world, kill_at=place, trap_from="retire-source").go(Goal.COMPLETE)
    world.bucket.objects.clear()
    left = dict(world.world.source.items)
    with pytest.raises(errors.Mismatch):
        Process(world).go(Goal.COMPLETE)
    assert world.world.source.items == left


def test_a_corrupted_archive_keeps_everything() -> None:
    world = soaking()
    process = Process(world)
    put = world.bucket.put

    def corrupting(bucket: str, key: str, body: bytes) -> str:
        digest = put(bucket, key, body)
        world.bucket.objects[bucket, key] = body[:-1] + bytes([body[-1] ^ 1])
        return digest

    world.bucket.put = corrupting  # type: ignore[method-assign]
    with pytest.raises(errors.Mismatch):
        process.go(Goal.COMPLETE)
    assert world.world.source.items != {}


@pytest.mark.parametrize("what", ("tier", "stamp"))
def test_nothing_more_is_deleted_once_the_directory_routes_elsewhere(what: str) -> None:
    world = soaking()
    process = Process(world, trap_from="retire-source")
    seen: list[int] = []

    def on_trap(label: str) -> None:
        if label == "before erase":
            seen.append(len(world.world.source.items))
            if what == "tier":
                world.record["tenantTier"] = {"S": "basic"}
            else:
                world.record.pop(STAMP, None)

    process.on_trap = on_trap
    with pytest.raises(errors.Mismatch):
        process.go(Goal.COMPLETE)
    assert len(seen) == 1
    assert len(world.world.source.items) == seen[0] - 1


def test_a_resumed_completion_opens_no_channel_that_would_bring_items_back() -> None:
    world = soaking()
    process = Process(world, trap_from="retire-source")
    process.go(Goal.COMPLETE)
    place = process.traps.index("before erase") + 3
    world = soaking()
    with pytest.raises(Killed):
        Process(world, kill_at=place, trap_from="retire-source").go(Goal.COMPLETE)
    second = Process(world)
    second.go(Goal.COMPLETE)
    assert not any(line.endswith((" sync", " park", " watch")) for line in second.move.history)


def test_a_move_without_data_is_completed_by_taking_the_stamp_off() -> None:
    world = Estate42(data=False)
    Process(world).go()
    assert STAMP in world.record
    view = Process(world).go(Goal.COMPLETE)
    assert view.state is RunState.COMPLETED
    assert STAMP not in world.record
    assert world.bucket.objects == {}


def test_a_recipe_that_keeps_the_old_copy_ends_without_stamp_and_without_channels() -> None:
    world = Estate42()
    world.plan = msgspec.structs.replace(
        world.plan, steps=[one for one in world.plan.steps if one.uses != "retire_source"]
    )
    Process(world).go()
    number = 0
    while Process(world).journal().active(TENANT) is not None:
        process = Process(world, kill_at=number)
        process.armed = True
        with contextlib.suppress(Killed):
            process.go(Goal.COMPLETE)
        number += 1
    assert number > 10, "killed at every call on the way"
    assert Process(world).journal().view(RUN).state is RunState.COMPLETED
    assert STAMP not in world.record
    assert world.world.source.items != {}
    kept = [key.sk for key in world.table.rows if key.sk.startswith(("P#", "K#"))]
    assert kept == []
    world.check_end("target")
