"""What a seed refuses before it makes anything: no engine is needed to be refused."""

from __future__ import annotations

import pytest

from portability.errors import EndpointDown, Refused, UnknownName, UsageMistake
from portability.sandbox.clients import environment, is_loopback
from portability.sandbox.seed import reset, seed


@pytest.fixture(autouse=True)
def _nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)


def test_what_cannot_be_seeded_is_refused_with_a_next_step() -> None:
    with pytest.raises(UnknownName, match="no shape"):
        seed("octagon")
    with pytest.raises(UsageMistake):
        seed("reference", items=10)


@pytest.mark.parametrize("service", ("DYNAMODB", "COGNITO_IDENTITY_PROVIDER", "S3"))
def test_an_endpoint_that_is_not_this_host_is_refused(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://192.0.2.7:4566")
    with pytest.raises(Refused, match=r"192\.0\.2\.7") as refused:
        seed("reference")
    assert "sandbox up" in refused.value.next


def test_without_any_endpoint_the_real_service_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Refused, match=r"amazonaws\.com"):
        seed("reference")
    with pytest.raises(Refused, match=r"amazonaws\.com"):
        reset()


def test_an_endpoint_that_does_not_answer_is_named() -> None:
    with pytest.raises(EndpointDown, match=r"127\.0\.0\.1:1"):
        seed("reference", tenants=1)


@pytest.mark.parametrize(
    ("endpoint", "loopback"),
    (
        ("http://127.0.0.1:5000", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:5000", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://0.0.0.0:1", False),
        ("https://dynamodb.us-east-1.amazonaws.com", False),
        ("", False),
    ),
)
def test_loopback_is_told_from_what_looks_like_it(endpoint: str, loopback: bool) -> None:
    assert is_loopback(endpoint) is loopback
