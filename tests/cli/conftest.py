"""A seeded estate for a whole module of tests, and a fresh one where a test changes it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.bench import REGION, Bench, make_bench
from tests.conftest import ENGINES


def environment(dynamodb: str, rest: str) -> dict[str, str]:
    """What points commands at the engines, in a DynamoDB database of their own (the access key names it)."""
    return {
        "AWS_ACCESS_KEY_ID": f"bench{uuid.uuid4().hex[:12]}",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": rest,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": dynamodb,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "PORTABILITY_OPERATOR": "anna",
    }


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return a moto server of these tests' own: others reset theirs."""
    with pytestconfig.stash[ENGINES].own_server("cli") as running:
        yield running.endpoint


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, dynamodb_local: str, control_plane: str) -> Bench:
    """Return an estate that no test of the module may change."""
    return make_bench(tmp_path_factory.mktemp("bench"), environment(dynamodb_local, control_plane))


@pytest.fixture
def fresh_bench(tmp_path: Path, dynamodb_local: str, control_plane: str) -> Callable[..., Bench]:
    """Return a maker of estates that a test may change."""

    def make(**options: object) -> Bench:
        folder = tmp_path / uuid.uuid4().hex[:8]
        folder.mkdir()
        return make_bench(folder, environment(dynamodb_local, control_plane), **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def unchanged(bench: Bench) -> Iterator[None]:
    """Hold a test to writing nothing, nowhere."""
    before = bench.inventory()
    yield
    assert bench.inventory() == before
