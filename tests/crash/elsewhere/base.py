"""A row whose trials are no commands at recorded points: what it has to be, and what it is given.

Shards, samples, tallies, the table and the command that repeats a trial need nothing of a row but its trials' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class Around:
    """Endpoints that nobody uses meanwhile, and a folder of the row's own."""

    dynamodb: str
    moto: str
    folder: Path


@dataclass(frozen=True)
class Made:
    """A trial that found nothing wrong: the places it was at, by name, or how many where they have no names.

    `taken` is how many of the faults that it asked for took place.
    """

    points: frozenset[str] = frozenset()
    counted: int = 0
    taken: int = 1


class Trials(Protocol):
    """The trials of an open row."""

    def names(self, seed: int) -> Sequence[str]:
        """All of them, or as many as make the row's figure; `seed` draws what is drawn. A name says everything."""

    def run(self, name: str) -> Made:
        """Make one. Whatever it raises is what it found."""


class Elsewhere(Protocol):
    """A row. `says` is what it shows, `figure` how many trials make it; None is all there are."""

    @property
    def says(self) -> str: ...

    @property
    def figure(self) -> int | None: ...

    def opened(self, around: Around) -> AbstractContextManager[Trials]:
        """Its trials, until the block ends."""


class Named(NamedTuple):
    """One trial of such a row; `str` of it is what repeats it."""

    row: str
    name: str

    def __str__(self) -> str:
        return f"{self.row}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Named:
        """The trial that `str` made this text of."""
        row, _, name = text.partition("/")
        return cls(row, name)
