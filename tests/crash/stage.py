"""One trial: a journey with a fault in it, gone on with by the same commands, and held to the invariants."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from tests.crash.invariants import Ended, broken, look, looking_changes_nothing, runs_of
from tests.crash.journeys import FAULTED, JOURNEYS, Journey
from tests.crash.points import Point
from tests.crash.scene import TENANT, Scene

AND = " & "
CUT_SHORT = frozenset({"fail-back"})
"""Faults after which a journey is over before it did all that a clean one does."""


class Broken(AssertionError):
    """What a trial found."""


@dataclass(frozen=True)
class Trial:
    """`journey` with `fault` at each of the points; `str` of it is what repeats it.

    `seed` decides what a point leaves open. Only a fault that `volleys` are made of has more than one point.
    """

    row: str
    journey: str
    fault: str
    points: tuple[Point, ...]
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.row}/{self.journey}/{self.fault}/{AND.join(map(str, self.points))}/{self.seed}"

    @property
    def point(self) -> Point:
        """Its only point."""
        (one,) = self.points
        return one

    @classmethod
    def parse(cls, text: str) -> Trial:
        """The trial that `str` made this text of. A point's name may hold slashes."""
        row, journey, fault, rest = text.split("/", 3)
        found, _, seed = rest.rpartition("/")
        return cls(row, journey, fault, tuple(map(Point.parse, found.split(AND))), int(seed))

    @property
    def rng(self) -> random.Random:
        return random.Random(str(self))

    def rng_at(self, point: Point, what: str = "") -> random.Random:
        """The same whichever other points the trial has; another one for every `what` there is to draw."""
        return random.Random(f"{self.seed}/{self.fault}/{point}/{what}")


@dataclass
class Stage:
    """A scene with what its clean journeys were like."""

    scene: Scene
    ended: dict[str, Ended] = field(default_factory=dict)
    met: dict[str, list[Point]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)  # calls of a clean journey
    pauses: dict[str, list[list[float]]] = field(default_factory=dict)  # milliseconds, by fence and cutover
    side: str = "lower"

    def learn(self, journeys: Iterable[str] = FAULTED) -> None:
        """Go through each journey with nothing in the way, and note its points and its end."""
        self.scene.wire.forget()
        self.scene.run("plan", TENANT, "--to", self.scene.upper, "-o", "json").expect(0)
        assert [*looking_changes_nothing(self.scene.wire.calls)] == [], "I8"
        for name in journeys:
            if name in self.ended:
                continue
            self.go_to(JOURNEYS[name].begins)
            self._learn(name)

    def _learn(self, name: str) -> None:
        since = runs_of(self.scene)
        self.scene.wire.forget()
        JOURNEYS[name].go(self.scene)
        self.met[name] = list(dict.fromkeys(self.scene.wire.counting.met))
        self.sent[name] = len(self.scene.wire.calls)
        self.side = JOURNEYS[name].ends
        with self.scene.app.paused():
            now = look(self.scene, since, None)
            found = broken(now)
        if found:
            raise Broken(f"a clean journey {name}: {found}")
        self.ended[name] = now.here

    def go_to(self, side: str) -> None:
        """Let the tenant be where a journey begins."""
        if self.side != side:
            name = "up" if side == "upper" else "down"
            if name in self.ended:
                JOURNEYS[name].go(self.scene)
                self.side = side
            else:
                self._learn(name)

    def hold(self, trial: Trial, fault: Faulting) -> frozenset[Point]:
        """Make a trial; which of its points were reached. Raises `Broken`."""
        journey = JOURNEYS[trial.journey]
        if trial.journey not in self.ended:
            self.go_to(journey.begins)
            self._learn(trial.journey)
        self.go_to(journey.begins)
        since = runs_of(self.scene)
        self.scene.wire.forget()
        reached = fault(self, journey, trial)
        self.side = journey.ends
        with self.scene.app.paused():
            now = look(self.scene, since, self.ended[trial.journey])
            found = broken(replace(now, whole=trial.fault not in CUT_SHORT))
        if found:
            raise Broken("\n".join(each[:600] for each in found[:8]))
        if isinstance(reached, bool):
            return frozenset(trial.points if reached else ())
        return reached


Faulting = Callable[[Stage, Journey, Trial], "bool | frozenset[Point]"]
"""Goes a journey with a fault, to its end; whether it took place, or at which of its points."""
