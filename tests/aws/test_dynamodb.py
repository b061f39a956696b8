"""Items and tables on DynamoDB Local."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from portability import errors
from portability.aws.dynamodb import Condition, Dynamo, Item
from portability.aws.session import Aws
from tests.conftest import REGION

HAS_PK = Condition("attribute_exists(#pk)", {"#pk": "pk"}, {})
NO_PK = Condition("attribute_not_exists(#pk)", {"#pk": "pk"}, {})


@pytest.fixture
def aws(aws_env: None) -> Aws:
    return Aws(region=REGION, read_only=False)


@pytest.fixture
def dynamo(aws: Aws) -> Dynamo:
    return aws.dynamodb()


@pytest.fixture
def table(dynamo: Dynamo, prefix: str) -> str:
    dynamo.create_table(
        TableName=prefix,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "by")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-owner",
                "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return prefix


def key(sk: str, pk: str = "a") -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def item(sk: str, pk: str = "a", **more: Any) -> Item:
    return {**key(sk, pk), "n": {"N": "1"}, **more}


def in_partition(pk: str) -> Condition:
    return Condition("#pk = :pk", {"#pk": "pk"}, {":pk": {"S": pk}})


def put(table: str, new: Item, condition: Condition | None = None, *, old: bool = True) -> dict[str, Any]:
    member: dict[str, Any] = {"TableName": table, "Item": new}
    if condition is not None:
        member |= {"ConditionExpression": condition.expression, "ExpressionAttributeNames": condition.names}
    if old:
        member["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return {"Put": member}


def token() -> str:
    return str(uuid.uuid4())


def test_what_was_put_is_got_with_its_bytes_and_exact_numbers(dynamo: Dynamo, table: str) -> None:
    whole = item("1", exact={"N": "12345678901234567890.123456789"}, raw={"B": b"\x00\xff"}, by={"S": "x"})
    dynamo.put(table, whole)
    assert dynamo.get(table, key("1")) == whole
    assert dynamo.get(table, key("2")) is None


def test_a_refused_put_shows_the_item_as_it_stood(dynamo: Dynamo, table: str) -> None:
    dynamo.put(table, item("1"), NO_PK)
    with pytest.raises(errors.ConditionFailed) as refused:
        dynamo.put(table, item("1", n={"N": "2"}), NO_PK)
    assert refused.value.old == [item("1")]
    assert refused.value.failed == [True]
    assert dynamo.get(table, key("1")) == item("1")


def test_a_condition_on_an_absent_item_fails_with_no_old_item(dynamo: Dynamo, table: str) -> None:
    with pytest.raises(errors.ConditionFailed) as refused:
        dynamo.put(table, item("1"), HAS_PK)
    assert refused.value.old == [None]


def test_an_update_answers_the_new_item_and_its_refusal_the_old_one(dynamo: Dynamo, table: str) -> None:
    dynamo.put(table, item("1"))
    names, values = {"#n": "n"}, {":n": {"N": "2"}, ":was": {"N": "1"}}
    assert dynamo.update(table, key("1"), "SET #n = :n", names, values, "#n = :was") == item("1", n={"N": "2"})
    with pytest.raises(errors.ConditionFailed) as refused:
        dynamo.update(table, key("1"), "SET #n = :n", names, values, "#n = :was")
    assert refused.value.old == [item("1", n={"N": "2"})]


def test_an_update_without_a_condition_makes_the_item(dynamo: Dynamo, table: str) -> None:
    assert dynamo.update(table, key("1"), "REMOVE #x", {"#x": "x"}, {}) == key("1")


def test_a_delete_is_repeatable_and_its_condition_holds(dynamo: Dynamo, table: str) -> None:
    dynamo.put(table, item("1"))
    with pytest.raises(errors.ConditionFailed) as refused:
        dynamo.delete(table, key("1"), Condition("#n = :n", {"#n": "n"}, {":n": {"N": "9"}}))
    assert refused.value.old == [item("1")]
    dynamo.delete(table, key("1"))
    dynamo.delete(table, key("1"))
    assert dynamo.get(table, key("1")) is None


def test_a_query_pages_to_its_end(dynamo: Dynamo, table: str) -> None:
    dynamo.batch_write(table, [item(str(n)) for n in range(5)] + [item("0", pk="b")], [])
    found, start, pages = [], None, 0
    while True:
        page = dynamo.query(table, in_partition("a"), start=start, limit=2)
        found += page.items
        pages += 1
        start = page.next
        assert page.rcu > 0
        if start is None:
            break
    assert [each["sk"]["S"] for each in found] == ["0", "1", "2", "3", "4"]
    assert pages == 3


def test_a_query_counts_projects_and_reads_an_index(dynamo: Dynamo, table: str) -> None:
    dynamo.batch_write(table, [item(str(n), by={"S": "x"}) for n in range(3)], [])
    counted = dynamo.query(table, in_partition("a"), count_only=True)
    assert (counted.count, counted.items) == (3, [])
    projected = dynamo.query(table, in_partition("a"), keys_only=["pk", "sk"])
    assert projected.items == [key(str(n)) for n in range(3)]
    by = Condition("#by = :by", {"#by": "by"}, {":by": {"S": "x"}})
    assert dynamo.query(table, by, index="by-owner").count == 3


def test_segments_of_a_scan_cover_the_table_once(dynamo: Dynamo, table: str) -> None:
    dynamo.batch_write(table, [item("0", pk=f"p{n}") for n in range(20)], [])
    found: list[str] = []
    for segment in range(4):
        start = None
        while True:
            page = dynamo.scan(table, segment=segment, of=4, start=start, limit=3, keys_only=["pk", "sk"])
            assert all(set(each) == {"pk", "sk"} for each in page.items)
            found += [each["pk"]["S"] for each in page.items]
            start = page.next
            if start is None:
                break
    assert sorted(found) == sorted(f"p{n}" for n in range(20))
    assert dynamo.scan(table).count == 20


def test_a_batch_reads_writes_and_deletes(dynamo: Dynamo, table: str) -> None:
    assert dynamo.batch_write(table, [item("1"), item("2")], []) == ([], [], 2.0)
    assert dynamo.batch_write(table, [item("3")], [key("1")]) == ([], [], 2.0)
    found = dynamo.batch_get(table, [key("1"), key("2"), key("3")])
    assert sorted(each["sk"]["S"] for each in found.items) == ["2", "3"]
    assert found.left == []
    assert found.rcu > 0
    assert dynamo.batch_get(table, [key("2")], keys_only=["pk", "sk"])[:2] == ([key("2")], [])
    assert dynamo.batch_get(table, []) == ([], [], 0.0)
    assert dynamo.batch_write(table, [], []) == ([], [], 0.0)


def test_a_batch_over_the_limit_is_refused_before_it_is_sent(dynamo: Dynamo, table: str) -> None:
    with pytest.raises(errors.BadRequest, match="at most 25"):
        dynamo.batch_write(table, [item(str(n)) for n in range(26)], [])
    with pytest.raises(errors.BadRequest, match="at most 100"):
        dynamo.batch_get(table, [key(str(n)) for n in range(101)])
    with pytest.raises(errors.BadRequest, match="at most 100"):
        dynamo.transact([put(table, item(str(n))) for n in range(101)], token=token())
    assert dynamo.scan(table).count == 0


def test_a_transaction_writes_all_or_nothing_and_names_the_member_that_failed(dynamo: Dynamo, table: str) -> None:
    dynamo.transact([put(table, item("1")), put(table, item("2"))], token=token())
    with pytest.raises(errors.ConditionFailed) as cancelled:
        dynamo.transact(
            [put(table, item("3")), put(table, item("2"), NO_PK), put(table, item("1"), NO_PK, old=False)],
            token=token(),
        )
    assert cancelled.value.failed == [False, True, True]
    assert cancelled.value.old == [None, item("2"), None]
    assert dynamo.get(table, key("3")) is None


def test_a_transaction_repeated_with_its_token_is_done_once(dynamo: Dynamo, table: str) -> None:
    dynamo.put(table, item("1"))
    again = {
        "Update": {
            "TableName": table,
            "Key": key("1"),
            "UpdateExpression": "ADD #n :one",
            "ExpressionAttributeNames": {"#n": "n"},
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    same = token()
    dynamo.transact([again], token=same)
    dynamo.transact([again], token=same)
    assert dynamo.get(table, key("1")) == item("1", n={"N": "2"})


def test_what_is_no_valid_request_is_a_bad_request(dynamo: Dynamo, table: str) -> None:
    with pytest.raises(errors.BadRequest) as refused:
        dynamo.put(table, {"pk": {"S": "a"}})
    assert (refused.value.operation, refused.value.aws_code) == ("dynamodb.PutItem", "ValidationException")
    assert table in refused.value.what


def test_a_missing_table_is_not_found_and_described_as_none(dynamo: Dynamo, prefix: str) -> None:
    assert dynamo.describe(prefix) is None
    calls: list[Callable[[], object]] = [
        lambda: dynamo.get(prefix, key("1")),
        lambda: dynamo.put(prefix, item("1")),
        lambda: dynamo.delete_table(prefix),
    ]
    for missing in calls:
        with pytest.raises(errors.NotFound):
            missing()


def test_tables_are_made_once_listed_changed_and_deleted(dynamo: Dynamo, table: str) -> None:
    described = dynamo.describe(table)
    assert described is not None
    assert described["TableName"] == table
    assert table in list(dynamo.tables())
    with pytest.raises(errors.AlreadyExists):
        dynamo.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    dynamo.update_table(TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    changed = dynamo.describe(table)
    assert changed is not None
    assert changed["StreamSpecification"]["StreamViewType"] == "KEYS_ONLY"
    dynamo.delete_table(table)
    assert dynamo.describe(table) is None


def test_every_page_of_tables_is_listed(dynamo: Dynamo, prefix: str) -> None:
    names = [f"{prefix}-{number}" for number in range(103)]
    for name in names:
        dynamo.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    listed = list(dynamo.tables())
    for name in names:
        dynamo.delete_table(name)
    assert set(names) <= set(listed)


def test_ttl_is_ensured_and_read_back(dynamo: Dynamo, table: str) -> None:
    assert dynamo.ttl(table) is None
    dynamo.enable_ttl(table, "expires")
    dynamo.enable_ttl(table, "expires")
    assert dynamo.ttl(table) == "expires"


def test_what_the_engine_lacks_is_none_and_ensuring_it_is_nothing(dynamo: Dynamo, table: str) -> None:
    described = dynamo.describe(table)
    assert described is not None
    arn = str(described["TableArn"])
    assert dynamo.pitr(table) is None
    dynamo.enable_pitr(table)
    assert dynamo.tags(arn) is None
    dynamo.tag(arn, {"portability:run": "r-1"})
    assert dynamo.kinesis_destinations(table) == []


def test_a_fresh_one_has_its_own_connections(aws: Aws) -> None:
    assert aws.dynamodb()._client is aws.dynamodb()._client
    assert aws.dynamodb(fresh=True)._client is not aws.dynamodb()._client
