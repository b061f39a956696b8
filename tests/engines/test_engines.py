"""The engines are really there, and do what the rest of the suite relies on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support import dynamodb_local as harness

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def client(aws_env: None) -> DynamoDBClient:
    return boto3.client("dynamodb")


@pytest.fixture
def table(client: DynamoDBClient, prefix: str) -> str:
    client.create_table(
        TableName=prefix,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return prefix


def put(table: str, pk: str, value: str, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": {"pk": {"S": pk}, "v": {"S": value}}, **more}}


def test_dynamodb_local_lists_the_table_that_was_made(client: DynamoDBClient, table: str, dynamodb_local: str) -> None:
    assert client.meta.endpoint_url == dynamodb_local
    assert table in [name for page in client.get_paginator("list_tables").paginate() for name in page["TableNames"]]


def test_a_cancelled_transaction_writes_nothing_and_shows_the_old_item(client: DynamoDBClient, table: str) -> None:
    absent = {
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    client.transact_write_items(TransactItems=[put(table, "a", "1"), put(table, "b", "1")])  # type: ignore[list-item]

    with pytest.raises(ClientError) as cancelled:
        client.transact_write_items(TransactItems=[put(table, "c", "2"), put(table, "a", "2", **absent)])  # type: ignore[list-item]

    reasons = cancelled.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"] == {"pk": {"S": "a"}, "v": {"S": "1"}}
    assert "Item" not in client.get_item(TableName=table, Key={"pk": {"S": "c"}}, ConsistentRead=True)


def test_every_other_service_is_on_moto(aws_env: None, moto: str) -> None:
    sts = boto3.client("sts")
    assert sts.meta.endpoint_url == moto
    assert sts.get_caller_identity()["Account"] == "123456789012"


def test_dynamodb_local_gives_its_own_version(dynamodb_local: str, pytestconfig: pytest.Config) -> None:
    from tests.conftest import ENGINES

    assert pytestconfig.stash[ENGINES].dynamodb_local().version


def test_a_named_endpoint_where_nothing_answers_is_a_failure_not_a_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNAMODB_LOCAL_URL", f"http://127.0.0.1:{harness._free_port()}")
    with pytest.raises(harness.EngineMissingError, match="nothing answers there"):
        harness.start(tmp_path / "log")


def test_a_tarball_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    tampered = tmp_path / "tampered.tgz"
    tampered.write_bytes(b"not the engine")
    with pytest.raises(harness.EngineMissingError, match="is not the pinned one"):
        harness._check(tampered)
