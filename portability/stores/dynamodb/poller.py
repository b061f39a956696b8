"""One turn of a channel: read the shards, sync or park what changed, and only then let the positions move."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from portability.stores.base import MEASURED, ChannelState, Key, Ledger, Measured
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.drain import Drain
from portability.stores.dynamodb.feed import KEPT, Feed
from portability.stores.dynamodb.gauge import DAY, Gauge
from portability.stores.dynamodb.layout import KeyId, finished, group
from portability.stores.dynamodb.litter import Litter
from portability.stores.dynamodb.parking import Parking
from portability.stores.dynamodb.reader import TRANSIENT, Around, Subscription
from portability.stores.dynamodb.rebaseline import STRAYS, Rebaseline
from portability.stores.dynamodb.savings import Savings
from portability.stores.dynamodb.shard import Read
from portability.stores.dynamodb.stream import On
from portability.stores.dynamodb.wiring import Wiring

MANY = 1000  # keys of one turn after which the next one does not wait


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
    """The work of a channel's thread.

    What it promises: a key whose destination may be stale has its sync pending, durably. Other threads may look, call
    `unit_done`, `mark`, `hurry`, and use `litter`, `refreshes`, `flushes`, `expected`, `drain`; the rest is its own.
    """

    def __init__(self, wiring: Wiring, ledger: Ledger, done: Iterable[str], news: Callable[[], None]) -> None:
        layout = wiring.origin.layout
        self.w = wiring
        self.ledger = ledger
        self.state = ChannelState.PARK
        self.parking = Parking(layout, ledger, wiring.name)
        self.rebaseline = Rebaseline(ledger, wiring.name, wiring.units)
        self.litter = Litter(
            wiring.origin,
            wiring.sync.destination,
            ledger,
            channel=wiring.name,
            monotonic=wiring.monotonic,
            horizon=wiring.horizon,
        )
        self.drain: Drain | None = None
        self.pool: Executor | None = None  # the thread's own writers
        self.changed: dict[KeyId, Key] | None = None
        self.slips: dict[str, None] = {}
        self.expected: set[KeyId] = set()  # canary keys that are let through
        self.learnt: dict[KeyId, Key] = {}
        self.gauge = Gauge()
        self.synced = self.parked = self.foreign = 0
        self.refreshes = Ticket()
        self.flushes = Ticket()
        self._savings = Savings(ledger, wiring.name, wiring.pace, wiring.monotonic, self.measured)
        self._news = news
        self._subscription: Subscription | None = None
        self._expired: set[KeyId] = set()  # of those learnt: DynamoDB deleted them, and nobody else touched them
        self._canaries: dict[KeyId, Key] = {}
        self._reads: list[Read] = []
        self._feed: Feed | None = None
        self._on: On | None = None
        self._done = set(done)
        self._finished = finished(wiring.units, self._done)
        self._gate = threading.Lock()  # held while it is decided whether a key is parked or synced
        self._draining = threading.Lock()
        self._refreshed = wiring.monotonic()

    # ------------------------------------------------------------------------------------------------------------- pin

    def pin(self) -> None:
        """See `Channel.pin`."""
        positions = self.ledger.load_positions(self.w.name)
        self.rebaseline.load(positions)
        if MEASURED in positions and self.w.now() - Measured.of(positions[MEASURED]).at > KEPT:
            self.rebaseline.mark()  # a shard still at its beginning does not tell that its first records were trimmed
        self._take_stream({name: place for name, place in positions.items() if name.startswith("arn:")})
        self.parking.load()
        self.litter.load()

    def _take_stream(self, positions: dict[str, str]) -> None:
        w = self.w
        on, fresh = w.stream.ensure(self.ledger)
        arn = on.arn
        mine = {name: place for name, place in positions.items() if name.startswith(f"{arn}|")}
        others = positions.keys() - mine.keys()
        if others:
            # Before anything of the old stream is forgotten, and by every attempt anew: what was compared behind one
            # that failed may have changed before this pin.
            self.rebaseline.mark()
        feed = Feed(w.stream.streams, arn, w.now, lambda: w.sleep(w.pace.canary), self._before_listing, positions=mine)
        feed.pin(fresh=fresh)
        self._savings.now(feed, stale=True)
        if others:
            self.ledger.save_positions(w.name, dict.fromkeys(others, ""))
        self.gauge.forget()
        self._on, self._feed = on, feed  # behind all that may fail: a stream that is found here is followed

    @property
    def on(self) -> On:
        """The stream that is followed. Raises `RuntimeError` before the pin."""
        if self._on is None:
            msg = f"channel {self.w.name} is not pinned"
            raise RuntimeError(msg)
        return self._on

    @property
    def feed(self) -> Feed:
        """The pinned stream. Raises `RuntimeError` before the pin."""
        if self._feed is None:
            msg = f"channel {self.w.name} is not pinned"
            raise RuntimeError(msg)
        return self._feed

    # ---------------------------------------------------------------------------------------------------- subscription

    @property
    def _around(self) -> Around:
        return Around(self.w.now, self.w.monotonic, self.w.sleep)

    def _before_listing(self) -> None:
        self.w.readers.listings(self._around, self.w.pace.looks).wait(self.w.sleep)

    def follow(self) -> None:
        """Begin to hear of the stream. Raises `RuntimeError` before the pin."""
        w, feed = self.w, self.feed
        self.leave()
        self._subscription = w.readers.follow(
            w.stream.streams,
            feed.arn,
            self._around,
            w.pace.looks,
            keys_only=self._on is None or self._on.keys_only,
            sift=w.origin.layout.sift,
            news=self._news,
        )
        self._begin()

    def leave(self) -> None:
        """Hear no more of the stream."""
        if self._subscription is not None:
            self._subscription.close()

    @property
    def subscription(self) -> Subscription:
        """What is heard. Raises `RuntimeError` before `follow`."""
        if self._subscription is None:
            msg = f"channel {self.w.name} follows nothing"
            raise RuntimeError(msg)
        return self._subscription

    def _begin(self) -> None:
        """Follow the shards that may be read now, and no others."""
        places = self.feed.readable
        self.subscription.keep(places)
        for shard, place in places.items():
            self.subscription.follow(shard, place)

    def hurry(self, *, urgent: bool) -> None:
        """Look at the stream now, and while it is `urgent` as often as its limits allow."""
        if self._subscription is not None:
            self._subscription.urgent = urgent
            self._subscription.hurry()

    # ------------------------------------------------------------------------------------------------------------ turn

    def turn(self) -> bool:
        """One turn; whether the next one has something to do already. Raises one of `TRANSIENT` behind its work."""
        trouble: Exception | None = None
        if self.refreshes.waiting or self.w.monotonic() - self._refreshed > self.w.pace.shards:
            try:
                with self.refreshes.serving():
                    self._refresh()
            except TRANSIENT as error:
                trouble = error  # what was read is dealt with all the same
        if not self._reads:
            self._take()
        many = len(self.learnt) >= MANY
        self._deal()
        self._advance()
        with self.flushes.serving() as asked:
            if asked:
                self._savings.now(self.feed)
        self._savings.if_due(self.feed)
        busy = self._mend() or many
        if trouble is None and (failing := self.subscription.failing) is not None:
            trouble = failing[1]
        if trouble is not None:
            raise trouble
        return busy

    def _refresh(self) -> None:
        began = self.w.monotonic()
        on = self.w.stream.latest()
        if on is None or on.arn != self.feed.arn:
            self._reads = []  # what they told is in `learnt`, or is found by comparing
            self._take_stream(dict(self.feed.positions))
            self.follow()
            if self.drain is not None:
                self.drain.another_stream()
        since = began if self.refreshes.waiting else began - self.w.pace.shards / 2
        if self.feed.refresh(self.subscription.reader.shards(since=since)):
            self.refreshes.ask()
        self._mark_if_lost()
        self._begin()
        self._refreshed = self.w.monotonic()
        if self.drain is not None:
            # One that is closed and not read to its end may hold the last writes before a split.
            self.drain.listing(self.feed.open_shards | set(self.feed.active), childless=self.feed.childless)
            if not self.drain.listed:
                self.refreshes.ask()

    def _take(self) -> None:
        self._reads = self.subscription.take()
        layout = self.w.origin.layout
        for record in (record for read in self._reads for record in read.records):
            key_id = layout.key_id(record.keys)
            if layout.is_mine(record.keys):
                if not record.by_ttl:
                    self._expired.discard(key_id)
                elif key_id not in self.learnt:
                    self._expired.add(key_id)
                self.learnt[key_id] = layout.key(record.keys)
            elif key_id in self.expected:
                self._canaries[key_id] = layout.key(record.keys)
        self.foreign += sum(read.foreign for read in self._reads)

    def _deal(self) -> None:
        """Sync or park every key learnt. When this returns each is synced, parked, doubtful or unwritable."""
        layout = self.w.origin.layout
        waiting: dict[tuple[str, bool], list[Key]] = {}
        direct: list[Key] = []
        with self._gate:
            if self.changed is not None:
                self.changed |= self.learnt
            for key_id, key in self.learnt.items():
                expired = key_id in self._expired
                of = layout.group_of(key, self.w.reach)
                if self.state is ChannelState.WATCH:
                    if expired:
                        continue  # on the side that serves no more, items vanish by themselves
                    self.slips[digest.key_hash(key)] = None
                if self.state is ChannelState.SYNC and of in self._finished:
                    direct.append(key)
                else:
                    waiting.setdefault((of, expired), []).append(key)
            for (of, expired), keys in waiting.items():
                self.parked += self.parking.park(of, keys, expired=expired)
        if self._canaries and self.state in {ChannelState.SYNC, ChannelState.CANARY}:
            self.w.sync(list(self._canaries.values()), canaries=True)
        if direct:
            self.w.sync(direct, pool=self.pool)
            self.synced += len(direct)
        self.learnt = {}
        self._expired = set()
        self._canaries = {}

    def _advance(self) -> None:
        reads, self._reads = self._reads, []
        self.feed.advance(reads)
        self._mark_if_lost()
        self.gauge.see(reads)
        self.gauge.level(self.feed, self._refreshed)
        if any(read.closed for read in reads):
            self.refreshes.ask()
            self._begin()
        if self.drain is not None:
            for read in reads:
                self.drain.see(read)

    def _mark_if_lost(self) -> None:
        # Before any position moves: from then on the journal says what has to be compared.
        if self.feed.lost:
            self.rebaseline.mark()
            self.feed.lost = False
            self.refreshes.ask()

    def flush(self) -> None:
        """Save the positions, the thread having ended."""
        self._savings.now(self.feed, stale=True)

    def measured(self) -> Measured:
        """What is journaled of how far this channel is behind."""
        behind = self.gauge.behind(self.w.now(), self.w.monotonic())
        to_compare = len(self.rebaseline) and self.state is not ChannelState.WATCH
        return Measured(
            at=round(self.w.now(), 3),
            lag_seconds=None if self.gauge.since is None or to_compare else round(behind or 0.0, 3),
            backlog=self.backlog,
            retention_left_seconds=None if behind is None else round(DAY - behind, 3),
        )

    @property
    def backlog(self) -> int:
        """Keys and records of the tenant's that were read and are not dealt with; a canary waits for nobody."""
        waiting = [] if self._subscription is None else self._subscription.waiting()
        return len(self.learnt) + sum(self.w.origin.layout.is_mine(record.keys) for record in waiting)

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
                self.slips |= dict.fromkeys(map(digest.key_hash, self.parking.written))
            self.state = state
