"""`make crash`: the campaign, its sample, a shard of a row, or one trial again.

python -m tests.crash [--row R2] [--shard 3/20] [--sample] [--seed 7] [--trial TEXT]

Each row is added to the table of docs/reliability.md when it is done, but for a sample and a single trial.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import _seed_of_commit
from tests.crash import pauses
from tests.crash.campaign import Campaign, outcome
from tests.crash.elsewhere.base import Named
from tests.crash.elsewhere.listed import ELSEWHERE
from tests.crash.own_engine import own_engine
from tests.crash.results import EVERY, Result, commit, keep
from tests.crash.rows import ROWS, share, trials, volleys
from tests.crash.sample import in_turn
from tests.crash.stage import Trial
from tests.support import engines

MISSED = 0.1
"""The share of a row's faults that may not take place: two runs never send quite the same number of pages."""

SAMPLE_MINUTES = 7.0
SAMPLE = 4  # trials of each row, or how often it is sampled
SAMPLE_OF = {"R13": 1, "R17": 20, "R18": 40, "R19": 1, "R21": 4, "R22": 1, "R23": 2}


def main() -> int:
    """Make what was asked for; 1 where anything broke, or a row's faults did not take place."""
    options = _options()
    seed = _seed_of_commit() if options.seed is None else options.seed
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    began = time.monotonic()
    own = engines.own(Path(tempfile.mkdtemp(prefix="portability-engines-")))
    try:
        with own.own_server("crash") as moto, tempfile.TemporaryDirectory(prefix="portability-crash-") as folder:
            endpoint, again = own.dynamodb_local().endpoint, not (options.sample or options.trial)
            campaign = Campaign(endpoint, moto.endpoint, Path(folder), seed, say, again=again, own_engine=own_engine)
            try:
                left = _go(campaign, options, seed)
            finally:
                campaign.close()
    finally:
        own.end()
    results, waited = _found(campaign, options, seed)
    for one in results:
        points = one.counted or len(one.points)
        say(f"{one.row:<4} {one.trials:>5} trials, {points} points, {len(one.failures)} broken")
    for line in pauses.table(waited) if waited else ():
        say(line)
    if left:
        say(f"{left} trials were left out for the want of time")
    say(f"seed {seed}, {time.monotonic() - began:.0f} s")
    few = 1.0 if options.sample else MISSED  # a sample does not try again what hid behind another fault
    missed = [one.row for one in results if one.unreached > max(1, one.trials * few) or one.unreached == one.trials]
    if missed:
        say(f"too many faults of {', '.join(missed)} did not take place")
    return int(bool(missed) or any(one.failures for one in results))


def _found(campaign: Campaign, options: argparse.Namespace, seed: int) -> tuple[list[Result], list[pauses.Paused]]:
    """What became of every row so far, and how long its writers waited."""
    what = f"shard {options.shard}"
    waited = pauses.measured(campaign.pauses, what=what, seed=seed, commit=commit())
    return outcome(campaign.tallies, what=what, seed=seed), waited


def _go(campaign: Campaign, options: argparse.Namespace, seed: int) -> int:
    """Make what was asked for; how many trials were left out for the want of time."""
    if options.trial:
        if (one := Named.parse(options.trial)).row in ELSEWHERE:
            return campaign.go_elsewhere([one])
        return campaign.go([Trial.parse(options.trial)])
    names = [options.row] if options.row else [name for name, _ in EVERY]
    if options.sample:
        return _sampled(campaign, names, options, seed)
    number, _, of = options.shard.partition("/")
    shard = (int(number), int(of or 1))
    for name in names:
        if name in ELSEWHERE:
            campaign.go_elsewhere(share(_elsewhere(campaign, name, seed), shard))
        else:
            campaign.go(volleys(share(trials(name, campaign.learn(ROWS[name].journeys), seed), shard)))
        keep(*_found(campaign, options, seed))
    return 0


def _sampled(campaign: Campaign, names: Sequence[str], options: argparse.Namespace, seed: int) -> int:
    """A few trials of each row, those that need a scene in turn; how many were left out for the want of time."""
    until, left = time.monotonic() + 60 * options.minutes, 0
    for name in [name for name in names if name in ELSEWHERE]:
        few = _elsewhere(campaign, name, seed)[: options.each or SAMPLE_OF.get(name, SAMPLE)]
        left += campaign.go_elsewhere(few, until=until)
    rows = [name for name in names if name in ROWS]
    return left + in_turn(campaign, rows, seed, times=options.each or SAMPLE, until=until)


def _elsewhere(campaign: Campaign, name: str, seed: int) -> list[Named]:
    """The trials of a row that needs no scene, in an order that the seed draws."""
    found = [Named(name, each) for each in campaign.trials_of(name).names(seed)]
    random.Random(f"{seed}/{name}").shuffle(found)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash")
    parser.add_argument("--row", choices=tuple(name for name, _ in EVERY))
    parser.add_argument("--shard", default="1/1", help="N/OF")
    parser.add_argument("--sample", action="store_true", help="a few of each row, for less than eight minutes")
    parser.add_argument("--each", type=int, help="trials of each row of a sample, or how often it is sampled")
    parser.add_argument("--minutes", type=float, default=SAMPLE_MINUTES, help="of a sample, at most")
    parser.add_argument("--seed", type=int, help="default: the commit")
    parser.add_argument("--trial", help="one trial again, as a failure printed it")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
