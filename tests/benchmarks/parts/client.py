"""Client cost and memory: our copy and the boto3 client's, against a stub server that is not the bottleneck."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
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


def measure(sizes: Sizes) -> dict[str, Part]:
    """Both items over TLS and the larger one in plain, in pairs; memory from our runs over TLS."""
    rows: list[Row] = []
    figures: dict[str, float] = {}
    notes: list[str] = []
    with _contest(sizes, items.SIZES[0], tls=True) as large:
        for pair in range(sizes.pairs):
            _pair(large, pair, sizes.peer, sizes.ours_long, sizes.ours_short)
        rows += _rows(large, "TLS, 1 KB")
        figures["tls_1k"] = rows[0].median
        notes.append(_of_server(large, "TLS, 1 KB"))
        memory = _memory(large)
        profile = large.copy("ours", sizes.ours_short, "--profile")["profile"]
    for size, tls, says, ours in (
        (items.SIZES[1], True, "TLS, 200 B", sizes.ours_small),
        (items.SIZES[0], False, "plain, 1 KB", sizes.ours_short),
    ):
        with _contest(sizes, size, tls=tls) as contest:
            for pair in range(sizes.pairs):
                _pair(contest, pair, sizes.peer, ours)
            added = _rows(contest, says)
            rows += added
            notes.append(_of_server(contest, says))
            if size == items.SIZES[1]:
                figures["tls_200"] = added[0].median
    notes.insert(
        0,
        f"Items copied in a run: boto3 {sizes.peer:,}; ours {sizes.ours_long:,} (TLS, 1 KB), {sizes.ours_small:,}"
        f" (200 B), {sizes.ours_short:,} (plain); {WORKERS} workers each.",
    )
    return {"client": Part(rows, figures, notes, profile), "memory": memory}


def measure_memory(sizes: Sizes) -> dict[str, Part]:
    """The memory alone."""
    with _contest(sizes, items.SIZES[0], tls=True) as contest:
        for _ in range(sizes.pairs):
            contest.note("short", "ours", sizes.ours_short)
            contest.note("long", "ours", sizes.ours_long)
        return {"memory": _memory(contest)}


@contextmanager
def _contest(sizes: Sizes, size: int, *, tls: bool) -> Iterator[Contest]:
    with stub.running(size=size, per_partition=sizes.per_partition, tls=tls) as server:
        contest = Contest(server, sizes)
        contest.copy("ours", sizes.ours_short)  # the server's code is compiled as it runs
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


def _of_server(contest: Contest, says: str) -> str:
    busy = {who: max(shares) for who, shares in contest.server_cpu.items()}
    told_ = ", ".join(f"{share:.2f} under {'boto3' if who == 'boto3' else 'ours'}" for who, share in busy.items())
    return f"Cores that the stub server itself kept busy, {says}, at most: {told_}."
