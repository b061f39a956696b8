"""A table that cannot be deleted yet is deleted as soon as it can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from portability import errors
from portability.stores.dynamodb.provision import PATIENCE, delete_table

IN_USE = errors.AlreadyExists("in use", operation="dynamodb.DeleteTable", aws_code="ResourceInUseException")
UNHEARD = errors.NoDefiniteAnswer("no answer", operation="dynamodb.DeleteTable", aws_code="")
GONE = errors.NotFound("not there", operation="dynamodb.DeleteTable", aws_code="ResourceNotFoundException")


@dataclass
class Busy:
    """DeleteTable gives these answers one after another, None for done; the table goes two looks after that."""

    answers: list[errors.PortabilityError | None]
    asked: int = 0
    looks: int = 2
    slept: float = 0.0
    deleting: bool = field(default=False)

    def delete_table(self, _table: str) -> None:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if answer is not None:
            raise answer
        self.deleting = True

    def describe(self, _table: str) -> dict[str, Any] | None:
        self.looks -= self.deleting
        return None if self.looks < 0 else {"TableStatus": "UPDATING"}

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.mark.parametrize(
    ("answers", "asked"),
    (([None], 1), ([IN_USE, IN_USE, None], 3), ([UNHEARD, None], 2), ([GONE], 1), ([IN_USE, GONE], 2)),
)
def test_a_table_in_use_is_asked_for_until_its_deletion_is_taken(
    answers: list[errors.PortabilityError | None], asked: int
) -> None:
    busy = Busy(answers)
    delete_table(busy, "t", lambda: busy.slept, busy.sleep)  # type: ignore[arg-type]
    assert busy.asked == asked


def test_a_table_that_stays_in_use_is_given_up_in_the_end() -> None:
    busy = Busy([IN_USE])
    with pytest.raises(errors.Unavailable, match="t is not gone"):
        delete_table(busy, "t", lambda: busy.slept, busy.sleep)  # type: ignore[arg-type]
    assert busy.slept >= PATIENCE
