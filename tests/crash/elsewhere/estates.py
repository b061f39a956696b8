"""The environment of an operator, for rows that call the product in this process."""

from __future__ import annotations

import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cli.bench import REGION, surroundings
from tests.crash.elsewhere.base import Around


def environment(around: Around) -> dict[str, str]:
    """Points at the engines, in a database of DynamoDB Local of its own (the access key names it)."""
    return {
        "AWS_ACCESS_KEY_ID": f"row{uuid.uuid4().hex[:12]}",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": around.moto,
        "AWS_ENDPOINT_URL_DYNAMODB": around.dynamodb,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": around.dynamodb,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "PORTABILITY_OPERATOR": "anna",
    }


@contextmanager
def on_engines(around: Around) -> Iterator[None]:
    """This process is an operator's until the block ends."""
    with surroundings(environment(around), around.folder):
        yield


def forget(around: Around) -> None:
    """Everything that the moto server has."""
    request = urllib.request.Request(f"{around.moto}/moto-api/reset", method="POST")  # noqa: S310 - loopback
    urllib.request.urlopen(request).close()  # noqa: S310 - as above
