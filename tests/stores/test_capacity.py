"""Whether a table may take over at once: what is provisioned, what was consumed, what nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from portability.stores.dynamodb.capacity import UNKNOWN, findings
from portability.stores.dynamodb.table import Table


def table(name: str, units: tuple[int, int] | None, **indexes: tuple[int, int]) -> Table:
    """`units` are (write, read); None is on demand."""
    described: dict[str, Any] = {"TableName": name, "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}}
    if units is not None:
        described = {"TableName": name, "ProvisionedThroughput": throughput(units)}
    described["GlobalSecondaryIndexes"] = [
        {"IndexName": index, "ProvisionedThroughput": throughput(of)} for index, of in indexes.items()
    ]
    return Table(described, None, None)


def throughput(units: tuple[int, int]) -> dict[str, int]:
    return {"WriteCapacityUnits": units[0], "ReadCapacityUnits": units[1]}


def blocks(origin: Table, destination: Table, wcu: float | None = None, rcu: float | None = None) -> list[str]:
    peak = {"WriteCapacityUnits": wcu, "ReadCapacityUnits": rcu}
    return [one.text for one in findings(origin, destination, peak) if one.level == "block"]


def test_on_demand_takes_over_whatever_the_source_is() -> None:
    assert not list(findings(table("pool", (9000, 9000)), table("silo", None), UNKNOWN))


@pytest.mark.parametrize("units", ((100, 200), (500, 900)))
def test_provisioned_for_no_less_passes(units: tuple[int, int]) -> None:
    assert not list(findings(table("pool", (100, 200), by=(5, 5)), table("silo", units, by=(5, 5)), UNKNOWN))


def test_provisioned_for_less_blocks_with_a_fix_each_unit_and_index_by_itself() -> None:
    found = list(findings(table("pool", (100, 200), by=(7, 5)), table("silo", (99, 200), by=(5, 5)), UNKNOWN))
    assert [one.text for one in found] == [
        "silo is provisioned for 99 WCU, pool is provisioned for 100",
        "index by of silo is provisioned for 5 WCU, pool is provisioned for 7",
    ]
    assert found[0].next == "raise it to 100 WCU, or make silo on-demand"


def test_what_the_source_consumed_counts_where_it_is_more() -> None:
    on_demand = table("pool", None)
    assert blocks(on_demand, table("silo", (100, 100)), wcu=100.0, rcu=100.0) == []
    assert blocks(on_demand, table("silo", (100, 100)), wcu=101.0, rcu=50.0) == [
        "silo is provisioned for 100 WCU, pool consumed before the run, at its peak, 101"
    ]
    assert blocks(table("pool", (10, 10)), table("silo", (100, 100)), rcu=300.0) == [
        "silo is provisioned for 100 RCU, pool consumed before the run, at its peak, 300"
    ]


def test_what_is_not_known_warns_and_does_not_block() -> None:
    (found,) = findings(table("pool", None), table("silo", (1, 1)), UNKNOWN)
    assert found.level == "warn"
    assert "is not known" in found.text
