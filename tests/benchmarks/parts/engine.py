"""DynamoDB Local end to end: our copy, the engine's own limit, and every peer, in turn."""

from __future__ import annotations

from collections import defaultdict

from tests.benchmarks import engine, items, tables
from tests.benchmarks.results import Part, Row, ratios
from tests.benchmarks.sizes import Sizes

LIMIT, OURS, BOTO3 = "replayed batches", "ours", "boto3 client, threads"
BARE = "replayed batches that do not ask for capacity"
PEERS = {
    "boto3_resource": "boto3 resource, batch_writer",
    "parallel_suffix": "parallel-suffix script",
    "parallel_scan": "aws-dynamodb-parallel-scan, batch_writer",
    "dynamodump": "dynamodump",
}


def measure(sizes: Sizes) -> dict[str, Part]:
    """Rounds of every copier; the slower peers leave out those that do not count."""
    speeds: dict[str, list[float]] = defaultdict(list)
    over = items.partitions(engine.WORKERS)
    with engine.running() as local, local.table() as source, local.table() as small:
        local.fill(source, sizes.engine, over)
        local.fill(small, sizes.slow, over)
        for number in range(-sizes.warm, sizes.pairs):
            turns = [BARE, LIMIT, OURS, BOTO3]
            for who in turns if number % 2 else reversed(turns):
                speeds[who].append(_speed(local, who, source, sizes.engine, over))
            for peer in sizes.slow_peers if number >= 0 else ():
                speeds[PEERS[peer]].append(_speed(local, peer, small, sizes.slow, over))
        with local.table() as target:
            profile = local.copy("ours", source, target, over, "--profile")["profile"]
    for who in (BARE, LIMIT, OURS, BOTO3):
        del speeds[who][: sizes.warm]
    rows = {who: Row(who, "items/s", runs) for who, runs in speeds.items()}
    of_limit, of_boto3 = ratios(rows[OURS], rows[BARE]), ratios(rows[OURS], rows[BOTO3])
    others = [ratios(rows[OURS], row) for who, row in rows.items() if who in {LIMIT, *PEERS.values()}]
    notes = [
        f"Items: {sizes.engine:,} by ours, the replay and the boto3 client, {sizes.slow:,} by the other peers.",
        (
            "The replayed batches are the requests that the copy sends; like it, they ask what capacity they consume,"
            " which costs this engine time. The limit is of those that do not ask. The replay reads nothing."
        ),
        (
            "parallel-suffix, parallel-scan and dynamodump read eventually consistently or hold the tenant in memory or"
            " on disk; dynamodump and parallel-scan read the whole table, in which there is only this tenant."
        ),
    ]
    figures = {"of_limit": of_limit.median, "of_boto3": of_boto3.median}
    return {"engine": Part([of_limit, of_boto3, *others, *rows.values()], figures, notes, profile)}


def _speed(local: engine.Engine, who: str, source: str, count: int, over: list[str]) -> float:
    with local.table() as target:
        if who in {LIMIT, BARE}:
            seconds = local.fill(target, count, over, bare=who == BARE)
        else:
            seconds = local.copy({OURS: "ours", BOTO3: "boto3"}.get(who, who), source, target, over)["seconds"]
        there = tables.count(local.dynamo, target)
    if there != count:
        message = f"{who} copied {there} of {count} items"
        raise RuntimeError(message)
    return round(count / seconds, 1)
