"""What a recipe says around a step, in a whole run: how often it is tried again."""

from __future__ import annotations

import pytest

from portability import errors
from portability.model.recipe import RetrySpec
from portability.model.status import RunState
from tests.steps_data.fake_store import UNITS
from tests.steps_data.moments import at, prescribed
from tests.steps_data.run_world import Estate42, Process

NO_ANSWER = (
    errors.EndpointDown("no answer", next="portability doctor"),
    errors.Unavailable("no stream", operation="dynamodb.DescribeTable", aws_code="InternalServerError"),
)


@pytest.mark.parametrize("error", NO_ANSWER, ids=lambda error: type(error).__name__)
def test_a_service_that_does_not_answer_is_asked_again_as_often_as_the_recipe_says(
    error: errors.PortabilityError,
) -> None:
    world = Estate42()
    prescribed(world, "copy-data", retry=RetrySpec(attempts=2))
    process = Process(world)

    def fail() -> None:
        raise error

    at(process, "copy-data", f"before page {UNITS[0]}", fail)
    view = process.go()
    assert (view.state, view.step("copy-data").attempts) == (RunState.SOAKING, 2)
    world.check_end("target")
