"""The journal in memory: the same rules without AWS, for fast tests of whatever stands on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portability import errors
from portability.journal.lease import Clock, Liveness
from portability.journal.runs import TableJournal, fresh_id
from portability.journal.table import MOST_MEMBERS, Change, Check, Delete, Expect, Key, Member, Put, Row
from portability.journal.writer import Heartbeat
from portability.model.estate import JournalTable
from portability.retry import Retry

Foreign = Callable[[Sequence[dict[str, Any]]], None]
"""Applies foreign members, all or none, or raises `ConditionFailed` whose `old` and `failed` line up with them."""

MOST_BYTES = 4 * 1024 * 1024

OPERATION = "memory.TransactWriteItems"


def no_foreign(items: Sequence[dict[str, Any]]) -> None:
    """The default: a test that writes elsewhere says how."""
    if items:
        msg = "this memory journal was given no executor for foreign writes"
        raise ValueError(msg)


class MemoryTable:
    """A dictionary under a lock. Rows are copied on the way in and out."""

    def __init__(self, foreign: Foreign = no_foreign, *, made: bool = True) -> None:
        self.rows: dict[Key, Row] = {}
        self._foreign = foreign
        self._made = made
        self._lock = threading.RLock()

    def ensure(self) -> bool:
        """See `Table`."""
        made_now, self._made = not self._made, True
        return made_now

    def check(self) -> None:
        """See `Table`."""
        if not self._made:
            raise errors.JournalMissing("there is no journal", next="portability init")

    def get(self, key: Key) -> Row | None:
        """See `Table`."""
        self.check()
        with self._lock:
            row = self.rows.get(key)
            return None if row is None else dict(row)

    def query(self, pk: str, prefix: str = "") -> list[Row]:
        """See `Table`."""
        self.check()
        with self._lock:
            return [dict(self.rows[key]) for key in sorted(self.rows) if key.pk == pk and key.sk.startswith(prefix)]

    def transact(self, members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        """See `Table`. It forgets tokens: a repetition meets its own conditions, as after AWS's ten minutes."""
        self.check()
        if not token or len({member.key for member in members}) < len(members):
            raise _bad("a transaction needs a token, and writes no row twice")
        if not 1 <= len(members) + len(foreign) <= MOST_MEMBERS:
            raise _bad(f"{len(members) + len(foreign)} writes in one transaction")
        if sum(map(_size, members)) > MOST_BYTES:
            raise _bad("more than 4 MB in one transaction")
        with self._lock:
            found = [self.rows.get(member.key) for member in members]
            failed = [not _holds(member.expect, row) for member, row in zip(members, found, strict=True)]
            if any(failed):
                old = [dict(row) if row and bad else None for row, bad in zip(found, failed, strict=True)]
                raise _refused([*old, *[None] * len(foreign)], [*failed, *[False] * len(foreign)])
            try:
                self._foreign(foreign)
            except errors.ConditionFailed as refused:
                raise _refused([*[None] * len(members), *refused.old], [*failed, *refused.failed]) from None
            for member in members:
                self._apply(member)

    def _apply(self, member: Member) -> None:
        key = member.key
        match member:
            case Put():
                self.rows[key] = {**member.row, "pk": key.pk, "sk": key.sk}
            case Change():
                row: Row = self.rows.get(key, {"pk": key.pk, "sk": key.sk})
                added = {name: row.get(name, 0) + by for name, by in member.add.items()}
                self.rows[key] = {**row, **member.put, **added}
            case Delete():
                self.rows.pop(key, None)
            case Check():
                pass


class MemoryJournal(TableJournal):
    """A journal in memory; two of them over one `table` are two processes.

    `heartbeat` is `steady` unless said otherwise: virtual time moves on without losing the lease.
    """

    def __init__(
        self,
        spec: JournalTable,
        clock: Clock,
        retry: Retry,
        *,
        foreign: Foreign = no_foreign,
        table: MemoryTable | None = None,
        liveness: Liveness | None = None,
        heartbeat: Heartbeat = "steady",
        new_id: Callable[[], str] = fresh_id,
    ) -> None:
        super().__init__(
            table or MemoryTable(foreign),
            spec,
            clock,
            retry,
            liveness=liveness,
            heartbeat=heartbeat,
            new_id=new_id,
        )


def _holds(expect: Expect, row: Mapping[str, Any] | None) -> bool:
    return all((row or {}).get(name) == value for name, value in expect.items())


def _size(member: Member) -> int:
    values = member.row.values() if isinstance(member, Put) else ()
    return sum(len(value) for value in values if isinstance(value, str | bytes))


def _refused(old: list[dict[str, Any] | None], failed: list[bool]) -> errors.ConditionFailed:
    what = "a row is not as the condition says"
    return errors.ConditionFailed(
        what, operation=OPERATION, aws_code="TransactionCanceledException", old=old, failed=failed
    )


def _bad(what: str) -> errors.BadRequest:
    return errors.BadRequest(what, operation=OPERATION, aws_code="ValidationException")
