"""`make crash`: the campaign, its sample, a shard of a row, or one trial again.

python -m tests.crash [--row R2] [--shard 3/20] [--sample] [--seed 7] [--trial TEXT] [--write]
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.conftest import _seed_of_commit
from tests.crash import pauses
from tests.crash.campaign import Campaign, outcome
from tests.crash.elsewhere.base import Named
from tests.crash.elsewhere.listed import ELSEWHERE
from tests.crash.results import EVERY, append, commit, write_page
from tests.crash.rows import ROWS, share, trials, volleys
from tests.crash.stage import Trial
from tests.support import engines

SAMPLE_MINUTES = 7.0
SAMPLE = 4  # trials of each row, or volleys of them
SAMPLE_OF = {"R8": 2, "R13": 1, "R17": 20, "R18": 40, "R19": 1, "R21": 4, "R22": 1, "R23": 2}


def main() -> int:
    """Make what was asked for; 1 where anything broke."""
    options = _options()
    seed = _seed_of_commit() if options.seed is None else options.seed
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    began = time.monotonic()
    own = engines.own(Path(tempfile.mkdtemp(prefix="portability-engines-")))
    try:
        with own.own_server("crash") as moto, tempfile.TemporaryDirectory(prefix="portability-crash-") as folder:
            endpoint, again = own.dynamodb_local().endpoint, not (options.sample or options.trial)
            campaign = Campaign(endpoint, moto.endpoint, Path(folder), seed, say, again=again, own_engine=_an_engine)
            try:
                left = _go(campaign, options, seed)
            finally:
                campaign.close()
    finally:
        own.end()
    what = "sample" if options.sample else f"shard {options.shard}"
    results = outcome(campaign.tallies, what=what, seed=seed)
    waited = pauses.measured(campaign.pauses, what=what, seed=seed, commit=commit())
    for one in results:
        points = one.counted or len(one.points)
        say(f"{one.row:<4} {one.trials:>5} trials, {points} points, {len(one.failures)} broken")
    for line in pauses.table(waited) if waited else ():
        say(line)
    if left:
        say(f"{left} trials were left out for the want of time")
    if options.write:
        append(results)
        pauses.append(waited)
        write_page()
    say(f"seed {seed}, {time.monotonic() - began:.0f} s")
    return int(any(one.failures for one in results))


@contextmanager
def _an_engine() -> Iterator[str]:
    """A DynamoDB Local until the block ends; its endpoint."""
    own = engines.own(Path(tempfile.mkdtemp(prefix="portability-engines-")))
    try:
        yield own.dynamodb_local().endpoint
    finally:
        own.end()


def _go(campaign: Campaign, options: argparse.Namespace, seed: int) -> int:
    """Make what was asked for; how many trials were left out for the want of time."""
    if options.trial:
        if (one := Named.parse(options.trial)).row in ELSEWHERE:
            return campaign.go_elsewhere([one])
        return campaign.go([Trial.parse(options.trial)])
    number, _, of = options.shard.partition("/")
    shard = (int(number), int(of or 1))
    until = time.monotonic() + (60 * options.minutes if options.sample else float("inf"))

    def chosen(name: str, mine: list[Any]) -> list[Any]:
        return mine[: options.each or SAMPLE_OF.get(name, SAMPLE)] if options.sample else mine

    names = [options.row] if options.row else [*ROWS, *ELSEWHERE]
    left = 0
    for name in [name for name in names if name in ELSEWHERE]:
        found = [Named(name, each) for each in campaign.trials_of(name).names(seed)]
        random.Random(f"{seed}/{name}").shuffle(found)
        left += campaign.go_elsewhere(chosen(name, share(found, shard)), until=until)
    names = [name for name in names if name in ROWS]
    met = campaign.learn({journey: None for name in names for journey in ROWS[name].journeys}) if names else {}
    of_rows = [chosen(name, volleys(share(trials(name, met, seed), shard))) for name in names]
    in_turn = (trial for turn in zip_longest(*of_rows) for trial in turn if trial is not None)
    return left + campaign.go(in_turn, until=until)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash")
    parser.add_argument("--row", choices=tuple(name for name, _ in EVERY))
    parser.add_argument("--shard", default="1/1", help="N/OF")
    parser.add_argument("--sample", action="store_true", help="a few of each row, for less than eight minutes")
    parser.add_argument("--each", type=int, help="trials of each row of a sample")
    parser.add_argument("--minutes", type=float, default=SAMPLE_MINUTES, help="of a sample, at most")
    parser.add_argument("--seed", type=int, help="default: the commit")
    parser.add_argument("--trial", help="one trial again, as a failure printed it")
    parser.add_argument("--write", action="store_true", help="add the result to docs/reliability.json and the page")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
