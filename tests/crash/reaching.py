"""Getting a command to its fault point, and on from there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.faults import Cut
from tests.crash.forge import Forked
from tests.crash.journeys import Act, Journey
from tests.crash.scene import COMMAND_WITHIN, TENANT, Scene
from tests.crash.stage import Broken, Stage, Trial

PASSING = (3, 4, 5, 7, 8, 10)
"""Exit codes of a command that may be said again once what was in its way is gone."""

GO_ONS = 5
"""How often a command may be said again after a fault that only parks the run."""


def at_the_point(stage: Stage, journey: Journey, trial: Trial, cut: Cut, then: Then) -> bool:
    """Go the journey; where the point is reached `then` has the command's process. Whether it was."""
    scene, reached = stage.scene, False
    with contextlib.ExitStack() as armed:
        armed.enter_context(scene.wire.cutting(trial.point, cut))
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
        state = scene.run("status", TENANT, "-o", "json").expect(0).json["state"]
        if state != act.state:
            raise Broken(f"{' '.join(act.argv)} again ended {ran.exit}, the run {state}: {ran.stderr[-1500:]}")


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
