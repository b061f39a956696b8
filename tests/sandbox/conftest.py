"""A sandbox of its own for these tests, and the same worlds on DynamoDB Local."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from portability.sandbox import server
from portability.sandbox.clients import Clients, environment, open_clients
from tests.conftest import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def sandbox_server(pytestconfig: pytest.Config) -> Iterator[server.Server]:
    with pytestconfig.stash[ENGINES].own_server("sandbox") as running:
        yield running


@pytest.fixture
def sandbox(sandbox_server: server.Server, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """The embedded estate, and clients to it."""
    for name, value in environment(sandbox_server.endpoint).items():
        monkeypatch.setenv(name, value)
    return open_clients()


@pytest.fixture(params=["moto", pytest.param("dynamodb_local", marks=pytest.mark.engine)])
def clients(request: pytest.FixtureRequest, sandbox: Clients, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """The sandbox, with its tables on either engine; DynamoDB Local keeps a database per access key."""
    if request.param == "moto":
        return sandbox
    endpoint = request.getfixturevalue("dynamodb_local")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", prefix)
    return open_clients()
