"""Requests encoded and signed beforehand, sent as fast as the engine answers: its own limit.

What a client costs beside the engine on one machine is the least it can be: bytes out, a short answer in.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from portability.aws.requests import batch_write
from tests.benchmarks.items import Item
from tests.benchmarks.measured import REGION

AT_ONCE = 25  # requests; AWS: BatchWriteItem
KEYS = Credentials("benchmark", "benchmark")


@dataclass(frozen=True)
class Replay:
    """Whole BatchWriteItem requests for one endpoint."""

    endpoint: str
    requests: tuple[bytes, ...]

    @classmethod
    def of(cls, endpoint: str, table: str, items: Sequence[Item], *, bare: bool = False) -> Replay:
        """Encode and sign; the signature is good for a quarter of an hour.

        They are the requests that the copy sends; `bare` ones do not ask for the capacity that they consume.
        """
        batches = (items[at : at + AT_ONCE] for at in range(0, len(items), AT_ONCE))
        return cls(endpoint, tuple(_batch(endpoint, table, batch, bare=bare) for batch in batches))

    def send(self, connections: int) -> float:
        """Send every request once, over so many connections at a time; the seconds until the last answer.

        Raises RuntimeError for an answer that is not 200 or leaves items unprocessed.
        """
        waiting = iter(self.requests)
        taking = threading.Lock()
        failures: list[Exception] = []

        def take() -> bytes | None:
            with taking:
                return None if failures else next(waiting, None)

        def work() -> None:
            try:
                with Connection(self.endpoint) as connection:
                    while (request := take()) is not None:
                        connection.exchange(request)
            except (OSError, RuntimeError) as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(connections)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        if failures:
            raise failures[0]
        return seconds


class Connection:
    """One persistent connection, plain HTTP."""

    def __init__(self, endpoint: str) -> None:
        where = urlsplit(endpoint)
        self._socket = socket.create_connection((str(where.hostname), where.port or 80), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def exchange(self, request: bytes) -> None:
        """Send one request and read its answer; raises RuntimeError unless it was done whole."""
        self._socket.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._receive()
        head, _, body = got.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(fields[b"content-length"]):
            body += self._receive()
        if b" 200 " not in head[:20] or b'"UnprocessedItems":{"' in body:
            message = f"the engine did not do what it was asked: {got[:300]!r}"
            raise RuntimeError(message)

    def _receive(self) -> bytes:
        some = self._socket.recv(1 << 16)
        if not some:
            message = "the engine hung up"
            raise RuntimeError(message)
        return some


def put_requests(endpoint: str, table: str, items: Sequence[Item]) -> list[bytes]:
    """A PutItem of each item."""
    return [_request(endpoint, "PutItem", {"TableName": table, "Item": item}) for item in items]


def _batch(endpoint: str, table: str, items: Sequence[Item], *, bare: bool) -> bytes:
    asked = batch_write(table, items, [])
    return _request(endpoint, "BatchWriteItem", {"RequestItems": asked["RequestItems"]} if bare else asked)


def _request(endpoint: str, operation: str, asked: dict[str, Any]) -> bytes:
    body = json.dumps(asked, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
    request = AWSRequest("POST", endpoint.rstrip("/") + "/", headers, body)
    SigV4Auth(KEYS, "dynamodb", REGION).add_auth(request)
    fields = {**dict(request.headers.items()), "Host": urlsplit(endpoint).netloc, "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body
