"""What the sandbox adds to moto, seen through boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from portability.sandbox.clients import Clients


@pytest.fixture
def table(sandbox: Clients, prefix: str) -> str:
    sandbox.dynamodb.create_table(
        TableName=prefix,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )
    return prefix


def _key(name: str) -> dict[str, Any]:
    return {"pk": {"S": name}, "sk": {"S": "-"}}


def _arn(sandbox: Clients, table: str) -> str:
    return sandbox.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]


def _iterator(sandbox: Clients, arn: str) -> str:
    shard = sandbox.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    where: Any = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    return sandbox.streams.get_shard_iterator(**where)["ShardIterator"]


def _changed(answer: Any) -> list[tuple[str, str]]:
    return [(record["eventName"], record["dynamodb"]["Keys"]["pk"]["S"]) for record in answer["Records"]]


def test_a_cancelled_transaction_leaves_no_trace_and_readers_go_on_reading(sandbox: Clients, table: str) -> None:
    sandbox.dynamodb.put_item(TableName=table, Item=_key("kept") | {"v": {"S": "before"}})
    first = sandbox.streams.get_records(ShardIterator=_iterator(sandbox, _arn(sandbox, table)))
    writes: list[Any] = [
        {"Put": {"TableName": table, "Item": _key("new")}},
        {"Delete": {"TableName": table, "Key": _key("kept")}},
        {
            "ConditionCheck": {
                "TableName": table,
                "Key": _key("absent"),
                "ConditionExpression": "attribute_exists(pk)",
            }
        },
    ]
    with pytest.raises(sandbox.dynamodb.exceptions.TransactionCanceledException):
        sandbox.dynamodb.transact_write_items(TransactItems=writes)
    assert sandbox.dynamodb.scan(TableName=table)["Items"] == [_key("kept") | {"v": {"S": "before"}}]
    sandbox.dynamodb.put_item(TableName=table, Item=_key("later"))
    after = sandbox.streams.get_records(ShardIterator=first["NextShardIterator"])
    assert _changed(first) == [("INSERT", "kept")]
    assert _changed(after) == [("INSERT", "later")]


def test_a_disabled_stream_stays_readable_and_a_new_one_begins(sandbox: Clients, table: str) -> None:
    old = _arn(sandbox, table)
    sandbox.dynamodb.put_item(TableName=table, Item=_key("one"))
    sandbox.dynamodb.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    sandbox.dynamodb.put_item(TableName=table, Item=_key("unseen"))
    description = sandbox.streams.describe_stream(StreamArn=old)["StreamDescription"]
    assert description["StreamStatus"] == "DISABLED"
    assert "EndingSequenceNumber" in description["Shards"][0]["SequenceNumberRange"]
    answer: Any = sandbox.streams.get_records(ShardIterator=_iterator(sandbox, old))
    assert _changed(answer) == [("INSERT", "one")]
    assert "NextShardIterator" not in answer
    enabled: Any = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    sandbox.dynamodb.update_table(TableName=table, StreamSpecification=enabled)
    assert _arn(sandbox, table) != old
    sandbox.dynamodb.put_item(TableName=table, Item=_key("two"))
    seen = sandbox.streams.get_records(ShardIterator=_iterator(sandbox, _arn(sandbox, table)))
    assert _changed(seen) == [("INSERT", "two")]
    with pytest.raises(sandbox.dynamodb.exceptions.ResourceInUseException):
        sandbox.dynamodb.update_table(TableName=table, StreamSpecification=enabled)


def test_every_kind_of_value_comes_back_as_it_was_written(sandbox: Clients, table: str) -> None:
    item: dict[str, Any] = _key("all") | {
        "n": {"N": "12345678901234567890123456789012345.678"},
        "b": {"B": b"\x00\xff"},
        "bs": {"BS": [b"1", b"2"]},
        "ss": {"SS": ["a", "ü"]},
        "ns": {"NS": ["1", "2.5"]},
        "m": {"M": {"empty": {"S": ""}, "null": {"NULL": True}, "no": {"BOOL": False}, "deep": {"L": [{"B": b"x"}]}}},
        "l": {"L": []},
    }
    sandbox.dynamodb.put_item(TableName=table, Item=item)
    assert sandbox.dynamodb.get_item(TableName=table, Key=_key("all"))["Item"] == item
    assert sandbox.dynamodb.scan(TableName=table)["Items"] == [item]


def test_a_key_is_in_one_usage_plan_per_stage(sandbox: Clients, prefix: str) -> None:
    gateway = sandbox.apigateway
    api = gateway.create_rest_api(name=prefix)["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    where: Any = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**where, authorizationType="NONE")
    gateway.put_integration(**where, type="MOCK")
    gateway.create_deployment(restApiId=api, stageName="prod")
    old, new = (
        gateway.create_usage_plan(name=f"{prefix}-{tier}", apiStages=[{"apiId": api, "stage": "prod"}])["id"]
        for tier in ("basic", "premium")
    )
    key = gateway.create_api_key(name=prefix, enabled=True)["id"]
    gateway.create_usage_plan_key(usagePlanId=old, keyId=key, keyType="API_KEY")
    for plan in (old, new):
        with pytest.raises(gateway.exceptions.ConflictException):
            gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    gateway.delete_usage_plan_key(usagePlanId=old, keyId=key)
    with pytest.raises(gateway.exceptions.NotFoundException):
        gateway.delete_usage_plan_key(usagePlanId=old, keyId=key)
    gateway.create_usage_plan_key(usagePlanId=new, keyId=key, keyType="API_KEY")


def test_an_attribute_that_the_pool_does_not_declare_is_refused(sandbox: Clients, prefix: str) -> None:
    pool = sandbox.cognito.create_user_pool(PoolName=prefix)["UserPool"]["Id"]
    who: Any = {"UserPoolId": pool, "Username": prefix}
    attributes: Any = [{"Name": "custom:legacySub", "Value": "x"}]
    with pytest.raises(sandbox.cognito.exceptions.InvalidParameterException):
        sandbox.cognito.admin_create_user(**who, UserAttributes=attributes)
    sandbox.cognito.admin_create_user(**who, MessageAction="SUPPRESS")
    with pytest.raises(sandbox.cognito.exceptions.InvalidParameterException):
        sandbox.cognito.admin_update_user_attributes(**who, UserAttributes=attributes)


def test_a_table_has_no_kinesis_destinations_rather_than_an_error(sandbox: Clients, table: str) -> None:
    try:
        answer = sandbox.dynamodb.describe_kinesis_streaming_destination(TableName=table)
    except ClientError as error:  # pragma: no cover - what moto does by itself
        pytest.fail(str(error))
    assert answer["KinesisDataStreamDestinations"] == []
