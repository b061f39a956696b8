"""Faults of clocks: a holder and a rival whose clocks are hours apart, the holder alive or frozen.

Requests are signed by the honest clock, as they have to be: AWS refuses others.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from portability.model.estate import seconds
from tests.crash.faults import Cut
from tests.crash.forge import Forked
from tests.crash.journeys import USAGE, Journey
from tests.crash.kills import HELD_ELSEWHERE, THAWS_WITHIN
from tests.crash.points import name_of
from tests.crash.reaching import Reached, at_the_point
from tests.crash.scene import COMMAND_WITHIN, QUICK, Scene
from tests.crash.shifted.sitecustomize import NAME
from tests.crash.stage import Broken, Faulting, Stage, Trial

OFF = {"an-hour": 3600.0, "a-day": 86400.0, "back-an-hour": -3600.0, "back-a-day": -86400.0}
RIVAL = "rival"


@contextmanager
def clock_off(scene: Scene, by: float) -> Iterator[None]:
    """Commands that are started inside the block have a clock that is off by so many seconds."""
    before = dict(scene.detour)
    scene.detour[NAME] = str(by)
    try:
        yield
    finally:
        scene.detour.clear()
        scene.detour.update(before)


def beside_a_live_one(off: float) -> Faulting:
    """A rival says the same while the holder goes on: it is refused, and the holder never notices."""

    def go(stage: Stage, journey: Journey, trial: Trial) -> bool:
        holders, rivals = _drawn(trial, off)

        def then(at: Reached) -> None:
            with clock_off(at.scene, rivals):
                rival = at.scene.finish(at.scene.start(*at.act.words(at.scene), by=RIVAL))
            held = at.scene.finish(at.process)
            at.let_go()
            if held.exit != at.act.code:
                raise Broken(f"R8: the live holder ended {held.exit}, the rival {rival.exit}: {held.stderr[-800:]}")
            if rival.exit not in (HELD_ELSEWHERE, at.act.code, USAGE):
                raise Broken(f"R8: the rival ended {rival.exit}: {rival.stderr[-800:]}")

        with clock_off(stage.scene, holders):
            return at_the_point(stage, journey, trial, Cut.NOTED, then)

    return go


def after_a_frozen_one(off: float) -> Faulting:
    """A rival waits for a holder that is frozen: it watches a whole lease, then goes on; what thaws does nothing."""

    def go(stage: Stage, journey: Journey, trial: Trial) -> bool:
        holders, rivals = _drawn(trial, off)

        def then(at: Reached) -> None:
            scene = at.scene
            os.kill(at.process.pid, signal.SIGSTOP)
            try:
                at.let_go()
                with clock_off(scene, rivals):
                    rival = scene.start(*at.act.words(scene), "--lock-timeout", "30s", by=RIVAL)
                    _watches_a_lease(scene, rival)
                    if scene.finish(rival).exit != at.act.code:
                        at.go_on(HELD_ELSEWHERE, wait="30s")
                before = len(scene.wire.calls)
            finally:
                os.kill(at.process.pid, signal.SIGCONT)
            ran = scene.finish(at.process, THAWS_WITHIN)
            after = [name_of(call, scene.wire.journal) for call in scene.wire.calls[before:] if call.mutating]
            if ran.exit in (0, at.act.code) or [name for name in after if not name.startswith("journal")]:
                raise Broken(
                    f"I7: a frozen process went on after its lease was lost: exit {ran.exit}, sent {after[:9]}"
                )

        with clock_off(stage.scene, holders):
            return at_the_point(stage, journey, trial, Cut.NOTED, then)

    return go


def _drawn(trial: Trial, off: float) -> tuple[float, float]:
    """The holder's clock and the rival's: one of them is off, or both, the other way."""
    return trial.rng.choice([(off, 0.0), (0.0, off), (off, -off)])


def _watches_a_lease(scene: Scene, rival: Forked) -> None:
    """Wait for the rival's first change: not before a whole lease, by the one clock that nobody sets."""
    began, lease = time.monotonic(), seconds(QUICK["journal"]["lease"])
    seen = 0
    while rival.poll() is None:
        calls = scene.wire.calls[seen:]
        seen += len(calls)
        sent = [name_of(call, scene.wire.journal) for call in calls if call.by == RIVAL and call.mutating]
        took = time.monotonic() - began
        if sent and took < lease:
            raise Broken(f"R8: a premature take-over: {sent[:3]} after {took:.1f} s of a lease of {lease:g} s")
        if sent:
            return
        if took > COMMAND_WITHIN:
            raise Broken(f"R8: nobody took over in {took:.0f} s")
        time.sleep(0.02)
