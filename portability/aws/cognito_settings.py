"""The settings of a user pool and of an app client as data: cloned, merged and compared. No I/O.

Source: CreateUserPool, UpdateUserPool, CreateUserPoolClient, UpdateUserPoolClient and their Describe answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portability import errors

Schema = Sequence[Mapping[str, Any]]
"""`SchemaAttributes` of DescribeUserPool; custom attributes carry their prefix `custom:`."""

NEVER_MADE = frozenset({"sub", "identities"})
"""Attributes that Cognito makes itself and refuses in a request."""

IDENTITY = frozenset(
    {"Id", "Arn", "Name", "PoolName", "UserPoolId", "ClientId", "Status", "CreationDate", "LastModifiedDate", "Domain"}
    | {"CustomDomain", "EstimatedNumberOfUsers", "UserPoolTags", "HasSecret", "GenerateSecret", "ResponseMetadata"}
    | {"SmsConfigurationFailure", "EmailConfigurationFailure"}
)
"""What tells one pool or client from another, and is no setting."""

NOT_CLONED = frozenset({"LambdaConfig", "MfaConfiguration", "ClientSecret", "UserPoolId"})
"""A trigger names a function that may route by pool; MFA has its own call; a secret is never copied."""


def pool_request(
    like: Mapping[str, Any], members: frozenset[str], *, name: str, tags: Mapping[str, str], add: Schema
) -> dict[str, Any]:
    """The CreateUserPool request for a pool like `like`. `add` are schema attributes it gets beyond those."""
    request = {member: like[member] for member in members - NOT_CLONED if like.get(member) not in (None, "", [], {})}
    kept = {key: value for key, value in like.get("UserPoolTags", {}).items() if not key.startswith("aws:")}
    request["PoolName"] = name
    request["UserPoolTags"] = {**kept, **tags}
    request["Schema"] = _schema([*like.get("SchemaAttributes", []), *add])
    return _accepted(request)


def client_request(like: Mapping[str, Any], members: frozenset[str]) -> dict[str, Any]:
    """The CreateUserPoolClient request for an app client like `like`; only Cognito's own sign-in is carried."""
    request = {member: like[member] for member in members - NOT_CLONED if like.get(member) not in (None, "", [], {})}
    request["GenerateSecret"] = bool(like.get("HasSecret"))
    if "SupportedIdentityProviders" in request:
        request["SupportedIdentityProviders"] = [
            provider for provider in request["SupportedIdentityProviders"] if provider == "COGNITO"
        ]
    return request


def merged(described: Mapping[str, Any], members: frozenset[str], changes: Mapping[str, Any]) -> dict[str, Any]:
    """An Update request that says again everything that is set, and `changes`."""
    kept = {member: described[member] for member in members if described.get(member) not in (None, "", [], {})}
    if "PoolName" in members:
        kept["PoolName"] = described["Name"]
    return _accepted({**kept, **changes})


def unharmed(before: Mapping[str, Any], after: Mapping[str, Any], changes: Mapping[str, Any], *, what: str) -> None:
    """Raise `Mismatch` if an update changed anything but `changes`, or did not make those."""
    wanted = {**settings(before), **changes}
    differing = sorted(set(differences(wanted, settings(after))) | _unequal_tags(before, after, changes))
    if differing:
        raise errors.Mismatch(
            f"after an update of {what} these settings are not as they should be: {', '.join(differing)}",
            next=f"compare them with the plan, put them back, then {errors.AGAIN}",
            changed="The update was made.",
        )


def settings(described: Mapping[str, Any]) -> dict[str, Any]:
    """What is a setting of a described pool or client, without what is empty or says the same thing twice."""
    kept = {name: value for name, value in described.items() if name not in IDENTITY}
    return {name: value for name, value in _accepted(kept).items() if value not in (None, "", [], {})}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, sorted; lists of attributes are compared by name, other lists as sets."""
    left, right = settings(one), settings(other)
    return sorted(name for name in left.keys() | right.keys() if _plain(left.get(name)) != _plain(right.get(name)))


def attributes(described: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The pool's schema by full attribute name: type, whether it may change, whether it is required."""
    return {
        str(attribute["Name"]): {
            "type": attribute.get("AttributeDataType"),
            "mutable": bool(attribute.get("Mutable", True)),
            "required": bool(attribute.get("Required", False)),
        }
        for attribute in described.get("SchemaAttributes", [])
    }


def _schema(attributes_: Schema) -> list[dict[str, Any]]:
    """What CreateUserPool takes: custom attributes without their prefix, standard ones where they say something."""
    made: dict[str, dict[str, Any]] = {}
    for attribute in attributes_:
        name = str(attribute["Name"])
        developer = name.startswith("dev:")
        plain = name.removeprefix("dev:").removeprefix("custom:")
        custom = plain != name
        if name in NEVER_MADE or not (custom or attribute.get("Required") or attribute.get("Mutable") is False):
            continue
        kept = {key: value for key, value in attribute.items() if value is not None}
        made.setdefault(name, {**kept, "Name": plain, **({"DeveloperOnlyAttribute": True} if developer else {})})
    return list(made.values())


def _accepted(request: dict[str, Any]) -> dict[str, Any]:
    """Without the one pair that a Describe answers and a request may not say: both name the same days."""
    policy = request.get("Policies", {}).get("PasswordPolicy", {})
    if "TemporaryPasswordValidityDays" in policy and "AdminCreateUserConfig" in request:
        config = dict(request["AdminCreateUserConfig"])
        config.pop("UnusedAccountValidityDays", None)
        return {**request, "AdminCreateUserConfig": config}
    return request


def _unequal_tags(before: Mapping[str, Any], after: Mapping[str, Any], changes: Mapping[str, Any]) -> set[str]:
    if "UserPoolTags" in changes or before.get("UserPoolTags", {}) == after.get("UserPoolTags", {}):
        return set()
    return {"UserPoolTags"}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return sorted(((str(name), _plain(inner)) for name, inner in value.items() if inner is not None), key=repr)
    if isinstance(value, list):
        return sorted((_plain(inner) for inner in value), key=repr)
    return value
