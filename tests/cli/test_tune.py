"""`run tune`: a copy in another process changes its pace; what cannot be asked is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.bench import TO_PREMIUM, Bench, parked_after
from tests.support.dynamodb_local import ROOT

MakeBench = Callable[..., Bench]
SLOW = {"rate": "4wcu", "workers": 1}


def slow_copy(bench: Bench) -> Path:
    """An estate whose recipe copies at a few units a second."""
    recipes = bench.folder / "recipes"
    recipes.mkdir()
    for path in (ROOT / "plans").glob("*-to-*.yaml"):
        shutil.copy(path, recipes)
    recipe = yaml.safe_load((recipes / "pool-to-silo.yaml").read_text())
    next(step for step in recipe["steps"] if step["uses"] == "copy_data")["with"] = SLOW
    (recipes / "pool-to-silo.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return bench.estate(recipes=str(recipes))


@pytest.mark.timeout(240)
def test_tuning_from_a_second_process_changes_the_rate_of_a_running_copy(fresh_bench: MakeBench) -> None:
    bench = fresh_bench(items=400)
    slow = slow_copy(bench)
    preview = bench.run("plan", "tenant-42", "--to", "premium", config=slow).expect(0)
    assert "at 4 WCU" in preview.said
    argv = [sys.executable, "-m", "portability.cli.main", "--config", str(slow), *TO_PREMIUM, "--until", "copy"]
    process = subprocess.Popen(
        argv, cwd=bench.folder, env=os.environ | bench.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while "copy" not in (
        seen := bench.run("status", "tenant-42", "-o", "json", config=slow).json if run_of(bench) else {}
    ):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert (seen["copy"]["granted"], seen["copy"]["units"]) == ("4wcu", 1)
    assert seen["copy"]["wcu"] <= 8
    # Hundreds of items at four a second: it would take minutes.
    time.sleep(2)
    assert process.poll() is None
    asked = bench.run("run", "tune", "tenant-42", "rate=4000wcu", "units=8", "-o", "json", config=slow).expect(0).json
    assert asked["asked"] == {"rate": "4000wcu", "units": 8}
    _, said = process.communicate(timeout=40)
    assert process.returncode == 7, said
    assert "tuned by anna: rate 4000wcu, 8 units at a time" in said
    run = asked["run_id"]
    entries = bench.run("journal", "show", run, "-o", "json", config=slow).expect(0).json["entries"]
    (tuned,) = [one["data"] for one in entries if one["data"].get("about") == "tuned"]
    assert (tuned["rate"], tuned["units"], tuned["by"]) == ("4000wcu", 8, "anna")
    bench.run("journal", "verify", run, config=slow).expect(0)
    refused = bench.run("run", "tune", run, "rate=none", config=slow).expect(3)
    assert "has nothing left to copy" in refused.said


def run_of(bench: Bench) -> bool:
    """Whether the tenant has a run."""
    return bool(json.loads(bench.run("run", "list", "-o", "json").expect(0).stdout)["runs"])


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory, dynamodb_local: str, control_plane: str) -> Bench:
    from tests.cli.bench import make_bench
    from tests.cli.conftest import environment

    bench = make_bench(tmp_path_factory.mktemp("parked"), environment(dynamodb_local, control_plane), items=10)
    parked_after(bench, "preflight")
    return bench


@pytest.mark.parametrize(
    "settings",
    (
        ("rate=0wcu",),
        ("rate=fast",),
        ("rate=1000000wcu",),
        ("rate=",),
        ("units=0",),
        ("units=65",),
        ("units=many",),
        ("speed=9",),
        ("rate=5wcu", "rate=6wcu"),
        ("250wcu",),
    ),
)
def test_what_is_no_setting_is_exit_64_and_asks_nothing(parked: Bench, settings: tuple[str, ...]) -> None:
    before = parked.inventory()
    told = parked.run("run", "tune", "tenant-42", *settings).expect(64)
    assert "rate=500wcu units=8" in told.said
    assert parked.inventory() == before


def test_nothing_to_set_is_exit_64(parked: Bench) -> None:
    parked.run("run", "tune", "tenant-42").expect(64)


def test_a_parked_run_may_be_tuned_before_its_copy_and_one_that_ended_not(fresh_bench: MakeBench) -> None:
    bench = fresh_bench(items=10)
    run = parked_after(bench, "preflight")["run_id"]
    bench.run("run", "tune", "tenant-42", "rate=300wcu").expect(0)
    bench.run("run", "tune", "tenant-42", "units=2").expect(0)
    bench.run("resume", run, "--until", "copy").expect(7)
    entries = bench.run("journal", "show", run, "-o", "json").expect(0).json["entries"]
    (tuned,) = [one["data"] for one in entries if one["data"].get("about") == "tuned"]
    assert (tuned["rate"], tuned["units"]) == ("300wcu", 2)
    bench.run("cancel", run, "--yes").expect(0)
    bench.run("run", "tune", run, "rate=300wcu").expect(3)
