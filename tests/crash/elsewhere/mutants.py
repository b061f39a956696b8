"""R22: the tests are tested. A trial is a mutant of the product, and the test that has to notice it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.crash.elsewhere.base import Around, Made, Trials
from tests.mutants.listed import MUTANTS
from tests.mutants.mutant import copied, hunt, tested


class Survived(AssertionError):
    """A mutant whose test passes, or whose test fails without it."""


@dataclass(frozen=True)
class Mutants:
    """The row."""

    says: str = "the product without one of its safeguards, and its test fails"
    figure: int | None = None

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        yield OfMutants()


@dataclass(frozen=True)
class OfMutants:
    """Trials by the mutants' names."""

    def names(self, seed: int) -> Sequence[str]:
        return [mutant.name for mutant in MUTANTS]

    def run(self, name: str) -> Made:
        mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
        if said := _fails_anyway(mutant.test):
            raise Survived(f"{mutant.test} fails without any edit and kills nothing:\n{said}")
        outcome = hunt(mutant)
        if not outcome.killed:
            raise Survived(f"{mutant.test} passes without this: {mutant.why}\n{outcome.said}")
        return Made(frozenset({mutant.file}))


@functools.cache
def _fails_anyway(test: str) -> str:
    """What the test says where it fails in a copy without an edit; "" where it passes."""
    with copied() as root:
        code, said = tested(root, [test])
    return said if code != 0 else ""
