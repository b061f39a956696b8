"""How long a cutover's writers waited: docs/reliability-pauses.json, and the table made of it.

A pause is one writer's, by its own ledger: from its first refused try to its next accepted write.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.support.dynamodb_local import ROOT

KEPT = ROOT / "docs" / "reliability-pauses.json"


class Paused(msgspec.Struct, frozen=True):
    """`ms` are the pauses of all writers of so many cutovers with one kind of fence, in milliseconds."""

    kind: str
    what: str
    cutovers: int
    ms: list[float]
    seed: int
    commit: str


def load(path: Path = KEPT) -> list[Paused]:
    """What is kept; nothing where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=list[Paused]) if path.exists() else []


def append(new: Sequence[Paused], path: Path = KEPT) -> None:
    """Add to the file; the same part at the same commit and seed replaces itself."""
    if not new:
        return
    again = {(one.kind, one.what, one.seed, one.commit) for one in new}
    kept = [one for one in load(path) if (one.kind, one.what, one.seed, one.commit) not in again]
    path.write_bytes(msgspec.json.format(msgspec.json.encode([*kept, *new]), indent=1) + b"\n")


def measured(pauses: Mapping[str, Sequence[Sequence[float]]], *, what: str, seed: int, commit: str) -> list[Paused]:
    """What a campaign met, by kind: for each cutover the pauses of its writers."""
    return [
        Paused(kind, what, len(cutovers), [round(ms, 1) for one in cutovers for ms in one], seed, commit)
        for kind, cutovers in sorted(pauses.items())
    ]


def table(found: Iterable[Paused]) -> Iterable[str]:
    """One line a kind of fence."""
    by_kind: dict[str, list[Paused]] = {}
    for one in found:
        by_kind.setdefault(one.kind, []).append(one)
    yield "| fence | cutovers | pauses | median | p99 | longest | commits |"
    yield "|---|---|---|---|---|---|---|"
    for kind, each in sorted(by_kind.items()):
        ms = sorted(pause for one in each for pause in one.ms)
        figures = [_seconds(statistics.median(ms)), _seconds(p99(ms)), _seconds(ms[-1])] if ms else ["", "", ""]
        commits = ", ".join(sorted({one.commit for one in each}))
        yield f"| {kind} | {sum(one.cutovers for one in each):,} | {len(ms):,} | {' | '.join(figures)} | {commits} |"


def p99(ms: Sequence[float]) -> float:
    """The smallest of the sorted values that ninety-nine in a hundred do not exceed."""
    return ms[math.ceil(0.99 * len(ms)) - 1]


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.2f} s"
