"""What the campaign found: docs/reliability.json, to which every shard appends, and the page made of it.

python -m tests.crash.results [--check]
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import msgspec

from tests.crash import pauses
from tests.crash.elsewhere.base import Elsewhere
from tests.crash.elsewhere.listed import ELSEWHERE
from tests.crash.rows import ROWS, Row
from tests.support.dynamodb_local import ROOT

KEPT = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
WORDS = Path(__file__).with_name("page.md")
TABLE = "<!-- the table -->"
PAUSES = "<!-- the pauses -->"


class Result(msgspec.Struct, frozen=True):
    """What one shard did of one row. `points` are places reached, by name, `counted` those that have none.

    `trials` are faults at points, `unreached` those of them that did not take place.

    `what` is one shard's share, or a sample.
    """

    row: str
    what: str
    trials: int
    unreached: int
    points: list[str]
    failures: list[str]
    seconds: float
    seed: int
    commit: str
    counted: int = 0


EVERY: list[tuple[str, Row | Elsewhere]] = sorted(
    [*ROWS.items(), *ELSEWHERE.items()], key=lambda one: int(one[0].removeprefix("R"))
)
"""Every row of the table, in its order."""


def load(path: Path = KEPT) -> list[Result]:
    """What is kept; nothing where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=list[Result]) if path.exists() else []


def keep(results: Iterable[Result], waited: Sequence[pauses.Paused]) -> None:
    """Add what a shard found, and make the page anew; shards may do so side by side."""
    with _alone(KEPT.parent):
        append(results)
        pauses.append(waited)
        write_page()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process that asks for the same folder is inside this block."""
    folder_fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(folder_fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder_fd)


def append(results: Iterable[Result], path: Path = KEPT) -> None:
    """Add to the file; a shard that was done again at the same commit and seed replaces itself."""
    new = list(results)
    again = {(one.row, one.what, one.seed, one.commit) for one in new}
    kept = [one for one in load(path) if (one.row, one.what, one.seed, one.commit) not in again]
    path.write_bytes(msgspec.json.format(msgspec.json.encode([*kept, *new]), indent=1) + b"\n")


def commit() -> str:
    """The commit that was tested, with a mark where the tree, but for these results, was not that commit."""
    commit = _git("rev-parse", "--short=8", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs/reliability*")
    return f"{commit}{'-dirty' if changed else ''}" if commit else "unknown"


def _git(*argv: str) -> str:
    done = subprocess.run(["git", *argv], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def page(results: Sequence[Result], waited: Sequence[pauses.Paused] = ()) -> str:
    """The page: the words with the tables in their places."""
    words = WORDS.read_text().replace(PAUSES, "\n".join(pauses.table(waited)))
    return words.replace(TABLE, "\n".join(_table(results)))


def _table(results: Sequence[Result]) -> Iterable[str]:
    yield "| row | what | asked for | trials | not met | points | broken | seconds | seeds | commits |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    by_row = {row: list(each) for row, each in groupby(sorted(results, key=_order), key=lambda one: one.row)}
    for name, row in EVERY:
        found = by_row.get(name, [])
        figure = f"{row.figure:,}" if row.figure else "all"
        points = len({point for one in found for point in one.points})
        counted = sum(one.counted for one in found)
        cells = [
            f"{sum(one.trials - one.unreached for one in found):,}",
            f"{sum(one.unreached for one in found):,}",
            f"{counted or points:,}",
            f"{sum(len(one.failures) for one in found):,}",
            f"{sum(one.seconds for one in found):,.0f}",
            ", ".join(sorted({str(one.seed) for one in found})) or "none yet",
            ", ".join(sorted({one.commit for one in found})),
        ]
        yield f"| {name} | {row.says} | {figure} | {' | '.join(cells)} |"


def _order(one: Result) -> int:
    return [name for name, _ in EVERY].index(one.row)


def write_page() -> None:
    """Make the page anew."""
    PAGE.write_text(page(load(), pauses.load()))


def main(argv: Sequence[str]) -> int:
    """Write the page, or with `--check` say whether it is current."""
    if "--check" not in argv:
        write_page()
        return 0
    if PAGE.exists() and PAGE.read_text() == page(load(), pauses.load()):
        return 0
    print("docs/reliability.md is stale; write it with: python -m tests.crash.results", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
