"""Where a cutover can be stopped on the wire: its calls inside the fence, told apart by what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

from portability.sandbox.seed import find_shape
from tests.support.wire import Call, Wire
from tests.support.world import World

Matches = Callable[[Call], bool]
Stopping = Callable[[World, Wire], AbstractContextManager[None]]
"""Keeps a call of that place until its block ends."""


def stamps(act: str) -> Matches:
    """The write of the directory record that leaves this act."""
    return lambda call: call.operation == "UpdateItem" and f'{{"S": "{act}"}}'.encode() in call.body


def flips(call: Call) -> bool:
    """The transaction that makes the other side serve."""
    return call.operation == "TransactWriteItems" and b'{"S": "flipped"}' in call.body


def probes(call: Call) -> bool:
    """The check that an application would send, alone."""
    items = json.loads(call.body)["TransactItems"] if call.operation == "TransactWriteItems" else []
    return [list(item) for item in items] == [["ConditionCheck"]]


def after(first: Matches, then: Matches) -> Matches:
    """What matches `then` once `first` was sent."""
    seen: list[bool] = []

    def matches(call: Call) -> bool:
        if first(call):
            seen.append(True)
            return False
        return bool(seen) and then(call)

    return matches


def drains(call: Call) -> bool:
    """A read of the source's stream."""
    return call.operation == "GetRecords"


def reads_back(world: World) -> Matches:
    """A read of items of the tenant's own tables by key: nothing but a comparison or a sync does that."""
    own = [world.own_table(store) for store in find_shape(world.shape).stores]
    return lambda call: any(call.keys.get(table) for table in own)


BEFORE_THE_FLIP: dict[str, Stopping] = {
    "the fence on its way": lambda _, wire: wire.hold(stamps("fenced"), late=True),
    "the fence raised, its answer lost": lambda _, wire: wire.mute(stamps("fenced")),
    "probing": lambda _, wire: wire.hold(after(stamps("fenced"), probes)),
    "draining": lambda _, wire: wire.hold(after(stamps("fenced"), drains)),
    "comparing": lambda world, wire: wire.hold(after(stamps("fenced"), reads_back(world))),
    "the flip on its way": lambda _, wire: wire.hold(flips, late=True),
}
AT_THE_FLIP: Stopping = lambda _, wire: wire.mute(flips)  # noqa: E731 - one of a kind


def stamp_of(world: World, tenant: str) -> tuple[str, bool]:
    """What the last write of the tenant's stamp did, and whether it is fenced; ("", False) without one."""
    shape, dynamodb = find_shape(world.shape), world.client("dynamodb")
    key = {shape.directory.key: {"S": tenant}}
    item = dynamodb.get_item(TableName=shape.directory.table, Key=key, ConsistentRead=True)["Item"]
    stamp = item.get("portability", {"M": {"act": {"S": ""}, "fenced": {"BOOL": False}}})["M"]
    return stamp["act"]["S"], stamp["fenced"]["BOOL"]
