"""Serving a WSGI application over kept connections, one request at a time where that matters.

werkzeug's development server closes every connection after one answer and waits 10 ms for stray input; for boto3
clients that is most of a request's time. Here a body is read whole before the application runs, so the next
request line is never mistaken for the rest of it, and the answer leaves in one write.
"""

from __future__ import annotations

import io
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_BODILESS = {"204", "304"}


class Queue:
    """A lock that is given in the order in which it is asked for: else a quick client starves a slow one."""

    def __init__(self) -> None:
        """A free lock."""
        self._lock = Lock()
        self._held = False
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        """Wait for those who asked before."""
        turn = Lock()
        turn.acquire()
        with self._lock:
            if not self._held:
                self._held = True
                return
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        """Hand it to the next."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


class Serialised:
    """One request at a time through `app`; paths that start with one of `exempt` pass freely."""

    def __init__(self, app: WSGIApplication, *, exempt: Sequence[str] = ()) -> None:
        """Wrap `app`."""
        self._app = app
        self._exempt = tuple(exempt)
        self._queue = Queue()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with a whole body, so that nothing of the request runs after the lock is released."""
        if str(environ.get("PATH_INFO", "")).startswith(self._exempt):
            return self._app(environ, start_response)
        with self._queue:
            return [_whole(self._app(environ, start_response))]


class KeepAliveHandler(MotoRequestHandler):
    """HTTP/1.1 with persistent connections, buffered answers and no Nagle delay."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 120  # seconds an idle connection is kept

    def run_wsgi(self) -> None:
        """Answer one request; the connection stays open unless either side asks to close it."""
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        environ = self.make_environ()
        environ["wsgi.input"] = io.BytesIO(self._request_body(environ))
        status, headers = "500 Internal Server Error", list[tuple[str, str]]()

        def start_response(status_line: str, fields: list[tuple[str, str]], _exc_info: Any = None) -> Any:  # noqa: ANN401 - WSGI's own types
            nonlocal status, headers
            status, headers = status_line, list(fields)
            return _no_write

        try:
            body = _whole(self.server.app(environ, start_response))
        except Exception as error:  # noqa: BLE001 - a bug in the application is an answer, not the end of the server
            self.log_error("%s %s: %r", self.command, self.path, error)
            status, headers, body = "500 Internal Server Error", [], repr(error).encode()
        self._answer(status, headers, body)

    def _request_body(self, environ: dict[str, Any]) -> bytes:
        if environ.get("wsgi.input_terminated"):  # chunked, decoded by werkzeug
            body: bytes = environ["wsgi.input"].read()
            environ["CONTENT_LENGTH"] = str(len(body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, message = status.partition(" ")
        self.send_response_only(int(code), message)
        for name, value in headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        if self.command == "HEAD":  # the length of what GET would send, and no body
            length = next((value for name, value in headers if name.lower() == "content-length"), str(len(body)))
            body = b""
        else:
            length = str(len(body))
        if code not in _BODILESS:
            self.send_header("Content-Length", length)
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        self.wfile.write(b"" if code in _BODILESS else body)
        self.wfile.flush()


def _whole(answer: Iterable[bytes]) -> bytes:
    try:
        return b"".join(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


def _no_write(_data: bytes) -> None:
    message = "the write() callable of WSGI is not supported"
    raise NotImplementedError(message)
