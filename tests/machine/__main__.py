"""The machine in memory, and three days that nobody attends, by themselves.

python -m tests.machine [--examples 20000] [--days 40] [--seed 7] [--first]
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.conftest import _seed_of_commit
from tests.machine.campaign import run
from tests.machine.unattended import unattended

SHARE = 500
"""Examples of one seed: the next share begins with the next seed."""


def main() -> int:
    """1 where anything broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.machine", description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=0, help="seeds of the three days")
    parser.add_argument("--seed", type=int, default=_seed_of_commit())
    parser.add_argument("--first", action="store_true", help="print the first counterexample as it was met, not shrunk")
    asked = parser.parse_args()
    began = time.monotonic()
    for number in range(asked.seed, asked.seed + asked.days):
        print(f"three days, seed {number}: {unattended(number)}", flush=True)
    for number, done in enumerate(range(0, asked.examples, SHARE)):
        failure = run(asked.seed + number, min(SHARE, asked.examples - done), shrink=not asked.first)
        if failure is not None:
            print(
                f"{done:,} examples held; then:\n{failure}\nagain: python -m tests.machine --seed {asked.seed + number}"
            )
            return 1
    print(f"{asked.examples:,} examples, nothing broke, {time.monotonic() - began:.0f} s, from seed {asked.seed} on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
