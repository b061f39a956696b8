"""A few examples of the machine on DynamoDB Local. `make crash ROW=R19` has three hundred."""

from __future__ import annotations

import pytest

from tests.machine.campaign import run
from tests.machine.on_tables import TableMachine

EXAMPLES = 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_on_real_tables_and_streams_no_order_of_commands_and_crashes_breaks_an_invariant(
    aws_env: None, seed: int
) -> None:
    failure = run(seed, EXAMPLES, machine=TableMachine, rules=3, shrink=False)
    assert failure is None, failure
