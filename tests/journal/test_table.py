"""One contract for both tables: conditions, atomicity, order, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.journal.dynamodb import DynamoTable
from portability.journal.memory import MemoryTable
from portability.journal.runs import fresh_id
from portability.journal.table import ABSENT, Change, Check, Delete, Key, Member, Put, Scalar
from tests.journal.world import HandClock, World

A, B = Key("p", "a"), Key("p", "b")


def send(world: World, members: list[Member], *, foreign: Sequence[dict[str, Any]] = ()) -> None:
    world.table.transact(members, token=fresh_id(), foreign=foreign)


def test_a_row_comes_back_as_it_was_put_bytes_and_empty_text_included(world: World) -> None:
    row: dict[str, Scalar] = {
        "text": "é",
        "empty": "",
        "number": 12345678901234567890,
        "bytes": b"\x00\xff",
        "none": b"",
    }
    send(world, [Put(A, row)])
    assert world.table.get(A) == {**row, "pk": "p", "sk": "a"}
    assert world.table.get(B) is None


def test_a_query_answers_a_prefix_in_order_over_every_page(world: World) -> None:
    blob = b"x" * 200_000
    for number in range(9):
        send(world, [Put(Key("q", f"K#{number}"), {"blob": blob})])
    send(world, [Put(Key("q", "L#1"), {}), Put(Key("other", "K#1"), {})])
    assert [row["sk"] for row in world.table.query("q", "K#")] == [f"K#{number}" for number in range(9)]
    assert len(world.table.query("q")) == 10


def test_a_refused_member_says_which_and_how_the_row_stood_and_nothing_is_written(world: World) -> None:
    send(world, [Put(A, {"fence": 3})])
    with pytest.raises(errors.ConditionFailed) as refused:
        send(world, [Put(B, {"new": 1}, ABSENT), Change(A, {"x": "y"}, {}, {"fence": 2})])
    assert refused.value.failed == [False, True]
    assert refused.value.old == [None, {"pk": "p", "sk": "a", "fence": 3}]
    assert world.table.get(B) is None
    assert world.table.get(A) == {"pk": "p", "sk": "a", "fence": 3}


def test_a_change_sets_adds_and_leaves_the_rest(world: World) -> None:
    send(world, [Put(A, {"fence": 3, "beat": 1, "other": "kept"})])
    send(world, [Change(A, {"write": "w"}, {"beat": 2}, {"fence": 3})])
    assert world.table.get(A) == {"pk": "p", "sk": "a", "fence": 3, "beat": 3, "other": "kept", "write": "w"}


def test_put_if_absent_delete_and_check_hold_to_their_conditions(world: World) -> None:
    send(world, [Put(A, {"run": "r-1"}, ABSENT), Delete(B)])
    with pytest.raises(errors.ConditionFailed):
        send(world, [Put(A, {"run": "r-2"}, ABSENT)])
    with pytest.raises(errors.ConditionFailed):
        send(world, [Delete(A, {"run": "r-2"})])
    with pytest.raises(errors.ConditionFailed):
        send(world, [Check(A, {"run": "r-2"}), Put(B, {})])
    send(world, [Check(A, {"run": "r-1", "other": None}), Put(B, {})])
    send(world, [Delete(A, {"run": "r-1"})])
    assert world.table.get(A) is None
    assert world.table.get(B) is not None


def test_a_foreign_refusal_lines_up_after_our_members(world: World) -> None:
    send(world, [Put(A, {})], foreign=[world.put_elsewhere("x")])
    foreign = [world.put_elsewhere("y"), world.put_elsewhere("x")]
    with pytest.raises(errors.ConditionFailed) as refused:
        send(world, [Put(B, {}, ABSENT)], foreign=foreign)
    assert refused.value.failed == [False, False, True]
    assert refused.value.old[2] == {"id": {"S": "x"}, "n": {"N": "1"}}
    assert world.table.get(B) is None
    assert world.elsewhere("y") is None


def test_a_token_that_comes_again_with_the_same_request_is_a_repetition_and_takes_effect_once(
    on_dynamodb: World,
) -> None:
    add = [Change(A, {}, {"beat": 1}, {"run": "r"})]
    send(on_dynamodb, [Put(A, {"run": "r", "beat": 0})])
    for _ in range(2):
        on_dynamodb.table.transact(add, token="the-same")
    row = on_dynamodb.table.get(A)
    assert row is not None
    assert row["beat"] == 1


def test_ensure_makes_the_table_once_and_check_refuses_what_is_no_journal(dynamo: Dynamo, prefix: str) -> None:
    table = DynamoTable(dynamo, f"{prefix}-j", HandClock())
    with pytest.raises(errors.JournalMissing, match="no journal table"):
        table.check()
    with pytest.raises(errors.JournalMissing):
        table.get(A)
    with pytest.raises(errors.JournalMissing):
        table.query("p")
    assert [table.ensure(), table.ensure()] == [True, False]
    table.check()
    dynamo.create_table(
        TableName=f"{prefix}-orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(errors.JournalMissing, match="is no journal"):
        DynamoTable(dynamo, f"{prefix}-orders", HandClock()).ensure()


def test_a_memory_table_that_was_not_made_is_missing() -> None:
    table = MemoryTable(made=False)
    with pytest.raises(errors.JournalMissing):
        table.get(A)
    assert [table.ensure(), table.ensure()] == [True, False]
    assert table.get(A) is None


def test_a_memory_table_holds_transactions_to_aws_s_limits() -> None:
    table = MemoryTable()
    with pytest.raises(errors.BadRequest):
        table.transact([Put(A, {}), Delete(A)], token="t")
    with pytest.raises(errors.BadRequest):
        table.transact([Put(Key("p", f"{number:03}"), {}) for number in range(101)], token="t")
