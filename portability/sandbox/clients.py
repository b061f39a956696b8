"""boto3 clients of the sandbox: botocore finds the endpoints, and only loopback ones are accepted."""

from __future__ import annotations

import functools
import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from portability.errors import Refused

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

REGION = "us-east-1"
ACCOUNT = "123456789012"
SEEDING = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=16,
    parameter_validation=False,  # half of the time of a large write
    s3={"addressing_style": "path"},
)


@dataclass(frozen=True)
class Clients:
    """One client per service that the sandbox needs; botocore's clients may be shared by threads."""

    dynamodb: DynamoDBClient
    streams: DynamoDBStreamsClient
    cognito: CognitoIdentityProviderClient
    apigateway: APIGatewayClient
    ssm: SSMClient
    s3: S3Client


def environment(endpoint: str) -> dict[str, str]:
    """What the environment of a command says so that every AWS client talks to the sandbox at `endpoint`."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def open_clients() -> Clients:
    """Clients for the endpoints of the environment (`AWS_ENDPOINT_URL` and kin); Refused unless all are loopback."""
    return Clients(
        dynamodb=client("dynamodb"),
        streams=client("dynamodbstreams"),
        cognito=client("cognito-idp"),
        apigateway=client("apigateway"),
        ssm=client("ssm"),
        s3=client("s3"),
    )


def client(service: str, config: Config = SEEDING) -> Any:  # noqa: ANN401 - boto3 makes the class at run time
    """A client that can only reach this host: a dummy secret, and Refused unless its endpoint is loopback."""
    key = os.environ.get("AWS_ACCESS_KEY_ID") or "testing"  # names a database of DynamoDB Local
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
    made = _session(key, region).client(service, config=config)  # type: ignore[call-overload]
    endpoint = made.meta.endpoint_url
    if not is_loopback(endpoint):
        raise Refused(
            f"The sandbox talks to this host only, and {service} is at {endpoint}.",
            next="portability sandbox up, then set AWS_ENDPOINT_URL to the address it prints",
        )
    return made


@functools.cache
def _session(key: str, region: str) -> boto3.Session:
    """One per account and region: a session reads half a second of service models; endpoints are looked up live."""
    return boto3.Session(aws_access_key_id=key, aws_secret_access_key="testing", region_name=region)


def is_loopback(endpoint: str) -> bool:
    """True for http(s)://127.x.y.z, [::1] and localhost."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
