"""How a wrapper runs a boto3 method: one attempt for a change, our retry for a read, our errors for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from portability.aws import answers, guard
from portability.retry import Retry

T = TypeVar("T")

PLACES = (
    "TableName",
    "StreamArn",
    "ResourceArn",
    "UserPoolId",
    "Bucket",
    "StackName",
    "restApiId",
    "usagePlanId",
    "FunctionName",
    "EventSourceArn",
    "RoleName",
    "pipelineName",
    "logGroupName",
)
"""Request members that name a resource: the first that is present is named in an error. None is a tenant's value."""


class Caller:
    """Runs boto3 methods for the wrappers of one set of credentials. Thread-safe; holds no client.

    `call(client.describe_user_pool, UserPoolId=pool)` returns boto3's answer as it is, or raises one of `errors`:

    * **A read** (on the allow-list of `guard.READS`) is repeated by `retry` while `Throttled`, `TransactionConflict`
      or `Unavailable`; a time-out or a cut answer of a read is `Unavailable`.
    * **Anything else** makes exactly one HTTP attempt. A time-out, reset or cut answer is `NoDefiniteAnswer`: the
      effect may land late. `Unavailable` (5xx) is no definite answer either, the service may have acted; for a data
      write treat both as doubt. `unanswered` is called before either is raised. `Throttled`, `ConditionFailed`,
      `TransactionConflict` and `BadRequest` are definite: nothing was done.
    * `EndpointDown`: no connection was made, nothing was sent. `Unauthorised`: nothing was done.
    * **Lost time.** When the service refuses the signature's time, nothing was done, and this process may have stood
      still long enough to lose its lease. A read is signed once more. A write is signed once more only after
      `lost_time()` returned, which reads the lease from the journal and raises `LeaseLost` if it is another's; without
      `lost_time`, or when the second signature is refused too, the answer is `Unauthorised`.
    * `LeaseLost` from `look` or `lost_time`, and `ReadOnlyClient`, come out as they were raised.
    """

    def __init__(
        self,
        retry: Retry,
        lost_time: Callable[[], None] | None = None,
        unanswered: Callable[[], None] | None = None,
    ) -> None:
        self._retry = retry
        self._lost_time = lost_time
        self._unanswered = unanswered

    def __call__(self, method: Callable[..., T], /, **request: Any) -> T:
        """Run one boto3 method with keyword arguments as the AWS API names them."""
        return self.around(method, lambda: method(**request), where=_where(request))

    def around(self, method: Callable[..., Any], effect: Callable[[], T], *, where: str = "") -> T:
        """Run an effect that calls `method` and more (reads a streamed body); named and repeated as `method` is."""
        service, operation = operation_of(method)
        read = guard.is_read(service, operation)

        attempt = partial(self._signed_again, effect, service, operation, read=read, where=where)
        return self._retry.call(attempt) if read else attempt()

    def pages(self, method: Callable[..., T], *, answered: str, asked: str, **request: Any) -> Iterator[T]:
        """Every page of a listing: the answer's `answered` token is sent as the next request's `asked`.

        Lazy; each page is retried by itself. Example: `pages(client.list_tables, answered="LastEvaluatedTableName",
        asked="ExclusiveStartTableName")`.
        """
        while True:
            page: Any = self(method, **request)
            yield page
            token = page.get(answered)
            if not token:
                return
            request = {**request, asked: token}

    def _signed_again(self, effect: Callable[[], T], service: str, operation: str, *, read: bool, where: str) -> T:
        failure: Exception
        for again in (True, False):
            try:
                return effect()
            except answers.FAILURES as error:
                failure = error
            if not (again and answers.time_was_lost(failure) and (read or self._lost_time is not None)):
                break
            if not read and self._lost_time is not None:
                self._lost_time()
        # Raised outside of `except`: botocore's own message, which may quote an item, is in no traceback.
        told = answers.translate(failure, operation=f"{service}.{operation}", mutating=not read, where=where)
        if not read and self._unanswered is not None and isinstance(told, answers.INDEFINITE):
            self._unanswered()
        raise told


def operation_of(method: Callable[..., Any]) -> tuple[str, str]:
    """The service id and the API's operation name of a bound client method: `("dynamodb", "PutItem")`."""
    bound: Any = method
    client = bound.__self__
    return guard.service_of(client), str(client.meta.method_to_api_mapping[bound.__name__])


def _where(request: dict[str, Any]) -> str:
    return next((str(request[place]) for place in PLACES if isinstance(request.get(place), str)), "")
