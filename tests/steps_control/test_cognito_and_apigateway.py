"""The wrappers: no setting is lost by an update, nothing personal is in an error, every page is read."""

from __future__ import annotations

from typing import Any

import pytest

from portability import errors
from portability.aws import cognito_settings as settings
from portability.aws.apigateway import digest_of
from portability.aws.cognito import Group
from portability.steps.users import random_password
from tests.steps_control.conftest import Place


@pytest.fixture
def pool(place: Place) -> str:
    """A pool with settings that an update could lose."""
    made = place.client("cognito-idp").create_user_pool(
        PoolName=f"{place.tenant}-settings",
        Schema=[
            {"Name": "email", "AttributeDataType": "String", "Required": True, "Mutable": True},
            {"Name": "tenantId", "AttributeDataType": "String", "Mutable": False},
        ],
        Policies={"PasswordPolicy": {"MinimumLength": 14, "TemporaryPasswordValidityDays": 3}},
        LambdaConfig={"PreTokenGeneration": "arn:aws:lambda:us-east-1:123456789012:function:claims"},
        DeletionProtection="ACTIVE",
        UserPoolTags={"team": "identity"},
    )
    return str(made["UserPool"]["Id"])


def test_an_update_changes_what_was_named_and_resets_nothing(place: Place, pool: str) -> None:
    cognito = place.aws.cognito()
    before = cognito.pool(pool)
    cognito.update_pool(pool, {"AutoVerifiedAttributes": ["email"]})
    after = cognito.pool(pool)
    assert before is not None
    assert after is not None
    assert settings.differences(before, after) == ["AutoVerifiedAttributes"]
    assert after["LambdaConfig"] == before["LambdaConfig"]
    assert after["UserPoolTags"] == {"team": "identity"}


def test_an_update_that_lost_a_setting_is_a_mismatch_naming_it() -> None:
    before = {"Name": "one", "LambdaConfig": {"PreSignUp": "f"}, "UserPoolTags": {"a": "b"}}
    settings.unharmed(before, {**before, "MfaConfiguration": "ON"}, {"MfaConfiguration": "ON"}, what="it")
    with pytest.raises(errors.Mismatch, match="LambdaConfig"):
        settings.unharmed(before, {"Name": "one", "UserPoolTags": {"a": "b"}}, {}, what="it")
    with pytest.raises(errors.Mismatch, match="UserPoolTags"):
        settings.unharmed(before, {**before, "UserPoolTags": {}}, {}, what="it")
    with pytest.raises(errors.Mismatch, match="MfaConfiguration"):
        settings.unharmed(before, before, {"MfaConfiguration": "ON"}, what="it")


def test_a_client_keeps_what_an_update_does_not_name(place: Place, pool: str) -> None:
    cognito = place.aws.cognito()
    made = place.client("cognito-idp").create_user_pool_client(
        UserPoolId=pool, ClientName="app", GenerateSecret=True, ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH"]
    )["UserPoolClient"]["ClientId"]
    cognito.update_client(pool, made, {"RefreshTokenValidity": 7})
    after = cognito.client(pool, made)
    assert after is not None
    assert (after["ExplicitAuthFlows"], after["RefreshTokenValidity"], after["HasSecret"]) == (
        ["ALLOW_USER_SRP_AUTH"],
        7,
        True,
    )
    assert "ClientSecret" not in after


def test_a_clone_is_like_its_model_but_for_triggers_and_name(place: Place, pool: str) -> None:
    cognito = place.aws.cognito()
    like = cognito.pool(pool)
    assert like is not None
    legacy = {"Name": "custom:legacySub", "AttributeDataType": "String", "Mutable": False}
    tags = {"aws:cloudformation:stack-name": "s", **like["UserPoolTags"]}
    made = cognito.clone_pool({**like, "UserPoolTags": tags}, name="twin", tags={"ours": "yes"}, add=[legacy])
    twin = cognito.pool(made)
    assert twin is not None
    assert settings.differences(like, twin) == ["LambdaConfig", "SchemaAttributes"]
    assert settings.attributes(twin)["custom:tenantId"] == {"type": "String", "mutable": False, "required": False}
    assert settings.attributes(twin)["email"]["required"] is True
    assert settings.attributes(twin)["custom:legacySub"]["mutable"] is False
    assert twin["UserPoolTags"] == {"team": "identity", "ours": "yes"}


def test_a_protected_pool_is_deleted_after_its_protection_was_lifted(place: Place, pool: str) -> None:
    cognito = place.aws.cognito()
    cognito.delete_pool(pool)
    assert cognito.pool(pool) is None
    cognito.delete_pool(pool)


def test_a_describe_answer_that_names_the_same_days_twice_is_not_sent_back() -> None:
    described = {
        "Name": "one",
        "Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 7}},
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True, "UnusedAccountValidityDays": 7},
    }
    request = settings.merged(described, frozenset({"Policies", "AdminCreateUserConfig", "PoolName"}), {})
    assert request["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}


def test_an_error_about_a_user_does_not_name_them(place: Place, pool: str) -> None:
    cognito = place.aws.cognito()
    cognito.create_user(pool, "somebody", {"email": "somebody@example.com"})
    with pytest.raises(errors.AlreadyExists) as taken:
        cognito.create_user(pool, "somebody", {"email": "somebody@example.com"})
    assert taken.value.aws_code == "UsernameExistsException"
    assert "somebody" not in taken.value.what
    assert "somebody" not in repr(cognito.user(pool, "somebody"))


def test_what_is_to_be_absent_may_be_absent_already(place: Place, pool: str) -> None:
    cognito = place.aws.cognito()
    cognito.ensure_no_user(pool, "nobody")
    cognito.ensure_no_group(pool, "nothing")
    cognito.ensure_group(pool, Group(name="one", description="first", precedence=0))
    cognito.ensure_group(pool, Group(name="one", description="second"))
    assert cognito.group(pool, "one") == Group(name="one", description="first", precedence=0)
    assert cognito.user(pool, "nobody") is None
    assert cognito.groups_of(pool, "nobody") == []


def test_every_page_of_groups_keys_and_members_is_read(place: Place, pool: str) -> None:
    client, cognito = place.client("cognito-idp"), place.aws.cognito()
    for number in range(65):
        client.create_group(UserPoolId=pool, GroupName=f"g{number:02d}")
    cognito.create_user(pool, "one", {"email": "one@example.com"})
    for number in range(65):
        client.admin_add_user_to_group(UserPoolId=pool, Username="one", GroupName=f"g{number:02d}")
    assert len(list(cognito.groups(pool))) == 65
    assert len(cognito.groups_of(pool, "one")) == 65


def test_a_key_is_found_by_the_hash_of_its_value_which_is_in_no_representation(place: Place) -> None:
    api = place.aws.apigateway()
    value = place.record()["apiKey"]["S"]
    found = api.key_by_digest(digest_of(value))
    assert found is not None
    assert value not in repr(found)
    assert api.key_value(found.id) == value
    assert api.key_by_digest(digest_of("another")) is None
    assert api.key("none") is None


def test_a_key_joins_a_plan_once_and_another_of_the_same_stage_refuses_it(place: Place) -> None:
    api = place.aws.apigateway()
    found = api.key_by_digest(digest_of(place.record()["apiKey"]["S"]))
    assert found is not None
    plans = {name: api.find_by_name(name)[0] for name in ("basic", "premium")}
    api.ensure_key_in_plan(plans["basic"].id, found.id)
    with pytest.raises(errors.AlreadyExists):
        api.ensure_key_in_plan(plans["premium"].id, found.id)
    assert [plan.name for plan in api.usage_plans(key=found.id)] == ["basic"]
    api.ensure_key_not_in_plan(plans["basic"].id, found.id)
    api.ensure_key_not_in_plan(plans["basic"].id, found.id)
    assert api.usage_plans(key=found.id) == []


def test_a_password_that_nobody_knows_meets_every_policy() -> None:
    drawn = {random_password(minimum) for minimum in (6, 8, 30, 99)}
    assert {len(one) for one in drawn} == {24, 30, 99}
    for one in drawn:
        kinds: Any = [str.islower, str.isupper, str.isdigit]
        assert all(any(kind(letter) for letter in one) for kind in kinds)
        assert any(not letter.isalnum() for letter in one)
