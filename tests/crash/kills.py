"""Faults of processes: killed, killed again, frozen, signalled, or cut off with a call on its way."""

from __future__ import annotations

import datetime as dt
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import dropwhile

from portability.model.estate import seconds
from tests.crash.faults import Cut, Refusal, refusal
from tests.crash.journeys import Journey
from tests.crash.points import Point, name_of
from tests.crash.reaching import Reached, at_the_point, killed_at_the_points, reaches
from tests.crash.scene import QUICK, TENANT, Scene
from tests.crash.stage import Broken, Faulting, Stage, Trial
from tests.support.wire import SIGNED

HELD_ELSEWHERE = 5
THAWS_WITHIN = 30.0  # seconds
PARKS_WITHIN = 5.0  # seconds from a signal
CUTS = (Cut.BEFORE, Cut.LOST, Cut.KEPT)

SHORT = 30
"""The points of a step in which every pair of kills is tried."""

GOES_ON = 3  # mutating calls by which a command that goes on is in its step again
AGAIN = range(1, SHORT + GOES_ON + 1)
"""Which call of the command that goes on is the second kill's, for every pair of a short step."""


def killing(*cuts: Cut) -> Faulting:
    """SIGKILL at the points, each in one of these ways; the same command again."""

    def go(stage: Stage, journey: Journey, trial: Trial) -> frozenset[Point]:
        return killed_at_the_points(stage, journey, trial, lambda point: trial.rng_at(point).choice(cuts))

    return go


def killing_twice(stage: Stage, journey: Journey, trial: Trial) -> frozenset[Point]:
    """SIGKILL at the points, and again at any mutating call of the command that goes on, rather at an early one."""
    met = stage.met[trial.journey]

    def calls(point: Point) -> int:
        verb = point.within.partition("/")[0]
        to_come = sum(each.within.partition("/")[0] == verb for each in dropwhile(lambda each: each != point, met))
        return max(1, min(to_come, int(trial.rng_at(point, "calls").expovariate(1 / 15))))

    return _killing_again(stage, journey, trial, calls)


def killing_again(calls: int) -> Faulting:
    """SIGKILL at the points, and again at that mutating call of the command that goes on."""
    return lambda stage, journey, trial: _killing_again(stage, journey, trial, lambda _: calls)


def _killing_again(stage: Stage, journey: Journey, trial: Trial, calls: Callable[[Point], int]) -> frozenset[Point]:
    """SIGKILL at each point, and again so many calls later; those whose two kills both took place.

    Between the two no other point stops anything: a pair is these two kills, one upon the other.
    """
    wire, only_once = stage.scene.wire, set[Point]()
    last: list[Point] = []

    def again(point: Point) -> None:
        last[:] = [point]
        wire.also_next(calls(point), trial.rng_at(point, "again").choice(CUTS))

    def ended() -> None:
        if wire.no_more():
            only_once.update(last)

    first = killed_at_the_points(
        stage, journey, trial, lambda point: trial.rng_at(point).choice(CUTS), killed=again, ended=ended
    )
    return first - only_once


def repeating(times: int) -> Faulting:
    """SIGKILL before the entry that says a step is done, so that the step is run anew; `times` in a row."""

    def go(stage: Stage, journey: Journey, trial: Trial) -> bool:
        def then(at: Reached) -> None:
            at.kill()
            for _ in range(times - 1):
                _killed_again(at, trial.point.name)
            at.go_on()

        return at_the_point(stage, journey, trial, Cut.BEFORE, then)

    return go


def _killed_again(at: Reached, name: str) -> None:
    with at.scene.wire.cutting_next(name, Cut.BEFORE):
        process = at.scene.start(*at.act.words(at.scene))
        if reaches(at.scene, process):
            at.scene.kill(process)


def holding(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """SIGKILL while the call is on its way; it arrives at a moment of the rest of its horizon."""
    lasts = seconds(QUICK["journal"]["horizon"]) * trial.rng.uniform(0.1, 0.9)

    def then(at: Reached) -> None:
        at.scene.kill(at.process)
        late = threading.Timer(lasts, at.scene.wire.release)
        late.start()
        at.let_go()
        at.go_on()
        late.join()

    return at_the_point(stage, journey, trial, Cut.HELD, then)


def freezing(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """SIGSTOP while the call is on its way, a rival takes over beyond the lease; then it thaws, and its call arrives.

    The thawed process has to end by itself, with nothing written under its old fence (I7). What it signed before, and
    sends now, AWS refuses: the freeze is longer than the campaign's far horizon.
    """
    rng = trial.rng

    def then(at: Reached) -> None:
        os.kill(at.process.pid, signal.SIGSTOP)
        stopped = dt.datetime.now(dt.UTC).strftime(SIGNED)
        scene, wire = at.scene, at.scene.wire
        late = threading.Timer(rng.uniform(0, seconds(QUICK["journal"]["lease"])), wire.release)
        late.start()
        at.let_go()
        with ExitStack() as thawed:
            try:
                at.go_on(HELD_ELSEWHERE, wait="30s")
                late.join()
                before = len(wire.accepted)
                thawed.enter_context(
                    wire.refusing(lambda call, _: refusal(call, Refusal.OUTDATED) if call.signed <= stopped else None)
                )
            finally:
                os.kill(at.process.pid, signal.SIGCONT)
            ran = scene.finish(at.process, THAWS_WITHIN)
        # Its guardian may ask for the fence that it knows of: the engine refuses that by its epoch.
        after = [name_of(call, wire.journal) for call in wire.accepted[before:]]
        if ran.exit in (0, at.act.code) or after:
            raise Broken(f"I7: a frozen process went on after its lease was lost: exit {ran.exit}, did {after[:9]}")

    return at_the_point(stage, journey, trial, Cut.HELD, then)


def signalling(signum: int, *, twice: bool = False) -> Faulting:
    """A signal at the point: parked and given back within seconds; or a second one, which ends it at once."""

    def then(at: Reached) -> None:
        began = time.monotonic()
        at.process.send_signal(signum)
        if twice:
            time.sleep(0.05)
            at.process.send_signal(signum)
        ran = at.scene.finish(at.process)
        took = time.monotonic() - began
        if took > PARKS_WITHIN:
            raise Broken(f"R16: {took:.1f} s from the signal to the end, more than {PARKS_WITHIN:g} s")
        if ran.exit not in (128 + signum, at.act.code, 0):
            raise Broken(f"R16: the signal {signum} ended it with {ran.exit}: {ran.stderr[-800:]}")
        at.let_go()
        if not twice:
            _is_given_back(at.scene)
            if ran.exit == 128 + signum:
                _is_parked(at.scene)
        at.go_on()

    return lambda stage, journey, trial: at_the_point(stage, journey, trial, Cut.NOTED, then)


def _is_parked(scene: Scene) -> None:
    run = scene.active(TENANT)
    state = scene.run("status", run, "-o", "json").expect(0).json["state"] if run else ""
    if state not in {"", "parked", "unwinding"}:
        raise Broken(f"R16: {run} is {state} after a signal, not parked")


def _is_given_back(scene: Scene) -> None:
    run = scene.active(TENANT)
    holder = scene.run("lock", "show", run, "-o", "json").expect(0).json["holder"] if run else None
    if holder is not None:
        raise Broken(f"R16: the lease of {run} was not given back")
