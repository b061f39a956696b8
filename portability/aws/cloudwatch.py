"""What DynamoDB says of its tables. Source: CloudWatch GetMetricData; metrics and dimensions of AWS/DynamoDB."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from portability.aws.caller import Caller

NAMESPACE = "AWS/DynamoDB"
PERIOD = 60
"""Seconds of one sum."""

MOST = 500
"""AWS: GetMetricData, queries of one request."""


class Metric(NamedTuple):
    """One metric of one table, as `ReadThrottleEvents` or `ConsumedWriteCapacityUnits`."""

    table: str
    name: str


class CloudWatch:
    """Table metrics of one region and role, read only. Thread-safe."""

    def __init__(self, client: Any, call: Caller) -> None:  # noqa: ANN401 - one operation is used; its stubs are large
        self._client = client
        self._call = call

    def sums(self, metrics: Sequence[Metric], *, start: float, end: float) -> dict[Metric, list[float]]:
        """Sums by whole minutes between two times (epoch seconds), oldest first; [] where there is no data.

        A minute in which nothing happened has no sum; the latest minutes come late.
        """
        found: dict[Metric, list[float]] = {metric: [] for metric in metrics}
        for at in range(0, len(metrics), MOST):
            asked = {f"m{number}": metric for number, metric in enumerate(metrics[at : at + MOST])}
            pages = self._call.pages(
                self._client.get_metric_data,
                answered="NextToken",
                asked="NextToken",
                MetricDataQueries=[_query(name, metric) for name, metric in asked.items()],
                StartTime=_minute(start),
                EndTime=_minute(end),
                ScanBy="TimestampAscending",
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    found[asked[result["Id"]]] += map(float, result["Values"])
        return found


def _query(name: str, metric: Metric) -> dict[str, Any]:
    dimensions = [{"Name": "TableName", "Value": metric.table}]
    of = {"Namespace": NAMESPACE, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": of, "Period": PERIOD, "Stat": "Sum"}, "ReturnData": True}


def _minute(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at - at % PERIOD, dt.UTC)
