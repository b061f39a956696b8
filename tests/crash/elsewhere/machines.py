"""R19 and R23: the state machine in shares of examples, and three days that nobody attends, by their seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.crash.elsewhere.base import Around, Made, Trials
from tests.crash.elsewhere.estates import on_engines
from tests.machine.campaign import run
from tests.machine.on_tables import TableMachine
from tests.machine.unattended import HOURS, REPLACED, unattended

IN_MEMORY, EXAMPLES = 40, 500
ON_TABLES, EXAMPLES_ON_TABLES = 20, 15
"""Trials, and examples of one: 20,000 in memory and 300 on DynamoDB Local."""

THREE_DAYS = 40
"""Seeds."""


class Broken(AssertionError):
    """A counterexample, as a script of rules, or three days that were none."""


@dataclass(frozen=True)
class Machines:
    """The row of the state machine."""

    says: str = "commands, faults and crashes in any order by a state machine; points are examples"
    figure: int | None = IN_MEMORY + ON_TABLES

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        with on_engines(around):
            yield OfMachines()


@dataclass(frozen=True)
class OfMachines:
    """Trials by where the machine runs, and its seed."""

    def names(self, seed: int) -> Sequence[str]:
        return [f"memory/{seed + each}" for each in range(IN_MEMORY)] + [
            f"tables/{seed + each}" for each in range(ON_TABLES)
        ]

    def run(self, name: str) -> Made:
        where, _, seed = name.partition("/")
        examples = EXAMPLES if where == "memory" else EXAMPLES_ON_TABLES
        broken = (
            run(int(seed), examples)
            if where == "memory"
            else run(int(seed), examples, machine=TableMachine, rules=4, shrink=False)
        )
        if broken is not None:
            raise Broken(broken)
        return Made(counted=examples)


@dataclass(frozen=True)
class Unattended:
    """The row of the three days."""

    says: str = "three days of virtual time by `tick` alone, killed and replaced; points are runners"
    figure: int | None = THREE_DAYS

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        yield OfDays()


@dataclass(frozen=True)
class OfDays:
    """Trials by their seeds."""

    def names(self, seed: int) -> Sequence[str]:
        return [str(seed + each) for each in range(THREE_DAYS)]

    def run(self, name: str) -> Made:
        found = unattended(int(name))
        if found.runners < REPLACED or found.hours < HOURS:
            raise Broken(f"{found.runners} runners in {found.hours:.0f} h: it was not attended by as many, or as long")
        return Made(counted=found.runners)
