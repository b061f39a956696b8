"""A shelf: one SQLite file with items by (tenant, number) and a log of which of them changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS item (tenant TEXT, id INTEGER, value TEXT, PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT, id INTEGER, at REAL) STRICT;
"""
_SET = "INSERT INTO item VALUES (?, ?, ?) ON CONFLICT (tenant, id) DO UPDATE SET value = excluded.value"


@dataclass(frozen=True)
class Shelf:
    """A file. Every call is one transaction; one that changes nothing leaves no line in the log."""

    file: Path

    def there(self) -> bool:
        """Whether the file was made."""
        return self.file.exists()

    def make(self) -> None:
        """Ensure the file and its tables."""
        with self._open() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_TABLES)

    def remove(self) -> None:
        """Ensure that there is no file."""
        for end in ("", "-wal", "-shm"):
            self.file.with_name(self.file.name + end).unlink(missing_ok=True)

    def put(self, tenant: str, values: dict[int, str | None], *, at: float) -> None:
        """Write items; None deletes."""
        with self._open() as db, db:
            for number, value in values.items():
                found = db.execute("SELECT value FROM item WHERE tenant = ? AND id = ?", (tenant, number)).fetchone()
                if (found[0] if found else None) == value:
                    continue
                if value is None:
                    db.execute("DELETE FROM item WHERE tenant = ? AND id = ?", (tenant, number))
                else:
                    db.execute(_SET, (tenant, number, value))
                db.execute("INSERT INTO log (tenant, id, at) VALUES (?, ?, ?)", (tenant, number, at))

    def get(self, tenant: str, numbers: list[int]) -> dict[int, str]:
        """Those of these items that are there."""
        return {number: value for number, value in self.items(tenant) if number in set(numbers)}

    def items(self, tenant: str) -> list[tuple[int, str]]:
        """A tenant's items by number."""
        with self._open() as db:
            return db.execute("SELECT id, value FROM item WHERE tenant = ? ORDER BY id", (tenant,)).fetchall()

    def others(self, tenant: str) -> list[tuple[str, int, str]]:
        """Everybody else's items."""
        with self._open() as db:
            return db.execute("SELECT * FROM item WHERE tenant <> ? ORDER BY tenant, id", (tenant,)).fetchall()

    def tip(self) -> int:
        """The number of the log's last line."""
        with self._open() as db:
            return int(db.execute("SELECT coalesce(max(seq), 0) FROM log").fetchone()[0])

    def log(self, tenant: str, after: int) -> list[tuple[int, int, float]]:
        """(line, item, time) of what changed of a tenant's after a line."""
        with self._open() as db:
            return db.execute(
                "SELECT seq, id, at FROM log WHERE tenant = ? AND seq > ? ORDER BY seq", (tenant, after)
            ).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=20)) as db:
            db.execute("PRAGMA synchronous = OFF")
            yield db
