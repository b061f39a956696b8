"""What a store must be able to do to be moved. One contract suite holds every implementation to it.

A `Move` is one store of one tenant, between a source and a target side. Everything is directional through `Flow`:
`FORWARD` goes from source to target, `REVERSE` the other way, by the same code.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from portability.model.change import Change, Finding
from portability.model.run import Cursor
from portability.stores.throttle import Throttle

Key = dict[str, Any]
"""Primary key attributes in attribute-value JSON."""


class Flow(enum.StrEnum):
    """Which way keys go."""

    FORWARD = "forward"
    REVERSE = "reverse"

    @property
    def opposite(self) -> Flow:
        """The other way."""
        return Flow.REVERSE if self is Flow.FORWARD else Flow.FORWARD


DOUBT = "doubt"
"""The group under which a channel parks keys whose last write has no definite answer."""


def channel_name(store: str, flow: Flow) -> str:
    """The name under which the journal keeps a channel's positions and keys."""
    return f"{store}.{flow}"


def key_word(key: Key) -> str:
    """A key as one word, the same for equal keys; it holds values of the tenant's, and is kept nowhere."""
    return repr(sorted(key.items()))


@dataclass(frozen=True)
class Estimate:
    """A plan's guess at a store: items, bytes, and the read units spent guessing."""

    items: int
    bytes: int
    rcu: float
    exact: bool


@dataclass(frozen=True)
class Copied:
    """What a copy did to one page."""

    cursor: Cursor
    items: int
    bytes: int


@dataclass(frozen=True)
class Difference:
    """One key whose sides differ: `why` is `missing`, `extra` or `differs`; `key_hash` is what may be journaled."""

    key: Key
    why: str
    key_hash: str


@dataclass(frozen=True)
class Compared:
    """The outcome of comparing one unit, or a set of keys."""

    unit: str
    source_items: int
    target_items: int
    source_digest: str  # 32 hex digits: the sum mod 2**128 of the items' hashes
    target_digest: str
    repaired: int = 0
    differences: list[Difference] = field(default_factory=list)  # what is left after settling and repair

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same items."""
        return (
            self.source_digest == self.target_digest and self.source_items == self.target_items and not self.differences
        )


@dataclass(frozen=True)
class Synced:
    """What one `sync` did. `unwritable` keys block the gate; they are reported by hash and reason."""

    put: int
    deleted: int
    unwritable: list[tuple[Key, str]] = field(default_factory=list)


class ChannelState(enum.StrEnum):
    """What a channel does with the keys it learns."""

    SYNC = "sync"  # keep the other side current
    PARK = "park"  # learn and park durably, write nothing
    CANARY = "canary"  # write the canary key only; park the rest
    WATCH = "watch"  # the tripwire: any key of the tenant is a slip


@dataclass(frozen=True)
class Lag:
    """How far a channel is behind. `seconds` is None until it has caught sight of the tip once.

    It is None too while records are `lost` and what they told is still to be compared; not so where it only watches,
    and compares nothing: how far it has read is known there all the same.
    """

    seconds: float | None
    backlog: int  # keys learnt, not yet synced
    parked: int
    doubtful: int
    retention_left: float | None  # seconds until the oldest unread record may be trimmed
    lost: bool = False


MEASURED = "measured|"
"""The position under which a channel keeps what it measured of itself, as JSON of a `Measured`."""


@dataclass(frozen=True)
class Measured:
    """What a channel measured of itself `at` epoch seconds, for whoever reads the journal. Unknown is None."""

    at: float
    lag_seconds: float | None
    backlog: int
    retention_left_seconds: float | None

    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def of(text: str) -> Measured:
        """As it was kept."""
        return msgspec.json.decode(text, type=Measured)


class Channel(Protocol):
    """The replication channel of one store, one way. It runs on a thread of its own between `start` and `close`."""

    name: str

    def pin(self) -> None:
        """Make a position durable for every open shard, enabling the stream if it is off (waits until ENABLED).

        Idempotent: positions that exist are kept. A position that was trimmed or whose stream ARN changed marks its
        units for a re-baseline instead of being skipped.
        """

    def start(self, state: ChannelState) -> None:
        """Begin polling on a background thread."""

    def become(self, state: ChannelState) -> None:
        """Change what is done with keys; returns when the poller has acknowledged it."""

    def unit_done(self, unit: str) -> None:
        """A copy unit is done: sync what was parked for it (for a scanned silo: when the last segment is)."""

    def lag(self) -> Lag:
        """Now. Raises what the poller died of, if it died."""

    def drain(self, *, after: float, canary: Callable[[str], Key] | None, patience: float) -> list[str]:
        """Read every open shard past a record from after `after` (epoch seconds; stream records carry whole seconds).

        Where canaries are allowed, `canary(n)` gives keys to write until every shard has shown one. Then the parked,
        doubtful and pending keys are synced. Returns the shards that showed nothing (their units must be compared).
        """

    def changed(self) -> list[Key] | None:
        """Keys changed since `mark`; None if the record of them was lost (a restart): verify in full again."""

    def mark(self) -> None:
        """Forget the changed keys: a full verification begins now."""

    def recent(self, since: float, *, patience: float) -> list[Key]:
        """Every key changed from `since` (epoch seconds) on, as the stream tells; it keeps 24 hours.

        Raises `Parked` where reading it takes longer than `patience` seconds.
        """

    def slips(self) -> list[str]:
        """Hashes of the tenant's keys seen while watching."""

    def settle(self, *, patience: float) -> None:
        """Wait until every pending, parked and doubtful key is synced; raises `Parked` when patience ends."""

    def counts(self) -> dict[str, int]:
        """`synced`, `parked`, `doubtful`, `unwritable`, `foreign_dropped` so far."""

    def refused(self) -> str:
        """The unwritable keys, by hash and reason; "" where there is none."""

    def stop(self) -> None:
        """Stop the thread; positions and keys stay durable."""

    def close(self) -> None:
        """Stop, delete positions and keys, and turn the stream off if this tool enabled it for its last run."""


class Ledger(Protocol):
    """The part of the journal that a store writes through (a narrow view of `Held`, bound to the run)."""

    @property
    def run(self) -> str:
        """The run's id."""

    def save_positions(self, channel: str, positions: Mapping[str, str]) -> None:
        """See `journal.base.Held`."""

    def load_positions(self, channel: str) -> dict[str, str]:
        """See `journal.base.Held`."""

    def park(self, channel: str, group: str, keys: Sequence[Key]) -> str:
        """See `journal.base.Held`."""

    def parked(self, channel: str) -> dict[str, tuple[str, list[Key]]]:
        """See `journal.base.Held`."""

    def unpark(self, channel: str, ids: Sequence[str]) -> None:
        """See `journal.base.Held`."""

    def drop_channel(self, channel: str) -> None:
        """See `journal.base.Held`."""

    def stream_users(self, table: str, *, add: bool | None = None) -> list[str]:
        """See `journal.base.Held`."""


@dataclass(frozen=True)
class Horizon:
    """How late a dead process's write may land: doubt taken over at `since` (monotonic) lasts `seconds`."""

    since: float
    seconds: float


class Move(Protocol):
    """One store of one tenant, between its two sides."""

    store: str

    def facts(self) -> dict[str, Any]:
        """Structural facts of both sides for the plan's digest: keys, indexes, TTL, billing, stream view. No counts."""

    def findings(self) -> list[Finding]:
        """Preflight: key schema, suffix range (one beyond each end is looked at), stream of another kind, consumers
        declared, target free or ours, ids that collide, stack ownership.
        """

    def estimate(self, *, exact: bool) -> Estimate:
        """Items and bytes of the tenant at the source, within a stated RCU budget unless `exact`."""

    def drift(self, *, check: Callable[[], None] | None = None) -> list[Finding]:
        """Preflight of a tenant that leaves tables of its own for shared ones: attributes that those do not know.

        From a sample, within the estimate's budget; with `check`, called between pages, every item is read.
        """

    def provisioning(self) -> list[Change]:
        """What the target still needs, as observed: `+ table`, or `=` when adopted or there."""

    def provision(self, *, run: str, intend: Callable[[Change, bool], bool | None]) -> None:
        """Ensure the target (keys, GSIs, LSIs, TTL, billing, PITR, encryption, tags, stream); waits until ACTIVE.

        `intend(change, existed)` is called before each effect; it answers what its first record says. A table that is
        there, is not the tenant's and is not tagged or recorded as ours raises `PreflightRefused`.
        """

    def unprovision(self, *, run: str, created: bool) -> None:
        """Delete the target table if this run created it; repeatable."""

    def units(self, flow: Flow) -> list[str]:
        """The resumable slices of a copy, stable for a run: `p/tenant-42-3` or `s/0002of0004`."""

    def copy(
        self, flow: Flow, unit: str, cursor: Cursor | None, *, throttle: Throttle | None = None
    ) -> Iterator[Copied]:
        """Copy a unit page by page; what is yielded is acknowledged. Strongly consistent reads.

        Every request is admitted by `throttle`, and charged to it; what its `check` raises ends the copy.

        Raises `NoDefiniteAnswer` never: such keys are handed to `doubt`.
        """

    def sync(self, flow: Flow, keys: Sequence[Key]) -> Synced:
        """Make the destination's state of these keys equal to the origin's. Idempotent, needs no order."""

    def channel(self, flow: Flow, ledger: Ledger, *, done: Iterable[str], taken_over: Horizon | None) -> Channel:
        """The replication channel. `done` are units whose copy is finished; with `taken_over` everything synced
        until the horizon has passed is synced once more after it.
        """

    def compare(self, flow: Flow, unit: str, *, repair: bool) -> Compared:
        """Re-read both sides of a unit; differences are re-read after a settle time and, with `repair`, synced."""

    def compare_keys(self, flow: Flow, keys: Sequence[Key]) -> Compared:
        """Compare these keys by value."""

    def compare_some(self, flow: Flow, keys: Sequence[Key], *, repair: bool) -> Compared:
        """Compare these keys by value, as `compare` does a unit: settled, those still changing excused, repaired."""

    def sample(self, flow: Flow, most: int) -> list[Key]:
        """About `most` keys of each side, from places taken by chance; all of them where there are no more."""

    def strays(self, flow: Flow) -> list[Difference]:
        """Keys of the tenant at the destination that are in no unit of the origin (they would never be verified)."""

    def capacity(self, flow: Flow, *, before: float | None) -> list[Finding]:
        """Where the destination's capacity is below what the origin has or consumed: `block`; unknown: `warn`.

        `before` (epoch seconds) ends the time whose consumption counts; None: only what is provisioned counts.
        """

    def archive(self, flow: Flow) -> Iterator[bytes]:
        """The tenant's items at the origin as JSON lines in DynamoDB JSON, canonical, one item a line."""

    def erase(self, flow: Flow, *, guard: Callable[[], None], keep_table: bool = False) -> int:
        """Delete the tenant's items (pool) or table (silo) at the *origin* of `flow`; the number deleted.

        `guard` is called before every batch, and at least once a second while it waits; it raises when the deletion may
        not go on. Neighbours are never named. With `keep_table` a table of the tenant's own is emptied and stays.
        """

    def canary(self, run: str) -> Callable[[str], Key] | None:
        """Keys of the tool's own for `Channel.drain`, by a label, outside every tenant's collection.

        None where the estate allows no canary.
        """

    def canary_roundtrip(self, flow: Flow, channel: Channel, *, run: str, patience: float) -> None:
        """Write a canary at the origin, see it arrive at the destination through `channel`, remove both.

        Raises `Parked(gate)` if it did not arrive. Skipped where the estate allows no canary.
        """

    def workers(self, pool_size: int) -> AbstractContextManager[None]:
        """Set-up and clean-up around a parallel copy or comparison (clients per thread)."""
