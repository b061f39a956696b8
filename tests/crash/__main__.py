"""`make crash`: the campaign, its sample, a shard of a row, or one trial again.

python -m tests.crash [--row R2] [--shard 3/20] [--sample] [--seed 7] [--trial TEXT] [--write]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import _seed_of_commit
from tests.crash import pauses
from tests.crash.campaign import Campaign, outcome
from tests.crash.results import append, commit, write_page
from tests.crash.rows import ROWS, share, trials
from tests.crash.stage import Trial
from tests.support import engines

SAMPLE_MINUTES = 7.0
SAMPLE = 6  # trials of each row; R1 has more
SAMPLE_OF = {"R1": 18}


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
            campaign = Campaign(own.dynamodb_local().endpoint, moto.endpoint, Path(folder), seed, say)
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
        say(f"{one.row:<4} {one.trials:>5} trials, {len(one.points)} points, {len(one.failures)} broken")
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


def _go(campaign: Campaign, options: argparse.Namespace, seed: int) -> int:
    if options.trial:
        return campaign.go([Trial.parse(options.trial)])
    names = [options.row] if options.row else list(ROWS)
    met = campaign.learn({journey: None for name in names for journey in ROWS[name].journeys})
    number, _, of = options.shard.partition("/")
    chosen = {name: share(trials(name, met, seed), (int(number), int(of or 1))) for name in names}
    if not options.sample:
        return campaign.go(trial for name in names for trial in chosen[name])
    sampled = [trial for name in names for trial in chosen[name][: options.each or SAMPLE_OF.get(name, SAMPLE)]]
    return campaign.go(sampled, until=time.monotonic() + 60 * options.minutes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash")
    parser.add_argument("--row", choices=tuple(ROWS))
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
