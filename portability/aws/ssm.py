"""The parameter store, read only. Source: AWS SSM GetParameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portability import errors
from portability.aws.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


class Ssm:
    """Parameters of one region and role. Thread-safe. A value is handed to the caller and is in no log or error."""

    def __init__(self, client: SSMClient, call: Caller) -> None:
        self._client = client
        self._call = call

    def get_parameter(self, name: str) -> str | None:
        """The decrypted value as it is now, None where there is no such parameter. Raises `Unauthorised`."""
        try:
            answer = self._call(self._client.get_parameter, Name=name, WithDecryption=True)
        except errors.NotFound:
            return None
        return answer["Parameter"]["Value"]
