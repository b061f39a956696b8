"""The small tenant application: a process that keeps writing one tenant's data, and remembers what it was told.

    python -m portability.sandbox.app write --shape reference --tenant tenant-42 --ledger w1.jsonl --seconds 60
    python -m portability.sandbox.app probe --shape reference --tenant tenant-42
    python -m portability.sandbox.app check --shape reference --tenant tenant-42 w1.jsonl w2.jsonl

`probe` tries one write that changes nothing, over fresh connections, and says on stdout whether it was accepted; it
ends 0 when there was an answer, 1 when there was none. `check` ends 11 when an acknowledged write is not accounted for.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from portability.sandbox import ledger as ledgers
from portability.sandbox.clients import client
from portability.sandbox.data_access import NO_RETRIES, DataAccess, StillFenced
from portability.sandbox.seed import SHAPES, find_shape
from portability.sandbox.shape import WRITE_ID
from portability.sandbox.writer import Writer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from portability.sandbox.shape import Shape

SHARES = 8
NO_ANSWER = 1
MISMATCH = 11


def keep_writing(
    write_once: Callable[[], object],
    *,
    rate: float,
    done: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Write `rate` times a second until `done`; after a pause the rate goes on and nothing is caught up."""
    due = clock()
    while not done():
        write_once()
        due = max(due + 1 / rate, clock() - 1 / rate)
        sleep(max(0.0, due - clock()))


def probe(dynamodb: DynamoDBClient, shape: Shape, tenant: str) -> bool:
    """Try one write, as the application would: True when it was accepted. It deletes a key that is never written."""
    store, keys = next(iter(shape.stores.items()))
    access = DataAccess(dynamodb, shape.directory, tenant, sleep=lambda _: None)
    try:
        key = keys.new_key(tenant, "portability-probe-0", random.Random(0))  # noqa: S311 - the same key each time
        access.write(store, "Delete", {"Key": key}, within=0)
    except StillFenced:
        return False
    return True


def share_of(name: str) -> tuple[int, int]:
    """The share of the seeded keys that belongs to a writer named so: w1, w2, … have shares of their own."""
    number = "".join(character for character in name if character.isdigit())
    return int(number or 0) % SHARES, SHARES


def _write(options: argparse.Namespace, shape: Shape, dynamodb: DynamoDBClient) -> int:
    stopped: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda number, _frame: stopped.append(number))  # the write in flight is finished
    rng = random.Random(f"{options.seed}/{options.writer}")  # noqa: S311 - repeatable
    seeded = [
        (store, shape.stores[store].key_of(item))
        for store in shape.stores
        for item in shape.read_items(dynamodb, options.tenant, store)
        if WRITE_ID not in item
    ]
    ends = time.monotonic() + (options.seconds if options.seconds is not None else float("inf"))

    def done() -> bool:
        over = time.monotonic() >= ends or (options.until_file is not None and options.until_file.exists())
        return bool(stopped) or over

    def wait_for_the_fence(seconds: float) -> None:
        if done():
            raise StillFenced
        time.sleep(seconds)

    where = (dynamodb, shape.directory, options.tenant)
    access = DataAccess(*where, cache_seconds=options.cache_seconds, sleep=wait_for_the_fence, rng=rng)
    with ledgers.Ledger(options.ledger, options.writer) as ledger:
        share = (options.number, options.writers) if options.writers else share_of(options.writer)
        writer = Writer(options.writer, shape, options.tenant, access, ledger, rng=rng, seeded=seeded, share=share)
        keep_writing(writer.write_once, rate=options.rate, done=done)
    _print({"version": 1, "writer": options.writer, **writer.counts})
    return 0


def _probe(options: argparse.Namespace, shape: Shape, _dynamodb: DynamoDBClient) -> int:
    for _ in range(options.count):
        try:
            accepted: bool | None = probe(client("dynamodb", NO_RETRIES), shape, options.tenant)
        except (BotoCoreError, ClientError):
            accepted = None
        _print({"version": 1, "tenant": options.tenant, "accepted": accepted})
        if accepted is None:
            return NO_ANSWER
    return 0


def _check(options: argparse.Namespace, shape: Shape, dynamodb: DynamoDBClient) -> int:
    verdict = ledgers.check(options.ledgers, ledgers.items_of(dynamodb, shape, options.tenant))
    _print({"version": 1, **verdict.as_dict()})
    return 0 if verdict.ok else MISMATCH


def _print(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m portability.sandbox.app", description=summary)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--shape", choices=tuple(SHAPES), default="reference")
    common.add_argument("--tenant", required=True)
    verbs = parser.add_subparsers(required=True)
    write = verbs.add_parser("write", parents=[common], help="keep writing until told to stop")
    write.add_argument("--ledger", type=Path, required=True, help="the writer's own file; appended to")
    write.add_argument("--writer", default="w1", help="a name no other writer of this tenant has had")
    write.add_argument("--rate", type=float, default=20.0, help="writes per second")
    write.add_argument("--seconds", type=float)
    write.add_argument("--until-file", type=Path, help="stop when this file exists")
    write.add_argument("--seed", type=int, default=0, help="of the random choices")
    write.add_argument("--writers", type=int, help="how many writers share the seeded keys (default: as if 8)")
    write.add_argument("--number", type=int, default=0, help="which of them this is, from 0")
    write.add_argument("--cache-seconds", type=float, default=1.0, help="how old a directory record may be")
    write.set_defaults(do=_write)
    look = verbs.add_parser("probe", parents=[common], help="try one write that changes nothing")
    look.add_argument("--count", type=int, default=1, help="tries, each over a fresh connection")
    look.set_defaults(do=_probe)
    hold = verbs.add_parser("check", parents=[common], help="hold the tenant's data against its ledgers")
    hold.add_argument("ledgers", type=Path, nargs="+")
    hold.set_defaults(do=_check)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the result is JSON on stdout."""
    options = _parser().parse_args(argv)
    result: int = options.do(options, find_shape(options.shape), client("dynamodb", NO_RETRIES))
    return result


if __name__ == "__main__":
    sys.exit(main())
