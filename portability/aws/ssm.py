"""The parameter store, read only. Source: AWS SSM GetParameter, DescribeParameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from portability import errors
from portability.aws.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

PAGE = 50
"""The most that a listing gives in one page."""


class Ssm:
    """Parameters of one region and role. Thread-safe. A value is handed to the caller and is in no log or error."""

    def __init__(self, client: SSMClient, call: Caller) -> None:
        self._client = client
        self._call = call

    def names(self) -> Iterator[str]:
        """The name of every parameter, without its value. AWS: DescribeParameters."""
        pages = self._call.pages(
            self._client.describe_parameters, answered="NextToken", asked="NextToken", MaxResults=PAGE
        )
        return (parameter["Name"] for page in pages for parameter in page["Parameters"])

    def get_parameter(self, name: str) -> str | None:
        """The decrypted value as it is now, None where there is no such parameter. Raises `Unauthorised`."""
        try:
            answer = self._call(self._client.get_parameter, Name=name, WithDecryption=True)
        except errors.NotFound:
            return None
        return answer["Parameter"]["Value"]
