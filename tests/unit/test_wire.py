"""The proxy that other tests count and hold calls with: what it says was sent is what was sent."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.wire import ENGINES, Call, watched
from tests.support.world import World, wait_for

LARGE = b"x" * 300_000


class Engine(ThreadingHTTPServer):
    """Answers anything, `/chunked` in chunks; `reached` is every request that came."""

    def __init__(self) -> None:
        self.reached: list[tuple[str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Answering)


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.reached.append((self.command, self.path, body))
        self.send_response(202)
        self.send_header("X-Seen", self.headers.get("X-Amz-Target", "none"))
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (LARGE, b"end"):
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 - named by http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        """Say nothing."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    server = Engine()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    env = dict.fromkeys(ENGINES, f"http://127.0.0.1:{engine.server_port}")
    return World(shape="reference", folder=tmp_path, env=env, config=tmp_path / "estate.yaml")


def signed(service: str, operation: str) -> dict[str, str]:
    scope = f"AWS4-HMAC-SHA256 Credential=testing/20310506/us-east-1/{service}/aws4_request, Signature=0"
    return {"Authorization": scope, "X-Amz-Target": f"Service_1.{operation}", "User-Agent": "Boto3 app/mover md/x"}


def send(
    world: World, method: str, path: str, body: bytes | Iterator[bytes] = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """One request to where the world's commands would send it."""
    connection = http.client.HTTPConnection(urlsplit(world.detour["AWS_ENDPOINT_URL"]).netloc, timeout=10)
    try:
        connection.request(method, path, body, dict(headers or {}), encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def test_each_call_is_named_counted_and_judged_and_reaches_the_engine_as_it_was_sent(
    engine: Engine, world: World
) -> None:
    batch = json.dumps({"RequestItems": {"Orders": {"Keys": [{}, {}, {}]}}}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with watched(world) as wire:
        status, told, headers = send(world, "POST", "/", b"{}", signed("dynamodb", "PutItem"))
        send(world, "POST", "/", batch, signed("dynamodb", "BatchGetItem"))
        send(world, "POST", "/", b"Action=GetCallerIdentity", form)
        send(world, "PUT", "/bucket/key", b"body")
        send(world, "GET", "/usageplans")
    assert (status, told, headers["X-Seen"]) == (202, b"{}", "Service_1.PutItem")
    assert wire.mutating == [("dynamodb", "PutItem"), ("", "PUT /bucket/key")]
    assert [call.operation for call in wire.calls][1:3] == ["BatchGetItem", "GetCallerIdentity"]
    assert wire.calls[0].by == "mover"
    assert wire.keys_read("Orders") == 3
    assert [(method, path) for method, path, _ in engine.reached] == [
        *[("POST", "/")] * 3,
        ("PUT", "/bucket/key"),
        ("GET", "/usageplans"),
    ]
    assert [body for _, _, body in engine.reached] == [call.body for call in wire.calls]
    assert world.detour == {}, "after the block commands go straight to the engines"


def test_counting_begins_anew_where_it_is_told_to_forget(world: World) -> None:
    with watched(world) as wire:
        send(world, "POST", "/", b"{}", signed("dynamodb", "PutItem"))
        wire.forget()
        send(world, "POST", "/", b"{}", signed("dynamodb", "DeleteItem"))
    assert wire.mutating == [("dynamodb", "DeleteItem")]


def test_a_held_call_is_counted_and_never_reaches_the_engine_and_others_pass_meanwhile(
    engine: Engine, world: World
) -> None:
    ended: list[type[BaseException] | int] = []

    def held() -> None:
        try:
            ended.append(send(world, "POST", "/held", b"{}", signed("dynamodb", "PutItem"))[0])
        except (http.client.HTTPException, OSError) as error:
            ended.append(type(error))

    def puts(call: Call) -> bool:
        return call.operation == "PutItem"

    with watched(world) as wire:
        sender = threading.Thread(target=held)
        with wire.hold(puts):
            sender.start()
            wait_for(lambda: wire.held == 1, every=0.01)
            assert send(world, "POST", "/read", b"{}", signed("dynamodb", "GetItem"))[0] == 202
            assert ended == [], "the sender waits as for a slow network"
        sender.join()
        assert ended != [202], "it was dropped, not handed on late"
        assert [path for _, path, _ in engine.reached] == ["/read"]
        assert send(world, "POST", "/after", b"{}", signed("dynamodb", "PutItem"))[0] == 202
    assert [path for _, path, _ in engine.reached] == ["/read", "/after"]
    assert wire.mutating == [("dynamodb", "PutItem")] * 2


def test_chunked_bodies_pass_whole_both_ways(engine: Engine, world: World) -> None:
    with watched(world) as wire:
        status, told, _ = send(world, "PUT", "/chunked", iter([LARGE, b"tail"]), {"Transfer-Encoding": "chunked"})
    assert status == 202
    assert told == LARGE + b"end"
    assert engine.reached == [("PUT", "/chunked", LARGE + b"tail")]
    assert wire.calls[0].body == LARGE + b"tail"


def test_an_answer_without_a_body_keeps_the_length_it_tells(world: World) -> None:
    with watched(world):
        status, told, headers = send(world, "HEAD", "/object")
    assert (status, told, headers["Content-Length"]) == (202, b"", "0")
