from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portability import errors
from portability.stores.dynamodb.layout import Index, Layout, Partitions, Segments, finished, group
from portability.stores.dynamodb.pattern import Parsed, Pattern

TENANTS = st.from_regex(r"[A-Za-z0-9._:@-]{1,128}", fullmatch=True)
ALPHABETS = {
    "{tenant}": (),
    "{tenant}-{suffix}": ("suffix",),
    "{suffix}#{tenant}": ("suffix",),
    "TENANT#{tenant}#{rest}": ("rest",),
    "({rest})/{tenant}/": ("rest",),
}


def layout(
    pattern: str = "{tenant}-{suffix}",
    tenant: str = "tenant-42",
    suffixes: tuple[int, int] | None = (1, 3),
    enumerate_by: Index | None = None,
) -> Layout:
    return Layout("Order", tenant, Pattern(pattern), "pk", "sk", suffixes, enumerate_by)


def key(pk: str, sk: str = "1") -> Any:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


@pytest.mark.parametrize(
    ("pattern", "value", "parsed"),
    (
        ("{tenant}-{suffix}", "tenant-42-3", Parsed("tenant-42", suffix="3")),
        ("{tenant}-{suffix}", "tenant-42-1-3", Parsed("tenant-42-1", suffix="3")),
        ("{tenant}-{suffix}", "tenant-42", Parsed("tenant", suffix="42")),
        ("{tenant}-{suffix}", "tenant-42-legacy", Parsed("tenant-42", suffix="legacy")),
        ("{tenant}-{suffix}", "tenant-42-3\n", None),
        ("{tenant}-{suffix}", "-3", None),
        ("{tenant}", "a.b:c@d_e-f", Parsed("a.b:c@d_e-f")),
        ("{tenant}", "a b", None),
        ("TENANT#{tenant}#{rest}", "TENANT#t1#ORDER#2#x", Parsed("t1", rest="ORDER#2#x")),
        ("TENANT#{tenant}#{rest}", "TENANT#t1#", Parsed("t1", rest="")),
        ("TENANT#{tenant}#{rest}", "TENANT#t1", None),
        ("TENANT#{tenant}#{rest}", "xTENANT#t1#a", None),
        ("TENANT#{tenant}#{rest}", "TENANT#t1#a\nb", Parsed("t1", rest="a\nb")),
        ("a.b+{tenant}", "aXb+t", None),
    ),
)
def test_a_partition_key_is_parsed_with_the_longest_tenant(pattern: str, value: str, parsed: Parsed | None) -> None:
    assert Pattern(pattern).parse(value) == parsed


@pytest.mark.parametrize("pattern", sorted(ALPHABETS))
@given(tenant=TENANTS, suffix=st.from_regex(r"[A-Za-z0-9]+", fullmatch=True))
def test_what_a_pattern_renders_it_parses_back(pattern: str, tenant: str, suffix: str) -> None:
    rendered = Pattern(pattern).render(tenant, suffix).replace("{rest}", "any/thing#at)/all")
    parsed = Pattern(pattern).parse(rendered)
    assert parsed is not None
    assert parsed.tenant == tenant
    assert parsed.suffix == (suffix if "suffix" in ALPHABETS[pattern] else "")


@given(mine=TENANTS, other=TENANTS, suffix=st.integers(0, 99))
def test_a_key_of_another_tenant_is_never_mine(mine: str, other: str, suffix: int) -> None:
    its = key(Pattern("{tenant}-{suffix}").render(other, str(suffix)))
    assert layout(tenant=mine).is_mine(its) == (mine == other)


@pytest.mark.parametrize(
    "pattern",
    (
        "nothing",
        "{tenant}{suffix}",
        "{tenant}-{rest}",
        "{tenant}a{suffix}",
        "{tenant}#{tenant}",
        "{tenant}-{suffix}#{rest}",
    ),
)
def test_a_pattern_that_could_be_read_two_ways_is_refused(pattern: str) -> None:
    with pytest.raises(errors.PreflightRefused):
        Pattern(pattern)


def test_a_prefix_of_my_id_is_not_me_and_i_am_not_a_prefix_of_others() -> None:
    assert layout(tenant="tenant-42").is_mine(key("tenant-42-3"))
    assert not layout(tenant="tenant").is_mine(key("tenant-42-3"))
    assert not layout(tenant="tenant-42").is_mine(key("tenant-42-1-3"))
    assert not layout(tenant="tenant-42").is_mine({"pk": {"N": "42"}, "sk": {"S": "1"}})


def test_suffix_partitions_are_units_with_both_ends_of_the_range() -> None:
    found = layout().reach(owned=False)
    assert isinstance(found, Partitions)
    assert found.units == ["p/tenant-42-1", "p/tenant-42-2", "p/tenant-42-3"]
    assert layout("{tenant}", suffixes=None).reach(owned=False) == Partitions(("tenant-42",))


def test_a_free_part_is_listed_by_an_index_or_found_by_a_scan() -> None:
    by_index = Index("by-tenant", "tenantId")
    assert layout("T#{tenant}#{rest}", suffixes=None, enumerate_by=by_index).reach(owned=False) == by_index
    assert layout("T#{tenant}#{rest}", suffixes=None).reach(owned=False) == Segments()
    assert layout().reach(owned=True) == Segments()
    assert Segments(2).units == ["s/0000of0002", "s/0001of0002"]
    assert Segments.parse("s/0001of0002") == (1, 2)


@pytest.mark.parametrize("suffix", ("0", "4", "01", "legacy"))
@pytest.mark.parametrize("owned", (True, False))
def test_a_key_of_mine_in_no_unit_stops_the_run_and_is_named_by_hash(suffix: str, owned: bool) -> None:
    with pytest.raises(errors.Mismatch) as stopped:
        layout().group_of(key(f"tenant-42-{suffix}"), layout().reach(owned=owned))
    assert f"tenant-42-{suffix}" not in str(stopped.value)


def test_a_scanned_table_is_one_group_that_ends_with_its_last_segment() -> None:
    units = Segments(3).units
    assert {group(unit) for unit in units} == {"s"}
    assert finished(units, units[:2]) == set()
    assert finished(units, units) == {"s"}
    assert finished(["p/a", "p/b"], ["p/b"]) == {"p/b"}


def test_a_write_outside_the_tenant_is_stopped_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="outside tenant-42"):
        layout().guard([key("tenant-42-1"), key("tenant-43-1")])
    with pytest.raises(ValueError, match="outside tenant-42"):
        layout().guard([key("portability-canary#r#1")])
    layout().guard([key("tenant-42-1"), key("portability-canary#r#1")], canaries=True)


def test_a_spread_store_without_a_range_is_refused() -> None:
    with pytest.raises(errors.PreflightRefused, match="suffixes"):
        layout(suffixes=None).reach(owned=False)
