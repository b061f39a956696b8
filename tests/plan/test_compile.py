"""From names to locations, sides and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portability import errors
from portability.model.estate import Estate
from portability.model.plan import Plan
from portability.plan.compile import NothingToDo, compile_plan
from portability.plan.load import load_estate, load_recipe, shipped_recipes
from tests.plan.samples import ESTATE, KNOWN, RECIPE, edited

SHIPPED = shipped_recipes(KNOWN)


def estate_of(text: str, folder: Path) -> Estate:
    (folder / "e.yaml").write_text(text)
    return load_estate(folder / "e.yaml")


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return estate_of(ESTATE, tmp_path)


def ask(estate: Estate, **changed: Any) -> Plan | NothingToDo:
    asked: dict[str, Any] = {
        "estate": estate,
        "recipes": SHIPPED,
        "tenant": "tenant-42",
        "record_location": ("basic", None),
        "to": "premium",
        "account": "123456789012",
    }
    return compile_plan(**asked | changed)


def plan_of(estate: Estate, **changed: Any) -> Plan:
    plan = ask(estate, **changed)
    assert isinstance(plan, Plan)
    return plan


def test_a_record_without_a_placement_is_in_the_one_called_default(estate: Estate) -> None:
    assert plan_of(estate).source.placement == "default"
    assert plan_of(estate, record_location=("basic", "pool-b")).source.pool == "pool-b"


def test_without_a_default_the_first_placement_is_meant(tmp_path: Path) -> None:
    text = edited(ESTATE, "      default: {pool: pooled}\n", "      first: {pool: pooled}\n")
    estate = estate_of(text, tmp_path)
    assert plan_of(estate, record_location=("premium", None), to="basic").target.placement == "first"


def test_a_tenant_asked_into_its_own_tier_stays_in_its_placement(estate: Estate) -> None:
    answer = ask(estate, record_location=("basic", "pool-b"), to="basic")
    assert isinstance(answer, NothingToDo)
    assert answer.location.placement == "pool-b"
    assert isinstance(ask(estate, record_location=("basic", "pool-b"), to="basic@default"), Plan)


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    (
        ({"to": "premum"}, errors.UnknownName, "there is no tier 'premum'; did you mean 'premium'?"),
        (
            {"to": "basic@pool-c"},
            errors.UnknownName,
            "there is no placement 'pool-c' of tier basic; did you mean 'pool-b'?",
        ),
        ({"to": "basic@"}, errors.UsageMistake, "'basic@' names no placement after @"),
        ({"to": ""}, errors.UnknownName, "there is no tier ''; known: basic, premium"),
        (
            {"record_location": ("gold", None)},
            errors.UnknownName,
            "the directory puts tenant-42 in tier 'gold'; known: basic, premium",
        ),
        ({"tenant": "a b"}, errors.UsageMistake, "'a b' is not a tenant id: 1 to 128 of A-Z a-z 0-9 . _ : @ -"),
        (
            {"account": "210987654321"},
            errors.WrongEstate,
            "the credentials belong to account 210987654321, estate estate allows 123456789012",
        ),
        (
            {"recipes": []},
            errors.NoRecipe,
            "no recipe takes tenant-42 from pool to silo; there are recipes for: none",
        ),
        (
            {"recipes": [recipe for recipe in SHIPPED if recipe.to == "pool"]},
            errors.NoRecipe,
            "no recipe takes tenant-42 from pool to silo; there are recipes for: pool to pool, silo to pool",
        ),
        (
            {"tenant": "pooled"},
            errors.PreflightRefused,
            "pooled's own table of Order would be Order-pooled, which is shared",
        ),
    ),
)
def test_what_cannot_be_compiled_is_refused_in_words(
    estate: Estate, changed: dict[str, Any], kind: type[errors.PortabilityError], says: str
) -> None:
    with pytest.raises(kind) as refusal:
        ask(estate, **changed)
    assert refusal.value.what == says
    assert refusal.value.next.startswith(("portability ", "write one", "change `silo`"))


def test_a_tenant_id_unfit_for_names_gets_a_slug_in_its_table(estate: Estate) -> None:
    (move,) = plan_of(estate, tenant="Tenant.42").stores
    assert move.target.table == "Order-tenant-42-x" + move.target.table[-10:]


@pytest.mark.parametrize(
    ("placement", "moves"),
    (
        ("{pool: pooled}", False),
        ("{pool: pooled, region: us-east-1}", False),
        ("{pool: pooled, role: 'arn:aws:iam::123456789012:role/other'}", False),
        ("{pool: pooled, region: eu-west-1}", True),
        ("{pool: pool-b}", True),
    ),
)
def test_two_names_of_one_table_move_nothing_and_another_region_moves_all(
    placement: str, moves: bool, tmp_path: Path
) -> None:
    estate = estate_of(edited(ESTATE, "pool-b: {pool: pool-b}", f"pool-b: {placement}"), tmp_path)
    plan = plan_of(estate, to="basic@pool-b")
    assert [move.moves for move in plan.stores] == [moves]


def test_steps_run_by_their_needs_and_file_order_breaks_ties(tmp_path: Path) -> None:
    text = RECIPE[: RECIPE.index("steps:")] + (
        "steps:\n"
        "  - {id: last, uses: soak, needs: [b, a]}\n"
        "  - {id: b, uses: copy_data, needs: [first]}\n"
        "  - {id: a, uses: catch_up, needs: [first]}\n"
        "  - {id: first, uses: preflight}\n"
        "  - {id: free, uses: preflight}\n"
    )
    (tmp_path / "r.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "r.yaml", KNOWN)
    assert [step.id for step in recipe.steps] == ["first", "b", "a", "last", "free"]


def test_facts_are_kept_as_plain_data_and_change_the_digest(estate: Estate) -> None:
    observed = plan_of(estate, facts={"Order": {"indexes": {"b", "a"}, "key": ("shardId", "orderId")}})
    assert observed.facts == {"Order": {"indexes": ["a", "b"], "key": ["shardId", "orderId"]}}
    assert observed.digest != plan_of(estate).digest
    with pytest.raises(ValueError, match="bytes has no canonical form"):
        plan_of(estate, facts={"key": b"\x00"})
