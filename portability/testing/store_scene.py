"""What a package says of its store: two sides with a tenant's items and neighbours', every request of it watched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from portability.journal.memory import MemoryTable
from portability.journal.table import Table
from portability.stores.base import Key, Move

Place = Literal["source", "target"]


class Wire(Protocol):
    """Where every mutating request of a store passes, to either side."""

    def __call__(self, keys: Sequence[Key], act: Callable[[], Any]) -> Any:  # noqa: ANN401 - the request's own answer
        """Send `act`, which writes or deletes `keys`, and answer what it answers.

        It may not send it, send it later, or raise `NoDefiniteAnswer` after it was sent; it may be the death of the
        process. What it raises must reach the store as if the service's client had raised it.
        """


class StoreScene(ABC):
    """One store of one tenant between two sides that are there and empty, except for the neighbours' items.

    An item is a number below 1,000 and a short text; how it is kept is the store's. The neighbours' ids begin like the
    tenant's. `move` sets the horizon (how late a write without an answer may land) to what `horizon` says by then.
    """

    horizon: float = 0.3
    items: int = 24  # how many a rule begins with
    patience: float = 15.0  # seconds within which a store in working order has done what a rule waits for
    most_kills: int = 40  # points at which a rule kills, at most

    @abstractmethod
    def move(self, wire: Wire) -> Move:
        """A new process's move; every call makes one over the same two sides."""

    @abstractmethod
    def write(self, place: Place, number: int, value: str | None) -> Key:
        """The application's own write to a side, acknowledged; None deletes. The item's key."""

    @abstractmethod
    def held(self, place: Place) -> dict[int, str]:
        """The tenant's items at a side now."""

    @abstractmethod
    def others(self, place: Place) -> object:
        """Everything at a side that is not the tenant's, comparable."""

    @abstractmethod
    def foreign_key(self) -> Key:
        """The key of a neighbour's item at the source."""

    def unwritable(self) -> Key | None:
        """Put an item at the source that the target cannot take; None where there is no such thing."""
        return None

    def without_target(self) -> bool:
        """Take the (empty) target side away, for the store to make; False where it makes none."""
        return False

    def journal(self) -> Table:
        """An empty journal's table: in memory unless said otherwise; called once a scene."""
        return MemoryTable()

    def close(self) -> None:  # noqa: B027 - most scenes leave nothing
        """The rule is over."""


StoreCase = Callable[[], StoreScene]
"""Makes a fresh scene."""
