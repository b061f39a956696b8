"""What is kept of doubts while the journal is out of reach."""

from __future__ import annotations

import msgspec
import pytest

from portability.model.estate import StoreSpec
from portability.stores.base import DOUBT, Horizon, Key
from portability.stores.dynamodb.doubt import Doubt
from portability.stores.dynamodb.sides import layout_of
from tests.stores.memory_ledger import Crash, MemoryLedger

SPEC = msgspec.convert({"pool": "Order-pooled", "silo": "Order-{slug}", "partition_key": "pk"}, StoreSpec)
CHANNEL = "Order.forward"
ONE: Key = {"pk": {"S": "tenant-42-1"}}
OTHER: Key = {"pk": {"S": "tenant-42-2"}}


class Watch:
    """A monotonic clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def kept(ledger: MemoryLedger) -> list[Key]:
    return [key for group, keys in ledger.parked(CHANNEL).values() if group == DOUBT for key in keys]


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def doubt(watch: Watch, ledger: MemoryLedger) -> Doubt:
    doubt = Doubt(layout_of("Order", SPEC, "tenant-42", "portability-canary", (1, 3)), watch, 30.0)
    doubt.attach(ledger, CHANNEL, Horizon(since=watch.now, seconds=60.0))
    return doubt


def test_an_inherited_doubt_that_the_journal_did_not_take_is_not_forgotten(doubt: Doubt, ledger: MemoryLedger) -> None:
    ledger.fail_on = f"park {DOUBT}"
    with pytest.raises(Crash):
        doubt.inherit([ONE])
    ledger.fail_on = ""
    doubt.secure()
    doubt.inherit([ONE])
    assert kept(ledger) == [ONE]


def test_a_lost_answer_that_the_journal_did_not_take_stays_in_doubt_and_is_secured_before_the_next_write(
    doubt: Doubt, ledger: MemoryLedger
) -> None:
    ledger.fail_on = f"park {DOUBT}"
    with pytest.raises(Crash):
        doubt.add([ONE])
    assert doubt.count == 1, "nothing flips"
    with pytest.raises(Crash):
        doubt.secure()  # as every write begins
    with pytest.raises(Crash):
        doubt.due()
    ledger.fail_on = ""
    doubt.secure()
    assert kept(ledger) == [ONE]
    doubt.secure()
    assert kept(ledger) == [ONE], "once"


def test_only_what_the_journal_holds_is_settled(doubt: Doubt, ledger: MemoryLedger, watch: Watch) -> None:
    ledger.fail_on = f"park {DOUBT}"
    with pytest.raises(Crash):
        doubt.add([ONE])
    ledger.fail_on = ""
    doubt.add([OTHER])
    watch.now += 31.0
    due = doubt.due()
    assert sorted(str(batch.keys) for batch in due) == sorted(str([key]) for key in (ONE, OTHER))
    for batch in due:
        doubt.settled(batch)
    assert doubt.count == 0
    assert kept(ledger) == []
