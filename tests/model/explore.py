"""Every reachable state of a model, breadth first, and the shortest way to the first that is wrong.

A model is a value with five functions of a state. States are hashable. Of states that `canonical` makes equal only one
is explored: a model that uses it says why they behave alike.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
STUCK = "from here no state can be reached in which the run has come to rest"


class Model(Protocol[S]):
    """What is explored."""

    def first(self) -> S:
        """The state it begins in."""

    def steps(self, state: S) -> Iterator[tuple[str, S]]:
        """What may happen next, each with its name, and the state after it."""

    def wrong(self, state: S) -> str | None:
        """What is wrong with a state; None for nothing."""

    def rests(self, state: S) -> bool:
        """Whether a run may be left like this for good. From every state such a one must be reachable."""

    def canonical(self, state: S) -> S:
        """The one state that stands for all that behave like this one."""


@dataclass(frozen=True)
class Counterexample:
    """What went wrong, and the shortest sequence of steps that leads there."""

    what: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([*(f"{number:3} {step}" for number, step in enumerate(self.trace, 1)), f"==> {self.what}"])


@dataclass(frozen=True)
class Explored:
    """How many states and steps there were until the end, or until the counterexample."""

    states: int
    steps: int
    counterexample: Counterexample | None


def explore(model: Model[S]) -> Explored:
    """Explore until a state is wrong, or all were seen; then look for states that lead to no rest."""
    first = model.canonical(model.first())
    number_of = {first: 0}
    states, came_from = [first], array("l", [-1])
    origins, goals = array("l"), array("l")
    for number, state in enumerate(states):  # the list grows while it is read: a queue that keeps what it served
        if model.wrong(state) is not None:
            return Explored(len(states), len(origins), _told(model, states, came_from, number))
        for _, after in model.steps(state):
            reached = model.canonical(after)
            known = number_of.get(reached)
            if known is None:
                known = number_of[reached] = len(states)
                states.append(reached)
                came_from.append(number)
            origins.append(number)
            goals.append(known)
    stuck = _stuck(model, states, origins, goals)
    found = None if stuck is None else _told(model, states, came_from, stuck)
    return Explored(len(states), len(origins), found)


def _told(model: Model[S], states: list[S], came_from: array[int], number: int) -> Counterexample:
    """The way to a state, walked anew from the start, so that no key changes its name half-way."""
    path = []
    while number > 0:
        path.append(states[number])
        number = came_from[number]
    state, names = model.first(), []
    for wanted in reversed(path):
        name, state = next((name, after) for name, after in model.steps(state) if model.canonical(after) == wanted)
        names.append(name)
    return Counterexample(model.wrong(state) or STUCK, tuple(names))


def _stuck(model: Model[S], states: list[S], origins: array[int], goals: array[int]) -> int | None:
    """The first state from which no resting state can be reached: walks the steps backwards from those that rest."""
    newest = array("l", [-1]) * len(states)  # of the steps into a state; `older` leads on to the others
    older = array("l", [-1]) * len(goals)
    for step, goal in enumerate(goals):
        older[step], newest[goal] = newest[goal], step
    hopeful = bytearray(len(states))
    waiting = [number for number, state in enumerate(states) if model.rests(state)]
    for number in waiting:
        hopeful[number] = 1
    while waiting:
        step = newest[waiting.pop()]
        while step >= 0:
            if not hopeful[origins[step]]:
                hopeful[origins[step]] = 1
                waiting.append(origins[step])
            step = older[step]
    return next((number for number, hope in enumerate(hopeful) if not hope), None)
