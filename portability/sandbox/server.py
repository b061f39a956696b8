"""The embedded AWS: a moto server as a background process on the loopback interface.

`start`, `find` and `stop` meet at one file in the state directory, `server.json`, written whole by the server itself
once it answers. Requests are serialised: moto's transactions put back a deep copy when they cancel and so lose
whatever was written meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from portability.errors import CannotWriteFile, EndpointDown
from portability.sandbox.process import birth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HOST = "127.0.0.1"
RECORD = "server.json"
LOG = "server.log"
START_WITHIN = 60.0
STOP_WITHIN = 10.0
_LOOK_EVERY = 0.05
_children: dict[int, subprocess.Popen[bytes]] = {}  # started here, so reaped here


@dataclass(frozen=True)
class Server:
    """A sandbox server that runs: `endpoint` is what `AWS_ENDPOINT_URL` wants."""

    endpoint: str
    pid: int
    port: int


def start(
    state_dir: Path,
    port: int = 0,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Server:
    """Ensure a server for `state_dir`; the one that runs is returned as it is. `port` 0 takes a free one.

    Raises EndpointDown when it does not answer within `START_WITHIN` seconds, CannotWriteFile when `state_dir`
    cannot be used.
    """
    with _exclusive(state_dir):
        running = find(state_dir)
        if running is not None:
            return running
        _reap()
        state_dir.joinpath(RECORD).unlink(missing_ok=True)  # stale: its process is gone or is another one
        child = _spawn(state_dir, port)
        deadline = clock() + START_WITHIN
        while clock() < deadline:
            running = find(state_dir)
            if running is not None and running.pid == child.pid:
                _children[child.pid] = child
                return running
            if child.poll() is not None:
                break
            sleep(_LOOK_EVERY)
        child.kill()
        child.wait()
    message = f"The sandbox server did not come up on {HOST}:{port or '(any port)'}."
    raise EndpointDown(message, next=f"read {state_dir / LOG}, then: portability sandbox up")


def find(state_dir: Path) -> Server | None:
    """The server recorded for `state_dir` if its very process is alive, else None."""
    try:
        record = json.loads(state_dir.joinpath(RECORD).read_text(encoding="utf-8"))
        pid, born, port = int(record["pid"]), str(record["born"]), int(record["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if birth(pid) != born:
        return None
    return Server(endpoint=f"http://{HOST}:{port}", pid=pid, port=port)


def stop(
    state_dir: Path,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """End the recorded process and no other; False when none ran. The record is removed either way."""
    with _exclusive(state_dir):
        running = find(state_dir)
        if running is not None:
            _end(running.pid, clock, sleep)
        state_dir.joinpath(RECORD).unlink(missing_ok=True)
        return running is not None


def serve(state_dir: Path, port: int) -> None:
    """Be the server: answer until SIGTERM or SIGINT."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415 - slow
    from werkzeug.serving import make_server  # noqa: PLC0415

    from portability.sandbox import moto_gaps  # noqa: PLC0415
    from portability.sandbox.keep_alive import KeepAliveHandler, Serialised  # noqa: PLC0415

    moto_gaps.close()
    app = Serialised(DomainDispatcherApplication(create_backend_app), exempt=("/moto-api/",))
    http_server = make_server(HOST, port, app, threaded=True, request_handler=KeepAliveHandler)
    http_server.daemon_threads = True  # type: ignore[attr-defined]  # kept connections must not hold up the end
    os.environ["MOTO_PORT"] = str(http_server.port)  # moto calls itself for a few services
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: threading.Thread(target=http_server.shutdown).start())
    threading.Thread(target=_record_once_it_answers, args=(state_dir, http_server.port), daemon=True).start()
    http_server.serve_forever()


def _record_once_it_answers(state_dir: Path, port: int) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=START_WITHIN)
    connection.request("GET", "/moto-api/")
    connection.getresponse().read()
    connection.close()
    record = {"pid": os.getpid(), "born": birth(os.getpid()), "port": port}
    whole = state_dir / f"{RECORD}.{os.getpid()}"
    whole.write_text(json.dumps(record), encoding="utf-8")
    whole.replace(state_dir / RECORD)


def _spawn(state_dir: Path, port: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "portability.sandbox.server", "--port", str(port), "--state-dir", str(state_dir)]
    with state_dir.joinpath(LOG).open("ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _reap() -> None:
    for pid in [pid for pid, child in _children.items() if child.poll() is not None]:
        del _children[pid]


def _end(pid: int, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    born = birth(pid)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        deadline = clock() + STOP_WITHIN
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        while clock() < deadline:
            if birth(pid) != born:  # a zombie counts as gone
                child = _children.pop(pid, None)
                if child is not None:
                    child.wait()
                return
            sleep(_LOOK_EVERY)


@contextlib.contextmanager
def _exclusive(state_dir: Path) -> Iterator[None]:
    """Two starts at once make one server."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = state_dir.joinpath("server.lock").open("ab")
    except OSError as error:
        message = f"The sandbox's state directory {state_dir} cannot be written: {error.strerror}."
        raise CannotWriteFile(message, next="portability sandbox up, from a directory you can write") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(argv: Sequence[str] | None = None) -> None:
    """Run the server process itself."""
    parser = argparse.ArgumentParser(prog="python -m portability.sandbox.server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state-dir", type=Path, required=True)
    options = parser.parse_args(argv)
    serve(options.state_dir, options.port)


if __name__ == "__main__":
    main()
