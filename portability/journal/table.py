"""The narrow table that the journal stands on: get, query by prefix, transact with conditions.

A row is flat: `pk`, `sk` and attributes that are text, whole numbers or bytes. A condition is equality of attributes,
or their absence. Reads are strongly consistent. DynamoDB and memory implement it; one contract suite holds both to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from portability import errors
from portability.retry import RETRYABLE, Retry

Scalar = str | int | bytes
Row = dict[str, Any]
"""Attribute name to `Scalar`, with `pk` and `sk`."""

Expect = Mapping[str, Scalar | None]
"""What must hold of the row as it stands: attribute equals the value, or is absent where the value is None."""

ABSENT: Expect = {"pk": None}
"""No such row."""

MOST_MEMBERS = 100
"""AWS: TransactWriteItems, 100 actions and 4 MB."""

WRITE = "write"
"""The attribute that names the last write of a row: the write id, and the transaction's token."""


class Key(NamedTuple):
    """A row's primary key."""

    pk: str
    sk: str


@dataclass(frozen=True)
class Put:
    """Replace the row."""

    key: Key
    row: Mapping[str, Scalar]
    expect: Expect = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """Set attributes and add to numbers of the row."""

    key: Key
    put: Mapping[str, Scalar]
    add: Mapping[str, int]
    expect: Expect


@dataclass(frozen=True)
class Delete:
    """Remove the row; an absent one is no error unless `expect` says so."""

    key: Key
    expect: Expect = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Hold the transaction to the row as it stands."""

    key: Key
    expect: Expect


Member = Put | Change | Delete | Check


class Table(Protocol):
    """One attempt per write; a missing answer is `NoDefiniteAnswer`."""

    def ensure(self) -> bool:
        """Make the table unless it is there; True if it was made now. Waits until it can be used."""

    def check(self) -> None:
        """Raise `JournalMissing` unless the table is there with the right keys."""

    def get(self, key: Key) -> Row | None:
        """The row, read strongly consistent. Raises `JournalMissing`."""

    def query(self, pk: str, prefix: str = "") -> list[Row]:
        """Every row of `pk` whose `sk` begins with `prefix`, in order of `sk`. Raises `JournalMissing`."""

    def transact(self, members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        """All of it or nothing; `foreign` are `TransactItems` members for other tables.

        Raises `ConditionFailed` whose `old` and `failed` line up with `members` and then `foreign`; `old` is a `Row`
        for a member and an attribute-value item for a foreign write.
        """


@dataclass
class Sending:
    """One transaction, sent until it is definite.

    A row that comes back with `mark` as its `write` is our own write whose reply was lost: success. After a missing
    answer the row of the first of `members` is read back; where that is only a `Check`, the repetition tells. `token`
    is the request's own: AWS refuses one that comes again with other content.
    """

    table: Table
    members: Sequence[Member]
    mark: str
    token: str
    foreign: Sequence[dict[str, Any]] = ()
    uncertain: bool = False  # an attempt was sent and not answered: it may land late

    def go(
        self, retry: Retry, *, before: Callable[[], None] | None = None, also: tuple[type[Exception], ...] = ()
    ) -> None:
        """Send; raises `ConditionFailed` only where the write is not ours, else what outlived `retry`.

        With `foreign` writes the first definite refusal is raised at once: who waits for them decides how long.
        `before` is called before each attempt and may raise. Repeating is safe: the members are conditional or
        idempotent, and the token makes AWS recognise a repetition for ten minutes.
        """

        def attempt() -> None:
            if before is not None:
                before()
            if self.uncertain and self._came_through():
                return
            self._once()

        if self.foreign:
            try:
                attempt()
            except (errors.Unavailable, errors.NoDefiniteAnswer):
                pass  # it may have come through, or come through yet
            else:
                return
        retry.call(attempt, on=(*RETRYABLE, errors.NoDefiniteAnswer, *also))

    def _once(self) -> None:
        try:
            self.table.transact(self.members, token=self.token, foreign=self.foreign)
        except errors.ConditionFailed as refused:
            ours = refused.old[: len(self.members)]
            if not any(row is not None and row.get(WRITE) == self.mark for row in ours):
                raise
        except (errors.NoDefiniteAnswer, errors.Unavailable):
            self.uncertain = True
            raise
        except errors.PortabilityError:
            raise
        except BaseException:
            self.uncertain = True  # interrupted between sending and the answer
            raise

    def _came_through(self) -> bool:
        try:
            row = self.table.get(self.members[0].key)
        except RETRYABLE:
            return False  # the repetition will tell
        return row is not None and row.get(WRITE) == self.mark
