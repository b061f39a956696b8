"""The rows of the campaign: which faults meet which points, and how many make the row's figure."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tests.crash import stale_writes, substeps, under_load
from tests.crash.catalog import REFUSED, SIGNALS
from tests.crash.clocks import OFF
from tests.crash.journeys import FAULTED
from tests.crash.points import Point
from tests.crash.stage import Trial

T = TypeVar("T")
Choosing = Callable[[Sequence[Point]], Iterable[Point]]


def every(points: Sequence[Point]) -> Iterable[Point]:
    """Every mutating call and every journal write."""
    return points


def sites(points: Sequence[Point]) -> Iterable[Point]:
    """Every call site once: the first call of each name."""
    return {point.name: point for point in reversed(points)}.values()


def begun(points: Sequence[Point]) -> Iterable[Point]:
    """The beginning of every step."""
    return [point for point in points if point.name.startswith("journal entry started ")]


def ended(points: Sequence[Point]) -> Iterable[Point]:
    """The end of every step and of every undo."""
    return [point for point in points if point.name.startswith(("journal entry done ", "journal entry undone "))]


def anywhere(_points: Sequence[Point]) -> Iterable[Point]:
    """Nowhere in particular."""
    return [Point("anywhere", 1)]


@dataclass(frozen=True)
class Row:
    """`figure` trials make the row; None is every point with every fault. `says` is the figure in words."""

    says: str
    faults: tuple[str, ...]
    at: Choosing = every
    figure: int | None = None
    journeys: tuple[str, ...] = FAULTED
    where: Mapping[str, Choosing] = field(default_factory=dict)  # faults with points of their own
    in_volleys: bool = False


UNDER_LOAD: Mapping[str, Choosing] = {
    "load-epoch": substeps.at("nothing", times=10),
    "load-directory_flag": substeps.at("nothing", times=10),
    "routers": substeps.at(*stale_writes.LAGS),
    "linger": substeps.at(*substeps.ALL),
    "guarded": substeps.at(*substeps.FENCED),
    "late-flip": substeps.at(under_load.FLIP_LATE, under_load.REPLY_LATE, under_load.REPLY_LOST),
    "late-write": substeps.at(*substeps.FENCED[2:], substeps.WATCHING, stale_writes.THE_END),
    "slow-write": substeps.at(substeps.RAISING),
    "cache-longer-epoch": substeps.at(substeps.STAMP, substeps.WAY_BACK),
    "cache-longer-directory_flag": substeps.at(substeps.WAY_BACK),
}
"""Where each fault of a cutover under load takes place: no call, but a sub-step, or a way of its own."""

ROWS: Mapping[str, Row] = {
    "R1": Row(
        "killed before, unheard and after every point, resumed",
        ("kill-before", "kill-lost", "kill-kept"),
        in_volleys=True,
    ),
    "R2": Row("killed again while it resumed", ("kill-twice",), figure=2000, in_volleys=True),
    "R3": Row("the reply lost at every point", ("lose",), in_volleys=True),
    "R4": Row(
        "every call site refused once and ten times, by class",
        tuple(f"{why}-{times}" for why in REFUSED for times in (1, 10)),
        at=sites,
        in_volleys=True,
    ),
    "R5": Row("every step and every undo run two and three times", ("repeat-1", "repeat-2"), at=ended),
    "R6": Row("denied from a call site on, then taken back or gone on with", ("fail",), at=sites),
    "R7": Row("held on the way, or frozen beyond the lease with a rival", ("hold", "freeze"), figure=200),
    "R8": Row(
        "clocks off by an hour or a day either way, and a rival: no premature take-over",
        tuple(f"clock-{name}-{how}" for how in ("live", "frozen") for name in OFF),
        at=begun,
    ),
    "R9": Row("two to eight operators at once", ("race",), at=anywhere, figure=1000),
    "R10": Row(
        "cutover under load: each sub-step waited in and killed in, late writes and flips, stale caches, two routers",
        tuple(UNDER_LOAD),
        journeys=("up", "down", "there-and-back"),
        where=UNDER_LOAD,
    ),
    "R11": Row("there, back and there again with writes on each side", ("wander",), anywhere, 500, ("twice",)),
    "R14": Row(
        "half of the calls throttled for a while, or all refused for longer than a lease: calls are bounded",
        ("throttle", "outage"),
        at=begun,
    ),
    "R15": Row("credentials expire in each step", ("expire",), at=begun),
    "R16": Row(
        "signals in each step, once and twice",
        tuple(f"signal-{signum.name}{twice}" for signum in SIGNALS for twice in ("", "-twice")),
        at=begun,
    ),
}


def trials(name: str, met: Mapping[str, Sequence[Point]], seed: int) -> list[Trial]:
    """A row's trials, a point each, in an order that the seed draws."""
    row, rng = ROWS[name], random.Random(f"{seed}/{name}")
    found = [
        Trial(name, journey, fault, (point,))
        for journey in row.journeys
        for fault in row.faults
        for point in sorted(row.where.get(fault, row.at)(met.get(journey, [])))
    ]
    if row.figure is not None:
        seeds = [rng.getrandbits(32) for _ in range(row.figure)]
        found = [
            Trial(name, one.journey, one.fault, one.points, each)
            for each, one in zip(seeds, rng.choices(found, k=len(seeds)), strict=True)
        ]
    rng.shuffle(found)
    return found


def share(found: Iterable[T], shard: tuple[int, int]) -> list[T]:
    """The trials of one shard: by name, so that shards which met slightly different points leave none out."""
    number, of = shard
    return [trial for trial in found if zlib.crc32(str(trial).encode()) % of == number - 1]


def volleys(found: Iterable[Trial]) -> list[Trial]:
    """The same faults in fewer journeys, where the row allows it: no two in one step of a journey.

    A step's points count from its beginning, and a fault is over when the step is done: it hides none in the next one.
    """
    made: list[Trial] = []
    joinable: dict[tuple[str, str, str], list[int]] = {}
    for trial in found:
        mates = joinable.setdefault((trial.row, trial.journey, trial.fault), [])
        room = [number for number in mates if trial.point.within not in {each.within for each in made[number].points}]
        if ROWS[trial.row].in_volleys and room:
            joined = made[room[0]]
            made[room[0]] = replace(joined, points=(*joined.points, trial.point))
        else:
            mates.append(len(made))
            made.append(trial)
    return made
