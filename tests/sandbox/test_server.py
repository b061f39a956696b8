"""The server as a process: started once, found again, stopped by its record and nothing else."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from portability.errors import CannotWriteFile, EndpointDown
from portability.sandbox import server
from portability.sandbox.keep_alive import Serialised
from portability.sandbox.process import birth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    server.stop(tmp_path)


def _wait_until_gone(pid: int) -> None:
    while birth(pid) is not None:
        time.sleep(0.01)


def _get(port: int, path: str = "/moto-api/") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_started_server_answers_is_found_and_is_not_started_twice(state: Path) -> None:
    first = server.start(state)
    assert _get(first.port) == 200
    assert server.find(state) == first == server.start(state)
    assert first.endpoint == f"http://127.0.0.1:{first.port}"


def test_a_stopped_server_is_gone_and_stopping_again_says_so(state: Path) -> None:
    running = server.start(state)
    assert server.stop(state)
    assert birth(running.pid) is None
    assert server.find(state) is None
    assert not server.stop(state)


def test_a_killed_server_leaves_a_stale_record_that_is_replaced(state: Path) -> None:
    killed = server.start(state)
    os.kill(killed.pid, signal.SIGKILL)
    _wait_until_gone(killed.pid)
    assert server.find(state) is None
    assert server.start(state).pid != killed.pid


def test_a_reused_pid_is_another_process_and_is_left_alone(state: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        record = {"pid": bystander.pid, "born": "some other boot:1", "port": 1}
        (state / server.RECORD).write_text(json.dumps(record))
        assert server.find(state) is None
        assert not server.stop(state)
        assert bystander.poll() is None
        (state / server.RECORD).write_text(json.dumps(record))
        assert server.start(state).pid != bystander.pid
    finally:
        bystander.communicate(b"\n")


def test_a_torn_record_is_no_record(state: Path) -> None:
    (state / server.RECORD).write_text('{"pid": 1')
    assert server.find(state) is None


def test_a_taken_port_is_an_error_that_names_the_log(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(EndpointDown) as refused:
        server.start(state, taken.getsockname()[1])
    assert server.LOG in refused.value.next


def test_a_state_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWriteFile):
        server.start(tmp_path / "file")


def test_only_the_loopback_interface_is_served(sandbox_server: server.Server) -> None:
    table = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True, check=True).stdout
    listening = [line.split()[1] for line in table.splitlines()[1:] if line.split()[3] == "0A"]
    assert [where for where in listening if where.endswith(f":{sandbox_server.port:04X}")] == [
        f"0100007F:{sandbox_server.port:04X}"
    ]


def test_one_connection_carries_many_requests_even_those_that_are_refused(sandbox_server: server.Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox_server.port, timeout=10)
    connection.connect()
    socket_used = connection.sock
    for method, path, body in (
        ("PUT", "/no-such-bucket/key", b"x" * 70_000),
        ("HEAD", "/no-such-bucket", None),
        ("POST", "/", b"{}"),
        ("GET", "/moto-api/", None),
    ):
        connection.request(method, path, body=body)
        connection.getresponse().read()
        assert connection.sock is socket_used
    connection.close()


def test_requests_are_answered_one_at_a_time_but_exempt_ones_pass() -> None:
    inside, release = threading.Event(), threading.Event()
    running: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"]
        running.append(path)
        if path == "/slow":
            inside.set()
            release.wait(10)
        return [b"done"]

    def call(path: str) -> Any:
        return serialised({"PATH_INFO": path}, lambda *_: lambda _data: None)

    serialised = Serialised(app, exempt=("/moto-api/",))
    slow, other = (threading.Thread(target=call, args=(path,)) for path in ("/slow", "/other"))
    slow.start()
    inside.wait(10)
    other.start()
    assert list(call("/moto-api/reset")) == [b"done"]
    assert running == ["/slow", "/moto-api/reset"]
    release.set()
    slow.join()
    other.join()
    assert running == ["/slow", "/moto-api/reset", "/other"]
