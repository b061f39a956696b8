"""Users again before a flip, the other way, and away for good: never another tenant's."""

from __future__ import annotations

import json

import msgspec
import pytest

from portability import errors
from portability.model.run import Cursor
from portability.steps import users
from portability.steps.user_removal import archive, retire
from portability.stores.base import Flow
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import Run
from tests.steps_control.ported import STEP, at_the_gate, begin, pools


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
