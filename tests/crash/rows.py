"""The rows of the campaign: which faults meet which points, and how many make the row's figure."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tests.crash import stale_writes, substeps, under_load
from tests.crash.catalog import REFUSED, SIGNALS
from tests.crash.choosing import (
    Choosing,
    begun,
    commands,
    ended,
    every,
    leaving,
    long,
    of_a_migration,
    rounds,
    sites,
    turns,
)
from tests.crash.clocks import OFF
from tests.crash.journeys import FAULTED, JOURNEYS
from tests.crash.kills import AGAIN
from tests.crash.points import Point
from tests.crash.stage import Trial

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """`figure` trials make the row; None is every point with every fault. `says` is the figure in words.

    A point that several journeys from the same side meet is tried in one of them. Of a step's points `a_step` go in
    one journey, 0 where every trial has its own. What `fully` has is tried whole, beside the other faults.
    """

    says: str
    faults: tuple[str, ...]
    at: Choosing = every
    figure: int | None = None
    journeys: tuple[str, ...] = FAULTED
    where: Mapping[str, Choosing] = field(default_factory=dict)  # faults with points of their own
    there: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # faults with journeys of their own
    fully: Mapping[str, Choosing] = field(default_factory=dict)
    a_step: int = 0


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
    "R1": Row("killed before and after every point, resumed", ("kill-before", "kill-after"), a_step=1),
    "R2": Row(
        "killed again while it resumed: every pair of a short step, and a sample of the others",
        ("kill-twice",),
        at=long,
        figure=2000,
        fully={f"kill-again-{calls}": leaving(calls) for calls in AGAIN},
        a_step=8,
    ),
    "R3": Row("the reply lost at every point", ("lose",), a_step=12),
    "R4": Row(
        "every call site refused once and ten times, by class",
        tuple(f"{why}-{times}" for why in REFUSED for times in (1, 10)),
        at=sites,
        a_step=4,
    ),
    "R5": Row("every step and every undo run two and three times", ("repeat-1", "repeat-2"), at=ended),
    "R6": Row(
        "denied from a call site on, of a step or an undo, then gone on with, or taken back from there",
        ("fail",),
        at=sites,
        fully={"fail-back": of_a_migration},
        there={"fail-back": ("cancelled", "there-and-back")},
    ),
    "R7": Row("held on the way, or frozen beyond the lease with a rival", ("hold", "freeze"), figure=200),
    "R8": Row(
        "clocks off by an hour or a day either way, and a rival: no premature take-over",
        tuple(f"clock-{name}-{how}" for how in ("live", "frozen") for name in OFF),
        at=begun,
    ),
    "R9": Row(
        "two to eight operators at once, of one mind or of several",
        ("race", "scramble"),
        figure=1000,
        journeys=(*FAULTED, "twice"),
        where={"race": commands, "scramble": rounds},
        a_step=1,
    ),
    "R10": Row(
        "cutover under load: each sub-step waited in and killed in, late writes and flips, stale caches, two routers",
        tuple(UNDER_LOAD),
        journeys=("up", "down", "there-and-back"),
        where=UNDER_LOAD,
    ),
    "R11": Row(
        "there, back and there again with writes on each side",
        ("wander",),
        at=turns,
        figure=500,
        journeys=("wander", "wander-down"),
        a_step=1,
    ),
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
    where = {fault: row.where.get(fault, row.at) for fault in row.faults}
    found = list(_every(name, where, met))
    if row.figure is not None:
        seeds = [rng.getrandbits(32) for _ in range(row.figure)]
        drawn = rng.choices(found, k=len(seeds)) if found else []
        found = [replace(one, seed=each) for each, one in zip(seeds, drawn, strict=False)]
    elif not row.where:
        found = _once(found, seed)
    found += _shortest(_every(name, row.fully, met), met)
    rng.shuffle(found)
    return found


def _every(name: str, where: Mapping[str, Choosing], met: Mapping[str, Sequence[Point]]) -> Iterable[Trial]:
    row = ROWS[name]
    for journey in row.journeys:
        for fault, at in where.items():
            if journey in row.there.get(fault, row.journeys):
                yield from (Trial(name, journey, fault, (point,)) for point in sorted(at(met.get(journey, []))))


def _once(found: Iterable[Trial], seed: int) -> list[Trial]:
    """Each fault of a point in one journey: a command goes the same way there, whatever follows it."""
    alike: dict[tuple[str, str, Point], list[Trial]] = {}
    for trial in found:
        alike.setdefault((JOURNEYS[trial.journey].begins, trial.fault, trial.point), []).append(trial)
    return [random.Random(f"{seed}/{each[0].fault}/{each[0].point}").choice(each) for each in alike.values()]


def _shortest(found: Iterable[Trial], met: Mapping[str, Sequence[Point]]) -> list[Trial]:
    """`_once`, in the shortest journey there is: what is tried whole goes many in one."""
    alike: dict[tuple[str, str, Point], Trial] = {}
    for trial in sorted(found, key=lambda trial: len(met[trial.journey])):
        alike.setdefault((JOURNEYS[trial.journey].begins, trial.fault, trial.point), trial)
    return list(alike.values())


def share(found: Iterable[T], shard: tuple[int, int]) -> list[T]:
    """The trials of one shard: by name, so that shards which met slightly different points leave none out.

    What a row tries whole is shared out by its faults, each with all of its points: they go many in one journey.
    """
    number, of = shard
    return [trial for trial in found if zlib.crc32(_name(trial).encode()) % of == number - 1]


def _name(trial: object) -> str:
    """What names a trial whichever of the journeys that meet its point was drawn."""
    if not isinstance(trial, Trial):
        return str(trial)
    begins = JOURNEYS[trial.journey].begins
    if trial.fault in ROWS[trial.row].fully:
        return f"{trial.row}/{begins}/{trial.fault}"
    return str(replace(trial, journey=begins))


def volleys(found: Iterable[Trial], *, a_step: int | None = None) -> list[Trial]:
    """The same faults in fewer journeys, where the row allows it: in each of its steps no more than the row says.

    A step's points count from its beginning, and a fault is over when the step is done: it hides none in the next one.
    """
    made: list[Trial] = []
    joinable: dict[tuple[str, str, str], list[int]] = {}
    for trial in found:
        most = ROWS[trial.row].a_step if a_step is None else min(a_step, ROWS[trial.row].a_step)
        mates = joinable.setdefault((trial.row, trial.journey, trial.fault), [])
        room = next((number for number in mates if _has_room(made[number], trial.point, most)), None)
        if room is not None:
            made[room] = replace(made[room], points=(*made[room].points, trial.point))
        else:
            mates.append(len(made))
            made.append(trial)
    return made


def _has_room(volley: Trial, point: Point, most: int) -> bool:
    return point not in volley.points and sum(each.within == point.within for each in volley.points) < most
