"""Operators who say the same thing at once, and those who change their mind."""

from __future__ import annotations

from tests.crash.journeys import USAGE, Journey
from tests.crash.kills import HELD_ELSEWHERE
from tests.crash.points import name_of
from tests.crash.stage import Broken, Stage, Trial


def racing(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """Two to eight operators say each command at once: one wins, the others end with 5 and change nothing."""
    scene, rng = stage.scene, trial.rng
    for act in journey.acts:
        names = [f"op{number}" for number in range(rng.randint(2, 8))]
        scene.wire.forget()
        racers = {name: scene.start(*act.words(scene), by=name) for name in names}
        ran = {name: scene.finish(racer) for name, racer in racers.items()}
        won = [name for name, one in ran.items() if one.exit == act.code and act.state in one.stdout]
        wrote = {
            name: [name_of(call, scene.journal_table) for call in scene.wire.calls if call.by == name and call.mutating]
            for name in names
        }
        for name in names:
            others = [sent for sent in wrote[name] if not sent.startswith("journal")]
            if ran[name].exit == HELD_ELSEWHERE and others:
                raise Broken(f"R9: a loser of {act.argv} sent {others[:5]}")
            if ran[name].exit not in (HELD_ELSEWHERE, act.code, USAGE):
                raise Broken(f"R9: a racer of {act.argv} ended {ran[name].exit}: {ran[name].stderr[-800:]}")
        working = [name for name in names if any(not sent.startswith("journal") for sent in wrote[name])]
        if not won or len(working) > 1:
            raise Broken(f"R9: of {names} {won} won and {working} changed something in {act.argv}")
    return True


def wandering(stage: Stage, journey: Journey, _trial: Trial) -> bool:
    """There and back with the application writing on each side, and nothing in the way."""
    for act in journey.acts:
        act.say(stage.scene)
        stage.scene.app.goes_on(within=20)
    return True
