"""What judges a cutover under load must be able to find fault: its writers, its routers, its figures."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from portability.sandbox.data_access import DataAccess, Directory, StillFenced
from tests.crash import pauses, substeps
from tests.crash.accesses import REFUSED, Flagged, Plain, fenced
from tests.crash.faults import Faulty
from tests.crash.points import Point, name_of
from tests.crash.routers import Router
from tests.support.wire import Call

DIRECTORY = Directory("directory", "tenantId", lambda record, _tenant, store: f"{store}-{record['at']['S']}")


class Table:
    """A DynamoDB that answers from what it holds, and keeps what was written."""

    def __init__(self, record: Mapping[str, Any], refuses: Exception | None = None) -> None:
        self.record, self.refuses = record, refuses
        self.written: list[str] = []

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": self.record}

    def put_item(self, **request: Any) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.written.append(request["TableName"])

    update_item = delete_item = put_item


def stamped(*, closed: bool, at: str = "pool") -> dict[str, Any]:
    return {"at": {"S": at}, "portability": {"M": {"epoch": {"N": "7"}, "fenced": {"BOOL": closed}}}}


def writes(access: type[DataAccess], table: Table) -> tuple[bool, int]:
    """Whether a write was made, and how often it was refused."""
    told: list[int] = []
    made: Any = access(table, DIRECTORY, "t", sleep=lambda _: None, rng=random.Random(0))  # type: ignore[arg-type]
    try:
        made.write("Order", "Put", {"Item": {}}, refused=lambda: told.append(1), within=0)
    except StillFenced:
        return False, len(told)
    return True, len(told)


def test_a_writer_that_looks_at_the_flag_waits_while_it_is_up_and_one_that_does_not_writes_on() -> None:
    closed, there = Table(stamped(closed=True)), Table(stamped(closed=False, at="silo"))
    assert writes(Flagged, closed) == (False, 1)
    assert closed.written == []
    assert writes(Plain, closed) == (True, 0)
    assert writes(Flagged, there) == (True, 0)
    assert there.written == ["Order-silo"]


def test_a_writer_behind_a_router_takes_its_refusal_for_the_fence_and_any_other_answer_for_what_it_is() -> None:
    denied, broken = fenced(), fenced()
    denied.response["Error"]["Code"], broken.response["Error"]["Code"] = REFUSED, "InternalServerError"
    assert writes(Plain, Table(stamped(closed=False), denied)) == (False, 1)
    with pytest.raises(type(broken)):
        writes(Plain, Table(stamped(closed=False), broken))


def put(table: str) -> Call:
    body = json.dumps({"TableName": table}).encode()
    return Call("", "dynamodb", "PutItem", mutating=True, keys={}, body=body)


@pytest.mark.parametrize(("lag", "stale"), ((0.0, False), (600.0, True)))
def test_a_router_goes_by_the_policy_that_it_last_looked_at(lag: float, stale: bool) -> None:
    now = [frozenset({"Order-pool"})]
    router = Router(look=lambda: now[0], lag=lag)
    asked = Call("", "", "GET /policy", mutating=False, keys={}, body=b"")

    def passes(table: str) -> bool:
        return router.instead(put(table)) is None

    assert passes("Order-pool")
    assert not passes("Order-silo")
    now[0] = frozenset()
    told = router.instead(asked)
    assert told is not None
    assert (passes("Order-pool"), told.body) == ((True, b"open") if stale else (False, b"shut"))
    now[0] = frozenset({"Order-silo"})
    assert passes("Order-silo") is not stale


def call(operation: str, body: str) -> Call:
    return Call("", "dynamodb", operation, mutating=True, keys={}, body=body.encode())


def test_a_sub_step_is_met_after_the_fence_only() -> None:
    probe = call("TransactWriteItems", json.dumps({"TransactItems": [{"ConditionCheck": {}}]}))
    raised = call("UpdateItem", '{":act": {"S": "fenced"}}')
    make: Mapping[str, Callable[[Any], Callable[[Call], bool]]] = substeps.HELD
    probing = make[substeps.PROBING](None)
    assert not probing(probe)
    assert not probing(raised)
    assert probing(probe)
    assert make[substeps.RAISING](None)(raised)
    assert set(substeps.ALL) == {*substeps.HELD, *substeps.MUTED}


def test_a_place_is_met_in_the_journeys_that_were_learned() -> None:
    chosen = substeps.at("probing", times=2)
    assert list(chosen([Point("PutItem T", 1)])) == [Point("probing", 1), Point("probing", 2)]
    assert list(chosen([])) == []


def test_the_figures_of_a_fence_are_over_all_its_pauses(tmp_path: Path) -> None:
    ms = [float(one) for one in range(1000, 1000 + 200)]
    random.Random(1).shuffle(ms)
    kept = tmp_path / "pauses.json"
    for part in (ms[:150], ms[150:]):
        shares = pauses.measured({"epoch": [part[:5], part[5:]]}, what=str(len(part)), seed=1, commit="c")
        pauses.append(shares, kept)
        pauses.append(shares, kept)  # the same part again replaces itself
    line = list(pauses.table(pauses.load(kept)))[-1]
    assert line == "| epoch | 4 | 200 | 1.10 s | 1.20 s | 1.20 s | c |"
    assert pauses.p99(sorted(ms)) == 1197.0
    nobody = pauses.measured({"epoch": [[]]}, what="", seed=1, commit="c")
    assert list(pauses.table(nobody))[-1] == "| epoch | 1 | 0 |  |  |  | c |"


@pytest.mark.parametrize("body", ('{"v": {"act": {"S": "stamped"}}}', '{"v": {":act": {"S": "stamped"}}}'))
def test_a_write_of_the_stamp_is_named_by_what_it_is_for(body: str) -> None:
    named = call("UpdateItem", json.dumps({"TableName": "directory"} | json.loads(body)))
    assert name_of(named, "j") == "UpdateItem directory stamped"


def test_what_the_engine_refused_was_not_done() -> None:
    wire, refused, done = Faulty(journal="j"), put("Order-pool"), put("Order-silo")
    wire.heard(refused, 400)
    wire.heard(done, 200)
    assert wire.accepted == [done]
    wire.forget()
    assert wire.accepted == []
