"""A DynamoDB Local that one scene has to itself, its tables in files that are in memory, where the machine has such.

In files, because only there can its streams be given the index without which a scene gets slower by the minute.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import dynamodb_local, engines

FILES_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
ROOM = 1 << 30
"""Bytes that have to be free there."""


@dataclass(frozen=True)
class OwnEngine:
    """`files` is None where the tables are not in files."""

    endpoint: str
    files: Path | None = None

    def seeded(self) -> None:
        """The scene has made its tables, and nobody uses them yet."""
        if self.files is not None:
            dynamodb_local.index(self.files)


@contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """One until the block ends."""
    roomy = FILES_IN_MEMORY.is_dir() and shutil.disk_usage(FILES_IN_MEMORY).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix="portability-engines-", dir=FILES_IN_MEMORY if roomy else None))
    files = folder / "tables" if roomy else None
    if files is not None:
        files.mkdir()
    own = engines.own(folder, files)
    try:
        yield OwnEngine(own.dynamodb_local().endpoint, files)
    finally:
        own.end()
