"""The tests are tested: `python -m tests.mutants` (`make mutants`).

Each mutant is applied alone in a copy of the tree, and the one test that has to notice it is run there. First every
such test is run without an edit: one that fails anyway kills nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.mutants.listed import MUTANTS
from tests.mutants.mutant import Mutant, Outcome, copied, hunt, tested


@dataclass(frozen=True)
class Result:
    """`points` mutants, of which `failures` survived; `survivors` names them."""

    points: int
    failures: int
    seconds: float
    survivors: tuple[str, ...]


def run(mutants: Sequence[Mutant] = MUTANTS, *, loud: bool = False) -> Result:
    """Hunt every mutant. Raises `ValueError` where a test fails without any edit."""
    began = time.monotonic()
    with copied() as root:
        code, said = tested(root, sorted({mutant.test for mutant in mutants}))
    if code != 0:
        msg = f"a test fails without any edit:\n{said}"
        raise ValueError(msg)
    outcomes: list[Outcome] = []
    for mutant in mutants:
        outcomes.append(outcome := hunt(mutant))
        if loud:
            print(
                f"{'killed  ' if outcome.killed else 'SURVIVED'} {outcome.seconds:6.1f} s  {outcome.name}", flush=True
            )
    alive = tuple(outcome.name for outcome in outcomes if not outcome.killed)
    return Result(len(outcomes), len(alive), round(time.monotonic() - began, 1), alive)


def main() -> int:
    """The exit code: 0 where no mutant survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", action="append", help="one mutant by its name; may be repeated")
    parser.add_argument("--json", action="store_true", help="print the result as JSON only")
    asked = parser.parse_args()
    names = {mutant.name for mutant in MUTANTS}
    if unknown := sorted(set(asked.only or []) - names):
        parser.error(f"no mutant is called {', '.join(unknown)}; there are: {', '.join(sorted(names))}")
    chosen = [mutant for mutant in MUTANTS if asked.only is None or mutant.name in asked.only]
    result = run(chosen, loud=not asked.json)
    if asked.json:
        print(json.dumps(asdict(result)))
    else:
        print(f"{result.points} mutants, {result.failures} survived, {result.seconds:g} s")
        for name in result.survivors:
            print(f"python -m tests.mutants --only {name}")
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
