"""Our own store keeps the contract that every store is held to, on DynamoDB Local."""

from __future__ import annotations

import itertools

import pytest

from portability.aws.session import Aws
from portability.journal.dynamodb import DynamoTable
from portability.retry import Retry
from portability.testing import STORE_RULES
from portability.testing.step_scene import QuickClock
from tests.contract.dynamo_scene import DynamoScene


@pytest.mark.parametrize("rule", STORE_RULES)
def test_the_dynamodb_store_keeps_the_contract(aws_env: None, prefix: str, rule: str) -> None:
    numbers = itertools.count()
    STORE_RULES[rule](lambda: DynamoScene(f"{prefix}-{next(numbers)}"))


@pytest.mark.parametrize("rule", ("a_channel_killed_at_any_write_loses_nothing", "a_doubt_outlives_its_process"))
def test_it_does_so_over_a_journal_on_dynamodb(aws_env: None, prefix: str, rule: str) -> None:
    numbers = itertools.count()

    def case() -> DynamoScene:
        name = f"{prefix}-{next(numbers)}"
        dynamo = Aws(region="us-east-1", read_only=False, retry=Retry()).dynamodb()
        return DynamoScene(name, lambda: DynamoTable(dynamo, f"{name}-journal", QuickClock()))

    STORE_RULES[rule](case)
