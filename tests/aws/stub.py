"""A server on the loopback interface that answers as it is told and counts what reached it."""

from __future__ import annotations

import socket
import socketserver
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

RESET = b""


@dataclass
class Heard:
    """One request: the operation of its target header (its path where it has none), and its body."""

    operation: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Stub:
    """`answers` are sent in order, the last again and again; RESET closes the socket instead."""

    answers: Sequence[bytes | Callable[[Heard], bytes]]
    heard: list[Heard] = field(default_factory=list)
    endpoint: str = ""
    port: int = 0

    def next(self, heard: Heard) -> bytes:
        answer = self.answers[min(len(self.heard), len(self.answers) - 1)]
        self.heard.append(heard)
        return answer(heard) if callable(answer) else answer


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    stub: Stub


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        while (line := self.rfile.readline()) not in {b"", b"\r\n"}:
            headers: dict[str, str] = {}
            while (header := self.rfile.readline()) not in {b"", b"\r\n"}:
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            operation = headers.get("x-amz-target", line.decode().split(" ")[1]).rpartition(".")[2]
            answer = self.server.stub.next(Heard(operation, headers, body))
            if answer is RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                return
            self.wfile.write(answer)
            if b"close" in answer.partition(b"\r\n\r\n")[0]:
                return


@contextmanager
def serving(*answers: bytes | Callable[[Heard], bytes]) -> Iterator[Stub]:
    """Serve these answers until the block ends."""
    stub = Stub(answers)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.stub = stub
        stub.port = server.server_address[1]
        stub.endpoint = f"http://127.0.0.1:{stub.port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()


def http(status: int, body: object, *, length: int | None = None, crc: bool = True, close: bool = False) -> bytes:
    """One whole answer; `length` is announced in place of the true one."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = [f"HTTP/1.1 {status} Answer", "Content-Type: application/x-amz-json-1.0"]
    lines.append(f"Content-Length: {len(raw) if length is None else length}")
    if crc:
        lines.append(f"x-amz-crc32: {zlib.crc32(raw)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + raw


def refusal(code: str, message: str = "", *, status: int = 400, **more: object) -> bytes:
    """An error answer of DynamoDB."""
    return http(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more})
