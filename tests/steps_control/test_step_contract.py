"""Our own control-plane steps keep the contract that every step is held to."""

from __future__ import annotations

import pytest

from portability.testing import STEP_RULES
from tests.steps_control.conftest import Place
from tests.steps_control.place_scene import PlaceScene

SEEDS = {rule for rule in STEP_RULES if "killed" in rule or "lease" in rule}
"""Rules that need a world for each point. Users are killed at every point by the tests of that step."""


@pytest.mark.parametrize("rule", [rule for rule in STEP_RULES if rule not in SEEDS])
def test_stage_config_keeps_the_contract(place: Place, rule: str) -> None:
    pristine = place.inventory()
    STEP_RULES[rule](lambda: PlaceScene(place, pristine, "config", 1))


@pytest.mark.slow
@pytest.mark.parametrize("rule", sorted({*STEP_RULES} - SEEDS | {"killed_anywhere_it_can_be_undone"}))
def test_provision_resources_keeps_the_contract(place: Place, rule: str) -> None:
    pristine = place.inventory()
    STEP_RULES[rule](lambda: PlaceScene(place, pristine, "resources", 5))


@pytest.mark.slow
@pytest.mark.parametrize("rule", [rule for rule in STEP_RULES if rule not in SEEDS])
def test_port_identity_keeps_the_contract(place: Place, rule: str) -> None:
    pristine = place.inventory()
    STEP_RULES[rule](lambda: PlaceScene(place, pristine, "identity", 1))
