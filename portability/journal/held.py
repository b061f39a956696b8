"""A run whose lease this process holds: `base.Held` over the one writer."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from portability import errors
from portability.journal import chain, rows
from portability.journal.base import Item
from portability.journal.lease import Waited
from portability.journal.table import MOST_MEMBERS, Change, Delete, Member, Put
from portability.journal.writer import Writer
from portability.model.run import Cursor, Entry, Holder, RunView, Throughput, Tuning, advance
from portability.model.status import ENDED, Fact

BETWEEN_FLUSHES = 0.25
"""Seconds: at most four writes of checkpoints a second per run."""

BETWEEN_TELLS = 5.0
"""Seconds between two writes of what is left of `late_for`: what a killed process had waited beyond is waited again."""

MOST_BYTES = 3_000_000
"""Of one transaction. AWS: 4 MB."""


class HeldRun:
    """See `base.Held`. The heartbeat thread, where there is one, also flushes the checkpoints."""

    def __init__(
        self,
        writer: Writer,
        view: RunView,
        head: str,
        holder: Holder,
        *,
        previous: Holder | None,
        late_for: float,
    ) -> None:
        self.previous = previous
        self.late_for = late_for
        self.taken_at = writer.clock.monotonic()
        self._writer = writer
        self._view = view
        self._head = head
        self._holder = holder
        self._released = False
        self._pending: dict[tuple[str, str], Cursor] = {}
        self._pending_lock = threading.Lock()
        self._flushed = self.taken_at - BETWEEN_FLUSHES
        self._landed = self.taken_at + late_for  # when nothing can land any more
        self._left = late_for  # as the journal has it since `_told`
        self._told = self.taken_at
        self._positions: dict[tuple[str, str], str] = {}
        writer.background = self._in_background

    @property
    def run(self) -> str:
        """The run's id."""
        return self._writer.run

    @property
    def fence(self) -> int:
        """The lease fence this process holds."""
        return self._writer.fence

    def unanswered(self) -> None:
        """Something of ours may land for a horizon; see `base.Held`."""
        now = self._writer.clock.monotonic()
        with self._pending_lock:
            self._landed = max(self._landed, now + self._writer.horizon)

    def late_left(self) -> float:
        """Seconds until nothing can land any more; see `base.Held`."""
        return max(0.0, self._landed - self._writer.clock.monotonic())

    def look(self) -> None:
        """Raise `LeaseLost` unless renewal was sent less than two thirds of a lease ago; see `base.Held`."""
        self._writer.look()

    def reread(self) -> None:
        """Ask the journal whose lease it is; see `base.Held`."""
        self._writer.renew()

    def pulse(self) -> float:
        """One turn of the heartbeat, by hand; seconds until the next one is due."""
        return self._writer.pulse()

    def view(self) -> RunView:
        """The folded view, kept current by `append`."""
        return self._view

    # ---------------------------------------------------------------------------------------------------------- entries

    def append(self, fact: Fact, data: Mapping[str, Any], *, step: str = "", foreign: Sequence[Item] = ()) -> Entry:
        """Append one entry, with `foreign` writes in the same transaction; see `base.Held`.

        An entry that ends the run frees the tenant in the same transaction. Raises `IllegalTransition` and
        `ValueError` (bugs of ours) before anything is written.
        """
        kept = chain.guarded(data)
        writer = self._writer
        with writer.lock:
            token = writer.new_id()
            entry = chain.sealed(
                Entry(
                    run=self.run,
                    seq=self._view.seq + 1,
                    step=step,
                    fact=fact,
                    data=kept,
                    at=writer.clock.now(),
                    by=self._holder.name,
                    fence=self.fence,
                    write_id=token,
                    prev=self._head,
                    hash="",
                )
            )
            after = advance(self._view, entry)
            members: list[Member] = [Put(rows.entry_key(self.run, entry.seq), chain.entry_row(entry), {"pk": None})]
            if after.state in ENDED:
                members.append(Delete(rows.active_key(after.header.tenant), {"run": self.run}))
            _check_room(1 + len(members) + len(foreign))
            writer.commit(
                {"seq": entry.seq, "head": entry.hash},
                members,
                token=token,
                expect={"seq": self._view.seq, "head": self._head},
                foreign=foreign,
            )
            self._view, self._head = after, entry.hash
            return entry

    def release(self) -> None:
        """Give the lease back; see `base.Held`. The lease fence is raised, so nothing late of ours can land."""
        writer = self._writer
        with writer.lock:
            if self._released:
                return
            self._flush()
            self._tell_late()
            writer.commit({"holder": "", "fence": self.fence + 1}, [], token=writer.new_id(), expect={})
            self._released = True
            writer.lose("it was released")
        writer.close("it was released")

    def abandon(self) -> None:
        """Stop the heartbeat without a write; whatever waits is lost, as when the process is killed."""
        self._writer.close("it was abandoned")

    # ------------------------------------------------------------------------------------------------------ checkpoints

    def save_cursor(self, step: str, cursor: Cursor, *, now: bool = False) -> None:
        """Save a checkpoint, coalesced; `now` and `done` write it at once."""
        writer = self._writer
        writer.look()
        with self._pending_lock:
            self._pending[step, cursor.unit] = cursor
        if now or cursor.done:
            with writer.lock:
                self._flush()
        elif writer.threaded:
            writer.wake()
        else:
            self._flush_if_due()

    def load_cursors(self, step: str) -> dict[str, Cursor]:
        """Checkpoints of a step by unit, those that wait included."""
        with self._writer.lock:
            self._flush()
            found = self._rows(f"{rows.CURSOR}{rows.part(step)}#")
        return {cursor.unit: cursor for _, cursor in map(rows.cursor_of, found)}

    def _flush_if_due(self) -> float | None:
        """Flush what waits, at most every `BETWEEN_FLUSHES`; seconds until it is due, None where nothing waits."""
        if not self._pending:
            return None
        writer = self._writer
        with writer.lock:
            due = self._flushed + BETWEEN_FLUSHES - writer.clock.monotonic()
            if due > 0:
                return due
            self._flush()
        return None

    def _flush(self) -> None:
        """Under the writer's lock. What could not be written waits on, unless a newer checkpoint has come."""
        with self._pending_lock:
            waiting, self._pending = self._pending, {}
        if not waiting:
            return
        try:
            self._write(
                [
                    Put(rows.cursor_key(self.run, step, unit), rows.cursor_row(step, cursor))
                    for (step, unit), cursor in waiting.items()
                ]
            )
        except errors.PortabilityError:
            with self._pending_lock:
                self._pending = {**waiting, **self._pending}
            raise
        self._flushed = self._writer.clock.monotonic()

    # ----------------------------------------------------------------------------------------- what may land, how long

    def _in_background(self) -> float | None:
        """Write what is due; seconds until something is, None where nothing waits."""
        waits = [wait for wait in (self._flush_if_due(), self._tell_late_if_due()) if wait is not None]
        return min(waits, default=None)

    def _tell_late_if_due(self) -> float | None:
        """Tell every few seconds, and once it is over; seconds until it is due, None where nothing can land."""
        if not self._left:
            return None
        due = self._told + min(BETWEEN_TELLS, self._left) - self._writer.clock.monotonic()
        if due > 0:
            return due
        self._tell_late()
        return self._tell_late_if_due()

    def _tell_late(self) -> None:
        """Keep what is left for the processes that follow: see `lease.late_for`."""
        with self._writer.lock:
            left = self.late_left()
            if not self._left and not left:
                return
            now = self._writer.clock.monotonic()
            self._write([Put(rows.run_key(self.run, rows.LATE), rows.late_row(Waited(self.fence, left)))])
            self._left, self._told = left, now

    # -------------------------------------------------------------------------------------------------- the copy's pace

    def tuning(self) -> Tuning | None:
        """What somebody asked of this run's copy; see `base.Held`."""
        row = self._writer.table.get(rows.run_key(self.run, rows.TUNE))
        return None if row is None else rows.tuning_of(row, self.run)

    def save_throughput(self, told: Throughput) -> None:
        """Keep what the copy does a second."""
        self._write([Put(rows.run_key(self.run, rows.THROUGHPUT), rows.throughput_row(told))])

    # -------------------------------------------------------------------------------------------------------- positions

    def save_positions(self, channel: str, positions: Mapping[str, str]) -> None:
        """Durable stream positions; "" deletes one. What stands already is not written again."""
        with self._writer.lock:
            news = {shard: at for shard, at in positions.items() if self._positions.get((channel, shard)) != at}
            members: list[Member] = []
            for shard, at in news.items():
                key = rows.position_key(self.run, channel, shard)
                members.append(Put(key, {"shard": shard, "at": at}) if at else Delete(key))
            if members:
                self._write(members)
            else:
                self._writer.look()
            self._positions.update({(channel, shard): at for shard, at in news.items()})

    def load_positions(self, channel: str) -> dict[str, str]:
        """What `save_positions` saved."""
        return {row["shard"]: row["at"] for row in self._rows(f"{rows.POSITION}{rows.part(channel)}#")}

    # ------------------------------------------------------------------------------------------------------ parked keys

    def park(self, channel: str, group: str, keys: Sequence[Item]) -> str:
        """Durably park keys, in chunks; the id names the batch and says how many chunks it has."""
        chunks = list(rows.key_chunks(keys))
        batch = f"{self._writer.new_id()}-{len(chunks)}"
        self._write(
            [
                Put(
                    rows.keys_key(self.run, channel, batch, number),
                    {"channel": channel, "batch": batch, "group": group, "count": count, "keys": packed},
                )
                for number, (count, packed) in enumerate(chunks)
            ]
        )
        return batch

    def parked(self, channel: str) -> dict[str, tuple[str, list[Item]]]:
        """Every parked batch: id to (group, keys)."""
        found: dict[str, tuple[str, list[Item]]] = {}
        for row in self._rows(f"{rows.KEYS}{rows.part(channel)}#"):
            _, keys = found.setdefault(row["batch"], (row["group"], []))
            keys.extend(rows.keys_of(row))
        return found

    def unpark(self, channel: str, ids: Sequence[str]) -> None:
        """Delete batches after their keys were synced."""
        self._write(
            [
                Delete(rows.keys_key(self.run, channel, batch, number))
                for batch in ids
                for number in range(int(batch.rpartition("-")[2]))
            ]
        )

    def drop_channel(self, channel: str) -> None:
        """Delete every position and key of a channel that closed."""
        with self._writer.lock:
            found = [
                row for prefix in (rows.POSITION, rows.KEYS) for row in self._rows(f"{prefix}{rows.part(channel)}#")
            ]
            self._write([Delete(rows.run_key(self.run, row["sk"])) for row in found])
            self._positions = {key: at for key, at in self._positions.items() if key[0] != channel}

    def stream_users(self, table: str, *, add: bool | None = None) -> list[str]:
        """The runs that use a stream this tool enabled on `table`; `add` puts or removes this run first."""
        key = rows.stream_key(table, self.run)
        if add is not None:
            self._write([Put(key, {"run": self.run}) if add else Delete(key)])
        return [row["run"] for row in self._writer.table.query(key.pk)]

    # ------------------------------------------------------------------------------------------------------------ parts

    def _rows(self, prefix: str) -> list[dict[str, Any]]:
        return self._writer.table.query(rows.run_key(self.run, "").pk, prefix)

    def _write(self, members: Sequence[Member]) -> None:
        """As many transactions as it takes, each under the lease; a crash between two is completed by a repeat."""
        batch: list[Member] = []
        size = 0
        for member in members:
            weight = _weight(member)
            if batch and (len(batch) == MOST_MEMBERS - 1 or size + weight > MOST_BYTES):
                self._writer.write(batch)
                batch, size = [], 0
            batch.append(member)
            size += weight
        if batch:
            self._writer.write(batch)
        else:
            self._writer.look()


def _weight(member: Member) -> int:
    values = (
        member.row.values() if isinstance(member, Put) else member.put.values() if isinstance(member, Change) else ()
    )
    return 512 + sum(len(value) if isinstance(value, bytes | str) else 8 for value in values)


def _check_room(members: int) -> None:
    if members > MOST_MEMBERS:
        msg = f"an entry with {members} writes; a transaction holds {MOST_MEMBERS}"
        raise ValueError(msg)
