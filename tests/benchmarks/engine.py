"""DynamoDB Local of a benchmark's own, and how each copy is run against it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portability.aws.dynamodb import Dynamo
from tests.benchmarks import items, moving, tables
from tests.benchmarks.measured import environment, python, told
from tests.benchmarks.replay import Replay
from tests.support import engines
from tests.support.dynamodb_local import ROOT, EngineMissingError

PACKAGED = frozenset({"parallel_scan", "dynamodump"})
"""Peers of packages that this project does not otherwise need: they have an environment of their own."""
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
WORKERS = 16


@dataclass(frozen=True)
class Engine:
    """A running DynamoDB Local and clients of it."""

    endpoint: str
    dynamo: Dynamo
    env: Mapping[str, str]

    def fill(
        self, table: str, count: int, over: Sequence[str], *, size: int = items.SIZES[0], bare: bool = False
    ) -> float:
        """Put `count` items, spread over partitions, as fast as the engine takes them; the seconds. See `Replay.of`."""
        return Replay.of(self.endpoint, table, items.spread(size, count, over), bare=bare).send(WORKERS)

    def copy(self, who: str, source: str, target: str, over: Sequence[str], *options: str) -> dict[str, Any]:
        """Copy with `ours`, `boto3` or a slower peer, in a process of its own; what it told."""
        if who in {"ours", "boto3"}:
            argv = python("tests.benchmarks.client", "--endpoint", self.endpoint, "--source", source)
            argv += ["--target", target, "--partition-keys", ",".join(over), "--workers", str(WORKERS), "--json"]
            return told([*argv, *options, *(["--peer", "boto3"] if who == "boto3" else [])], self.env)
        if who in PACKAGED and not PEERS_PYTHON.exists():
            message = f"{PEERS_PYTHON.relative_to(ROOT)} is not there: `make bench` makes it"
            raise EngineMissingError(message)
        executable = str(PEERS_PYTHON) if who in PACKAGED else sys.executable
        argv = [executable, "-m", "tests.benchmarks.peers.run", who, source, target, ",".join(over), str(WORKERS)]
        return told(argv, self.env)

    @contextlib.contextmanager
    def table(self, *, stream: bool = False) -> Iterator[str]:
        """See `tables.table`."""
        with tables.table(self.dynamo, stream=stream) as name:
            yield name


@contextlib.contextmanager
def running(endpoint: str | None = None) -> Iterator[Engine]:
    """DynamoDB Local for a block, or the one at `endpoint`; this process's AWS clients lead to it meanwhile."""
    with contextlib.ExitStack() as stack:
        if endpoint is None:
            started = engines.own(Path(tempfile.mkdtemp(prefix="portability-engines-")))
            stack.callback(started.end)
            endpoint = started.dynamodb_local().endpoint
        env = environment(endpoint)
        before = dict(os.environ)
        stack.callback(_restore, before)
        os.environ.clear()
        os.environ.update(env)
        yield Engine(endpoint, moving.new_aws().dynamodb(), env)


def _restore(before: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)
