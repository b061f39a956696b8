"""Users again before a flip, the other way, and away for good: never another tenant's."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from portability import errors
from portability.model.run import Cursor
from portability.steps import users
from portability.steps.port_identity import PortIdentity, PortIdentityWith
from portability.steps.user_removal import archive, retire
from portability.stores.base import Flow
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import FakeContext, Run
from tests.support.inventory import Inventory

STEP = PortIdentity()


@pytest.fixture
def run(place: Place) -> Run:
    """A run whose users are ported."""
    run = Run(place.plan("premium", facts={"port_identity": {"source": {"pool": "named-below"}}}))
    run.apply(STEP, run.context("identity", place.aws))
    return run


def pools(place: Place) -> tuple[str, str]:
    now = place.inventory()
    return now.named("ServerlessSaaS-pooled"), now.named(f"ServerlessSaaS-{place.tenant}")


def at_the_gate(place: Place, run: Run, step: str = "cutover") -> FakeContext:
    return run.context(step, place.aws, flow=Flow.FORWARD)


def begin(run: Run, step: str) -> None:
    run.started(step, "cut_over" if step.startswith("cutover") else "retire_source")


def test_what_changed_at_the_origin_since_is_so_at_the_destination(place: Place, run: Run) -> None:
    shared, own = pools(place)
    cognito, one = place.client("cognito-idp"), f"{place.tenant}-user-1"
    cognito.admin_disable_user(UserPoolId=shared, Username=one)
    cognito.admin_update_user_attributes(
        UserPoolId=shared, Username=one, UserAttributes=[{"Name": "custom:userRole", "Value": "Auditor"}]
    )
    cognito.admin_delete_user(UserPoolId=shared, Username=f"{place.tenant}-user-2")
    cognito.admin_create_user(UserPoolId=shared, Username=f"{place.tenant}-new", MessageAction="SUPPRESS")
    cognito.admin_add_user_to_group(UserPoolId=shared, Username=f"{place.tenant}-new", GroupName=place.tenant)
    begin(run, "cutover")

    counts = users.carry(at_the_gate(place, run), Flow.FORWARD)

    there = place.inventory().users(own)
    assert there[one]["enabled"] is False
    assert there[one]["attributes"]["custom:userRole"] == "Auditor"
    assert f"{place.tenant}-user-2" not in there
    assert there[f"{place.tenant}-new"]["status"] == "FORCE_CHANGE_PASSWORD"
    assert {name: counts[name] for name in ("created", "updated", "deleted")} == {
        "created": 1,
        "updated": 1,
        "deleted": 1,
    }


def test_a_user_that_this_run_did_not_make_is_never_deleted(place: Place, run: Run) -> None:
    _, own = pools(place)
    place.client("cognito-idp").admin_create_user(UserPoolId=own, Username="somebody", MessageAction="SUPPRESS")
    begin(run, "cutover")
    counts = users.carry(at_the_gate(place, run), Flow.FORWARD)
    assert "somebody" in place.inventory().users(own)
    assert counts["left"] == 1


def test_who_signs_up_between_the_last_carrying_and_the_flip_is_carried_and_nobody_else_is_touched(
    place: Place, run: Run
) -> None:
    shared, own = pools(place)
    cognito, names = place.client("cognito-idp"), [f"{place.tenant}-user-{number}" for number in (1, 2)]
    begin(run, "cutover")
    users.carry(at_the_gate(place, run), Flow.FORWARD)
    cognito.admin_create_user(UserPoolId=shared, Username=f"{place.tenant}-late", MessageAction="SUPPRESS")
    cognito.admin_add_user_to_group(UserPoolId=shared, Username=f"{place.tenant}-late", GroupName=place.tenant)
    cognito.admin_disable_user(UserPoolId=own, Username=names[0])  # at the target, after the flip
    cognito.admin_delete_user(UserPoolId=own, Username=names[1])

    for _ in range(2):
        users.carry_late(at_the_gate(place, run), Flow.FORWARD)
        there = place.inventory().users(own)
        assert f"{place.tenant}-late" in there
        assert there[names[0]]["enabled"] is False
        assert names[1] not in there, "deleted where users live now: not brought back"


def test_a_listing_that_lags_deletes_nobody(place: Place, run: Run) -> None:
    """The sweep asks for each user it would remove, and a resumed carry has not seen the first pages."""
    _, own = pools(place)
    begin(run, "cutover")
    ctx = at_the_gate(place, run)
    page, token = place.aws.cognito().users_in_group(pools(place)[0], place.tenant)
    assert (len(page), token) == (6, None)
    listed = place.client("cognito-idp").list_users_in_group(
        UserPoolId=pools(place)[0], GroupName=place.tenant, Limit=4
    )
    ctx.save_cursor(
        Cursor(unit="users-forward", position={"token": listed["NextToken"], "counts": {"users": 4}}, items=4)
    )

    counts = users.carry(ctx, Flow.FORWARD)

    assert len(place.inventory().users(own)) == 6
    assert (counts["users"], counts.get("deleted", 0)) == (6, 0)


def test_a_page_token_that_has_expired_starts_over(place: Place, run: Run) -> None:
    begin(run, "cutover")
    ctx = at_the_gate(place, run)
    ctx.save_cursor(Cursor(unit="users-forward", position={"token": "gone", "counts": {"users": 4}}, items=4))
    assert users.carry(ctx, Flow.FORWARD)["users"] == 6


def test_the_way_back_brings_users_home_and_keeps_a_deleted_one_out(place: Place, run: Run) -> None:
    shared, own = pools(place)
    cognito = place.client("cognito-idp")
    neighbours = place.inventory().without(place.tenant)
    cognito.admin_create_user(UserPoolId=own, Username=f"{place.tenant}-new", MessageAction="SUPPRESS")
    cognito.admin_disable_user(UserPoolId=own, Username=f"{place.tenant}-user-1")
    cognito.admin_delete_user(UserPoolId=own, Username=f"{place.tenant}-user-2")
    subs = {name: user["attributes"]["sub"] for name, user in place.inventory().users(shared).items()}
    begin(run, "cutover.2")

    counts = users.carry(run.context("cutover.2", place.aws, flow=Flow.REVERSE), Flow.REVERSE)

    back = place.inventory().users(shared)
    assert back[f"{place.tenant}-new"]["groups"] == [place.tenant]
    assert back[f"{place.tenant}-user-1"]["enabled"] is False
    assert back[f"{place.tenant}-user-2"]["enabled"] is False, "deleted in the silo: it must not come back to life"
    assert back[f"{place.tenant}-admin"]["attributes"]["custom:tenantTier"] == "basic"
    assert {name: user["attributes"]["sub"] for name, user in back.items() if name in subs} == subs
    assert all("custom:legacySub" not in user["attributes"] for user in back.values())
    assert counts["switched_off"] == 1
    assert place.inventory().without(place.tenant) == neighbours


def test_the_way_back_fills_nothing_in_that_a_user_did_without(place: Place, run: Run) -> None:
    shared, own = pools(place)
    before = place.inventory().users(shared)
    assert any("custom:tenantId" not in user["attributes"] for name, user in before.items() if place.tenant in name)
    assert all("custom:tenantId" in user["attributes"] for user in place.inventory().users(own).values())
    begin(run, "cutover.2")

    users.carry(run.context("cutover.2", place.aws, flow=Flow.REVERSE), Flow.REVERSE)

    assert place.inventory().users(shared) == before


def test_first_subs_are_kept_in_the_mapping_table_and_taken_out_again(place: Place) -> None:
    shared = place.inventory().named("ServerlessSaaS-pooled")
    subs = {name: user["attributes"]["sub"] for name, user in place.inventory().users(shared).items()}
    run = Run(place.plan("premium"))
    run.apply(STEP, run.context("identity", place.aws))
    rows = {
        row["userName"]["S"]: row
        for row in place.inventory().tables["ServerlessSaaS-TenantUserMapping"]
        if row["tenantId"]["S"] == place.tenant
    }
    own = place.inventory().users(pools(place)[1])
    assert {name: row["legacySub"]["S"] for name, row in rows.items()} == {name: subs[name] for name in rows}
    assert {name: row["sub"]["S"] for name, row in rows.items()} == {
        name: own[name]["attributes"]["sub"] for name in rows
    }


def test_completing_deletes_this_tenants_users_and_no_other(place: Place, run: Run) -> None:
    shared, own = pools(place)
    neighbours = place.inventory().without(place.tenant)
    begin(run, "retire")
    ctx = run.context("retire", place.aws)
    with pytest.raises(errors.Refused, match="archived"):
        retire(ctx, "")
    assert retire(ctx, "s3://archive/users") == {"users": 6, "kept": 0}
    assert retire(ctx, "s3://archive/users") == {"users": 0, "kept": 0}

    after = place.inventory()
    assert not [name for name in after.users(shared) if place.tenant in name]
    assert place.tenant not in after.pools[shared]["groups"]
    assert len(after.users(own)) == 6
    assert after.without(place.tenant) == neighbours


def test_a_user_who_is_in_another_tenants_group_too_stays(place: Place, run: Run) -> None:
    shared, _ = pools(place)
    cognito, both = place.client("cognito-idp"), f"{place.tenant}-user-2"  # carries no tenant id
    cognito.admin_add_user_to_group(UserPoolId=shared, Username=both, GroupName="tenant-42")
    begin(run, "retire")
    assert retire(run.context("retire", place.aws), "s3://archive/users") == {"users": 5, "kept": 1}
    assert place.inventory().users(shared)[both]["groups"] == ["tenant-42"]


def test_a_recipe_that_waives_the_archive_is_taken_at_its_word(place: Place, run: Run) -> None:
    steps = [
        msgspec.structs.replace(spec, with_={"archive": "none"}) if spec.id == "retire" else spec
        for spec in run.plan.steps
    ]
    run.plan = msgspec.structs.replace(run.plan, steps=steps)
    begin(run, "retire")
    assert retire(run.context("retire", place.aws), "") == {"users": 6, "kept": 0}


def test_a_group_that_is_gone_is_no_tenant_without_users(place: Place, run: Run) -> None:
    shared, own = pools(place)
    place.client("cognito-idp").delete_group(UserPoolId=shared, GroupName=place.tenant)
    found = [one.text for one in STEP.findings(run.context("identity", place.observing)) if one.level == "block"]
    assert found == [f"the group {place.tenant} is not in {shared}"]
    begin(run, "cutover")
    with pytest.raises(errors.Mismatch, match="group"):
        users.carry(at_the_gate(place, run), Flow.FORWARD)
    assert len(place.inventory().users(own)) == 6


def test_the_archive_holds_every_user_of_this_tenant_only(place: Place, run: Run) -> None:
    lines = [json.loads(line) for line in archive(at_the_gate(place, run), run.view.step("identity").output)]
    assert len(lines) == 6
    assert {line["username"] for line in lines} == {
        name for name, user in place.inventory().users(pools(place)[0]).items() if place.tenant in user["groups"]
    }


# -- down again --------------------------------------------------------------------------------------------------------


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
