"""The directory record: what may be written when. Each rule holds on DynamoDB Local and on the fake the model uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.aws.session import Aws
from portability.model.estate import Estate
from portability.retry import Retry
from portability.steps.directory import FLIPPED, LIFTED, DirectoryTable, Stamp, location
from portability.steps.directory_record import rewrite_json
from portability.steps.fence.base import lift
from tests.steps_data.fake_dynamo import FakeDynamo
from tests.steps_data.run_plan import ESTATE

TENANT, RUN, OTHER = "tenant-42", "r-ONE", "r-TWO"
RECORD = {
    "tenantTier": {"S": "basic"},
    "dedicatedTenancy": {"BOOL": False},
    "isActive": {"S": "true"},
    "apiKey": {"S": "k-secret"},
    "orderTable": {"S": "Order-pooled"},
    "tenantConfig": {"S": '{"userPoolId": "pool-1", "quota": 1.50, "appClientId": "client-1"}'},
}


class Place:
    """A directory and a mapping table on one engine, with one record."""

    def __init__(self, dynamo: Dynamo, prefix: str, *, json_attribute: bool = False) -> None:
        directory: dict[str, Any] = {"table": f"{prefix}-directory", "stores": {"Order": "orderTable"}}
        if json_attribute:
            directory["json"] = {"tenantConfig": ["userPoolId", "appClientId"]}
        described = {**ESTATE, "directory": directory, "stack_mapping": {"table": f"{prefix}-mapping"}}
        self.estate = msgspec.convert(described, Estate)
        self.dynamo = dynamo
        self.table = DirectoryTable(self.estate, dynamo, Retry(attempts=3, sleep=lambda _seconds: None))
        dynamo.put(f"{prefix}-directory", {"tenantId": {"S": TENANT}, **RECORD})

    def record(self) -> Any:
        record = self.table.read(TENANT)
        assert record is not None
        return record

    def flip(self, fields: dict[str, str | None], stamp: Stamp, *, seen: Any = None) -> None:
        member = self.table.flip_member(
            TENANT,
            seen or self.record(),
            run=stamp.run,
            epoch=stamp.epoch,
            fenced=stamp.fenced,
            fields=fields,
            stamp_after=stamp.after(FLIPPED),
        )
        self.dynamo.transact([member], token=uuid4().hex)


@pytest.fixture(params=["fake", "engine"])
def dynamo(request: pytest.FixtureRequest, prefix: str) -> Iterator[Dynamo]:
    tables = [f"{prefix}-directory", f"{prefix}-mapping"]
    if request.param == "fake":
        yield FakeDynamo(dict.fromkeys(tables, "tenantId"))
        return
    request.getfixturevalue("aws_env")
    engine = Aws(region="us-east-1", read_only=False).dynamodb()
    for table in tables:
        engine.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "tenantId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "tenantId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    yield engine
    for table in tables:
        engine.delete_table(table)


@pytest.fixture
def place(dynamo: Dynamo, prefix: str) -> Place:
    return Place(dynamo, prefix)


def test_a_record_is_read_by_the_names_of_the_estate(dynamo: Dynamo, prefix: str) -> None:
    record = Place(dynamo, prefix, json_attribute=True).record()
    assert (record.tier, record.user_pool, record.client) == ("basic", "pool-1", "client-1")
    assert (record.dedicated, record.active, record.stores) == ("false", True, {"Order": "Order-pooled"})
    assert record.stamp is None
    assert "k-secret" not in repr(record)


def test_a_tenant_that_is_not_there_is_none(place: Place) -> None:
    assert place.table.read("nobody") is None


def test_a_stamp_is_put_once_and_keeps_its_epoch(place: Place) -> None:
    assert place.table.stamp(TENANT, RUN, 100).epoch == 100
    assert place.table.stamp(TENANT, RUN, 200).epoch == 100
    assert place.record().stamp == Stamp(RUN, 100, fenced=False)


def test_a_stamp_of_another_run_is_not_touched(place: Place) -> None:
    place.table.stamp(TENANT, OTHER, 100)
    with pytest.raises(errors.StampMoved) as moved:
        place.table.stamp(TENANT, RUN, 200)
    assert moved.value.run == OTHER
    assert place.table.unstamp(TENANT, RUN) is False
    assert place.record().stamp.run == OTHER


def test_a_stamp_on_no_record_is_refused_and_makes_none(place: Place) -> None:
    with pytest.raises(errors.UnknownName):
        place.table.stamp("nobody", RUN, 100)
    assert place.table.read("nobody") is None


def test_an_epoch_is_raised_from_the_expected_one_only(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    assert place.table.raise_epoch(TENANT, RUN, 100, fenced=True) == Stamp(RUN, 101, fenced=True, act="fenced")
    with pytest.raises(errors.StampMoved) as moved:
        place.table.raise_epoch(TENANT, RUN, 99, fenced=False)
    assert (moved.value.run, moved.value.epoch, moved.value.act) == (RUN, 101, "fenced")


def test_a_lost_reply_is_recognised_as_our_own_write(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    place.table.raise_epoch(TENANT, RUN, 100, fenced=True)
    assert place.table.raise_epoch(TENANT, RUN, 100, fenced=True).epoch == 101


def test_an_abort_is_not_taken_for_the_flip_that_left_the_same_epoch(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    fenced = place.table.raise_epoch(TENANT, RUN, 100, fenced=True)
    place.flip({"tenantTier": "premium"}, fenced)
    with pytest.raises(errors.StampMoved) as moved:
        place.table.raise_epoch(TENANT, RUN, fenced.epoch, fenced=False)
    assert moved.value.act == FLIPPED


def test_of_flip_and_abort_only_the_first_stands(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    fenced = place.table.raise_epoch(TENANT, RUN, 100, fenced=True)
    seen = place.record()
    assert lift(place.table, TENANT, RUN, fenced.epoch).act == LIFTED
    with pytest.raises(errors.ConditionFailed):
        place.flip({"tenantTier": "premium"}, fenced, seen=seen)
    assert place.record().tier == "basic"


def test_a_lift_after_the_flip_lifts_nothing_and_says_so(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    fenced = place.table.raise_epoch(TENANT, RUN, 100, fenced=True)
    place.flip({"tenantTier": "premium"}, fenced)
    assert lift(place.table, TENANT, RUN, fenced.epoch) == Stamp(RUN, 102, fenced=False, act=FLIPPED)


def test_a_lift_before_the_announced_fence_was_raised_keeps_it_from_being_raised(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    assert lift(place.table, TENANT, RUN, 101).act == LIFTED
    with pytest.raises(errors.StampMoved):
        place.table.raise_epoch(TENANT, RUN, 100, fenced=True)


def test_a_lift_of_the_next_leg_does_not_take_the_last_flip_for_its_own(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    place.flip({"tenantTier": "premium"}, place.table.raise_epoch(TENANT, RUN, 100, fenced=True))
    assert lift(place.table, TENANT, RUN, 103).act == LIFTED


def test_a_lift_may_be_repeated(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    place.table.raise_epoch(TENANT, RUN, 100, fenced=True)
    assert lift(place.table, TENANT, RUN, 101) == lift(place.table, TENANT, RUN, 101)


def test_a_lift_of_another_runs_fence_is_refused(place: Place) -> None:
    place.table.stamp(TENANT, OTHER, 100)
    place.table.raise_epoch(TENANT, OTHER, 100, fenced=True)
    with pytest.raises(errors.StampMoved):
        lift(place.table, TENANT, RUN, 101)
    assert place.record().stamp.fenced is True


@pytest.mark.parametrize("change", ("tier", "epoch", "fence", "run"))
def test_a_flip_is_refused_when_anything_it_rests_on_has_changed(place: Place, change: str) -> None:
    place.table.stamp(TENANT, RUN, 100)
    fenced = place.table.raise_epoch(TENANT, RUN, 100, fenced=True)
    seen = place.record()
    stamp = {
        "epoch": Stamp(RUN, 100, fenced=True),
        "fence": Stamp(RUN, 101, fenced=False),
        "run": Stamp(OTHER, 101, fenced=True),
    }.get(change, fenced)
    if change == "tier":
        place.dynamo.update(
            place.estate.directory.table,
            place.table.key(TENANT),
            "SET #t = :t",
            {"#t": "tenantTier"},
            {":t": {"S": "standard"}},
        )
    before = place.record().raw
    with pytest.raises(errors.ConditionFailed) as refused:
        place.flip({"tenantTier": "premium"}, stamp, seen=seen)
    assert refused.value.failed == [True]
    assert place.record().raw == before


def test_a_flip_writes_the_named_fields_in_their_own_types_and_no_other(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    before = place.record().raw
    stamp = Stamp(RUN, 100, fenced=False)
    place.flip({"tenantTier": "premium", "dedicatedTenancy": "true", "placement": "west", "isActive": None}, stamp)
    after = place.record().raw
    assert after["tenantTier"] == {"S": "premium"}
    assert after["dedicatedTenancy"] == {"BOOL": True}
    assert after["placement"] == {"S": "west"}
    assert "isActive" not in after
    changed = {"tenantTier", "dedicatedTenancy", "placement", "isActive", "portability"}
    assert {name: value for name, value in after.items() if name not in changed} == {
        name: value for name, value in before.items() if name not in changed
    }


def test_a_json_attribute_changes_only_in_the_named_fields_and_comes_back_as_it_was(
    dynamo: Dynamo, prefix: str
) -> None:
    place = Place(dynamo, prefix, json_attribute=True)
    before = place.record().raw["tenantConfig"]
    place.table.stamp(TENANT, RUN, 100)
    place.flip({"userPoolId": "pool-2"}, Stamp(RUN, 100, fenced=False))
    assert json.loads(place.record().raw["tenantConfig"]["S"])["userPoolId"] == "pool-2"
    assert '"quota": 1.50' in place.record().raw["tenantConfig"]["S"]
    place.flip({"userPoolId": "pool-1"}, place.record().stamp)
    assert place.record().raw["tenantConfig"] == before


def test_a_json_attribute_changed_by_somebody_else_refuses_the_flip(dynamo: Dynamo, prefix: str) -> None:
    place = Place(dynamo, prefix, json_attribute=True)
    place.table.stamp(TENANT, RUN, 100)
    seen = place.record()
    place.flip({"appClientId": "client-2"}, Stamp(RUN, 100, fenced=False))
    with pytest.raises(errors.ConditionFailed):
        place.flip({"userPoolId": "pool-2"}, Stamp(RUN, 101, fenced=False), seen=seen)


@pytest.mark.parametrize("text", ('{"a":"1","b":[1, 2.50]}', '{"a": "1", "b": [1, 2.50]}'))
def test_rewriting_a_json_text_and_back_restores_every_character(text: str) -> None:
    assert rewrite_json(rewrite_json(text, {"a": "2"}), {"a": "1"}) == text


def test_an_open_stamp_is_taken_off_and_a_fenced_one_is_not(place: Place) -> None:
    place.table.stamp(TENANT, RUN, 100)
    place.table.raise_epoch(TENANT, RUN, 100, fenced=True)
    with pytest.raises(errors.StampMoved):
        place.table.unstamp(TENANT, RUN)
    lift(place.table, TENANT, RUN, 101)
    assert place.table.unstamp(TENANT, RUN) is True
    assert place.table.unstamp(TENANT, RUN) is False
    assert "portability" not in place.record().raw


def test_a_stack_row_goes_from_its_old_name_to_its_new_one_and_keeps_the_rest(place: Place) -> None:
    table = place.estate.stack_mapping.table if place.estate.stack_mapping else ""
    member = place.table.stack_member(TENANT, before=None, after="stack-a")
    assert member is not None
    place.dynamo.transact([member], token=uuid4().hex)
    assert place.table.stack_row(TENANT) == "stack-a"
    place.dynamo.update(table, {"tenantId": {"S": TENANT}}, "SET #w = :w", {"#w": "waveNumber"}, {":w": {"S": "1"}})
    moved = place.table.stack_member(TENANT, before="stack-a", after="stack-b")
    assert moved is not None
    place.dynamo.transact([moved], token=uuid4().hex)
    assert place.dynamo.get(table, {"tenantId": {"S": TENANT}}) == {
        "tenantId": {"S": TENANT},
        "stackName": {"S": "stack-b"},
        "waveNumber": {"S": "1"},
    }
    with pytest.raises(errors.ConditionFailed):
        place.dynamo.transact([moved], token=uuid4().hex)
    assert place.table.remove_stack_row(TENANT, "stack-a") is False
    assert place.table.remove_stack_row(TENANT, "stack-b") is True
    assert place.table.stack_row(TENANT) is None


def test_a_record_tells_its_tier_and_placement_or_is_refused(place: Place) -> None:
    assert location(place.estate, place.record()) == ("basic", "default")
    place.table.stamp(TENANT, RUN, 100)
    place.flip({"tenantTier": "gold"}, Stamp(RUN, 100, fenced=False))
    with pytest.raises(errors.UnknownName):
        location(place.estate, place.record())
