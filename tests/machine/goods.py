"""The store in memory, with writes that are moments, may go unanswered and land late, and channels that know it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from portability import errors
from portability.model.estate import seconds
from portability.model.run import Cursor
from portability.model.status import ParkReason
from portability.stores.base import DOUBT, ChannelState, Copied, Flow, Horizon, Key, Lag, Ledger, Synced, channel_name
from portability.stores.throttle import Throttle
from tests.steps_data.fake_store import PAGE, FakeChannel, FakeMove, key_of, unit_of

if TYPE_CHECKING:
    from tests.machine.town import Town

KEPT = 24 * 3600.0
"""Seconds for which a stream keeps a record."""

REBASELINE = "rebaseline"


class TownChannel(FakeChannel):
    """A channel that syncs doubtful keys again after their horizon, and compares anew what its stream may not tell."""

    def __init__(
        self, move: TownMove, flow: Flow, ledger: Ledger, *, done: Iterable[str], taken_over: Horizon | None
    ) -> None:
        super().__init__(move, flow, ledger, done=done)
        self.name = channel_name(move.store, flow)
        self.busy = False  # a poll or a sync is under way: a key is never in two
        self.died: errors.PortabilityError | None = None
        self._town = move.town
        self._taken = taken_over
        self._doubts: dict[str, tuple[list[Key], float]] = {}

    @property
    def _arn(self) -> str:
        table = "Order-pooled" if self.flow is Flow.FORWARD else "Order-tenant-42"
        return str(self._town.dynamo.described[table]["LatestStreamArn"])

    def pin(self) -> None:
        super().pin()
        if "arn" not in self._ledger.load_positions(self.name):
            self._ledger.save_positions(self.name, {"arn": self._arn})

    def start(self, state: ChannelState) -> None:
        now = self._move.now()
        for id_, (group, keys) in self._ledger.parked(self.name).items():
            if group == DOUBT:
                self._doubts[id_] = (keys, max(now + self._horizon, self._settled_at))
        known = self._ledger.load_positions(self.name).get("arn") == self._arn and not self._trimmed()
        if not known and state is not ChannelState.WATCH:
            self._compare_anew()
        super().start(state)

    def poll(self) -> None:
        if self._state is None or self.died is not None or self.busy:
            return
        self.busy = True
        try:
            super().poll()
            self._resync()
        finally:
            self.busy = False

    def doubt(self, keys: Sequence[Key], due: float | None = None) -> None:
        """The last write of these keys has no definite answer: they are synced again when it cannot land any more."""
        id_ = self._ledger.park(self.name, DOUBT, keys)
        self._doubts[id_] = (list(keys), self._move.now() + self._horizon if due is None else due)

    def lag(self) -> Lag:
        lag = super().lag()
        if self.died is not None:
            raise self.died
        doubtful = sum(len(keys) for keys, _ in self._doubts.values())
        return Lag(lag.seconds, lag.backlog, lag.parked, doubtful, lag.retention_left)

    def settle(self, *, patience: float) -> None:
        self._trap("before settle")
        until = self._move.now() + patience
        while True:
            self.poll()
            self._unpark()
            now = self._move.now()
            if not self._doubts and not self._parked():
                return
            if now >= until or not self._doubts:
                raise errors.Parked("not settled", reason=ParkReason.GATE, next=errors.AGAIN)
            next_due = min(due for _, due in self._doubts.values())
            self._move.sleep(max(0.01, min(next_due, until) - now))

    # ----------------------------------------------------------------------------------------------------------- parts

    @property
    def _horizon(self) -> float:
        return seconds(self._town.plan.estate.journal.horizon)

    @property
    def _settled_at(self) -> float:
        """From when on nothing of a replaced process can land: in the time of `Move.now`."""
        if self._taken is None:
            return 0.0
        return self._taken.since + self._taken.seconds + self._town.clock.now() - self._town.clock.monotonic()

    def _sync(self, names: Iterable[str]) -> None:
        keys = [key_of(name) for name in dict.fromkeys(names)]
        if keys and self._state is not None:
            self._sync_keys(keys)

    def _sync_keys(self, keys: list[Key]) -> None:
        if self._move.now() < self._settled_at:
            self.doubt(keys, self._settled_at)
        self._move.sync(self.flow, keys)

    def _unpark(self) -> None:
        if self._state is not ChannelState.SYNC:
            return
        for id_, (group, keys) in self._ledger.parked(self.name).items():
            if group != DOUBT and all(unit_of(key["id"]["S"]) in self._done for key in keys):
                self._sync_keys(keys)
                self._ledger.unpark(self.name, [id_])

    def _resync(self) -> None:
        if self._state is not ChannelState.SYNC:
            return
        for id_, (keys, due) in list(self._doubts.items()):
            if due <= self._move.now():
                self._move.sync(self.flow, keys)
                self._ledger.unpark(self.name, [id_])
                self._doubts.pop(id_, None)

    def _parked(self) -> int:
        return sum(len(keys) for group, keys in self._ledger.parked(self.name).values() if group != DOUBT)

    def _trimmed(self) -> bool:
        unread = self._move.world.ends(self.flow)[0].log[self._position() or 0 :]
        return bool(unread) and unread[0][1] < self._move.now() - KEPT

    def _compare_anew(self) -> None:
        origin, destination = self._move.world.ends(self.flow)
        at = len(origin.log)  # pinned first: what is written meanwhile is read
        keys = [key_of(name) for name in sorted({*origin.items, *destination.items})]
        if keys:
            self._ledger.park(self.name, REBASELINE, keys)
        self._ledger.save_positions(self.name, {"at": str(at), "arn": self._arn})


class TownMove(FakeMove):
    """One process's hold on the store."""

    def __init__(self, town: Town) -> None:
        super().__init__("Order", town.world, lambda label: town.send(label, _nothing, signed=False))
        self.town = town
        self.looks: Callable[[], None] = _nothing  # at the lease, before what a channel sends
        self.now = town.clock.now
        self.sleep = town.clock.sleep

    def channel(self, flow: Flow, ledger: Ledger, *, done: Iterable[str], taken_over: Horizon | None) -> TownChannel:
        return TownChannel(self, flow, ledger, done=done, taken_over=taken_over)

    def copy(
        self, flow: Flow, unit: str, cursor: Cursor | None, *, throttle: Throttle | None = None
    ) -> Iterator[Copied]:
        origin = self.world.ends(flow)[0]
        start = str((cursor.position or {}).get("last", "")) if cursor else ""
        items = cursor.items if cursor else 0
        names = sorted(name for name in origin.items if unit_of(name) == unit and name > start)
        for at in range(0, len(names), PAGE):
            page = names[at : at + PAGE]
            self._write(flow, f"page of {unit}", {name: origin.items[name] for name in page if name in origin.items})
            items += len(page)
            done = at + PAGE >= len(names)
            yield Copied(
                Cursor(unit=unit, position={"last": page[-1]}, items=items, bytes=items * 10, done=done), len(page), 20
            )

    def sync(self, flow: Flow, keys: Sequence[Key]) -> Synced:
        origin = self.world.ends(flow)[0]
        own = [channel for channel in self._channels(flow) if not channel.busy]
        for channel in own:
            channel.busy = True
        try:
            self._write(flow, "sync", {key["id"]["S"]: origin.items.get(key["id"]["S"]) for key in keys})
        finally:
            for channel in own:
                channel.busy = False
        return Synced(put=len(keys), deleted=0)

    def erase(self, flow: Flow, *, guard: Callable[[], None], keep_table: bool = False) -> int:
        shelf, count = self.world.ends(flow)[0], 0
        for name in sorted(shelf.items):
            guard()
            self.town.send("erase", partial(shelf.write, name, None))
            count += 1
        return count

    def catch_up(self, flow: Flow) -> None:
        before, self.hushed = self.hushed, True
        try:
            for channel in self._channels(flow):
                try:
                    self.looks()
                    channel.poll()
                except errors.PortabilityError as error:
                    channel.died = error
        finally:
            self.hushed = before

    def _channels(self, flow: Flow) -> list[TownChannel]:
        return [one for one in self.running if isinstance(one, TownChannel) and one.flow is flow]

    def _write(self, flow: Flow, label: str, values: dict[str, int | None]) -> None:
        destination = self.world.ends(flow)[1]
        channels = self._channels(flow)

        def land() -> None:
            for name, value in values.items():
                destination.write(name, value)

        try:
            self.town.send(label, land, late=bool(channels))
        except errors.NoDefiniteAnswer:
            if not channels:
                raise
            channels[-1].doubt([key_of(name) for name in values])


def _nothing() -> None:
    """A place where something may happen, and nothing is sent."""
