"""What a step would do, as a value: one function renders it, another performs it."""

from __future__ import annotations

import enum
from typing import Any

from portability.model.estate import Value


class Sign(enum.StrEnum):
    """The first column of a plan preview."""

    CREATE = "+"
    CHANGE = "~"
    MOVE = ">"
    DELETE = "-"
    SAME = "="
    NOTE = "!"


ACTING = frozenset({Sign.CREATE, Sign.CHANGE, Sign.MOVE, Sign.DELETE})
"""Signs that stand for an effect; `=` and `!` do nothing."""


class Change(Value, frozen=True, kw_only=True):
    """One line of the preview.

    `kind` is the resource's kind (`table`, `user pool`), `name` its name, `before`/`after` structural facts without
    values of items, `detail` the human half line, `estimate` figures that are guesses and shown with `~`.
    """

    step: str
    sign: Sign
    kind: str
    name: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    detail: str = ""
    irreversible: bool = False
    estimate: dict[str, float] | None = None

    @property
    def acts(self) -> bool:
        """Whether performing the plan has an effect here."""
        return self.sign in ACTING

    @property
    def identity(self) -> tuple[str, str, str]:
        """What a plan and its run are compared by: sign, kind, name."""
        return (self.sign.value, self.kind, self.name)


class Finding(Value, frozen=True, kw_only=True):
    """What preflight saw: `level` is `ok`, `warn` or `block`; `next` is the fix for a block."""

    level: str
    about: str
    text: str
    next: str = ""
