"""What goes wrong on the way: what our own client makes of it, and what it never sends."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from portability import errors
from portability.aws.attributes import plain_item, raw_item
from portability.aws.items import BotoItems
from portability.aws.wire import Operation, WireItems
from tests.aws.conftest import ITEM, KEY, PAGE, ItemsAt, read, write
from tests.aws.stub import RESET, Heard, Pieces, ThenGone, ThenReset, chunked, http, refusal, serving

# ------------------------------------------------------------------------------------------------------- whole answers

WHOLE: dict[str, bytes | Pieces] = {
    "in one packet": http(200, PAGE),
    "byte by byte": Pieces(bytes([byte]) for byte in http(200, PAGE)),
    "head and body apart": Pieces(http(200, PAGE).partition(b"\r\n\r\n")),
    "in chunks": chunked(PAGE, 1, 20, 3),
    "in chunks with a trailer": chunked(PAGE, 7, trailer="x-checked: yes\r\n"),
    "in chunks byte by byte": Pieces(bytes([byte]) for byte in chunked(PAGE, 5, 11)),
    "after a provisional answer": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
    + http(200, PAGE),
    "before the end of the connection": http(200, PAGE, close=True),
    "to the end of the connection": http(200, PAGE, close=True).replace(b"Content-Length", b"X-Length"),
    "by an old protocol": ThenGone(http(200, PAGE).replace(b"HTTP/1.1", b"HTTP/1.0")),
}


@pytest.mark.parametrize("how", WHOLE)
def test_a_whole_answer_is_read_however_it_comes_and_the_next_one_too(items_at: ItemsAt, how: str) -> None:
    with serving(WHOLE[how]) as stub:
        items = items_at(stub.endpoint)
        assert [read(items) for _ in range(3)] == [[ITEM]] * 3
        assert len(stub.heard) == 3
        assert stub.connections == (3 if "connection" in how or "old" in how else 1)
        items.close()


# ------------------------------------------------------------------------------------------------------ broken answers

BROKEN: dict[str, bytes] = {
    "reset before the answer": RESET,
    "reset within the head": ThenReset(http(200, PAGE)[:40]),
    "reset within the body": ThenReset(http(200, PAGE)[:-3]),
    "closed before the answer": ThenGone(b""),
    "closed in the headers": b"HTTP/1.1 200 OK\r\nConnection: close\r\n",
    "cut short of its length": http(200, PAGE, length=900, close=True),
    "longer than its length": http(200, PAGE, length=9),
    "of no length": http(200, PAGE).replace(b"Content-Length: ", b"Content-Length: -"),
    "of two lengths": http(200, PAGE).replace(b"x-amz", b"Content-Length: 9\r\nx-amz"),
    "cut after its head": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "other bytes than its checksum": http(200, PAGE).replace(b"anna", b"anne"),
    "not an answer of HTTP": b"???\r\n\r\n",
    "a header without a name": b"HTTP/1.1 200 OK\r\nwhatever\r\n\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
    "not JSON": http(200, b"<html>"),
    "not an object": http(200, []),
    "JSON that ends early": http(200, b'{"Count":1,"Items":[}'),
    "of another shape": http(200, {"Count": "one", "UnprocessedItems": 1}),
    "chunks that end early": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{}",
    "chunks without the last": ThenGone(chunked(PAGE, 5).removesuffix(b"0\r\n\r\n")),
    "chunks of no number": chunked(PAGE).replace(b";of", b"z;of"),
    "chunks longer than they say": chunked(PAGE, 3).replace(b"3;of", b"2;of"),
    "coded in another way": http(200, PAGE).replace(b"x-amz", b"Transfer-Encoding: gzip\r\nx-amz"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_to_a_write_is_no_definite_answer_after_exactly_one_request(
    items_at: ItemsAt, how: str
) -> None:
    with serving(BROKEN[how], http(200, {})) as stub:
        items = items_at(stub.endpoint)
        with pytest.raises(errors.NoDefiniteAnswer) as unknown:
            write(items)
        assert "anna" not in str(unknown.value)
        assert unknown.value.__context__ is None
        assert len(stub.heard) == 1
        assert write(items) == ([], [], 0.0)  # over a connection of its own
        assert len(stub.heard) == 2
        assert stub.connections == 2
        items.close()


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_to_a_read_is_asked_again_and_never_taken_for_an_empty_page(
    items_at: ItemsAt, how: str
) -> None:
    with serving(BROKEN[how], http(200, PAGE)) as stub:
        assert read(items_at(stub.endpoint)) == [ITEM]
        assert len(stub.heard) == 2
    with serving(BROKEN[how]) as stub:
        with pytest.raises(errors.Unavailable):
            read(items_at(stub.endpoint))
        assert len(stub.heard) == 3


def test_a_write_that_is_not_answered_in_time_is_dropped_and_may_land_late(items_at: ItemsAt) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        items = items_at(f"http://127.0.0.1:{deaf.getsockname()[1]}", read_timeout=0.2)
        with pytest.raises(errors.NoDefiniteAnswer):
            write(items)
        deaf.setblocking(False)
        first, _ = deaf.accept()
        with first:
            first.settimeout(5)
            first.setblocking(True)
            assert b"BatchWriteItem" in first.recv(65536)
            with pytest.raises(ConnectionResetError):  # dropped, not closed: nothing of it is flushed any more
                first.recv(65536)
            with pytest.raises(BlockingIOError):
                deaf.accept()


def test_nothing_is_sent_where_no_connection_is_made(items_at: ItemsAt) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    items = items_at(f"http://127.0.0.1:{port}")
    for call in (write, read):
        with pytest.raises(errors.EndpointDown):
            call(items)


def test_a_connection_that_is_not_taken_in_time_is_an_endpoint_that_is_down(items_at: ItemsAt) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        items = items_at(f"http://127.0.0.1:{address[1]}", connect_timeout=0.2)
        with pytest.raises(errors.EndpointDown):
            write(items)
        for each in waiting:
            each.close()


def test_a_connection_that_the_server_closed_meanwhile_is_not_written_to(items_at: ItemsAt) -> None:
    with serving(ThenGone(http(200, {}))) as stub:
        items = items_at(stub.endpoint)
        for _ in range(3):
            write(items)
            time.sleep(0.05)
        assert len(stub.heard) == stub.connections == 3


@pytest.mark.parametrize("status", (301, 302, 307, 308))
def test_a_redirect_is_not_followed(items_at: ItemsAt, status: int) -> None:
    with serving(http(200, {})) as elsewhere:
        with serving(http(status, {}, Location=f"{elsewhere.endpoint}/")) as stub:
            with pytest.raises(errors.PortabilityError):
                write(items_at(stub.endpoint))
            assert len(stub.heard) == 1
        assert elsewhere.heard == []


# ------------------------------------------------------------------------------------------------------------ refusals

REFUSALS: dict[str, tuple[bytes, type[errors.PortabilityError]]] = {
    "throttled": (refusal("ProvisionedThroughputExceededException"), errors.Throttled),
    "request limit": (refusal("RequestLimitExceeded"), errors.Throttled),
    "server error": (refusal("InternalServerError", status=500), errors.Unavailable),
    "unavailable": (refusal("ServiceUnavailable", status=503), errors.Unavailable),
    "a server error without a code": (http(502, {}), errors.Unavailable),
    "missing table": (refusal("ResourceNotFoundException"), errors.NotFound),
    "invalid": (refusal("ValidationException", "Value 'anna' at 'x' failed"), errors.BadRequest),
    "too large": (refusal("ItemCollectionSizeLimitExceededException"), errors.BadRequest),
    "denied": (
        refusal("AccessDeniedException", "User: arn:aws:iam::1:user/ops is not authorized"),
        errors.Unauthorised,
    ),
    "expired": (refusal("ExpiredTokenException", "The security token included is expired"), errors.Unauthorised),
    "unknown key": (refusal("UnrecognizedClientException"), errors.Unauthorised),
    "signature": (refusal("InvalidSignatureException", "The request signature does not match"), errors.Unauthorised),
    "unknown operation": (refusal("UnknownOperationException"), errors.Unsupported),
    "never heard of": (refusal("NeverHeardOf"), errors.BadRequest),
    "a page of a proxy": (http(503, b"<html>busy</html>", crc=False), errors.NoDefiniteAnswer),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refused_write_is_one_request_and_the_very_error_that_boto3s_is(items_at: ItemsAt, what: str) -> None:
    answer, kind = REFUSALS[what]
    raised = []
    for own in (True, False):
        with serving(answer) as stub:
            items = items_at(stub.endpoint, wire=own)
            assert isinstance(items, WireItems if own else BotoItems)
            with pytest.raises(kind) as refused:
                write(items)
            assert len(stub.heard) == 1
        error = refused.value
        raised.append((type(error), error.what, error.next, error.exit_code, getattr(error, "aws_code", "")))
        assert "anna" not in error.what
        assert error.__context__ is None
    assert raised[0] == raised[1]
    assert raised[0][0] is kind


def test_a_refused_read_is_repeated_as_the_session_says_and_no_further(items_at: ItemsAt) -> None:
    with serving(refusal("ThrottlingException"), refusal("InternalServerError", status=500), http(200, PAGE)) as stub:
        assert read(items_at(stub.endpoint)) == [ITEM]
        assert len(stub.heard) == 3
    with serving(refusal("ThrottlingException")) as stub:
        with pytest.raises(errors.Throttled):
            read(items_at(stub.endpoint))
        assert len(stub.heard) == 3


def test_what_a_batch_left_undone_is_handed_back_in_its_two_kinds(items_at: ItemsAt) -> None:
    binary = {"pk": {"B": b"\x00\xff"}}
    left = {"t": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": binary}}]}
    units = [{"TableName": "t", "CapacityUnits": 3}, {"TableName": "u", "CapacityUnits": 0.5}]
    for own in (True, False):
        with serving(http(200, {"UnprocessedItems": left, "ConsumedCapacity": units})) as stub:
            wrote = items_at(stub.endpoint, wire=own).batch_write("t", [raw_item(ITEM)], [binary])
            assert len(stub.heard) == 1
        assert [plain_item(item) for item in wrote.puts] == [ITEM]
        assert wrote.deletes == [binary]
        assert wrote.wcu == 3.5
        with serving(http(200, {"Responses": {"t": []}, "UnprocessedKeys": {"t": {"Keys": [binary]}}})) as stub:
            assert items_at(stub.endpoint, wire=own).batch_get("t", [binary]) == ([], [binary], 0.0)


# ------------------------------------------------------------------------------------------------- sign, look and send


def test_a_write_is_signed_then_looked_at_then_sent_and_a_read_is_not_looked_at(items_at: ItemsAt) -> None:
    order: list[str] = []

    def answer(heard: Heard) -> bytes:
        order.append(f"sent {heard.operation}")
        return http(200, PAGE)

    with serving(answer) as stub:
        items = items_at(stub.endpoint, look=lambda: order.append("look"))
        assert isinstance(items, WireItems)

        def sending(request: Any, **_: Any) -> None:
            order.append(f"signed {request.headers['Authorization'][:16]}")

        items._client.meta.events.register_first("before-send", sending)
        write(items)
        assert order == ["signed AWS4-HMAC-SHA256", "look", "sent BatchWriteItem"]
        order.clear()
        read(items)
        assert order == ["signed AWS4-HMAC-SHA256", "sent Query"]


def test_a_lost_lease_is_raised_as_it_is_and_nothing_is_sent(items_at: ItemsAt) -> None:
    lost = errors.LeaseLost("another run holds the tenant", next="portability status")

    def look() -> None:
        raise lost

    with serving(http(200, PAGE)) as stub:
        items = items_at(stub.endpoint, look=look)
        read(items)
        with pytest.raises(errors.LeaseLost) as raised:
            write(items)
        read(items)
        assert raised.value is lost
        assert [heard.operation for heard in stub.heard] == ["Query", "Query"]
        assert stub.connections == 1  # nothing of the write is on it


def test_a_read_only_client_refuses_a_write_before_it_connects(items_at: ItemsAt) -> None:
    with serving(http(200, PAGE)) as stub:
        items = items_at(stub.endpoint, read_only=True)
        for call in (write, lambda items: items.batch_write("t", [], [KEY])):
            with pytest.raises(errors.ReadOnlyClient):
                call(items)
        assert (stub.heard, stub.connections) == ([], 0)
        assert read(items) == [ITEM]


def test_a_write_that_passed_the_first_check_is_stopped_where_it_would_be_sent(items_at: ItemsAt) -> None:
    with serving(http(200, PAGE)) as stub:
        items = items_at(stub.endpoint, read_only=True)
        assert isinstance(items, WireItems)
        wire = items._wire
        connection = wire._pool.take()
        with pytest.raises(errors.ReadOnlyClient):
            wire._exchange(connection, Operation.of(items._client, "BatchWriteItem"), b"{}")
        assert stub.heard == []
