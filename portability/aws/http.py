"""HTTP/1.1 over a socket of our own: one request sent, its answer read whole, the connection kept.

What the caller must know of a failure is whether the request may have been acted upon. A connection that was not made,
or that took nothing of the request, raises one of `answers.NOT_SENT`; everything after that leaves it open.
Source: RFC 9112.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from botocore import exceptions

from portability.aws.guard import CutAnswer

HEAD = 64 * 1024  # bytes of an answer's head, at most
LARGEST = 256 * 1024 * 1024  # bytes of a body, at most: AWS answers 16 MB, which escapes may swell
FINAL = 200  # before it come the provisional answers
NO_LINGER = struct.pack("ii", 1, 0)  # a close that throws away what was not sent


class Answer(NamedTuple):
    """A whole answer; header names are lower-case."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes | bytearray


@dataclass(frozen=True)
class Endpoint:
    """Where connections go; `tls` is None for plain HTTP. Time-outs are seconds, the second between two packets."""

    url: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    connect_timeout: float
    read_timeout: float


class Connection:
    """One connection, made when it is needed and made anew when it is gone. For one thread at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._to = endpoint
        self._socket: socket.socket | None = None
        self._readable = select.poll()
        self._head = bytearray(HEAD)
        self._view = memoryview(self._head)

    def open(self) -> None:
        """Ensure a connection that the other end has not closed: it is looked at, for a write may be sent once only."""
        if self._socket is not None and self._speaks(self._socket):
            self.close()  # it ended, or says what nobody asked
        if self._socket is None:
            self._socket = self._connect()

    def exchange(self, request: bytes) -> Answer:
        """Send a request on an open connection and read its answer. Whatever fails, the connection is dropped."""
        if self._socket is None:
            msg = "a connection is opened before it is used"
            raise RuntimeError(msg)
        whole = False
        try:
            self._send(self._socket, request)
            answer, whole = self._receive(self._socket)
        except TimeoutError as error:
            raise exceptions.ReadTimeoutError(endpoint_url=self._to.url, error=error) from error
        except OSError as error:
            raise exceptions.ConnectionClosedError(endpoint_url=self._to.url, error=error) from error
        finally:
            if not whole:
                self.drop()
        return answer

    def drop(self) -> None:
        """Close without flushing: what the kernel still holds of a request is thrown away."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self.close()

    def close(self) -> None:
        """Close; `open` makes it anew."""
        gone, self._socket = self._socket, None
        if gone is not None:
            gone.close()

    def __del__(self) -> None:
        self.close()

    def _speaks(self, connection: socket.socket) -> bool:
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        return bool(self._readable.poll(0))

    def _connect(self) -> socket.socket:
        to, made = self._to, None
        try:
            made = socket.create_connection((to.host, to.port), timeout=to.connect_timeout)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if to.tls is not None:
                made = to.tls.wrap_socket(made, server_hostname=to.host)
            made.settimeout(to.read_timeout)
            self._readable = select.poll()
            self._readable.register(made, select.POLLIN)
        except OSError as error:
            if made is not None:
                made.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                raise exceptions.SSLError(endpoint_url=to.url, error=error) from error
            if isinstance(error, TimeoutError):
                raise exceptions.ConnectTimeoutError(endpoint_url=to.url, error=error) from error
            raise exceptions.EndpointConnectionError(endpoint_url=to.url, error=error) from error
        return made

    def _send(self, connection: socket.socket, request: bytes) -> None:
        try:
            sent = connection.send(request)
        except ConnectionError as error:  # the other end was gone before the first byte
            raise exceptions.EndpointConnectionError(endpoint_url=self._to.url, error=error) from error
        if sent < len(request):
            connection.sendall(memoryview(request)[sent:])

    def _receive(self, connection: socket.socket) -> tuple[Answer, bool]:
        """The answer, and whether the connection may be used again."""
        status, version, headers, rest = self._read_head(connection, b"")
        while status < FINAL:
            status, version, headers, rest = self._read_head(connection, rest)
        kept = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None:
            body, clean = _chunked(connection, rest, coding)
            return Answer(status, headers, body), kept and clean
        if length is None:
            return Answer(status, headers, _to_the_end(connection, rest)), False
        return Answer(status, headers, _counted(connection, rest, length)), kept

    def _read_head(self, connection: socket.socket, before: bytes) -> tuple[int, str, dict[str, str], bytes]:
        """Status, version, headers, and what came behind them; `before` came behind the head before this one."""
        buffer, view, filled = self._head, self._view, len(before)
        view[:filled] = before
        while (end := buffer.find(b"\r\n\r\n", 0, filled)) < 0:
            got = connection.recv_into(view[filled:]) if filled < HEAD else 0
            if not got:
                raise CutAnswer("the connection ended within the head of an answer")
            filled += got
        first, *lines = buffer[:end].decode("latin-1").split("\r\n")
        version, _, said = first.partition(" ")
        if version not in {"HTTP/1.1", "HTTP/1.0"} or not _digits(said[:3]):
            raise CutAnswer("the answer is not one of HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if not colon:
                raise CutAnswer("a header of the answer is none")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return int(said[:3]), version, headers, bytes(view[end + 4 : filled])


class Pool:
    """Connections that are not in use: a call has one to itself, the last used is taken first. Thread-safe."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: list[Connection] = []

    def take(self) -> Connection:
        """An open connection, for the caller alone until it gives it back."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = Connection(self.endpoint)
        connection.open()
        return connection

    def give(self, connection: Connection) -> None:
        """Take back what `take` gave."""
        self._idle.append(connection)

    def close(self) -> None:
        """Close those that are not in use."""
        while self._idle:
            self._idle.pop().close()


def _counted(connection: socket.socket, rest: bytes, length: str) -> bytearray:
    if not _digits(length) or int(length) > LARGEST:
        raise CutAnswer("the answer's length is no number")
    size = int(length)
    body = bytearray(size)
    filled = len(rest)
    if filled > size:
        raise CutAnswer("more came than the answer's length")
    view = memoryview(body)
    view[:filled] = rest
    while filled < size:
        got = connection.recv_into(view[filled:])
        if not got:
            raise CutAnswer(f"{filled} of {size} bytes arrived")
        filled += got
    return body


def _to_the_end(connection: socket.socket, rest: bytes) -> bytes:
    parts, size = [rest], len(rest)
    while part := connection.recv(HEAD):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise CutAnswer("the answer has no end")
    return b"".join(parts)


class _Chunks:
    """The body of a chunked answer as it comes."""

    def __init__(self, connection: socket.socket, rest: bytes) -> None:
        self._connection = connection
        self._came = bytearray(rest)

    @property
    def clean(self) -> bool:
        """Whether nothing came behind what was taken."""
        return not self._came

    def line(self) -> bytes:
        """One line, without its end."""
        while (end := self._came.find(b"\r\n")) < 0:
            if len(self._came) > HEAD:
                raise CutAnswer("a chunk has no length")
            self._more()
        return self._take(end + 2)[:-2]

    def chunk(self, size: int) -> bytes:
        """A chunk's bytes."""
        while len(self._came) < size + 2:
            self._more()
        chunk = self._take(size + 2)
        if not chunk.endswith(b"\r\n"):
            raise CutAnswer("a chunk is not of its length")
        return chunk[:-2]

    def _more(self) -> None:
        part = self._connection.recv(HEAD)
        if not part:
            raise CutAnswer("the connection ended within a chunk")
        self._came += part

    def _take(self, size: int) -> bytes:
        taken = bytes(self._came[:size])
        del self._came[:size]
        return taken


def _chunked(connection: socket.socket, rest: bytes, coding: str) -> tuple[bytes, bool]:
    """The body of a chunked answer, and whether nothing came behind it.

    Raises `CutAnswer` unless its last chunk arrived.
    """
    if coding.lower() != "chunked":
        raise CutAnswer("the answer is coded in a way that was not asked for")
    chunks, parts, left = _Chunks(connection, rest), [], LARGEST
    while size := _size(chunks.line()):
        left -= size
        if left < 0:
            raise CutAnswer("the answer has no end")
        parts.append(chunks.chunk(size))
    while chunks.line():  # trailers
        pass
    return b"".join(parts), chunks.clean


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or digits.strip(b"0123456789abcdefABCDEF"):
        raise CutAnswer("a chunk's length is no number")
    return int(digits, 16)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
