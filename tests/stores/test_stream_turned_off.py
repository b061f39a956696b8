"""A stream turned off: by who has the run now while another waits for it, and for good though its process is killed."""

from __future__ import annotations

import contextlib
from typing import Any, TypeVar

import pytest

from portability import errors
from portability.retry import Retry
from portability.stores.dynamodb.stream import PATIENCE, TableStream
from tests.stores.memory_ledger import Crash, MemoryLedger

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


@pytest.mark.parametrize("said", (errors.NoDefiniteAnswer, errors.AlreadyExists))
def test_a_stream_that_could_not_be_turned_on_yet_is_asked_for_again(said: type[errors.AwsError]) -> None:
    plane, left = Plane(on=[False], status=["ENABLED"]), 3

    def update_table(**_: Any) -> None:
        nonlocal left
        left -= 1
        if left:
            raise said("not yet", operation="dynamodb.UpdateTable", aws_code="")
        plane.on = [True]

    plane.update_table = update_table  # type: ignore[method-assign]
    on, fresh = plane.stream().ensure(MemoryLedger())
    assert (on.arn, fresh) == ("arn", True)
    assert plane.now < 5


class Switch:
    """A stream that is on. Its process is killed at the nth of its calls and the journal's writes, if it gets there."""

    def __init__(self, killed_at: int) -> None:
        self.on = True
        self.left = killed_at

    def call(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash

    def describe(self, table: str) -> dict[str, Any]:
        return {"StreamSpecification": {"StreamEnabled": self.on}, "LatestStreamArn": "arn"}

    def update_table(self, **asked: Any) -> None:
        self.call()
        self.on = asked["StreamSpecification"]["StreamEnabled"]

    def stream(self) -> TableStream:
        own: Any = self
        return TableStream("pool", own, own, lambda: 0.0, Retry(sleep=lambda _: None))


class Killed(MemoryLedger):
    def __init__(self, run: str, switch: Switch, users: dict[str, list[str]]) -> None:
        super().__init__(run)
        self.users, self._switch = users, switch

    def stream_users(self, table: str, *, add: bool | None = None) -> list[str]:
        if add is not None:
            self._switch.call()
        return super().stream_users(table, add=add)


@pytest.mark.parametrize("killed_at", range(1, 6))
@pytest.mark.parametrize("users", (["r-1"], ["r-1", "r-2"], ["r-2"], []))
def test_a_process_that_is_killed_while_it_lets_go_of_a_stream_leaves_what_a_repeat_ends(
    killed_at: int, users: list[str]
) -> None:
    switch, by_table = Switch(killed_at), {"pool": [*users]}
    others = [user for user in users if user != "r-1"]
    with contextlib.suppress(Crash):
        switch.stream().let_go(Killed("r-1", switch, by_table))
    switch.stream().let_go(Killed("r-1", switch, by_table))
    assert by_table["pool"] == others
    assert switch.on is (bool(others) or not users)


def test_of_two_that_let_go_at_the_same_moment_one_turns_the_stream_off() -> None:
    switch, users = Switch(0), {"pool": ["r-1", "r-2"]}

    class AtOnce(Killed):
        """The other one leaves when this one has looked."""

        def stream_users(self, table: str, *, add: bool | None = None) -> list[str]:
            if add is False and "r-2" in users["pool"]:
                users["pool"].remove("r-2")
            return super().stream_users(table, add=add)

    switch.stream().let_go(AtOnce("r-1", switch, users))
    assert (switch.on, users["pool"]) == (False, [])
