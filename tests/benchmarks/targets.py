"""What is to be reached: every figure, how it is computed, and its bound. `make bench` fails where one falls short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.results import Report

OF_A_CLIENT = "median of the pairs: boto3's CPU seconds per item / ours"


@dataclass(frozen=True)
class Target:
    """One figure. `bound` is what it is at least, or at most where `at_most`; `reason` says why one is not reached."""

    part: str
    figure: str
    says: str
    computed: str
    bound: float
    at_most: bool = False
    stretch: float | None = None
    unit: str = ""
    reason: str = ""

    @property
    def wanted(self) -> str:
        """The bound in words."""
        words = f"{'at most' if self.at_most else 'at least'} {self.bound:,g}{self.unit}"
        return words if self.stretch is None else f"{words} (stretch {self.stretch:g}{self.unit})"

    def reached_by(self, value: float) -> bool:
        """Whether a value is inside the bound."""
        return value <= self.bound if self.at_most else value >= self.bound


TARGETS = (
    Target("client", "tls_1k", "CPU of the client, TLS, 1 KB items", OF_A_CLIENT, 20, stretch=40, unit="x"),
    Target(
        "client", "tls_200", "CPU of the client, TLS, 200 B items", OF_A_CLIENT, 15, unit="x",
        reason="a request costs about the same whatever its 25 items weigh. By samples of one thread a quarter of the"
        " time is TLS and the system, a tenth the decoding of the page that was read, a twelfth the signature and"
        " another botocore's four events, which our rules hang on; four threads cost a tenth more than one.",
    ),
    Target(
        "engine", "of_limit", "Copy on DynamoDB Local against the engine's limit",
        "median of the pairs: our items/s / items/s of bare replayed batches", 0.75,
        reason="the engine does all its work on tables in one thread: what it reads for a copy it does not write"
        " meanwhile, and the replay reads nothing. The copy itself waits (the profile).",
    ),
    Target(
        "engine", "of_boto3", "Copy on DynamoDB Local against the boto3 client",
        "median of the pairs: our items/s / its items/s, 16 threads in one process each", 2.8, unit="x",
    ),
    Target(
        "load", "longer", "Copy and channel under 100 writes/s against without",
        "median of the pairs: seconds / seconds", 1.10, at_most=True, unit="x",
    ),
    Target(
        "memory", "growth", "Peak memory, 1,000,000 items against 100,000",
        "median of the pairs", 1.05, at_most=True, unit="x",
    ),
    Target("throttle", "used", "Granted write units used", "median of the runs: used / granted", 0.95),
    Target(
        "throttle", "overshoot", "Granted write units exceeded",
        "the largest of the runs: used ahead of the grant at any moment / granted", 0.02, at_most=True,
    ),
    Target(
        "memory", "peak_mb", "Peak memory of a copy of 1,000,000 items",
        "the largest of the runs, 10^6 bytes resident", 100, at_most=True, unit=" MB",
    ),
    Target("verify", "digest_items_per_second", "Digest of 1 KB items", "median, items/s on one core", 40_000),
    Target("channel", "records_per_second", "Channel reading a whole pool", "records/s, 256 shards, 1 % ours", 20_000),
    Target(
        "channel", "lag_p99_seconds", "Channel's lag at that rate",
        "p99 of record written to key synced", 3, at_most=True, unit=" s",
    ),
    Target(
        "pause", "median_ms", "Pause of the tenant's writes, median",
        "first refused to first accepted write, on the writer's clock", 300, at_most=True, unit=" ms",
        reason="by the certificates a third of a pause is the fence and its three probes over new connections, a third"
        " the drain of every stream, a fifth the comparison; the rest is the writer's, who waits longer from try to"
        " try. The engine, the tool, its guardian and the writers share two cores.",
    ),
    Target(
        "pause", "p99_ms", "Pause of the tenant's writes, p99",
        "first refused to first accepted write, on the writer's clock", 1000, at_most=True, unit=" ms",
    ),
)  # fmt: skip


def held(report: Report) -> Iterator[tuple[Target, float | None]]:
    """Every target with its measured value, None where it was not measured."""
    for target in TARGETS:
        part = report.parts.get(target.part)
        yield target, None if part is None else part.figures.get(target.figure)


def missed(report: Report, parts: frozenset[str]) -> list[Target]:
    """The targets of these parts that are not reached, or not measured."""
    return [
        target
        for target, value in held(report)
        if target.part in parts and (value is None or not target.reached_by(value))
    ]
