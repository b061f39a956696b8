"""What a package says of its step: a world to run it in, and how every effect of it is watched."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from portability.aws.session import Aws
from portability.engine.stop import Stop, SystemClock
from portability.journal.memory import MemoryTable
from portability.journal.table import Table
from portability.model.plan import Plan
from portability.model.recipe import StepSpec
from portability.model.status import Goal
from portability.retry import Retry
from portability.steps.base import Clock, Step
from portability.stores.base import Move

Build = Callable[[StepSpec], Step]
"""Turns a declared step into a value with three verbs."""

Watch = Callable[[str], None]
"""To be called before every mutating call, with a word for it. What it raises must reach the caller: it may be the
death of the process, or a lost lease."""


class QuickClock(SystemClock):
    """The machine's clocks, on which nobody sleeps for more than 20 ms."""

    def __init__(self) -> None:
        super().__init__(Stop())

    def sleep(self, seconds: float) -> None:
        """Sleep, briefly."""
        time.sleep(min(seconds, 0.02))


@dataclass(frozen=True)
class Hands:
    """What one process works with; a new process gets new ones over the same world."""

    aws: Aws
    build: Build  # `portability.steps.catalog.build`, or the steps by hand where they take more than their options
    moves: Sequence[Move] = ()
    clock: Clock = field(default_factory=QuickClock)
    retry: Retry = field(
        default_factory=lambda: Retry(attempts=4, sleep=lambda _seconds: None, rng=random.Random(1))  # noqa: S311
    )


class StepScene(ABC):
    """One world with a step in it, in which nothing was done yet.

    `step` is the id of the step under test in `plan`. The steps before it are run too, for what they leave; only what
    happens inside the step itself is killed, counted and compared.
    """

    step: str
    goals: Sequence[Goal] = (Goal.MIGRATE,)  # what the run is asked for, the last so that the step runs
    undoable = True  # False: its `undo` must refuse
    every: int = 1  # a rule that kills does so at every point; at every third with 3, where a run takes long
    # kinds of Change that this step previews and another performs, or the other way round: a whole plan's are compared
    # with a whole run's by the engine's own tests
    elsewhere: frozenset[str] = frozenset()
    private: Sequence[str] = ()  # texts of this world that no journal may hold: addresses, values, secrets

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """The plan of the run."""

    @abstractmethod
    def hands(self, watch: Watch, *, read_only: bool) -> Hands:
        """A new process. Each mutating call of anything it works with calls `watch` first.

        With AWS only: `Aws(read_only=read_only, look=lambda: watch("aws"), …)`.
        """

    @abstractmethod
    def inventory(self) -> object:
        """Everything that the step could touch, as it is now: equal where, and only where, the world is the same.

        Leave out what no run can repeat, such as ids that a service draws.
        """

    def journal(self) -> Table:
        """An empty journal's table: in memory unless said otherwise; called once a scene."""
        return MemoryTable()


StepCase = Callable[[], StepScene]
"""Makes a fresh scene: equal to the last one made, and untouched by what was done there."""
