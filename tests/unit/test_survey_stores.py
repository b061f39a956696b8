"""How tables are told apart by their names and by how tenants are in their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from portability.cli.survey_stores import DataTable, stores_of

TENANTS = ("acme", "acme-1", "globex")


def table(name: str, partitions: Sequence[str], *, index: str | None = None) -> DataTable:
    described: dict[str, Any] = {"KeySchema": [{"AttributeName": "pk"}, {"AttributeName": "sk"}]}
    if index is not None:
        described["GlobalSecondaryIndexes"] = [{"IndexName": "byTenant", "KeySchema": [{"AttributeName": index}]}]
    return DataTable(name=name, described=described, partitions=tuple(partitions), ttl=None, consumers=tuple)


@pytest.mark.parametrize(
    ("keys", "pattern", "suffixes"),
    (
        (["acme-1", "acme-7", "globex-3", "acme-1-2"], "{tenant}-{suffix}", (1, 7)),
        (["acme", "acme-1", "globex", "globex"], "{tenant}", None),
        (["acme#4", "globex#12"], "{tenant}#{suffix}", (4, 12)),
        (["TENANT#acme#order#1", "TENANT#acme-1#order#2", "TENANT#globex#x"], "TENANT#{tenant}#{rest}", None),
    ),
)
def test_the_pattern_is_the_one_that_reads_most_keys(
    keys: list[str], pattern: str, suffixes: tuple[int, int] | None
) -> None:
    (store,) = stores_of([table("orders", keys)], TENANTS)
    assert (store.pattern.text, store.pattern.suffixes) == (pattern, suffixes)
    assert (store.pool, store.silo) == ("orders", "orders-{slug}")


def test_an_index_on_the_tenant_lists_the_free_keys() -> None:
    (store,) = stores_of([table("orders", ["T#acme#1", "T#globex#2"], index="tenant_id")], TENANTS)
    assert store.pattern.gsi == ("byTenant", "tenant_id")


def test_a_table_whose_keys_hold_no_tenant_is_no_store() -> None:
    strangers = [table("audit", ["2031-05-06", "2031-05-07"]), table("empty", []), table("few", ["acme-1", "x", "y"])]
    assert stores_of(strangers, TENANTS) == ()


def test_tables_of_one_prefix_and_key_are_one_store_with_its_pools_and_own_tables() -> None:
    keys = ["acme-3", "globex-4"]
    found = [
        table("Order-pooled", keys), table("Order-pool-b", keys), table("Order-globex", ["globex-1"]),
        table("Order-archive", ["x"]), table("Product-pooled", keys), table("Order-acme", []),
    ]  # fmt: skip
    order, product = stores_of(found, TENANTS)
    assert (order.name, order.pool, order.silo) == ("Order", "Order-{pool}", "Order-{slug}")
    assert order.pools == ("pooled", "pool-b")
    assert order.siloed == ("acme", "globex")
    assert set(order.tables) == {"Order-pooled", "Order-pool-b", "Order-globex", "Order-acme"}
    assert product.name == "Product"
