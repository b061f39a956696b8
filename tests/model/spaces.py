"""What is explored: each model's spaces, whole; and the small ones in which a missing rule shows.

python -m tests.model          # as the suite does, with the table of docs/reference/model.md
python -m tests.model --deep   # with more writes, crashes and lost answers: two minutes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.model import cutover, moving
from tests.model.cutover import Cutover
from tests.model.explore import Counterexample, Explored, Model, explore
from tests.model.moving import Moving

RULES = {"moving": moving.RULES, "cutover": cutover.RULES}


@dataclass(frozen=True)
class Space:
    """One model with all its rules, and how many states it is known to have at least."""

    about: str
    model: Model[Any]
    floor: int


SPACES = (
    Space("moving: 2 writes, 1 lost answer", Moving(writes=2, losses=1, crashes=0), 50_000),
    Space("moving: 1 write, 1 lost answer, 1 take-over", Moving(writes=1, losses=1, crashes=1), 100_000),
    Space("moving: 2 writes, 1 take-over", Moving(writes=2, losses=0, crashes=1), 240_000),
    Space("cutover: 2 writes, 1 take-over", Cutover(writes=2, crashes=1, losses=0, attempts=0), 38_000),
    Space(
        "cutover: 1 write, 1 lost answer, a guardian, a second attempt",
        Cutover(writes=1, crashes=0, losses=1, guardians=1, attempts=1),
        35_000,
    ),
    Space(
        "cutover by policy: 2 writes, 1 take-over, a guardian",
        Cutover(fence="policy", writes=2, crashes=1, losses=0, guardians=1, attempts=0),
        52_000,
    ),
    Space(
        "cutover: 1 write, 1 write past the fence, 1 take-over",
        Cutover(writes=1, slips=1, crashes=1, losses=0, attempts=0),
        29_000,
    ),
    Space("there and back: 1 write, 1 take-over", Cutover(legs=2, writes=1, crashes=1, losses=0, attempts=0), 11_000),
    Space("there and back: 2 writes", Cutover(legs=2, writes=2, crashes=0, losses=0, attempts=0), 21_000),
)
"""What the suite explores whole."""

DEEP = (
    Space("moving: 2 writes, 1 lost answer, 1 take-over", Moving(writes=2, losses=1, crashes=1), 2_100_000),
    Space("moving: 1 write, 2 take-overs", Moving(writes=1, losses=0, crashes=2), 26_000),
    Space(
        "cutover: 2 writes, 1 lost answer, 1 take-over, a second attempt",
        Cutover(writes=2, crashes=1, losses=1, attempts=1),
        640_000,
    ),
    Space(
        "cutover by policy: 2 writes, 1 lost answer, 1 take-over, a guardian, a second attempt",
        Cutover(fence="policy", writes=2, crashes=1, losses=1, guardians=1, attempts=1),
        1_050_000,
    ),
    Space(
        "there and back: 2 writes, 1 lost answer, 1 take-over",
        Cutover(legs=2, writes=2, crashes=1, losses=1, attempts=0),
        143_000,
    ),
)
"""What `make model` explores besides: four million states, two minutes of a core, 900 MB."""


@cache
def explored(space: Space) -> Explored:
    """A space, explored once in a process."""
    return explore(space.model)


def without(model: str, rule: str) -> Counterexample | None:
    """The counterexample that the first of the small spaces shows where a rule is taken out; None where none does."""
    for small in _small(model, rule):
        found = explore(small).counterexample
        if found is not None:
            return found
    return None


def _small(model: str, rule: str) -> Sequence[Model[Any]]:
    if model == "moving":
        return [Moving(rule, writes=1, losses=losses, crashes=crashes) for losses, crashes in ((0, 0), (1, 0), (0, 1))]
    return [
        Cutover(rule, fence=fence, writes=writes, slips=slips, crashes=crashes, losses=0, attempts=0)
        for fence, writes, slips, crashes in (
            ("epoch", 0, 0, 1),
            ("epoch", 1, 0, 0),
            ("policy", 1, 0, 0),
            ("epoch", 2, 0, 0),
            ("epoch", 0, 1, 0),
            ("epoch", 1, 1, 0),
            ("epoch", 1, 1, 1),
        )
    ]
