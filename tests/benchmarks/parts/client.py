"""Client cost and memory: our copy and the boto3 client's, against a stub server that is not the bottleneck."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.benchmarks import items, stub
from tests.benchmarks.measured import environment, python, told
from tests.benchmarks.results import Part, Row, ratios
from tests.benchmarks.sizes import Sizes

WORKERS = 4
PER = 1000  # items that a cost is given for


class Contest:
    """Copies against one stub server, and what each cost, by who copied."""

    def __init__(self, server: stub.Stub, sizes: Sizes) -> None:
        self._server = server
        self._sizes = sizes
        self.told: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.server_cpu: dict[str, list[float]] = defaultdict(list)  # of a core, while it was copied

    def copy(self, who: str, count: int, *options: str) -> dict[str, Any]:
        """Copy `count` items in a process of its own; raises RuntimeError where the server was given another number."""
        partitions = ",".join(items.partitions(max(1, count // self._sizes.per_partition)))
        argv = python("tests.benchmarks.client", "--endpoint", self._server.endpoint, "--json")
        argv += ["--source", "stub-pooled", "--target", "stub-own", "--partition-keys", partitions]
        argv += ["--workers", str(WORKERS), *options, *(["--peer", "boto3"] if who == "boto3" else [])]
        before = self._server.counted()
        answer = told(argv, environment(self._server.endpoint, self._server.ca_bundle))
        after = self._server.counted()
        if after.items - before.items != answer["items"]:
            message = f"{who} told {answer['items']} items, the server was given {after.items - before.items}"
            raise RuntimeError(message)
        self.server_cpu[who].append((after.cpu_seconds - before.cpu_seconds) / answer["seconds"])
        return answer

    def note(self, name: str, who: str, count: int) -> None:
        """Copy, and keep what it cost under a name."""
        self.told[name].append(self.copy(who, count))

    def cost(self, name: str, says: str) -> Row:
        """CPU seconds per 1,000 items."""
        runs = [round(PER * each["cpu_seconds"] / each["items"], 5) for each in self.told[name]]
        return Row(says, f"CPU s per {PER:,} items", runs)

    def speed(self, name: str, says: str) -> Row:
        """Items per second."""
        return Row(says, "items/s", [round(each["items"] / each["seconds"], 1) for each in self.told[name]])

    def memory(self, name: str, says: str) -> Row:
        """Peak resident memory."""
        return Row(says, "MB", [each["peak_rss_mb"] for each in self.told[name]])


CONTESTS: Mapping[str, tuple[str, int, bool]] = {
    "tls_1k": ("TLS, 1 KB", items.SIZES[0], True),
    "tls_200": ("TLS, 200 B", items.SIZES[1], True),
    "plain_1k": ("plain, 1 KB", items.SIZES[0], False),
}
"""What is said of each contest, the size of its items, and whether it is over TLS."""


def measure(sizes: Sizes) -> dict[str, Part]:
    """Every contest in pairs; memory and profile from our runs in the first."""
    ours = {"tls_1k": sizes.ours_long, "tls_200": sizes.ours_small, "plain_1k": sizes.ours_short}
    rows: list[Row] = []
    figures: dict[str, float] = {}
    notes = [f"{WORKERS} workers each."]
    profile: list[tuple[str, float]] = []
    memory: dict[str, Part] = {}
    for name in sizes.contests:
        says, _, _ = CONTESTS[name]
        with _contest(sizes, name) as contest:
            for pair in range(sizes.pairs):
                _pair(contest, pair, sizes.peer, ours[name], 0 if memory else sizes.ours_short)
            if not memory:
                memory = {"memory": _memory(contest)}
                profile = contest.copy("ours", sizes.ours_short, "--profile")["profile"]
        added = _rows(contest, says)
        figures[name] = added[0].median
        rows += added
        notes.append(f"{says}: boto3 copied {sizes.peer:,} items in a run, ours {ours[name]:,}. {_of_server(contest)}")
    return {"client": Part(rows, figures, notes, profile), **memory}


def measure_memory(sizes: Sizes) -> dict[str, Part]:
    """The memory alone."""
    with _contest(sizes, sizes.contests[0]) as contest:
        for _ in range(sizes.pairs):
            contest.note("short", "ours", sizes.ours_short)
            contest.note("long", "ours", sizes.ours_long)
        return {"memory": _memory(contest)}


@contextmanager
def _contest(sizes: Sizes, name: str) -> Iterator[Contest]:
    _, size, tls = CONTESTS[name]
    with stub.running(size=size, per_partition=sizes.per_partition, tls=tls) as server:
        contest = Contest(server, sizes)
        for _ in range(sizes.warm):
            contest.copy("ours", sizes.ours_short)
        contest.server_cpu.clear()
        yield contest


def _pair(contest: Contest, pair: int, peer: int, ours: int, short: int = 0) -> None:
    turns = [("boto3", "boto3", peer), ("long", "ours", ours)] + ([("short", "ours", short)] if short else [])
    for turn in turns if pair % 2 == 0 else reversed(turns):
        contest.note(*turn)


def _rows(contest: Contest, says: str) -> list[Row]:
    theirs, ours = contest.cost("boto3", f"boto3 client, {says}"), contest.cost("long", f"ours, {says}")
    speeds = [contest.speed("boto3", f"boto3 client, {says}"), contest.speed("long", f"ours, {says}")]
    return [ratios(theirs, ours), theirs, ours, *speeds]


def _memory(contest: Contest) -> Part:
    long, short = contest.memory("long", "ours, long copy"), contest.memory("short", "ours, short copy")
    growth = ratios(long, short)
    sizes = sorted({each["items"] for name in ("short", "long") for each in contest.told[name]})
    notes = [f"Short is {sizes[0]:,} items, long {sizes[-1]:,}; resident memory, libraries and interpreter included."]
    return Part([growth, long, short], {"peak_mb": max(long.runs), "growth": growth.median}, notes)


def _of_server(contest: Contest) -> str:
    busy = {who: max(shares) for who, shares in contest.server_cpu.items()}
    shares = ", ".join(f"{share:.2f} under {who}" for who, share in sorted(busy.items()))
    return f"The server itself kept so many cores busy, at most: {shares}."
