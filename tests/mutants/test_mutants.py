"""The list of mutants is one of this product's, and a few of them are killed in every run."""

from __future__ import annotations

import random

import pytest

from tests.mutants.listed import MUTANTS
from tests.mutants.mutant import Mutant, hunt

LEAST = 30
QUICK = tuple(mutant for mutant in MUTANTS if mutant.test.startswith(("tests/journal/", "tests/steps_data/")))
"""Those whose test needs no engine."""


def test_every_edit_still_fits_its_file_and_every_test_is_there() -> None:
    assert [problem for mutant in MUTANTS for problem in mutant.problems()] == []
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= LEAST


def test_an_edit_that_no_longer_fits_is_told() -> None:
    gone = Mutant("gone", "portability/errors.py", "no such line", "x", "tests/mutants/test_mutants.py::test_no", "")
    assert [problem.partition(": ")[2] for problem in gone.problems()] == [
        "its `before` occurs 0 times in portability/errors.py",
        "there is no test tests/mutants/test_mutants.py::test_no",
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_mutants_of_this_seed_are_killed(rng: random.Random) -> None:
    outcomes = [hunt(mutant) for mutant in rng.sample(QUICK, 2)]
    assert [(outcome.name, outcome.said) for outcome in outcomes if not outcome.killed] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_edit_that_nobody_minds_survives() -> None:
    of_a_word = Mutant(
        "a word",
        "portability/journal/chain.py",
        "Hold the rows of a run to its chain",
        "Hold all rows of a run to its chain",
        "tests/journal/test_chain.py::test_an_edit_of_any_field_of_any_entry_is_found_even_where_its_own_hash_was_made_right",
        "nothing",
    )
    assert not hunt(of_a_word).killed
