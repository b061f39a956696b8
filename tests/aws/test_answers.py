"""What the service says, or fails to say, by error code and by the way the call broke."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable
from typing import Any

import pytest

from portability import errors
from portability.aws import answers
from portability.aws.dynamodb import Condition, Dynamo
from portability.aws.session import Aws
from portability.retry import Retry
from tests.aws.stub import RESET, Heard, http, refusal, serving
from tests.conftest import REGION

KEY = {"pk": {"S": "anna@example.com"}}
DYNAMODB = "com.amazonaws.dynamodb.v20120810#"


@pytest.fixture
def dynamo_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dynamo]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def at(endpoint: str, **more: Any) -> Dynamo:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
        slept: list[float] = []
        retry = Retry(attempts=3, sleep=slept.append, rng=random.Random(1))
        return Aws(region=REGION, read_only=False, retry=retry, **more).dynamodb()

    return at


def cancelled(*codes: str) -> bytes:
    return refusal("TransactionCanceledException", "cancelled", CancellationReasons=[{"Code": code} for code in codes])


def transact(dynamo: Dynamo) -> None:
    dynamo.transact([{"Put": {"TableName": "t", "Item": KEY}}, {"Put": {"TableName": "t", "Item": KEY}}], token="t")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    (
        ("ProvisionedThroughputExceededException", 400, errors.Throttled),
        ("ThrottlingException", 400, errors.Throttled),
        ("RequestLimitExceeded", 400, errors.Throttled),
        ("LimitExceededException", 400, errors.Throttled),
        ("TransactionConflictException", 400, errors.TransactionConflict),
        ("TransactionInProgressException", 400, errors.TransactionConflict),
        ("InternalServerError", 500, errors.Unavailable),
        ("ServiceUnavailable", 503, errors.Unavailable),
        ("ResourceNotFoundException", 400, errors.NotFound),
        ("TableNotFoundException", 400, errors.NotFound),
        ("ResourceInUseException", 400, errors.AlreadyExists),
        ("UnknownOperationException", 400, errors.Unsupported),
        ("ValidationException", 400, errors.BadRequest),
        ("ItemCollectionSizeLimitExceededException", 400, errors.BadRequest),
        ("IdempotentParameterMismatchException", 400, errors.BadRequest),
        ("AccessDeniedException", 400, errors.Unauthorised),
        ("ExpiredTokenException", 400, errors.Unauthorised),
        ("UnrecognizedClientException", 400, errors.Unauthorised),
        ("InvalidSignatureException", 400, errors.Unauthorised),
        ("NeverHeardOf", 400, errors.BadRequest),
    ),
)
def test_a_refused_write_is_one_request_and_the_condition_its_code_names(
    dynamo_at: Callable[..., Dynamo], code: str, status: int, kind: type[errors.PortabilityError]
) -> None:
    with serving(refusal(code, status=status)) as stub:
        with pytest.raises(kind) as refused:
            dynamo_at(stub.endpoint).put("orders", KEY)
        assert [heard.operation for heard in stub.heard] == ["PutItem"]
    assert type(refused.value) is kind
    assert refused.value.next
    assert "dynamodb.PutItem on orders" in refused.value.what


def test_a_denied_call_names_the_permission_it_needs(dynamo_at: Callable[..., Dynamo]) -> None:
    message = "User: arn:aws:iam::123456789012:user/ops is not authorized to perform: dynamodb:PutItem"
    with serving(refusal("AccessDeniedException", message)) as stub, pytest.raises(errors.Unauthorised) as denied:
        dynamo_at(stub.endpoint).put("orders", KEY)
    assert denied.value.exit_code == 4
    assert "needs the permission dynamodb:PutItem" in denied.value.what
    assert "user/ops" in denied.value.what


@pytest.mark.parametrize(
    ("codes", "kind"),
    (
        (("None", "TransactionConflict"), errors.TransactionConflict),
        (("TransactionConflict", "ConditionalCheckFailed"), errors.ConditionFailed),
        (("None", "ThrottlingError"), errors.Throttled),
        (("ProvisionedThroughputExceeded", "None"), errors.Throttled),
        (("ThrottlingError", "TransactionConflict"), errors.TransactionConflict),
        (("ValidationError", "None"), errors.BadRequest),
        (("ItemCollectionSizeLimitExceeded", "None"), errors.BadRequest),
    ),
)
def test_a_cancelled_transaction_is_read_by_its_reasons(
    dynamo_at: Callable[..., Dynamo], codes: tuple[str, ...], kind: type[errors.AwsError]
) -> None:
    with serving(cancelled(*codes)) as stub:
        with pytest.raises(kind) as refused:
            transact(dynamo_at(stub.endpoint))
        assert len(stub.heard) == 1
    assert type(refused.value) is kind
    if isinstance(refused.value, errors.ConditionFailed):
        assert refused.value.failed == [False, True]
        assert refused.value.old == [None, None]


BROKEN = {
    "reset before an answer": RESET,
    "closed in the headers": b"HTTP/1.1 200 OK\r\nConnection: close\r\n",
    "cut short of its length": http(200, {}, length=900, close=True),
    "cut after its head": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "other bytes than its checksum": http(200, {"Item": {}}).replace(b'{"Item":{}}', b'{"Itom":{}}'),
    "not an answer of HTTP": b"???\r\n\r\n",
    "not JSON": http(200, b"<html>"),
    "chunks that end early": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{}",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_to_a_write_is_no_definite_answer_after_exactly_one_request(
    dynamo_at: Callable[..., Dynamo], how: str
) -> None:
    with serving(BROKEN[how]) as stub:
        dynamo = dynamo_at(stub.endpoint)
        for write in (
            lambda: dynamo.put("t", KEY),
            lambda: dynamo.batch_write("t", [KEY], []),
            lambda: transact(dynamo),
        ):
            stub.heard.clear()
            with pytest.raises(errors.NoDefiniteAnswer):
                write()
            assert len(stub.heard) == 1


def test_the_service_s_time_is_the_latest_that_an_answer_told_a_refusal_s_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    refusal_at = http(400, {"__type": "x#ConditionalCheckFailedException"}, date="Sun, 06 Nov 1994 08:49:38 GMT")
    earlier = http(200, {}, date="Sun, 06 Nov 1994 08:49:37 GMT")
    with serving(http(200, {}), refusal_at, earlier) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", stub.endpoint)
        aws = Aws(region=REGION, read_only=False)
        aws.dynamodb(fresh=True).put("t", KEY)
        heard = [aws.sent.heard]
        with pytest.raises(errors.ConditionFailed):
            aws.dynamodb(fresh=True).put("t", KEY)
        heard.append(aws.sent.heard)
        aws.items().batch_write("t", [], [KEY])
        assert [*heard, aws.sent.heard] == [None, 784111778, 784111778]


def test_a_write_without_a_definite_answer_is_told_and_no_other(dynamo_at: Callable[..., Dynamo]) -> None:
    told: list[str] = []
    refused = http(400, {"__type": "x#ConditionalCheckFailedException"})
    for answer, expected in ((b"", ["late"]), (http(500, {}), ["late"]), (refused, []), (http(200, {}), [])):
        told.clear()
        with serving(answer) as stub:
            dynamo = dynamo_at(stub.endpoint, unanswered=lambda: told.append("late"))
            with contextlib.suppress(errors.PortabilityError):
                dynamo.put("t", KEY)
        assert told == expected, answer
    with serving(b"") as stub, pytest.raises(errors.Unavailable):
        dynamo_at(stub.endpoint, unanswered=lambda: told.append("late")).get("t", KEY)
    assert told == []


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_to_a_read_is_asked_again_and_never_taken_for_an_absent_item(
    dynamo_at: Callable[..., Dynamo], how: str
) -> None:
    with serving(BROKEN[how], http(200, {"Item": KEY})) as stub:
        assert dynamo_at(stub.endpoint).get("t", KEY) == KEY
        assert len(stub.heard) == 2
    with serving(BROKEN[how]) as stub:
        with pytest.raises(errors.Unavailable):
            dynamo_at(stub.endpoint).get("t", KEY)
        assert len(stub.heard) == 3


def test_a_write_that_is_not_answered_in_time_is_no_definite_answer_after_one_request(
    dynamo_at: Callable[..., Dynamo],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        with pytest.raises(errors.NoDefiniteAnswer):
            dynamo_at(f"http://127.0.0.1:{port}", read_timeout=0.2).put("t", KEY)
        deaf.setblocking(False)
        first, _ = deaf.accept()
        with first, pytest.raises(BlockingIOError):
            deaf.accept()


def test_a_refused_connection_is_an_endpoint_that_is_down(dynamo_at: Callable[..., Dynamo]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    dynamo = dynamo_at(f"http://127.0.0.1:{port}")
    calls: list[Callable[[], object]] = [lambda: dynamo.put("t", KEY), lambda: dynamo.get("t", KEY)]
    for call in calls:
        with pytest.raises(errors.EndpointDown) as down:
            call()
        assert down.value.exit_code == 3


@pytest.mark.parametrize("status", (301, 302, 307, 308))
def test_a_redirect_is_not_followed(dynamo_at: Callable[..., Dynamo], status: int) -> None:
    with serving(http(200, {})) as elsewhere:
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.endpoint}/\r\nContent-Length: 0\r\n\r\n".encode()
        with serving(answer) as stub:
            with pytest.raises(errors.PortabilityError):
                dynamo_at(stub.endpoint).put("t", KEY)
            assert len(stub.heard) == 1
        assert elsewhere.heard == []


def test_a_throttled_read_is_asked_again_until_the_attempts_are_spent(dynamo_at: Callable[..., Dynamo]) -> None:
    with serving(refusal("ThrottlingException"), http(200, {"Item": KEY})) as stub:
        assert dynamo_at(stub.endpoint).get("t", KEY) == KEY
        assert len(stub.heard) == 2
    with serving(refusal("ThrottlingException")) as stub:
        with pytest.raises(errors.Throttled):
            dynamo_at(stub.endpoint).get("t", KEY)
        assert len(stub.heard) == 3


def test_what_a_batch_left_undone_is_handed_back_in_its_two_kinds(dynamo_at: Callable[..., Dynamo]) -> None:
    left = {"t": [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": {"pk": {"S": "b"}}}}]}
    with serving(http(200, {"UnprocessedItems": left})) as stub:
        assert dynamo_at(stub.endpoint).batch_write("t", [KEY], [KEY]) == ([KEY], [{"pk": {"S": "b"}}], 0.0)
        assert len(stub.heard) == 1
    with serving(http(200, {"Responses": {"t": []}, "UnprocessedKeys": {"t": {"Keys": [KEY]}}})) as stub:
        assert dynamo_at(stub.endpoint).batch_get("t", [KEY]) == ([], [KEY], 0.0)


def test_nothing_a_tenant_wrote_is_in_an_error_or_its_traceback(dynamo_at: Callable[..., Dynamo]) -> None:
    message = "1 validation error detected: Value '{pk=anna@example.com, it's her}' at 'item' failed: \"anna\""
    with serving(refusal("ValidationException", message)) as stub, pytest.raises(errors.BadRequest) as refused:
        dynamo_at(stub.endpoint).put("t", KEY)
    with pytest.raises(errors.BadRequest) as invalid:
        dynamo_at(stub.endpoint).put("t", {"pk": "anna@example.com"})
    for error in (refused.value, invalid.value):
        assert "anna" not in error.what
        assert error.__cause__ is None
        assert error.__context__ is None


@pytest.mark.parametrize(
    ("said", "kept"),
    (
        (
            "Value 'a@b.c' at 'username' failed to satisfy constraint",
            "Value … at 'username' failed to satisfy constraint",
        ),
        (
            "The parameter cannot be converted to a numeric value: 12x",
            "The parameter cannot be converted to a numeric value: …",
        ),
        ("Requested resource not found: Table: Order-pooled not found", None),
        ("no such user: anna@example.com", "no such user: …"),
        ("x" * 400, "x" * 300 + "…"),
    ),
)
def test_a_message_keeps_names_and_loses_values(said: str, kept: str | None) -> None:
    assert answers.clean(said) == (said if kept is None else kept)


def test_missing_credentials_are_unauthorised(
    dynamo_at: Callable[..., Dynamo], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(http(200, {})) as stub:
        dynamo = dynamo_at(stub.endpoint)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(errors.Unauthorised, match="credentials"):
            Aws(region=REGION, read_only=False).dynamodb().get("t", KEY)
        assert stub.heard == []
        del dynamo


SKEWED = [
    refusal("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260102T000000Z"),
    refusal(
        "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", status=403
    ),
]


@pytest.mark.parametrize("skewed", SKEWED)
def test_lost_time_is_no_permission_to_sign_a_write_again(dynamo_at: Callable[..., Dynamo], skewed: bytes) -> None:
    with serving(skewed, http(200, {})) as stub:
        with pytest.raises(errors.Unauthorised, match="clock"):
            dynamo_at(stub.endpoint).put("t", KEY)
        assert len(stub.heard) == 1


@pytest.mark.parametrize("skewed", SKEWED)
def test_lost_time_is_told_before_a_write_is_signed_once_more(dynamo_at: Callable[..., Dynamo], skewed: bytes) -> None:
    told: list[str] = []
    with serving(skewed, http(200, {})) as stub:
        dynamo = dynamo_at(stub.endpoint, look=lambda: told.append("look"), lost_time=lambda: told.append("lost"))
        dynamo.put("t", KEY)
        assert len(stub.heard) == 2
    assert told == ["look", "lost", "look"]
    with serving(skewed) as stub:
        with pytest.raises(errors.Unauthorised):
            dynamo_at(stub.endpoint, lost_time=lambda: None).put("t", KEY)
        assert len(stub.heard) == 2


def test_a_lease_lost_in_lost_time_comes_out_as_it_is(dynamo_at: Callable[..., Dynamo]) -> None:
    lost = errors.LeaseLost("another run", next="portability status")

    def read_the_lease() -> None:
        raise lost

    with serving(SKEWED[0], http(200, {})) as stub:
        with pytest.raises(errors.LeaseLost) as raised:
            dynamo_at(stub.endpoint, lost_time=read_the_lease).put("t", KEY)
        assert len(stub.heard) == 1
    assert raised.value is lost


def test_a_read_is_signed_once_more_after_lost_time(dynamo_at: Callable[..., Dynamo]) -> None:
    with serving(SKEWED[0], http(200, {"Item": KEY})) as stub:
        assert dynamo_at(stub.endpoint).get("t", KEY) == KEY
        assert len(stub.heard) == 2


def test_a_condition_that_failed_on_a_single_write_has_its_old_item(dynamo_at: Callable[..., Dynamo]) -> None:
    with (
        serving(refusal("ConditionalCheckFailedException", Item=KEY)) as stub,
        pytest.raises(errors.ConditionFailed) as no,
    ):
        dynamo_at(stub.endpoint).put("t", KEY, Condition("attribute_not_exists(#pk)", {"#pk": "pk"}, {}))
    assert no.value.old == [KEY]
    assert no.value.failed == [True]


def test_a_read_asks_for_consistency(dynamo_at: Callable[..., Dynamo]) -> None:
    def answer(heard: Heard) -> bytes:
        assert b'"ConsistentRead":true' in heard.body.replace(b" ", b"")
        return http(200, {"Items": [], "Count": 0, "Responses": {"t": []}})

    with serving(answer) as stub:
        dynamo = dynamo_at(stub.endpoint)
        dynamo.get("t", KEY)
        dynamo.query("t", Condition("#pk = :pk", {"#pk": "pk"}, {":pk": {"S": "a"}}))
        dynamo.scan("t")
        dynamo.batch_get("t", [KEY])
        assert len(stub.heard) == 4
