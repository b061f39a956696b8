"""A table's stream: found, turned on where it is off, turned off after its last run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.aws.streams import Streams
from portability.retry import RETRYABLE, Retry
from portability.stores.base import Ledger

PATIENCE = 300.0  # seconds a stream may take to become ENABLED
LOOK_EVERY = 0.2
ASK_EVERY = 0.5  # seconds; AWS: control plane calls are few a second
COMING = "ENABLING"  # AWS: StreamDescription.StreamStatus


@dataclass(frozen=True)
class On:
    """A stream that is on. `keys_only` tells that its records carry no images."""

    arn: str
    keys_only: bool


@dataclass(frozen=True)
class TableStream:
    """The change stream of one table. Who uses a stream that this tool enabled is in the journal."""

    table: str
    dynamo: Dynamo
    streams: Streams
    monotonic: Callable[[], float]
    retry: Retry

    def latest(self) -> On | None:
        """The stream that is on; None where it is off. Raises `NotFound` without the table."""
        description = self.dynamo.describe(self.table)
        if description is None:
            raise errors.NotFound(
                f"there is no table {self.table}",
                operation="dynamodb.DescribeTable",
                aws_code="ResourceNotFoundException",
            )
        specification = description.get("StreamSpecification") or {}
        if not specification.get("StreamEnabled", False):
            return None
        return On(str(description["LatestStreamArn"]), specification.get("StreamViewType") == "KEYS_ONLY")

    def ensure(self, ledger: Ledger) -> tuple[On, bool]:
        """Turn the stream on if it is off and wait until it is ENABLED: the stream, and whether it was off.

        Every round writes under the lease who uses the stream: where whoever has the run now has turned it off, this
        raises `LeaseLost` and does not wait for what will not come.
        """
        deadline, fresh = self.monotonic() + PATIENCE, False
        while True:
            on = self.latest()
            if on is None or ledger.stream_users(self.table):
                # Who asked for it is written first: a crash behind this line leaves a stream that somebody turns off.
                ledger.stream_users(self.table, add=True)
            if on is None:
                fresh = True
                # Another run was quicker, or the table is being changed, or nobody knows: the next round finds out.
                with contextlib.suppress(errors.AlreadyExists, errors.NoDefiniteAnswer):
                    self.retry.call(lambda: self._switch(on=True))
                on = self.latest()
            if on is not None and self._comes(on.arn, deadline):
                return on, fresh
            self._pause(deadline, ASK_EVERY)

    def _switch(self, *, on: bool) -> None:
        wanted = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"} if on else {"StreamEnabled": False}
        try:
            self.dynamo.update_table(TableName=self.table, StreamSpecification=wanted)
        except errors.BadRequest:
            # ValidationException, among much else: the stream is already as it is wanted.
            if (self.latest() is not None) is not on:
                raise

    def _comes(self, arn: str, deadline: float) -> bool:
        """Wait until the stream is ENABLED; False where it is not on its way there: somebody turned it off."""
        while (status := self.streams.status(arn)) != "ENABLED":
            if status != COMING:
                return False
            self._pause(deadline)
        return True

    def _pause(self, deadline: float, seconds: float = LOOK_EVERY) -> None:
        if self.monotonic() > deadline:
            raise errors.Unavailable(
                f"the stream of {self.table} is not ENABLED after {PATIENCE:g} s",
                operation="dynamodb-streams.DescribeStream",
                aws_code="NotEnabled",
                next=errors.AGAIN,
            )
        self.retry.sleep(seconds)

    def let_go(self, ledger: Ledger) -> None:
        """This run uses the stream no more: turn it off if this tool turned it on and no other run uses it.

        Off first, and then the record of its last user: a crash between the two leaves what a repeat finds.
        """
        while ledger.run in (users := ledger.stream_users(self.table)):
            if users == [ledger.run]:
                self._turn_off()
                ledger.stream_users(self.table, add=False)
            elif not ledger.stream_users(self.table, add=False):
                ledger.stream_users(self.table, add=True)  # the others left at the same moment, and saw this one

    def _turn_off(self) -> None:
        if self.dynamo.describe(self.table) is not None and self.latest() is not None:
            self.retry.call(lambda: self._switch(on=False), on=(*RETRYABLE, errors.NoDefiniteAnswer))
