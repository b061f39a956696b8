"""Leave this release's journals for the releases after it.

    python -m tests.crash.elsewhere.record_journals

Once a release, and never again for it: what it wrote is what later ones have to read.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from portability import __version__, errors
from portability.engine.runner import Options
from portability.model.run import ENTRY_SCHEMA
from portability.model.status import Goal
from portability.steps.open_channel import OpenChannel
from tests.crash.elsewhere.moments import GOLDEN, Moment, step, taken
from tests.steps_data.run_world import Estate42, Killed, Process

ITEMS = 4
PASSING = (Killed, errors.PortabilityError)


@dataclass
class Recorder:
    """An estate whose every moment is kept."""

    estate: Estate42
    lines: list[dict[str, Any]] = field(default_factory=list)
    last: Moment = field(default_factory=dict)

    def turn(
        self,
        goal: Goal | None = None,
        options: Options | None = None,
        *,
        prepare: Callable[[Process], None] = lambda _process: None,
        **killed: Any,
    ) -> None:
        """One turn of the command, which may end in any way."""
        process = Process(self.estate, **killed)
        process.on_trap = lambda label: self.keep() if label == "after append" else None
        prepare(process)
        with contextlib.suppress(*PASSING):
            process.go(goal, options)
        self.keep()

    def keep(self) -> None:
        now = taken(self.estate)
        if now != self.last:
            self.lines.append(step(self.last, now))
            self.last = now


def completed(of: Recorder) -> None:
    of.turn()
    of.turn(Goal.COMPLETE)


def there_and_back(of: Recorder) -> None:
    """Reversed, flipped anew, reversed again, and taken back."""
    of.turn()
    of.turn(Goal.REVERSE)
    of.turn(Goal.CUTOVER)
    of.turn(Goal.REVERSE)
    of.turn(Goal.CANCEL)


def interrupted(of: Recorder) -> None:
    """Killed while it copies, parked before a cutover that was put off, killed inside its fence, and soaking."""
    of.turn(options=Options(postpone_cutover=True), kill_at=3, trap_from="copy-data")
    of.turn(options=Options(postpone_cutover=True))
    of.turn(Goal.CUTOVER, kill_at=60)
    of.turn()
    of.turn(options=Options(wait_soak=True))


def parked(of: Recorder) -> None:
    """Parked by a signal while it copies, by a failure, and by a gate inside the fence; gone on with each time."""

    def fail() -> None:
        raise errors.Unavailable("no stream", operation="dynamodb.DescribeTable", aws_code="InternalServerError")

    of.turn(prepare=lambda process: _once(process, "before page u0", lambda: process.stop.request(2)))
    of.turn(prepare=lambda process: _once(process, "before page u1", fail))
    of.turn(prepare=lambda process: _once(process, "before drain Order-forward", lambda: _lose_guardian(process)))
    of.turn()


def _once(process: Process, label: str, act: Callable[[], None]) -> None:
    """Do something the first time that the process is there."""
    before, done = process.on_trap, list[str]()

    def on_trap(at: str) -> None:
        before(at)
        if at == label and not done:
            done.append(at)
            act()

    process.on_trap = on_trap


def _lose_guardian(process: Process) -> None:
    process.guardians[-1].gone = True


def mismatched(of: Recorder) -> None:
    """Parked for a difference that somebody made, then gone on with."""

    def spoil(process: Process) -> None:
        process.move.tamper = lambda: of.estate.world.target.items.update({"order-0": 77, "order-1": 77})

    of.turn(prepare=spoil)
    of.turn()


def stuck(of: Recorder) -> None:
    """Taken back from the middle of the copy, an undo fails, and it is taken back again."""

    def refuse(*_: object) -> None:
        raise errors.StepFailed("not today", next=errors.AGAIN)

    of.turn(kill_at=3, trap_from="copy-data")
    undo = OpenChannel.undo
    OpenChannel.undo = refuse  # type: ignore[assignment, method-assign]
    try:
        of.turn(Goal.CANCEL)
    finally:
        OpenChannel.undo = undo  # type: ignore[method-assign]
    of.turn()


@dataclass(frozen=True)
class Journey:
    """What is done, and in what estate: `data` moves, and the directory is `elsewhere` than the journal."""

    go: Callable[[Recorder], None]
    data: bool = True
    elsewhere: bool = False


JOURNEYS: dict[str, Journey] = {
    "completed": Journey(completed),
    "there-and-back": Journey(there_and_back),
    "interrupted": Journey(interrupted),
    "parked": Journey(parked),
    "mismatched": Journey(mismatched),
    "stuck": Journey(stuck),
    "within-the-pool": Journey(completed, data=False),
    "directory-elsewhere": Journey(there_and_back, elsewhere=True),
}


def main() -> int:
    folder = GOLDEN / __version__
    if folder.exists():
        print(f"{folder} is there: a release's journals are written once", file=sys.stderr)
        return 1
    folder.mkdir(parents=True)
    for name, journey in JOURNEYS.items():
        of = Recorder(Estate42(items=ITEMS, data=journey.data, elsewhere=journey.elsewhere))
        journey.go(of)
        about = {"release": __version__, "schema": ENTRY_SCHEMA, "elsewhere": journey.elsewhere}
        lines = [json.dumps(each, sort_keys=True, separators=(",", ":")) for each in (about, *of.lines)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{name}: {len(of.lines)} moments")
    return 0


if __name__ == "__main__":
    sys.exit(main())
