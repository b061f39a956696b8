"""A cutover under load: nothing in its way, waiting in each sub-step, killed in each, or with its flip late."""

from __future__ import annotations

import time

from portability.model.estate import seconds
from portability.steps.directory import ABORTED, FLIPPED
from portability.steps.guardian.orders import MARGIN
from tests.crash import substeps
from tests.crash.crowd import (
    EPOCH,
    UNHURRIED,
    WITHIN,
    Kind,
    crowd,
    cutting_over,
    estate_with,
    go_on,
    limit,
    refuse_losses,
    timed,
    waits,
)
from tests.crash.invariants import entries
from tests.crash.journeys import PARKED, Journey
from tests.crash.scene import TENANT, Scene
from tests.crash.stage import Broken, Faulting, Stage, Trial
from tests.support.fenced import flips, stamp_of
from tests.support.world import wait_for

SHORT = {"fence": {"freeze_max": "5s", "drain": "1s", "attempts": 1}, **UNHURRIED}
"""A budget that a trial can let run out."""

ACTS_WITHIN = 5.0
"""Seconds from the end of a cutover's process, or of its budget, to its guardian's write."""

FLIP_LATE, REPLY_LATE, REPLY_LOST = "the flip is late", "its reply is late", "its reply is lost"


def loading(kind: Kind) -> Faulting:
    """Nothing in the way; four more writers, that cache their record for as long as this kind of fence lets them."""

    def go(stage: Stage, journey: Journey, trial: Trial) -> bool:
        scene = stage.scene
        more = crowd(scene, trial, kind, writers=4)
        with estate_with(scene, kind.estate), cutting_over(stage, journey) as act, more.writing():
            more.goes_on(within=WITHIN)
            with timed(stage, kind.name, more):
                ran = scene.run(*act.words(scene))
            if ran.exit != act.code:
                go_on(scene, act)
        refuse_losses(scene, more)
        return True

    return go


def lingering(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """The cutover waits in the sub-step until every writer has tried a write there, and a moment more."""
    scene = stage.scene
    with cutting_over(stage, journey) as act:
        since = scene.wire.held
        with substeps.waiting(scene, trial.point.name):
            process = scene.start(*act.words(scene))
            reached = waits(scene, process, since)
            if reached:
                scene.app.tries(within=WITHIN)
                time.sleep(trial.rng.uniform(0, 1))
        if scene.finish(process).exit != act.code:
            go_on(scene, act)
    return reached


def guarded(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """SIGKILL in the sub-step, and nobody goes on until the application writes again: its guardian saw to that."""
    scene, there = stage.scene, trial.point.name
    acts = FLIPPED if there == substeps.FLIPPED else ABORTED
    with cutting_over(stage, journey) as act:
        since = scene.wire.held
        with substeps.waiting(scene, there):
            process = scene.start(*act.words(scene))
            reached = waits(scene, process, since)
            if reached:
                with timed(stage, f"{EPOCH.name}, its runner killed", scene.app):
                    scene.kill(process)
                    stands(scene, acts, within=seconds(limit({})) + MARGIN)
            else:
                scene.finish(process).expect(act.code)
        if reached:
            run, before = scene.active(TENANT), len(lifted(scene))
            time.sleep(0.2)  # what was kept has reached the engine, after the guardian's own write
            stands(scene, acts, within=0)
            go_on(scene, act)
            if acts == ABORTED and lifted(scene, run)[before : before + 1] != ["guardian"]:
                raise Broken(f"R10: the guardian lifted the fence, and the journal says {lifted(scene, run)}")
    return reached


def late_flip(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """The budget runs out while the flip is on its way, or while its reply is, or after that was lost."""
    scene, how = stage.scene, trial.point.name
    late = scene.wire.hold(flips, late=True) if how == FLIP_LATE else scene.wire.mute(flips, late=how == REPLY_LATE)
    with estate_with(scene, SHORT), cutting_over(stage, journey) as act:
        since = scene.wire.held
        with late:
            process = scene.start(*act.words(scene))
            reached = waits(scene, process, since)
            if reached and how == FLIP_LATE:
                stands(scene, ABORTED, within=seconds(limit(SHORT)) + MARGIN + ACTS_WITHIN)
                scene.app.goes_on(within=ACTS_WITHIN)
            elif reached:
                time.sleep(seconds(limit(SHORT)) + MARGIN + trial.rng.uniform(0, 1))
                stands(scene, FLIPPED, within=0)
                scene.app.goes_on(within=ACTS_WITHIN)
        ran = scene.finish(process)
        wanted = PARKED if how == FLIP_LATE else act.code
        if reached and ran.exit != wanted:
            raise Broken(f"R10: {how}: exit {ran.exit}, wanted {wanted}: {ran.stderr[-800:]}")
        if reached and how == FLIP_LATE:
            stands(scene, ABORTED, within=0)
        if ran.exit != act.code:
            go_on(scene, act)
    return reached


def stands(scene: Scene, act: str, *, within: float) -> None:
    """Wait until the tenant's stamp says so, and that nothing is fenced. Raises `Broken`."""
    try:
        wait_for(lambda: stamp_of(scene, TENANT) == (act, False), within=within)
    except AssertionError as error:
        raise Broken(f"R10: the stamp is {stamp_of(scene, TENANT)} and should be {act}") from error


def lifted(scene: Scene, run: str = "") -> list[str]:
    """By whom each fence of the run was lifted."""
    found = entries(scene, run or scene.active(TENANT))
    return [entry["data"].get("by", "") for entry in found if entry["fact"] == "unfenced"]
