"""Engines, options and a guard for every test.

A missing engine fails the test that needs it; nothing is skipped. Tests share one DynamoDB Local and one moto server,
so each names its own tables and tenants, by `prefix`.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.support import engines
from tests.support import world as world_support
from tests.support.dynamodb_local import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ENGINES = pytest.StashKey[engines.Engines]()
STARTED = pytest.StashKey[list[str]]()
REGION = "us-east-1"

hypothesis.settings.register_profile("check", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=2000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the size and the seed of a campaign."""
    group = parser.getgroup("portability")
    group.addoption("--runs", type=int, default=2, help="how many runs a campaign makes (default 2)")
    group.addoption("--seed", type=int, default=None, help="seed of every campaign (default: from the commit)")


def pytest_configure(config: pytest.Config) -> None:
    """Own the engines, or meet them as a worker; and let no test reach a real account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if config.option.seed is None:
        config.option.seed = _seed_of_commit()
    worker = getattr(config, "workerinput", None)
    if worker is None:
        config.stash[ENGINES] = engines.own(Path(tempfile.mkdtemp(prefix="portability-engines-")))
    else:
        config.stash[ENGINES] = engines.Engines(Path(worker["engines"]))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker where the engines are."""
    node.workerinput["engines"] = str(node.config.stash[ENGINES].folder)  # type: ignore[attr-defined]


def pytest_report_header(config: pytest.Config) -> str:
    """Print what repeats a campaign."""
    return f"portability: --runs {config.option.runs} --seed {config.option.seed}"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark what needs DynamoDB Local: whatever asks for it."""
    for item in items:
        if "dynamodb_local" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.engine)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Note which engines ran, before they end."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[STARTED] = session.config.stash[ENGINES].report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the engines that really ran."""
    terminalreporter.section("engines")
    for line in config.stash.get(STARTED, []) or ["no test asked for one"]:
        terminalreporter.line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the engines, where they are ours."""
    if not hasattr(config, "workerinput") and ENGINES in config.stash:
        config.stash[ENGINES].end()


def _seed_of_commit() -> int:
    argv = ["git", "rev-parse", "--short=8", "HEAD"]
    head = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return int(head.stdout, 16) if head.returncode == 0 else 0


@pytest.fixture(scope="session")
def dynamodb_local(pytestconfig: pytest.Config) -> str:
    """Return the endpoint URL of DynamoDB Local, started if need be."""
    return pytestconfig.stash[ENGINES].dynamodb_local().endpoint


@pytest.fixture(scope="session")
def moto(pytestconfig: pytest.Config) -> str:
    """Return the endpoint URL of the moto server, started if need be."""
    return pytestconfig.stash[ENGINES].moto().endpoint


@pytest.fixture
def aws_env(request: pytest.FixtureRequest, dynamodb_local: str, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every AWS client at the engines: DynamoDB and its streams at DynamoDB Local, the rest at moto.

    DynamoDB Local has a database per access key, and writes the slower the more stream records a database holds: each
    test module has its own.
    """
    values = {
        "AWS_ACCESS_KEY_ID": f"testing{zlib.crc32(request.node.path.name.encode())}",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": moto,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_local,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": dynamodb_local,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def prefix() -> str:
    """Return a name no other test has: begin every table and tenant with it."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def runs(pytestconfig: pytest.Config) -> int:
    """Return how many runs a campaign makes."""
    return int(pytestconfig.option.runs)


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """Return the campaign's seed."""
    return int(pytestconfig.option.seed)


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Return this test's own random numbers: the same for the same seed, whatever runs beside it."""
    return random.Random(f"{seed}:{request.node.nodeid}")


@pytest.fixture(scope="session")
def own_moto(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the endpoint of a moto server of this worker's own, which worlds reset."""
    with pytestconfig.stash[ENGINES].own_server("worlds") as running:
        yield running.endpoint


@pytest.fixture(params=["reference", "single-table"])
def world(
    request: pytest.FixtureRequest, dynamodb_local: str, own_moto: str, tmp_path: Path
) -> Iterator[world_support.World]:
    """Return a seeded estate, once per example estate; `world_items` and `world_estate` marks change its make."""
    items = request.node.get_closest_marker("world_items")
    estate = request.node.get_closest_marker("world_estate")
    made = world_support.make_world(
        request.param,
        tmp_path,
        dynamodb=dynamodb_local,
        moto=own_moto,
        items=items.args[0] if items else 400,
        overrides=world_support.merge(world_support.QUICK, estate.args[0] if estate else {}),
    )
    try:
        yield made
    finally:
        made.close()
