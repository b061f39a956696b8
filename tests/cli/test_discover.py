"""`init --discover`: an estate file from what is there, by reads alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from portability.plan.load import load_estate
from tests.cli.bench import Bench, make_bench
from tests.cli.conftest import environment
from tests.support.dynamodb_local import ROOT
from tests.support.wire import watched
from tests.support.world import World

FILE = Path("drafts/estate.yaml")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, dynamodb_local: str, control_plane: str) -> Bench:
    """The whole of the reference: tenants in both pools, and one with tables and users of its own."""
    env = environment(dynamodb_local, control_plane)
    return make_bench(tmp_path_factory.mktemp("bench"), env, tenants=6, items=300)


@pytest.fixture
def newcomer(bench: Bench, tmp_path: Path) -> Bench:
    """Somebody at the seeded estate who has no file yet."""
    return Bench(bench.env, tmp_path)


@pytest.mark.usefixtures("unchanged")
def test_what_is_discovered_is_valid_and_ready_and_was_only_read(newcomer: Bench) -> None:
    world = World(shape="reference", folder=newcomer.folder, env=dict(newcomer.env), config=newcomer.folder / FILE)
    with watched(world) as wire:
        through = Bench(newcomer.env | world.detour, newcomer.folder)
        told = through.run("init", "--discover", "-o", "json", config=FILE).expect(0).json
    assert wire.mutating == []
    assert {call.operation for call in wire.calls} >= {"ListTables", "DescribeTable", "Scan", "DescribeUserPool"}
    assert told["mutating_calls"] == 0

    newcomer.run("validate", config=FILE).expect(0)
    looked = newcomer.run("doctor", "tenant-42", config=FILE).expect(0)
    assert "0 blocked" in looked.stdout
    seen, written = load_estate(newcomer.folder / FILE), load_estate(ROOT / "plans" / "estate.yaml")
    assert seen.directory == written.directory
    assert seen.stack_mapping == written.stack_mapping
    assert seen.cognito == written.cognito
    # What a tenant's own table has beyond the pool is nobody's to discover.
    assert seen.stores == {
        name: msgspec.structs.replace(store, attributes=seen.stores[name].attributes)
        for name, store in written.stores.items()
    }
    assert seen.api_keys == written.api_keys
    assert seen.archive == written.archive
    assert seen.tiers == {name: tier for name, tier in written.tiers.items() if name != "platinum"}


@pytest.mark.usefixtures("unchanged")
def test_what_is_guessed_says_why_and_no_value_of_an_item_is_told(newcomer: Bench) -> None:
    told = newcomer.run("init", "--discover", config=FILE).expect(0)
    text = (newcomer.folder / FILE).read_text()
    lines = text.splitlines()
    for guess in ("cache:", "suffixes:", "provision:", "use: [epoch]", "# platinum:", "archive:"):
        assert [line for line in lines if line.strip().startswith(guess) and "guessed" in line], guess
    assert f"{text.count('# guessed')} lines are guessed" in told.stdout
    rows = newcomer.client("dynamodb").scan(TableName="ServerlessSaaS-TenantDetails")["Items"]
    private = ("tenantName", "tenantAddress", "tenantEmail", "tenantPhone", "apiKey", "userPoolId", "appClientId")
    for row in rows:
        for name in (*private, "tenantId"):
            assert str(row[name]["S"]) not in text + told.stdout + told.stderr, name


@pytest.mark.usefixtures("unchanged")
def test_a_file_that_is_there_is_never_written_over(newcomer: Bench) -> None:
    (newcomer.folder / "mine.yaml").write_text("mine")
    refused = newcomer.run("init", "--discover", config=Path("mine.yaml")).expect(3)
    assert "mine.yaml is there already" in refused.said
    assert (newcomer.folder / "mine.yaml").read_text() == "mine"


@pytest.mark.usefixtures("unchanged")
def test_where_nothing_is_nothing_is_written(newcomer: Bench) -> None:
    nowhere = newcomer.run("init", "--discover", config=FILE, AWS_ACCESS_KEY_ID="nobodywashere").expect(3)
    assert "no tenant directory was found" in nowhere.said
    assert not (newcomer.folder / FILE).exists()


def test_without_a_region_it_is_asked_for(newcomer: Bench) -> None:
    bare = Bench({name: text for name, text in newcomer.env.items() if "REGION" not in name}, newcomer.folder)
    assert "which region?" in bare.run("init", "--discover", config=FILE).expect(64).said
