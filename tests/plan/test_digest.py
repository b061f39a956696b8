"""The digest changes with everything a plan rests on, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portability.model.change import Change, Sign
from portability.model.plan import Plan
from portability.plan.compile import compile_plan
from portability.plan.digest import OUTSIDE, canonical, differences, digest
from portability.plan.load import load_estate, shipped_recipes
from tests.plan.samples import ESTATE, KNOWN, leaves, replaced, with_facts


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("digest") / "e.yaml"
    return made(path, ESTATE)


def made(path: Path, text: str) -> Plan:
    path.write_text(text)
    plan = compile_plan(
        estate=load_estate(path),
        recipes=shipped_recipes(KNOWN),
        tenant="tenant-42",
        record_location=("basic", None),
        to="premium",
        account="123456789012",
    )
    assert isinstance(plan, Plan)
    return with_facts(plan, {"Order": {"indexes": ["byStatus"], "ttl": None}, "directory": {"tenantTier": "basic"}})


def test_every_field_of_the_plan_is_covered_or_named_as_outside(plan: Plan) -> None:
    covered = set(msgspec.to_builtins(plan)) - OUTSIDE
    wanted = {"schema", "tenant", "source", "target", "recipe", "steps", "stores", "estate", "account", "facts"}
    assert covered == wanted


def test_the_digest_changes_with_every_single_value_of_the_fingerprint(plan: Plan) -> None:
    plain = msgspec.to_builtins(plan)
    seen = {digest(plan)}
    places = [place for place in leaves(plain) if place and place[0] not in OUTSIDE]
    for place in places:
        changed = replaced(plain, place)
        body = {name: value for name, value in changed.items() if name not in OUTSIDE}
        seen.add(canonical(body).hex())
    assert len(places) > 200
    assert len(seen) == len(places) + 1


@pytest.mark.parametrize(
    "changed",
    (
        {"schema": 2},
        {"tenant": "tenant-43"},
        {"account": "210987654321"},
        {"recipe": "another"},
        {"steps": []},
        {"stores": []},
        {"facts": {}},
    ),
    ids=lambda changed: next(iter(changed)),
)
def test_the_digest_changes_with_each_field(plan: Plan, changed: dict[str, Any]) -> None:
    assert digest(msgspec.structs.replace(plan, **changed)) != plan.digest


def test_the_preview_and_its_estimates_are_outside_the_digest(plan: Plan) -> None:
    change = Change(step="copy", sign=Sign.MOVE, kind="copy", name="Order", estimate={"items": 1204.5})
    assert with_facts(plan, plan.facts, [change]).digest == plan.digest


def test_the_order_of_keys_in_the_file_is_no_part_of_the_digest(plan: Plan, tmp_path: Path) -> None:
    top = ESTATE.index("tiers:")
    stores, fence = ESTATE.index("stores:"), ESTATE.index("fence:")
    shuffled = ESTATE[fence:] + ESTATE[top:stores] + ESTATE[:top] + ESTATE[stores:fence]
    tiers_swapped = ESTATE.replace("  lease: 60s\n  beat: 10s\n", "  beat: 10s\n  lease: 60s\n")
    assert made(tmp_path / "a.yaml", shuffled).digest == plan.digest
    assert made(tmp_path / "b.yaml", tiers_swapped).digest == plan.digest
    assert made(tmp_path / "c.yaml", ESTATE.replace("60s", "61s")).digest != plan.digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def strict(value: Any) -> Any:
    """Equality that tells 1 from 1.0 and from True."""
    if isinstance(value, dict):
        return frozenset((key, strict(inner)) for key, inner in value.items())
    return tuple(map(strict, value)) if isinstance(value, list) else (type(value), repr(value))


@given(JSON, JSON)
def test_two_values_have_one_encoding_only_if_they_are_equal(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == (strict(one) == strict(other))


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5), st.randoms())
def test_the_encoding_does_not_know_the_order_of_keys(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert canonical({key: value[key] for key in keys}) == canonical(value)


@pytest.mark.parametrize(
    "value", (float("nan"), float("inf"), b"", {1: 2}, object()), ids=("nan", "inf", "bytes", "key", "object")
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no canonical form"):
        canonical(value)


def test_differences_name_each_field_with_both_values(plan: Plan, tmp_path: Path) -> None:
    text = ESTATE.replace("freeze_max: 5s", "freeze_max: 6s").replace("premium: {", "premium: {usage_plan: gold, ")
    now = made(tmp_path / "e.yaml", text)
    now = with_facts(now, {"Order": {"indexes": ["byStatus", "byDay"]}, "directory": {"tenantTier": "standard"}})
    steps = [step if step.id != "copy" else msgspec.structs.replace(step, uses="copy_fast") for step in now.steps[:-1]]
    now = msgspec.structs.replace(now, steps=steps)
    *others, gone = differences(plan, now)
    assert others == [
        'estate.fence.freeze_max: "5s" -> "6s"',
        'estate.tiers.premium.usage_plan: null -> "gold"',
        'facts.Order.indexes: ["byStatus"] -> ["byStatus", "byDay"]',
        "facts.Order.ttl: null -> (nothing)",
        'facts.directory.tenantTier: "basic" -> "standard"',
        'steps.copy.uses: "copy_data" -> "copy_fast"',
    ]
    assert gone.startswith('steps.retire: {"closes": ["cutover"], ')
    assert gone.endswith("… -> (nothing)")
    assert differences(plan, plan) == []


def test_a_change_of_order_alone_is_a_difference(plan: Plan) -> None:
    first, second, *others = plan.steps
    now = msgspec.structs.replace(plan, steps=[second, first, *others])
    (line,) = differences(plan, now)
    assert line.startswith('steps (order): ["preflight", "identity", "resources", ')
    assert ' -> ["identity", "preflight", "resources", ' in line
    assert digest(now) != plan.digest
