"""While a run soaks: what every verb says about the tenant, and what is left of the soak when it is ended."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.bench import TO_PREMIUM, Bench

MakeBench = Callable[..., Bench]


def test_during_the_soak_no_verb_takes_the_runs_own_copy_for_somebody_elses(fresh_bench: MakeBench) -> None:
    mine = fresh_bench(overrides={"soak": "1h"})
    run = mine.run(*TO_PREMIUM, "-o", "json").expect(0).json["run_id"]
    mine.run("run", "tick", run, "--for", "1s", "-q").expect(0)  # so that the soak has begun
    before = mine.inventory()
    ways = (
        f"portability status {run}",
        f"portability reverse {run}",
        f"portability complete {run} --confirm tenant-42",
    )

    for argv in (("plan", "tenant-42", "--to", "premium"), ("migrate", "tenant-42", "--to", "premium", "--dry-run")):
        same = mine.run(*argv).expect(0)
        assert f"was moved to premium by run {run}, which soaks" in same.said
        assert "mutating calls made: 0" in same.said
        assert all(f"Next: {way}\n" in same.stdout for way in ways)
    assert mine.run("plan", "tenant-42", "--to", "premium", "-o", "json").expect(0).json["run_id"] == run

    for argv in (("plan", "tenant-42", "--to", "standard"), ("migrate", "tenant-42", "--to", "standard", "--yes")):
        other = mine.run(*argv).expect(5)
        assert f"has run {run} to premium@default, which is soaking" in other.said
        assert ways[1] in other.stderr
        assert ways[2] in other.stderr
    mine.run("plan", "tenant-42", "--to", "premium", "--out", "x.plan").expect(5)
    assert not (mine.folder / "x.plan").exists()

    looked = mine.run("doctor", "tenant-42").expect(0)
    assert "0 blocked" in looked.stdout
    assert f"run {run} to premium is soaking, the target serves" in looked.said
    assert all(way in looked.stdout for way in ways)
    mine.run("doctor", "tenant-42", "--to", "premium").expect(0)
    mine.run("doctor", "tenant-42", "--to", "standard").expect(3)
    assert mine.inventory() == before

    assert " > soak " in mine.run("status", run).expect(0).stdout
    mine.run("complete", run, "--confirm", "tenant-42", "-q").expect(0)
    done = mine.run("status", run, "-o", "json").expect(0).json
    assert done["state"] == "completed"
    assert {step["status"] for step in done["steps"]} <= {"done", "skipped"}


def test_a_parked_run_is_not_planned_again_but_gone_on_with(fresh_bench: MakeBench) -> None:
    mine = fresh_bench()
    run = mine.run(*TO_PREMIUM, "--until", "resources", "-o", "json").expect(7).json["run_id"]
    before = mine.inventory()
    told = mine.run("plan", "tenant-42", "--to", "premium").expect(0)
    assert f"has run {run} to premium, which is parked: `migrate` goes on with it" in told.said
    assert f"Next: portability resume {run}\n" in told.stdout
    assert f"portability resume {run}" in mine.run("doctor", "tenant-42").expect(0).stdout
    assert mine.inventory() == before
