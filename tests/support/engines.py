"""One engine of each kind for a whole test job, however many workers it has.

The pytest process that owns the job makes a folder and tells its workers. Whoever first needs an engine starts it under
a file lock and leaves a record; the owner ends what the records name, and a janitor process does so should the owner be
killed. Servers that some tests have to themselves (`own_server`) have their state in the same folder, so they end as
well. A process is ended by its id, and only while it is still the very process that was started.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from portability.sandbox import server
from portability.sandbox.process import birth
from tests.support import dynamodb_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STOP_WITHIN = 10.0  # seconds
LOOK_EVERY = 0.1
DYNAMODB_LOCAL, SPAWNED, MOTO, JANITOR = "dynamodb-local", "dynamodb-local-spawned", "moto", "janitor"
SERVERS = "servers"


class Engine(msgspec.Struct, frozen=True):
    """A started engine. `pid` is None where it is not ours to stop; `born` tells the process from a later one."""

    endpoint: str
    version: str
    pid: int | None
    born: str | None


class Engines:
    """The engines of one test job, met at a folder that its processes share.

    `files` is where DynamoDB Local keeps its tables; without it, in memory.
    """

    def __init__(self, folder: Path, files: Path | None = None) -> None:
        self.folder = folder
        self.files = files

    def dynamodb_local(self) -> Engine:
        """Ensure DynamoDB Local. Raises EngineMissingError."""
        return self._ensure(DYNAMODB_LOCAL, self._start_dynamodb_local)

    def moto(self) -> Engine:
        """Ensure the sandbox's moto server, which answers one request at a time."""
        return self._ensure(MOTO, self._start_moto)

    @contextlib.contextmanager
    def own_server(self, name: str) -> Iterator[server.Server]:
        """A sandbox server that only these tests of this process use, until the block ends or the job does."""
        self._ensure(JANITOR, self._start_janitor)
        state = self.folder / SERVERS / f"{name}-{os.getpid()}"
        try:
            yield server.start(state)
        finally:
            server.stop(state)
            shutil.rmtree(state, ignore_errors=True)

    def report(self) -> list[str]:
        """Name each engine that was started, with the version that it gave itself."""
        started = {kind: self._recorded(kind) for kind in (DYNAMODB_LOCAL, MOTO)}
        return [
            f"{kind} {engine.version} at {engine.endpoint}, {f'pid {engine.pid}' if engine.pid else 'not started here'}"
            for kind, engine in started.items()
            if engine is not None
        ]

    def end(self) -> None:
        """End what this job started, the janitor last, and forget it."""
        with self._exclusive(DYNAMODB_LOCAL), self._exclusive(MOTO):  # a worker may still be starting one
            if self._recorded(MOTO) is None:
                self._settle(self.folder / "moto")
            else:
                server.stop(self.folder / "moto")
            for state in self.folder.joinpath(SERVERS).glob("*"):
                self._settle(state)
            for kind in (SPAWNED, DYNAMODB_LOCAL, MOTO, JANITOR):
                engine = self._recorded(kind)
                if engine is not None and engine.pid not in {None, os.getpid()}:
                    _end(engine)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start_dynamodb_local(self) -> Engine:
        def spawned(pid: int) -> None:
            self._record(SPAWNED, _engine("", "", pid))

        running = dynamodb_local.start(self.folder / f"{DYNAMODB_LOCAL}.log", spawned, files=self.files)
        return _engine(running.endpoint, running.version, running.pid)

    def _start_moto(self) -> Engine:
        running = server.start(self.folder / "moto")
        return _engine(running.endpoint, importlib.metadata.version("moto"), running.pid)

    @staticmethod
    def _settle(state: Path) -> None:
        """End a server, and wait for one whose starter was killed meanwhile: it names itself once it answers."""
        deadline = time.monotonic() + STOP_WITHIN
        while state.exists() and time.monotonic() < deadline:
            if server.find(state) is not None:
                server.stop(state)
                return
            time.sleep(LOOK_EVERY)

    def _start_janitor(self) -> Engine:
        owner = self._check_owner()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.engines", str(self.folder), str(owner.pid), str(owner.born)],
            cwd=dynamodb_local.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        dynamodb_local.left_running.append(process)
        return _engine("", "", process.pid)

    def _check_owner(self) -> Engine:
        owner = self._recorded("owner")
        if owner is None or owner.pid is None or birth(owner.pid) != owner.born:
            message = "the process that owns the engines of this test job is gone; nothing would end a new one"
            raise dynamodb_local.EngineMissingError(message)
        return owner

    def _ensure(self, kind: str, start: Callable[[], Engine]) -> Engine:
        if kind != JANITOR:
            self._ensure(JANITOR, self._start_janitor)
        with self._exclusive(kind):
            engine = self._recorded(kind)
            if engine is None:
                self._check_owner()
                engine = start()
                self._record(kind, engine)
            return engine

    def _recorded(self, kind: str) -> Engine | None:
        try:
            return msgspec.json.decode((self.folder / f"{kind}.json").read_bytes(), type=Engine)
        except FileNotFoundError:
            return None

    def _record(self, kind: str, engine: Engine) -> None:
        whole = self.folder / f"{kind}.tmp"
        whole.write_bytes(msgspec.json.encode(engine))
        whole.replace(self.folder / f"{kind}.json")

    @contextlib.contextmanager
    def _exclusive(self, kind: str) -> Iterator[None]:
        with (self.folder / f"{kind}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def own(folder: Path, files: Path | None = None) -> Engines:
    """Make this process the owner of the engines in `folder`: it calls `end()`."""
    folder.mkdir(parents=True, exist_ok=True)
    engines = Engines(folder, files)
    engines._record("owner", _engine("", "", os.getpid()))
    return engines


def _engine(endpoint: str, version: str, pid: int | None) -> Engine:
    return Engine(endpoint=endpoint, version=version, pid=pid, born=birth(pid) if pid else None)


def _end(engine: Engine) -> None:
    if engine.pid is None or engine.born is None:
        return
    for signum in (signal.SIGTERM, signal.SIGKILL):
        if birth(engine.pid) != engine.born:  # a zombie counts as gone
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(engine.pid, signum)
        deadline = time.monotonic() + STOP_WITHIN
        while time.monotonic() < deadline and birth(engine.pid) == engine.born:
            time.sleep(LOOK_EVERY)


def _clean_up_after(folder: Path, owner: int, born: str) -> None:
    while birth(owner) == born and folder.exists():
        time.sleep(LOOK_EVERY * 5)
    if folder.exists():
        Engines(folder).end()


if __name__ == "__main__":
    _clean_up_after(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
