"""How fast a copy may go: token buckets in capacity units, filled by the grant, charged by what answers consumed.

A request is admitted while its bucket is not in debt. It is charged what such a request usually costs, and what it
really cost once its answer says so: over time exactly the granted rate is used, and never more than `BURST` seconds
of it plus one request at once. A throttled answer halves the rate (at most once in `SETTLE` seconds); it grows back by
`GROWTH` of the grant a second. Where nothing was granted nobody knows how far, and it grows by `REGAIN` of itself.
Time and sleep are injected.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from portability.model.rate import Rate

BURST = 0.05
"""Seconds of the rate that may be saved up while nobody asks."""

CUT, GROWTH, SETTLE = 0.5, 0.05, 1.0
"""What a throttled answer leaves of the rate; the part of the grant it regains a second; seconds before it does."""

REGAIN = 0.1
"""Without a grant: the part of its own rate that is regained a second, tenfold in 24 seconds."""

FIRST, LEAST = 100.0, 1.0
"""Units a second: without a grant, from which back-off sets out at the least, as little may have been used so far; and
that back-off never goes below."""

LONG, BOUNDLESS = 600.0, 1e7
"""Seconds of growth that are counted at once, at most; units a second that no table has: a limit no more."""

LEARN = 0.2
"""The weight of the latest answer in what a request is taken to cost."""

SHORTEST, LONGEST = 0.001, 0.25
"""Seconds a wait lasts at least; and at most, before the rate (it may have changed) and the run are looked at again."""

WINDOW = 10.0
"""Seconds over which a rate is told."""

AT_ONCE = 0.25
"""Seconds of the rate that one request may cost: where little is granted, requests are small."""

ITEM_RCU, ITEM_WCU = 0.25, 1.0
"""What an item of 1 KB costs to read in a strongly consistent page, and to write. AWS: 4 KB and 1 KB a unit."""

PAGE_RCU = 256.0
"""What a whole page costs. AWS: 1 MB, strongly consistent."""


class Meter:
    """How much a second, over the last `WINDOW` seconds. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._seen: deque[tuple[float, float]] = deque()
        self._sum = 0.0
        self._lock = threading.Lock()

    def add(self, amount: float) -> None:
        """Count something that happened now."""
        with self._lock:
            self._seen.append((self._monotonic(), amount))
            self._sum += amount
            self._forget()

    def rate(self) -> float:
        """A second; the first second counts whole, so that a beginning is not told as a peak."""
        with self._lock:
            self._forget()
            return self._sum / max(1.0, min(WINDOW, self._monotonic() - self._began))

    def _forget(self) -> None:
        while self._seen and self._seen[0][0] <= self._monotonic() - WINDOW:
            self._sum -= self._seen.popleft()[1]


class Bucket:
    """One kind of capacity. Thread-safe; waits for nobody: `take` says how long to wait.

    `granted` is units a second, None without a limit; `cost` is what an item is taken to cost until answers tell.
    """

    def __init__(self, granted: float | None, monotonic: Callable[[], float], *, cost: float) -> None:
        self.turn = threading.Lock()  # held by the one who waits: first come, first served, and one wake-up a request
        self.used = Meter(monotonic)
        self.throttled = 0  # answers so far
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._cost = cost
        self._granted = math.inf if granted is None else granted
        self._allowed = self._granted
        self._grows_at = self._at = monotonic()
        self._cut_at = -math.inf
        self._level = 0.0

    @property
    def granted(self) -> float | None:
        """Units a second that were granted."""
        return None if math.isinf(self._granted) else self._granted

    @property
    def allowed(self) -> float | None:
        """Units a second at this moment: less than granted while it backs off."""
        with self._lock:
            self._refill()
            return None if math.isinf(self._allowed) else self._allowed

    @property
    def rate(self) -> float:
        """Units a second used of late."""
        return self.used.rate()

    def grant(self, granted: float | None) -> None:
        """Another rate from now on; what is owed stays owed, what was saved up beyond it is lost."""
        with self._lock:
            self._refill()
            self._granted = self._allowed = math.inf if granted is None else granted
            self._level = min(self._level, self._most)

    def fit(self) -> float:
        """How many items one request may have: `AT_ONCE` seconds of the rate."""
        with self._lock:
            self._refill()
            return self._allowed * AT_ONCE / self._cost

    def take(self, items: float, most: float = math.inf) -> tuple[float, float]:
        """(seconds to wait before asking again, what was charged, at most `most`): of the two one at least is 0."""
        with self._lock:
            self._refill()
            if self._level < 0.0:
                return max(SHORTEST, -self._level / self._allowed), 0.0
            return 0.0, self._charge(items, most)

    def charge(self, items: float) -> float:
        """Charge a request that cannot wait: others wait the longer for it. What was charged."""
        with self._lock:
            self._refill()
            return self._charge(items, math.inf)

    def settle(self, items: float, charged: float, real: float | None) -> None:
        """An answer came: `items` cost `real` units (None: it does not say, so the charge stands)."""
        with self._lock:
            self.used.add(charged if real is None else real)
            if real is None:
                return
            if not math.isinf(self._allowed):
                self._level += charged - real
            if items and real:
                self._cost += LEARN * (real / items - self._cost)

    def refused(self, real: float) -> None:
        """A request was throttled; what was done of it cost `real`. Its charge stands: who is refused waits too."""
        self.used.add(real)
        with self._lock:
            self.throttled += 1
        self.slow_down()

    def slow_down(self, hold: float = SETTLE) -> None:
        """Halve the rate, unless that was done a moment ago; it grows back after `hold` seconds."""
        with self._lock:
            self._refill()
            now = self._monotonic()
            self._grows_at = max(self._grows_at, now + hold)
            if now - self._cut_at < SETTLE:
                return
            self._cut_at = now
            base = self._allowed if not math.isinf(self._allowed) else max(FIRST, self.used.rate())
            if math.isinf(self._allowed):
                self._level = 0.0
            self._allowed = min(self._granted, max(LEAST, base * CUT))

    def _charge(self, items: float, most: float) -> float:
        charged = min(most, items * self._cost)
        if not math.isinf(self._allowed):
            self._level -= charged
        return charged

    @property
    def _most(self) -> float:
        return 0.0 if math.isinf(self._allowed) else self._allowed * BURST

    def _refill(self) -> None:
        now = self._monotonic()
        past, self._at = now - self._at, now
        if math.isinf(self._allowed):
            return
        self._level = min(self._most, self._level + past * self._allowed)
        growing = min(past, now - self._grows_at)
        if growing > 0.0 and self._allowed < self._granted:
            self._allowed = min(self._granted, self._grown(growing))

    def _grown(self, past: float) -> float:
        """What the rate is after `past` seconds of growth."""
        if not math.isinf(self._granted):
            return self._allowed + past * GROWTH * self._granted
        grown = self._allowed * (1.0 + REGAIN) ** min(past, LONG)
        return grown if grown < BOUNDLESS else math.inf


@dataclass(slots=True)
class Ticket:
    """One admitted request, charged to every bucket it goes through."""

    items: float
    charges: tuple[tuple[Bucket, float], ...] = ()

    def settle(self, real: float | None, *, items: float | None = None) -> None:
        """The answer consumed `real` units for `items` (as many as were admitted); None where it does not say."""
        for bucket, charged in self.charges:
            bucket.settle(self.items if items is None else items, charged, real)

    def throttled(self, real: float = 0.0) -> None:
        """The service refused it, or a part of it, for want of capacity: what was done consumed `real` units."""
        for bucket, _ in self.charges:
            bucket.refused(real)


UNCHARGED = Ticket(0.0)
"""A request that goes through no bucket."""


@dataclass(frozen=True)
class Lane:
    """Through these buckets one unit's requests of a kind go, the narrowest first. Thread-safe."""

    buckets: tuple[Bucket, ...] = ()
    sleep: Callable[[float], None] = field(default=lambda _seconds: None, repr=False)
    check: Callable[[], None] = field(default=lambda: None, repr=False)

    def fit(self, most: int) -> int:
        """How many items one request may have, at least 1 and at most `most`."""
        return max(1, min([most, *(int(min(most, bucket.fit())) for bucket in self.buckets)]))

    def admit(self, items: float, most: float = math.inf) -> Ticket:
        """Wait until a request of that many items, of at most `most` units, may be sent. Raises what `check` raises."""
        if not self.buckets:
            return UNCHARGED
        return Ticket(items, tuple((bucket, self._wait(bucket, items, most)) for bucket in self.buckets))

    def again(self, items: float) -> Ticket:
        """A request is sent again: charged, and not held up behind those that wait for their first turn."""
        return Ticket(items, tuple((bucket, bucket.charge(items)) for bucket in self.buckets))

    def _wait(self, bucket: Bucket, items: float, most: float) -> float:
        with bucket.turn:
            while True:
                wait, charged = bucket.take(items, most)
                if not wait:
                    return charged
                self.check()
                self.sleep(min(wait, LONGEST))


FREE = Lane()
"""Where nothing is counted and nobody waits."""


@dataclass(frozen=True)
class Lanes:
    """One unit's ways to read its origin and to write its destination."""

    read: Lane = FREE
    write: Lane = FREE


class Throttle:
    """One copy's grant, shared by the units of all its stores. `check` raises where the run has to stop."""

    def __init__(
        self,
        rate: Rate,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._monotonic, self._sleep, self._check = monotonic, sleep, check
        self.read = Bucket(rate.rcu, monotonic, cost=ITEM_RCU)
        self.write = Bucket(rate.wcu, monotonic, cost=ITEM_WCU)

    def lanes(self, *, ceiling: Rate = Rate()) -> Lanes:
        """The lanes of one unit, which alone may not go beyond `ceiling`: what one partition key bears."""
        return Lanes(
            self._lane(self.read, ceiling.rcu, ITEM_RCU),
            self._lane(self.write, ceiling.wcu, ITEM_WCU),
        )

    def grant(self, rate: Rate) -> None:
        """Another rate from now on."""
        self.read.grant(rate.rcu)
        self.write.grant(rate.wcu)

    def slow_down(self, hold: float) -> None:
        """Halve both rates: others need the tables."""
        self.read.slow_down(hold)
        self.write.slow_down(hold)

    @property
    def throttled(self) -> int:
        """Throttled answers so far."""
        return self.read.throttled + self.write.throttled

    def _lane(self, shared: Bucket, ceiling: float | None, cost: float) -> Lane:
        own = () if ceiling is None else (Bucket(ceiling, self._monotonic, cost=cost),)
        return Lane((*own, shared), self._sleep, self._check)
