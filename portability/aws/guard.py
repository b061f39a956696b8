"""What a client may send, and when: the allow-list of reads, the look before each send, the whole answer after it.

The fast path asks the same questions: `is_read`, `refuse_unless_read`, `check_whole`.
Source: botocore events `provide-client-params`, `before-send`, `before-parse`; DynamoDB's `x-amz-crc32` header.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from botocore.client import BaseClient
from botocore.model import OperationModel, ServiceId

from portability import errors

READS: Mapping[str, frozenset[str]] = {
    "api-gateway": frozenset(
        {
            "GetApiKey",
            "GetApiKeys",
            "GetAuthorizers",
            "GetResources",
            "GetRestApi",
            "GetRestApis",
            "GetStage",
            "GetStages",
        }
        | {"GetTags", "GetUsage", "GetUsagePlan", "GetUsagePlanKey", "GetUsagePlanKeys", "GetUsagePlans"}
    ),
    "cloudformation": frozenset(
        {"DescribeStackEvents", "DescribeStackResource", "DescribeStackResources", "DescribeStacks"}
        | {
            "DescribeChangeSet",
            "GetStackPolicy",
            "GetTemplate",
            "GetTemplateSummary",
            "ListStackResources",
            "ListStacks",
        }
    ),
    "cloudwatch": frozenset(
        {"DescribeAlarms", "DescribeAlarmsForMetric", "GetMetricData", "ListMetrics", "ListTagsForResource"}
    ),
    "cloudwatch-logs": frozenset(
        {"DescribeLogGroups", "DescribeMetricFilters", "DescribeSubscriptionFilters", "ListTagsForResource"}
    ),
    "codepipeline": frozenset(
        {"GetPipeline", "GetPipelineExecution", "GetPipelineState", "ListActionExecutions", "ListPipelineExecutions"}
        | {"ListPipelines"}
    ),
    "cognito-identity-provider": frozenset(
        {
            "AdminGetUser",
            "AdminListDevices",
            "AdminListGroupsForUser",
            "DescribeIdentityProvider",
            "DescribeUserImportJob",
        }
        | {
            "DescribeResourceServer",
            "DescribeUserPool",
            "DescribeUserPoolClient",
            "DescribeUserPoolDomain",
            "GetCSVHeader",
        }
        | {"DescribeRiskConfiguration", "GetGroup", "GetLogDeliveryConfiguration", "GetUICustomization"}
        | {"GetUserPoolMfaConfig", "ListGroups", "ListIdentityProviders", "ListResourceServers", "ListTagsForResource"}
        | {"ListUserImportJobs", "ListUserPoolClients", "ListUserPools", "ListUsers", "ListUsersInGroup"}
    ),
    "dynamodb": frozenset(
        {
            "BatchGetItem",
            "DescribeContinuousBackups",
            "DescribeContributorInsights",
            "DescribeEndpoints",
            "DescribeLimits",
        }
        | {
            "DescribeKinesisStreamingDestination",
            "DescribeTable",
            "DescribeTableReplicaAutoScaling",
            "DescribeTimeToLive",
        }
        | {"GetItem", "GetResourcePolicy", "ListBackups", "ListTables", "ListTagsOfResource", "Query", "Scan"}
        | {"TransactGetItems"}
    ),
    "dynamodb-streams": frozenset({"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"}),
    "eventbridge": frozenset(
        {"DescribeEventBus", "DescribeRule", "ListRules", "ListTagsForResource", "ListTargetsByRule"}
    ),
    "iam": frozenset(
        {"GetPolicy", "GetPolicyVersion", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListPolicyVersions"}
        | {"ListRolePolicies", "ListRoleTags", "ListRoles", "SimulateCustomPolicy", "SimulatePrincipalPolicy"}
    ),
    "lambda": frozenset(
        {"GetEventSourceMapping", "GetFunction", "GetFunctionConfiguration", "GetPolicy", "ListEventSourceMappings"}
        | {"ListFunctions", "ListTags"}
    ),
    "pipes": frozenset({"DescribePipe", "ListPipes", "ListTagsForResource"}),
    "resource-groups-tagging-api": frozenset({"GetResources", "GetTagKeys", "GetTagValues"}),
    "s3": frozenset(
        {"GetBucketLocation", "GetObject", "GetObjectAttributes", "HeadBucket", "HeadObject"}
        | {"ListBuckets", "ListObjectsV2"}
    ),
    "service-quotas": frozenset({"GetServiceQuota", "ListServiceQuotas"}),
    "ssm": frozenset({"DescribeParameters", "GetParameter", "GetParameters", "GetParametersByPath"}),
    "sts": frozenset({"AssumeRole", "GetCallerIdentity"}),
}
"""Operations that change nothing, by botocore's hyphenised service id. What is not named here is taken to change."""

JSON_ALWAYS = frozenset({"dynamodb", "dynamodb-streams"})
"""Services whose every answer is a JSON object. botocore takes anything else, a proxy's page say, for an empty one."""


class CutAnswer(Exception):
    """The answer ended early or its checksum differs; what the service did is unknown."""


def is_read(service: str, operation: str) -> bool:
    """Whether the operation is on the allow-list; `service` is botocore's hyphenised service id."""
    return operation in READS.get(service, frozenset())


def refuse_unless_read(service: str, operation: str) -> None:
    """Raise `ReadOnlyClient` for anything outside the allow-list."""
    if not is_read(service, operation):
        raise errors.ReadOnlyClient(
            f"{service}.{operation} changes something and was asked of a read-only client; it was not sent",
            operation=f"{service}.{operation}",
            aws_code="",
            next="report this as a bug: a preview must not change anything",
        )


def check_whole(service: str, headers: Mapping[str, str], body: bytes) -> None:
    """Raise `CutAnswer` unless the body has the length and the CRC32 that its headers announce.

    An item that is missing from a cut answer would read as one that does not exist, and be deleted on the other side.
    """
    length, crc = headers.get("content-length"), headers.get("x-amz-crc32")
    if length is not None and length != str(len(body)):
        raise CutAnswer(f"{len(body)} of {length} bytes arrived")
    if crc is not None and crc != str(zlib.crc32(body)):
        raise CutAnswer("the checksum of the answer differs")
    if service in JSON_ALWAYS and not (body.startswith(b"{") and body.endswith(b"}")):
        raise CutAnswer("the answer is not a JSON object")


def install(client: BaseClient, *, read_only: bool, look: Callable[[], None] | None) -> None:
    """Hang the rules on one boto3 client."""
    service = service_of(client)
    events = client.meta.events

    def refuse_call(model: OperationModel, **_: Any) -> None:
        refuse_unless_read(service, model.name)

    def refuse_send(event_name: str, **_: Any) -> None:
        refuse_unless_read(service, event_name.rpartition(".")[2])

    def look_then_send(event_name: str, **_: Any) -> None:
        if look is not None and not is_read(service, event_name.rpartition(".")[2]):
            look()

    def check_answer(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
        if not operation_model.has_streaming_output and operation_model.http.get("method") != "HEAD":
            check_whole(service, response_dict["headers"], response_dict["body"])

    if read_only:
        events.register_first("provide-client-params", refuse_call)
        events.register_first("before-send", refuse_send)
    events.register_last("before-send", look_then_send)
    events.register_first("before-parse", check_answer)


def service_of(client: BaseClient) -> str:
    """The hyphenised id of a client's service, as botocore has it: `dynamodb`, `cognito-identity-provider`, …."""
    return _hyphenized(client.meta.service_model.service_id)


@lru_cache
def _hyphenized(service_id: ServiceId) -> str:
    return str(service_id.hyphenize())
