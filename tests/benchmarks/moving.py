"""The product's own copy of named partitions: the moves that `copy_data` drives, on its own pool of workers."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from portability.aws.session import Aws
from portability.model.estate import Estate, Model
from portability.model.plan import Side, StoreMove
from portability.retry import Retry
from portability.steps.unit_pool import run_units
from portability.stores.base import Flow, Move
from portability.stores.catalog import open_move
from portability.stores.throttle import Throttle
from tests.benchmarks.items import KEY_SCHEMA
from tests.benchmarks.measured import REGION

STORE = "Order"
KEY_NAMES = {kind: name for name, kind in KEY_SCHEMA}
SUFFIXED = re.compile(r"(?P<tenant>.+)-(?P<suffix>0|[1-9]\d*)")


class Clock:
    """Real time."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds for measuring."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


def prepared(source: str, target: str, keys: Sequence[str], workers: int) -> Callable[[], tuple[int, int]]:
    """What copies these partitions and tells (items, bytes); everything but the copy itself is done."""
    aws = new_aws()
    described = aws.dynamodb().describe(source)
    if described is None:
        message = f"there is no table {source}"
        raise LookupError(message)
    key_names = {each["KeyType"]: each["AttributeName"] for each in described["KeySchema"]}
    wanted: dict[Move, list[str]] = {
        new_move(aws, tenant, suffixes, source=source, target=target, key_names=key_names): [f"p/{key}" for key in mine]
        for tenant, (suffixes, mine) in tenants_of(keys).items()
    }
    return partial(copy, wanted, workers)


def tenants_of(keys: Sequence[str]) -> dict[str, tuple[tuple[int, int] | None, list[str]]]:
    """The tenants of partition keys: the range of their suffixes (None for a key without one), and their keys."""
    suffixed: dict[str, dict[int, str]] = defaultdict(dict)
    found: dict[str, tuple[tuple[int, int] | None, list[str]]] = {}
    for key in keys:
        parsed = SUFFIXED.fullmatch(key)
        if parsed is None:
            found[key] = (None, [key])
        else:
            suffixed[parsed["tenant"]][int(parsed["suffix"])] = key
    return found | {tenant: ((min(mine), max(mine)), [*mine.values()]) for tenant, mine in suffixed.items()}


def copy(wanted: Mapping[Move, Sequence[str]], workers: int, *, throttle: Throttle | None = None) -> tuple[int, int]:
    """Copy units of moves; (items, bytes)."""
    jobs = {
        f"{number}/{unit}": partial(_unit, move, throttle, unit=unit)
        for number, (move, units) in enumerate(wanted.items())
        for unit in units
    }
    done = run_units(list(wanted), jobs, workers).values()
    return sum(items for items, _ in done), sum(size for _, size in done)


def _unit(move: Move, throttle: Throttle | None, _halt: threading.Event, *, unit: str) -> tuple[int, int]:
    items = size = 0
    for page in move.copy(Flow.FORWARD, unit, None, throttle=throttle):
        items, size = items + page.items, size + page.bytes
    return items, size


def new_aws() -> Aws:
    """The product's clients, as a run has them; where they lead is the environment's."""
    return Aws(region=REGION, read_only=False, retry=Retry())


def new_move(
    aws: Aws,
    tenant: str,
    suffixes: tuple[int, int] | None,
    *,
    source: str,
    target: str,
    key_names: Mapping[str, str],
    **estate: Any,
) -> Move:
    """One tenant's move from a pooled table to one of its own; `estate` are fields of the estate file."""
    spec: dict[str, Any] = {"pool": source, "silo": target, "partition_key": key_names["HASH"]}
    spec["tenant"] = (
        {"pattern": "{tenant}"}
        if suffixes is None
        else {"pattern": "{tenant}-{suffix}", "suffixes": {"default": list(suffixes)}}
    )
    if "RANGE" in key_names:
        spec["sort_key"] = key_names["RANGE"]
    declared = {
        "apiVersion": "portability/v1",
        "kind": "Estate",
        "accounts": {"allowed": ["123456789012"], "regions": [REGION]},
        "journal": {"table": "portability-journal"},
        "directory": {"table": "directory"},
        "tiers": {"basic": {"model": "pool"}, "premium": {"model": "silo"}},
        "stores": {STORE: spec},
    } | estate
    sides = [
        Side(table=table, model=model, region=REGION) for table, model in ((source, Model.POOL), (target, Model.SILO))
    ]
    return open_move(
        estate=msgspec.convert(declared, Estate),
        plan_move=StoreMove(store=STORE, source=sides[0], target=sides[1]),
        tenant=tenant,
        aws=aws,
        clock=Clock(),
        retry=Retry(),
        rng=random.Random(),
    )
