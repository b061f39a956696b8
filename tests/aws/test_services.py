"""STS, SSM, S3 and Lambda on moto; and what they are asked, where moto does not look."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from typing import Any

import boto3
import pytest

from portability import errors
from portability.aws.eventsources import EventSource
from portability.aws.session import Aws
from portability.retry import Retry
from tests.aws.stub import Heard, http, serving
from tests.conftest import REGION


@pytest.fixture
def aws(aws_env: None) -> Aws:
    return Aws(region=REGION, read_only=False)


def test_sts_says_who_we_are(aws: Aws) -> None:
    assert aws.sts().account() == "123456789012"
    assert aws.sts().arn().startswith("arn:aws:sts::123456789012:")


def test_sts_says_who_a_role_makes_us(aws: Aws) -> None:
    role = "arn:aws:iam::210987654321:role/premium"
    assert aws.sts(role=role).account() == "210987654321"
    assert "assumed-role/premium/portability" in aws.sts(role=role).arn()


def test_a_parameter_is_decrypted_and_a_missing_one_is_none(aws: Aws, prefix: str) -> None:
    ssm = aws._client("ssm", None, None)
    ssm.put_parameter(Name=f"/{prefix}/key", Value="of-the-tier", Type="SecureString")
    assert aws.ssm().get_parameter(f"/{prefix}/key") == "of-the-tier"
    assert aws.ssm().get_parameter(f"/{prefix}/none") is None


def test_an_object_is_stored_with_its_hash_and_read_back_whole(aws: Aws, prefix: str) -> None:
    aws._client("s3", None, None).create_bucket(Bucket=prefix)
    s3, body = aws.s3(), b"items of a tenant" * 1000
    assert not s3.exists(prefix, "run/part-1")
    assert s3.put(prefix, "run/part-1", body) == hashlib.sha256(body).hexdigest()
    assert s3.exists(prefix, "run/part-1")
    stored = s3.head(prefix, "run/part-1")
    assert stored is not None
    assert (stored.size, stored.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert s3.get(prefix, "run/part-1") == body
    with pytest.raises(errors.NotFound):
        s3.get(prefix, "run/none")
    with pytest.raises(errors.NotFound):
        s3.put(f"{prefix}-none", "k", b"")


def test_a_put_announces_the_sha_256_of_its_bytes(monkeypatch: pytest.MonkeyPatch, aws: Aws) -> None:
    def answer(heard: Heard) -> bytes:
        said = heard.headers["x-amz-checksum-sha256"]
        return http(200 if base64.b64decode(said) == hashlib.sha256(b"bytes").digest() else 400, b"", crc=False)

    with serving(answer) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        Aws(region=REGION, read_only=False).s3().put("b", "k", b"bytes")
        assert len(stub.heard) == 1


def object_answer(body: bytes, checksum: bytes, length: int | None = None) -> bytes:
    said = f"x-amz-checksum-sha256: {base64.b64encode(hashlib.sha256(checksum).digest()).decode()}\r\n".encode()
    head, _, rest = http(200, body, length=length, crc=False, close=length is not None).partition(b"\r\n\r\n")
    return head + b"\r\n" + said + b"\r\n" + rest


@pytest.mark.parametrize(
    "spoilt",
    (object_answer(b"bytes", b"other"), object_answer(b"bytes", b"bytes", length=99)),
    ids=["other bytes than were stored", "cut short"],
)
def test_a_spoilt_object_is_read_again(monkeypatch: pytest.MonkeyPatch, aws: Aws, spoilt: bytes) -> None:
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    with serving(spoilt, object_answer(b"bytes", b"bytes")) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        quick = Retry(sleep=lambda _: None)
        assert Aws(region=REGION, read_only=True, retry=quick).s3().get("b", "k") == b"bytes"
        assert len(stub.heard) == 2


def test_the_checksum_of_a_multipart_upload_says_nothing_of_its_bytes(
    monkeypatch: pytest.MonkeyPatch, aws: Aws
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nx-amz-checksum-sha256: AAAA-3\r\nConnection: close\r\n\r\n"
    with serving(answer) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        stored = Aws(region=REGION, read_only=True).s3().head("b", "k")
    assert stored is not None
    assert (stored.size, stored.sha256) == (9, None)


def test_every_page_of_mappings_is_listed_and_those_of_the_table_kept(
    monkeypatch: pytest.MonkeyPatch, aws: Aws
) -> None:
    table = "arn:aws:dynamodb:us-east-1:123456789012:table/Order"

    def mapping(id_: str, source: str, **more: Any) -> dict[str, Any]:
        return {"UUID": id_, "EventSourceArn": source, "FunctionArn": f"arn:of:{id_}", "State": "Enabled", **more}

    filtered = {"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}
    first = [mapping("1", f"{table}/stream/2026"), mapping("2", f"{table}-pooled/stream/2026")]
    second = [mapping("3", f"{table}/stream/2025", **filtered), {"UUID": "4", "State": "Enabled"}]
    pages = (
        http(200, {"EventSourceMappings": first, "NextMarker": "more"}),
        http(200, {"EventSourceMappings": second}),
    )
    with serving(*pages) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        found = Aws(region=REGION, read_only=True).eventsources().mappings(table)
        assert [heard.operation.count("Marker=more") for heard in stub.heard] == [0, 1]
    assert found == [
        EventSource("1", "arn:of:1", f"{table}/stream/2026", "Enabled", filtered=False),
        EventSource("3", "arn:of:3", f"{table}/stream/2025", "Enabled", filtered=True),
    ]


def test_a_mapping_made_in_lambda_is_found_by_stream_and_by_table(aws: Aws, prefix: str, moto: str) -> None:
    dynamodb = boto3.client("dynamodb", endpoint_url=moto)  # Lambda on moto knows moto's tables only
    arn = dynamodb.create_table(
        TableName=prefix,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]["LatestStreamArn"]
    iam, functions = aws._client("iam", None, None), aws._client("lambda", None, None)
    role = iam.create_role(RoleName=prefix, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): pass")
    functions.create_function(
        FunctionName=prefix, Runtime="python3.11", Role=role, Handler="index.handler", Code={"ZipFile": code.getvalue()}
    )
    functions.create_event_source_mapping(EventSourceArn=arn, FunctionName=prefix, StartingPosition="LATEST")
    assert [found.source for found in aws.eventsources().mappings(arn)] == [arn]
    assert [found.source for found in aws.eventsources().mappings(arn.partition("/stream/")[0])] == [arn]
    assert aws.eventsources().mappings(arn + "-other") == []
