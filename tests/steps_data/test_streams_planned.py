"""A plan names every stream that its run will turn on, also on tables that are not there yet."""

from __future__ import annotations

from typing import Any

import msgspec

from portability.engine.context import Observation
from portability.model.estate import Estate
from portability.steps.channels import streams_off
from portability.stores.base import Flow
from tests.steps_data.run_plan import ESTATE, estate
from tests.steps_data.run_world import Estate42, Process

ON = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}


def seen(declared: Estate, described: dict[str, Any]) -> list[str]:
    world = Estate42()
    world.plan = msgspec.structs.replace(world.plan, estate=declared)
    world.dynamo.described = described
    process = Process(world)
    ctx = Observation(plan=world.plan, aws=process.aws, moves=process.moves, clock=world.clock, retry=process.retry)
    return streams_off(ctx, Flow.REVERSE)


def test_a_table_still_to_be_made_begins_without_a_stream() -> None:
    assert seen(estate(), {"Order-pooled": {}}) == ["Order-tenant-42"]
    assert seen(estate(), {"Order-pooled": ON}) == ["Order-tenant-42"]


def test_a_table_made_for_declared_consumers_has_the_stream_of_its_model() -> None:
    consumed = {**ESTATE["stores"]["Order"], "consumers": [{"name": "search-index", "on_move": "attach_at_flip"}]}
    declared = msgspec.convert({**ESTATE, "stores": {"Order": consumed}}, Estate)
    assert seen(declared, {"Order-pooled": ON}) == []
    assert seen(declared, {"Order-pooled": {}}) == ["Order-tenant-42"]


def test_a_table_that_is_there_says_itself_whether_its_stream_is_on() -> None:
    assert seen(estate(), {"Order-pooled": {}, "Order-tenant-42": ON}) == []
    assert seen(estate(), {"Order-pooled": {}, "Order-tenant-42": {}}) == ["Order-tenant-42"]
