"""docs/benchmarks.md: written from docs/benchmarks.json and the targets; `--check` fails where it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.benchmarks.results import KEPT, Part, Report, Row, load
from tests.benchmarks.targets import held
from tests.support.dynamodb_local import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
NOTE = "<!-- Written by tests/benchmarks/page.py from docs/benchmarks.json; `make bench WRITE=1` measures it anew. -->"
HOW = """\
`make bench` measures everything below, prints the first table and ends 1 if a figure in it falls short;
`make bench ONLY=client` measures one part, `WRITE=1` keeps the result in this page and in
[docs/benchmarks.json](benchmarks.json). Each peer runs beside ours in the same run, turn by turn; a ratio is taken of
each pair, and what is shown is the median of the pairs. CPU seconds are user and system time of the process that
copies, from the first request to the last answer. Everything runs on one machine over the loopback interface: no
figure here was measured on AWS."""

ABOUT = {
    "client": """\
## Client cost

Against a stub server that answers Query with ready pages of a megabyte and accepts every BatchWriteItem, so that only
the client's own work is seen. Ours is the copy that `copy_data` drives: units, cursors, keys in flight, unprocessed
items. boto3 is its client on 4 threads, a page read and written in batches of 25. Ours is measured over more items than
boto3, whose cost per item does not depend on their number.""",
    "memory": """\
## Memory

The peak of the process that copies, from the runs against the stub server over TLS.""",
    "engine": """\
## DynamoDB Local, end to end

16 partitions, 16 workers, 1 KB items. The engine's limit is what it takes of BatchWriteItem requests that were encoded
and signed beforehand, over 16 connections, measured anew in every round: it reads nothing, while every copy reads what
it writes. The slower peers copy fewer items; rates are compared.""",
    "channel": """\
## Channel

Keys synced per second, and a fake stream of a whole pool: what others wrote is dropped after its key is parsed.""",
    "verify": """\
## Verification

The digest of items in memory, on one core; and both sides of a tenant re-read and compared on DynamoDB Local.""",
    "pause": """\
## Write pause

Cutovers and reversals in turn, by the command line, under the sandbox application, a process of its own that writes
behind the `epoch` fence, on DynamoDB Local. A pause lasts from its first refused try to its next accepted write, on its
own clock: its own waiting between tries is in it.""",
    "load": """\
## Under a writer

Copy with the channel running, until every changed key is synced, with and without an application that writes 100 times
a second to the same partitions, on DynamoDB Local.""",
    "throttle": """\
## Throttle

A copy with a rate; what it wrote in each second.""",
}


def text(report: Report) -> str:
    """The page."""
    parts = ["# Benchmarks", NOTE, HOW, "\n".join(summary(report)), "\n".join(_ran_on(report))]
    for name, about in ABOUT.items():
        parts += [about, *_section(name, report.parts.get(name), report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(report: Report) -> Iterator[str]:
    """The table of targets, as Markdown lines."""
    yield "| figure | measured | wanted | verdict | computed |"
    yield "|---|---|---|---|---|"
    for target, value in held(report):
        verdict = "" if value is None else "reached" if target.reached_by(value) else "**not reached**"
        measured = "not measured" if value is None else f"{number(value)}{target.unit}"
        yield f"| {target.says} | {measured} | {target.wanted} | {verdict} | {target.computed} |"


def number(value: float) -> str:
    """Three digits that tell, thousands apart."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def stale() -> bool:
    """Whether the page is not what the file says."""
    return not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text(load(KEPT))


def write() -> None:
    """Write the page."""
    PAGE.write_text(text(load(KEPT)), encoding="utf-8")


def _ran_on(report: Report) -> Iterator[str]:
    if report.machine is not None:
        machine = report.machine
        yield f"* Machine: {machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, {machine.system}"
        yield "* Versions: " + ", ".join(f"{name} {version}" for name, version in report.versions.items())
        yield f"* Last command: `{report.command}`"


def _section(name: str, part: Part | None, report: Report) -> Iterator[str]:
    if part is None:
        yield "Not measured yet."
        return
    lines = ["| | median | least | most | runs | unit |", "|---|---:|---:|---:|---:|---|"]
    rows = sorted(part.rows, key=lambda row: row.unit != "ratio")
    yield "\n".join([*lines, *map(_row, rows)])
    if part.notes:
        yield "\n".join(f"* {note}" for note in part.notes)
    for target, value in held(report):
        if target.part == name and value is not None and not target.reached_by(value) and target.reason:
            yield f"{target.says}: {target.reason}"
    if part.profile:
        table = [
            "| share | where our time goes |",
            "|---:|---|",
            *(f"| {share:.1%} | {at} |" for at, share in part.profile),
        ]
        yield "\n".join(table)


def _row(row: Row) -> str:
    cells = (row.name, number(row.median), number(min(row.runs)), number(max(row.runs)), str(len(row.runs)), row.unit)
    return "| " + " | ".join(cells) + " |"


def main(argv: list[str]) -> int:
    """Write the page, or look whether it is current."""
    if argv == ["--check"]:
        if stale():
            print(f"{PAGE.relative_to(ROOT)} is not what {KEPT.relative_to(ROOT)} says", file=sys.stderr)
            return 1
        return 0
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
