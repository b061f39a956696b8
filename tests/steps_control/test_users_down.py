"""A downgrade: users of a pool of their own come into the shared one, and out again."""

from __future__ import annotations

from typing import Any

import pytest

from portability import errors
from portability.steps.port_identity import PortIdentity, PortIdentityWith
from portability.steps.user_removal import retire
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import Run
from tests.steps_control.ported import STEP, begin, pools
from tests.support.inventory import Inventory


@pytest.fixture
def own_pool(place: Place, run: Run) -> str:
    """The tenant lives in a silo, and its users are gone from the shared pool."""
    begin(run, "retire")
    retire(run.context("retire", place.aws), "s3://archive/users")
    _, own = pools(place)
    client = next(iter(place.inventory().pools[own]["clients"]))
    place.set_record(tenantTier="premium", userPoolId=own, appClientId=client, dedicatedTenancy="true")
    return own


def down(place: Place, **facts: Any) -> Run:
    return Run(place.plan("basic", facts=facts), run="r-01DOWN0000000000000000000")


def test_a_downgrade_brings_users_into_the_shared_pool_and_back_out(place: Place, own_pool: str) -> None:
    before = place.inventory()
    shared = before.named("ServerlessSaaS-pooled")
    run = down(place)
    shown = {change.identity for change in STEP.preview(run.context("identity", place.observing)) if change.acts}

    output = run.apply(STEP, run.context("identity", place.aws))

    after = place.inventory()
    assert run.intents("identity") == shown
    assert output["pool_id"] == shared
    mine = {name: user for name, user in after.users(shared).items() if place.tenant in user["groups"]}
    assert len(mine) == 6
    assert {user["attributes"]["custom:tenantTier"] for user in mine.values()} == {"basic"}
    assert sum(not user["enabled"] for user in mine.values()) == 1
    assert after.pools[shared]["settings"] == before.pools[shared]["settings"]
    assert after.pools[shared]["clients"] == before.pools[shared]["clients"]
    assert after.without(place.tenant) == before.without(place.tenant)

    run.undo(STEP, run.context("identity", place.aws))
    assert place.inventory() == before
    run.undo(STEP, run.context("identity", place.aws))
    assert place.inventory() == before


class Killed(BaseException):
    """The process is gone before this request is sent."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_downgrade_killed_before_any_write_leaves_nothing_after_its_undo(place: Place, own_pool: str) -> None:
    cognito = place.client("cognito-idp")
    for number in (1, 2, 3):
        cognito.admin_delete_user(UserPoolId=own_pool, Username=f"{place.tenant}-user-{number}")
    before = place.inventory()
    points = 0
    while True:
        run = Run(place.plan("basic"), run=f"r-{points:026d}")
        left = points

        def look() -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1

        run.started("identity", STEP.uses)
        try:
            STEP.apply(run.context("identity", place.aws_that_looks(look)))
            break
        except Killed:
            points += 1
        STEP.undo(run.context("identity", place.aws))
        assert place.inventory() == before, f"undone after a kill before write {points}"
    assert points > 9


def test_a_user_made_but_not_yet_in_the_group_is_found_even_when_the_origin_has_them_no_more(
    place: Place, own_pool: str
) -> None:
    shared, _ = pools(place)
    before = place.inventory().users(shared)
    run = down(place)
    sent = 0

    def look() -> None:
        nonlocal sent
        sent += 1
        if sent == 3:  # the group and one user are made, nothing else
            raise Killed

    run.started("identity", STEP.uses)
    with pytest.raises(Killed):
        STEP.apply(run.context("identity", place.aws_that_looks(look)))
    (made,) = place.inventory().users(shared).keys() - before.keys()
    assert place.inventory().users(shared)[made]["groups"] == []
    place.client("cognito-idp").admin_delete_user(UserPoolId=own_pool, Username=made)

    STEP.undo(run.context("identity", place.aws))

    assert place.inventory().users(shared) == before


def test_a_name_that_was_given_to_another_tenant_meanwhile_is_not_taken_back(place: Place, own_pool: str) -> None:
    shared, _ = pools(place)
    cognito, name = place.client("cognito-idp"), f"{place.tenant}-user-1"
    run = down(place)
    run.apply(STEP, run.context("identity", place.aws))
    cognito.admin_delete_user(UserPoolId=shared, Username=name)
    cognito.admin_create_user(
        UserPoolId=shared,
        Username=name,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "custom:tenantId", "Value": "tenant-42"}],
    )
    run.undo(STEP, run.context("identity", place.aws))
    left = [user for user in place.inventory().users(shared) if user.startswith(f"{place.tenant}-")]
    assert left == [name]


def test_a_username_of_another_tenant_blocks_and_is_not_touched(place: Place, own_pool: str) -> None:
    shared, _ = pools(place)
    cognito, taken = place.client("cognito-idp"), f"{place.tenant}-user-1"
    cognito.admin_create_user(
        UserPoolId=shared,
        Username=taken,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "custom:tenantId", "Value": "tenant-42"}],
    )
    cognito.admin_add_user_to_group(UserPoolId=shared, Username=taken, GroupName="tenant-42")
    before = place.inventory().users(shared)[taken]
    run = down(place)

    found = [finding for finding in STEP.findings(run.context("identity", place.observing)) if finding.level == "block"]
    assert ["1 usernames are taken" in finding.text for finding in found] == [True]
    with pytest.raises(errors.Mismatch, match="taken"):
        run.apply(STEP, run.context("identity", place.aws))
    run.undo(STEP, run.context("identity", place.aws))
    assert place.inventory().users(shared)[taken] == before


def test_a_group_of_the_silo_may_not_simply_be_joined_in_the_shared_pool(place: Place, own_pool: str) -> None:
    shared, _ = pools(place)
    cognito = place.client("cognito-idp")
    cognito.create_group(UserPoolId=shared, GroupName="platform-admins")
    cognito.create_group(UserPoolId=own_pool, GroupName="platform-admins")
    cognito.admin_add_user_to_group(UserPoolId=own_pool, Username=f"{place.tenant}-admin", GroupName="platform-admins")
    run = down(place)
    found = [finding.text for finding in STEP.findings(run.context("identity", place.observing)) if finding.next]
    assert ["platform-admins" in text for text in found] == [True]
    with pytest.raises(errors.Mismatch, match="platform-admins"):
        run.apply(STEP, run.context("identity", place.aws))
    assert members(place.inventory(), shared, "platform-admins") == []

    allowed = PortIdentity(with_=PortIdentityWith(shared_groups=("platform-admins",)))
    again = Run(place.plan("basic"), run="r-02DOWN0000000000000000000")
    again.apply(allowed, again.context("identity", place.aws))
    assert members(place.inventory(), shared, "platform-admins") == [f"{place.tenant}-admin"]


def members(inventory: Inventory, pool: str, group: str) -> list[str]:
    found: list[str] = inventory.pools[pool]["groups"][group]
    return found


def test_an_attribute_the_shared_schema_lacks_blocks(place: Place, own_pool: str) -> None:
    place.client("cognito-idp").add_custom_attributes(
        UserPoolId=own_pool, CustomAttributes=[{"Name": "badge", "AttributeDataType": "String", "Mutable": True}]
    )
    found = [one for one in STEP.findings(down(place).context("identity", place.observing)) if one.level == "block"]
    assert ["custom:badge" in one.text for one in found] == [True]


def test_the_silo_pool_goes_only_if_the_plan_names_it(place: Place, own_pool: str) -> None:
    run = down(place)
    run.apply(STEP, run.context("identity", place.aws))
    begin(run, "retire")
    with pytest.raises(errors.Refused, match="does not name"):
        retire(run.context("retire", place.aws), "s3://archive/users")
    assert own_pool in place.inventory().pools

    named = down(place, port_identity=dict(STEP.facts(run.context("identity", place.observing))))
    named.apply(STEP, named.context("identity", place.aws))
    begin(named, "retire")
    assert retire(named.context("retire", place.aws), "s3://archive/users") == {"users": 6, "kept": 0}
    assert own_pool not in place.inventory().pools
    assert retire(named.context("retire", place.aws), "s3://archive/users") == {"users": 0, "kept": 0}
