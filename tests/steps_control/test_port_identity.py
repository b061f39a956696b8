"""Users go along: all of them, as they are, once, and back out again without a trace."""

from __future__ import annotations

from typing import Any

import pytest

from portability.aws.session import Aws
from portability.model.status import Fact
from portability.steps import users
from portability.steps.port_identity import PortIdentity
from portability.stores.base import Flow
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import Run

STEP = PortIdentity()


def silo(place: Place) -> str:
    return f"ServerlessSaaS-{place.tenant}"


@pytest.fixture
def run(place: Place) -> Run:
    return Run(place.plan("premium"))


def test_every_user_arrives_as_they_are_with_tenant_and_tier_filled_in(place: Place, run: Run) -> None:
    output = run.apply(STEP, run.context("identity", place.aws))

    after = place.inventory()
    shared, own = after.named("ServerlessSaaS-pooled"), after.named(silo(place))
    before = {name: user for name, user in after.users(shared).items() if place.tenant in user["groups"]}
    assert set(after.users(own)) == set(before)
    for name, user in after.users(own).items():
        was = before[name]
        expected = {**was["attributes"], "custom:tenantId": place.tenant, "custom:tenantTier": "premium"}
        expected["custom:legacySub"] = expected.pop("sub")
        assert {k: v for k, v in user["attributes"].items() if k != "sub"} == expected
        assert (user["enabled"], user["status"], user["groups"]) == (was["enabled"], was["status"], was["groups"])
    assert output["pool_id"] == own
    assert (output["users"], output["must_reset"], output["counts"]["disabled"]) == (6, 6, 1)


def test_pool_and_client_are_like_the_shared_ones(place: Place, run: Run) -> None:
    output = run.apply(STEP, run.context("identity", place.aws))

    after = place.inventory()
    shared, own = after.pools[output["source_pool_id"]], after.pools[output["pool_id"]]
    for name in ("Policies", "AutoVerifiedAttributes", "MfaConfiguration"):
        assert own["settings"].get(name) == shared["settings"].get(name)
    config = [pool["settings"]["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] for pool in (own, shared)]
    assert config == [True, True]
    schemas = [{one["Name"]: one for one in pool["settings"]["SchemaAttributes"]} for pool in (own, shared)]
    assert schemas[0].keys() - schemas[1].keys() == {"custom:legacySub"}
    assert all(schemas[0][name] == schemas[1][name] for name in schemas[1] if name.startswith("custom:"))
    clients = [next(iter(pool["clients"].values())) for pool in (own, shared)]
    ours = {"ClientId", "UserPoolId"}
    assert [{k: v for k, v in client.items() if k not in ours} for client in clients[:1]] == [
        {k: v for k, v in client.items() if k not in ours} for client in clients[1:]
    ]
    assert run.view.step("identity").notes["user pool compared"]["differs"] == []


def test_what_the_plan_shows_is_what_the_run_does(place: Place, run: Run) -> None:
    shown = {change.identity for change in STEP.preview(run.context("identity", place.observing)) if change.acts}
    run.apply(STEP, run.context("identity", place.aws))
    assert run.intents("identity") == shown
    assert {kind for _, kind, _ in shown} == {"user pool", "app client", "group", "users"}


def test_a_preview_changes_nothing_and_neither_do_findings_and_facts(place: Place, run: Run) -> None:
    before = place.inventory()
    ctx = run.context("identity", place.observing)
    assert STEP.preview(ctx)
    assert [finding.level for finding in STEP.findings(ctx)] == ["warn"]
    assert STEP.facts(ctx)["target"] == {"pool": None}
    assert place.inventory() == before


def test_applied_twice_is_applied_once(place: Place, run: Run) -> None:
    first = run.apply(STEP, run.context("identity", place.aws))
    world = place.inventory()

    second = run.apply(STEP, run.context("identity", place.aws))

    assert place.inventory() == world
    assert (first["pool_id"], first["client_id"], first["users"]) == (
        second["pool_id"],
        second["client_id"],
        second["users"],
    )
    assert second["counts"]["unchanged"] == 6


def test_undone_twice_is_undone_once_and_the_world_is_as_before(place: Place, run: Run) -> None:
    before = place.inventory()
    run.apply(STEP, run.context("identity", place.aws))
    assert place.inventory() != before

    run.undo(STEP, run.context("identity", place.aws))
    assert place.inventory() == before
    run.undo(STEP, run.context("identity", place.aws))
    assert place.inventory() == before


def test_no_neighbour_is_touched(place: Place, run: Run) -> None:
    before = place.inventory().without(place.tenant)
    run.apply(STEP, run.context("identity", place.aws))
    assert place.inventory().without(place.tenant) == before


def test_nothing_that_names_a_person_reaches_the_journal(place: Place, run: Run) -> None:
    run.apply(STEP, run.context("identity", place.aws))
    users.carry(run.context("identity", place.aws), Flow.FORWARD)
    kept = run.text()
    assert "@" not in kept.replace(str(run.plan.estate), "")
    assert "-admin" not in kept
    assert "-user-" not in kept


class NoCognito(Aws):
    """Clients without Cognito: who asks for it fails the test."""

    def cognito(self, *, region: str | None = None, role: str | None = None) -> Any:
        raise AssertionError("Cognito was asked")


def test_where_the_pool_is_the_same_no_call_is_made(place: Place) -> None:
    run = Run(place.plan("standard"))
    ctx = run.context("identity", NoCognito(region="us-east-1", read_only=True))
    assert STEP.preview(ctx) == []
    assert STEP.facts(ctx) == {}
    assert [finding.level for finding in STEP.findings(ctx)] == ["warn"]
    assert users.carry(ctx, Flow.FORWARD) == {}


class Killed(BaseException):
    """The process is gone before this request is sent."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_before_any_write_it_resumes_to_the_same_world(place: Place) -> None:
    keep_three_users(place)
    before = place.inventory()
    want: Any = None
    points = 0
    while True:
        run = Run(place.plan("premium"), run=f"r-{points:026d}")
        left = points

        def look() -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1

        killed = False
        try:
            run.apply(STEP, run.context("identity", place.aws_that_looks(look)))
        except Killed:
            killed = True
            run.apply(STEP, run.context("identity", place.aws))
        world = without_ids(place.inventory(), silo(place))
        want = want or world
        assert world == want, f"killed at write {points}"
        run.undo(STEP, run.context("identity", place.aws))
        assert place.inventory() == before, f"undone after a kill at write {points}"
        if not killed:
            break
        points += 1
    assert points > 12


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_undo_killed_anywhere_is_finished_by_the_next(place: Place) -> None:
    keep_three_users(place)
    before = place.inventory()
    for point in range(5):
        run = Run(place.plan("premium"), run=f"r-{point:026d}")
        run.apply(STEP, run.context("identity", place.aws))
        left = point

        def look() -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1

        run.append(Fact.UNDOING, {}, "identity")
        try:
            STEP.undo(run.context("identity", place.aws_that_looks(look)))
        except Killed:
            STEP.undo(run.context("identity", place.aws))
        assert place.inventory() == before


def keep_three_users(place: Place) -> None:
    """The tenant's admin, one without a tenant id, and the disabled one."""
    cognito = place.client("cognito-idp")
    pool = place.inventory().named("ServerlessSaaS-pooled")
    for number in (1, 3, 4):
        cognito.admin_delete_user(UserPoolId=pool, Username=f"{place.tenant}-user-{number}")


def without_ids(inventory: Any, name: str) -> Any:
    """The pool of that name, its ids and subs left out: they are new each time."""
    pool = inventory.pools[inventory.named(name)]
    users_ = {
        username: {**user, "attributes": {k: v for k, v in user["attributes"].items() if k != "sub"}}
        for username, user in pool["users"].items()
    }
    settings = {k: v for k, v in pool["settings"].items() if k not in ("Id", "Arn", "UserPoolTags")}
    return settings, len(pool["clients"]), pool["groups"], users_
