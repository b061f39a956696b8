"""Whether the shared tables of a move throttle more than before: their other tenants come first.

Source: CloudWatch, AWS/DynamoDB: ReadThrottleEvents, WriteThrottleEvents (no data where nothing was throttled),
ConsumedReadCapacityUnits (data wherever a table is read, so its absence means that nothing is known).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from portability import errors
from portability.aws.cloudwatch import PERIOD, Metric
from portability.model.estate import Model
from portability.steps.base import Context

EVERY = 60.0
"""Seconds between two looks, at least."""

RECENT, BEFORE = 180.0, 900.0
"""Seconds looked back: metrics come up to three minutes late. What is usual is taken from before the copy began."""

THROTTLED = ("ReadThrottleEvents", "WriteThrottleEvents")
CONSUMED = "ConsumedReadCapacityUnits"


@dataclass
class TablePressure:
    """The shared tables on either side of a move. `pressed` is None while nothing is known of them."""

    ctx: Context
    pressed: bool | None = None
    why: str = ""  # why nothing is known
    _usual: dict[str, float] | None = None  # throttled requests a minute before the copy, by table

    def look(self) -> None:
        """Ask once; the first look, before the copy begins, says what is usual.

        What cannot be asked is unknown, and no reason to stop.
        """
        try:
            told = self._told(BEFORE if self._usual is None else RECENT)
        except (errors.AwsError, errors.Unauthorised, errors.EndpointDown) as error:
            self.pressed, self.why = None, f"{error.code} {error.what}"
            return
        events = {table: one.throttled for table, one in told.items()}
        if self._usual is None:
            self._usual = events
        known = not told or any(one.known for one in told.values())
        self.why = "" if known else "there are no metrics of the shared tables"
        self.pressed = any(events[table] > self._usual.get(table, 0.0) for table in events) if known else None

    def _told(self, window: float) -> dict[str, _Told]:
        now = self.ctx.clock.now()
        found: dict[str, _Told] = {}
        for (region, role), tables in self._tables().items():
            asked = [Metric(table, name) for table in tables for name in (*THROTTLED, CONSUMED)]
            sums = self.ctx.aws.cloudwatch(region=region, role=role).sums(asked, start=now - window, end=now + PERIOD)
            for table in tables:
                events = sum(sum(sums[Metric(table, name)]) for name in THROTTLED)
                found[table] = _Told(events * PERIOD / window, bool(events or sums[Metric(table, CONSUMED)]))
        return found

    def _tables(self) -> dict[tuple[str, str | None], list[str]]:
        found: dict[tuple[str, str | None], list[str]] = defaultdict(list)
        stores = self.ctx.estate.stores
        moving = [move for move in self.ctx.plan.moving if stores[move.store].in_dynamodb]
        for side in (side for move in moving for side in (move.source, move.target)):
            if side.model is Model.POOL and side.table not in found[side.region, side.role]:
                found[side.region, side.role].append(side.table)
        return found


@dataclass(frozen=True)
class _Told:
    throttled: float  # requests a minute
    known: bool
