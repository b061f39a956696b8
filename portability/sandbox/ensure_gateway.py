"""The API, its usage plans and keys, the parameters and the archive bucket, made so that again changes nothing."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

STAGE = "prod"


@dataclass(frozen=True)
class UsagePlan:
    """What a tier may call: requests per second, burst, requests per day."""

    tier: str
    rate: float
    burst: int
    per_day: int


@dataclass(frozen=True)
class Key:
    """An API key as the seed wants it."""

    name: str
    value: str
    tier: str


@dataclass(frozen=True)
class Gateway:
    """An API that exists: its stage's URL and the id of each tier's usage plan."""

    api: str
    url: str
    plans: dict[str, str]


def ensure_gateway(apigateway: APIGatewayClient, name: str, region: str, plans: tuple[UsagePlan, ...]) -> Gateway:
    """The REST API of that name, deployed to the stage `prod`, with one usage plan per tier on it."""
    apis = [
        api["id"]
        for page in apigateway.get_paginator("get_rest_apis").paginate()
        for api in page["items"]
        if api["name"] == name
    ]
    api = apis[0] if apis else _create_api(apigateway, name)
    there = {
        plan["name"]: plan["id"]
        for page in apigateway.get_paginator("get_usage_plans").paginate()
        for plan in page["items"]
        if any(stage["apiId"] == api for stage in plan.get("apiStages", []))
    }
    for plan in plans:
        if plan.tier not in there:
            made = apigateway.create_usage_plan(
                name=plan.tier,
                apiStages=[{"apiId": api, "stage": STAGE}],
                throttle={"rateLimit": plan.rate, "burstLimit": plan.burst},
                quota={"limit": plan.per_day, "period": "DAY"},
            )
            there[plan.tier] = made["id"]
    url = f"https://{api}.execute-api.{region}.amazonaws.com/{STAGE}"
    return Gateway(api=api, url=url, plans={plan.tier: there[plan.tier] for plan in plans})


def ensure_keys(apigateway: APIGatewayClient, gateway: Gateway, wanted: Iterable[Key]) -> None:
    """Each key with its value, in its tier's usage plan and in no other of this API."""
    there = {
        (key["name"], key.get("value")): key["id"]
        for page in apigateway.get_paginator("get_api_keys").paginate(includeValues=True)
        for key in page["items"]
    }
    pages = apigateway.get_paginator("get_usage_plan_keys")
    inside = {
        tier: {key["id"] for page in pages.paginate(usagePlanId=plan) for key in page["items"]}
        for tier, plan in gateway.plans.items()
    }
    for key in wanted:
        id_ = there.get((key.name, key.value))
        if id_ is None:
            id_ = apigateway.create_api_key(name=key.name, value=key.value, enabled=True)["id"]
        for tier, plan in gateway.plans.items():
            if tier != key.tier and id_ in inside[tier]:
                apigateway.delete_usage_plan_key(usagePlanId=plan, keyId=id_)
        if id_ not in inside[key.tier]:
            apigateway.create_usage_plan_key(usagePlanId=gateway.plans[key.tier], keyId=id_, keyType="API_KEY")


def key_value(*parts: object) -> str:
    """A made-up API-key value, the same for the same parts: 40 hex digits."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:40]


def ensure_parameter(ssm: SSMClient, name: str, value: str) -> None:
    """A SecureString parameter with that value."""
    with contextlib.suppress(ssm.exceptions.ParameterNotFound):
        if ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"].get("Value") == value:
            return
    ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def ensure_bucket(s3: S3Client, name: str) -> None:
    """A private, versioned bucket."""
    try:
        s3.head_bucket(Bucket=name)
    except ClientError:
        s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    everything: Any = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=everything)


def _create_api(apigateway: APIGatewayClient, name: str) -> str:
    api = apigateway.create_rest_api(name=name)["id"]
    root = apigateway.get_resources(restApiId=api)["items"][0]["id"]
    where: dict[str, Any] = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    apigateway.put_method(**where, authorizationType="NONE", apiKeyRequired=True)
    apigateway.put_integration(**where, type="MOCK")
    apigateway.create_deployment(restApiId=api, stageName=STAGE)
    return api
