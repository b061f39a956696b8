"""Getting a command to its fault point, and on from there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.faults import Cut
from tests.crash.forge import Forked
from tests.crash.journeys import Act, Journey
from tests.crash.points import Point
from tests.crash.scene import COMMAND_WITHIN, TENANT, Scene
from tests.crash.stage import Broken, Stage, Trial
from tests.support.world import Ran

PASSING = (3, 4, 5, 7, 8, 10)
"""Exit codes of a command that may be said again once what was in its way is gone."""

GO_ONS = 5
"""How often a command may be said again after a fault that only parks the run."""


def at_the_point(stage: Stage, journey: Journey, trial: Trial, cut: Cut, then: Then) -> bool:
    """Go the journey; where the point is reached `then` has the command's process. Whether it was."""
    scene, reached = stage.scene, False
    with contextlib.ExitStack() as armed:
        armed.enter_context(scene.wire.cutting({trial.point: cut}))
        for act in journey.acts:
            if reached:
                act.say(scene)
                continue
            process = scene.start(*act.words(scene))
            if reaches(scene, process):
                reached = True
                then(Reached(scene, act, process, armed.close))
            else:
                scene.finish(process).expect(act.code)
    return reached


def killed_at_the_points(
    stage: Stage,
    journey: Journey,
    trial: Trial,
    cut: Callable[[Point], Cut],
    *,
    killed: Callable[[Point], None] = lambda _: None,
    ended: Callable[[], None] = lambda: None,
) -> frozenset[Point]:
    """Go the journey, its process killed at each point it reaches, and the same command said again; those reached.

    `killed` hears of each before the command is said again, `ended` of every command that went to its end.
    """
    scene, reached = stage.scene, set[Point]()
    with scene.wire.cutting({point: cut(point) for point in trial.points}):
        for act in journey.acts:
            process, kills = scene.start(*act.words(scene)), 0
            while reaches(scene, process):
                scene.kill(process)
                point, kills = scene.wire.hit, kills + 1
                scene.wire.on()
                if point is not None:
                    reached.add(point)
                    killed(point)
                process = scene.start(*act.words(scene))
            ran = scene.finish(process)
            ended()
            if kills:
                is_done(scene, act, ran)
            else:
                ran.expect(act.code)
    return frozenset(reached)


def insisting(
    scene: Scene,
    journey: Journey,
    *,
    faults: Callable[[], int] = lambda: 0,
    spare: int = GO_ONS,
    until: Callable[[], None] = lambda: None,
    within: float = COMMAND_WITHIN,
) -> None:
    """Do each act, again where it parked or gave up: `spare` times, and as often as there were `faults` meanwhile.

    `until` waits until it is worth another try. A command that takes longer than `within` seconds counts as hanging.
    """
    for act in journey.acts:
        before, again = faults(), 0
        ran = scene.run(*act.words(scene), timeout=within)
        while ran.exit in PASSING and ran.exit != act.code and again < spare + faults() - before:
            until()
            ran, again = scene.run(*act.words(scene), timeout=within), again + 1
        if ran.exit != act.code or again:
            is_done(scene, act, ran)


def is_done(scene: Scene, act: Act, ran: Ran) -> None:
    """Raise `Broken` unless the run is where the command, which was said again, had to bring it."""
    state = scene.run("status", TENANT, "-o", "json").expect(0).json["state"]
    if state != act.state:
        raise Broken(f"{' '.join(act.argv)} again ended {ran.exit}, the run {state}: {ran.stderr[-1500:]}")


@dataclass(frozen=True)
class Reached:
    """A command at the point: what waits on the wire is dropped by `let_go`."""

    scene: Scene
    act: Act
    process: Forked
    let_go: Callable[[], None]

    def kill(self) -> None:
        self.scene.kill(self.process)
        self.let_go()

    def go_on(self, *codes: int, wait: str = "0s") -> None:
        """Say the command again, and again while it ends with one of `codes`, until its run is where it should be.

        `wait` is for how long it waits for a lease that somebody else holds.
        """
        scene, act = self.scene, self.act
        ran = scene.run(*act.words(scene), "--lock-timeout", wait)
        for _ in range(GO_ONS):
            if ran.exit not in codes or ran.exit == act.code:
                break
            ran = scene.run(*act.words(scene))
        is_done(scene, act, ran)


Then = Callable[[Reached], None]


def reaches(scene: Scene, process: Forked) -> bool:
    """Wait for the point or for the command's end; whether it was the point."""
    deadline = time.monotonic() + COMMAND_WITHIN
    while not scene.wire.reached.wait(0.02):
        if process.poll() is not None:
            return scene.wire.reached.is_set()
        if time.monotonic() > deadline:
            process.kill()
            raise Broken(f"neither at its end nor at the point after {COMMAND_WITHIN:g} s")
    return True
