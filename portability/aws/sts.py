"""Who we are. Source: AWS STS GetCallerIdentity, which needs no permission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portability.aws.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient


class Sts:
    """The account and the identity of one set of credentials. Thread-safe."""

    def __init__(self, client: STSClient, call: Caller) -> None:
        self._client = client
        self._call = call

    def account(self) -> str:
        """The account's 12 digits, the only source of them: an emulator's ARNs name another. Raises `Unauthorised`."""
        return self._call(self._client.get_caller_identity)["Account"]

    def arn(self) -> str:
        """The ARN of the user or the assumed role. Raises `Unauthorised`."""
        return self._call(self._client.get_caller_identity)["Arn"]
