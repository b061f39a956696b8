"""The epoch fence as an application sees it: refused while it is up, accepted after the epoch moved on."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from portability.sandbox.clients import client
from portability.sandbox.data_access import NO_RETRIES, DataAccess, ItemConditionFailed, StillFenced
from portability.sandbox.reference import DETAILS
from portability.sandbox.seed import find_shape, seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portability.sandbox.clients import Clients

SHAPE = find_shape("reference")
KEY = {"shardId": {"S": "tenant-42-1"}, "orderId": {"S": "w1-1"}}


@dataclass
class Time:
    """A clock that only sleeping moves, and what happens meanwhile."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        self.meanwhile()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def access(clients: Clients, time: Time) -> DataAccess:
    seed("reference", tenants=1, items_per_tenant=0)
    clients.dynamodb.delete_item(TableName="Order-pooled", Key=KEY)
    return _access(clients, time)


def _access(clients: Clients, time: Time) -> DataAccess:
    return DataAccess(
        clients.dynamodb, SHAPE.directory, "tenant-42", clock=time.clock, sleep=time.sleep, rng=random.Random(1)
    )


def _stamp(clients: Clients, *, epoch: int, fenced: bool, placement: str | None = None) -> None:
    names, values = (
        {"#p": "portability"},
        {":stamp": {"M": {"run": {"S": "r-1"}, "epoch": {"N": str(epoch)}, "fenced": {"BOOL": fenced}}}},
    )
    update = "SET #p = :stamp"
    if placement:
        update += ", dataPlacement = :place"
        values[":place"] = {"S": placement}  # type: ignore[dict-item]
    request: Any = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    key: Any = {"tenantId": {"S": "tenant-42"}}
    clients.dynamodb.update_item(TableName=DETAILS, Key=key, UpdateExpression=update, **request)


def _put(access: DataAccess, value: str, refused: Callable[[], None] = lambda: None, **more: Any) -> None:
    access.write("Order", "Put", {"Item": KEY | {"writeId": {"S": value}}, **more}, refused=refused)


def _value(clients: Clients, table: str = "Order-pooled") -> str | None:
    item = clients.dynamodb.get_item(TableName=table, Key=KEY, ConsistentRead=True).get("Item", {})
    return item["writeId"]["S"] if item else None


def test_without_a_stamp_writes_are_plain_and_the_record_is_cached(
    access: DataAccess, clients: Clients, time: Time
) -> None:
    requests: list[str] = []
    clients.dynamodb.meta.events.register("before-call", lambda model, **_: requests.append(model.name))
    _put(access, "1")
    _put(access, "2")
    assert requests == ["GetItem", "PutItem", "PutItem"]
    time.now += 1.0
    _put(access, "3")
    assert requests[3:] == ["GetItem", "PutItem"]
    assert _value(clients) == "3"


def test_with_a_stamp_every_write_checks_it(access: DataAccess, clients: Clients) -> None:
    _stamp(clients, epoch=1, fenced=False)
    requests: list[str] = []
    clients.dynamodb.meta.events.register("before-call", lambda model, **_: requests.append(model.name))
    _put(access, "1")
    access.write("Order", "Delete", {"Key": KEY})
    assert requests == ["GetItem", "TransactWriteItems", "TransactWriteItems"]
    assert _value(clients) is None


def test_a_write_is_refused_while_fenced_and_accepted_after_the_epoch_moved_on(
    access: DataAccess, clients: Clients, time: Time
) -> None:
    _stamp(clients, epoch=1, fenced=False)
    _put(access, "before")
    _stamp(clients, epoch=2, fenced=True)

    def flip_at_the_third_sleep() -> None:
        assert _value(clients) == "before"
        if len(time.slept) == 3:
            _stamp(clients, epoch=3, fenced=False, placement="pool-b")

    time.meanwhile = flip_at_the_third_sleep
    refusals: list[float] = []
    _put(access, "after", refused=lambda: refusals.append(time.now))
    assert len(refusals) == 3
    assert all(0.01 * 1.5**tried <= pause <= 0.03 * 1.5**tried for tried, pause in enumerate(time.slept))
    assert (_value(clients), _value(clients, "Order-pool-b")) == ("before", "after")


def test_a_write_under_an_old_epoch_never_lands_at_the_old_place(access: DataAccess, clients: Clients) -> None:
    _stamp(clients, epoch=1, fenced=False)
    _put(access, "before")
    _stamp(clients, epoch=2, fenced=False, placement="pool-b")
    refusals: list[None] = []
    _put(access, "after", refused=lambda: refusals.append(None))
    assert len(refusals) == 1
    assert (_value(clients), _value(clients, "Order-pool-b")) == ("before", "after")


def test_a_removed_stamp_refuses_once_and_then_writes_plainly(access: DataAccess, clients: Clients) -> None:
    _stamp(clients, epoch=1, fenced=False)
    _put(access, "before")
    key: Any = {"tenantId": {"S": "tenant-42"}}
    clients.dynamodb.update_item(TableName=DETAILS, Key=key, UpdateExpression="REMOVE portability")
    refusals: list[None] = []
    _put(access, "after", refused=lambda: refusals.append(None))
    assert (len(refusals), _value(clients)) == (1, "after")


def test_a_write_that_stays_refused_gives_up_at_its_deadline(access: DataAccess, clients: Clients, time: Time) -> None:
    _stamp(clients, epoch=1, fenced=True)
    with pytest.raises(StillFenced):
        access.write("Order", "Put", {"Item": KEY}, within=0.5)
    assert 0.5 <= time.now < 0.6
    assert _value(clients) is None


@pytest.mark.parametrize("stamped", (False, True))
def test_the_items_own_condition_is_not_the_fence(access: DataAccess, clients: Clients, stamped: bool) -> None:
    if stamped:
        _stamp(clients, epoch=1, fenced=False)
    refusals: list[None] = []
    with pytest.raises(ItemConditionFailed):
        _put(access, "1", refused=lambda: refusals.append(None), ConditionExpression="attribute_exists(orderId)")
    assert refusals == []


def test_the_fence_comes_before_the_items_own_condition(access: DataAccess, clients: Clients) -> None:
    _stamp(clients, epoch=1, fenced=True)
    with pytest.raises(StillFenced):
        access.write("Order", "Put", {"Item": KEY, "ConditionExpression": "attribute_exists(orderId)"}, within=0)


def test_a_table_that_is_gone_is_a_record_that_is_old(access: DataAccess, clients: Clients, time: Time) -> None:
    _put(access, "before")
    clients.dynamodb.delete_table(TableName="Order-pooled")
    time.meanwhile = lambda: _stamp(clients, epoch=1, fenced=False, placement="pool-b")
    refusals: list[None] = []
    _put(access, "after", refused=lambda: refusals.append(None))
    assert (len(refusals), _value(clients, "Order-pool-b")) == (1, "after")


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Stubber]]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    dynamodb = client("dynamodb", NO_RETRIES)
    record = {"dedicatedTenancy": {"S": "false"}, "portability": {"M": {"epoch": {"N": "1"}}}}
    with Stubber(dynamodb) as stubber:
        stubber.add_response("get_item", {"Item": record})
        yield dynamodb, stubber


def _cancelled(stubber: Stubber, fence: str, own: str) -> None:
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": fence}, {"Code": own}]},
    )


@pytest.mark.parametrize(
    ("fence", "own"),
    (("TransactionConflict", "None"), ("None", "TransactionConflict"), ("None", "ProvisionedThroughputExceeded")),
)
def test_a_conflict_is_tried_again_and_is_no_refusal(
    stubbed: tuple[Any, Stubber], time: Time, fence: str, own: str
) -> None:
    dynamodb, stubber = stubbed
    _cancelled(stubber, fence, own)
    stubber.add_response("transact_write_items", {})
    access = DataAccess(dynamodb, SHAPE.directory, "tenant-42", clock=time.clock, sleep=time.sleep)
    refusals: list[None] = []
    _put(access, "1", refused=lambda: refusals.append(None))
    assert (refusals, len(time.slept)) == ([], 1)
    stubber.assert_no_pending_responses()


def test_a_conflict_at_the_deadline_is_not_called_a_fence(stubbed: tuple[Any, Stubber], time: Time) -> None:
    dynamodb, stubber = stubbed
    _cancelled(stubber, "TransactionConflict", "None")
    access = DataAccess(dynamodb, SHAPE.directory, "tenant-42", clock=time.clock, sleep=time.sleep)
    with pytest.raises(ClientError):
        access.write("Order", "Put", {"Item": KEY}, within=0)


def test_an_answer_nobody_knows_is_passed_on(stubbed: tuple[Any, Stubber], time: Time) -> None:
    dynamodb, stubber = stubbed
    stubber.add_client_error("transact_write_items", "InternalServerError", http_status_code=500)
    access = DataAccess(dynamodb, SHAPE.directory, "tenant-42", clock=time.clock, sleep=time.sleep)
    with pytest.raises(ClientError, match="InternalServerError"):
        _put(access, "1")
    assert time.slept == []
