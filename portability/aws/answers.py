"""An answer of AWS, or its absence, as one of our errors: by error code and by the kind of failure.

Whatever else a message may hold, item values and addresses are taken out of it: a message ends in logs and reports.
"""

from __future__ import annotations

import re
from typing import Any

import urllib3.exceptions
from botocore import exceptions, parsers

from portability import errors
from portability.aws.guard import CutAnswer

FAILURES: tuple[type[Exception], ...] = (
    exceptions.BotoCoreError,
    exceptions.ClientError,
    exceptions.FlexibleChecksumError,
    parsers.ResponseParserError,
    urllib3.exceptions.HTTPError,
    CutAnswer,
)
"""What a boto3 call raises, other than what our own hooks raise."""

NOT_SENT: tuple[type[Exception], ...] = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
)
"""No connection was made, so nothing was sent."""

NO_CREDENTIALS: tuple[type[Exception], ...] = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.NoAuthTokenError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
    exceptions.LoginError,
    exceptions.MetadataRetrievalError,
    exceptions.RefreshWithMFAUnsupportedError,
    exceptions.InfiniteLoopConfigError,
    exceptions.InvalidConfigError,
    exceptions.ConfigNotFound,
    exceptions.ConfigParseError,
    exceptions.UnknownCredentialError,
)

SKEW = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
MAYBE_SKEW = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"})
SKEW_WORDS = ("signature expired", "not yet current", "is now earlier than", "is still later than", "skew")

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "Forbidden", "403"}
    | {"UnauthorizedOperation", "UnauthorizedException", "KMSAccessDeniedException", "OptInRequired"}
)
BAD_CREDENTIALS = frozenset(
    {"AuthFailure", "IncompleteSignature", "IncompleteSignatureException", "InvalidAccessKeyId", "InvalidClientTokenId"}
    | {"InvalidSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException"}
    | {"SignatureDoesNotMatch", "UnrecognizedClientException"}
)
THROTTLED = frozenset(
    {"BandwidthLimitExceeded", "EC2ThrottledException", "PriorRequestNotComplete", "ProvisionedThroughputExceeded"}
    | {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
    }
    | {"SlowDown", "Throttling", "ThrottlingError", "ThrottlingException", "ThrottledException"}
    | {"TooManyRequestsException", "LimitExceededException.dynamodb", "LimitExceededException.dynamodb-streams"}
)
# TransactionInProgress: an earlier sending of the same token is being done; sent again, it answers as that one did.
CONFLICTS = frozenset(
    {"ConcurrentModificationException", "OperationAborted", "ReplicatedWriteConflictException", "TransactionConflict"}
    | {"TransactionConflictException", "TransactionInProgressException"}
)
MISSING = frozenset(
    {"404", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "NotFound", "NotFoundException", "ParameterNotFound"}
)
PRESENT = frozenset(
    {"BucketAlreadyOwnedByYou", "ConflictException", "DeleteConflict", "EntityAlreadyExists", "ResourceInUseException"}
    | {"TableInUseException", "UserImportInProgressException"}
)
LATER = frozenset(
    {"ContinuousBackupsUnavailableException", "InternalFailure", "InternalServerError", "ServiceUnavailable"}
)

SERVER_ERROR = 500
TOO_MANY = 429
INDEFINITE = (errors.NoDefiniteAnswer, errors.Unavailable)
"""Answers to a write that may still land."""

LONGEST = 300  # characters of a service's message


def translate(  # noqa: PLR0911 - one answer a kind of failure
    failure: Exception, *, operation: str, mutating: bool, where: str = ""
) -> errors.PortabilityError:
    """Our error for a failed call. `operation` is `service.Operation`; `where` names the resource, never a value."""
    if isinstance(failure, exceptions.ClientError):
        return _refused(failure, operation=operation, where=where)
    at = _at(operation, where)
    if isinstance(failure, NO_CREDENTIALS):
        return errors.Unauthorised(
            f"{at} could not be signed: {clean(str(failure))}",
            next=f"give credentials (AWS_PROFILE, --profile, aws configure or aws sso login), then {errors.AGAIN}",
        )
    if isinstance(failure, NOT_SENT) or _certificate_refused(failure):
        return errors.EndpointDown(
            f"{at} was not sent: {clean(str(failure))}",
            next="check the endpoint, region and network, then portability doctor",
        )
    if isinstance(failure, exceptions.UnknownServiceError):
        return errors.Unsupported(f"{at}: {failure}", operation=operation, aws_code="")
    if not _broke_on_the_way(failure):
        return errors.BadRequest(
            f"{at} is not a valid request: {clean(str(failure))}", operation=operation, aws_code=""
        )
    why = type(failure).__name__
    if mutating:
        return errors.NoDefiniteAnswer(
            f"{at} was sent and not answered; it may land late ({why})", operation=operation, aws_code=""
        )
    return errors.Unavailable(f"{at} was not answered ({why})", operation=operation, aws_code="")


def time_was_lost(failure: Exception) -> bool:
    """Whether the service refused the signature's time: nothing was done; a clock is off, or this process slept."""
    if not isinstance(failure, exceptions.ClientError):
        return False
    code, message = _code(failure), str(failure.response.get("Error", {}).get("Message", "")).lower()
    return code in SKEW or (code in MAYBE_SKEW and any(word in message for word in SKEW_WORDS))


def clean(message: str) -> str:
    """A service's message without what a tenant may have written: quoted and braced text, values, addresses."""
    message = re.sub(r"[Vv]alue '.*' at", "Value … at", message, flags=re.DOTALL)
    message = re.sub(r"\b[Vv]alues?:\s.*", "value: …", message, flags=re.DOTALL)
    message = re.sub(r"\{.*\}", "{…}", message, flags=re.DOTALL)
    message = re.sub(r"(?<! at )(['\"]).*?\1", "…", message, flags=re.DOTALL)
    message = re.sub(r"[^\s/:<>,;]+@[^\s/:<>,;]+", "…", message)
    return message if len(message) <= LONGEST else message[:LONGEST] + "…"


def _refused(  # noqa: PLR0911 - one answer a group of codes
    failure: exceptions.ClientError, *, operation: str, where: str
) -> errors.PortabilityError:
    code = _code(failure)
    service = operation.partition(".")[0]
    at = _at(operation, where)
    what = f"{at}: {code}: {clean(str(failure.response.get('Error', {}).get('Message', '')))}".rstrip(": ")
    if code == "TransactionCanceledException":
        return _cancelled(failure, operation=operation, at=at)
    if code == "ConditionalCheckFailedException":
        item: dict[str, Any] | None = dict(failure.response).get("Item") or None  # type: ignore[assignment]
        return errors.ConditionFailed(
            f"{at}: the item is not as the condition says",
            operation=operation,
            aws_code=code,
            old=[item],
            failed=[True],
        )
    if time_was_lost(failure):
        return errors.Unauthorised(
            f"{at}: the service refused the signature's time ({code}); this host's clock is off, or it stood still",
            next=f"set the clock (timedatectl, or restart the virtual machine's time service), then {errors.AGAIN}",
        )
    if code in EXPIRED:
        return errors.Unauthorised(
            f"{at}: the credentials have expired", next=f"renew the credentials, then {errors.AGAIN}"
        )
    if code in DENIED or code.startswith("AccessDenied"):
        # Where credentials are fetched to sign with, it is that call which was denied.
        asked = operation if operation.endswith(f".{failure.operation_name}") else f"sts.{failure.operation_name}"
        permission = asked.replace(".", ":")
        return errors.Unauthorised(f"{what} (needs the permission {permission})", next="portability doctor")
    if code in BAD_CREDENTIALS:
        return errors.Unauthorised(what, next="check the credentials: aws sts get-caller-identity")
    return _kind(failure, code, service)(what, operation=operation, aws_code=code)


def _kind(failure: exceptions.ClientError, code: str, service: str) -> type[errors.AwsError]:  # noqa: PLR0911 - one table
    status = int(failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = str(failure.response.get("Error", {}).get("Message", ""))
    if code in {"UnknownOperationException", "UnknownOperation"}:
        return errors.Unsupported
    if code == "TrimmedDataAccessException":
        return errors.Trimmed
    if code in THROTTLED or f"{code}.{service}" in THROTTLED or status == TOO_MANY:
        return errors.Throttled
    if code in CONFLICTS:
        return errors.TransactionConflict
    if code in LATER or status >= SERVER_ERROR:
        return errors.Unavailable
    if code in MISSING or code.endswith("NotFoundException"):
        return errors.NotFound
    if code == "ValidationError" and service == "cloudformation" and "does not exist" in message:
        return errors.NotFound
    if code in PRESENT or "AlreadyExists" in code or code.endswith("ExistsException"):
        return errors.AlreadyExists
    return errors.BadRequest


def _cancelled(failure: exceptions.ClientError, *, operation: str, at: str) -> errors.AwsError:
    reasons: list[dict[str, Any]] = [dict(reason) for reason in failure.response.get("CancellationReasons", [])]
    codes = [str(reason.get("Code", "None")) for reason in reasons]
    failed = [code == "ConditionalCheckFailed" for code in codes]
    said = ", ".join(f"{number}: {code}" for number, code in enumerate(codes) if code != "None")
    what = f"{at} was cancelled ({said})"
    if any(failed):
        old = [reason.get("Item") or None for reason in reasons]
        return errors.ConditionFailed(
            what, operation=operation, aws_code="TransactionCanceledException", old=old, failed=failed
        )
    aws_code = next((code for code in codes if code != "None"), "TransactionCanceledException")
    kind: type[errors.AwsError] = errors.BadRequest
    if CONFLICTS & set(codes):
        kind = errors.TransactionConflict
    elif THROTTLED & set(codes):
        kind = errors.Throttled
    return kind(what, operation=operation, aws_code=aws_code)


def _certificate_refused(failure: Exception) -> bool:
    # The certificate is judged in the handshake, before the request is written.
    return isinstance(failure, exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(failure)


def _broke_on_the_way(failure: Exception) -> bool:
    kinds = (
        exceptions.HTTPClientError,
        exceptions.SSLError,
        exceptions.ChecksumError,
        exceptions.IncompleteReadError,
        exceptions.FlexibleChecksumError,
        parsers.ResponseParserError,
        urllib3.exceptions.HTTPError,
        CutAnswer,
    )
    return isinstance(failure, kinds)


def _code(failure: exceptions.ClientError) -> str:
    return str(failure.response.get("Error", {}).get("Code", ""))


def _at(operation: str, where: str) -> str:
    return f"{operation} on {where}" if where else operation
