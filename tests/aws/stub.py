"""A server on the loopback interface that answers as it is told and counts what reached it."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

RESET = b""


class Pieces(list[bytes]):
    """An answer that comes in so many packets."""


class ThenGone(bytes):
    """An answer after which the server closes the connection without having said so."""


class ThenReset(bytes):
    """An answer, or the beginning of one, after which the connection is reset."""


@dataclass
class Heard:
    """One request: the operation of its target header (its path where it has none), and its body."""

    operation: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Stub:
    """`answers` are sent in order, the last again and again; RESET closes the socket instead."""

    answers: Sequence[bytes | Pieces | Callable[[Heard], bytes]]
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    endpoint: str = ""
    port: int = 0

    def next(self, heard: Heard) -> bytes | Pieces:
        answer = self.answers[min(len(self.heard), len(self.answers) - 1)]
        self.heard.append(heard)
        return answer(heard) if callable(answer) else answer


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    stub: Stub
    tls: ssl.SSLContext | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that drops its connection is what some tests are about."""


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def setup(self) -> None:
        assert isinstance(self.server, _Server)
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.stub.connections += 1
        while (line := self.rfile.readline()) not in {b"", b"\r\n"}:
            headers: dict[str, str] = {}
            while (header := self.rfile.readline()) not in {b"", b"\r\n"}:
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            operation = headers.get("x-amz-target", line.decode().split(" ")[1]).rpartition(".")[2]
            answer = self.server.stub.next(Heard(operation, headers, body))
            if isinstance(answer, Pieces):
                for piece in answer:
                    self.wfile.write(piece)
                    time.sleep(0.001)
                continue
            self.wfile.write(answer)
            if answer is RESET or isinstance(answer, ThenReset):
                time.sleep(0.02)  # what was sent is to arrive
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                return
            if isinstance(answer, ThenGone) or b"close" in answer.partition(b"\r\n\r\n")[0]:
                return


@contextmanager
def serving(*answers: bytes | Pieces | Callable[[Heard], bytes], tls: ssl.SSLContext | None = None) -> Iterator[Stub]:
    """Serve these answers until the block ends."""
    stub = Stub(answers)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.stub, server.tls = stub, tls
        stub.port = server.server_address[1]
        stub.endpoint = f"{'http' if tls is None else 'https'}://127.0.0.1:{stub.port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()


def http(
    status: int, body: object, *, length: int | None = None, crc: bool = True, close: bool = False, **headers: str
) -> bytes:
    """One whole answer; `length` is announced in place of the true one."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = [f"HTTP/1.1 {status} Answer", "Content-Type: application/x-amz-json-1.0"]
    lines.append(f"Content-Length: {len(raw) if length is None else length}")
    if crc:
        lines.append(f"x-amz-crc32: {zlib.crc32(raw)}")
    if close:
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


def chunked(body: object, *sizes: int, trailer: str = "") -> bytes:
    """One whole answer in chunks of these sizes, the last holding the rest."""
    raw, parts = msgspec.json.encode(body), []
    for size in sizes:
        parts.append(raw[:size])
        raw = raw[size:]
    said = b"".join(f"{len(part):X};of=1\r\n".encode() + part + b"\r\n" for part in [*parts, raw] if part)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + said + f"0\r\n{trailer}\r\n".encode()


def refusal(code: str, message: str = "", *, status: int = 400, **more: object) -> bytes:
    """An error answer of DynamoDB."""
    return http(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more})
