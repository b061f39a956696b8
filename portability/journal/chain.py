"""Canonical bytes, the hash chain over them, and its verification.

An entry's hash is SHA-256 over its canonical JSON (sorted keys, no blanks) with everything but the hash itself: the
run, the number, the write id and the previous hash are in it. The head of the chain stands on the LEASE row, so a cut
tail shows; the first entry carries the header's hash, so a changed header shows. Whoever can write the whole table can
forge the whole chain: it is evidence against mistakes and partial edits, not a signature.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from portability.journal import rows
from portability.journal.table import Row
from portability.model.run import Entry, Header, Lease, RunView, advance
from portability.model.status import Fact, IllegalTransition

GENESIS = "0" * 64
"""The hash before the first entry; the run id inside every entry binds the chain to its run."""

MOST_DATA = 30_000
"""Bytes of an entry's data: facts about an effect, never the effect's content."""


def sealed(entry: Entry) -> Entry:
    """The entry with its hash, and its data as a reader will see it."""
    body = _body(entry)
    return _entry(body, _hash(body))


def entry_row(entry: Entry) -> Row:
    """A sealed entry as a row."""
    return {"schema": entry.schema, "body": _body(entry).decode(), "hash": entry.hash}


def entry_of(row: Mapping[str, Any], run: str) -> Entry:
    """An entry as it was written, its hash unchecked. Raises `JournalNewer`, `JournalBroken`."""
    rows.check_schema(row.get("schema"), run)
    try:
        return _entry(row["body"].encode(), row["hash"])
    except (KeyError, AttributeError, TypeError, msgspec.MsgspecError) as error:
        raise rows.broken(run, f"entry {row['sk']} does not read as one") from error


def fold_rows(run: str, header: Header, entries: Sequence[Entry]) -> RunView:
    """The view of these entries. Raises `JournalBroken` naming the first one that no legal path leads to."""
    view = RunView(header=header)
    for entry in entries:
        try:
            view = advance(view, entry)
        except (IllegalTransition, KeyError, ValueError, TypeError) as error:
            raise rows.broken(run, f"entry {entry.seq}: {error}") from error
    return view


def verify(run: str, header: Row, entries: Sequence[Row], before: Lease, after: Lease) -> RunView:
    """Hold the rows of a run to its chain; `before` and `after` are the lease as read around them.

    Raises `JournalBroken` naming the entry that was edited, deleted, reordered or cut off; entries that were appended
    while we read are held to the chain too.
    """
    previous, fence = GENESIS, 0
    read: list[Entry] = []
    for number, row in enumerate(entries, start=1):
        entry = entry_of(row, run)
        if entry.seq != number or row["sk"] != rows.entry_key(run, number).sk:
            raise rows.broken(run, f"entry {number} is missing or out of order ({row['sk']} says {entry.seq})")
        if _hash(row["body"].encode()) != row["hash"] or row["schema"] != entry.schema or entry.run != run:
            raise rows.broken(run, f"entry {number} was edited")
        if entry.prev != previous:
            raise rows.broken(run, f"entry {number} does not follow entry {number - 1}")
        if entry.fence < fence:
            raise rows.broken(run, f"entry {number} was written under a lease fence that had been passed")
        previous, fence = entry.hash, entry.fence
        read.append(entry)
    _check_ends(run, header, read, before, after)
    return fold_rows(run, rows.header_of(header, run), read)


def guarded(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` as it may be journaled. Raises `ValueError` (a bug of ours) for bytes, what is no JSON, or over 30 KB."""
    _check_json(data, "data")
    size = len(msgspec.json.encode(data))
    if size > MOST_DATA:
        msg = f"journal data of {size:,} bytes; at most {MOST_DATA:,}: names, ids, counts and hashes only"
        raise ValueError(msg)
    return dict(data)


def _check_ends(run: str, header: Row, read: Sequence[Entry], before: Lease, after: Lease) -> None:
    if not read or read[0].fact is not Fact.RUN_STARTED:
        raise rows.broken(run, "entry 1 is missing: nothing says that the run started")
    if read[0].data.get("header") != rows.header_hash(header["schema"], rows.header_body(header, run)):
        raise rows.broken(run, "the header is not the one the run started with")
    for lease in (before, after):
        if len(read) < lease.seq:
            # Entries written after we read them are no loss; those the first look knew of are.
            if lease is before:
                raise rows.broken(run, f"entry {len(read) + 1} is missing: the lease knows of {lease.seq}")
        elif lease.seq < 1 or read[lease.seq - 1].hash != lease.head:
            raise rows.broken(run, f"entry {lease.seq} is not the head that the lease knows")
    if len(read) > after.seq:
        raise rows.broken(run, f"entry {after.seq + 1} was never written under the lease")
    if any(entry.fence > after.fence for entry in read):
        raise rows.broken(run, f"the lease fence {after.fence} is lower than that of an entry")


def _body(entry: Entry) -> bytes:
    fields = msgspec.to_builtins(entry)
    del fields["hash"]
    return msgspec.json.encode(fields, order="deterministic")


def _entry(body: bytes, digest: str) -> Entry:
    return msgspec.convert({**msgspec.json.decode(body), "hash": digest}, Entry)


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _check_json(value: object, where: str) -> None:
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float) and math.isfinite(value):
        return
    if isinstance(value, list | tuple):
        for number, one in enumerate(value):
            _check_json(one, f"{where}[{number}]")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if not isinstance(name, str):
                msg = f"{where} has a key that is a {type(name).__name__}; a journal's keys are text"
                raise ValueError(msg)  # noqa: TRY004 - one error for one rule
            _check_json(one, f"{where}.{name}")
    else:
        msg = f"{where} is a {type(value).__name__}; a journal holds names, ids, counts and hashes only"
        raise ValueError(msg)  # noqa: TRY004 - as above
