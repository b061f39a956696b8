"""The archive of the old copy: one object per run, verified by reading it back before anything is deleted."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from portability import errors
from portability.model.estate import Archive
from portability.steps import user_removal
from portability.steps.base import Context
from portability.steps.directory import REPEATABLE
from portability.stores.base import Flow

USERS = "users"


@dataclass(frozen=True)
class Archived:
    """Where an archive is, the SHA-256 of its bytes, and how many lines it has per store (and of users)."""

    bucket: str
    key: str
    sha256: str
    counts: dict[str, int]


def object_key(archive: Archive, tenant: str, run: str) -> str:
    """`<prefix><tenant>/<run>.jsonl.gz`."""
    return f"{archive.prefix}{tenant}/{run}.jsonl.gz"


def write_archive(ctx: Context, archive: Archive) -> Archived:
    """Store the source's items and, where they moved, its users: gzip, a JSON object a line, at most 5 GB.

    A line is `{"store": name, "item": DynamoDB JSON}` or `{"user": …}`.
    """
    key = object_key(archive, ctx.plan.tenant, ctx.run)
    counts: dict[str, int] = {}
    with tempfile.TemporaryFile() as file:
        _write(ctx, file, counts)
        file.seek(0)
        body = file.read()
    s3 = ctx.aws.s3(region=ctx.estate.home_region)
    sha256 = ctx.retry.call(lambda: s3.put(archive.bucket, key, body), on=REPEATABLE)
    return Archived(bucket=archive.bucket, key=key, sha256=sha256, counts=counts)


def verify_archive(ctx: Context, archived: Archived) -> None:
    """Read the object back and compare hash and counts. Raises `Mismatch`; then nothing may be deleted."""
    try:
        body = ctx.aws.s3(region=ctx.estate.home_region).get(archived.bucket, archived.key)
    except errors.NotFound:
        raise _unverified(ctx, archived, "it is not there") from None
    if hashlib.sha256(body).hexdigest() != archived.sha256:
        raise _unverified(ctx, archived, "its SHA-256 is another")
    counts: dict[str, int] = dict.fromkeys(archived.counts, 0)
    for line in gzip.decompress(body).splitlines():
        name = str(json.loads(line).get("store", USERS))
        counts[name] = counts.get(name, 0) + 1
    if counts != archived.counts:
        raise _unverified(ctx, archived, "its counts are others")


def _write(ctx: Context, file: IO[bytes], counts: dict[str, int]) -> None:
    # Without a time in its header the same copy gives the same bytes, and a repeated put the same hash.
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        for name, line in _lines(ctx):
            packed.write(line)
            counts[name] = counts.get(name, 0) + 1
            if sum(counts.values()) % 1000 == 0:
                ctx.check()
                ctx.progress("archived", items=sum(counts.values()))
        for move in ctx.moves:
            counts.setdefault(move.store, 0)


def _lines(ctx: Context) -> Iterator[tuple[str, bytes]]:
    for move in ctx.moves:
        start = b'{"store":' + json.dumps(move.store).encode() + b',"item":'
        for line in move.archive(Flow.FORWARD):
            yield move.store, start + line.rstrip(b"\n") + b"}\n"
    ported = ctx.output("port_identity")
    if "pool_id" in ported:
        for line in user_removal.archive(ctx, ported):
            yield USERS, b'{"user":' + line.rstrip(b"\n") + b"}\n"


def _unverified(ctx: Context, archived: Archived, why: str) -> errors.Mismatch:
    return errors.Mismatch(
        f"the archive s3://{archived.bucket}/{archived.key} cannot be trusted: {why}",
        next=f"put the object back, then portability complete {ctx.run} --confirm {ctx.plan.tenant}",
        changed="Nothing was deleted by this attempt.",
    )
