"""Least-privilege IAM policies of one estate: plan, migrate, complete. No action is a wildcard.

Resources are the estate's own tables, table prefixes where a name carries the tenant, and this tool's tag where a thing
is made or deleted. Source: AWS Service Authorization Reference (DynamoDB, Cognito, API Gateway, SSM, S3, Lambda).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from portability.model.estate import Estate

VERSION = "2012-10-17"
RUN_TAG = "portability:run"

READ_TABLE = (
    *("DescribeTable", "DescribeTimeToLive", "DescribeContinuousBackups", "DescribeKinesisStreamingDestination"),
    *("ListTagsOfResource", "GetItem", "BatchGetItem", "Query", "Scan"),
)
READ_STREAM = ("DescribeStream", "GetRecords", "GetShardIterator")
READ_POOL = (
    *("DescribeUserPool", "DescribeUserPoolClient", "GetUserPoolMfaConfig", "GetGroup", "ListGroups"),
    *("ListUserPoolClients", "ListUsers", "ListUsersInGroup", "ListIdentityProviders", "ListResourceServers"),
    *("AdminGetUser", "AdminListGroupsForUser"),
)
WRITE_ITEMS = ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem", "BatchWriteItem")
MAKE_POOL = (
    *("CreateUserPoolClient", "UpdateUserPool", "UpdateUserPoolClient", "SetUserPoolMfaConfig", "CreateGroup"),
    *("CreateResourceServer", "AdminCreateUser", "AdminSetUserPassword", "AdminUpdateUserAttributes"),
    *("AdminDeleteUserAttributes", "AdminDisableUser", "AdminEnableUser", "AdminAddUserToGroup"),
)
EMPTY_POOL = (
    *("AdminRemoveUserFromGroup", "AdminDeleteUser", "AdminDisableUser", "AdminEnableUser"),
    *("DeleteGroup", "DeleteUserPoolClient"),
)

Statement = dict[str, Any]


def policies(estate: Estate) -> dict[str, dict[str, Any]]:
    """`plan`, `migrate` and `complete` as IAM policy documents; each of the later two includes what it reads."""
    where = _Where(estate)
    return {
        "plan": _document(_reads(estate, where)),
        "migrate": _document([*_reads(estate, where), *_follows(where), *_migrates(estate, where)]),
        "complete": _document([*_reads(estate, where), *_follows(where), *_completes(estate, where)]),
    }


class _Where:
    """ARNs of the estate's resources, for every account and region that it allows."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        directory = [estate.directory.table]
        if estate.stack_mapping:
            directory.append(estate.stack_mapping.table)
        if estate.cognito:
            directory += [name for name in (estate.cognito.settings_table, estate.cognito.mapping_table) if name]
        ranges = [store.tenant.suffixes.table for store in estate.stores.values() if store.tenant.suffixes]
        self.directory = self.tables(directory)
        self.ranges = self.tables([name for name in ranges if name])
        self.journal = self.tables([estate.journal.table])
        placements = [place for tier in estate.tiers.values() for place in tier.placements.values()]
        stores = [store for store in estate.stores.values() if store.in_dynamodb]
        self.pools = self.tables(store.pool_table(place) for store in stores for place in placements)
        self.silos = self.tables(store.silo.replace("{slug}", "*") for store in stores)

    def arns(self, service: str, names: Iterable[str], *, region: bool = True) -> list[str]:
        accounts = self.estate.accounts
        regions = accounts.regions if region else [""]
        return sorted(
            {
                f"arn:aws:{service}:{at}:{account}:{name}"
                for at in regions
                for account in accounts.allowed
                for name in names
            }
        )

    def tables(self, names: Iterable[str]) -> list[str]:
        return self.arns("dynamodb", [f"table/{name}" for name in names])

    def userpools(self) -> list[str]:
        return self.arns("cognito-idp", ["userpool/*"])

    def gateway(self, *paths: str) -> list[str]:
        return sorted(f"arn:aws:apigateway:{at}::{path}" for at in self.estate.accounts.regions for path in paths)


def _reads(estate: Estate, where: _Where) -> list[Statement]:
    tables = [*where.directory, *where.ranges, *where.journal, *where.pools, *where.silos]
    indexes = [f"{arn}/index/*" for arn in [*where.pools, *where.silos]]
    found = [
        _allow("ReadTables", "dynamodb", READ_TABLE, [*tables, *indexes]),
        _allow("ReadStreamSettings", "dynamodb", ("DescribeStream",), _streams(where)),
        # AWS: these take no resource.
        _allow("ListConsumers", "lambda", ("ListEventSourceMappings",), ["*"]),
        _allow("ReadTableMetrics", "cloudwatch", ("GetMetricData",), ["*"]),
    ]
    if estate.cognito is not None:
        found += [
            _allow("ReadUserPools", "cognito-idp", READ_POOL, where.userpools()),
            _allow("ListUserPools", "cognito-idp", ("ListUserPools",), ["*"]),
        ]
    if estate.api_keys.value != "none":
        paths = ("/usageplans", "/usageplans/*", "/apikeys", "/apikeys/*")
        found.append(_allow("ReadUsagePlans", "apigateway", ("GET",), where.gateway(*paths)))
    if estate.api_key_parameter:
        name = estate.api_key_parameter.replace("{tier}", "*").lstrip("/")
        found.append(_allow("ReadKeyParameter", "ssm", ("GetParameter",), where.arns("ssm", [f"parameter/{name}"])))
    roles = sorted({place.role for tier in estate.tiers.values() for place in tier.placements.values() if place.role})
    if roles:
        found.append(_allow("AssumePlacementRoles", "sts", ("AssumeRole",), roles))
    return found


def _follows(where: _Where) -> list[Statement]:
    """What every run needs: the journal, the directory, and the tables' change streams, both ways."""
    return [
        _allow("WriteJournal", "dynamodb", WRITE_ITEMS, where.journal),
        _allow("WriteDirectory", "dynamodb", WRITE_ITEMS, where.directory),
        _allow("WriteItems", "dynamodb", WRITE_ITEMS, [*where.pools, *where.silos]),
        _allow("SwitchStreams", "dynamodb", ("UpdateTable",), [*where.pools, *where.silos]),
        _allow("FollowStreams", "dynamodb", READ_STREAM, _streams(where)),
    ]


def _migrates(estate: Estate, where: _Where) -> list[Statement]:
    make = ("CreateTable", "TagResource", "UpdateTimeToLive", "UpdateContinuousBackups")
    found = [
        _allow("MakeTables", "dynamodb", make, where.silos),
        _allow("DeleteOwnTables", "dynamodb", ("DeleteTable",), where.silos, _made_by_a_run()),
    ]
    if estate.cognito is not None:
        tagged = {"Null": {f"aws:RequestTag/{RUN_TAG}": "false"}}
        found += [
            _allow("MakeUserPools", "cognito-idp", ("CreateUserPool", "TagResource"), ["*"], tagged),
            _allow("FillUserPools", "cognito-idp", MAKE_POOL, where.userpools()),
            _allow("TakeBackUsers", "cognito-idp", EMPTY_POOL, where.userpools()),
            _allow("DeleteOwnUserPools", "cognito-idp", ("DeleteUserPool",), where.userpools(), _made_by_a_run()),
        ]
    return [*found, *_keys(estate, where)]


def _completes(estate: Estate, where: _Where) -> list[Statement]:
    found = [
        _allow("DeleteTenantTables", "dynamodb", ("DeleteTable",), where.silos),
        # A prefix such as Order-* also fits Order-pooled.
        {**_allow("KeepSharedTables", "dynamodb", ("DeleteTable",), where.pools), "Effect": "Deny"},
    ]
    if estate.archive is not None:
        object_ = f"arn:aws:s3:::{estate.archive.bucket}/{estate.archive.prefix}*"
        found.append(_allow("Archive", "s3", ("PutObject", "GetObject"), [object_]))
    if estate.cognito is not None:
        found += [
            _allow("RetireUsers", "cognito-idp", EMPTY_POOL, where.userpools()),
            _allow("DeleteUserPools", "cognito-idp", ("DeleteUserPool",), where.userpools()),
        ]
    return [*found, *_keys(estate, where)]


def _keys(estate: Estate, where: _Where) -> list[Statement]:
    if estate.api_keys.value == "none":
        return []
    paths = ("/usageplans/*/keys", "/usageplans/*/keys/*")
    return [_allow("MoveKeys", "apigateway", ("POST", "DELETE"), where.gateway(*paths))]


def _streams(where: _Where) -> list[str]:
    return [f"{arn}/stream/*" for arn in [*where.pools, *where.silos]]


def _made_by_a_run() -> dict[str, Any]:
    return {"Null": {f"aws:ResourceTag/{RUN_TAG}": "false"}}


def _allow(
    sid: str, service: str, actions: Sequence[str], resources: Sequence[str], condition: dict[str, Any] | None = None
) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(f"{service}:{action}" for action in actions),
        "Resource": list(resources),
    }
    return statement | ({"Condition": condition} if condition else {})


def _document(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": [one for one in statements if one["Resource"]]}
