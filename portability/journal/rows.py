"""What lies where in the journal table, and how a value becomes a row and comes back."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from portability import errors
from portability.journal.lease import Waited
from portability.journal.table import WRITE, Key, Row
from portability.model.run import ENTRY_SCHEMA, SUPPORTED_SCHEMAS, Cursor, Header, Holder, Lease, Throughput, Tuning

MOST_BYTES = 350_000
"""Of one row. AWS: an item is at most 400 KB, names included."""

HEADER, LEASE, ENTRY, CURSOR, POSITION, KEYS, ASK = "HEADER", "LEASE", "E#", "C#", "P#", "K#", "A#"
TUNE, THROUGHPUT, LATE = "TUNE", "THROUGHPUT", "LATE"
RUNS = "RUNS"


def run_key(run: str, sk: str) -> Key:
    """A row of a run."""
    return Key(f"RUN#{run}", sk)


def active_key(tenant: str) -> Key:
    """The tenant's one active run."""
    return Key(f"TENANT#{tenant}", "ACTIVE")


def last_key(tenant: str) -> Key:
    """The run that the tenant began last: in the order of their starts, which no clock decides."""
    return Key(f"TENANT#{tenant}", "LAST")


def plan_key(digest: str, made: str = "") -> Key:
    """The mark of a spent plan: of this compilation, since the same move may be planned again after it was undone."""
    return Key(f"PLAN#{digest}", f"SPENT#{part(made)}" if made else "SPENT")


def ask_key(run: str, fence: int) -> Key:
    """What somebody asks of the holder of that lease number: who takes the lease next is not asked any more."""
    return run_key(run, f"{ASK}{fence:012d}")


def index_key(run: str) -> Key:
    """The run's row in the index of all runs."""
    return Key(RUNS, run)


def entry_key(run: str, seq: int) -> Key:
    """The run's entry by number."""
    return run_key(run, f"{ENTRY}{seq:012d}")


def cursor_key(run: str, step: str, unit: str) -> Key:
    """A unit's checkpoint."""
    return run_key(run, f"{CURSOR}{part(step)}#{part(unit)}")


def position_key(run: str, channel: str, shard: str) -> Key:
    """A shard's stream position."""
    return run_key(run, f"{POSITION}{part(channel)}#{part(shard)}")


def keys_key(run: str, channel: str, batch: str, chunk: int) -> Key:
    """A chunk of parked keys."""
    return run_key(run, f"{KEYS}{part(channel)}#{batch}#{chunk:05d}")


def stream_key(table: str, run: str) -> Key:
    """A run's use of a stream that this tool enabled."""
    return Key(f"STREAM#{table}", f"RUN#{run}")


def part(text: str) -> str:
    """`text` as one part of a sort key: the separator cannot be forged, so `a#b` is never read as `b` under `a`."""
    return text.replace("%", "%25").replace("#", "%23")


# ------------------------------------------------------------------------------------------------------------- header


def header_row(header: Header) -> tuple[Row, str]:
    """The row and the hash that the first entry carries. Raises `Refused` for a plan that fits in no row."""
    body = msgspec.json.encode(header)
    packed = zlib.compress(body, 9)
    if len(packed) > MOST_BYTES:
        msg = f"the plan for {header.tenant} is {len(packed):,} bytes compressed; the journal holds {MOST_BYTES:,}"
        raise errors.Refused(msg, next=f"portability plan {header.tenant} with fewer stores or facts")
    return {"schema": ENTRY_SCHEMA, "header": packed}, header_hash(ENTRY_SCHEMA, body)


def header_body(row: Mapping[str, Any], run: str) -> bytes:
    """The header's JSON as it was written. Raises `JournalNewer`, `JournalBroken`."""
    check_schema(row.get("schema"), run)
    try:
        return zlib.decompress(row["header"])
    except (KeyError, TypeError, zlib.error) as error:
        raise broken(run, f"the header cannot be read ({type(error).__name__})") from error


def header_of(row: Mapping[str, Any], run: str) -> Header:
    """The header. Raises `JournalNewer`, `JournalBroken`."""
    body = header_body(row, run)
    try:
        header = msgspec.json.decode(body, type=Header)
    except msgspec.MsgspecError as error:
        raise broken(run, "the header does not read as one") from error
    if header.run != run:
        raise broken(run, f"the header is that of run {header.run}")
    return header


def header_hash(schema: int, body: bytes) -> str:
    """What the first entry says of the header: SHA-256 over its schema and JSON, hex."""
    return hashlib.sha256(b"%d\n" % schema + body).hexdigest()


def check_schema(schema: object, run: str) -> None:
    """Raise `JournalNewer` for a schema that this version does not know."""
    if schema not in SUPPORTED_SCHEMAS:
        known = ", ".join(str(one) for one in SUPPORTED_SCHEMAS)
        msg = f"run {run} was written with journal schema {schema}; this version reads {known}"
        raise errors.JournalNewer(msg, next=f"install the version that wrote it (or a newer one), then {errors.AGAIN}")


def broken(run: str, what: str) -> errors.JournalBroken:
    """A journal that does not hold together."""
    return errors.JournalBroken(f"run {run}: {what}", next=f"portability journal show {run}")


# -------------------------------------------------------------------------------------------------------------- lease


def lease_of(row: Mapping[str, Any], run: str) -> Lease:
    """The lease as read. Raises `JournalBroken`."""
    try:
        holder = msgspec.json.decode(row["holder"], type=Holder) if row["holder"] else None
        return Lease(
            run=run,
            holder=holder,
            fence=row["fence"],
            beat=row["beat"],
            seq=row["seq"],
            head=row["head"],
            beat_at=row["beat_ms"] / 1000,
        )
    except (KeyError, TypeError, msgspec.MsgspecError) as error:
        raise broken(run, "the lease does not read as one") from error


def late_row(waited: Waited) -> Row:
    """What is left of the horizons of the replaced, as kept."""
    return {"fence": waited.fence, "left_ms": round(waited.left * 1000)}


def waited_of(row: Mapping[str, Any] | None, run: str) -> Waited:
    """What is left of them as read; nothing was waited where there is no row. Raises `JournalBroken`."""
    try:
        return Waited() if row is None else Waited(fence=row["fence"], left=row["left_ms"] / 1000)
    except (KeyError, TypeError) as error:
        raise broken(run, "what was waited for late writes does not read as such") from error


def holder_text(holder: Holder | None) -> str:
    """A holder as the lease keeps it; empty where the lease is released."""
    return msgspec.json.encode(holder).decode() if holder is not None else ""


# ----------------------------------------------------------------------------------------- checkpoints, positions, keys


def cursor_row(step: str, cursor: Cursor) -> Row:
    """MessagePack keeps the bytes of a binary key as they are."""
    return {"step": step, "cursor": msgspec.msgpack.encode(cursor)}


def cursor_of(row: Mapping[str, Any]) -> tuple[str, Cursor]:
    """The step's id and the checkpoint."""
    return row["step"], msgspec.msgpack.decode(row["cursor"], type=Cursor)


def tuning_of(row: Mapping[str, Any], run: str) -> Tuning:
    """What somebody asked of the copy. Raises `JournalBroken`."""
    given = {name: row[name] for name in ("rate", "units", "by") if name in row}
    try:
        return msgspec.convert({**given, "id": row[WRITE]}, Tuning)
    except (KeyError, msgspec.ValidationError) as error:
        raise broken(run, "what was asked of its copy does not read as such") from error


def throughput_row(told: Throughput) -> Row:
    """One row per run, replaced each time."""
    return {"told": msgspec.msgpack.encode(told)}


def throughput_of(row: Mapping[str, Any], run: str) -> Throughput:
    """What the copy told last. Raises `JournalBroken`."""
    try:
        return msgspec.msgpack.decode(row["told"], type=Throughput)
    except (KeyError, msgspec.MsgspecError) as error:
        raise broken(run, "the copy's figures do not read as such") from error


def key_chunks(keys: Sequence[dict[str, Any]]) -> Iterator[tuple[int, bytes]]:
    """(count, packed keys) per row, each under `MOST_BYTES`. AWS: a key is at most 3 KB."""
    chunk: list[bytes] = []
    size = 0
    for key in keys:
        packed = msgspec.msgpack.encode(key)
        if chunk and size + len(packed) > MOST_BYTES - 4096:
            yield len(chunk), msgspec.msgpack.encode([msgspec.Raw(one) for one in chunk])
            chunk, size = [], 0
        chunk.append(packed)
        size += len(packed)
    if chunk:
        yield len(chunk), msgspec.msgpack.encode([msgspec.Raw(one) for one in chunk])


def keys_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parked keys of one row."""
    return msgspec.msgpack.decode(row["keys"], type=list[dict[str, Any]])
