"""User pools, app clients, groups and users, made so that making them again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

PASSWORD = "Sandbox-Only-1!"
_FLOWS = (
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "ALLOW_USER_SRP_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
)


@dataclass(frozen=True)
class UserPool:
    """A pool that exists, and its one app client."""

    id: str
    client_id: str


@dataclass(frozen=True)
class User:
    """A user as the seed wants them; every one signs in with `PASSWORD`. `attributes` are without e-mail."""

    name: str
    group: str
    attributes: tuple[tuple[str, str], ...]
    enabled: bool = True


def ensure_user_pool(
    cognito: CognitoIdentityProviderClient, name: str, *, client: str, custom: Sequence[str], tags: dict[str, str]
) -> UserPool:
    """The pool of that name with mutable string attributes `custom:…`, and its app client of that name."""
    found = [pool["Id"] for page in _pages(cognito, "list_user_pools") for pool in page if pool["Name"] == name]
    if not found:
        schema: list[Any] = [
            {
                "Name": attribute,
                "AttributeDataType": "String",
                "Mutable": True,
                "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "256"},
            }
            for attribute in custom
        ]
        made = cognito.create_user_pool(
            PoolName=name,
            Schema=schema,
            AutoVerifiedAttributes=["email"],
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
            Policies={"PasswordPolicy": {"MinimumLength": 8}},
            UserPoolTags=tags,
        )
        found = [made["UserPool"]["Id"]]
    clients = [
        each["ClientId"]
        for page in _pages(cognito, "list_user_pool_clients", UserPoolId=found[0])
        for each in page
        if each["ClientName"] == client
    ]
    if not clients:
        flows: Any = list(_FLOWS)
        made_client = cognito.create_user_pool_client(UserPoolId=found[0], ClientName=client, ExplicitAuthFlows=flows)
        clients = [made_client["UserPoolClient"]["ClientId"]]
    return UserPool(id=found[0], client_id=clients[0])


def ensure_users(cognito: CognitoIdentityProviderClient, pool: str, users: Iterable[User]) -> int:
    """Every user with its group, attributes, password and switch, as given; says how many."""
    wanted = list(users)
    there = {user["Username"]: user for page in _pages(cognito, "list_users", UserPoolId=pool) for user in page}
    groups = {group["GroupName"] for page in _pages(cognito, "list_groups", UserPoolId=pool) for group in page}
    for group in sorted({user.group for user in wanted} - groups):
        cognito.create_group(UserPoolId=pool, GroupName=group)
    for user in wanted:
        found = there.get(user.name)
        if found is not None and _is(found, user):
            continue
        if found is not None:
            cognito.admin_delete_user(UserPoolId=pool, Username=user.name)
        _create(cognito, pool, user)
    return len(wanted)


def _create(cognito: CognitoIdentityProviderClient, pool: str, user: User) -> None:
    attributes: list[Any] = [{"Name": name, "Value": value} for name, value in _attributes(user).items()]
    who: dict[str, Any] = {"UserPoolId": pool, "Username": user.name}
    cognito.admin_create_user(**who, UserAttributes=attributes, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(**who, Password=PASSWORD, Permanent=True)
    cognito.admin_add_user_to_group(**who, GroupName=user.group)
    if not user.enabled:
        cognito.admin_disable_user(**who)


def _attributes(user: User) -> dict[str, str]:
    return {"email": f"{user.name}@example.com", "email_verified": "true", **dict(user.attributes)}


def _is(found: dict[str, Any], user: User) -> bool:
    has = {each["Name"]: each["Value"] for each in found["Attributes"] if each["Name"] != "sub"}
    return has == _attributes(user) and found["Enabled"] == user.enabled


def _pages(cognito: CognitoIdentityProviderClient, operation: str, **where: str) -> Iterable[list[dict[str, Any]]]:
    answers = {"list_user_pools": "UserPools", "list_users": "Users", "list_groups": "Groups"}
    for page in cognito.get_paginator(operation).paginate(**where):  # type: ignore[call-overload]
        yield page[answers.get(operation, "UserPoolClients")]
