"""Screens in pages, held against the reviewed golden ones: what is stable of a plan preview and of a certificate."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.ui.golden import FOLDER, steady

LEFT_OUT = re.compile(r"^\s*…")
"""A line that says that others are not shown."""

_HEAD = re.compile(r"portability plan \S+ --to \S+ +estate \S+ · account \d{12} · \S+ · as \S+")
_CHANGE = re.compile(r"^(?:  |    )[+~>=!-] (?:[a-z][a-z ]{0,11} {1,11}|[a-z ]{12,} )\S")


def faults(text: str) -> Iterator[tuple[int, str]]:
    """(line from 0, what is wrong) of a block of text, where it shows a screen of this tool."""
    lines = text.split("\n")
    if lines[0].startswith("portability plan "):
        yield from _preview(lines)
    for number, line in enumerate(lines):
        if "writes paused" in line and " behind `" in line and _shape(line) != _shape(_golden("certificate")[0]):
            yield number, "no certificate line reads like this any more; see tests/ui/golden/certificate.txt"


def _preview(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The head, every change line, and the fixed lines around them in their order."""
    golden = _golden("plan")
    if not _HEAD.fullmatch(lines[0]) or not _HEAD.fullmatch(golden[0]):
        yield 0, "the first line of a preview reads otherwise; see tests/ui/golden/plan.txt"
    wanted = [_shape(line) for line in golden[1:] if not _CHANGE.match(line) or "`" in line]
    fixed = []
    for number, line in enumerate(lines[1:], start=1):
        if _CHANGE.match(line) and "`" not in line:
            continue
        if not LEFT_OUT.match(line):
            fixed.append(_shape(line))
            if fixed[-1] not in wanted:
                yield number, f"no preview has the line {line.strip()!r}; see tests/ui/golden/plan.txt"
    if not set(wanted) <= set(fixed):
        missing = next(line for line in wanted if line not in fixed)
        yield len(lines) - 1, f"the preview lacks {missing!r}; see tests/ui/golden/plan.txt"


def _golden(name: str) -> list[str]:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")


def _shape(line: str) -> str:
    """Numbers, digests and lists of stores by their kind; every word as it is."""
    line = re.sub(r"\d[\d,.]*", "0", steady(line))
    return re.sub(r"(?:\w+ 0 items DIGEST…(?:, )?)+", "STORES", line)
