"""Table metrics, over moto's CloudWatch: sums by minute, an absent metric, a read-only client."""

from __future__ import annotations

import datetime as dt
import time

import boto3
import pytest

from portability import errors
from portability.aws.cloudwatch import MOST, NAMESPACE, CloudWatch, Metric
from portability.aws.session import Aws
from portability.retry import Retry

REGION = "us-east-1"


def told(table: str, name: str, value: float, at: float, moto: str) -> None:
    boto3.client("cloudwatch", region_name=REGION, endpoint_url=moto).put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "TableName", "Value": table}],
                "Timestamp": dt.datetime.fromtimestamp(at, dt.UTC),
                "Value": value,
            }
        ],
    )


@pytest.mark.usefixtures("aws_env")
def test_sums_come_by_minute_and_nothing_where_there_is_nothing(prefix: str, moto: str) -> None:
    cloudwatch = Aws(region=REGION, read_only=True).cloudwatch()
    now = time.time() // 60 * 60
    events, other = Metric(prefix, "WriteThrottleEvents"), Metric(prefix, "ReadThrottleEvents")
    for at, value in ((now - 110, 2.0), (now - 100, 3.0), (now - 50, 7.0), (now - 4000, 99.0)):
        told(prefix, events.name, value, at, moto)
    told(f"{prefix}-other", events.name, 50.0, now - 50, moto)
    assert cloudwatch.sums([events, other], start=now - 600, end=now + 60) == {events: [5.0, 7.0], other: []}


def test_more_metrics_than_one_request_takes_are_asked_in_several() -> None:
    asked: list[int] = []

    class Client:
        def get_metric_data(self, **request: object) -> dict[str, object]:
            queries = request["MetricDataQueries"]
            assert isinstance(queries, list)
            asked.append(len(queries))
            return {"MetricDataResults": [{"Id": query["Id"], "Values": [1.0]} for query in queries]}

    class Call:
        def pages(self, method: object, *, answered: str, asked: str, **request: object) -> list[object]:
            assert callable(method)
            return [method(**request)]

    metrics = [Metric(f"table-{number}", "ReadThrottleEvents") for number in range(MOST + 1)]
    sums = CloudWatch(Client(), Call()).sums(metrics, start=0, end=600)  # type: ignore[arg-type]
    assert asked == [MOST, 1]
    assert set(sums) == set(metrics)
    assert all(values == [1.0] for values in sums.values())


@pytest.mark.usefixtures("aws_env")
def test_a_service_that_does_not_answer_is_said_as_one_of_our_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    cloudwatch = Aws(region=REGION, read_only=True, retry=Retry(attempts=1)).cloudwatch()
    with pytest.raises(errors.EndpointDown):
        cloudwatch.sums([Metric("t", "ReadThrottleEvents")], start=0, end=600)
