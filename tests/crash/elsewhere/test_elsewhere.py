"""Rows made elsewhere: a little of each in every check, and what the campaign does with any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.campaign import Campaign, outcome
from tests.crash.elsewhere.base import Around, Made, Named, Trials
from tests.crash.elsewhere.listed import ELSEWHERE
from tests.crash.results import EVERY, page
from tests.crash.rows import share

IN_THE_SUITE = {"R12": 2, "R13": 1, "R18": 20}
"""How many trials of a row every check makes; plans, models and mutants have tests of their own."""


@dataclass
class Row:
    """A row of three trials, of which one is broken."""

    opened_times: list[Path] = field(default_factory=list)
    says: str = "what it says"
    figure: int | None = None

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        self.opened_times.append(around.folder)
        yield self

    def names(self, seed: int) -> Sequence[str]:
        return ["a/1", "b/2", f"c/{seed}"]

    def run(self, name: str) -> Made:
        if name.startswith("b/"):
            raise AssertionError("it broke")
        return Made(frozenset({name}), counted=5)


def campaign(folder: Path, row: Row, say: Callable[[str], None] = print) -> Campaign:
    return Campaign("http://engine", "http://moto", folder, 7, say, elsewhere={"R13": row})


def test_a_broken_trial_is_told_with_what_repeats_it_and_its_row_is_opened_anew(tmp_path: Path) -> None:
    row, said = Row(), list[str]()
    made = campaign(tmp_path, row, said.append)
    found = [Named("R13", name) for name in made.trials_of("R13").names(7)]
    assert made.go_elsewhere(found) == 0
    (result,) = outcome(made.tallies, what="shard 1/1", seed=7)
    assert (result.trials, result.unreached, result.counted) == (3, 0, 10)
    assert result.points == ["a/1", "c/7"]
    assert result.failures == ["R13/b/2: AssertionError: it broke"]
    assert any("again: make crash TRIAL='R13/b/2' SEED=" in line for line in said)
    assert len(row.opened_times) == 2
    assert "| R13 |" in page([result])
    made.close()


def test_a_trial_is_repeated_by_its_name_and_is_in_exactly_one_shard() -> None:
    found = [Named("R17", f"edited/{number}/a b") for number in range(50)]
    assert [Named.parse(str(one)) for one in found] == found
    assert sorted(one for number in range(1, 6) for one in share(found, (number, 5))) == sorted(found)


def test_no_trial_is_made_when_the_time_is_over(tmp_path: Path) -> None:
    made = campaign(tmp_path, Row())
    assert made.go_elsewhere([Named("R13", "a/1")], until=0.0) == 1
    assert made.tallies == {}


def test_the_table_has_every_row_in_order() -> None:
    numbers = [int(name.removeprefix("R")) for name, _ in EVERY]
    assert numbers == sorted(set(numbers))
    assert {"R8", "R12", "R13", "R17", "R18", "R21", "R22"} <= {name for name, _ in EVERY}


@pytest.fixture(scope="module")
def real(
    dynamodb_local: str, moto: str, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Campaign]:
    made = Campaign(dynamodb_local, moto, tmp_path_factory.mktemp("rows"), pytestconfig.option.seed, print)
    yield made
    made.close()


@pytest.mark.parametrize("row", IN_THE_SUITE)
def test_a_few_trials_of_this_row_find_nothing(row: str, real: Campaign, seed: int) -> None:
    names = real.trials_of(row).names(seed)
    assert len(names) == len(set(names)) > 50
    found = share([Named(row, name) for name in names], (seed % 7 + 1, 7))[-IN_THE_SUITE[row] :]
    real.go_elsewhere(found)
    assert real.tallies[row].failures == []
    assert real.tallies[row].trials == len(found) > 0
    assert ELSEWHERE[row].figure in (None, len(names))
