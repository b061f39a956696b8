"""DynamoDB's directory and mapping tables in memory: the expressions that the steps send, and nothing more."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

from portability import errors
from portability.aws.dynamodb import Condition, Dynamo, Item

Trap = Callable[[str], None]


def no_trap(_label: str) -> None:
    """Nothing happens."""


class FakeDynamo(Dynamo):
    """Tables by name. `trap` is called before and after every call; `watch` sees each item before and after a write."""

    def __init__(self, keys: dict[str, str], trap: Trap = no_trap) -> None:
        self.keys = keys
        self.rows: dict[tuple[str, str], Item] = {}
        self.described: dict[str, dict[str, Any]] = {}
        self.trap = trap
        self.watch: Callable[[str, Item | None, Item | None], None] = lambda _table, _before, _after: None
        self.calls: list[str] = []

    def close(self) -> None:
        """Nothing to close."""

    def _at(self, table: str, key: Item) -> tuple[str, str]:
        return table, json.dumps(key[self.keys[table]], sort_keys=True)

    def _trapped(self, label: str, effect: Callable[[], Any]) -> Any:
        self.trap(f"before {label}")
        self.calls.append(label)
        result = effect()
        self.trap(f"after {label}")
        return result

    def get(self, table: str, key: Item) -> Item | None:
        found: Item | None = self._trapped("get", lambda: copy.deepcopy(self.rows.get(self._at(table, key))))
        return found

    def put(self, table: str, item: Item, condition: Condition | None = None) -> None:
        assert condition is None
        self._trapped("put", lambda: self.rows.__setitem__(self._at(table, item), copy.deepcopy(item)))

    def update(  # noqa: PLR0917 - the client's own signature
        self,
        table: str,
        key: Item,
        expression: str,
        names: dict[str, str],
        values: dict[str, Any],
        condition: str = "",
    ) -> Item:
        member = {
            "TableName": table,
            "Key": key,
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        self._trapped("update", lambda: self.apply([{"Update": member}]))
        return copy.deepcopy(self.rows[self._at(table, key)])

    def delete(self, table: str, key: Item, condition: Condition | None = None) -> None:
        member: dict[str, Any] = {"TableName": table, "Key": key}
        if condition is not None:
            member["ConditionExpression"] = condition.expression
            member["ExpressionAttributeNames"] = condition.names
            member["ExpressionAttributeValues"] = condition.values
        self._trapped("delete", lambda: self.apply([{"Delete": member}]))

    def transact(self, items: Sequence[dict[str, Any]], *, token: str) -> None:
        assert token
        self._trapped("transact", lambda: self.apply(items))

    def describe(self, table: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._trapped("describe", lambda: self.described.get(table))
        return found

    def pitr(self, table: str) -> bool | None:
        return table in self.described

    def apply(self, items: Sequence[dict[str, Any]]) -> None:
        """All or none, without traps: the executor of a transaction."""
        members = [next(iter(item.items())) for item in items]
        found = [self.rows.get(self._at(member["TableName"], member["Key"])) for _, member in members]
        failed = [not _holds(member, old) for (_, member), old in zip(members, found, strict=True)]
        if any(failed):
            raise errors.ConditionFailed(
                "the condition failed",
                operation="dynamodb.TransactWriteItems",
                aws_code="ConditionalCheckFailedException",
                old=[copy.deepcopy(old) if bad else None for old, bad in zip(found, failed, strict=True)],
                failed=failed,
            )
        for (kind, member), old in zip(members, found, strict=True):
            at = self._at(member["TableName"], member["Key"])
            if kind == "ConditionCheck":
                continue
            new = None if kind == "Delete" else _updated(member, old)
            self.watch(member["TableName"], old, new)
            if new is None:
                self.rows.pop(at, None)
            else:
                self.rows[at] = new


def _holds(member: dict[str, Any], item: Item | None) -> bool:
    expression = member.get("ConditionExpression", "")
    return all(_clause(part, member, item or {}) for part in expression.split(" AND ")) if expression else True


def _clause(part: str, member: dict[str, Any], item: Item) -> bool:
    if part.startswith("attribute_not_exists("):
        return _path(part[len("attribute_not_exists(") : -1], member, item) is None
    if part.startswith("attribute_exists("):
        return _path(part[len("attribute_exists(") : -1], member, item) is not None
    path, _, value = part.partition(" = ")
    return bool(_path(path, member, item) == member["ExpressionAttributeValues"][value])


def _path(path: str, member: dict[str, Any], item: Item) -> Any:
    value: Any = {"M": item}
    for name in path.split("."):
        value = value.get("M", {}).get(member["ExpressionAttributeNames"][name]) if value else None
    return value


def _updated(member: dict[str, Any], old: Item | None) -> Item:
    item = copy.deepcopy(old) if old is not None else dict(member["Key"])
    sets, _, removes = member["UpdateExpression"].partition("REMOVE ")
    names, values = member["ExpressionAttributeNames"], member["ExpressionAttributeValues"]
    for assignment in [part.strip() for part in sets.removeprefix("SET ").split(",") if part.strip()]:
        path, _, value = assignment.partition(" = ")
        *parents, last = [names[name] for name in path.split(".")]
        inside = item
        for parent in parents:
            inside = inside[parent]["M"]
        inside[last] = copy.deepcopy(values[value])
    for name in [part.strip() for part in removes.split(",") if part.strip()]:
        item.pop(names[name], None)
    return item
