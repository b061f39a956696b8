"""A tenant's writes behind the epoch fence: what an application adds to be movable with a pause under a second.

Copy it. It needs boto3 and nothing of this project.

The tenant directory says where a tenant's data is. While a move prepares or runs, the tenant's record carries a stamp,
`portability = {run, epoch, fenced}`, and from then on every write is a transaction with a check of that stamp: the
moment the epoch moves on, or the fence is up, writes under the old record are refused, wherever they are on their way.
Three rules make it safe: a record is cached for at most `cache_seconds`, counted from before it was read; the client
does not retry by itself (`NO_RETRIES`), so that no write is older than its record by more than one time-out; and after
a refusal the record is read again before the next try.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Record = dict[str, Any]
Operation = Literal["Put", "Update", "Delete"]
NO_RETRIES = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=3)
_PAUSE, _LONGER, _LONGEST_PAUSE = 0.02, 1.3, 0.1  # seconds between two tries, and by how much the next is longer
_BUSY = {
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingError",
    "ThrottlingException",
    "ThrottledException",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
}


class ItemConditionFailed(Exception):
    """The write's own condition was not met; the fence was not in the way."""


class StillFenced(Exception):
    """The write was refused until its deadline; it was never made."""


@dataclass(frozen=True)
class Directory:
    """Where tenant records are, and how one names the table of a store: `place(record, tenant, store)`."""

    table: str
    key: str
    place: Callable[[Record, str, str], str]


class DataAccess:
    """Writes of one tenant. Not shared by threads."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        directory: Directory,
        tenant: str,
        *,
        cache_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._dynamodb = dynamodb
        self._directory = directory
        self._tenant = tenant
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._cached: Record = {}
        self._good_until = float("-inf")

    def write(
        self,
        store: str,
        operation: Operation,
        request: Record,
        *,
        refused: Callable[[], None] = lambda: None,
        within: float = 30.0,
    ) -> None:
        """Make one write; `request` is that of PutItem, UpdateItem or DeleteItem without the table.

        `refused` is called for each try that the fence turned away. Raises StillFenced after `within` seconds of that
        (0: one try), ItemConditionFailed, and what botocore raises: then the outcome may be unknown.
        """
        deadline, pause = self._clock() + within, _PAUSE
        while True:
            try:
                self._try(store, operation, request)
            except ClientError as error:
                answer = _meaning(error)
                if answer == "fenced":
                    refused()
                    self._good_until = float("-inf")
                elif answer == "condition":
                    raise ItemConditionFailed from error
                elif answer != "busy":
                    raise
                if self._clock() >= deadline:
                    raise (StillFenced() if answer == "fenced" else error) from error
            else:
                return
            self._sleep(self._rng.uniform(0.5, 1.5) * pause)
            pause = min(_LONGEST_PAUSE, pause * _LONGER)  # many waiting writers must not be what the cutover waits for

    def record(self) -> Record:
        """The tenant's directory record, at most `cache_seconds` old."""
        now = self._clock()
        if now >= self._good_until:
            key = {self._directory.key: {"S": self._tenant}}
            answer = self._dynamodb.get_item(TableName=self._directory.table, Key=key, ConsistentRead=True)
            self._cached, self._good_until = answer["Item"], now + self._cache_seconds
        return self._cached

    def _try(self, store: str, operation: Operation, request: Record) -> None:
        record = self.record()
        write: Any = {"TableName": self._directory.place(record, self._tenant, store), **request}
        stamp = record.get("portability")
        if stamp is None:
            plain: dict[Operation, Any] = {
                "Put": self._dynamodb.put_item,
                "Update": self._dynamodb.update_item,
                "Delete": self._dynamodb.delete_item,
            }
            plain[operation](**write)
            return
        check: Any = {
            "TableName": self._directory.table,
            "Key": {self._directory.key: {"S": self._tenant}},
            "ConditionExpression": "portability.epoch = :epoch AND portability.fenced = :open",
            "ExpressionAttributeValues": {":epoch": stamp["M"]["epoch"], ":open": {"BOOL": False}},
        }
        writes: list[Any] = [{"ConditionCheck": check}, {operation: write}]
        self._dynamodb.transact_write_items(TransactItems=writes)


def _meaning(error: ClientError) -> Literal["fenced", "condition", "busy", "other"]:
    code = error.response["Error"]["Code"]
    if code == "TransactionCanceledException":
        reasons: Any = error.response["CancellationReasons"]
        fence, own = (reason["Code"] for reason in reasons)
        if fence == "ConditionalCheckFailed":
            return "fenced"
        code = fence if fence != "None" else own
    if code in _BUSY:
        return "busy"
    if code == "ResourceNotFoundException":  # the record is older than the table's deletion: nothing was written
        return "fenced"
    return "condition" if code in {"ConditionalCheckFailed", "ConditionalCheckFailedException"} else "other"
