"""The sub-steps of a cutover, in their order, and at which call of each it can be made to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from tests.crash.points import Point, name_of
from tests.crash.scene import Scene
from tests.support.fenced import Matches, after, drains, flips, probes, reads_back, stamps
from tests.support.wire import Call

STAMP, WAY_BACK, ANNOUNCED = "the stamp on its way", "the way back opens", "the fence announced"
RAISING, RAISED, PROBING, DRAINING = "the fence on its way", "the fence raised", "probing", "draining"
SETTLING, COMPARING, FLIPPING, FLIPPED = "settling", "comparing", "the flip on its way", "the flip done"
WATCHING, NEW_PLAN, WATCHED = "watching", "the usage plan on its way", "the tripwire over"


def _announces(scene: Scene) -> Matches:
    def matches(call: Call) -> bool:
        mine = call.operation == "TransactWriteItems" and scene.journal_table.encode() in call.body
        return mine and name_of(call, scene.journal_table).startswith("journal entry fenced")

    return matches


def _canary(call: Call) -> bool:
    return call.mutating and b"portability-canary" in call.body


def _reads_what_is_parked(call: Call) -> bool:
    return call.operation == "Query" and b"K#" in call.body


def _switches_plan(call: Call) -> bool:
    return call.mutating and call.service == "apigateway"


def _says_watched(call: Call) -> bool:
    return call.operation == "TransactWriteItems" and b"tripwire" in call.body


HELD: Mapping[str, Callable[[Scene], Matches]] = {
    STAMP: lambda _: stamps("stamped"),
    WAY_BACK: lambda _: _canary,
    ANNOUNCED: _announces,
    RAISING: lambda _: stamps("fenced"),
    PROBING: lambda _: after(stamps("fenced"), probes),
    DRAINING: lambda _: after(stamps("fenced"), drains),
    SETTLING: lambda _: after(stamps("fenced"), _reads_what_is_parked),
    COMPARING: lambda scene: after(stamps("fenced"), reads_back(scene)),
    FLIPPING: lambda _: flips,
    WATCHING: lambda _: after(flips, drains),
    NEW_PLAN: lambda _: after(flips, _switches_plan),
    WATCHED: lambda _: after(flips, _says_watched),
}
"""What is kept on its way, and arrives."""

MUTED: Mapping[str, Matches] = {RAISED: stamps("fenced"), FLIPPED: flips}
"""What took effect, and its answer is kept."""

FENCED = (RAISING, RAISED, PROBING, DRAINING, SETTLING, COMPARING, FLIPPING, FLIPPED)
"""Those in which the tenant waits, and the guardian is armed."""

ALL = (STAMP, WAY_BACK, ANNOUNCED, *FENCED, WATCHING, NEW_PLAN, WATCHED)


def waiting(scene: Scene, name: str) -> AbstractContextManager[None]:
    """Keep the sub-step's call, or its answer, until the block ends."""
    if name in MUTED:
        return scene.wire.mute(MUTED[name], late=True)
    return scene.wire.hold(HELD[name](scene), late=True)


def at(*names: str, times: int = 1) -> Callable[[Sequence[Point]], Iterable[Point]]:
    """These places of every journey that was learned, each so many times."""
    return lambda points: [Point(name, nth) for name in names for nth in range(1, times + 1)] if points else []
