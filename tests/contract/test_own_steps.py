"""Our own steps keep the contract that every step is held to."""

from __future__ import annotations

import pytest

from portability.testing import STEP_RULES
from tests.contract.memory_scene import MemoryScene

DATA_STEPS = ("open-channel", "copy-data", "catch-up", "verify-data", "cut-over", "soak", "retire-source")


@pytest.mark.parametrize("rule", STEP_RULES)
@pytest.mark.parametrize("step", DATA_STEPS)
def test_a_data_step_keeps_the_contract(step: str, rule: str) -> None:
    STEP_RULES[rule](lambda: MemoryScene(step))
