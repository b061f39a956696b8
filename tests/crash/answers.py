"""Faults of answers: lost, refused, throttled, expired."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.crash.faults import Cut, Refusal, refusal
from tests.crash.forge import Forked
from tests.crash.journeys import USAGE, Act, Journey
from tests.crash.points import Point
from tests.crash.reaching import PASSING, Reached, insisting, is_done
from tests.crash.scene import COMMAND_WITHIN, TENANT, Scene
from tests.crash.stage import Broken, Faulting, Stage, Trial
from tests.support.wire import Call, Reply

UNAUTHORISED = 4
BACKING_OFF = 2.0  # seconds before a call is sent again, on average
SAID_AGAIN = 60  # calls by which a command that is said again finds where it was


def losing(stage: Stage, journey: Journey, trial: Trial) -> frozenset[Point]:
    """The calls take effect and their answers are lost; the process lives, or its command is said again."""
    scene, lost = stage.scene, set(trial.points)
    with scene.wire.cutting(dict.fromkeys(trial.points, Cut.MUTED)):
        insisting(scene, journey, faults=lambda: len(lost & scene.wire.hits), spare=0)
    return frozenset(lost & scene.wire.hits)


def refusing(why: Refusal, times: int) -> Faulting:
    """Each call, and those of its name after it, are refused, `times` times in all."""

    def go(stage: Stage, journey: Journey, trial: Trial) -> frozenset[Point]:
        met: set[Point] = set()
        left: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        lock = threading.Lock()

        def answering(call: Call, point: Point | None) -> Reply | None:
            if point is None:
                return None
            with lock:
                if point in trial.points and point not in met:
                    met.add(point)
                    left[point.name] += times
                hit = left[point.name] > 0
                left[point.name] -= hit
                refused[point.name] += hit
            return refusal(call, why) if hit else None

        with stage.scene.wire.refusing(answering):
            patience = COMMAND_WITHIN + BACKING_OFF * times * len(trial.points)
            insisting(stage.scene, journey, faults=refused.total, within=patience)
        return frozenset(met)

    return go


def failing(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """Every call from the point on is denied until the process ends; then it is gone on with."""
    scene = stage.scene
    denied = _Denied(trial.point, Refusal.DENIED, reads=False)
    for number, act in enumerate(journey.acts):
        with scene.wire.refusing(denied):
            ran = scene.run(*act.words(scene))
        if not denied.began:
            ran.expect(act.code)
            continue
        denied.over = True
        _go_on_with(scene, act)
        for later in journey.acts[number + 1 :]:
            later.say(scene)
        break
    return denied.began


def failing_and_taken_back(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """Every call from the point on is denied until the process ends; then the run is taken back from where it failed.

    The journey is one that is taken back in the end. Where no run was begun, or its flip came to pass, it goes on.
    """
    scene = stage.scene
    denied = _Denied(trial.point, Refusal.DENIED, reads=False)
    first, *_, last = journey.acts
    with scene.wire.refusing(denied):
        ran = scene.run(*first.words(scene))
    if not denied.began:
        ran.expect(first.code)
        for later in journey.acts[1:]:
            later.say(scene)
        return False
    denied.over = True
    if ran.exit == first.code or not scene.active(TENANT) or scene.run(*last.words(scene)).exit == USAGE:
        _go_on_with(scene, first)
        for later in journey.acts[1:]:
            later.say(scene)
    is_done(scene, last, ran)
    return True


def expiring(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """Credentials expire at the point: every call is refused until the process ends, with exit 4."""
    scene = stage.scene
    expired = _Denied(trial.point, Refusal.EXPIRED, reads=True)
    for act in journey.acts:
        if expired.over:
            act.say(scene)
            continue
        with scene.wire.refusing(expired):
            ran = scene.run(*act.words(scene))
        if not expired.began:
            ran.expect(act.code)
            continue
        expired.over = True
        if ran.exit != UNAUTHORISED:
            raise Broken(f"R15: expired credentials ended it with {ran.exit}: {ran.stderr[-800:]}")
        _go_on_with(scene, act)
    return expired.began


@dataclass
class _Denied:
    """Refuses every call of the commands from a point on."""

    point: Point
    why: Refusal
    reads: bool
    began: bool = False
    over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: Call, point: Point | None) -> Reply | None:
        with self.lock:
            self.began = self.began or point == self.point
            hit = self.began and not self.over and (self.reads or call.mutating)
        return refusal(call, self.why) if hit else None


def for_a_while(why: Refusal, *, share: float, seconds: float) -> Faulting:
    """From the point on that `share` of the calls is refused; no more calls than a clean journey and a half.

    A command that gave up is said again when it is over.
    """

    def go(stage: Stage, journey: Journey, trial: Trial) -> bool:
        rng, lock = trial.rng, threading.Lock()
        since: list[float] = []

        def lasts() -> float:
            return since[0] + seconds - time.monotonic() if since else 0.0

        def answering(call: Call, point: Point | None) -> Reply | None:
            with lock:
                if not since and point == trial.point:
                    since.append(time.monotonic())
                hit = lasts() > 0 and rng.random() < share
            return refusal(call, why) if hit else None

        with stage.scene.wire.refusing(answering):
            insisting(stage.scene, journey, until=lambda: time.sleep(max(0.0, lasts())))
        calls, clean = len(stage.scene.wire.calls), stage.sent.get(trial.journey, 0)
        if clean and calls > 1.5 * clean + SAID_AGAIN:
            raise Broken(f"R14: {calls} calls, a clean journey has {clean}")
        return bool(since)

    return go


def _go_on_with(scene: Scene, act: Act) -> None:
    Reached(scene, act, Forked(scene.folder / "none"), lambda: None).go_on(*PASSING)
