"""What a world's commands send, seen on the wire: a reverse proxy before every engine that names, counts and holds.

It listens on 127.0.0.1, hands each request on as it came and gives back the answer. Nothing of the product runs in it:
an operation is what the request says it is, and whether it changes anything is judged here.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.support.world import World

READING = ("Get", "List", "Describe", "Query", "Scan", "BatchGet", "TransactGet", "AdminGet", "AdminList")
"""How the names of operations begin that change nothing, in every API that is named by operations."""
SAFE = frozenset({"GET", "HEAD"})
ENGINES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS")
HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "host"})
SIGNED = "%Y%m%dT%H%M%SZ"
"""How a request says when it was signed. Source: AWS, Signature Version 4, x-amz-date."""
FRESH = 2.0
"""Seconds for which a connection to an engine is used again."""
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/")
_APP = re.compile(r"\bapp/(?P<by>\S+)")


@dataclass(frozen=True)
class Call:
    """One HTTP request. `operation` is its name, or where the API has paths its method and path.

    `by` is the process's AWS_SDK_UA_APP_ID, `keys` the keys it asks for by table (BatchGetItem), `signed`
    when it was signed (UTC, as `SIGNED` has it).
    """

    by: str
    service: str
    operation: str
    mutating: bool
    keys: Mapping[str, int]
    body: bytes = field(repr=False)
    signed: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer that no engine gave."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


SILENCE = Reply(0, b"")
"""No answer at all: the connection is closed."""


@dataclass(eq=False)
class Wire:
    """Everything that was sent. `hold` keeps matching requests from the engine, as if the network had them."""

    calls: list[Call] = field(default_factory=list)
    held: int = 0
    _holding: Callable[[Call], bool] | None = None
    _muting: Callable[[Call], bool] | None = None
    _late: bool = False
    _told_late: bool = False
    _let_go: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def mutating(self) -> list[tuple[str, str]]:
        """(service, operation) of every call that changes something."""
        return [(call.service, call.operation) for call in self.calls if call.mutating]

    def keys_read(self, table: str) -> int:
        """How many keys of a table were asked for by BatchGetItem."""
        return sum(call.keys.get(table, 0) for call in self.calls)

    def forget(self) -> None:
        """Count from here."""
        with self._lock:
            self.calls = []

    @contextlib.contextmanager
    def hold(self, which: Callable[[Call], bool], *, late: bool = False) -> Iterator[None]:
        """Inside the block matching requests are held; at its end they are dropped, or with `late` reach the engine."""
        self._let_go.clear()
        self._holding, self._late = which, late
        try:
            yield
        finally:
            self._holding = None
            self._let_go.set()

    @contextlib.contextmanager
    def mute(self, which: Callable[[Call], bool], *, late: bool = False) -> Iterator[None]:
        """Inside the block matching requests take effect, and nobody ever hears of it, or with `late` at its end."""
        self._let_go.clear()
        self._muting, self._told_late = which, late
        try:
            yield
        finally:
            self._muting = None
            self._let_go.set()

    def passes(self, call: Call) -> bool:
        """Note a call; whether it goes on to the engine."""
        with self._lock:
            self.calls.append(call)
        if self._holding is None or not self._holding(call):
            return True
        self._wait()
        return self._late

    def answers(self, call: Call) -> bool:
        """Whether what the engine answered is handed back."""
        if self._muting is None or not self._muting(call):
            return True
        late = self._told_late
        self._wait()
        return late

    def heard(self, call: Call, status: int) -> None:
        """The engine answered a call with this HTTP status."""

    def instead(self, call: Call) -> Reply | None:
        """What is answered in place of the engine, which never sees the call; None lets it pass."""
        return None

    def told(self, call: Call) -> None:
        """The answer was handed back."""

    def _wait(self) -> None:
        with self._lock:
            self.held += 1
        self._let_go.wait()


Watching = TypeVar("Watching", bound=Wire)


@contextlib.contextmanager
def watched(world: World) -> Iterator[Wire]:
    """Inside the block every command of the world goes over the wire given; its writers and clients do not."""
    with watched_by(world, Wire()) as wire:
        yield wire


@contextlib.contextmanager
def watched_by(world: World, wire: Watching) -> Iterator[Watching]:
    """`watched`, over a wire of the caller's own kind."""
    with contextlib.ExitStack() as stack:
        proxies: dict[str, str] = {}
        for name in ENGINES:
            engine = world.env[name]
            if engine not in proxies:
                proxies[engine] = stack.enter_context(proxy(engine, wire))
            world.detour[name] = proxies[engine]
        try:
            yield wire
        finally:
            world.detour.clear()


@contextlib.contextmanager
def proxy(engine: str, wire: Wire) -> Iterator[str]:
    """A server before `engine` until the block ends; gives its URL."""
    parts = urlsplit(engine)
    handler = type("Handler", (_Handler,), {"engine": (str(parts.hostname), parts.port), "wire": wire})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed takes no answer: that is what it is killed for."""

    def hang_up(self) -> None:
        """End connections that a client keeps open, so that their threads end."""
        for connection in self._open.copy():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    engine: ClassVar[tuple[str, int]]
    wire: ClassVar[Wire]

    def setup(self) -> None:
        super().setup()
        self._connection = http.client.HTTPConnection(*self.engine, timeout=60)
        self._fresh_until = 0.0

    def finish(self) -> None:
        self._connection.close()
        super().finish()

    def _hand_on(self) -> None:
        call = _call(self.command, self.path, self.headers, self._body())
        if not self.wire.passes(call):
            self.close_connection = True
            return
        reply = self.wire.instead(call)
        if reply is SILENCE:
            self.close_connection = True
            return
        if reply is not None:
            self._answer(reply)
            self.wire.told(call)
            return
        kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        upstream = self._upstream()
        upstream.request(self.command, self.path, call.body or None, kept)
        answer = upstream.getresponse()
        told = answer.read()
        self.wire.heard(call, answer.status)
        if not self.wire.answers(call):
            self.close_connection = True
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(told)))
        self.end_headers()
        self.wfile.write(told)
        self.wire.told(call)

    def _upstream(self) -> http.client.HTTPConnection:
        """A connection that the engine has not closed, for all it says; it closes one that was idle for long."""
        now = time.monotonic()
        if now > self._fresh_until:
            self._connection.close()
        self._fresh_until = now + FRESH
        return self._connection

    def handle_expect_100(self) -> bool:
        """Ask for the body at once: a client that hears nothing keeps it back for a second."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _answer(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(parts)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _hand_on  # noqa: N815 - named by http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """Say nothing."""


def _call(method: str, path: str, headers: Any, body: bytes) -> Call:
    signed = _SERVICE.search(headers.get("Authorization", ""))
    app = _APP.search(headers.get("User-Agent", ""))
    target = headers.get("X-Amz-Target", "").rpartition(".")[2]
    form = headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
    named = target or (parse_qs(body.decode()).get("Action", [""])[0] if form else "")
    keys = {}
    if target == "BatchGetItem":
        keys = {table: len(asked["Keys"]) for table, asked in json.loads(body)["RequestItems"].items()}
    return Call(
        by=app["by"] if app else "",
        service=signed["service"] if signed else "",
        operation=named or f"{method} {path}",
        mutating=not named.startswith(READING) if named else method not in SAFE,
        keys=keys,
        body=body,
        signed=headers.get("X-Amz-Date", ""),
    )
