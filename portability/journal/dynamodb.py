"""The journal in one DynamoDB table, `pk` and `sk`.

Source: DynamoDB TransactWriteItems (ClientRequestToken, ReturnValuesOnConditionCheckFailure), Query, GetItem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portability import errors
from portability.aws.dynamodb import Condition, Dynamo
from portability.journal.lease import Clock, Liveness
from portability.journal.runs import TableJournal, fresh_id
from portability.journal.table import Change, Check, Delete, Expect, Key, Member, Put, Row, Scalar
from portability.journal.writer import Heartbeat
from portability.model.estate import JournalTable
from portability.retry import Retry

POLL = 0.5
"""Seconds between two looks at a table that is being made."""

PATIENCE = 300.0
"""Seconds until a table that does not become ACTIVE is given up."""

SCHEMA = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
TYPES = [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}]

KINDS: Mapping[type[Member], str] = {Put: "Put", Change: "Update", Delete: "Delete", Check: "ConditionCheck"}


class DynamoTable:
    """`table.Table` over one DynamoDB table."""

    def __init__(self, dynamo: Dynamo, name: str, clock: Clock) -> None:
        self._dynamo, self._name, self._clock = dynamo, name, clock

    def ensure(self) -> bool:
        """See `Table`: on demand, pk and sk text."""
        found = self._dynamo.describe(self._name)
        if found is None:
            try:
                self._dynamo.create_table(
                    TableName=self._name, KeySchema=SCHEMA, AttributeDefinitions=TYPES, BillingMode="PAY_PER_REQUEST"
                )
            except errors.AlreadyExists:
                return self.ensure()  # another `init` was quicker
        deadline = self._clock.monotonic() + PATIENCE
        while found is None or found["TableStatus"] == "CREATING":
            found = self._dynamo.describe(self._name)
            if found is not None and found["TableStatus"] != "CREATING":
                self.check()
                return True
            if self._clock.monotonic() > deadline:
                msg = f"table {self._name} was asked for and has not become ACTIVE in {PATIENCE:.0f} s"
                raise errors.WaitedTooLong(msg, next="portability init")
            self._clock.sleep(POLL)
        self.check()
        return False

    def check(self) -> None:
        """See `Table`."""
        found = self._dynamo.describe(self._name)
        if found is None:
            raise self._missing()
        types = {one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]}
        if found["KeySchema"] != SCHEMA or (types["pk"], types["sk"]) != ("S", "S"):
            msg = f"table {self._name} is no journal: its key is not pk and sk, both text"
            raise errors.JournalMissing(msg, next="name another table in journal.table, then portability init")

    def get(self, key: Key) -> Row | None:
        """See `Table`."""
        try:
            item = self._dynamo.get(self._name, _item(key._asdict()))
        except errors.NotFound:
            raise self._missing() from None
        return None if item is None else _row(item)

    def query(self, pk: str, prefix: str = "") -> list[Row]:
        """See `Table`: every page."""
        names, values = {"#pk": "pk"}, {":pk": {"S": pk}}
        expression = "#pk = :pk"
        if prefix:
            names["#sk"], values[":sk"] = "sk", {"S": prefix}
            expression += " AND begins_with(#sk, :sk)"
        found: list[Row] = []
        start: dict[str, Any] | None = None
        while True:
            try:
                page = self._dynamo.query(self._name, Condition(expression, names, values), start=start)
            except errors.NotFound:
                raise self._missing() from None
            found.extend(map(_row, page.items))
            start = page.next
            if start is None:
                return found

    def transact(self, members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        """See `Table`."""
        try:
            self._dynamo.transact([*(self._action(member) for member in members), *foreign], token=token)
        except errors.ConditionFailed as refused:
            ours = [None if item is None else _row(item) for item in refused.old[: len(members)]]
            refused.old = [*ours, *refused.old[len(members) :]]
            raise

    def _action(self, member: Member) -> dict[str, Any]:
        said = _Expression()
        request: dict[str, Any] = {"TableName": self._name}
        key = member.key._asdict()
        if isinstance(member, Put):
            request["Item"] = _item({**member.row, **key})
        else:
            request["Key"] = _item(key)
        if isinstance(member, Change):
            sets = [f"{said.name(name)} = {said.value(value)}" for name, value in member.put.items()]
            adds = [f"{said.name(name)} {said.value(by)}" for name, by in member.add.items()]
            clauses = [f"SET {', '.join(sets)}" if sets else "", f"ADD {', '.join(adds)}" if adds else ""]
            request["UpdateExpression"] = " ".join(clause for clause in clauses if clause)
        return {KINDS[type(member)]: {**request, **said.condition(member.expect)}}

    def _missing(self) -> errors.JournalMissing:
        return errors.JournalMissing(f"there is no journal table {self._name}", next="portability init")


class DynamoJournal(TableJournal):
    """The journal of an estate. `dynamo` has no look of its own: it takes leases, so it cannot wait for one."""

    def __init__(
        self,
        dynamo: Dynamo,
        spec: JournalTable,
        clock: Clock,
        retry: Retry,
        *,
        liveness: Liveness | None = None,
        heartbeat: Heartbeat = "thread",
        new_id: Callable[[], str] = fresh_id,
    ) -> None:
        table = DynamoTable(dynamo, spec.table, clock)
        super().__init__(table, spec, clock, retry, liveness=liveness, heartbeat=heartbeat, new_id=new_id)


def open_journal(dynamo: Dynamo, spec: JournalTable, clock: Clock, retry: Retry) -> DynamoJournal:
    """The estate's journal, with a heartbeat of its own and this host's process table."""
    return DynamoJournal(dynamo, spec, clock, retry)


class _Expression:
    """Placeholders for one request; no name or value is ever part of an expression."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def name(self, name: str) -> str:
        return self._names.setdefault(name, f"#n{len(self._names)}")

    def value(self, value: Scalar) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = _attribute(value)
        return placeholder

    def condition(self, expect: Expect) -> dict[str, Any]:
        """The condition with every placeholder used so far, and the old item asked back."""
        parts = [
            f"attribute_not_exists({self.name(name)})" if value is None else f"{self.name(name)} = {self.value(value)}"
            for name, value in expect.items()
        ]
        request: dict[str, Any] = {}
        if parts:
            request["ConditionExpression"] = " AND ".join(parts)
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if self._names:
            request["ExpressionAttributeNames"] = {placeholder: name for name, placeholder in self._names.items()}
        if self._values:
            request["ExpressionAttributeValues"] = self._values
        return request


def _attribute(value: Scalar) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    return {"N": str(value)} if isinstance(value, int) else {"B": value}


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _attribute(value) for name, value in row.items()}


def _row(item: Mapping[str, Any]) -> Row:
    row: Row = {}
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        row[name] = int(value) if kind == "N" else value
    return row
