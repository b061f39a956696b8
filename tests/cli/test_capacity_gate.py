"""The last look before a cutover: a target with less capacity than the source parks the run, and names the fix."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.bench import TO_PREMIUM, Bench

MakeBench = Callable[..., Bench]


def provision(bench: Bench, table: str, units: int) -> None:
    bench.client("dynamodb").update_table(
        TableName=table,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": units, "WriteCapacityUnits": units},
    )


@pytest.mark.timeout(240)
def test_a_target_below_the_source_parks_before_anything_is_frozen_and_goes_on_when_raised(
    fresh_bench: MakeBench,
) -> None:
    bench = fresh_bench()
    provision(bench, "Order-pooled", 50)
    bench.run(*TO_PREMIUM, "--until", "verify").expect(7)
    provision(bench, "Order-tenant-42", 5)
    parked = bench.run("resume", "tenant-42", "-o", "json").expect(7)
    assert (parked.json["state"], parked.json["reason"], parked.json["serving"]) == ("parked", "gate", "source")
    assert parked.json["cutover"]["can_commit"] is False
    (why,) = [
        one
        for one in parked.json["cutover"]["blocked_by"]
        if one.startswith("Order-tenant-42 is provisioned for 5 WCU")
    ]
    assert "raise it to 50 WCU, or make Order-tenant-42 on-demand" in why
    entries = bench.run("journal", "show", parked.json["run_id"], "-o", "json").expect(0).json["entries"]
    assert "fenced" not in [entry["fact"] for entry in entries]
    provision(bench, "Order-tenant-42", 60)
    assert bench.run("resume", "tenant-42", "-o", "json").expect(0).json["serving"] == "target"
