"""Which of a journey's points a fault meets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from tests.crash.journeys import TURNS
from tests.crash.kills import GOES_ON, SHORT
from tests.crash.points import Point
from tests.crash.races import ROUNDS

Choosing = Callable[[Sequence[Point]], Iterable[Point]]


def every(points: Sequence[Point]) -> Iterable[Point]:
    """Every mutating call and every journal write."""
    return points


def sites(points: Sequence[Point]) -> Iterable[Point]:
    """Every call site once: in each step the first call of each name."""
    return {(point.within, point.name): point for point in reversed(points)}.values()


def of_a_migration(points: Sequence[Point]) -> Iterable[Point]:
    """Every call site of the first command there."""
    return [point for point in sites(points) if point.within.startswith("migrate")]


def begun(points: Sequence[Point]) -> Iterable[Point]:
    """The beginning of every step and of every undo."""
    return [point for point in points if point.name.startswith(("journal entry started ", "journal entry undoing "))]


def ended(points: Sequence[Point]) -> Iterable[Point]:
    """The end of every step and of every undo."""
    return [point for point in points if point.name.startswith(("journal entry done ", "journal entry undone "))]


def long(points: Sequence[Point]) -> Iterable[Point]:
    """What is in steps with more than `SHORT` points."""
    size = Counter(point.within for point in points)
    return [point for point in points if size[point.within] > SHORT]


def leaving(calls: int) -> Choosing:
    """In each step of at most `SHORT` points those from which a command that goes on has that many `calls` to go."""

    def points_of(points: Sequence[Point]) -> Iterable[Point]:
        steps: dict[str, list[Point]] = {}
        for point in points:
            steps.setdefault(point.within, []).append(point)
        return [
            one
            for step in steps.values()
            if len(step) <= SHORT
            for one in step[: max(0, len(step) + GOES_ON - calls + 1)]
        ]

    return points_of


def commands(points: Sequence[Point]) -> Iterable[Point]:
    """Every command of a journey."""
    return [Point("operators", 1, verb) for verb in dict.fromkeys(point.within.partition("/")[0] for point in points)]


def rounds(_points: Sequence[Point]) -> Iterable[Point]:
    """Every round of a race that goes before a journey."""
    return [Point("operators", 1, f"round {number}") for number in range(1, ROUNDS + 1)]


def turns(_points: Sequence[Point]) -> Iterable[Point]:
    """Every way back of a wanderer, with the way there again."""
    return [Point("there again", 1, f"turn {number}") for number in range(1, TURNS + 1)]
