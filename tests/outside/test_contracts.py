"""Somebody else's step and store keep the contracts, as their own tests would hold them to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from portability import errors
from portability.testing import STEP_RULES, STORE_RULES, ContractBroken
from tests.outside.broken import BROKEN_STEPS, BROKEN_STORES
from tests.outside.scenes import FlagScene, ShelfScene

BREAKS = (ContractBroken, errors.PortabilityError)  # a step that stops the run is found too


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[], Path]:
    """A fresh folder at each call."""
    numbers = itertools.count()

    def make() -> Path:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return folder

    return make


@pytest.mark.parametrize("rule", STEP_RULES)
def test_a_step_of_another_package_keeps_the_contract(folders: Callable[[], Path], rule: str) -> None:
    STEP_RULES[rule](lambda: FlagScene(folders()))


@pytest.mark.parametrize("rule", STORE_RULES)
def test_a_store_of_another_package_keeps_the_contract(folders: Callable[[], Path], rule: str) -> None:
    STORE_RULES[rule](lambda: ShelfScene(folders()))


def named(pairs: Iterable[tuple[str, Callable[[Any], Any]]]) -> list[Any]:
    return [pytest.param(rule, tamper, id=f"{rule}-{number}") for number, (rule, tamper) in enumerate(pairs)]


@pytest.mark.parametrize(("rule", "tamper"), named(BROKEN_STEPS))
def test_a_step_that_breaks_a_rule_is_found(
    folders: Callable[[], Path], rule: str, tamper: Callable[[Any], Any]
) -> None:
    with pytest.raises(BREAKS):
        STEP_RULES[rule](lambda: FlagScene(folders(), tamper))


@pytest.mark.parametrize(("rule", "tamper"), named(BROKEN_STORES))
def test_a_store_that_breaks_a_rule_is_found(
    folders: Callable[[], Path], rule: str, tamper: Callable[[Any], Any]
) -> None:
    def broken() -> ShelfScene:
        scene = ShelfScene(folders(), tamper)
        scene.patience = 1.0
        return scene

    with pytest.raises(ContractBroken):
        STORE_RULES[rule](broken)


def test_every_rule_has_a_broken_toy_that_it_must_find() -> None:
    assert {rule for rule, _ in BROKEN_STEPS} == set(STEP_RULES)
    assert {rule for rule, _ in BROKEN_STORES} == set(STORE_RULES)
