"""A shelf's channel: a thread that reads the log from a durable line on, and carries keys over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from portability import errors
from portability.model.status import ParkReason
from portability.stores.base import DOUBT, ChannelState, Flow, Horizon, Key, Lag, Ledger, channel_name

from .items import hash_of, key_of, unit_of
from .shelf import Shelf

if TYPE_CHECKING:
    from .move import ShelfMove

_IDLE = 0.005


class ShelfChannel:
    """See `portability.stores.base.Channel`. Its position, parked and doubtful keys are in the ledger."""

    def __init__(self, move: ShelfMove, flow: Flow, ledger: Ledger, done: set[str], taken_over: Horizon | None) -> None:
        self.name = channel_name(move.store, flow)
        self._move, self._flow, self._ledger, self._done, self._taken = move, flow, ledger, done, taken_over
        self._state: ChannelState | None = None
        self._changed: set[int] | None = None
        self._slips: list[str] = []
        self._synced = 0
        self._due: dict[str, float] = {}  # doubtful batches and when they are synced again
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    # ---------------------------------------------------------------------------------------------------- the thread

    def pin(self) -> None:
        """See `Channel`."""
        self._move.doubts[self._flow].append(self)
        late = self._taken.since + self._taken.seconds if self._taken else 0.0
        for id_, (group, _) in self._ledger.parked(self.name).items():
            if group == DOUBT:
                self._due[id_] = max(late, self._move.clock.monotonic() + self._move.horizon)
        if "log" not in self._ledger.load_positions(self.name):
            self._ledger.save_positions(self.name, {"log": str(self._origin.tip())})

    def start(self, state: ChannelState) -> None:
        """See `Channel`."""
        self._state = state
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(_IDLE):
                self._turn()
        except BaseException as failure:  # noqa: BLE001 - told by `lag`
            self._failure = failure

    def _turn(self) -> None:
        """Read, park or sync, then move on: in this order."""
        with self._move.lock, self._lock:
            at = int(self._ledger.load_positions(self.name)["log"])
            lines = self._origin.log(self._move.tenant, at)
            numbers = list(dict.fromkeys(number for _, number, _ in lines))
            if lines:
                self._learn(numbers)
                self._ledger.save_positions(self.name, {"log": str(lines[-1][0])})
            if self._state is ChannelState.SYNC:
                self._take(lambda group: group in self._done)
            now = self._move.clock.monotonic()
            due = {id_ for id_, when in self._due.items() if when <= now}
            if due and self._state is ChannelState.SYNC:
                self._resync(due)

    def _learn(self, numbers: Sequence[int]) -> None:
        if self._changed is not None:
            self._changed.update(numbers)
        if self._state is ChannelState.WATCH:
            self._slips += [hash_of(str(number)) for number in numbers]
        now = [number for number in numbers if self._state is ChannelState.SYNC and unit_of(number) in self._done]
        for unit in {unit_of(number) for number in numbers if number not in now}:
            keys = [key_of(number) for number in numbers if number not in now and unit_of(number) == unit]
            self._ledger.park(self.name, unit, keys)
        if now:
            self._move.carry(self._flow, now)
            self._synced += len(now)

    def _take(self, wanted: Callable[[str], bool]) -> None:
        for id_, (group, keys) in self._ledger.parked(self.name).items():
            if group != DOUBT and wanted(group):
                self._move.sync(self._flow, keys)
                self._ledger.unpark(self.name, [id_])

    def _resync(self, due: set[str]) -> None:
        for id_, (_, keys) in self._ledger.parked(self.name).items():
            if id_ in due:
                self._move.sync(self._flow, keys)
                self._ledger.unpark(self.name, [id_])
        for id_ in due:
            self._due.pop(id_, None)

    # --------------------------------------------------------------------------------------------------------- doubt

    def doubt(self, keys: Sequence[Key]) -> None:
        """A write of these keys has no definite answer."""
        id_ = self._ledger.park(self.name, DOUBT, list(keys))
        self._due[id_] = self._move.clock.monotonic() + self._move.horizon

    def inherit(self, keys: Sequence[Key]) -> None:
        """These keys are about to be written while a replaced process's write may land on them."""
        if self._taken is None or self._move.clock.monotonic() >= self._taken.since + self._taken.seconds:
            return
        id_ = self._ledger.park(self.name, DOUBT, list(keys))
        self._due[id_] = self._taken.since + self._taken.seconds

    # ------------------------------------------------------------------------------------------------------ the rest

    @property
    def _origin(self) -> Shelf:
        return self._move.ends(self._flow)[0]

    def become(self, state: ChannelState) -> None:
        """See `Channel`."""
        with self._move.lock, self._lock:
            self._state = state

    def unit_done(self, unit: str) -> None:
        """See `Channel`."""
        with self._move.lock, self._lock:
            self._done.add(unit)

    def lag(self) -> Lag:
        """See `Channel`."""
        if self._failure is not None:
            raise self._failure
        at = int(self._ledger.load_positions(self.name).get("log", 0))
        unread = self._origin.log(self._move.tenant, at)
        behind = self._move.clock.now() - unread[0][2] if unread else 0.0
        waiting = self._ledger.parked(self.name).values()
        doubtful = sum(len(keys) for group, keys in waiting if group == DOUBT)
        parked = sum(len(keys) for group, keys in waiting if group != DOUBT)
        return Lag(behind, len(unread), parked, doubtful, None)

    def drain(self, *, after: float, canary: Callable[[str], Key] | None, patience: float) -> list[str]:
        """See `Channel`: the log's tip is read in the same turn."""
        self._turn()
        return []

    def changed(self) -> list[Key] | None:
        """See `Channel`."""
        with self._lock:
            return None if self._changed is None else [key_of(number) for number in sorted(self._changed)]

    def mark(self) -> None:
        """See `Channel`."""
        with self._move.lock, self._lock:
            self._changed = set()

    def recent(self, since: float, *, patience: float) -> list[Key]:
        """See `Channel`: the log keeps everything."""
        lines = self._origin.log(self._move.tenant, 0)
        return [key_of(number) for number in dict.fromkeys(number for _, number, at in lines if at >= since)]

    def refused(self) -> str:
        """See `Channel`."""
        return "; ".join(f"{hash_of(str(number))}: {why}" for number, why in sorted(self._move.refused.items()))

    def slips(self) -> list[str]:
        """See `Channel`."""
        with self._lock:
            return list(self._slips)

    def settle(self, *, patience: float) -> None:
        """See `Channel`."""
        ends = self._move.clock.monotonic() + patience
        while True:
            lag = self.lag()
            if not (lag.backlog or lag.parked or lag.doubtful):
                return
            if self._move.clock.monotonic() > ends:
                raise errors.Parked("keys wait", reason=ParkReason.GATE, next=errors.AGAIN)
            self._stopping.wait(_IDLE)

    def counts(self) -> dict[str, int]:
        """See `Channel`."""
        return {"synced": self._synced}

    def stop(self) -> None:
        """See `Channel`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self in self._move.doubts[self._flow]:
            self._move.doubts[self._flow].remove(self)

    def close(self) -> None:
        """See `Channel`."""
        self.stop()
        self._ledger.drop_channel(self.name)
