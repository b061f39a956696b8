"""Operators who say the same thing at once, who want different things, and those who change their mind."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import groupby

from tests.crash.journeys import JOURNEYS, PARKED, USAGE, Act, Journey
from tests.crash.kills import HELD_ELSEWHERE
from tests.crash.points import Point, name_of
from tests.crash.scene import TENANT, Scene
from tests.crash.stage import Broken, Stage, Trial
from tests.support.world import Ran

ROUNDS = 4
"""Races of operators of several minds that go before one journey."""

MOST = 8  # operators
REFUSED = (HELD_ELSEWHERE, USAGE)


def racing(stage: Stage, journey: Journey, trial: Trial) -> frozenset[Point]:
    """Two to eight operators say a command at once: one wins, the others end with 5 and change nothing."""
    raced = set[Point]()
    for act in journey.acts:
        point = next((each for each in trial.points if each.within == act.argv[0]), None)
        if point is None:
            act.say(stage.scene)
            continue
        _race(stage.scene, act, operators=trial.rng_at(point).randint(2, MOST))
        raced.add(point)
    return frozenset(raced)


def _race(scene: Scene, act: Act, *, operators: int) -> None:
    ran, effects = _at_once(scene, [act] * operators)
    won = [name for name, one in ran.items() if one.exit == act.code and act.state in one.stdout]
    _expect(ran, effects, act.code)
    working = {by for by, _ in effects}
    if not won or len(working) > 1:
        raise Broken(f"R9: of {operators} {won} won and {sorted(working)} changed something in {act.argv}")


def scrambling(stage: Stage, journey: Journey, trial: Trial) -> frozenset[Point]:
    """Two to eight operators want different things at once, a few times over; then one takes back what is left.

    Whoever is refused changes nothing, no two work at a time, and a journey from there goes as ever.
    """
    scene = stage.scene
    for point in trial.points:
        _scramble(scene, _wishes(journey), trial.rng_at(point))
    _take_back(scene)
    scene.wire.forget()
    journey.go(scene)
    return frozenset(trial.points)


def _wishes(journey: Journey) -> Sequence[Act]:
    """What operators may want of a tenant until its old copy is deleted."""
    acts = [act for one in JOURNEYS.values() if one.begins == journey.begins for act in one.acts]
    acts += [act for one in JOURNEYS.values() for act in one.acts if act.argv[0] not in ("migrate", "complete")]
    return [*dict.fromkeys(act for act in acts if act.argv[0] != "complete"), Act(("resume", TENANT), "")]


def _scramble(scene: Scene, wishes: Sequence[Act], rng: random.Random) -> None:
    ran, effects = _at_once(scene, rng.choices(wishes, k=rng.randint(2, MOST)))
    _expect(ran, effects, 0, PARKED)
    turns = [by for by, _ in groupby(by for by, _ in effects)]
    if len(turns) > len(set(turns)):
        raise Broken(f"R9: operators worked at the same time: {turns[:9]}")


def _expect(ran: Mapping[str, Ran], effects: Sequence[tuple[str, str]], *codes: int) -> None:
    """Raise `Broken` unless each ended with one of these, or was refused and changed nothing."""
    for name, one in ran.items():
        if one.exit not in (*codes, *REFUSED):
            raise Broken(f"R9: {name} ended {one.exit}: {one.stderr[-800:]}")
        did = [sent for by, sent in effects if by == name]
        if one.exit in REFUSED and did:
            raise Broken(f"R9: {name} was refused with {one.exit} and sent {did[:5]}")


def _take_back(scene: Scene) -> None:
    """Bring the tenant back to where it began, and end its run."""
    for verb in ("reverse", "cancel"):
        run = scene.active(TENANT)
        state = scene.run("status", run, "-o", "json").expect(0).json["state"] if run else ""
        if run and (verb == "cancel" or state == "soaking"):
            scene.run(verb, TENANT, "--yes").expect(0)


def _at_once(scene: Scene, acts: Sequence[Act]) -> tuple[Mapping[str, Ran], Sequence[tuple[str, str]]]:
    """Say them all at once, each by an operator of its own; how each ended, and what they changed."""
    scene.wire.forget()
    racers = [f"op{number}-{act.argv[0]}" for number, act in enumerate(acts)]
    started = [scene.start(*act.words(scene), by=by) for by, act in zip(racers, acts, strict=True)]
    ran = {by: scene.finish(process) for by, process in zip(racers, started, strict=True)}
    return ran, _effects(scene)


def _effects(scene: Scene) -> list[tuple[str, str]]:
    """Who sent what that changes anything beside the journal, and whose entries it took, in the order of arrival."""
    taken = {id(call) for call in scene.wire.accepted}
    sent = [(call, name_of(call, scene.journal_table)) for call in scene.wire.calls if call.mutating]
    return [
        (call.by, name)
        for call, name in sent
        if not name.startswith("journal") or (name.startswith("journal entry") and id(call) in taken)
    ]


def wandering(stage: Stage, journey: Journey, trial: Trial) -> frozenset[Point]:
    """There and back and there again with the application writing on each side, and nothing in the way."""
    for act in journey.acts:
        act.say(stage.scene)
        stage.scene.app.goes_on(within=20)
    return frozenset(trial.points)
