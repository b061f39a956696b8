"""One turn of a channel: read the shards, sync or park what changed, and only then let the positions move."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from portability import errors
from portability.stores.base import ChannelState, Key, Ledger
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.drain import Drain
from portability.stores.dynamodb.feed import Feed, Read
from portability.stores.dynamodb.layout import KeyId, finished, group
from portability.stores.dynamodb.litter import Litter
from portability.stores.dynamodb.parking import Parking
from portability.stores.dynamodb.rebaseline import STRAYS, Rebaseline
from portability.stores.dynamodb.wiring import Wiring

TRANSIENT = (errors.Throttled, errors.Unavailable, errors.EndpointDown)
"""What the poller outlives: its positions stand still meanwhile."""


class Ticket:
    """Asks for something to be done once more, from the beginning, and tells when it was. Thread-safe."""

    def __init__(self) -> None:
        self._asked = self._served = 0
        self._lock = threading.Lock()

    def ask(self) -> int:
        """Ask; the number to hand to `is_served`."""
        with self._lock:
            self._asked += 1
            return self._asked

    def is_served(self, number: int) -> bool:
        """Whether it was done after it was asked for."""
        return self._served >= number

    @property
    def waiting(self) -> bool:
        """Whether anybody waits."""
        return self._asked > self._served

    @contextmanager
    def serving(self) -> Iterator[bool]:
        """Do it; what is asked for meanwhile has to be done again."""
        asked = self._asked
        yield self.waiting
        self._served = max(self._served, asked)


class Poller:
    """The work of a channel's thread. Only `unit_done`, and what only looks, may be called from another thread.

    What it promises: a key whose destination may be stale has its sync pending, durably.
    """

    def __init__(self, wiring: Wiring, ledger: Ledger, done: Iterable[str]) -> None:
        layout = wiring.origin.layout
        self.w = wiring
        self.ledger = ledger
        self.state = ChannelState.PARK
        self.parking = Parking(layout, ledger, wiring.name)
        self.rebaseline = Rebaseline(ledger, wiring.name, wiring.units)
        self.litter = Litter(wiring.origin, ledger, wiring.name, wiring.monotonic, wiring.horizon)
        self.drain: Drain | None = None
        self.pool: Executor | None = None  # the thread's own writers
        self.changed: dict[KeyId, Key] | None = None
        self.slips: dict[str, None] = {}
        self.expected: set[KeyId] = set()  # canary keys that are let through
        self.learnt: dict[KeyId, Key] = {}
        self.tips: dict[str, float] = {}
        self.heard: dict[str, int] = {}
        self.synced = self.parked = self.foreign = 0
        self.oldest_tip: float | None = None  # monotonic: every shard has been at its tip since
        self.refreshes = Ticket()
        self.flushes = Ticket()
        self._canaries: dict[KeyId, Key] = {}
        self._pages: list[Read] = []
        self._feed: Feed | None = None
        self._done = set(done)
        self._finished = finished(wiring.units, self._done)
        self._gate = threading.Lock()  # held while it is decided whether a key is parked or synced
        self._draining = threading.Lock()
        self._refreshed = self._saved = wiring.monotonic()

    # ------------------------------------------------------------------------------------------------------------- pin

    def pin(self) -> None:
        """See `Channel.pin`."""
        positions = self.ledger.load_positions(self.w.name)
        self.rebaseline.load(positions)
        self._take_stream({name: place for name, place in positions.items() if "|" in name})
        self.parking.load()
        self.litter.load()

    def _take_stream(self, positions: dict[str, str]) -> None:
        w = self.w
        on, fresh = w.stream.ensure(self.ledger)
        arn = on.arn
        mine = {name: place for name, place in positions.items() if name.startswith(f"{arn}|")}
        others = [name for name in positions if name.startswith("arn:") and not name.startswith(f"{arn}|")]
        if others:
            self.rebaseline.mark()  # before anything of the old stream is forgotten
        self._feed = Feed(
            w.stream.streams, arn, w.now, w.monotonic, lambda: w.sleep(w.pace.canary), on.keys_only, positions=mine
        )
        self._feed.pin(fresh=fresh)
        self.tips.clear()
        self._save(force=True)
        if others:
            self.ledger.save_positions(w.name, dict.fromkeys(others, ""))

    @property
    def feed(self) -> Feed:
        """The pinned stream. Raises `RuntimeError` before the pin."""
        if self._feed is None:
            msg = f"channel {self.w.name} is not pinned"
            raise RuntimeError(msg)
        return self._feed

    def require_pin(self) -> None:
        """Raise `RuntimeError` before the pin."""
        _ = self.feed

    # ------------------------------------------------------------------------------------------------------------ turn

    def turn(self) -> bool:
        """One turn; whether it had anything to do."""
        if self.refreshes.waiting or self.w.monotonic() - self._refreshed > self.w.pace.shards:
            with self.refreshes.serving():
                self._refresh()
        if not self._pages:
            self._read()
        busy = bool(self.learnt or self._canaries or any(page.records or page.closed for page in self._pages))
        self._deal()
        self._advance()
        with self.flushes.serving() as asked:
            self._save(force=asked)
        return self._mend() or busy

    def _refresh(self) -> None:
        on = self.w.stream.latest()
        if on is None or on.arn != self.feed.arn:
            self._pages = []  # what they told is in `learnt`, or is found by comparing
            self._take_stream(dict(self.feed.positions))
        self.feed.refresh()
        self._refreshed = self.w.monotonic()
        if self.drain is not None:
            # One that is closed and not read to its end may hold the last writes before a split.
            self.drain.listing(self.feed.open_shards | set(self.feed.active))

    def _read(self) -> None:
        try:
            self._pages = self.feed.read()
        except BaseException:
            self.feed.rewind()  # pages read before the failure were not dealt with: they are read again
            raise
        layout = self.w.origin.layout
        for record in (record for page in self._pages for record in page.records):
            if layout.is_mine(record.keys):
                self.learnt[layout.key_id(record.keys)] = layout.key(record.keys)
            elif layout.is_canary(record.keys):
                if (key_id := layout.key_id(record.keys)) in self.expected:
                    self._canaries[key_id] = layout.key(record.keys)
            else:
                self.foreign += 1

    def _deal(self) -> None:
        """Sync or park every key learnt. When this returns each is synced, parked, doubtful or unwritable."""
        layout = self.w.origin.layout
        waiting: dict[str, list[Key]] = {}
        direct: list[Key] = []
        with self._gate:
            if self.changed is not None:
                self.changed |= self.learnt
            for key in self.learnt.values():
                if self.state is ChannelState.WATCH:
                    self.slips[digest.key_hash(key)] = None
                of = layout.group_of(key, self.w.reach)
                if self.state is ChannelState.SYNC and of in self._finished:
                    direct.append(key)
                else:
                    waiting.setdefault(of, []).append(key)
            for of, keys in waiting.items():
                self.parked += self.parking.park(of, keys)
        if self._canaries and self.state in {ChannelState.SYNC, ChannelState.CANARY}:
            self.w.sync(list(self._canaries.values()), canaries=True)
        if direct:
            self.w.sync(direct, pool=self.pool)
            self.synced += len(direct)
        self.learnt = {}
        self._canaries = {}

    def _advance(self) -> None:
        self.feed.advance(self._pages)
        for page in self._pages:
            if page.records:
                self.heard[page.shard] = page.records[-1].created
            if page.at_tip:
                self.tips[page.shard] = page.asked
            if page.closed:
                self.tips.pop(page.shard, None)
                self.refreshes.ask()
            if self.drain is not None:
                self.drain.see(page)
        self._pages = []
        tips = [self.tips.get(shard) for shard in self.feed.active]
        self.oldest_tip = (
            None if None in tips else min((tip for tip in tips if tip is not None), default=self._refreshed)
        )

    def flush(self) -> None:
        """Save the positions, the thread having ended."""
        self._save(force=True)

    def _save(self, *, force: bool) -> None:
        feed = self.feed
        if feed.lost:
            self.rebaseline.mark()
            feed.lost = False
            self.refreshes.ask()
        if feed.dirty and (force or self.w.monotonic() - self._saved >= self.w.pace.positions):
            saving = dict(feed.dirty)
            self.ledger.save_positions(self.w.name, saving)
            feed.saved(saving)
            self._saved = self.w.monotonic()

    # ------------------------------------------------------------------------------------------------------------ mend

    def _mend(self) -> bool:
        """Sync what has waited long enough; whether there was any."""
        if self.drain is None:
            self.litter.remove()
        if self.state is not ChannelState.SYNC:
            return False
        doubt = self.w.sync.doubt
        due = doubt.due()
        for batch in due:
            self.w.sync(batch.keys, canaries=True, pool=self.pool)
            doubt.settled(batch)
            self.synced += len(batch.keys)
        ready = self.parking.groups() & self._finished
        for of in ready:
            self.drain_group(of, self.pool)
        unit = self.rebaseline.next(self._finished)
        if unit is not None:
            self._rebaseline(unit)
        return bool(due or ready or unit)

    def _rebaseline(self, unit: str) -> None:
        if unit == STRAYS:
            self.w.sync([stray.key for stray in self.w.strays() if self.w.origin.layout.is_mine(stray.key)])
        else:
            self.w.compare(unit)
        self.rebaseline.done(unit)

    def drain_group(self, of: str, pool: Executor | None = None) -> None:
        """Sync what is parked for a group."""
        with self._draining:
            batches = self.parking.take(of) if self.state is ChannelState.SYNC else {}
            if not batches:
                return
            keys = [key for some in batches.values() for key in some]
            self.w.sync(keys, pool=pool)
            self.synced += len(keys)
            self.parking.release(list(batches))

    def unit_done(self, unit: str, pool: Executor | None = None) -> None:
        """See `Channel.unit_done`. What is learnt from now on is synced; what was parked before is synced here."""
        if unit not in self.w.units:
            msg = f"channel {self.w.name} has no unit {unit}"
            raise LookupError(msg)
        with self._gate:
            self._done.add(unit)
            self._finished = finished(self.w.units, self._done)
            ready = self.state is ChannelState.SYNC and group(unit) in self._finished
        if ready:
            try:
                self.drain_group(group(unit), pool)
            except TRANSIENT:
                return  # the keys are parked still, and the poller takes its turn at them

    def mark(self) -> None:
        """See `Channel.mark`."""
        with self._gate:
            self.changed = {}

    def become(self, state: ChannelState) -> None:
        """Change what is done with keys, between two turns: when it returns, nothing of the old way is under way."""
        with self._draining, self._gate:
            if state is ChannelState.WATCH and self.state is not ChannelState.WATCH:
                # A drained channel has nothing parked: what is, was written after the drain.
                self.slips |= dict.fromkeys(map(digest.key_hash, self.parking.keys))
            self.state = state
