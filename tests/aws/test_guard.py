"""What a client refuses before it is sent, and what is asked between signing and sending."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import botocore.session
import msgspec
import pytest

from portability import errors
from portability.aws import guard
from portability.aws.dynamodb import Condition
from portability.aws.session import Aws
from portability.retry import Retry
from tests.aws.stub import Heard, http, refusal, serving
from tests.conftest import REGION

KEY = {"pk": {"S": "a"}}
SERVICES = (
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "codepipeline",
    "cognito-idp",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "iam",
    "lambda",
    "logs",
    "pipes",
    "resourcegroupstaggingapi",
    "s3",
    "service-quotas",
    "ssm",
    "sts",
)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("service", SERVICES)
def test_a_read_only_client_sends_no_operation_that_is_not_a_read(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(http(200, {})) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        client = Aws(region=REGION, read_only=True)._client(service, None, None)
        model = client.meta.service_model
        methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
        refused = 0
        for operation in model.operation_names:
            if guard.is_read(guard.service_of(client), operation):
                continue
            with pytest.raises(errors.ReadOnlyClient):
                getattr(client, methods[operation])()
            refused += 1
        assert refused or service == "dynamodbstreams"  # whose every operation is a read
        assert stub.heard == []


def test_every_name_on_the_allow_list_is_an_operation_of_its_service() -> None:
    session = botocore.session.Session()
    known = {
        guard.service_of(client): set(client.meta.service_model.operation_names)
        for client in (session.create_client(service, region_name=REGION) for service in SERVICES)
    }
    assert set(guard.READS) == set(known)
    for service, names in guard.READS.items():
        assert names <= known[service], service


def test_no_name_on_the_allow_list_says_that_it_changes_something() -> None:
    changing = (
        "Put",
        "Post",
        "Update",
        "Create",
        "Delete",
        "Batch",
        "Transact",
        "Set",
        "Start",
        "Tag",
        "Admin",
        "Assume",
    )
    suspicious = {name for names in guard.READS.values() for name in names if name.startswith(changing)}
    assert suspicious == {
        "AdminGetUser",
        "AdminListDevices",
        "AdminListGroupsForUser",
        "AssumeRole",
        "BatchGetItem",
        "TransactGetItems",
    }


def test_a_read_only_session_reads_and_its_wrappers_refuse_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(http(200, {"Item": KEY})) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        dynamo = Aws(region=REGION, read_only=True).dynamodb()
        assert dynamo.get("t", KEY) == KEY
        for write in WRITES:
            with pytest.raises(errors.ReadOnlyClient) as stopped:
                write(dynamo)
            assert stopped.value.exit_code == 1
        assert [heard.operation for heard in stub.heard] == ["GetItem"]


WRITES: list[Callable[[Any], object]] = [
    lambda dynamo: dynamo.put("t", KEY),
    lambda dynamo: dynamo.update("t", KEY, "REMOVE #x", {"#x": "x"}, {}),
    lambda dynamo: dynamo.delete("t", KEY),
    lambda dynamo: dynamo.batch_write("t", [KEY], []),
    lambda dynamo: dynamo.transact([{"Put": {"TableName": "t", "Item": KEY}}], token="x"),
    lambda dynamo: dynamo.delete_table("t"),
]


def test_a_write_that_passed_the_first_check_is_stopped_where_it_would_be_sent() -> None:
    events = Aws(region=REGION, read_only=True).dynamodb()._client.meta.events
    with pytest.raises(errors.ReadOnlyClient):
        events.emit("before-send.dynamodb.PutItem", request=None)
    events.emit("before-send.dynamodb.GetItem", request=None)


def test_a_write_is_signed_then_looked_at_then_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def answer(heard: Heard) -> bytes:
        order.append(f"sent {heard.operation}")
        return http(200, {"Item": KEY})

    with serving(answer) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        dynamo = Aws(region=REGION, read_only=False, look=lambda: order.append("look")).dynamodb()

        def signed(request: Any, **_: Any) -> None:
            order.append(f"signed {'Authorization' in request.headers}")

        dynamo._client.meta.events.register_last("request-created", signed)
        dynamo.put("t", KEY)
        assert order == ["signed True", "look", "sent PutItem"]
        order.clear()
        dynamo.get("t", KEY)
        assert order == ["signed True", "sent GetItem"]


@pytest.mark.parametrize("write", WRITES[:5])
def test_a_lost_lease_is_raised_as_it_is_and_nothing_is_sent(
    write: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = errors.LeaseLost("another run holds the tenant", next="portability status")

    def look() -> None:
        raise lost

    with serving(http(200, {})) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        with pytest.raises(errors.LeaseLost) as raised:
            write(Aws(region=REGION, read_only=False, look=look).dynamodb())
        assert raised.value is lost
        assert stub.heard == []


def test_the_lease_is_looked_at_before_each_write_of_every_service(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    with serving(http(200, b"", crc=False)) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        aws = Aws(region=REGION, read_only=False, look=lambda: looks.append(None))
        aws.s3().put("archive", "k", b"bytes")
        aws._client("cognito-idp", None, None).admin_delete_user(UserPoolId="us-east-1_a", Username="u")
        aws._client("apigateway", None, None).delete_usage_plan_key(usagePlanId="p", keyId="k")
        assert len(looks) == len(stub.heard) == 3


def test_a_service_without_an_allow_list_is_refused_whole() -> None:
    assert not guard.is_read("kinesis", "GetRecords")
    with pytest.raises(errors.ReadOnlyClient):
        guard.refuse_unless_read("dynamodb", "")


def test_botocore_logs_no_body_even_where_everything_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("botocore").setLevel(logging.DEBUG)
    with serving(http(200, {"Item": {"pk": {"S": "canary-of-a-tenant"}}}), refusal("ValidationException")) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        dynamo = Aws(region=REGION, read_only=False).dynamodb()
        with caplog.at_level(logging.DEBUG):
            assert dynamo.get("t", {"pk": {"S": "canary-of-a-tenant"}}) is not None
            with pytest.raises(errors.BadRequest):
                dynamo.put("t", {"pk": {"S": "canary-of-a-tenant"}})
    assert "canary-of-a-tenant" not in caplog.text


def test_an_answer_that_was_changed_on_its_way_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = http(200, {"Item": {"pk": {"S": "a"}}}).replace(b'"a"', b'"b"')  # as long as it says, and another
    once = Retry(attempts=2, sleep=lambda _seconds: None)
    with serving(changed) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        with pytest.raises((errors.NoDefiniteAnswer, errors.Unavailable)):
            Aws(region=REGION, read_only=True, retry=once).dynamodb().get("t", KEY)
        with pytest.raises((errors.NoDefiniteAnswer, errors.Unavailable)):
            Aws(region=REGION, read_only=True, retry=once).items().batch_get("t", [KEY])


def test_every_read_is_strongly_consistent_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a = Condition("#p = :p", {"#p": "pk"}, {":p": {"S": "a"}})
    with serving(
        http(200, {"Items": [], "Count": 0, "ScannedCount": 0, "Responses": {"t": []}, "UnprocessedKeys": {}})
    ) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        aws = Aws(region=REGION, read_only=True)
        aws.dynamodb().get("t", KEY)
        for reads in (aws.dynamodb(), aws.items()):
            reads.query("t", in_a)
            reads.scan("t")
            reads.batch_get("t", [KEY])
        asked = [msgspec.json.decode(heard.body) for heard in stub.heard]
    assert [
        one.get("ConsistentRead", one.get("RequestItems", {}).get("t", {}).get("ConsistentRead")) for one in asked
    ] == [True] * 7
