"""Where clients come from: endpoints, regions, profiles, roles."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from portability import errors
from portability.aws.session import Aws
from tests.aws.stub import Heard, http, serving
from tests.conftest import REGION

KEY = {"pk": {"S": "a"}}
ROLE = "arn:aws:iam::210987654321:role/premium"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def assumed(status: int = 200, *, lifetime: int = 3600) -> bytes:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=lifetime)
    body = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
    <AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>y</SessionToken>
    <Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>
    <AssumedRoleUser><Arn>arn:aws:sts::210987654321:assumed-role/premium/portability</Arn>
    <AssumedRoleId>A:portability</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"""
    denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not yours</Message></Error></ErrorResponse>"
    return http(status, (body if status == 200 else denied).encode(), crc=False)


def test_each_service_goes_to_its_own_endpoint_and_the_rest_to_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:2")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "http://127.0.0.1:3")
    aws = Aws(region=REGION, read_only=True)
    assert aws.dynamodb()._client.meta.endpoint_url == "http://127.0.0.1:2"
    assert aws.streams()._client.meta.endpoint_url == "http://127.0.0.1:3"
    assert aws.sts()._client.meta.endpoint_url == "http://127.0.0.1:1"
    assert aws.ssm()._client.meta.endpoint_url == "http://127.0.0.1:1"


def test_without_endpoints_each_region_is_amazons_own() -> None:
    aws = Aws(region="eu-west-1", read_only=True)
    assert aws.region == "eu-west-1"
    assert "eu-west-1" in aws.ssm()._client.meta.endpoint_url
    assert "us-west-2" in aws.ssm(region="us-west-2")._client.meta.endpoint_url
    assert "eu-west-1" in aws.sts()._client.meta.endpoint_url


def test_time_outs_and_attempts_are_ours_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    config: Any = Aws(region=REGION, read_only=True).dynamodb()._client.meta.config
    assert config.connect_timeout == 3.0
    assert config.read_timeout == 20.0
    assert config.max_pool_connections >= 32
    assert config.retries == {"total_max_attempts": 1, "mode": "standard"}


def test_a_client_is_made_once_whatever_the_number_of_threads() -> None:
    aws = Aws(region=REGION, read_only=True)
    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda _: id(aws.dynamodb()._client), range(32)))
    assert len(clients) == 1
    assert aws.dynamodb(region="eu-west-1")._client is not aws.dynamodb()._client


def test_thirty_two_threads_keep_their_connections(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(http(200, {"Item": KEY})) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        dynamo = Aws(region=REGION, read_only=True).dynamodb()
        with ThreadPoolExecutor(32) as pool:
            assert list(pool.map(lambda _: dynamo.get("t", KEY), range(256))) == [KEY] * 256
    assert "pool is full" not in caplog.text


def test_the_bundle_of_certificates_is_botocores_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    client: Any = Aws(region=REGION, read_only=True).dynamodb()._client
    assert client._endpoint.http_session._verify == str(bundle)


def test_a_fresh_connection_is_closed_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(http(200, {"Item": KEY})) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        aws = Aws(region=REGION, read_only=True)
        probe = aws.dynamodb(fresh=True)
        assert probe.get("t", KEY) == KEY
        probe.close()
        assert aws.dynamodb().get("t", KEY) == KEY


def test_an_unknown_profile_is_unauthorised_when_a_client_is_asked_for() -> None:
    with pytest.raises(errors.Unauthorised, match="nobody"):
        Aws(region=REGION, read_only=True, profile="nobody").dynamodb()


def test_a_profile_brings_its_credentials_and_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with serving(http(200, {"Item": KEY})) as stub:
        config = tmp_path / "config"
        config.write_text(
            f"[profile ops]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = x\n"
            f"endpoint_url = {stub.endpoint}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        assert Aws(region=REGION, read_only=True, profile="ops").dynamodb().get("t", KEY) == KEY
        assert "AKIDPROFILE" in stub.heard[0].headers["authorization"]


def test_a_role_is_assumed_once_and_signs_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(heard: Heard) -> bytes:
        return assumed() if b"AssumeRole" in heard.body else http(200, {"Item": KEY})

    with serving(answer) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        aws = Aws(region=REGION, read_only=True)
        for _ in range(2):
            assert aws.dynamodb(role=ROLE).get("t", KEY) == KEY
        assert aws.dynamodb().get("t", KEY) == KEY
        signed = [heard.headers["authorization"].partition("Credential=")[2].partition("/")[0] for heard in stub.heard]
    assert signed == ["AKIDTESTING", "ASIAROLE", "ASIAROLE", "AKIDTESTING"]


def test_a_role_whose_credentials_end_is_assumed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(heard: Heard) -> bytes:
        return assumed(lifetime=30) if b"AssumeRole" in heard.body else http(200, {"Item": KEY})

    with serving(answer) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        dynamo = Aws(region=REGION, read_only=True).dynamodb(role=ROLE)
        for _ in range(2):
            assert dynamo.get("t", KEY) == KEY
        assert [b"AssumeRole" in heard.body for heard in stub.heard].count(True) >= 2


def test_a_role_that_may_not_be_assumed_names_that_permission_and_sends_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(assumed(403)) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.endpoint)
        with pytest.raises(errors.Unauthorised, match="sts:AssumeRole"):
            Aws(region=REGION, read_only=False).dynamodb(role=ROLE).put("t", KEY)
        assert all(b"AssumeRole" in heard.body for heard in stub.heard)


def test_a_role_without_credentials_to_assume_it_is_unauthorised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(errors.Unauthorised):
        Aws(region=REGION, read_only=True).dynamodb(role=ROLE).get("t", KEY)
