"""Verification: the digest of items in memory, and both sides of a tenant compared on DynamoDB Local."""

from __future__ import annotations

import time
from functools import partial

from portability.aws.dynamodb import Condition
from portability.steps.unit_pool import run_units
from portability.stores.base import Flow
from portability.stores.dynamodb import digest
from tests.benchmarks import engine, items, moving
from tests.benchmarks.results import Part, Row
from tests.benchmarks.sizes import Sizes

WORKERS = 4


def measure(sizes: Sizes) -> dict[str, Part]:
    """The digest over a page as the client reads it, again and again; then whole comparisons."""
    over = items.partitions(engine.WORKERS)
    with engine.running() as local, local.table() as source, local.table() as target:
        for table in (source, target):
            local.fill(table, sizes.engine, over)
        data_path = moving.new_aws().items()
        page = data_path.query(source, Condition("#p = :p", {"#p": "pk"}, {":p": {"S": over[0]}})).items
        digests = [_digests(page, sizes.digests) for _ in range(sizes.pairs)]
        compared = [_compared(source, target, over, sizes.engine) for _ in range(sizes.warm + sizes.pairs)][
            sizes.warm :
        ]
    rows = [
        Row("digest, 1 KB items, one core", "items/s", digests),
        Row(f"both sides compared, {WORKERS} workers", "items/s", compared),
    ]
    notes = [
        f"{sizes.engine:,} items on each side; an item on both sides counts once.",
        "The digest is of the canonical item. Where both sides came in the same bytes it is made once for both.",
    ]
    return {"verify": Part(rows, {"digest_items_per_second": rows[0].median}, notes)}


def _digests(page: list[items.Item], count: int) -> float:
    rounds = max(1, count // len(page))
    began = time.process_time()
    for _ in range(rounds):
        digest.tally(page)
    return round(rounds * len(page) / (time.process_time() - began), 1)


def _compared(source: str, target: str, over: list[str], count: int) -> float:
    move = moving.new_move(
        moving.new_aws(), items.TENANT, (1, len(over)), source=source, target=target, key_names=moving.KEY_NAMES
    )
    began = time.monotonic()
    jobs = {
        unit: partial(lambda _halt, unit: move.compare(Flow.FORWARD, unit, repair=False), unit=unit)
        for unit in move.units(Flow.FORWARD)
    }
    outcomes = run_units([move], jobs, WORKERS).values()
    seconds = time.monotonic() - began
    if not all(each.equal for each in outcomes) or sum(each.source_items for each in outcomes) != count:
        message = "the comparison of two equal tables found them unequal"
        raise RuntimeError(message)
    return round(count / seconds, 1)
