"""The replication channel of one store, one way: a poller on a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from portability import errors
from portability.model.status import ParkReason
from portability.stores.base import ChannelState, Horizon, Key, Lag, Ledger
from portability.stores.dynamodb.drain import Drain
from portability.stores.dynamodb.plane import chunks, distinct
from portability.stores.dynamodb.poller import Poller
from portability.stores.dynamodb.reader import TRANSIENT
from portability.stores.dynamodb.recent import recent
from portability.stores.dynamodb.wiring import Wiring

TICK = 0.005  # seconds between two looks of a waiting caller
WRITERS = 4  # batches that a channel writes side by side
REFUSED = "keys the destination refuses"


class DynamoChannel:
    """Implements `stores.base.Channel` over DynamoDB Streams."""

    def __init__(
        self,
        wiring: Wiring,
        ledger: Ledger,
        *,
        done: Iterable[str],
        taken_over: Horizon | None,
        live: set[DynamoChannel],
    ) -> None:
        self.name = wiring.name
        self._w = wiring
        self._ledger = ledger
        self._live = live  # channels of this direction in this process that have not ended
        self._thread: threading.Thread | None = None
        self._news = threading.Condition()
        self._wake = threading.Event()
        self._poller = Poller(wiring, ledger, done, self._wake.set)
        self._stopping = False
        self._wanted = ChannelState.PARK
        self._turns = 0
        self._death: BaseException | None = None
        self._poller.litter.lands_until = 0.0 if taken_over is None else taken_over.since + taken_over.seconds
        wiring.sync.doubt.attach(ledger, self.name, taken_over)
        wiring.sync.unwritable.attach(ledger, self.name)

    # -------------------------------------------------------------------------------------------------- start and stop

    def pin(self) -> None:
        """See `Channel.pin`."""
        self._poller.pin()

    def start(self, state: ChannelState) -> None:
        """See `Channel.start`."""
        if self._thread is not None or self._stopping:
            msg = f"channel {self.name} runs already, or has run"
            raise RuntimeError(msg)
        self._poller.follow()
        self._live.add(self)
        self._wanted = state
        self._poller.become(state)
        self._thread = threading.Thread(target=self._run, name=f"channel {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See `Channel.stop`."""
        thread, self._thread = self._thread, None
        self._stopping = True
        self._wake.set()
        if thread is not None:
            thread.join()
        self._poller.leave()
        self._live.discard(self)
        if thread is not None and self._death is None:
            # A position that could not be saved costs reading it again, and the lease may be gone.
            with contextlib.suppress(errors.PortabilityError):
                self._poller.flush()

    def close(self) -> None:
        """See `Channel.close`. Where another channel of this direction goes on, only this one ends."""
        self.stop()
        if self._live:
            return
        litter = self._poller.litter
        litter.load()
        while (left := litter.lands - self._w.monotonic()) > 0:
            self._w.sleep(left)
        litter.remove(even_kept=True)
        self._ledger.drop_channel(self.name)
        self._w.stream.let_go(self._ledger)

    def _run(self) -> None:
        with ThreadPoolExecutor(WRITERS, thread_name_prefix=f"write {self.name}") as pool:
            self._poller.pool = pool
            self._turn_after_turn()

    def _turn_after_turn(self) -> None:
        failing: float | None = None
        try:
            while not self._stopping:
                self._acknowledge()
                try:
                    busy = self._poller.turn()
                    failing = None
                except TRANSIENT:
                    busy, now = False, self._w.monotonic()
                    failing = now if failing is None else failing
                    if now - failing > self._w.pace.outage:
                        raise
                with self._news:
                    self._turns += 1
                    self._news.notify_all()
                if not busy:
                    self._wake.wait(self._w.pace.idle)
                self._wake.clear()
        except BaseException as death:  # noqa: BLE001 - it is raised where the channel is asked for anything
            with self._news:
                self._death = death
                self._news.notify_all()

    def _acknowledge(self) -> None:
        with self._news:
            if self._poller.state is not self._wanted:
                self._poller.become(self._wanted)
                self._news.notify_all()

    def become(self, state: ChannelState) -> None:
        """See `Channel.become`."""
        self._wanted = state
        if self._thread is None:
            self._poller.become(state)
            return
        self._wake.set()
        with self._news:
            while self._poller.state is not state:
                self._raise_death()
                self._news.wait(TICK)

    # ------------------------------------------------------------------------------------------------------------ asked

    def unit_done(self, unit: str) -> None:
        """See `Channel.unit_done`."""
        self._raise_death()
        self._poller.unit_done(unit, self._w.writers())

    def lag(self) -> Lag:
        """See `Channel.lag`."""
        self._raise_death()
        poller = self._poller
        measured = poller.measured()
        syncs = poller.state is ChannelState.SYNC  # where it does not, what expired waits for nobody
        return Lag(
            seconds=measured.lag_seconds,
            backlog=measured.backlog,
            parked=len(poller.parking) if syncs else len(poller.parking.written),
            doubtful=self._w.sync.doubt.count,
            retention_left=measured.retention_left_seconds,
            lost=len(poller.rebaseline) > 0,
        )

    def changed(self) -> list[Key] | None:
        """See `Channel.changed`."""
        changed = self._poller.changed
        return None if changed is None else list(changed.copy().values())

    def has_changed(self, key_id: bytes) -> bool:
        """Whether `changed` will name this key."""
        changed = self._poller.changed
        return changed is not None and key_id in changed

    def mark(self) -> None:
        """See `Channel.mark`."""
        self._poller.mark()

    def recent(self, since: float, *, patience: float) -> list[Key]:
        """See `Channel.recent`."""
        deadline = self._w.monotonic() + patience
        self._running()
        # What a turn had taken before the last `mark` is neither in `changed` nor behind its place until it ends.
        turns = self._turns
        self._until(lambda: self._turns > turns, deadline)
        before = recent(self._w, self._poller.on, self._poller.feed.positions.copy(), since, deadline=deadline)
        return distinct(self._w.origin.layout, [*before, *(self.changed() or [])])

    def slips(self) -> list[str]:
        """See `Channel.slips`."""
        return sorted(self._poller.slips.copy())

    def counts(self) -> dict[str, int]:
        """See `Channel.counts`."""
        poller, sync = self._poller, self._w.sync
        return {
            "synced": poller.synced,
            "parked": poller.parked,
            "doubtful": sync.doubt.total,
            "unwritable": len(sync.unwritable),
            "foreign_dropped": poller.foreign,
        }

    def refused(self) -> str:
        """See `Channel.refused`."""
        return str(self._w.sync.unwritable)

    def put_canary(self, key: Key) -> None:
        """Write a canary at the origin, and let its key through to the other side."""
        self._poller.expected.add(self._w.origin.layout.key_id(key))
        self._poller.litter.write([key], keep=True)
        self._poller.hurry(urgent=False)

    def withdraw_canaries(self) -> None:
        """Delete this channel's canaries at the origin, so that the channel deletes them on the other side."""
        self._poller.litter.withdraw()

    def remove_canaries(self) -> None:
        """Delete this channel's canaries on both sides, and forget them."""
        self._poller.litter.remove(even_kept=True)

    # ---------------------------------------------------------------------------------------------- settle and drain

    def settle(self, *, patience: float) -> None:
        """See `Channel.settle`."""
        deadline = self._w.monotonic() + patience
        self._running()
        if retry := self._w.sync.unwritable.keys:
            self._w.sync(retry)
        listing = self._poller.refreshes.ask()
        self._poller.hurry(urgent=False)
        self._wake.set()
        began = self._w.monotonic()
        self._until(lambda: self._poller.refreshes.is_served(listing), deadline)
        self._until(lambda: not self._left(since=began), deadline)
        self._refuse_what_is_left(self._left(since=began))

    def drain(self, *, after: float, canary: Callable[[str], Key] | None, patience: float) -> list[str]:
        """See `Channel.drain`. With canaries only they prove a shard: no clock is compared with another."""
        deadline = self._w.monotonic() + patience
        self._running()
        poller = self._poller
        drain = Drain(self._w.origin.layout, after if canary is None else None)
        poller.drain = drain
        poller.refreshes.ask()
        try:
            poller.hurry(urgent=True)
            self._wake.set()
            self._until(lambda: drain.listed, deadline)
            if canary is not None:
                self._fly(drain, canary, deadline)
            self._until(lambda: drain.listed and not drain.missing, deadline)
            unseen = sorted(drain.missing) or ([] if drain.listed else ["not listed"])
            hopeless = self._w.sync.doubt.youngest
            if hopeless is None or hopeless < deadline:
                self._until(lambda: not self._left(since=None), deadline)
            self._refuse_what_is_left(self._left(since=None))
            flush = poller.flushes.ask()
            self._until(lambda: poller.flushes.is_served(flush), deadline)
        finally:
            poller.drain = None
            poller.hurry(urgent=False)
        return unseen

    def _fly(self, drain: Drain, canary: Callable[[str], Key], deadline: float) -> None:
        layout, nonce, count, flown = self._w.origin.layout, self._w.nonce(), 0, 0
        while self._until(lambda: drain.listed, deadline) and drain.missing and self._w.monotonic() < deadline:
            count = drain.round(count)
            keys = [canary(f"{nonce}-{flown + number}") for number in range(count)]
            flown += count
            for some in chunks(keys, count):
                drain.expect(layout.key_id(key) for key in some)
                self._poller.litter.write(some)
            self._poller.hurry(urgent=True)
            self._until(
                lambda: drain.listed and not drain.missing, min(deadline, self._w.monotonic() + self._w.pace.canary)
            )

    def _left(self, *, since: float | None) -> dict[str, int]:
        """How many of what are not settled; nothing that is none. With `since`, the tip must be younger."""
        poller, sync = self._poller, self._w.sync
        counts = {
            "keys learnt and not synced": len(poller.learnt),
            "parked keys": len(poller.parking),
            "doubtful keys, younger than their horizon": sync.doubt.count,
            "units to compare anew, their change records were lost": len(poller.rebaseline),
            REFUSED: len(sync.unwritable),
        }
        if since is not None:
            tip = poller.gauge.proven
            counts["stream not read to its end"] = int(poller.refreshes.waiting or tip is None or tip < since)
        return {what: count for what, count in counts.items() if count}

    def _refuse_what_is_left(self, left: dict[str, int]) -> None:
        left = left or {f"keys in group {of}": count for of, count in self._poller.parking.durable().items()}
        if left:
            why = {REFUSED: f": {self._w.sync.unwritable}"}
            told = "; ".join(f"{count} {what}{why.get(what, '')}" for what, count in left.items())
            raise errors.Parked(
                f"channel {self.name} is not settled: {told}", reason=ParkReason.GATE, next=errors.AGAIN
            )

    def _until(self, holds: Callable[[], bool], deadline: float) -> bool:
        """Wait for a condition; whether it holds. Raises what the poller died of."""
        while not holds():
            self._raise_death()
            if self._w.monotonic() >= deadline:
                return False
            with self._news:
                self._news.wait(TICK)
            self._w.sleep(TICK)
        return True

    def _running(self) -> None:
        self._raise_death()
        if self._thread is None:
            msg = f"channel {self.name} does not run"
            raise RuntimeError(msg)

    def _raise_death(self) -> None:
        if self._death is not None:
            raise self._death
