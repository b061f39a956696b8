"""Three days without anybody: a scheduler says `tick` on machines that come and go, and the tenant writes all along.

What the tenant was told is written stands on the side that serves at every moment, and at the end the run is completed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from portability.model.status import RunState, Status
from tests.machine.story import Story
from tests.machine.town import Shape, Town
from tests.machine.trouble import (
    HOSTS,
    Broken,
    Fine,
    Frozen,
    Kill,
    Lag,
    Park,
    Refuse,
    Replaced,
    Still,
    Trouble,
    Unguarded,
    Unheard,
)

HOURS = 72.0
REPLACED = 50
"""Runners, at least, of which none goes on where it was begun by memory."""

LONGEST_GAP = 26.0
"""Hours, once: longer than a stream keeps what nobody read."""

MOST = 400
"""Turns after which nothing more is to be hoped for."""


@dataclass(frozen=True)
class Outcome:
    """What became of three days."""

    runners: int
    killed: int
    hours: float  # from the flip to the end
    written: int
    refused: int


def unattended(seed: int) -> Outcome:
    """Let three days pass. Raises `AssertionError` for whatever broke."""
    rng = random.Random(f"unattended {seed}")
    town = Town(Shape(elsewhere=bool(seed % 2), items=6, busy=0.5, soak=f"{HOURS:g}h", seed=seed))
    story, killed, long_gap = Story(town), 0, rng.randrange(20, 35)
    for number in range(MOST):
        if number and not town.open():
            break
        verb = _verb(town)
        trouble = _trouble(rng, 12 if verb == "tick" and town.flips else 170)
        turn = story.say(verb, trouble, rng.choice(HOSTS))
        killed += turn.dead
        story.holds()
        gap = LONGEST_GAP * 3600 if number == long_gap else rng.uniform(60, 5400)
        for _ in range(rng.randrange(1, 8)):
            town.app()
        town.clock.sleep(gap)
    view = town.view()
    assert view.state is RunState.COMPLETED, f"nobody was there, and the run is {view.state}: {story.turns[-3:]}"
    assert town.flips == ["target"]
    assert not (left := town.left_behind()), left
    assert town.world.target.items == town.truth
    hours = (view.last_at - float(view.flipped["at"])) / 3600
    return Outcome(len(story.turns), killed, hours, town.writes, town.refused)


def _verb(town: Town) -> str:
    """What a scheduler says, that looks at nothing but the run's state."""
    if not town.open():
        return "migrate"
    view = town.view()
    soaked = view.state is RunState.SOAKING and view.step("soak").status is Status.DONE
    return "complete" if soaked or view.goal == "complete" else "tick"


def _trouble(rng: random.Random, moments: int) -> Trouble:
    at = rng.randrange(moments)
    when, guardian = rng.choice(("before", "after", "late")), rng.choice(("acts", "gone", "late"))
    kill = Kill(at, when, guardian, rng.randrange(12))
    refused = rng.choice(("Throttled", "Unavailable", "Unauthorised", "EndpointDown"))
    drawn: list[Trouble] = [
        Fine(),
        Fine(),
        *[kill] * 6,
        Refuse(at, refused, rng.choice((1, 3, 40))),
        Unheard(at, rng.choice(("now", "never", "late"))),
        Park(at, rng.choice((None, 15))),
        Lag(at, rng.choice((10, 400))),
        Replaced(at, missed=0),
        Still(at, rng.choice((1, 6, 50, 7200))),
        Frozen(at, "tick", breaks=rng.random() < 0.5),
        Broken(at),
        Unguarded(at),
    ]
    return rng.choice(drawn)
