"""Copies partitions from one table to another, and tells what that cost the process that did it.

    python -m tests.benchmarks.client --endpoint URL [--ca-bundle F] --source T --target T --partition-keys k1,k2,…

It goes the way of `copy_data`: the store's move, its units on a pool of workers. `--peer boto3` does the same with the
boto3 client instead. It runs against any endpoint; credentials and region are found as boto3 finds them, and made up
where the endpoint is on this machine and there are none.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks import moving
from tests.benchmarks.measured import REGION, Stopwatch, peak_rss_mb
from tests.benchmarks.peers import boto3_threads
from tests.benchmarks.profiled import Profile


@dataclass(frozen=True)
class Cost:
    """What a copy cost: bytes of items as DynamoDB counts them, seconds, CPU seconds, 10^6 bytes of memory."""

    items: int
    bytes: int
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float


def cost_of(copy: Callable[[], tuple[int, int]]) -> Cost:
    """Run a copy, which tells its items and bytes. What was loaded before it is in the memory only."""
    since = Stopwatch.started()
    items, size = copy()
    seconds, cpu = since.read()
    return Cost(items, size, round(seconds, 4), round(cpu, 4), round(peak_rss_mb(), 1))


def main(argv: Sequence[str] | None = None) -> int:
    """Copy and print the cost."""
    asked = _parser().parse_args(argv)
    _point_at(asked.endpoint, asked.ca_bundle)
    keys = asked.partition_keys.split(",")
    if asked.peer == "boto3":
        copy = boto3_threads.prepared(asked.source, asked.target, keys, asked.workers)
    else:
        copy = moving.prepared(asked.source, asked.target, keys, asked.workers)
    with Profile(on=asked.profile) as profile:
        cost = asdict(cost_of(copy))
    if asked.json:
        sys.stdout.write(json.dumps(cost | ({"profile": profile.top()} if asked.profile else {})) + "\n")
    else:
        shown = [f"{name:12} {value:,}" for name, value in cost.items()]
        shown += [f"{share:6.1%} {where}" for where, share in profile.top()]
        sys.stdout.write("\n".join(shown) + "\n")
    return 0


def _point_at(endpoint: str, ca_bundle: Path | None) -> None:
    os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
    if ca_bundle is not None:
        os.environ["AWS_CA_BUNDLE"] = str(ca_bundle)
    if urlsplit(endpoint).hostname in {"127.0.0.1", "localhost", "::1"}:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            os.environ.setdefault(name, "benchmark")
        os.environ.setdefault("AWS_DEFAULT_REGION", os.environ.get("AWS_REGION", REGION))


def _parser() -> argparse.ArgumentParser:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.client", description=summary)
    parser.add_argument("--endpoint", required=True, help="URL of a DynamoDB")
    parser.add_argument("--ca-bundle", type=Path, help="PEM file of the authorities to trust")
    parser.add_argument("--source", required=True, help="table to read")
    parser.add_argument("--target", required=True, help="table to write")
    parser.add_argument("--partition-keys", required=True, help="values of the partition key, joined by commas")
    parser.add_argument("--workers", type=int, default=4, help="partitions copied at a time")
    parser.add_argument("--peer", choices=("boto3",), help="copy with this instead")
    parser.add_argument("--profile", action="store_true", help="sample where the time goes; costs a little itself")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
