"""What anybody may read of the journal at any time, without a lease."""

from __future__ import annotations

from portability import errors
from portability.journal import chain, rows
from portability.journal.base import Item
from portability.journal.table import Row, Table
from portability.model.run import Cursor, Entry, Header, Lease, RunView


class Reader:
    """The reading half of `base.Journal`, above the narrow table."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def active(self, tenant: str) -> str | None:
        """The tenant's one active run, or None."""
        row = self.table.get(rows.active_key(tenant))
        return None if row is None else str(row["run"])

    def last(self, tenant: str) -> str | None:
        """The run that the tenant began last, also where it has ended, or None; see `base.Journal`."""
        row = self.table.get(rows.last_key(tenant))
        if row is not None:
            return str(row["run"])
        return next((header.run for header in self.runs() if header.tenant == tenant), None)

    def runs(self) -> list[Header]:
        """Every run's header, newest first."""
        headers = [self.header(row["sk"]) for row in self.table.query(rows.RUNS)]
        return sorted(headers, key=lambda header: (header.at, header.run), reverse=True)

    def header(self, run: str) -> Header:
        """Raises `UnknownName`, or `JournalNewer` for a header of a newer schema."""
        return rows.header_of(self._header_row(run), run)

    def entries(self, run: str) -> list[Entry]:
        """In order. Raises `JournalNewer`."""
        return [chain.entry_of(row, run) for row in self._entry_rows(run)]

    def view(self, run: str) -> RunView:
        """Header and entries, folded. Raises `JournalBroken` for a path that no run can take."""
        return chain.fold_rows(run, self.header(run), self.entries(run))

    def lease(self, run: str) -> Lease:
        """The lease item as it is now."""
        return rows.lease_of(self._lease_row(run), run)

    def verify(self, run: str) -> int:
        """Check sequence, chain, head and legality; the number of entries. Raises `JournalBroken` naming the entry."""
        header = self._header_row(run)
        before = self.lease(run)
        entries = self._entry_rows(run)
        return chain.verify(run, header, entries, before, self.lease(run)).seq

    def cursors(self, run: str) -> dict[tuple[str, str], Cursor]:
        """Every checkpoint of the run by (step, unit)."""
        found = map(rows.cursor_of, self.table.query(rows.run_key(run, "").pk, rows.CURSOR))
        return {(step, cursor.unit): cursor for step, cursor in found}

    def position(self, run: str, channel: str, name: str) -> str | None:
        """What a channel saved under that name last; see `base.Journal`."""
        row = self.table.get(rows.position_key(run, channel, name))
        return None if row is None else str(row["at"])

    def parked_counts(self, run: str) -> dict[str, int]:
        """Parked and doubtful keys per channel name."""
        counts: dict[str, int] = {}
        for (channel, _), number in self.parked_groups(run).items():
            counts[channel] = counts.get(channel, 0) + number
        return counts

    def parked_groups(self, run: str) -> dict[tuple[str, str], int]:
        """Keys that wait by (channel name, group); see `base.Journal`."""
        counts: dict[tuple[str, str], int] = {}
        for row in self.table.query(rows.run_key(run, "").pk, rows.KEYS):
            group = (row["channel"], row["group"])
            counts[group] = counts.get(group, 0) + row["count"]
        return counts

    def parked_keys(self, run: str, channel: str) -> dict[str, list[Item]]:
        """The keys that wait in a channel by group; see `base.Journal`."""
        found: dict[str, list[Item]] = {}
        for row in self.table.query(rows.run_key(run, "").pk, f"{rows.KEYS}{rows.part(channel)}#"):
            found.setdefault(row["group"], []).extend(rows.keys_of(row))
        return found

    def _header_row(self, run: str) -> Row:
        row = self.table.get(rows.run_key(run, rows.HEADER))
        if row is None:
            raise errors.UnknownName(f"there is no run {run} in the journal", next="portability run list")
        return row

    def _lease_row(self, run: str) -> Row:
        row = self.table.get(rows.run_key(run, rows.LEASE))
        if row is None:
            self._header_row(run)
            raise rows.broken(run, "its lease is missing")
        return row

    def _entry_rows(self, run: str) -> list[Row]:
        return self.table.query(rows.run_key(run, "").pk, rows.ENTRY)
