"""Fakes of what a step is handed: time, S3, CloudWatch, and a journal table that can be killed at every write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from portability import errors
from portability.aws.cloudwatch import Metric
from portability.aws.tally import Tally
from portability.journal.memory import MemoryTable
from portability.journal.table import Member
from portability.model.run import Holder
from tests.steps_data.fake_dynamo import FakeDynamo


@dataclass
class Clock:
    """Time moves when somebody sleeps."""

    wall: float = 1_760_000_000.0
    mono: float = 100.0
    each: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def sleep(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds
        self.each()


@dataclass
class FakeS3:
    """An S3 bucket."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def put(self, bucket: str, key: str, body: bytes) -> str:
        import hashlib

        self.objects[bucket, key] = body
        return hashlib.sha256(body).hexdigest()

    def get(self, bucket: str, key: str) -> bytes:
        if (bucket, key) not in self.objects:
            raise errors.NotFound("no such key", operation="s3.GetObject", aws_code="NoSuchKey")
        return self.objects[bucket, key]


@dataclass
class FakeCloudWatch:
    """Metrics by table and name; `down` raises it instead."""

    told: dict[Metric, list[float]] = field(default_factory=dict)
    down: errors.PortabilityError | None = None
    looks: list[float] = field(default_factory=list)

    def sums(self, metrics: Sequence[Metric], *, start: float, end: float) -> dict[Metric, list[float]]:
        self.looks.append(end)
        if self.down is not None:
            raise self.down
        return {metric: self.told.get(metric, []) for metric in metrics}


@dataclass
class FakeAws:
    """Hands out the one fake of each service."""

    dynamo: FakeDynamo
    bucket: FakeS3
    metrics: FakeCloudWatch = field(default_factory=FakeCloudWatch)
    sent: Tally = field(default_factory=Tally)

    def cloudwatch(self, *, region: str | None = None, role: str | None = None) -> FakeCloudWatch:
        return self.metrics

    def dynamodb(self, *, region: str | None = None, role: str | None = None, fresh: bool = False) -> FakeDynamo:
        return self.dynamo

    def s3(self, *, region: str | None = None, role: str | None = None) -> FakeS3:
        return self.bucket


class TrappedTable(MemoryTable):
    """A journal table whose every write is a place to be killed at."""

    trap: Callable[[str], None] = staticmethod(lambda _label: None)

    def transact(self, members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        self.trap("before append")
        super().transact(members, token=token, foreign=foreign)
        self.trap("after append")


class Gone:
    """Every earlier holder is gone."""

    def gone(self, _holder: Holder) -> bool:
        return True
