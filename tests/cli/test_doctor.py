"""What `doctor` finds, in which order, and what it says to do."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from portability.cli.asked import Asked
from portability.cli.call import Call
from portability.journal.lease import this_holder
from portability.model.status import Fact
from tests.cli.bench import Bench, parked_after, surroundings

MakeBench = Callable[..., Bench]


def checks(bench: Bench, code: int, *argv: str) -> dict[str, str]:
    return {one["about"]: one["status"] for one in bench.run("doctor", *argv, "-o", "json").expect(code).json["checks"]}


def test_a_seeded_estate_is_ready(bench: Bench) -> None:
    found = checks(bench, 0, "tenant-42", "--to", "premium")
    assert list(found)[:6] == ["estate file", "recipes", "region", "credentials", "directory", "journal"]
    assert {found[name] for name in list(found)[:6]} == {"ready"}
    assert found["fence"] == "ready"


def test_towards_every_tier_each_finding_is_told_once_with_the_tiers_it_is_about(bench: Bench) -> None:
    told = bench.run("doctor", "tenant-42").expect(0).stdout.splitlines()
    assert len(told) == len(set(told))
    assert any("(to standard)" in line for line in told)


def test_an_unknown_tenant_and_bad_credentials_are_blocked(bench: Bench) -> None:
    assert checks(bench, 3, "nobody")["nobody"] == "blocked"
    bare = Bench({name: text for name, text in bench.env.items() if "KEY" not in name}, bench.folder)
    found = checks(bare, 3)
    assert found["credentials"] == "blocked"
    assert "journal" not in found


@pytest.mark.parametrize(("fenced", "stands"), ((True, True), (True, False), (False, False)))
def test_a_fence_left_behind_by_a_dead_process_is_blocked_while_it_stands_and_says_how_it_is_lifted(
    fresh_bench: MakeBench, fenced: bool, stands: bool
) -> None:
    bench = fresh_bench()
    run = parked_after(bench, "preflight")["run_id"]
    with (
        surroundings(bench.env, bench.folder),
        Call.begin(Asked(config=bench.folder / "estate.yaml")) as call,
    ):
        dead = msgspec.structs.replace(this_holder("bo@here"), pid=2**22 - 3, started="1")
        held = call.desk.journal.acquire(run, dead)
        if fenced:
            held.append(Fact.FENCED, {"epoch": 7, "fence": "epoch", "step": "cutover"})
        held.abandon()
    stamp = {"run": {"S": run}, "epoch": {"N": "7"}, "fenced": {"BOOL": stands}, "act": {"S": "fenced"}}
    bench.client("dynamodb").update_item(
        TableName="ServerlessSaaS-TenantDetails",
        Key={"tenantId": {"S": "tenant-42"}},
        UpdateExpression="SET portability = :stamp",
        ExpressionAttributeValues={":stamp": {"M": stamp}},
    )
    told = bench.run("doctor").expect(3 if stands else 0).said
    assert ("left this tenant's writes paused" in told) is stands
    assert ("none stands, this tenant's writes go on" in told) is (fenced and not stands)
    status = bench.run("status", run, "-o", "json").expect(0).json
    assert status["cutover"]["fenced"] is stands
    assert ("WRITES ARE PAUSED" in bench.run("status", run).expect(0).said) is stands
    assert f"portability resume {run}" in told
