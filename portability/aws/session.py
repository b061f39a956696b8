"""One place that makes clients: regions, roles, read-only clients, and *sign, look, send*.

Source: botocore events `before-call` and `before-send`; AWS STS AssumeRole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from portability.aws.apigateway import ApiGateway
    from portability.aws.cognito import Cognito
    from portability.aws.dynamodb import Dynamo
    from portability.aws.eventsources import EventSources
    from portability.aws.s3 import S3
    from portability.aws.ssm import Ssm
    from portability.aws.streams import Streams
    from portability.aws.sts import Sts


class Aws:
    """A factory of typed service wrappers for one set of credentials, cached by (service, region, role).

    `read_only` clients refuse every operation outside an allow-list before it is sent. `look` is called after a
    mutating request was signed and before each send of it (retries too), and raises when the lease is lost.
    """

    def __init__(self, *, profile: str | None = None, region: str, read_only: bool, look: Callable[[], None] | None = None) -> None:
        raise NotImplementedError

    @property
    def region(self) -> str:
        """The default region."""
        raise NotImplementedError

    def dynamodb(self, *, region: str | None = None, role: str | None = None, fresh: bool = False) -> Dynamo:
        """DynamoDB; `fresh` gives one with its own new connections (a fence probe, a worker thread)."""
        raise NotImplementedError

    def streams(self, *, region: str | None = None, role: str | None = None) -> Streams:
        """DynamoDB Streams."""
        raise NotImplementedError

    def cognito(self, *, region: str | None = None, role: str | None = None) -> Cognito:
        """Cognito user pools."""
        raise NotImplementedError

    def apigateway(self, *, region: str | None = None, role: str | None = None) -> ApiGateway:
        """API Gateway usage plans and keys."""
        raise NotImplementedError

    def ssm(self, *, region: str | None = None, role: str | None = None) -> Ssm:
        """Parameter store, read only."""
        raise NotImplementedError

    def s3(self, *, region: str | None = None, role: str | None = None) -> S3:
        """Archive objects."""
        raise NotImplementedError

    def eventsources(self, *, region: str | None = None, role: str | None = None) -> EventSources:
        """Lambda event source mappings, listed only."""
        raise NotImplementedError

    def sts(self) -> Sts:
        """Who we are."""
        raise NotImplementedError
