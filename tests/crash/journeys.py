"""What operators do in a campaign: a journey is a few commands, and each may be said again until it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.crash.scene import TENANT, Scene
from tests.support.world import Ran

PARKED, USAGE = 7, 64

TURNS = 5
"""How often a wanderer goes back, and there again."""


@dataclass(frozen=True)
class Act:
    """One command. `state` is what its run is in once it is done, `code` how it ends."""

    argv: tuple[str, ...]
    state: str
    code: int = 0

    def words(self, scene: Scene) -> tuple[str, ...]:
        """The command line."""
        names = {"{upper}": scene.upper, "{lower}": scene.lower}
        return (*(names.get(word, word) for word in self.argv), "-o", "json")

    def say(self, scene: Scene) -> Ran:
        """Say it; said again where it was done before, it may be refused as done."""
        ran = scene.run(*self.words(scene))
        if ran.exit == USAGE and scene.run("status", TENANT, "-o", "json").expect(0).json["state"] == self.state:
            return ran
        return ran.expect(self.code)


@dataclass(frozen=True)
class Journey:
    """From one side to the other, or back to where it began. `ends` is the tier's side that serves in the end."""

    acts: tuple[Act, ...]
    begins: str = "lower"
    ends: str = "lower"

    def go(self, scene: Scene) -> None:
        """The whole of it, with nothing in the way."""
        for act in self.acts:
            act.say(scene)


def _migrate(to: str, *more: str, state: str = "soaking", code: int = 0) -> Act:
    return Act(("migrate", TENANT, "--to", f"{{{to}}}", "--yes", *more), state, code)


_COMPLETE = Act(("complete", TENANT, "--confirm", TENANT), "completed")
_REVERSE = Act(("reverse", TENANT, "--yes"), "reversed")
_CUTOVER = Act(("run", "cutover", TENANT), "soaking")
_CANCEL = Act(("cancel", TENANT, "--yes"), "unwound")

JOURNEYS: Mapping[str, Journey] = {
    "up": Journey((_migrate("upper"), _COMPLETE), ends="upper"),
    "down": Journey((_migrate("lower"), _COMPLETE), begins="upper"),
    "there-and-back": Journey((_migrate("upper"), _REVERSE, _CANCEL)),
    "cancelled": Journey((_migrate("upper", "--until", "verify", state="parked", code=PARKED), _CANCEL)),
    "twice": Journey((_migrate("upper"), _REVERSE, _CUTOVER, _COMPLETE), ends="upper"),
    "wander": Journey((_migrate("upper"), *(_REVERSE, _CUTOVER) * TURNS, _COMPLETE), ends="upper"),
    "wander-down": Journey((_migrate("lower"), *(_REVERSE, _CUTOVER) * TURNS, _COMPLETE), begins="upper"),
}
FAULTED = ("up", "down", "there-and-back", "cancelled")
"""The journeys whose every call is a fault point; the others go through the same calls in another order."""
