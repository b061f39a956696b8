"""The two example estates and the recipes that ship: they load, and every pair of tiers compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from portability.model.estate import Estate, Identity
from portability.model.plan import Plan
from portability.plan.compile import NothingToDo, compile_plan
from portability.plan.load import load_estate, recipes_for, shipped_plans, shipped_recipes, validate
from portability.steps.catalog import STEPS

PLANS = Path(__file__).resolve().parents[2] / "plans"
ESTATES = {"reference": PLANS / "estate.yaml", "single-table": PLANS / "single-table" / "estate.yaml"}
ACCOUNT = "123456789012"
PAIRS = [
    (name, source, target)
    for name, path in ESTATES.items()
    for source in load_estate(path).tiers
    for target in load_estate(path).tiers
]
ORDER = [
    "preflight",
    "port_identity",
    "provision_resources",
    "stage_config",
    "open_channel",
    "copy_data",
    "catch_up",
    "verify_data",
    "cut_over",
    "soak",
    "retire_source",
]


def compiled(name: str, source: str, target: str, placement: str | None = None) -> Plan | NothingToDo:
    path = ESTATES[name]
    estate = load_estate(path)
    return compile_plan(
        estate=estate,
        recipes=recipes_for(estate, path, STEPS),
        tenant="tenant-42",
        record_location=(source, placement),
        to=target,
        account=ACCOUNT,
    )


def moved(plan: Plan | NothingToDo) -> dict[str, tuple[str, str]]:
    assert isinstance(plan, Plan)
    return {move.store: (move.source.table, move.target.table) for move in plan.moving}


def test_everything_under_plans_is_valid() -> None:
    assert validate([PLANS, PLANS / "single-table"], STEPS) == []


@pytest.mark.parametrize(("name", "source", "target"), PAIRS)
def test_every_pair_of_tiers_compiles_to_the_steps_in_their_order(name: str, source: str, target: str) -> None:
    plan = compiled(name, source, target)
    if source == target:
        assert isinstance(plan, NothingToDo)
        return
    assert isinstance(plan, Plan)
    assert [step.uses for step in plan.steps] == ORDER
    by_use = {step.uses: step for step in plan.steps}
    assert by_use["cut_over"].closes == [by_use["open_channel"].id]
    assert by_use["retire_source"].closes == [by_use["cut_over"].id]
    assert plan.recipe == f"{plan.source.model}-to-{plan.target.model}"
    assert len(plan.digest) == 64


def test_the_upgrade_of_the_reference_goes_to_tables_and_users_of_its_own() -> None:
    plan = compiled("reference", "basic", "premium")
    assert moved(plan) == {
        "Product": ("Product-pooled", "Product-tenant-42"),
        "Order": ("Order-pooled", "Order-tenant-42"),
    }
    assert isinstance(plan, Plan)
    assert plan.moves_identity


def test_a_tier_of_the_same_pool_moves_no_data() -> None:
    assert moved(compiled("reference", "basic", "standard")) == {}
    assert moved(compiled("reference", "premium", "platinum")) == {}


def test_another_placement_of_the_same_tier_moves_every_store() -> None:
    assert moved(compiled("reference", "basic", "basic@pool-b")) == {
        "Product": ("Product-pooled", "Product-pool-b"),
        "Order": ("Order-pooled", "Order-pool-b"),
    }


def test_the_single_table_estate_moves_data_and_leaves_users_where_they_are() -> None:
    plan = compiled("single-table", "starter", "enterprise")
    assert moved(plan) == {"Main": ("crm-main", "crm-main-tenant-42"), "Audit": ("crm-audit", "crm-audit-tenant-42")}
    assert isinstance(plan, Plan)
    assert not plan.moves_identity
    assert plan.target.identity is Identity.POOL


def test_the_recipes_that_ship_are_found_from_an_estate_that_has_none(tmp_path: Path) -> None:
    text = ESTATES["reference"].read_text()
    (tmp_path / "estate.yaml").write_text(text)
    estate = load_estate(tmp_path / "estate.yaml")
    assert recipes_for(estate, tmp_path / "estate.yaml", STEPS) == shipped_recipes(STEPS)
    assert shipped_plans().is_dir()


def test_an_estates_own_recipe_stands_before_the_one_that_ships(tmp_path: Path) -> None:
    (tmp_path / "estate.yaml").write_text(ESTATES["reference"].read_text())
    own = (PLANS / "pool-to-silo.yaml").read_text().replace("name: pool-to-silo", "name: ours")
    (tmp_path / "ours.yaml").write_text(own)
    estate = load_estate(tmp_path / "estate.yaml")
    names = [recipe.name for recipe in recipes_for(estate, tmp_path / "estate.yaml", STEPS)]
    assert names == ["ours", "pool-to-pool", "silo-to-pool", "silo-to-silo"]


def test_the_example_estates_name_what_the_sandbox_seeds() -> None:
    """Tables, keys and routing attributes are compared with the seeder's own, so that neither drifts."""
    from portability.sandbox import reference, single_table

    ref, crm = load_estate(ESTATES["reference"]), load_estate(ESTATES["single-table"])
    assert ref.stack_mapping is not None
    assert ref.cognito is not None
    assert (ref.directory.table, ref.stack_mapping.table) == (reference.DETAILS, reference.MAPPING)
    assert (ref.cognito.settings_table, ref.cognito.mapping_table) == (reference.SETTINGS, reference.USERS)
    assert {tenant.tier for tenant in reference.TENANTS} <= ref.tiers.keys()
    assert {plan.tier for plan in reference.PLANS} == {tier.usage_plan for tier in ref.tiers.values()}
    assert {plan.tier for plan in single_table.PLANS} == {tier.usage_plan for tier in crm.tiers.values()}
    assert crm.directory.table == single_table.TENANTS_TABLE
    assert crm.directory.stores == single_table._CONFIG
    for estate, seeded in ((ref, reference), (crm, single_table)):
        assert estate.journal.table == seeded.JOURNAL
        assert estate.archive is not None
        assert estate.archive.bucket == seeded.ARCHIVE
        assert keys_of(estate) == {name: [key.name for key in store.key] for name, store in seeded.STORES.items()}


def keys_of(estate: Estate) -> dict[str, list[str | None]]:
    return {name: [store.partition_key, store.sort_key] for name, store in estate.stores.items()}


def test_no_secret_and_no_machine_path_stands_in_the_examples() -> None:
    for path in PLANS.rglob("*.yaml"):
        text = path.read_text()
        assert "/home/" not in text
        assert "/work" not in text
        assert "password" not in text.lower()
