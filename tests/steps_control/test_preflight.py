"""Everything that would stop the move is found before anything is written, and each says its fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import msgspec
import pytest

from portability import errors
from portability.model.change import Change, Finding
from portability.model.estate import Hooks
from portability.model.recipe import StepHooks
from portability.steps.base import Context, Observe, Output, Phase, Step
from portability.steps.catalog import build
from portability.steps.directory import DirectoryTable
from portability.steps.preflight import Preflight, gather
from portability.stores.base import Move
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import FakeContext, Run

STEP = Preflight()


def control(place: Place, to: str = "premium", **facts: Any) -> Run:
    """A run whose plan has the control-plane steps only."""
    plan = place.plan(to, facts=facts)
    wanted = ("preflight", "port_identity", "provision_resources", "stage_config")
    return Run(msgspec.structs.replace(plan, steps=[spec for spec in plan.steps if spec.uses in wanted]))


def blocks(ctx: FakeContext) -> list[str]:
    steps = [build(spec) for spec in ctx.plan.steps]
    return [f"{one.about}: {one.text}" for one in gather(ctx, steps) if one.level == "block"]


def observing(run: Run, place: Place, **more: Any) -> FakeContext:
    return run.context("preflight", place.observing, **more)


def test_a_tenant_that_can_move_has_no_block_and_nothing_was_written(place: Place) -> None:
    before = place.inventory()
    run = control(place)
    assert blocks(observing(run, place)) == []
    output = run.apply(STEP, observing(run, place))
    assert output["warnings"] == 1
    assert place.inventory() == before
    run.undo(STEP, observing(run, place))
    assert place.inventory() == before


def test_a_preview_only_notes(place: Place) -> None:
    lines = STEP.preview(observing(control(place), place))
    assert [line.sign for line in lines] == ["="]


def test_no_value_of_the_record_is_kept_only_hashes(place: Place) -> None:
    run = control(place)
    run.apply(STEP, observing(run, place))
    kept = run.text()
    for name in ("tenantEmail", "tenantPhone", "apiKey", "tenantAddress"):
        assert place.record()[name]["S"] not in kept
        assert name in kept


@pytest.mark.parametrize("when", ("before", "after"))
def test_a_hook_is_blocked_where_the_estate_enables_none(place: Place, when: str) -> None:
    run = control(place)
    first, *others = run.plan.steps
    hooked = msgspec.structs.replace(first, hooks=StepHooks(**{when: ["/usr/local/bin/notify", "#moves"]}))
    run = Run(msgspec.structs.replace(run.plan, steps=[hooked, *others]))
    (found,) = blocks(observing(run, place))
    assert found.startswith(f"hooks: step {first.id} names a hook (/usr/local/bin/notify)")
    enabled = msgspec.structs.replace(run.plan.estate, hooks=Hooks(enabled=True))
    assert blocks(observing(Run(msgspec.structs.replace(run.plan, estate=enabled)), place)) == []


def test_a_tenant_that_is_inactive_or_gone_is_blocked(place: Place) -> None:
    run = control(place)
    place.set_record(isActive="false")
    assert [text for text in blocks(observing(run, place)) if "not active" in text]
    place.client("dynamodb").delete_item(TableName=place.estate.directory.table, Key={"tenantId": {"S": place.tenant}})
    assert [text for text in blocks(observing(run, place)) if "is not in ServerlessSaaS-TenantDetails" in text]


def test_a_record_that_changed_since_the_plan_was_made_is_blocked_naming_the_fields(place: Place) -> None:
    planned = control(place)
    facts = dict(STEP.facts(observing(planned, place)))
    assert "apiKey" not in facts["record"]
    run = control(place, preflight=facts)
    assert blocks(observing(run, place)) == []
    place.set_record(apiGatewayUrl="https://elsewhere.example.com")
    assert blocks(observing(run, place)) == ["directory: these fields changed since the plan was made: apiGatewayUrl"]


def test_a_tenant_that_is_elsewhere_than_planned_is_blocked(place: Place) -> None:
    run = control(place)
    place.set_record(dataPlacement="pool-b")
    assert "directory: the record says basic@pool-b, the plan basic@default" in blocks(observing(run, place))


def test_the_stamp_of_another_run_is_blocked_and_ones_own_is_not(place: Place) -> None:
    run = control(place)
    DirectoryTable(place.estate, place.aws.dynamodb()).stamp(place.tenant, "r-OTHER", 1)
    assert [text for text in blocks(observing(run, place)) if "stamp of run r-OTHER" in text]
    own = Run(run.plan, run="r-OTHER")
    assert blocks(observing(own, place)) == []


def test_a_journal_that_is_missing_or_another_table_is_blocked(place: Place) -> None:
    journal = msgspec.structs.replace(place.estate.journal, table="not-there")
    missing = control(place.with_estate(journal=journal))
    assert [text for text in blocks(observing(missing, place)) if "not-there is not there" in text]
    journal = msgspec.structs.replace(place.estate.journal, table=place.estate.directory.table)
    wrong = control(place.with_estate(journal=journal))
    assert [text for text in blocks(observing(wrong, place)) if "is no journal" in text]


def test_another_account_than_the_plans_is_blocked(place: Place) -> None:
    run = Run(msgspec.structs.replace(control(place).plan, account="999999999999"))
    assert [text for text in blocks(observing(run, place)) if text.startswith("account: ")]


@dataclass(frozen=True)
class Picky:
    """A step and a move with conditions of their own."""

    found: tuple[Finding, ...] = ()
    fails: Exception | None = None
    store: str = "Order"
    uses: ClassVar[str] = "picky"
    phase: ClassVar[Phase] = "prepare"

    def findings(self, ctx: Observe | None = None) -> Sequence[Finding]:
        if self.fails is not None:
            raise self.fails
        return self.found

    def drift(self, *, check: Callable[[], None] | None = None) -> Sequence[Finding]:
        return ()

    def preview(self, ctx: Observe) -> Sequence[Change]:
        return []

    def apply(self, ctx: Context) -> Output:
        return {}

    def undo(self, ctx: Context) -> None:
        return


def test_findings_of_stores_and_steps_are_in_the_refusal_each_with_its_fix(place: Place) -> None:
    run = control(place)
    stray = Finding(level="block", about="Order", text="3 items lie outside suffixes 1 to 10", next="widen the range")
    ctx = run.context("preflight", place.aws, moves=[cast("Move", Picky(found=(stray,)))])
    place.set_record(isActive="false")
    with pytest.raises(errors.PreflightRefused) as refused:
        run.apply(STEP, ctx)
    assert "Order: 3 items lie outside suffixes 1 to 10  Fix: widen the range" in refused.value.what
    assert "is not active  Fix: set isActive" in refused.value.what


def test_a_source_that_cannot_be_looked_at_is_a_block_and_hides_no_other(place: Place) -> None:
    ctx = observing(control(place), place)
    broken = Picky(fails=errors.NotFound("there is no such table", operation="dynamodb.DescribeTable", aws_code=""))
    told = Picky(found=(Finding(level="block", about="picky", text="no", next="yes"),))
    found = [one.text for one in gather(ctx, [cast("Step", broken), cast("Step", told)]) if one.level == "block"]
    assert found == ["could not be looked at: there is no such table", "no"]


def test_a_lost_lease_or_a_missing_permission_is_no_finding(place: Place) -> None:
    ctx = observing(control(place), place)
    for error in (errors.LeaseLost("gone", next="x"), errors.Unauthorised("no", next="x")):
        with pytest.raises(type(error)):
            gather(ctx, [cast("Step", Picky(fails=error))])
