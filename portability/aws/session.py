"""One place that makes clients: regions, roles, read-only clients, and *sign, look, send*.

How a wrapper is written: one class a file, `__init__(self, client, call)`. `client` is a boto3 client made by
`Aws._client(service, region, role)`, which carries the rules of `guard.py`; `call` is the session's `Caller`, through
which every boto3 method runs, so that no botocore error leaves this room:

    class Cognito:
        def __init__(self, client: CognitoIdentityProviderClient, call: Caller) -> None: ...

        def pool(self, pool: str) -> dict[str, Any]:
            return dict(self._call(self._client.describe_user_pool, UserPoolId=pool)["UserPool"])

        def groups(self, pool: str) -> Iterator[str]:
            pages = self._call.pages(self._client.list_groups, answered="NextToken", asked="NextToken", UserPoolId=pool)
            return (group["GroupName"] for page in pages for group in page["Groups"])

`Caller` (in `caller.py`) says what is repeated, what is one attempt, and what each error means. A new read operation is
added to `guard.READS`, else a read-only client refuses it and it is not retried. Clients are shared between threads: a
wrapper holds no state of its own.

Source: botocore events (see `guard.py`); AWS STS AssumeRole; botocore's settings
(`AWS_ENDPOINT_URL*`, profiles, CA bundle).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError

from portability.aws import answers, guard
from portability.aws.caller import Caller
from portability.aws.dynamodb import Dynamo
from portability.aws.eventsources import EventSources
from portability.aws.http import Pool
from portability.aws.items import BotoItems, Items
from portability.aws.records import BotoRecords, WireRecords
from portability.aws.route import endpoint_of
from portability.aws.s3 import S3
from portability.aws.ssm import Ssm
from portability.aws.streams import Streams
from portability.aws.sts import Sts
from portability.aws.tally import Tally
from portability.aws.wire import Wire, WireItems
from portability.retry import Retry

if TYPE_CHECKING:
    from portability.aws.apigateway import ApiGateway
    from portability.aws.cloudwatch import CloudWatch
    from portability.aws.cognito import Cognito

CONNECT_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 20.0  # seconds
CONNECTIONS = 64  # kept per client: 32 threads and their probes
ROLE_SESSION = "portability"


class Aws:
    """A factory of typed service wrappers for one set of credentials, cached by (service, region, role).

    `read_only` clients refuse every operation outside an allow-list before it is sent. `look` is called after a
    mutating request was signed and before each send of it (retries too), and raises when the lease is lost.
    `lost_time` is called when a write's signature was refused for its time, before it is signed once more: it reads the
    lease from the journal and raises `LeaseLost` if it is another's; `unanswered` is called when a write went without a
    definite answer (see `Caller`). `retry` repeats reads only; every
    other call is one HTTP attempt. Time-outs are seconds. `role` is a role's ARN, assumed and renewed by itself.
    `wire=False` has boto3 carry the hot operations too, with the same answers.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        region: str,
        read_only: bool,
        look: Callable[[], None] | None = None,
        retry: Retry | None = None,
        lost_time: Callable[[], None] | None = None,
        unanswered: Callable[[], None] | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        wire: bool = True,
    ) -> None:
        # At DEBUG botocore logs whole bodies: items, passwords, parameter values.
        logging.getLogger("botocore").setLevel(logging.INFO)
        self._profile = profile
        self._region = region
        self._read_only = read_only
        self._look = look
        self._call = Caller(retry or Retry(), lost_time, unanswered)
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._own_wire = wire
        self._lock = threading.RLock()
        self._sessions: dict[str | None, botocore.session.Session] = {}
        self._clients: dict[tuple[str, str, str | None], Any] = {}
        self._wires: dict[tuple[str, str, str | None], Wire | None] = {}
        self.sent = Tally()  # what these clients sent, whatever thread it was in

    @staticmethod
    def region_of(profile: str | None) -> str | None:
        """The region that the environment or the profile names; None where neither does. Raises `Unauthorised`."""
        try:
            named = botocore.session.Session(profile=profile).get_config_variable("region")
        except BotoCoreError as error:
            raise answers.translate(error, operation="sts.GetCallerIdentity", mutating=False) from None
        return os.environ.get("AWS_REGION") or named

    @property
    def profile(self) -> str | None:
        """The profile its credentials are of; None where the environment says."""
        return self._profile

    @property
    def region(self) -> str:
        """The default region."""
        return self._region

    @property
    def read_only(self) -> bool:
        """Whether every client refuses what is not a read."""
        return self._read_only

    def dynamodb(self, *, region: str | None = None, role: str | None = None, fresh: bool = False) -> Dynamo:
        """DynamoDB; `fresh` gives one with its own new connections (a fence probe, a worker thread)."""
        return Dynamo(self._client("dynamodb", region, role, fresh=fresh), self._call)

    def items(self, *, region: str | None = None, role: str | None = None, fresh: bool = False) -> Items:
        """DynamoDB's hot operations; `fresh` as for `dynamodb`."""
        client = self._client("dynamodb", region, role, fresh=fresh)
        wire = self._wire(client, "dynamodb", region, role, fresh=fresh)
        return BotoItems(Dynamo(client, self._call)) if wire is None else WireItems(wire, client)

    def streams(self, *, region: str | None = None, role: str | None = None) -> Streams:
        """DynamoDB Streams."""
        client = self._client("dynamodbstreams", region, role)
        wire = self._wire(client, "dynamodbstreams", region, role)
        return Streams(
            client, self._call, BotoRecords(client, self._call) if wire is None else WireRecords(wire, client)
        )

    def cognito(self, *, region: str | None = None, role: str | None = None) -> Cognito:
        """Cognito user pools."""
        from portability.aws.cognito import Cognito  # noqa: PLC0415 - loaded by the moves that need it

        return Cognito(self._client("cognito-idp", region, role), self._call)

    def apigateway(self, *, region: str | None = None, role: str | None = None) -> ApiGateway:
        """API Gateway usage plans and keys."""
        from portability.aws.apigateway import ApiGateway  # noqa: PLC0415 - loaded by the moves that need it

        return ApiGateway(self._client("apigateway", region, role), self._call)

    def cloudwatch(self, *, region: str | None = None, role: str | None = None) -> CloudWatch:
        """Metrics, read only."""
        from portability.aws.cloudwatch import CloudWatch  # noqa: PLC0415 - loaded by the moves that need it

        return CloudWatch(self._client("cloudwatch", region, role), self._call)

    def ssm(self, *, region: str | None = None, role: str | None = None) -> Ssm:
        """Parameter store, read only."""
        return Ssm(self._client("ssm", region, role), self._call)

    def s3(self, *, region: str | None = None, role: str | None = None) -> S3:
        """Archive objects."""
        return S3(self._client("s3", region, role), self._call)

    def eventsources(self, *, region: str | None = None, role: str | None = None) -> EventSources:
        """Lambda event source mappings, listed only."""
        return EventSources(self._client("lambda", region, role), self._call)

    def sts(self, *, region: str | None = None, role: str | None = None) -> Sts:
        """Who we are, or who `role` makes us."""
        return Sts(self._client("sts", region, role), self._call)

    def _client(self, service: str, region: str | None, role: str | None, *, fresh: bool = False) -> Any:  # noqa: ANN401 - typed by its wrapper
        """A boto3 client of any service under this session's rules; cached unless `fresh`.

        `service` is boto3's name (`cognito-idp`). Raises `Unauthorised` for an unknown profile.
        """
        key = (service, region or self._region, role)
        with self._lock:  # botocore's sessions make one client at a time
            if fresh or key not in self._clients:
                client = self._make(*key)
                if fresh:
                    return client
                self._clients[key] = client
            return self._clients[key]

    def _wire(
        self, client: BaseClient, service: str, region: str | None, role: str | None, *, fresh: bool = False
    ) -> Wire | None:
        """Our own client in place of this boto3 client's calls; None where boto3 must carry them."""
        key = (service, region or self._region, role)
        with self._lock:
            if fresh or key not in self._wires:
                session = self._session(role)
                endpoint = endpoint_of(client, session) if self._own_wire else None
                wire = None if endpoint is None else Wire(client, self._call, Pool(endpoint), _frozen(session))
                if fresh:
                    return wire
                self._wires[key] = wire
            return self._wires[key]

    def _make(self, service: str, region: str, role: str | None) -> Any:  # noqa: ANN401 - typed by its wrapper
        try:
            client = self._session(role).create_client(service, region_name=region, config=self._config(attempts=1))
        except (BotoCoreError, ValueError) as error:
            failure = error
        else:
            guard.install(client, read_only=self._read_only, look=self._look)
            self.sent.watch(client)
            return client
        raise answers.translate(failure, operation=f"{service}.client", mutating=False, where=region)

    def _session(self, role: str | None) -> botocore.session.Session:
        if role not in self._sessions:
            session = botocore.session.Session(profile=self._profile)
            if role is not None:
                session.register_component("credential_provider", _Assumed(self._fetcher(role)))
            self._sessions[role] = session
        return self._sessions[role]

    def _fetcher(self, role: str) -> AssumeRoleCredentialFetcher:
        base = self._session(None)
        source = base.get_credentials()
        if source is None:
            raise NoCredentialsError

        def sts(service: str, **credentials: Any) -> BaseClient:
            with self._lock:  # a renewal runs in whatever thread signs
                config = self._config(attempts=3)
                return base.create_client(service, region_name=self._region, config=config, **credentials)

        return AssumeRoleCredentialFetcher(sts, source, role, extra_args={"RoleSessionName": ROLE_SESSION})

    def _config(self, *, attempts: int) -> Config:
        return Config(
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_timeout,
            max_pool_connections=CONNECTIONS,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            tcp_keepalive=True,
            user_agent_extra="portability",
        )


def _frozen(session: botocore.session.Session) -> Callable[[], ReadOnlyCredentials | None]:
    """The session's credentials as they are now, renewed when they are about to end."""

    def now() -> ReadOnlyCredentials | None:
        held = session.get_credentials()
        return None if held is None else held.get_frozen_credentials()

    return now


class _Assumed:
    """The credential provider of a role: assumed when the first request is signed, renewed before it ends."""

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        self._fetcher = fetcher

    def load_credentials(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._fetcher.fetch_credentials, method="assume-role")
