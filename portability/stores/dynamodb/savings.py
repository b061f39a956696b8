"""When positions are written: seldom, since reading again costs time only, and never a flood."""

from __future__ import annotations

from collections.abc import Callable

from portability.stores.base import MEASURED, Ledger, Measured
from portability.stores.dynamodb.feed import Feed
from portability.stores.dynamodb.wiring import Pace


class Savings:
    """The positions of one channel, made durable with what the channel measured of itself. For one thread."""

    def __init__(
        self, ledger: Ledger, channel: str, pace: Pace, monotonic: Callable[[], float], measure: Callable[[], Measured]
    ) -> None:
        self._ledger = ledger
        self._channel = channel
        self._pace = pace
        self._monotonic = monotonic
        self._measure = measure
        self._saved = self._saved_stale = self._measured = monotonic()
        self._rows = 0

    def if_due(self, feed: Feed) -> None:
        """Save what is due: the tenant's places soon, others' in minutes, lag in seconds."""
        now, pace = self._monotonic(), self._pace
        if now - self._saved < max(pace.positions, self._rows / pace.rows):
            return
        stale = now - self._saved_stale >= pace.stale
        measured = now - self._measured >= pace.measured
        if feed.dirty or measured or (stale and feed.stale):
            self._save(feed, stale=stale, measured=measured)

    def now(self, feed: Feed, *, stale: bool = False) -> None:
        """Save the tenant's places, or with `stale` every place."""
        self._save(feed, stale=stale, measured=stale)

    def _save(self, feed: Feed, *, stale: bool, measured: bool) -> None:
        now, saving = self._monotonic(), dict(feed.dirty)
        if stale:
            saving |= feed.stale
            self._saved_stale = now
        self._saved, self._rows = now, len(saving)
        if measured:
            saving[MEASURED] = self._measure().text()
            self._measured = now
        if saving:
            self._ledger.save_positions(self._channel, saving)
            feed.saved(saving)
