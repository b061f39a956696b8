"""What the rest of the tree may ask of a journal. docs/concepts.md says what a journal promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from portability.model.run import Cursor, Entry, Header, Holder, Lease, RunView, Throughput, Tuning
from portability.model.status import Fact

Item = dict[str, Any]
"""A DynamoDB item or key in attribute-value JSON: `{"pk": {"S": "…"}}`; binary as bytes."""


class Journal(Protocol):
    """Runs, read and started. Reads are strongly consistent and need no lease."""

    def create(self) -> bool:
        """Ensure the table; True if it was made now. Waits until it is ACTIVE."""

    def check(self) -> None:
        """Raise `JournalMissing` unless the table is there and has the right keys."""

    def active(self, tenant: str) -> str | None:
        """The tenant's one active run, or None."""

    def last(self, tenant: str) -> str | None:
        """The run that the tenant began last, also where it has ended, or None."""

    def runs(self) -> list[Header]:
        """Every run's header, newest first."""

    def header(self, run: str) -> Header:
        """Raises `UnknownName`, or `JournalNewer` for a header of a newer schema."""

    def entries(self, run: str) -> list[Entry]:
        """In order. Raises `JournalNewer`."""

    def view(self, run: str) -> RunView:
        """Header and entries, folded; RUN_STARTED is the first entry."""

    def lease(self, run: str) -> Lease:
        """The lease item as it is now."""

    def verify(self, run: str) -> int:
        """Check sequence, chain, head and legality; the number of entries. Raises `JournalBroken` naming the entry."""

    def cursors(self, run: str) -> dict[tuple[str, str], Cursor]:
        """Every checkpoint of the run by (step, unit), without a lease: what `status` shows."""

    def position(self, run: str, channel: str, name: str) -> str | None:
        """What a channel saved under that name last (a shard's place, what it measured of itself), without a lease."""

    def parked_counts(self, run: str) -> dict[str, int]:
        """Parked and doubtful keys per channel name, without a lease."""

    def parked_groups(self, run: str) -> dict[tuple[str, str], int]:
        """Keys that wait by (channel name, group: a unit, `doubt`, `unwritable`, …), without a lease."""

    def parked_keys(self, run: str, channel: str) -> dict[str, list[Item]]:
        """The keys that wait in a channel by group, without a lease."""

    def start(self, header: Header, holder: Holder, *, write_id: str) -> Held:
        """One transaction: TENANT/ACTIVE and LAST, HEADER, LEASE, first entry, RUNS index, PLAN spent.

        Raises `LeaseHeld` where the tenant has an active run (naming run, holder and beat) and `PlanRejected` where
        the digest is spent. A lost reply is recognised by `write_id`.
        """

    def acquire(self, run: str, holder: Holder, *, wait: float = 0.0) -> Held:
        """Take a released lease, or take over one whose holder is gone; writes a RESUMED entry.

        `wait` is how many seconds to watch a beat that may be live (at least one whole lease is needed to call a
        remote holder dead). Raises `LeaseHeld` naming the holder and the age of its beat.
        """

    def ask(self, run: str, what: str, *, by: str) -> Lease:
        """Leave a request (`pause`) for the run's present holder; the lease it was left for.

        Needs no lease. Raises `Refused` where nobody holds the run. The holder's process reads it by `asked`.
        """

    def asked(self, run: str, fence: int) -> str | None:
        """What somebody asked of the holder of lease number `fence`, or None."""

    def tune(self, run: str, tuning: Tuning) -> None:
        """Leave what is asked of the run's copy, for whoever drives it now or later.

        What is None stays as it was asked before. Needs no lease. Raises `Refused` where the run is not its tenant's
        active one.
        """

    def tuned(self, run: str) -> Tuning | None:
        """What was asked of the run's copy, or None."""

    def throughput(self, run: str) -> Throughput | None:
        """What the run's copy told of itself last, or None."""

    def break_lease(self, run: str, *, fence: int, reason: str, by: str) -> None:
        """Raise the lease fence and release it; journaled. Raises `LeaseHeld` if `fence` is not the observed one."""


class Held(Protocol):
    """A run whose lease this process holds. One writer queue: every method may be called from any thread."""

    @property
    def run(self) -> str:
        """The run's id."""

    @property
    def fence(self) -> int:
        """The lease fence this process holds."""

    @property
    def previous(self) -> Holder | None:
        """The holder whose lease was taken over, or broken just before; None where the lease had been released."""

    @property
    def late_for(self) -> float:
        """Seconds after `taken_at` in which a write of any replaced holder may still land; 0.0 where none can."""

    @property
    def taken_at(self) -> float:
        """When this process took the lease, on its monotonic clock."""

    def unanswered(self) -> None:
        """A call of this process that changes something went without a definite answer: it may land for a horizon."""

    def late_left(self) -> float:
        """Seconds until nothing that any process of this run sent can land any more; 0.0 where nothing can.

        Calls that are under way, and not `unanswered` yet, are not in it.
        """

    def look(self) -> None:
        """Raise `LeaseLost` unless renewal was *sent* less than two thirds of a lease ago. Local, cheap, no I/O.

        Called between signing and sending of every mutating request.
        """

    def reread(self) -> None:
        """Ask the journal whose lease it is, by renewing it; raises `LeaseLost` if it is another's.

        For when the service refused a signature's time: this process may have stood still.
        """

    def view(self) -> RunView:
        """The folded view, kept current by `append`."""

    def append(self, fact: Fact, data: Mapping[str, Any], *, step: str = "", foreign: Sequence[Item] = ()) -> Entry:
        """Append one entry in one transaction with the LEASE update and, where given, `foreign` writes.

        `foreign` are DynamoDB `TransactItems` members (`Put`, `Update`, `Delete`, `ConditionCheck`, each with
        `ReturnValuesOnConditionCheckFailure=ALL_OLD`) for tables in the journal's account and region. Raises
        `LeaseLost`, or `ConditionFailed` whose `old`/`failed` line up with `foreign` when one of those refused. With
        `foreign` it raises a throttle, a conflict or a refused connection at once: nothing was written.
        `data` may hold no item values, addresses, secrets: names, ids, counts, hashes.
        """

    def save_cursor(self, step: str, cursor: Cursor, *, now: bool = False) -> None:
        """Save a checkpoint, coalesced to a few writes a second per run; `now` (and `done`) writes it at once."""

    def load_cursors(self, step: str) -> dict[str, Cursor]:
        """Checkpoints of a step by unit, strongly consistent."""

    def tuning(self) -> Tuning | None:
        """What somebody asked of this run's copy, read strongly consistent; None where nobody did."""

    def save_throughput(self, told: Throughput) -> None:
        """Keep what the copy does a second, for `status`."""

    def save_positions(self, channel: str, positions: Mapping[str, str]) -> None:
        """Durable stream positions: shard id (stream-qualified) to sequence number; "" deletes one."""

    def load_positions(self, channel: str) -> dict[str, str]:
        """What `save_positions` saved."""

    def park(self, channel: str, group: str, keys: Sequence[Item]) -> str:
        """Durably park keys in chunks; the returned id names this batch. Written before any position advances."""

    def parked(self, channel: str) -> dict[str, tuple[str, list[Item]]]:
        """Every parked batch: id to (group, keys)."""

    def unpark(self, channel: str, ids: Sequence[str]) -> None:
        """Delete batches after their keys were synced."""

    def drop_channel(self, channel: str) -> None:
        """Delete every position and key of a channel that closed."""

    def stream_users(self, table: str, *, add: bool | None = None) -> list[str]:
        """The runs that use a stream this tool enabled on `table`; `add` puts or removes this run first."""

    def release(self) -> None:
        """Give the lease back. What frees the tenant is the entry that ends the run."""

    def abandon(self) -> None:
        """Stop the heartbeat without a write: what a killed process would look like."""
