from __future__ import annotations

import pytest

from portability.aws.dynamodb import Dynamo
from portability.aws.session import Aws
from portability.journal.dynamodb import DynamoTable
from portability.retry import Retry
from tests.journal.world import FaultyTable, HandClock, World, memory_table


@pytest.fixture
def memory() -> World:
    table, foreign = memory_table()
    return World(FaultyTable(table), foreign.items.get, foreign.items.pop)


def client(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Dynamo:
    values = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return Aws(region="us-east-1", read_only=False, retry=Retry()).dynamodb()


def world_on(dynamo: Dynamo, prefix: str) -> World:
    table = DynamoTable(dynamo, f"{prefix}-journal", HandClock())
    assert table.ensure()
    elsewhere = f"{prefix}-elsewhere"
    dynamo.create_table(
        TableName=elsewhere,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return World(
        FaultyTable(table),
        lambda name: dynamo.get(elsewhere, {"id": {"S": name}}),
        lambda name: dynamo.delete(elsewhere, {"id": {"S": name}}),
        elsewhere_table=elsewhere,
    )


@pytest.fixture
def dynamo(dynamodb_local: str, monkeypatch: pytest.MonkeyPatch) -> Dynamo:
    return client(dynamodb_local, monkeypatch)


@pytest.fixture
def on_dynamodb(dynamo: Dynamo, prefix: str) -> World:
    return world_on(dynamo, prefix)


@pytest.fixture
def on_moto(moto: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> World:
    return world_on(client(moto, monkeypatch), prefix)


@pytest.fixture(params=("memory", "on_dynamodb"))
def world(request: pytest.FixtureRequest) -> World:
    """The same laws on both tables."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, World)
    return found
