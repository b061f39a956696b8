"""Goes through trials on one scene after another: a scene in which something broke is not used again.

So is a row that is made elsewhere opened anew after a trial in which something broke.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.crash.catalog import FAULTS
from tests.crash.elsewhere.base import Around, Elsewhere, Made, Named, Trials
from tests.crash.elsewhere.listed import ELSEWHERE
from tests.crash.journeys import JOURNEYS
from tests.crash.own_engine import OwnEngine
from tests.crash.points import Point
from tests.crash.results import Result, commit
from tests.crash.rows import volleys
from tests.crash.scene import opened
from tests.crash.stage import Stage, Trial

Say = Callable[[str], None]

SCENE_LASTS = 1800.0
"""Seconds after which no trial begins in a scene with an engine of its own."""


@dataclass
class Tally:
    """What became of a row's trials. `points` are the places that were reached, `counted` those that have no name.

    A trial of several points counts as that many.
    """

    trials: int = 0
    unreached: int = 0
    counted: int = 0
    seconds: float = 0.0
    points: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    @property
    def told(self) -> int:
        """How many trials say something: their point was reached, or something broke before."""
        return self.trials - self.unreached


@dataclass
class Campaign:
    """`engine` and `moto` are endpoints that only this campaign uses; scenes are made in `folder`.

    With `own_engine` each scene has a DynamoDB Local of its own, and ends after a while: one without the index of
    `own_engine.py` gets slower with all that was ever written.
    """

    engine: str
    moto: str
    folder: Path
    seed: int
    say: Say
    again: bool = False  # whether what a volley did not meet is tried again, as long as that meets any of it
    own_engine: Callable[[], AbstractContextManager[OwnEngine]] | None = None
    shape: str = "reference"
    elsewhere: Mapping[str, Elsewhere] = field(default_factory=lambda: ELSEWHERE)
    tallies: dict[str, Tally] = field(default_factory=dict)
    met: dict[str, list[Point]] = field(default_factory=dict)
    pauses: dict[str, list[list[float]]] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)
    _stage: Stage | None = None
    _row: tuple[str, Trials] | None = None
    _scenes: int = 0
    _ends: float = 0.0

    def stage(self) -> Stage:
        """The scene in use, or a new one."""
        if self._stage is None:
            self.close()
            self._scenes += 1
            folder = self.folder / f"scene-{self._scenes}"
            folder.mkdir()
            own = self._open.enter_context(self.own_engine()) if self.own_engine else OwnEngine(self.engine)
            scene = self._open.enter_context(
                opened(self.shape, folder, dynamodb=own.endpoint, moto=self.moto, seed=self.seed, seeded=own.seeded)
            )
            self._stage = Stage(scene, met=self.met, pauses=self.pauses)
            self._ends = time.monotonic() + SCENE_LASTS if self.own_engine else float("inf")
        return self._stage

    def close(self) -> None:
        """Let the scene go, or the row."""
        self._stage, self._row = None, None
        self._open.close()

    def learn(self, journeys: Iterable[str]) -> Mapping[str, Sequence[Point]]:
        """The points of the journeys, recorded where nothing is in the way."""
        self.stage().learn(journeys)
        return self.met

    def go(self, trials: Iterable[Trial], *, until: float = float("inf")) -> int:
        """Hold every trial; how many were left out for the want of time."""
        left, missed = list(trials), list[Trial]()
        asked, a_step = _faults(left), None
        while left and time.monotonic() < until:
            stage = self.stage()
            fine, more = self._hold(stage, left.pop(_next(left, stage)))
            missed += more
            if not fine or time.monotonic() > self._ends:
                self.close()
            if not left and (len(missed) < asked or a_step is None):
                a_step = None if len(missed) < asked else 1  # what does not come behind its like may come alone
                left, asked, missed = volleys(missed, a_step=a_step), len(missed), []
        for trial in missed if not left else ():
            self._tally_unreached(trial)
        return _faults(left) + (len(missed) if left else 0)

    def told(self, row: str) -> int:
        """How many trials of a row say something so far."""
        return self.tallies[row].told if row in self.tallies else 0

    def trials_of(self, row: str) -> Trials:
        """The trials of a row that is made elsewhere; no scene and no other row is open beside it."""
        if self._row is None or self._row[0] != row:
            self.close()
            self._scenes += 1
            folder = self.folder / f"elsewhere-{self._scenes}"
            folder.mkdir()
            around = Around(self.engine, self.moto, folder)
            self._row = row, self._open.enter_context(self.elsewhere[row].opened(around))
        return self._row[1]

    def go_elsewhere(self, trials: Iterable[Named], *, until: float = float("inf")) -> int:
        """Make every trial of rows that need no scene; how many were left out for the want of time."""
        left = list(trials)
        while left and time.monotonic() < until:
            if not self._make(left.pop(0)):
                self.close()
        return len(left)

    def _hold(self, stage: Stage, trial: Trial) -> tuple[bool, list[Trial]]:
        """Whether nothing broke, and what is to be tried again: points that were not reached behind others."""
        reached: frozenset[Point] = frozenset()

        def hold() -> Made:
            nonlocal reached
            reached = stage.hold(trial, FAULTS[trial.fault])
            return Made(frozenset(f"{trial.journey}/{point}" for point in reached), taken=len(reached))

        fine = self._tell(trial, hold, asked=len(trial.points))
        if not fine or not self.again or len(trial.points) == 1:
            return fine, []
        missed = [replace(trial, points=(point,)) for point in trial.points if point not in reached]
        tally = self.tallies[trial.row]
        tally.trials, tally.unreached = tally.trials - len(missed), tally.unreached - len(missed)
        return True, missed

    def _tally_unreached(self, trial: Trial) -> None:
        """It was tried behind others, and is given up."""
        tally = self.tallies[trial.row]
        tally.trials, tally.unreached = tally.trials + 1, tally.unreached + 1

    def _make(self, one: Named) -> bool:
        return self._tell(one, lambda: self.trials_of(one.row).run(one.name), asked=1)

    def _tell(self, trial: Trial | Named, make: Callable[[], Made], *, asked: int) -> bool:
        """Make a trial and tally how many of the faults `asked` for took place; whether nothing broke."""
        tally = self.tallies.setdefault(trial.row, Tally())
        began, failure = time.monotonic(), ""
        made = Made(taken=0)
        try:
            made = make()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a trial is what it is for
            failure = f"{type(error).__name__}: {error}"
        took = time.monotonic() - began
        tally.trials += asked
        tally.seconds += took
        tally.points |= made.points
        tally.counted += made.counted
        left = asked - made.taken
        tally.unreached += 0 if failure else left
        word = "BROKEN" if failure else f"{left} not reached" if left else "ok"
        self.say(f"{word} {took:5.1f} s  {trial}")
        if failure:
            tally.failures.append(f"{trial}: {failure}")
            self.say(f"{failure}\n  again: {replay(trial, self.seed)}")
        return not failure


def replay(trial: Trial | Named, seed: int) -> str:
    """The command that makes a trial once more; the seed is that of the scene."""
    return f"make crash TRIAL='{trial}' SEED={seed}"


def _faults(trials: Iterable[Trial]) -> int:
    return sum(len(trial.points) for trial in trials)


def _next(left: list[Trial], stage: Stage) -> int:
    """The next trial of a journey that was learnt and begins where the tenant is: it saves learning, and the way."""
    here = [number for number, trial in enumerate(left) if JOURNEYS[trial.journey].begins == stage.side]
    learnt = (number for number in here if left[number].journey in stage.ended)
    return next(learnt, here[0] if here else 0)


def outcome(tallies: Mapping[str, Tally], *, what: str, seed: int) -> list[Result]:
    """The tallies as the table keeps them."""
    return [
        Result(
            row=row,
            what=what,
            trials=tally.trials,
            unreached=tally.unreached,
            points=sorted(tally.points),
            counted=tally.counted,
            failures=tally.failures,
            seconds=round(tally.seconds, 1),
            seed=seed,
            commit=commit(),
        )
        for row, tally in tallies.items()
    ]
