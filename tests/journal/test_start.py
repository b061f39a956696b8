"""Starting a run: one transaction, a write id, one active run a tenant."""

from __future__ import annotations

import functools

import msgspec
import pytest

from portability import errors
from portability.journal import rows
from portability.journal.table import Delete
from portability.model.status import Fact, RunState
from tests.journal.world import (
    World,
    at_once,
    header,
    holder,
)


def test_a_started_run_can_be_found_by_tenant_by_index_and_by_id(world: World) -> None:
    journal = world.process()
    held = world.start(run="r-1", tenant="tenant-42")
    assert journal.active("tenant-42") == "r-1"
    assert journal.active("tenant-43") is None
    assert journal.header("r-1") == header("r-1", "tenant-42")
    assert journal.view("r-1") == held.view()
    assert journal.view("r-1").state is RunState.RUNNING
    lease = journal.lease("r-1")
    assert (lease.holder, lease.fence, lease.seq) == (holder("ana"), 1, 1)
    assert lease.beat_at == world.clock.now()
    assert (held.fence, held.previous, held.late_for, held.run) == (1, None, 0, "r-1")
    assert journal.verify("r-1") == 1


def test_runs_are_listed_newest_first(world: World) -> None:
    for number in (1, 3, 2):
        head = msgspec.structs.replace(header(f"r-{number}", f"t-{number}"), at=float(number))
        world.process().start(head, holder("ana"), write_id=f"w-{number}")
    assert [head.run for head in world.process().runs()] == ["r-3", "r-2", "r-1"]


def test_a_tenants_last_run_is_the_one_begun_last_whatever_the_clocks_said(world: World) -> None:
    assert world.process().last("tenant-42") is None
    for run, at in (("r-2", 7200.0), ("r-1", 3600.0)):  # the first by a clock that was an hour ahead
        head = msgspec.structs.replace(header(run, "tenant-42", digest=run), at=at)
        held = world.process().start(head, holder("ana"), write_id=f"w-{run}")
        assert world.process().last("tenant-42") == run
        held.append(Fact.COMPLETED, {})
        held.release()
    world.start(run="r-3", tenant="tenant-43")
    assert world.process().last("tenant-42") == "r-1"


def test_a_tenants_last_run_of_a_journal_that_does_not_say_is_the_newest_of_the_list(world: World) -> None:
    held = world.start(run="r-1", tenant="tenant-42")
    held.append(Fact.COMPLETED, {})
    world.table.transact([Delete(rows.last_key("tenant-42"), {"run": "r-1"})], token="t-1")
    assert world.process().last("tenant-42") == "r-1"


def test_a_run_that_does_not_exist_is_unknown(world: World) -> None:
    journal = world.process()
    for look in (journal.header, journal.view, journal.lease, journal.verify):
        with pytest.raises(errors.UnknownName, match="no run r-none"):
            look("r-none")
    with pytest.raises(errors.UnknownName):
        world.acquire("r-none")
    assert journal.entries("r-none") == []


def test_a_second_run_of_the_tenant_is_refused_and_says_who_runs_the_first_and_when_it_was_heard_of(
    world: World,
) -> None:
    world.start(run="r-1", tenant="tenant-42", by="bo")
    world.clock.advance(4)
    with pytest.raises(errors.LeaseHeld) as refused:
        world.start(run="r-2", tenant="tenant-42")
    assert refused.value.what == "tenant-42 is being migrated by run r-1 (bo@host-a, last beat 4 s ago)."
    assert refused.value.next == "Wait: --lock-timeout 10m   Look: portability lock show tenant-42"
    assert refused.value.changed == "Nothing was changed."
    with pytest.raises(errors.UnknownName):
        world.process().header("r-2")


def test_a_parked_run_of_the_tenant_is_named_with_its_target(world: World) -> None:
    held = world.start(run="r-1", tenant="tenant-42")
    held.append(Fact.PARKED, {"reason": "gate"})
    held.release()
    with pytest.raises(errors.LeaseHeld, match=r"has run r-1 to premium@default, which nobody holds") as refused:
        world.start(run="r-2", tenant="tenant-42")
    assert refused.value.next == "portability resume r-1"


def test_a_plan_is_used_once(world: World) -> None:
    held = world.start(run="r-1", tenant="tenant-42")
    held.append(Fact.COMPLETED, {})
    held.release()
    again = header("r-2", "tenant-42", digest=header("r-1", "tenant-42").plan.digest)
    with pytest.raises(errors.PlanRejected, match="was used by run r-1"):
        world.process().start(again, holder("ana"), write_id="w-2")
    assert world.process().active("tenant-42") is None
    world.start(run="r-3", tenant="tenant-42")


def test_starts_of_one_tenant_at_the_same_instant_make_one_run(world: World) -> None:
    def start(number: int) -> object:
        return world.start(run=f"r-{number}", tenant="tenant-42", by=f"op{number}")

    results = at_once(*(functools.partial(start, number) for number in range(4)))
    losers = [result for result in results if isinstance(result, errors.LeaseHeld)]
    assert len(losers) == 3, results
    assert len(world.process().runs()) == 1


def test_the_same_start_repeated_is_the_same_run_while_nobody_wrote_since(world: World) -> None:
    first = world.start(run="r-1", tenant="tenant-42")
    world.clock.advance(5)
    beat = world.process().lease("r-1").beat
    second = world.start(run="r-1", tenant="tenant-42")
    assert second.view() == first.view()
    assert world.process().lease("r-1").beat == beat + 1, "its deadline counts from a beat of its own"
    second.append(Fact.STARTED, {}, step="preflight")
    assert world.process().verify("r-1") == 2
    with pytest.raises(errors.LeaseHeld):
        world.start(run="r-1", tenant="tenant-42")


def test_a_start_by_another_process_with_the_same_write_id_is_refused(world: World) -> None:
    world.start(run="r-1", tenant="tenant-42", by="ana")
    with pytest.raises(errors.LeaseHeld, match="ana@host-a"):
        world.start(run="r-1", tenant="tenant-42", by="bo")


def test_a_plan_of_a_megabyte_is_compressed_and_one_that_fits_in_no_row_is_refused(world: World) -> None:
    big = header("r-1", facts={f"table-{number}": {"keys": ["shardId", "orderId"] * 20} for number in range(3000)})
    assert len(msgspec.json.encode(big)) > 900_000
    world.process().start(big, holder("ana"), write_id="w")
    assert world.process().header("r-1") == big
    assert world.process().verify("r-1") == 1
    noise = {f"{world.names.getrandbits(4096):x}": 0 for _ in range(900)}
    with pytest.raises(errors.Refused, match="compressed; the journal holds"):
        world.process().start(header("r-2", "t-2", facts=noise), holder("ana"), write_id="w2")
