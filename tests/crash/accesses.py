"""Other ways than the snippet's in which an application keeps to a fence: their writes have no condition."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from portability.sandbox.data_access import DataAccess, Operation, Record

REFUSED = "AccessDeniedException"
"""What a router answers to a write that its policy does not permit."""


class Plain(DataAccess):
    """Writes without a condition to where its record says; what is refused is refused by somebody between."""

    def _try(self, store: str, operation: Operation, request: Record) -> None:
        write: Any = {"TableName": self._directory.place(self.record(), self._tenant, store), **request}
        send: dict[Operation, Any] = {
            "Put": self._dynamodb.put_item,
            "Update": self._dynamodb.update_item,
            "Delete": self._dynamodb.delete_item,
        }
        try:
            send[operation](**write)
        except ClientError as error:
            if error.response["Error"]["Code"] == REFUSED:
                raise fenced() from error
            raise


class Flagged(Plain):
    """Looks at the flag of a record that it may cache: the `directory_flag` fence."""

    def _try(self, store: str, operation: Operation, request: Record) -> None:
        stamp = self.record().get("portability")
        if stamp is not None and stamp["M"]["fenced"]["BOOL"]:
            raise fenced()
        super()._try(store, operation, request)


def fenced() -> ClientError:
    """What a write is told that the fence turned away, in the snippet's terms."""
    reasons = [{"Code": "ConditionalCheckFailed"}, {"Code": "None"}]
    answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
    return ClientError(answer, "TransactWriteItems")
