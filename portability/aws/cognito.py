"""Cognito user pools: pools, app clients, groups and users, with every listing paged.

Source: Amazon Cognito user pools API (cognito-idp 2016-04-18). No call here makes Cognito write to a person: users are
made with `MessageAction=SUPPRESS`, and nothing resets a password on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from portability import errors
from portability.aws import cognito_settings as settings

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

    from portability.aws.caller import Caller

T = TypeVar("T")

PAGE = 60
"""The most that any listing of Cognito gives in one page."""

FEDERATED = "EXTERNAL_PROVIDER"
"""The status of a user who signs in elsewhere: Cognito makes them at their first sign-in, nobody else can."""


@dataclass(frozen=True)
class User:
    """A user as listed. What identifies a person is in no representation."""

    username: str = field(repr=False)
    attributes: Mapping[str, str] = field(repr=False)
    enabled: bool
    status: str  # CONFIRMED, FORCE_CHANGE_PASSWORD, RESET_REQUIRED, EXTERNAL_PROVIDER, …
    mfa: tuple[str, ...] = ()  # known from `user` only: a listing does not tell

    @property
    def sub(self) -> str:
        """The pool's own id of the user; never carried."""
        return self.attributes.get("sub", "")


@dataclass(frozen=True)
class Group:
    """A group's definition."""

    name: str
    description: str = ""
    precedence: int | None = None
    role: str | None = None  # ARN


class Cognito:
    """One region and role. Reads are retried by the session, everything else is one attempt."""

    def __init__(self, client: CognitoIdentityProviderClient, call: Caller) -> None:
        self._client = client
        self._call = call

    # -- pools ---------------------------------------------------------------------------------------------------------

    def pool(self, pool: str) -> dict[str, Any] | None:
        """DescribeUserPool's `UserPool`, or None where there is none."""
        try:
            return dict(self._call(self._client.describe_user_pool, UserPoolId=pool)["UserPool"])
        except errors.NotFound:
            return None

    def pools_named(self, name: str) -> list[dict[str, Any]]:
        """Every pool of that name, described (tags too), oldest first. Names are not unique in Cognito."""
        pages = self._call.pages(self._client.list_user_pools, answered="NextToken", asked="NextToken", MaxResults=PAGE)
        ids = [pool["Id"] for page in pages for pool in page["UserPools"] if pool.get("Name") == name]
        found = [described for described in map(self.pool, ids) if described is not None]
        return sorted(found, key=lambda pool: (str(pool.get("CreationDate")), str(pool["Id"])))

    def clone_pool(self, like: Mapping[str, Any], *, name: str, tags: Mapping[str, str], add: settings.Schema) -> str:
        """CreateUserPool with the settings of `like`; its triggers and tags of AWS itself stay behind. The pool's id.

        MFA is not part of it: see `set_mfa`. Not idempotent and without a token: look for the name before and after.
        """
        request = settings.pool_request(like, self._members("CreateUserPool"), name=name, tags=tags, add=add)
        return str(self._call(self._client.create_user_pool, **request)["UserPool"]["Id"])

    def mfa(self, pool: str) -> dict[str, Any]:
        """GetUserPoolMfaConfig, without the parts that are not set."""
        answer: Any = self._call(self._client.get_user_pool_mfa_config, UserPoolId=pool)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata" and value}

    def set_mfa(self, pool: str, config: Mapping[str, Any]) -> None:
        """SetUserPoolMfaConfig with what `mfa` gave for another pool."""
        members = self._members("SetUserPoolMfaConfig") - {"UserPoolId"}
        request: Any = {name: value for name, value in config.items() if name in members}
        self._call(self._client.set_user_pool_mfa_config, UserPoolId=pool, **request)

    def update_pool(self, pool: str, changes: Mapping[str, Any]) -> None:
        """Change these settings and no other: describe, merge, update, describe, compare. Raises `Mismatch`.

        UpdateUserPool resets every field that is left out, triggers included.
        """
        before = self._there(self.pool(pool), "DescribeUserPool")
        request = settings.merged(before, self._members("UpdateUserPool"), changes)
        self._call(self._client.update_user_pool, **{**request, "UserPoolId": pool})
        settings.unharmed(before, self._there(self.pool(pool), "DescribeUserPool"), changes, what=f"user pool {pool}")

    def delete_pool(self, pool: str) -> None:
        """Ensure that there is no such pool; its protection against deletion is lifted first."""
        described = self.pool(pool)
        if described is None:
            return
        if described.get("DeletionProtection") == "ACTIVE":
            self.update_pool(pool, {"DeletionProtection": "INACTIVE"})
        self._gone(lambda: self._call(self._client.delete_user_pool, UserPoolId=pool))

    # -- app clients, providers, resource servers ----------------------------------------------------------------------

    def client(self, pool: str, client: str) -> dict[str, Any] | None:
        """DescribeUserPoolClient's `UserPoolClient` without its secret, or None where there is none.

        `HasSecret` says whether it has one.
        """
        try:
            answer = self._call(self._client.describe_user_pool_client, UserPoolId=pool, ClientId=client)
        except errors.NotFound:
            return None
        described: dict[str, Any] = dict(answer["UserPoolClient"])
        has_secret = described.pop("ClientSecret", None) is not None
        return {**described, "HasSecret": has_secret}

    def clients_named(self, pool: str, name: str) -> list[str]:
        """Ids of the pool's app clients of that name, sorted."""
        pages = self._call.pages(
            self._client.list_user_pool_clients,
            answered="NextToken",
            asked="NextToken",
            UserPoolId=pool,
            MaxResults=PAGE,
        )
        return sorted(one["ClientId"] for page in pages for one in page["UserPoolClients"] if one["ClientName"] == name)

    def clone_client(self, pool: str, like: Mapping[str, Any]) -> str:
        """CreateUserPoolClient with the settings of `like`, and a secret of its own where that has one. The id."""
        request = settings.client_request(like, self._members("CreateUserPoolClient"))
        answer = self._call(self._client.create_user_pool_client, **{**request, "UserPoolId": pool})
        return str(answer["UserPoolClient"]["ClientId"])

    def update_client(self, pool: str, client: str, changes: Mapping[str, Any]) -> None:
        """Change these settings and no other, as `update_pool` does. Never called on a live pooled client."""
        before = self._there(self.client(pool, client), "DescribeUserPoolClient")
        request = settings.merged(before, self._members("UpdateUserPoolClient"), changes)
        self._call(self._client.update_user_pool_client, **{**request, "UserPoolId": pool, "ClientId": client})
        after = self._there(self.client(pool, client), "DescribeUserPoolClient")
        settings.unharmed(before, after, changes, what=f"app client {client}")

    def delete_client(self, pool: str, client: str) -> None:
        """Ensure that there is no such app client."""
        self._gone(lambda: self._call(self._client.delete_user_pool_client, UserPoolId=pool, ClientId=client))

    def resource_servers(self, pool: str) -> list[dict[str, Any]]:
        """The pool's resource servers: `Identifier`, `Name`, `Scopes`."""
        pages = self._call.pages(
            self._client.list_resource_servers,
            answered="NextToken",
            asked="NextToken",
            UserPoolId=pool,
            MaxResults=50,
        )
        return [
            {name: value for name, value in server.items() if name in ("Identifier", "Name", "Scopes")}
            for page in pages
            for server in page["ResourceServers"]
        ]

    def create_resource_server(self, pool: str, server: Mapping[str, Any]) -> None:
        """CreateResourceServer with what `resource_servers` gave for another pool."""
        request: Any = {**server, "UserPoolId": pool}
        self._call(self._client.create_resource_server, **request)

    # -- groups --------------------------------------------------------------------------------------------------------

    def groups(self, pool: str) -> Iterator[Group]:
        """Every group of the pool."""
        pages = self._call.pages(
            self._client.list_groups, answered="NextToken", asked="NextToken", UserPoolId=pool, Limit=PAGE
        )
        return (_group(group) for page in pages for group in page["Groups"])

    def group(self, pool: str, name: str) -> Group | None:
        """The group, or None where there is none."""
        try:
            return _group(self._call(self._client.get_group, UserPoolId=pool, GroupName=name)["Group"])
        except errors.NotFound:
            return None

    def ensure_group(self, pool: str, group: Group) -> None:
        """Ensure a group of that name; one that is there stays as it is."""
        request: dict[str, Any] = {"GroupName": group.name, "UserPoolId": pool, "Description": group.description}
        request |= {} if group.precedence is None else {"Precedence": group.precedence}
        request |= {} if group.role is None else {"RoleArn": group.role}
        self._there_already(lambda: self._call(self._client.create_group, **request))

    def ensure_no_group(self, pool: str, name: str) -> None:
        """Ensure that there is no such group; its members stay."""
        self._gone(lambda: self._call(self._client.delete_group, UserPoolId=pool, GroupName=name))

    # -- users ---------------------------------------------------------------------------------------------------------

    def users(self, pool: str, token: str | None = None) -> tuple[list[User], str | None]:
        """One page of every user of the pool, and the next page's token."""
        request: Any = {"UserPoolId": pool, "Limit": PAGE} | ({"PaginationToken": token} if token else {})
        page = self._call(self._client.list_users, **request)
        return [_user(user, "Attributes") for user in page["Users"]], page.get("PaginationToken")

    def users_in_group(self, pool: str, group: str, token: str | None = None) -> tuple[list[User], str | None]:
        """One page of a group's users, and the next page's token. Raises `NotFound` without the group."""
        request: Any = {"UserPoolId": pool, "GroupName": group, "Limit": PAGE} | ({"NextToken": token} if token else {})
        page = self._call(self._client.list_users_in_group, **request)
        return [_user(user, "Attributes") for user in page["Users"]], page.get("NextToken")

    def user(self, pool: str, username: str) -> User | None:
        """The user, by username or by an alias the pool has; None where there is none."""
        try:
            return _user(self._of_user(self._client.admin_get_user, pool, username), "UserAttributes")
        except errors.NotFound:
            return None

    def groups_of(self, pool: str, username: str) -> list[str]:
        """Names of the groups a user is in, every page; [] where there is no such user."""
        names: list[str] = []
        more: dict[str, Any] = {"Limit": PAGE}
        while True:
            try:
                page = self._of_user(self._client.admin_list_groups_for_user, pool, username, **more)
            except errors.NotFound:
                return []
            names += [group["GroupName"] for group in page["Groups"]]
            if not page.get("NextToken"):
                return names
            more["NextToken"] = page["NextToken"]

    def create_user(self, pool: str, username: str, attributes: Mapping[str, str]) -> User:
        """AdminCreateUser, silently and with a password that nobody knows; `AlreadyExists` where the name is taken."""
        answer = self._of_user(
            self._client.admin_create_user,
            pool,
            username,
            UserAttributes=_pairs(attributes),
            MessageAction="SUPPRESS",
        )
        return _user(answer["User"], "Attributes")

    def set_password(self, pool: str, username: str, password: str) -> None:
        """A permanent password: the user becomes CONFIRMED, nobody is written to."""
        self._of_user(self._client.admin_set_user_password, pool, username, Password=password, Permanent=True)

    def set_attributes(self, pool: str, username: str, attributes: Mapping[str, str]) -> None:
        """Set these attributes; others stay. A changed address without its verified flag would send a message."""
        self._of_user(self._client.admin_update_user_attributes, pool, username, UserAttributes=_pairs(attributes))

    def remove_attributes(self, pool: str, username: str, names: list[str]) -> None:
        """Remove these attributes."""
        self._of_user(self._client.admin_delete_user_attributes, pool, username, UserAttributeNames=names)

    def switch_user(self, pool: str, username: str, *, enabled: bool) -> None:
        """Enable or disable."""
        method = self._client.admin_enable_user if enabled else self._client.admin_disable_user
        self._of_user(method, pool, username)

    def ensure_in_group(self, pool: str, username: str, group: str) -> None:
        """Ensure a membership."""
        self._of_user(self._client.admin_add_user_to_group, pool, username, GroupName=group)

    def ensure_not_in_group(self, pool: str, username: str, group: str) -> None:
        """Ensure that there is no such membership."""
        self._gone(lambda: self._of_user(self._client.admin_remove_user_from_group, pool, username, GroupName=group))

    def ensure_no_user(self, pool: str, username: str) -> None:
        """Ensure that there is no such user."""
        self._gone(lambda: self._of_user(self._client.admin_delete_user, pool, username))

    # -- how -----------------------------------------------------------------------------------------------------------

    def _of_user(self, method: Callable[..., Any], pool: str, username: str, **more: Any) -> dict[str, Any]:
        try:
            return dict(self._call(method, UserPoolId=pool, Username=username, **more))
        except errors.AwsError as error:
            # The service's own message may quote the username, which may be an address.
            what = f"{error.operation} on a user of {pool}: {error.aws_code or type(error).__name__}"
            raise type(error)(what, operation=error.operation, aws_code=error.aws_code) from None

    def _members(self, operation: str) -> frozenset[str]:
        """The request members that the installed botocore knows: a new setting of Cognito is carried unasked."""
        model = self._client.meta.service_model.operation_model(operation)
        return frozenset(model.input_shape.members)  # type: ignore[union-attr]  # these operations have input

    @staticmethod
    def _there(described: T | None, operation: str) -> T:
        if described is None:
            raise errors.NotFound("it is not there", operation=f"cognito-idp.{operation}", aws_code="")
        return described

    @staticmethod
    def _gone(effect: Callable[[], object]) -> None:
        try:
            effect()
        except errors.NotFound:
            return

    @staticmethod
    def _there_already(effect: Callable[[], object]) -> None:
        try:
            effect()
        except errors.AlreadyExists:
            return


def _group(answer: Mapping[str, Any]) -> Group:
    return Group(
        name=answer["GroupName"],
        description=answer.get("Description") or "",
        precedence=answer.get("Precedence"),
        role=answer.get("RoleArn"),
    )


def _user(answer: Mapping[str, Any], attributes: str) -> User:
    return User(
        username=answer["Username"],
        attributes={pair["Name"]: pair.get("Value", "") for pair in answer.get(attributes, [])},
        enabled=bool(answer.get("Enabled", True)),
        status=str(answer.get("UserStatus", "")),
        mfa=tuple(answer.get("UserMFASettingList") or ()),
    )


def _pairs(attributes: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in attributes.items()]
