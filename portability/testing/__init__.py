"""The contracts of a step and of a store, as suites that any package can run on its own.

A suite is a table of rules by name. A rule is a function of a *case*, which makes a fresh world each time it is called;
it raises `ContractBroken`, an `AssertionError`, that says what was seen. No test runner is needed, and with pytest:

    @pytest.mark.parametrize("rule", STEP_RULES)
    def test_my_step_keeps_the_contract(rule: str) -> None:
        STEP_RULES[rule](MyScene)
"""

from portability.testing.breaking import ContractBroken, Killed
from portability.testing.made_up import made_up_plan
from portability.testing.step_rules import STEP_RULES
from portability.testing.step_scene import Hands, StepScene, Watch
from portability.testing.store_rules import STORE_RULES
from portability.testing.store_scene import StoreScene, Wire

__all__ = [
    "STEP_RULES",
    "STORE_RULES",
    "ContractBroken",
    "Hands",
    "Killed",
    "StepScene",
    "StoreScene",
    "Watch",
    "Wire",
    "made_up_plan",
]
