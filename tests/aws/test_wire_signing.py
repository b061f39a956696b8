"""Clocks that differ, credentials that change or are missing, and connections that are kept."""

from __future__ import annotations

import datetime as dt
import email.utils
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from portability import errors
from portability.aws.attributes import plain_item
from portability.aws.requests import Condition
from portability.aws.session import Aws
from portability.aws.wire import WireItems
from tests.aws.conftest import PAGE, ItemsAt, read, write
from tests.aws.stub import Heard, http, serving
from tests.conftest import REGION

# ------------------------------------------------------------------------------------------------- time and credentials


def said_at(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


def skewed(seconds: float) -> list[bytes]:
    late = "Signature expired: 20260101T000000Z is now earlier than 20260102T000000Z"
    return [
        http(400, {"__type": "x#InvalidSignatureException", "message": late}, Date=said_at(seconds)),
        http(403, {"__type": "x#RequestTimeTooSkewed", "message": "too large"}, Date=said_at(seconds)),
    ]


def signed_at(heard: Heard) -> float:
    return dt.datetime.strptime(heard.headers["x-amz-date"], "%Y%m%dT%H%M%S%z").timestamp()


@pytest.mark.parametrize("which", (0, 1))
def test_a_read_refused_for_its_time_is_signed_once_more_by_the_services_clock(items_at: ItemsAt, which: int) -> None:
    there = time.time() + 7200
    with serving(skewed(there)[which], http(200, PAGE)) as stub:
        items = items_at(stub.endpoint)
        read(items)
        read(items)
        assert abs(signed_at(stub.heard[0]) - time.time()) < 10
        assert all(abs(signed_at(heard) - there) < 10 for heard in stub.heard[1:])
    with serving(skewed(there)[which]) as stub:
        with pytest.raises(errors.Unauthorised, match="clock"):
            read(items_at(stub.endpoint))
        assert len(stub.heard) == 2


@pytest.mark.parametrize("which", (0, 1))
def test_a_write_refused_for_its_time_is_signed_again_only_after_the_lease_was_read(
    items_at: ItemsAt, which: int
) -> None:
    there = time.time() - 7200
    told: list[str] = []
    with serving(skewed(there)[which], http(200, {})) as stub:
        write(items_at(stub.endpoint, look=lambda: told.append("look"), lost_time=lambda: told.append("lost")))
        assert told == ["look", "lost", "look"]
        assert abs(signed_at(stub.heard[1]) - there) < 10
    with serving(skewed(there)[which], http(200, {})) as stub:
        with pytest.raises(errors.Unauthorised, match="clock"):
            write(items_at(stub.endpoint))
        assert len(stub.heard) == 1


def test_a_lease_lost_in_lost_time_comes_out_as_it_is(items_at: ItemsAt) -> None:
    lost = errors.LeaseLost("another run", next="portability status")

    def read_the_lease() -> None:
        raise lost

    with serving(skewed(time.time())[0], http(200, {})) as stub:
        with pytest.raises(errors.LeaseLost) as raised:
            write(items_at(stub.endpoint, lost_time=read_the_lease))
        assert raised.value is lost
        assert len(stub.heard) == 1


def test_credentials_that_change_sign_the_next_request(items_at: ItemsAt) -> None:
    with serving(http(200, PAGE)) as stub:
        items = items_at(stub.endpoint)
        assert isinstance(items, WireItems)
        read(items)
        frozen = items._wire._credentials()
        assert frozen is not None
        items._wire._credentials = lambda: frozen._replace(access_key="AKIDRENEWED", token="session")
        read(items)
        ids = [heard.headers["authorization"].partition("Credential=")[2].partition("/")[0] for heard in stub.heard]
        assert ids == ["AKIDTESTING", "AKIDRENEWED"]
        assert "x-amz-security-token" not in stub.heard[0].headers
        assert stub.heard[1].headers["x-amz-security-token"] == "session"
        assert "x-amz-security-token" in stub.heard[1].headers["authorization"]


def test_without_credentials_nothing_is_sent(items_at: ItemsAt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with serving(http(200, PAGE)) as stub:
        for call in (read, write):
            with pytest.raises(errors.Unauthorised, match="credentials"):
                call(items_at(stub.endpoint))
        assert stub.heard == []


def test_a_request_says_who_sends_it(items_at: ItemsAt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "the-second-operator")
    with serving(http(200, PAGE)) as stub:
        read(items_at(stub.endpoint))
        headers = stub.heard[0].headers
    assert "app/the-second-operator" in headers["user-agent"]
    assert "portability" in headers["user-agent"]
    assert headers["x-amz-target"] == "DynamoDB_20120810.Query"
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["host"] == f"127.0.0.1:{stub.port}"


# --------------------------------------------------------------------------------------------------------- connections


def test_threads_have_a_connection_each_and_leave_it_to_those_after_them(items_at: ItemsAt) -> None:
    meet = threading.Barrier(8)

    def answer(heard: Heard) -> bytes:
        meet.wait(10)
        return http(200, {**PAGE, "Items": [{"pk": {"S": heard.body.decode()}}]})

    with serving(answer) as stub:
        items = items_at(stub.endpoint)

        def ask(number: int) -> bool:
            mine = Condition("#pk = :pk", {"#pk": "pk"}, {":pk": {"S": f"thread {number}"}})
            found = plain_item(items.query("t", mine).items[0])["pk"]["S"]
            return f'"thread {number}"' in found

        for _ in range(3):
            with ThreadPoolExecutor(8) as pool:
                assert all(pool.map(ask, range(16)))
        assert stub.connections == 8
        items.close()


def test_connections_nobody_closed_end_without_a_warning(items_at: ItemsAt) -> None:
    with serving(http(200, PAGE)) as stub:
        items = items_at(stub.endpoint, wire=True)
        read(items)
        del items
        gc.collect()


def test_a_fresh_one_has_connections_of_its_own(items_at: ItemsAt, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(http(200, PAGE)) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", stub.endpoint)
        aws = Aws(region=REGION, read_only=False)
        read(aws.items())
        read(aws.items())
        assert stub.connections == 1
        probe = aws.items(fresh=True)
        read(probe)
        assert stub.connections == 2
        probe.close()
        read(probe)
        assert stub.connections == 3
        read(aws.items())
        assert stub.connections == 3
        probe.close()
