"""Real processes at the price of a fork: one process has everything imported, and forks a `portability` per command.

    python -m tests.crash.forge

It reads orders from its standard input, one JSON object a line, and answers with the process ids and their exit codes.
It has one thread, so a fork is safe; each child is a process of its own that can be killed, frozen and signalled.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import botocore.session

import portability
from tests.crash.shifted.sitecustomize import FOLDER, NAME, shift

STARTS_WITHIN = 60.0  # seconds
SERVICES = ("apigateway", "cloudwatch", "cognito-idp", "dynamodb", "dynamodbstreams", "lambda", "s3", "ssm", "sts")
"""Whose clients the commands make."""


class Forked:
    """One command's process, with what is used of `subprocess.Popen`."""

    def __init__(self, said: Path) -> None:
        self.pid = 0
        self.returncode: int | None = None
        self.stdout = self.stderr = None
        self._said = said
        self._born, self._ended = threading.Event(), threading.Event()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(str(self._said), timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        out, err = self._said.with_suffix(".out"), self._said.with_suffix(".err")
        return out.read_text(), err.read_text()

    def send_signal(self, signum: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def begun(self, pid: int) -> None:
        self.pid = pid
        self._born.set()

    def ended(self, code: int) -> None:
        self.returncode = code
        self._ended.set()

    def await_begin(self) -> None:
        assert self._born.wait(STARTS_WITHIN), "the forge does not answer"


class Forge:
    """The driving end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._children: dict[int, Forked] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._reader = threading.Thread(target=self._read, name="forge", daemon=True)
        self._reader.start()

    def start(self, argv: Sequence[str], *, env: Mapping[str, str], folder: Path) -> Forked:
        """Begin `portability ARGV` in `folder`, with exactly this environment."""
        with self._lock:
            self._number += 1
            said = folder / f"said-{self._process.pid}-{self._number}"
            child = self._children[self._number] = Forked(said)
            order = {"number": self._number, "argv": [*argv], "env": dict(env), "said": str(said), "cwd": str(folder)}
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        child.await_begin()
        return child

    def close(self) -> None:
        """End it, and what it forked."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(STARTS_WITHIN)
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            child = self._children[told["number"]]
            if "pid" in told:
                child.begun(told["pid"])
            else:
                child.ended(told["code"])
                del self._children[told["number"]]


@contextmanager
def forging(env: Mapping[str, str]) -> Iterator[Forge]:
    """A forge until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.forge"],
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    forge = Forge(process)
    try:
        yield forge
    finally:
        forge.close()


# ------------------------------------------------------------------------------------------------------ the other end


def _be_the_command(order: Mapping[str, Any]) -> None:
    from portability.cli.main import run_cli

    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    for suffix, descriptor in ((".out", 1), (".err", 2)):
        opened = os.open(order["said"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if NAME in order["env"]:
        sys.path.insert(0, FOLDER)  # its guardian has the same clock
        shift(float(order["env"][NAME]))
    code = 70
    try:
        code = run_cli(order["argv"])
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class _Forging:
    """The children of this process, and what is told of them."""

    def __init__(self) -> None:
        self._children: dict[int, int] = {}
        self._answers = os.dup(1)
        self._rest = b""
        self._waking, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken)

    def serve(self) -> None:
        """Fork until standard input ends, then end what is left."""
        going_on = True
        while going_on:
            ready, _, _ = select.select([0, self._waking], [], [])
            if self._waking in ready:
                os.read(self._waking, 4096)
            self._reap()
            going_on = 0 not in ready or self._obey()
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        while self._children:
            self._reap()
            time.sleep(0.01)

    def _obey(self) -> bool:
        read = os.read(0, 1 << 20)
        *lines, self._rest = (self._rest + read).split(b"\n")
        for order in map(json.loads, lines):
            pid = os.fork()
            if pid == 0:
                _be_the_command(order)
            self._children[pid] = order["number"]
            self._tell(number=order["number"], pid=pid)
        return bool(read)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._tell(number=self._children.pop(pid), code=os.waitstatus_to_exitcode(status))

    def _tell(self, **what: int) -> None:
        with suppress(BrokenPipeError):
            os.write(self._answers, (json.dumps(what) + "\n").encode())


def _read_models_once() -> None:
    """Read AWS's models here, for all the commands: each would spend half of a short life on it."""
    loader = botocore.session.create_loader()
    botocore.session.create_loader = lambda *_: loader
    for service in SERVICES:
        botocore.session.Session().create_client(
            service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )


def main() -> None:
    """Import everything once, then serve."""
    for module in pkgutil.walk_packages(portability.__path__, "portability."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    _read_models_once()
    gc.collect()
    gc.freeze()
    _Forging().serve()


if __name__ == "__main__":
    main()
