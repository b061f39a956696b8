"""A process that had lost its run waited five minutes for a stream that the run's next holder had turned off."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from portability import errors
from portability.retry import Retry
from portability.stores.dynamodb.stream import PATIENCE, TableStream
from tests.stores.memory_ledger import MemoryLedger

Word = TypeVar("Word")


class Taken(MemoryLedger):
    """A ledger whose run is taken over after so many writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def stream_users(self, table: str, *, add: bool | None = None) -> list[str]:
        if add is not None:
            self.left -= 1
            if self.left < 0:
                raise errors.LeaseLost("somebody else has the run", next="portability status t")
        return super().stream_users(table, add=add)


class Plane:
    """A control plane and its streams, both told what to say; the last word is repeated."""

    def __init__(self, *, on: list[bool], status: list[str | None]) -> None:
        self.on, self.said = on, status
        self.now = 0.0

    def describe(self, table: str) -> dict[str, Any]:
        there = {"StreamSpecification": {"StreamEnabled": True}, "LatestStreamArn": "arn"}
        return there if _next(self.on) else {}

    def update_table(self, **_: Any) -> None:
        pass

    def status(self, arn: str) -> str | None:
        return _next(self.said)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def stream(self) -> TableStream:
        own: Any = self
        return TableStream("pool", own, own, lambda: self.now, Retry(sleep=self.sleep))


def _next(words: list[Word]) -> Word:
    return words.pop(0) if len(words) > 1 else words[0]


@pytest.mark.parametrize("gone", ("DISABLING", "DISABLED", None))
def test_who_lost_the_run_does_not_wait_for_a_stream_that_was_turned_off(gone: str | None) -> None:
    plane, ledger = Plane(on=[True, False], status=[gone]), Taken(writes=1)
    ledger.users["pool"] = ["r-1"]
    with pytest.raises(errors.LeaseLost):
        plane.stream().ensure(ledger)
    assert plane.now < 1


def test_who_lost_the_run_does_not_wait_for_a_stream_that_it_asked_for() -> None:
    plane = Plane(on=[False], status=["ENABLED"])
    with pytest.raises(errors.LeaseLost):
        plane.stream().ensure(Taken(writes=1))
    assert plane.now < 1


def test_a_stream_that_was_turned_off_meanwhile_is_turned_on_again_by_who_has_the_run() -> None:
    plane, ledger = Plane(on=[True, False, True], status=["DISABLED", "ENABLING", "ENABLED"]), MemoryLedger()
    on, fresh = plane.stream().ensure(ledger)
    assert (on.arn, fresh, ledger.users["pool"]) == ("arn", True, ["r-1"])


def test_a_stream_that_never_comes_is_not_waited_for_without_end() -> None:
    plane = Plane(on=[True], status=["ENABLING"])
    with pytest.raises(errors.Unavailable, match="not ENABLED"):
        plane.stream().ensure(MemoryLedger())
    assert plane.now == pytest.approx(PATIENCE, abs=1)
