"""What the flip will write is known before it, and the key changes its usage plan so that it may be repeated."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from portability import errors
from portability.model.estate import ApiKeys
from portability.steps.api_key import switch_plan, value_now
from portability.steps.port_identity import PortIdentity
from portability.steps.stage_config import StageConfig, StageConfigWith
from portability.stores.base import Flow
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import Run

STEP = StageConfig()


def staged(place: Place, to: str = "premium", *, users: bool = False) -> Run:
    run = Run(place.plan(to))
    if users:
        run.apply(PortIdentity(), run.context("identity", place.aws))
    run.apply(STEP, run.context("config", place.aws))
    return run


def plans_of_key(place: Place, key: str) -> list[str]:
    gateway = place.client("apigateway")
    names = {plan["id"]: plan["name"] for plan in gateway.get_usage_plans()["items"]}
    return sorted(names[plan] for plan, keys in place.inventory().plans.items() if key in keys)


def test_nothing_live_changes_however_often_it_runs_or_is_undone(place: Place) -> None:
    before = place.inventory()
    run = Run(place.plan("standard"))
    first = run.apply(STEP, run.context("config", place.observing))
    assert run.apply(STEP, run.context("config", place.observing)) == first
    run.undo(STEP, run.context("config", place.observing))
    assert place.inventory() == before
    assert run.intents() == set()


def test_both_sides_are_staged_under_the_estates_logical_names(place: Place) -> None:
    output = staged(place, users=True).view.step("config").output
    source, target = output["fields"]["source"], output["fields"]["target"]
    record = {name: next(iter(value.values())) for name, value in place.record().items()}
    assert source == {
        "tier": "basic",
        "user_pool": record["userPoolId"],
        "client": record["appClientId"],
        "url": record["apiGatewayUrl"],
        "dedicated": "false",
        "placement": None,
        "stores": {},
    }
    own = place.inventory().named(f"ServerlessSaaS-{place.tenant}")
    changed = {"tier": "premium", "user_pool": own, "dedicated": "true"}
    assert {name: target[name] for name in changed} == changed
    assert target["client"] in place.inventory().pools[own]["clients"]
    assert output["stack"] == {"before": None, "after": f"stack-{place.tenant}"}


def test_the_value_of_the_key_is_in_no_output_and_no_entry(place: Place) -> None:
    run = staged(place)
    value = place.record()["apiKey"]["S"]
    assert value not in run.text()
    assert value_now(run.context("cutover", place.aws), run.plan.target) == value
    switch_plan_at(run, place, run.plan.target)
    assert value not in run.text()


def test_the_preview_names_what_differs_and_nothing_else(place: Place) -> None:
    run = Run(place.plan("premium"))
    shown = {(c.kind, c.name) for c in STEP.preview(run.context("config", place.observing)) if c.acts}
    assert shown == {
        ("usage plan", "basic -> premium"),
        ("directory", "tenantTier, userPoolId, appClientId, dedicatedTenancy"),
        ("stack mapping", f"none -> stack-{place.tenant}"),
    }
    run = Run(place.plan("standard"))
    shown = {(c.kind, c.name) for c in STEP.preview(run.context("config", place.observing)) if c.acts}
    assert shown == {("usage plan", "basic -> standard"), ("directory", "tenantTier")}


def test_another_placement_of_the_same_tier_changes_the_placement_alone(place: Place) -> None:
    run = Run(place.plan("basic@pool-b"))
    shown = {(c.kind, c.name) for c in STEP.preview(run.context("config", place.observing)) if c.acts}
    assert shown == {("directory", "dataPlacement")}
    output = run.apply(STEP, run.context("config", place.aws))
    assert [output["fields"][side]["placement"] for side in ("source", "target")] == [None, "pool-b"]


def test_a_stack_row_that_is_no_longer_needed_stays_for_the_way_back(place: Place) -> None:
    place.set_record(tenantTier="premium", dedicatedTenancy="true")
    place.client("dynamodb").put_item(
        TableName="ServerlessSaaS-TenantStackMapping",
        Item={"tenantId": {"S": place.tenant}, "stackName": {"S": "stack-of-old"}},
    )
    run = Run(place.plan("basic"))
    lines = [c for c in STEP.preview(run.context("config", place.observing)) if c.kind == "stack mapping"]
    assert [(c.sign, c.name) for c in lines] == [("!", "stack-of-old")]


def test_the_url_is_what_provisioning_wanted_to_write_or_what_the_recipe_says(place: Place) -> None:
    class Learned(StageConfig):
        uses = "provision_resources"

        def apply(self, ctx: Any) -> dict[str, Any]:
            return {"learned": {"url": "https://own.example.com/prod"}}

    run = Run(place.plan("premium"))
    run.apply(Learned(), run.context("resources", place.aws))
    output = run.apply(STEP, run.context("config", place.aws))
    assert output["fields"]["target"]["url"] == "https://own.example.com/prod"
    said = StageConfig(with_=StageConfigWith(url="https://{slug}.example.com"))
    output = run.apply(said, run.context("config", place.aws))
    assert output["fields"]["target"]["url"] == f"https://{place.tenant}.example.com"


def switch_plan_at(run: Run, place: Place, to: Any, *, aws: Any = None, step: str = "cutover") -> float:
    if step not in run.view.steps:
        run.started(step, "cut_over")
    return switch_plan(run.context(step, aws or place.aws, flow=Flow.FORWARD), to)


def test_the_key_goes_to_the_target_plan_and_back_and_neighbours_stay(place: Place) -> None:
    before = place.inventory()
    run = staged(place)
    key = run.view.step("config").output["key_id"]
    assert plans_of_key(place, key) == ["basic"]

    gap = switch_plan_at(run, place, run.plan.target)
    assert plans_of_key(place, key) == ["premium"]
    assert gap > 0
    assert switch_plan_at(run, place, run.plan.target) == 0.0, "repeated, it only looks"
    assert run.intents("cutover") == {("~", "usage plan", "basic -> premium")}

    switch_plan_at(run, place, run.plan.source, step="cutover.2")
    assert run.intents("cutover.2") == {("~", "usage plan", "premium -> basic")}
    assert place.inventory() == before


class Killed(BaseException):
    """The process is gone before this request is sent."""


@pytest.mark.parametrize("point", (0, 1))
def test_killed_between_leaving_one_plan_and_joining_the_other_it_is_finished_by_a_repetition(
    place: Place, point: int
) -> None:
    run = staged(place)
    left = point

    def look() -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1

    with pytest.raises(Killed):
        switch_plan_at(run, place, run.plan.target, aws=place.aws_that_looks(look))
    switch_plan_at(run, place, run.plan.target)
    assert plans_of_key(place, run.view.step("config").output["key_id"]) == ["premium"]


def test_shared_keys_come_from_the_tiers_parameter_and_no_plan_is_touched(place: Place) -> None:
    shared = place.with_estate(api_keys=ApiKeys.SHARED_PER_TIER, api_key_parameter="/serverless-saas/api-keys/{tier}")
    run = staged(shared, "standard")
    before = place.inventory()
    parameter = place.client("ssm").get_parameter(Name="/serverless-saas/api-keys/standard", WithDecryption=True)
    assert value_now(run.context("config", place.aws), run.plan.target) == parameter["Parameter"]["Value"]
    assert switch_plan_at(run, shared, run.plan.target) == 0.0
    assert place.inventory() == before
    shown = [c.name for c in STEP.preview(run.context("config", place.observing)) if c.acts]
    assert shown == ["tenantTier, apiKey"]


def test_an_estate_without_keys_asks_for_none(place: Place) -> None:
    run = staged(place.with_estate(api_keys=ApiKeys.NONE), "standard")
    assert "key_id" not in run.view.step("config").output
    assert value_now(run.context("config", place.aws), run.plan.target) is None
    assert STEP.findings(run.context("config", place.observing)) == []


def test_a_key_that_is_unknown_or_in_the_wrong_plan_blocks(place: Place) -> None:
    run = Run(place.plan("premium"))
    assert STEP.findings(run.context("config", place.observing)) == []
    key = run.apply(STEP, run.context("config", place.aws))["key_id"]
    gateway = place.client("apigateway")
    basic = next(plan["id"] for plan in gateway.get_usage_plans()["items"] if plan["name"] == "basic")
    gateway.delete_usage_plan_key(usagePlanId=basic, keyId=key)
    assert ["not in the usage plan" in one.text for one in STEP.findings(run.context("config", place.aws))] == [True]
    place.set_record(apiKey="0" * 40)
    assert ["not in API Gateway" in one.text for one in STEP.findings(run.context("config", place.aws))] == [True]
    with pytest.raises(errors.Mismatch, match="not in API Gateway"):
        run.apply(STEP, run.context("config", place.aws))


def test_a_usage_plan_that_is_missing_or_there_twice_blocks(place: Place) -> None:
    tiers = dict(place.estate.tiers)
    tiers["premium"] = msgspec.structs.replace(tiers["premium"], usage_plan="gold")
    missing = Run(place.with_estate(tiers=tiers).plan("premium"))
    found = STEP.findings(missing.context("config", place.observing))
    assert ["called gold" in one.text for one in found if one.level == "block"] == [True]
    place.client("apigateway").create_usage_plan(name="premium")
    twice = Run(place.plan("premium"))
    found = STEP.findings(twice.context("config", place.observing))
    assert ["exactly one" in one.text for one in found if one.level == "block"] == [True]


def test_facts_hold_the_limits_of_both_plans(place: Place) -> None:
    facts = STEP.facts(Run(place.plan("premium")).context("config", place.observing))
    assert [(facts[side]["rate"], facts[side]["burst"], facts[side]["quota"]) for side in ("source", "target")] == [
        (50, 50, 1000),
        (100, 200, 5000),
    ]
