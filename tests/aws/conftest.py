"""A client of the wire path against a server that answers as a test says."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from portability.aws.attributes import plain_item, raw_item
from portability.aws.items import Items
from portability.aws.requests import Condition
from portability.aws.session import Aws
from portability.retry import Retry
from tests.conftest import REGION

ITEM = {"pk": {"S": "anna@example.com"}, "n": {"N": "1"}}
KEY = {"pk": {"S": "a"}}
PAGE = {"Count": 1, "Items": [ITEM], "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}}
IN_A = Condition("#pk = :pk", {"#pk": "pk"}, {":pk": {"S": "a"}})
ItemsAt = Callable[..., Items]


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def items_at(monkeypatch: pytest.MonkeyPatch, credentials: None) -> ItemsAt:
    def at(endpoint: str, *, read_only: bool = False, **more: Any) -> Items:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
        retry = Retry(attempts=3, sleep=lambda _: None, rng=random.Random(1))
        return Aws(region=REGION, read_only=read_only, retry=retry, **more).items()

    return at


def write(items: Items) -> object:
    return items.batch_write("t", [raw_item(ITEM)], [])


def read(items: Items) -> list[dict[str, Any]]:
    return [plain_item(item) for item in items.query("t", IN_A).items]
