"""A tenant's move from one shelf to another: a store as `portability.stores.base.Move` wants it, and no more."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from portability import errors
from portability.model.change import Change, Finding, Sign
from portability.model.run import Cursor
from portability.stores.base import (
    Channel,
    Compared,
    Copied,
    Difference,
    Estimate,
    Flow,
    Horizon,
    Key,
    Ledger,
    Move,
    Synced,
)
from portability.stores.catalog import Opening
from portability.stores.throttle import Throttle

from .channel import ShelfChannel
from .items import UNITS, hash_of, key_of, number_of, unit_of
from .shelf import Shelf

PAGE, LONGEST = 4, 100
"""Items a page; the longest value that a shelf takes from another."""

Send = Callable[[Sequence[Key], Callable[[], Any]], Any]


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds for measuring."""


def at_once(_keys: Sequence[Key], act: Callable[[], Any]) -> Any:
    """Send a request."""
    return act()


def open_shelf(opening: Opening) -> Move:
    """The entry point. `options`: `folder` of the shelves, and `horizon`, seconds a write may take to land."""
    folder, sides = Path(opening.spec.options["folder"]), (opening.move.source, opening.move.target)
    source, target = (Shelf(folder / f"{side.table}.db") for side in sides)
    return ShelfMove(
        opening.move.store, opening.tenant, source, target, opening.clock, float(opening.spec.options["horizon"])
    )


@dataclass
class ShelfMove:
    """Thread-safe: requests to a side go one at a time, reads and writes of a sync together."""

    store: str
    tenant: str
    source: Shelf
    target: Shelf
    clock: Clock
    horizon: float
    send: Send = at_once
    doubts: dict[Flow, list[ShelfChannel]] = field(default_factory=lambda: {flow: [] for flow in Flow})
    refused: dict[int, str] = field(default_factory=dict)  # items that a side does not take, and why
    lock: threading.RLock = field(default_factory=threading.RLock)

    def ends(self, flow: Flow) -> tuple[Shelf, Shelf]:
        """Origin and destination."""
        return (self.source, self.target) if flow is Flow.FORWARD else (self.target, self.source)

    def facts(self) -> dict[str, Any]:
        """See `Move`."""
        return {"source": self.source.there(), "target": self.target.there()}

    def findings(self) -> list[Finding]:
        """See `Move`."""
        return []

    def estimate(self, *, exact: bool) -> Estimate:
        """See `Move`."""
        items = self.source.items(self.tenant)
        return Estimate(len(items), sum(len(value) for _, value in items), 0.0, exact=exact)

    def drift(self, *, check: Callable[[], None] | None = None) -> list[Finding]:
        """See `Move`: every shelf has the one attribute."""
        return []

    def provisioning(self) -> list[Change]:
        """See `Move`."""
        sign = Sign.SAME if self.target.there() else Sign.CREATE
        return [Change(step="", sign=sign, kind="shelf", name=self.target.file.stem)]

    def provision(self, *, run: str, intend: Callable[[Change, bool], bool | None]) -> None:
        """See `Move`."""
        made = Change(step="", sign=Sign.CREATE, kind="shelf", name=self.target.file.stem)
        intend(made, self.target.there())
        self.send([], self.target.make)

    def unprovision(self, *, run: str, created: bool) -> None:
        """See `Move`."""
        if created:
            self.send([], self.target.remove)

    def units(self, flow: Flow) -> list[str]:
        """See `Move`."""
        return list(UNITS)

    def copy(
        self, flow: Flow, unit: str, cursor: Cursor | None, *, throttle: Throttle | None = None
    ) -> Iterator[Copied]:
        """See `Move`."""
        last = int((cursor.position or {}).get("last", -1)) if cursor else -1
        numbers = [number for number, _ in self.ends(flow)[0].items(self.tenant) if unit_of(number) == unit]
        numbers = [number for number in numbers if number > last]
        for at in range(0, len(numbers), PAGE):
            page = numbers[at : at + PAGE]
            self.carry(flow, page)
            done = at + PAGE >= len(numbers)
            yield Copied(Cursor(unit=unit, position={"last": page[-1]}, done=done), len(page), 0)

    def sync(self, flow: Flow, keys: Sequence[Key]) -> Synced:
        """See `Move`."""
        return self.carry(flow, sorted({number_of(key) for key in keys}))

    def carry(self, flow: Flow, numbers: Sequence[int]) -> Synced:
        """Make the destination's state of these items equal; one request."""
        origin, destination = self.ends(flow)
        with self.lock:
            found = origin.get(self.tenant, list(numbers))
            long = [number for number, value in found.items() if len(value) > LONGEST]
            values = {number: found.get(number) for number in numbers if number not in long}
            keys = [key_of(number) for number in values]
            for channel in self.doubts[flow]:
                channel.inherit(keys)
            if values:
                self._put(flow, destination, values, keys)
            for number in values:
                self.refused.pop(number, None)
            self.refused |= dict.fromkeys(long, "too long")
            there = sum(value is not None for value in values.values())
            return Synced(there, len(values) - there, [(key_of(number), "too long") for number in long])

    def _put(self, flow: Flow, destination: Shelf, values: dict[int, str | None], keys: Sequence[Key]) -> None:
        now = self.clock.now()
        try:
            self.send(keys, lambda: destination.put(self.tenant, values, at=now))
        except errors.NoDefiniteAnswer:
            if not self.doubts[flow]:
                raise
            for channel in self.doubts[flow]:
                channel.doubt(keys)

    def channel(self, flow: Flow, ledger: Ledger, *, done: Iterable[str], taken_over: Horizon | None) -> Channel:
        """See `Move`."""
        return ShelfChannel(self, flow, ledger, set(done), taken_over)

    def compare(self, flow: Flow, unit: str, *, repair: bool) -> Compared:
        """See `Move`."""
        return self._mended(flow, unit, lambda number: unit_of(number) == unit, repair=repair)

    def compare_keys(self, flow: Flow, keys: Sequence[Key]) -> Compared:
        """See `Move`."""
        wanted = {number_of(key) for key in keys}
        return self._compared(flow, "keys", lambda number: number in wanted)

    def compare_some(self, flow: Flow, keys: Sequence[Key], *, repair: bool) -> Compared:
        """See `Move`."""
        wanted = {number_of(key) for key in keys}
        return self._mended(flow, "keys", lambda number: number in wanted, repair=repair)

    def sample(self, flow: Flow, most: int) -> list[Key]:
        """See `Move`."""
        numbers = {number for side in self.ends(flow) for number, _ in side.items(self.tenant)}
        return [key_of(number) for number in sorted(numbers)[:most]]

    def _mended(self, flow: Flow, unit: str, wanted: Callable[[int], bool], *, repair: bool) -> Compared:
        found = self._compared(flow, unit, wanted)
        if not (repair and found.differences):
            return found
        self.sync(flow, [difference.key for difference in found.differences])
        return self._compared(flow, unit, wanted, repaired=len(found.differences))

    def _compared(self, flow: Flow, unit: str, wanted: Callable[[int], bool], *, repaired: int = 0) -> Compared:
        ends = self.ends(flow)
        ours, theirs = ({n: v for n, v in side.items(self.tenant) if wanted(n)} for side in ends)
        differing = sorted(number for number in {*ours, *theirs} if ours.get(number) != theirs.get(number))
        whys = ["missing" if n not in theirs else "extra" if n not in ours else "differs" for n in differing]
        told = [Difference(key_of(n), why, hash_of(str(n))) for n, why in zip(differing, whys, strict=True)]
        return Compared(unit, len(ours), len(theirs), digest(ours), digest(theirs), repaired, told)

    def strays(self, flow: Flow) -> list[Difference]:
        """See `Move`: every number is in a unit."""
        return []

    def capacity(self, flow: Flow, *, before: float | None) -> list[Finding]:
        """See `Move`: a file has no limit."""
        return []

    def archive(self, flow: Flow) -> Iterator[bytes]:
        """See `Move`."""
        for number, value in self.ends(flow)[0].items(self.tenant):
            yield json.dumps({**key_of(number), "value": {"S": value}}).encode() + b"\n"

    def erase(self, flow: Flow, *, guard: Callable[[], None], keep_table: bool = False) -> int:
        """See `Move`."""
        origin, now = self.ends(flow)[0], self.clock.now()
        numbers = [number for number, _ in origin.items(self.tenant)]
        for at in range(0, len(numbers), PAGE):
            guard()
            page: dict[int, str | None] = dict.fromkeys(numbers[at : at + PAGE])
            self.send([key_of(n) for n in page], lambda page=page: origin.put(self.tenant, page, at=now))  # type: ignore[misc]
        return len(numbers)

    def canary(self, run: str) -> Callable[[str], Key] | None:
        """See `Move`: a log that is read to its tip needs none."""
        return None

    def canary_roundtrip(self, flow: Flow, channel: Channel, *, run: str, patience: float) -> None:
        """See `Move`."""

    def workers(self, pool_size: int) -> AbstractContextManager[None]:
        """See `Move`."""
        return nullcontext()


def digest(items: dict[int, str]) -> str:
    """Independent of order."""
    return f"{sum(int(hash_of(f'{number}={value}'), 16) for number, value in items.items()) % 2**128:032x}"
